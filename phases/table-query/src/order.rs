//! Sorting rows by some of their columns.

use std::cmp::Ordering;

use serde_json::Value;

use crate::config::OrderBy;
use crate::row::{Row, require_column};
use crate::value;

/// Sorts, and keeps the order of rows that are equal. Nulls come last, descending or not.
pub fn sort(order_by: &OrderBy, rows: &mut Vec<Row>) -> Result<(), String> {
    let columns: Vec<(&str, bool)> = (order_by.columns().iter())
        .map(|column| match column.strip_prefix('-') {
            Some(column) => (column, true),
            None => (column.as_str(), false),
        })
        .collect();
    for (column, _) in &columns {
        require_column("config.order_by", column, rows)?;
    }
    if columns.is_empty() {
        return Ok(());
    }
    let cells = |row| {
        columns
            .iter()
            .map(|(column, _)| cell(row, column))
            .collect::<Vec<_>>()
    };
    let mut keyed: Vec<_> = rows.iter().map(cells).enumerate().collect();
    keyed.sort_by(|(_, left), (_, right)| {
        let cells = left.iter().zip(right).zip(&columns);
        let orders =
            cells.map(|((left, right), (_, descending))| compare(*left, *right, *descending));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    let places: Vec<usize> = keyed.into_iter().map(|(index, _)| index).collect();
    *rows = places
        .into_iter()
        .map(|index| std::mem::take(&mut rows[index]))
        .collect();
    Ok(())
}

fn cell<'a>(row: &'a Row, column: &str) -> Option<&'a Value> {
    row.get(column).filter(|cell| !cell.is_null())
}

fn compare(left: Option<&Value>, right: Option<&Value>, descending: bool) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) if descending => value::compare(right, left),
        (Some(left), Some(right)) => value::compare(left, right),
        (left, right) => left.is_none().cmp(&right.is_none()),
    }
}
