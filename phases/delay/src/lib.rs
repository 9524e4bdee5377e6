//! The phase `delay`: waits, then passes its input on as its output.

use std::time::{Duration, Instant};

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A day. A longer wait belongs in a schedule, not in a running attempt.
const MS_MAX: u32 = 86_400_000;

/// Often enough for a progress bar to move.
const TICK_SHORT: Duration = Duration::from_millis(250);
/// Seldom enough that a day of progress events stays a short list.
const TICK_LONG: Duration = Duration::from_mins(1);
/// Waits longer than this report once per [`TICK_LONG`].
const SHORT_WAIT_MAX: Duration = Duration::from_mins(15);

/// The phase.
pub struct Delay;

export_phase!(Delay);

/// How long to wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    ms: u32,
}

impl Phase for Delay {
    type Config = Config;
    // Text, not values: what goes out is to the byte what came in.
    type Input = Box<RawValue>;
    type Output = Box<RawValue>;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, input: Self::Input) -> Result<Self::Output, Failure> {
        let Config { ms } = config;
        if ms > MS_MAX {
            return Err(Failure::invalid(format!(
                "config.ms: {ms} is more than {MS_MAX}"
            )));
        }
        wait(context, Duration::from_millis(ms.into()));
        Ok(input)
    }
}

fn wait(context: &Context, total: Duration) {
    let tick = if total > SHORT_WAIT_MAX {
        TICK_LONG
    } else {
        TICK_SHORT
    };
    let start = Instant::now();
    loop {
        let left = total.saturating_sub(start.elapsed());
        std::thread::sleep(left.min(tick));
        if left <= tick {
            return;
        }
        let done = start.elapsed();
        let message = format!("waited {} of {} ms", done.as_millis(), total.as_millis());
        context.progress(done.div_duration_f32(total).min(1.0), &message);
    }
}

#[cfg(test)]
mod tests {
    use phasewright_sdk::testing::{FakeHost, run};

    use super::*;

    fn delay(config: &str, input: &str) -> Result<String, Failure> {
        run::<Delay>(&FakeHost::default(), config, input)
    }

    #[test]
    fn passes_its_input_on_to_the_byte() {
        let input = r#"{"b": 1.0, "a":[ 1e2, "\u00e9" ]}"#;
        assert_eq!(delay(r#"{"ms": 0}"#, input).as_deref(), Ok(input));
    }

    #[test]
    fn waits_and_reports() {
        let host = FakeHost::default();
        let start = Instant::now();
        run::<Delay>(&host, r#"{"ms": 300}"#, "null").unwrap();
        assert!(start.elapsed() >= Duration::from_millis(300));
        let progress = host.progress.borrow();
        assert_eq!(progress.len(), 1);
        assert!((0.8..1.0).contains(&progress[0].0), "{progress:?}");
    }

    #[test]
    fn refuses_a_bad_config() {
        for (config, message) in [
            ("{}", "config: missing field `ms`"),
            (
                r#"{"ms": -1}"#,
                "config.ms: invalid value: integer `-1`, expected u32",
            ),
            (
                r#"{"ms": 86400001}"#,
                "config.ms: 86400001 is more than 86400000",
            ),
            (
                r#"{"ms": "1"}"#,
                "config.ms: invalid type: string \"1\", expected u32",
            ),
            (
                r#"{"ms": 1, "s": 1}"#,
                "config.s: unknown field `s`, expected `ms`",
            ),
        ] {
            assert_eq!(
                delay(config, "{}"),
                Err(Failure::invalid(message)),
                "{config}"
            );
        }
    }
}
