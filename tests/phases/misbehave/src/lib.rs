//! The phase `misbehave`: behaves as badly as its config says, for tests of the engine's limits.

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// What one step of endless allocation takes.
const CHUNK_BYTES: usize = 1 << 20;

/// The phase.
pub struct Misbehave;

export_phase!(Misbehave);

/// What to do, and how much of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    mode: Mode,
    #[serde(default = "default_bytes")]
    bytes: usize,
    #[serde(default = "default_depth")]
    depth: usize,
    #[serde(default = "default_succeed_at")]
    succeed_at: u32,
}

/// What to do; the README says what each is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Loop,
    Allocate,
    Trap,
    HugeOutput,
    Print,
    Log,
    BadJson,
    OffSchema,
    FailInvalid,
    FailTransient,
    FailPermanent,
    FailUntil,
    Echo,
    BigArtifact,
    DeepJson,
    Recurse,
    BadProgress,
}

#[derive(Serialize)]
struct Echo<'a> {
    input: &'a RawValue,
    attempt: u32,
    idempotency_key: &'a str,
    review_notes: Option<&'a str>,
}

impl Phase for Misbehave {
    type Config = Config;
    type Input = Box<RawValue>;
    // Raw, so that it need not be JSON.
    type Output = Box<RawValue>;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, input: Self::Input) -> Result<Self::Output, Failure> {
        let Config {
            mode,
            bytes,
            depth,
            succeed_at,
        } = config;
        match mode {
            Mode::Loop => spin(),
            Mode::Allocate => allocate(),
            Mode::Trap => panic!("trapped as told"),
            Mode::Print => print(),
            Mode::Log => log(context),
            Mode::Recurse => Ok(raw(format!("{}", recurse(1)))),
            Mode::HugeOutput => Ok(raw(format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes)))),
            Mode::DeepJson => Ok(raw("[".repeat(depth) + &"]".repeat(depth))),
            Mode::BadJson => Ok(raw(r#"{"text": "#.into())),
            Mode::OffSchema => Ok(raw(r#"{"unexpected": true}"#.into())),
            Mode::FailInvalid => Err(Failure::invalid("invalid as told")),
            Mode::FailTransient => Err(Failure::transient("transient as told")),
            Mode::FailPermanent => Err(Failure::permanent("permanent as told")),
            Mode::FailUntil if context.attempt < succeed_at => {
                let attempt = context.attempt;
                Err(Failure::transient(format!(
                    "attempt {attempt} of {succeed_at} fails as told"
                )))
            }
            Mode::FailUntil | Mode::Echo => Ok(echo(context, &input)),
            Mode::BigArtifact => {
                context.put_artifact("big.bin", "application/octet-stream", vec![b'x'; bytes])?;
                Ok(raw("{}".into()))
            }
            Mode::BadProgress => {
                for fraction in [f32::NAN, 2.0, -1.0, f32::INFINITY] {
                    context.progress(fraction, "bad progress as told");
                }
                Ok(raw("{}".into()))
            }
        }
    }
}

fn spin() -> ! {
    let mut steps = 0_u64;
    loop {
        steps = std::hint::black_box(steps.wrapping_add(1));
    }
}

fn allocate() -> ! {
    let mut chunks = Vec::new();
    loop {
        // Filled, so that the memory is really used.
        chunks.push(std::hint::black_box(vec![1_u8; CHUNK_BYTES]));
    }
}

fn print() -> ! {
    loop {
        println!("{}", "printed as told ".repeat(64));
        eprintln!("{}", "printed as told ".repeat(64));
    }
}

fn log(context: &Context) -> ! {
    loop {
        context.info(&"logged as told ".repeat(64));
    }
}

#[expect(unconditional_recursion, reason = "that is what the mode is for")]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    recurse(depth + 1) + frame[0]
}

fn echo(context: &Context, input: &RawValue) -> Box<RawValue> {
    let echo = Echo {
        input,
        attempt: context.attempt,
        idempotency_key: &context.idempotency_key,
        review_notes: context.review_notes.as_deref(),
    };
    to_raw_value(&echo).expect("strings and numbers can be written")
}

/// Any text, as if it were JSON.
fn raw(text: String) -> Box<RawValue> {
    // SAFETY: whoever trusts a `RawValue` to be JSON would be wrong about this one; the SDK only
    // copies its text to the engine, and finding out what that does is what this phase is for.
    unsafe { RawValue::from_string_unchecked(text) }
}

fn default_bytes() -> usize {
    100 << 20
}

fn default_depth() -> usize {
    100_000
}

fn default_succeed_at() -> u32 {
    1
}
