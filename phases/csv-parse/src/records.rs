//! From text to records of equal length under named columns; nothing is typed yet.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};

use crate::Config;

/// Wide enough for any table a person looks at; a guard against a wrong delimiter.
const COLUMNS_MAX: usize = 4096;

/// All records of a text, each as long as `names`.
pub struct Records {
    pub names: Vec<String>,
    pub rows: Vec<StringRecord>,
}

/// Reads the header, if there is one, and all records.
pub fn read(config: &Config, text: &str) -> Result<Records, String> {
    let delimiter = delimiter(config.delimiter)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true) // lengths are checked here, for a better message
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let has_header = config.header.unwrap_or(config.columns.is_none());
    let header = match has_header.then(|| records.next()) {
        Some(Some(header)) => Some(header.map_err(|error| error.to_string())?),
        Some(None) => return Err("text: is empty, a header line is needed".into()),
        None => None,
    };
    let names = names(config, header)?;

    let mut rows = Vec::new();
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let line = line(&record);
        if rows.len() == config.rows_max {
            let max = config.rows_max;
            return Err(format!(
                "line {line}: more than {max} rows (config.rows_max)"
            ));
        }
        if record.len() != names.len() {
            let (count, expected) = (record.len(), names.len());
            return Err(format!(
                "line {line}: has {count} fields, expected {expected}"
            ));
        }
        rows.push(record);
    }
    Ok(Records { names, rows })
}

/// The line a record starts in, from 1.
pub fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn delimiter(delimiter: char) -> Result<u8, String> {
    match u8::try_from(delimiter) {
        Ok(byte) if byte.is_ascii() && !b"\"\r\n".contains(&byte) => Ok(byte),
        _ => Err(format!(
            "config.delimiter: {delimiter:?} is not an ASCII character other than a quote or a line break"
        )),
    }
}

/// The names of the columns, each there and different from the others.
fn names(config: &Config, header: Option<StringRecord>) -> Result<Vec<String>, String> {
    let (names, place) = match (&config.columns, header) {
        (Some(columns), _) => (columns.clone(), "config.columns".to_owned()),
        (None, Some(header)) => {
            let names = header.iter().map(str::to_owned).collect();
            (names, format!("line {}", line(&header)))
        }
        (None, None) => {
            return Err("config.columns: is needed when the text has no header".into());
        }
    };
    if names.is_empty() || names.len() > COLUMNS_MAX {
        let count = names.len();
        return Err(format!(
            "{place}: {count} columns, expected 1 to {COLUMNS_MAX}"
        ));
    }
    let mut seen = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        let column = index + 1;
        if name.is_empty() {
            return Err(format!("{place}: column {column} has no name"));
        }
        if let Some(first) = seen.insert(name.as_str(), column) {
            return Err(format!(
                "{place}: columns {first} and {column} are both named {name:?}"
            ));
        }
    }
    Ok(names)
}
