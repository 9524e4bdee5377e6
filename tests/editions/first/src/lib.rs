//! The phase `edition` before an upgrade: adds one, and says that it is edition 1.

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};

/// The phase.
pub struct Edition;

export_phase!(Edition);

/// No settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// A number.
#[derive(Debug, Deserialize)]
pub struct Input {
    n: i64,
}

/// The next number, and who made it.
#[derive(Debug, Serialize)]
pub struct Output {
    n: i64,
    edition: u32,
}

impl Phase for Edition {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn descriptor() -> Descriptor {
        Descriptor {
            name: "edition",
            version: "1.0.0",
            description: "Adds one.",
            config_schema: r#"{"type": "object", "additionalProperties": false}"#,
            input_schema: r#"{"type": "object", "required": ["n"]}"#,
            output_schema: r#"{"type": "object", "required": ["n", "edition"], "properties": {"edition": {"const": 1}}}"#,
        }
    }

    fn run(context: &Context, Config {}: Config, Input { n }: Input) -> Result<Output, Failure> {
        context.info("this is edition 1");
        Ok(Output {
            n: n + 1,
            edition: 1,
        })
    }
}
