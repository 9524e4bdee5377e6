//! Expressions, evaluated in a component of our own under limits like a phase's.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use wasmtime::{Store, component::Linker};

use super::{
    bindings::expression::{
        ExpressionEvaluatorPre, exports::phasewright::expression::evaluator::Binding,
    },
    component::{Nobody, compile, read},
    failure::failure,
    guest::{Grant, Guest, call},
    limits::Limits,
    memory::{Appetite, MemoryPool},
    text::shorten,
};
use crate::{
    wasm::{EXPRESSIONS_MAX, Wasm},
    workflow::{Failure, FailureKind, Json},
};

/// What one evaluation may use. Output and memory let a large output of a phase pass into
/// the next one; the time is some hundred times what that takes.
const LIMITS: Limits = Limits {
    wall_clock: Duration::from_secs(10),
    cpu_time: Duration::from_secs(1),
    memory_bytes: 128 << 20,
    output_bytes: 16 << 20,
    ..Limits::CLOSED
};

/// How much of an expression an error about it repeats, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// The evaluator.
pub(super) struct Expressions {
    wasm: Arc<Wasm>,
    component: ExpressionEvaluatorPre<Guest>,
    memory: Arc<MemoryPool>,
    appetite: Arc<Appetite>,
    places: Semaphore,
}

impl Expressions {
    /// Loads the evaluator component from a file.
    pub(super) async fn load(
        wasm: Arc<Wasm>,
        linker: &Linker<Guest>,
        memory: Arc<MemoryPool>,
        file: &Path,
    ) -> Result<Self, String> {
        let path = file.to_owned();
        let (_, component) = compile(&wasm, linker, move || read(&path)).await?;
        let component = ExpressionEvaluatorPre::new(component)
            .map_err(|error| format!("is no expression evaluator: {error:#}"))?;
        Ok(Self {
            wasm,
            component,
            memory,
            appetite: Arc::default(),
            places: Semaphore::new(EXPRESSIONS_MAX as usize),
        })
    }

    /// For each expression: nothing when it compiles, else the reason.
    pub(super) async fn check(&self, sources: Vec<String>) -> Result<Vec<Option<String>>, Failure> {
        let work = async |store: &mut Store<Guest>| {
            let guest = self.component.instantiate_async(&mut *store).await?;
            let evaluator = guest.phasewright_expression_evaluator();
            evaluator.call_check(store, &sources).await
        };
        let reasons = self.call(work).await;
        let reasons = reasons.map_err(|error| with_place(&error, &sources))?;
        same_number(&sources, reasons)
    }

    /// The values of all expressions in one scope.
    pub(super) async fn evaluate(
        &self,
        sources: Vec<String>,
        scope: Vec<(String, Json)>,
    ) -> Result<Vec<Json>, Failure> {
        let scope: Vec<_> = scope
            .into_iter()
            .map(|(name, value)| Binding {
                name,
                value: value.to_string(),
            })
            .collect();
        let work = async |store: &mut Store<Guest>| {
            let guest = self.component.instantiate_async(&mut *store).await?;
            let evaluator = guest.phasewright_expression_evaluator();
            evaluator.call_evaluate(store, &sources, &scope).await
        };
        let values = self.call(work).await;
        let values = values.map_err(|error| with_place(&error, &sources))?;
        let values = values.map_err(|error| {
            let source = sources.get(error.index as usize);
            let source = source.map_or("?", String::as_str);
            invalid(source, &error.message)
        })?;
        let parsed = sources.iter().zip(&values).map(|(source, value)| {
            serde_json::from_str(value)
                .map(Arc::new)
                .map_err(|error| invalid(source, &format!("its value is not JSON: {error}")))
        });
        let parsed = parsed.collect::<Result<_, _>>()?;
        same_number(&sources, parsed)
    }

    async fn call<T>(
        &self,
        work: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let _place = self.places.acquire().await;
        let grant = Grant {
            limits: LIMITS,
            variables: Arc::default(),
            outbound: None,
            timeout: None,
            memory: self.memory.room(&self.appetite).await,
        };
        let (value, _) = call(&self.wasm, grant, Arc::new(Nobody), work).await?;
        Ok(value)
    }
}

/// The evaluator answers one for one.
fn same_number<T>(sources: &[String], answers: Vec<T>) -> Result<Vec<T>, Failure> {
    if answers.len() == sources.len() {
        return Ok(answers);
    }
    Err(failure(
        FailureKind::Permanent,
        format!(
            "the evaluator gave {} answers for {} expressions",
            answers.len(),
            sources.len()
        ),
    ))
}

fn invalid(source: &str, reason: &str) -> Failure {
    let source = shorten(source.to_owned(), EXCERPT_CHARS_MAX);
    failure(
        FailureKind::Invalid,
        format!("expression {source:?}: {reason}"),
    )
}

/// A failure of the evaluator itself, with what it was evaluating. What ran out of time once
/// does so again, so that is a limit and no reason to try again.
fn with_place(error: &Failure, sources: &[String]) -> Failure {
    let kind = match error.cause {
        FailureKind::TimedOut => FailureKind::LimitExceeded,
        kind => kind,
    };
    let first = sources.first().map_or("", String::as_str);
    let first = shorten(first.to_owned(), EXCERPT_CHARS_MAX);
    let place = match sources.len() {
        0 | 1 => format!("expression {first:?}"),
        more => format!("one of {more} expressions, the first of them {first:?}"),
    };
    failure(kind, format!("{place}: {}", error.message))
}
