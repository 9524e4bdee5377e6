//! One field: its type, and its value once the type is known.

use serde::{Deserialize, Serialize};

/// The type of a column, from the narrowest to the widest that inference tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// 64 bits, signed.
    Integer,
    /// A finite double.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    String,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// One of the `null_values`.
    Null,
    /// Of a column of type [`Type::Integer`].
    Integer(i64),
    /// Of a column of type [`Type::Number`].
    Number(f64),
    /// Of a column of type [`Type::Boolean`].
    Boolean(bool),
    /// Of a column of type [`Type::String`].
    String(String),
}

impl Type {
    /// The types that inference tries, in order; [`Type::String`] is what is left.
    pub const INFERRED: [Self; 3] = [Self::Integer, Self::Number, Self::Boolean];

    /// Whether `field` is so clearly of this type that it may be taken for one unasked.
    pub fn is_obvious(self, field: &str) -> bool {
        match self {
            Self::Integer => is_json_number(field) && field.parse::<i64>().is_ok(),
            Self::Number => {
                // Digits that do not fit an integer are a code; as a double they would change.
                let digits_only = !field.contains(['.', 'e', 'E']);
                is_json_number(field)
                    && (!digits_only || field.parse::<i64>().is_ok())
                    && self.read(field).is_some()
            }
            Self::Boolean | Self::String => self.read(field).is_some(),
        }
    }

    /// The value of `field`, if it is of this type.
    pub fn read(self, field: &str) -> Option<Cell> {
        match self {
            Self::Integer => field.parse().ok().map(Cell::Integer),
            Self::Number => {
                let number = field.parse::<f64>().ok()?;
                number.is_finite().then_some(Cell::Number(number))
            }
            Self::Boolean if field.eq_ignore_ascii_case("true") => Some(Cell::Boolean(true)),
            Self::Boolean if field.eq_ignore_ascii_case("false") => Some(Cell::Boolean(false)),
            Self::Boolean => None,
            Self::String => Some(Cell::String(field.to_owned())),
        }
    }

    /// As it reads after "is not".
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::String => "a string",
        }
    }
}

/// Whether JSON writes numbers so: no leading zeros, no plus sign, digits around the point.
fn is_json_number(field: &str) -> bool {
    let unsigned = field.strip_prefix('-').unwrap_or(field);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(are_digits)
        && exponent.is_none_or(|exponent| {
            are_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        })
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
