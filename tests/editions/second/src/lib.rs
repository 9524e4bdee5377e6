//! The phase `edition` after an upgrade: takes ten times the number, and says `two`; neither
//! its config nor its output is what it was.

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};

/// The phase.
pub struct Edition;

export_phase!(Edition);

/// By how much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    factor: i64,
}

/// A number.
#[derive(Debug, Deserialize)]
pub struct Input {
    n: i64,
}

/// The product, and who made it.
#[derive(Debug, Serialize)]
pub struct Output {
    n: i64,
    edition: &'static str,
}

impl Phase for Edition {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn descriptor() -> Descriptor {
        Descriptor {
            name: "edition",
            version: "2.0.0",
            description: "Multiplies.",
            config_schema: r#"{"type": "object", "required": ["factor"]}"#,
            input_schema: r#"{"type": "object", "required": ["n"]}"#,
            output_schema: r#"{"type": "object", "required": ["n", "edition"], "properties": {"edition": {"const": "two"}}}"#,
        }
    }

    fn run(context: &Context, config: Config, Input { n }: Input) -> Result<Output, Failure> {
        context.info("this is edition 2");
        Ok(Output {
            n: n * config.factor,
            edition: "two",
        })
    }
}
