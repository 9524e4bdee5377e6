//! The phase `csv-parse`: config and text → records → column types → typed rows.

mod cell;
mod records;
mod table;

use std::collections::BTreeMap;

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::Deserialize;

pub use cell::{Cell, Type};
pub use table::{Column, Table};

/// The phase.
pub struct CsvParse;

export_phase!(CsvParse);

/// How to read the text.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    delimiter: char,
    header: Option<bool>,
    columns: Option<Vec<String>>,
    null_values: Vec<String>,
    types: BTreeMap<String, Type>,
    rows_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delimiter: ',',
            header: None,
            columns: None,
            null_values: vec![String::new(), "NA".into()],
            types: BTreeMap::new(),
            // About what fits into the memory a phase usually gets; the memory limit is the real one.
            rows_max: 1_000_000,
        }
    }
}

/// The text to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    text: String,
}

impl Phase for CsvParse {
    type Config = Config;
    type Input = Input;
    type Output = Table;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, input: Input) -> Result<Table, Failure> {
        let table = parse(&config, &input.text).map_err(Failure::Invalid)?;
        let (rows, columns) = (table.row_count, table.columns.len());
        context.info(&format!("parsed {rows} rows of {columns} columns"));
        Ok(table)
    }
}

/// Parses CSV text into typed rows.
///
/// # Errors
/// Says what is wrong with the config, or the line and column of what is wrong with the text.
pub fn parse(config: &Config, text: &str) -> Result<Table, String> {
    let records = records::read(config, text)?;
    table::build(config, &records)
}

#[cfg(test)]
mod tests;
