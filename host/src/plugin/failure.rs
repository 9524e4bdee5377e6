//! From what went wrong inside the engine to what an attempt's failure says.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::{
    bindings::phase::phasewright::phase::types,
    limits::{Exceeded, Limits},
    log::Log,
    text::shorten,
};
use crate::workflow::{Failure, FailureKind};

/// Longest message of a failure, in characters: it is stored in the journal and shown in lists.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// A failure with a message of bearable length.
pub(super) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, shorten(message.into(), MESSAGE_CHARS_MAX))
}

/// The failure that a phase reports itself.
pub(super) fn reported(reported: types::Failure) -> Failure {
    match reported {
        types::Failure::Invalid(message) => failure(FailureKind::Invalid, message),
        types::Failure::Transient(message) => failure(FailureKind::Transient, message),
        types::Failure::Permanent(message) => failure(FailureKind::Permanent, message),
    }
}

/// The failure for an error of the engine: a limit, else a trap with what is known about it.
pub(super) fn of(error: &wasmtime::Error, log: &Log, limits: &Limits) -> Failure {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return (*exceeded).into();
    }
    if let Some(exceeded) = log.exceeded() {
        return exceeded.into();
    }
    let frame = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|backtrace| backtrace.frames().first());
    if is_transfer_exhausted(error) {
        // Inside a call of the host there is code of the guest on the stack.
        return match frame {
            Some(_) => Exceeded::Transfer(limits.transfer_bytes()).into(),
            None => Exceeded::Output(limits.output_bytes).into(),
        };
    }
    let mut message = if let Some(exit) = error.downcast_ref::<I32Exit>() {
        format!("exited with code {} instead of returning", exit.0)
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        format!(
            "trapped: {}",
            trap.to_string().trim_start_matches("wasm trap: ")
        )
    } else {
        format!("trapped: {}", error.root_cause())
    };
    if let Some(name) = frame.and_then(wasmtime::FrameInfo::func_name) {
        message = format!("{message} in {:#}", rustc_demangle::demangle(name));
    }
    if let Some(last) = log.last_error() {
        message = format!("{last} ({message})");
    }
    failure(FailureKind::Trapped, message)
}

/// Did the guest hand over more than [`Limits::transfer_bytes`]? wasmtime 48 does not export
/// the type of this error; `tests/tests/plugin.rs` notices when its text changes.
fn is_transfer_exhausted(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .contains("fuel allocated for hostcalls has been exhausted")
}
