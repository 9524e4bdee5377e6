//! What the columns of a table hold.

use std::collections::HashSet;

use indexmap::IndexSet;
use serde::Serialize;
use serde_json::Value;

use crate::aggregate::mean;
use crate::row::Row;
use crate::value;

/// What one column holds.
#[derive(Debug, Serialize)]
pub struct ColumnProfile {
    name: String,
    /// `mixed` when its values differ in type, `null` when it has none.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Missing cells count.
    nulls: usize,
    /// Different values other than null.
    distinct: usize,
    min: Value,
    max: Value,
    /// Of numbers.
    mean: Value,
}

/// One profile per column, in the order in which the rows first have them.
pub fn columns(rows: &[Row]) -> Vec<ColumnProfile> {
    let names: IndexSet<&String> = rows.iter().flat_map(Row::keys).collect();
    names.into_iter().map(|name| column(name, rows)).collect()
}

fn column(name: &str, rows: &[Row]) -> ColumnProfile {
    let cells = rows.iter().filter_map(|row| row.get(name));
    let cells: Vec<&Value> = cells.filter(|cell| !cell.is_null()).collect();
    let kind = cells
        .iter()
        .fold("null", |kind, cell| match (kind, value::type_name(cell)) {
            ("null", new) => new,
            (old, new) if old == new => old,
            ("integer" | "number", "integer" | "number") => "number",
            _ => "mixed",
        });
    let is_ordered = !matches!(kind, "mixed" | "array" | "object");
    let ordered = || cells.iter().copied().filter(|_| is_ordered);
    let numbers = ordered().filter_map(|cell| match cell {
        Value::Number(number) => Some(value::to_f64(number)),
        _ => None,
    });
    let distinct: HashSet<String> = cells
        .iter()
        .map(|cell| value::key([Some(*cell)].into_iter()))
        .collect();
    ColumnProfile {
        name: name.to_owned(),
        kind,
        nulls: rows.len() - cells.len(),
        distinct: distinct.len(),
        min: ordered()
            .min_by(|a, b| value::compare(a, b))
            .cloned()
            .unwrap_or_default(),
        max: ordered()
            .max_by(|a, b| value::compare(a, b))
            .cloned()
            .unwrap_or_default(),
        mean: mean(&numbers.collect::<Vec<_>>()),
    }
}
