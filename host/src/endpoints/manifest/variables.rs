//! Variables of the application, and templates that refer to them: `{{ engine_url }}`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Complaint, complaint};

/// The values of variables come from the environment under names that begin so, as in Spin.
const PREFIX: &str = "SPIN_VARIABLE_";

/// The variables that an application declares.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Variables(BTreeMap<String, Variable>);

/// A variable as it is declared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    default: Option<String>,
    #[serde(default)]
    required: bool,
    /// Whether its value is nobody's business. Nothing here shows values.
    #[serde(default, rename = "secret")]
    _secret: bool,
    #[serde(rename = "description")]
    _description: Option<String>,
}

/// A text with variables in it, all of which are declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

impl Variables {
    /// Checks the declarations as Spin does.
    pub(super) fn check(&self) -> Result<(), Complaint> {
        for (name, variable) in &self.0 {
            let key = || format!("variables.{name}");
            check_name(name).map_err(|why| complaint(key(), why))?;
            if variable.required == variable.default.is_some() {
                return Err(complaint(
                    key(),
                    "must have either `default` or `required = true`",
                ));
            }
        }
        Ok(())
    }

    /// Reads a template.
    pub(super) fn template(&self, text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, inside)) = rest.split_once("{{") {
            let (name, after) = inside
                .split_once("}}")
                .ok_or_else(|| format!("`{text}` has a `{{{{` that is not closed"))?;
            let name = name.trim();
            if !self.0.contains_key(name) {
                let names: Vec<_> = self.0.keys().map(String::as_str).collect();
                return Err(format!(
                    "there is no variable `{name}`; there are: {}",
                    names.join(", ")
                ));
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Variable(name.to_owned()));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Template(pieces))
    }

    /// What a template says, with values from `env` or else the defaults.
    pub fn fill(
        &self,
        template: &Template,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        let pieces = template.0.iter().map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Variable(name) => {
                let place = format!("{PREFIX}{}", name.to_ascii_uppercase());
                let default = || self.0.get(name)?.default.clone();
                env(&place).or_else(default).ok_or_else(|| {
                    format!("the variable `{name}` is required and has no value: set {place}")
                })
            }
        });
        pieces.collect()
    }
}

/// Names are `lower_snake_case`, each word beginning with a letter.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && (word.chars()).all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if name.split('_').all(is_word) {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no name of a variable: words of lower-case letters and digits, each \
             beginning with a letter, joined by `_`"
        ))
    }
}
