//! The phase `redact`: hides e-mail addresses in a text.

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};

/// The phase.
pub struct Redact;

export_phase!(Redact);

/// What to write in place of an address.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    mask: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mask: "[hidden]".to_owned(),
        }
    }
}

/// The text with the addresses in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    text: String,
}

/// The text without them, and how many there were.
#[derive(Debug, Serialize)]
pub struct Output {
    text: String,
    hidden: usize,
}

impl Phase for Redact {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, input: Input) -> Result<Output, Failure> {
        if config.mask.contains('@') {
            return Err(Failure::invalid(
                "config.mask: looks like an address itself",
            ));
        }
        let mut hidden = 0;
        let hide = |word| match address_in(word) {
            Some(address) => {
                hidden += 1;
                word.replacen(address, &config.mask, 1)
            }
            None => word.to_owned(),
        };
        // Spaces and line breaks stay with the word before them.
        let text = input
            .text
            .split_inclusive(char::is_whitespace)
            .map(hide)
            .collect();
        context.info(&format!("hid {hidden} addresses"));
        Ok(Output { text, hidden })
    }
}

/// The address in a word, without the brackets and the full stop around it.
fn address_in(word: &str) -> Option<&str> {
    let address = word.trim_matches(|c: char| !c.is_alphanumeric());
    let (name, domain) = address.split_once('@')?;
    (!name.is_empty() && domain.contains('.')).then_some(address)
}

#[cfg(test)]
mod tests {
    use phasewright_sdk::testing::{FakeHost, run};

    use super::*;

    fn redact(config: &str, input: &str) -> Result<String, Failure> {
        run::<Redact>(&FakeHost::default(), config, input)
    }

    #[test]
    fn hides_addresses_and_nothing_else() {
        let input = r#"{"text": "Ask Ada (ada@example.org),\nor @grace, or 3 @ 5.\n"}"#;
        let output = r#"{"text":"Ask Ada ([hidden]),\nor @grace, or 3 @ 5.\n","hidden":1}"#;
        assert_eq!(redact("{}", input).as_deref(), Ok(output));
    }

    #[test]
    fn refuses_a_mask_that_is_an_address() {
        let failure = redact(r#"{"mask": "a@b.c"}"#, r#"{"text": ""}"#).unwrap_err();
        assert_eq!(
            failure,
            Failure::invalid("config.mask: looks like an address itself")
        );
    }
}
