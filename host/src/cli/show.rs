//! Showing JSON to people.

use serde_json::Value;

/// Pretty JSON on standard output.
pub(super) fn json(value: &Value) {
    println!("{value:#}");
}

/// A table on standard output: fields of each item under their titles.
pub(super) fn table(items: &[Value], columns: &[(&str, &str)]) {
    let cell = |item: &Value, field: &str| match &item[field] {
        Value::Null => String::new(),
        Value::String(text) => text.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| columns.iter().map(|(_, field)| cell(item, field)).collect())
        .collect();
    let titles = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            let title = columns[at].0.chars().count();
            rows.iter()
                .map(|row| row[at].chars().count())
                .max()
                .unwrap_or(0)
                .max(title)
        })
        .collect();
    for row in std::iter::once(&titles).chain(&rows) {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// A page of a list: as JSON, or as a table with a hint when there is more.
pub(super) fn page(page: &Value, is_json: bool, columns: &[(&str, &str)]) {
    if is_json {
        return json(page);
    }
    table(page["items"].as_array().map_or(&[], Vec::as_slice), columns);
    if let Some(next) = page["next"].as_str() {
        println!("more: --cursor {next}");
    }
}
