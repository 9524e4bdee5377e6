//! The phase `table-query`: lookup → where → derive → group → having → order → limit → select, and
//! in place of the rows a profile of their columns.
//!
//! **Invariant:** an expression is compiled once and sees one row at a time, of which only the
//! columns it uses are converted.

mod aggregate;
mod config;
mod expression;
mod group;
mod lookup;
mod order;
mod profile;
mod row;
mod value;

use std::collections::BTreeMap;

use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};

pub use config::Config;
pub use profile::ColumnProfile;
pub use row::Row;

use expression::{RowExpression, Rows};

/// The phase.
pub struct TableQuery;

export_phase!(TableQuery);

/// The rows to query, and tables to look values up in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    rows: Vec<Row>,
    #[serde(default)]
    tables: BTreeMap<String, Vec<Row>>,
}

/// What the query gives.
#[derive(Debug, Serialize)]
pub struct Output {
    /// The rows; none when their columns are profiled.
    pub rows: Vec<Row>,
    /// The number of rows given or profiled.
    pub row_count: usize,
    /// The number of rows of the input that `where` let through.
    pub matched: usize,
    /// One per column, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<ColumnProfile>>,
}

impl Phase for TableQuery {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(_: &Context, config: Config, input: Input) -> Result<Output, Failure> {
        query(&config, input).map_err(Failure::Invalid)
    }
}

/// Runs the query.
///
/// # Errors
/// Names the setting, the expression and the row or column of what is wrong.
pub fn query(config: &Config, input: Input) -> Result<Output, String> {
    let condition = compile("config.where", config.condition.as_deref())?;
    let derived = derived_columns(config)?;
    let groups = group::Grouping::compile(config)?;

    let mut rows = input.rows;
    for (index, lookup) in config.lookup.iter().enumerate() {
        lookup::join(
            &format!("config.lookup[{index}]"),
            lookup,
            &input.tables,
            &mut rows,
        )?;
    }
    // Errors name a row by its place in the input, so that place stays with it.
    let mut rows: Vec<(usize, Row)> = rows.into_iter().enumerate().collect();
    if let Some(condition) = &condition {
        rows = condition.filter(Rows::Input, rows)?;
    }
    let matched = rows.len();
    for (name, expression) in &derived {
        for (index, row) in &mut rows {
            let value = expression.value(Rows::Input, *index, row)?;
            row.insert(name.clone(), value);
        }
    }
    let mut rows = match groups {
        Some(groups) => groups.apply(&rows)?,
        None => rows.into_iter().map(|(_, row)| row).collect(),
    };
    order::sort(&config.order_by, &mut rows)?;
    rows.drain(..config.offset.min(rows.len()));
    rows.truncate(config.limit.unwrap_or(usize::MAX));
    if let Some(columns) = &config.select {
        rows = select(columns, rows)?;
    }
    let row_count = rows.len();
    let columns = config.profile.then(|| profile::columns(&rows));
    if columns.is_some() {
        rows = Vec::new();
    }
    Ok(Output {
        rows,
        row_count,
        matched,
        columns,
    })
}

fn compile(place: &str, source: Option<&str>) -> Result<Option<RowExpression>, String> {
    source
        .map(|source| RowExpression::compile(place, source))
        .transpose()
}

fn derived_columns(config: &Config) -> Result<Vec<(String, RowExpression)>, String> {
    let columns = config.derive.iter().map(|(name, source)| {
        let expression = RowExpression::compile(&format!("config.derive.{name}"), source)?;
        Ok((name.clone(), expression))
    });
    columns.collect()
}

/// Keeps the columns named, in that order; a row without one gets a null.
fn select(columns: &[String], rows: Vec<Row>) -> Result<Vec<Row>, String> {
    for name in columns {
        row::require_column("config.select", name, &rows)?;
    }
    let pick = |mut row: Row| {
        let take = |name: &String| {
            (
                name.clone(),
                row.get_mut(name).map(std::mem::take).unwrap_or_default(),
            )
        };
        columns.iter().map(take).collect()
    };
    Ok(rows.into_iter().map(pick).collect())
}

#[cfg(test)]
mod tests;
