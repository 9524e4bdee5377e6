//! What reports need beside Jinja's own filters. All give a dash for none.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

/// For a value that is not there.
const NONE: &str = "–";

/// The most decimals a double can mean.
const DECIMALS_MAX: usize = 17;

/// Adds the filters.
pub fn add_to(environment: &mut Environment) {
    environment.add_filter("number", number);
    environment.add_filter("minutes", minutes);
    environment.add_filter("cell", cell);
}

/// `1234567.891|number(1)` → `1,234,567.9`.
fn number(value: &Value, decimals: Option<usize>) -> Result<String, Error> {
    if value.is_none() {
        return Ok(NONE.into());
    }
    let decimals = decimals.unwrap_or(if value.is_integer() { 0 } else { 2 });
    if decimals > DECIMALS_MAX {
        let message = format!("number has at most {DECIMALS_MAX} decimals");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let text = if value.is_integer() && decimals == 0 {
        value.to_string() // exact, also beyond 53 bits
    } else {
        format!("{:.decimals$}", finite("number", value)?)
    };
    Ok(with_thousands(&text))
}

/// `212|minutes` → `3 h 32 min`.
fn minutes(value: &Value) -> Result<String, Error> {
    if value.is_none() {
        return Ok(NONE.into());
    }
    let total = finite("minutes", value)?.round();
    let sign = if total < 0.0 { "-" } else { "" };
    let (hours, minutes) = ((total.abs() / 60.0).floor(), total.abs() % 60.0);
    Ok(match (hours > 0.0, minutes > 0.0) {
        (true, true) => format!(
            "{sign}{} h {minutes} min",
            with_thousands(&hours.to_string())
        ),
        (true, false) => format!("{sign}{} h", with_thousands(&hours.to_string())),
        (false, _) => format!("{sign}{minutes} min"),
    })
}

/// Text that stays within its cell of a Markdown table.
fn cell(value: &Value) -> String {
    if value.is_none() {
        return NONE.into();
    }
    let text = value.to_string();
    let text = text.trim().replace('\\', "\\\\").replace('|', "\\|");
    text.replace("\r\n", "<br>").replace(['\n', '\r'], "<br>")
}

fn finite(filter: &str, value: &Value) -> Result<f64, Error> {
    let number = (value.kind() == ValueKind::Number).then(|| f64::try_from(value.clone()).ok());
    number
        .flatten()
        .filter(|number| number.is_finite())
        .ok_or_else(|| {
            let kind = value.kind();
            Error::new(
                ErrorKind::InvalidOperation,
                format!("{filter} applies to numbers, not to {kind}"),
            )
        })
}

/// Commas between the thousands of a decimal number.
fn with_thousands(text: &str) -> String {
    let (sign, unsigned) = text
        .strip_prefix('-')
        .map_or(("", text), |unsigned| ("-", unsigned));
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (unsigned, String::new()),
    };
    let mut grouped = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}
