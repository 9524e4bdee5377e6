//! The phase `compute`: the smallest that computes anything, for benchmarks.

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};

/// The phase.
pub struct Compute;

export_phase!(Compute);

/// No settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// Input and output.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    n: i64,
}

impl Phase for Compute {
    type Config = Config;
    type Input = Number;
    type Output = Number;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(_: &Context, Config {}: Config, Number { n }: Number) -> Result<Number, Failure> {
        let next = n.checked_add(1);
        let n = next.ok_or_else(|| Failure::invalid(format!("input.n: {n} is the greatest")))?;
        Ok(Number { n })
    }
}

#[cfg(test)]
mod tests {
    use phasewright_sdk::testing::{FakeHost, run};

    use super::*;

    #[test]
    fn adds_one() {
        let host = FakeHost::default();
        assert_eq!(
            run::<Compute>(&host, "{}", r#"{"n":41}"#).as_deref(),
            Ok(r#"{"n":42}"#)
        );
        let greatest = format!(r#"{{"n":{}}}"#, i64::MAX);
        assert!(run::<Compute>(&host, "{}", &greatest).is_err());
    }
}
