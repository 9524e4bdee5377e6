//! From records to typed rows: each column gets the type given, or the narrowest that fits.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::records::{Records, line};
use crate::{Cell, Config, Type};

/// The longest part of a field that an error repeats.
const QUOTE_CHARS_MAX: usize = 40;

/// The output: typed rows.
#[derive(Debug, serde::Serialize)]
pub struct Table {
    /// In the order of the text.
    pub columns: Vec<Column>,
    /// One per record.
    pub rows: Vec<Row>,
    /// The number of rows.
    pub row_count: usize,
}

/// One column.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Column {
    /// From the header or the config.
    pub name: String,
    /// Of all its values that are not null.
    #[serde(rename = "type")]
    pub kind: Type,
    /// How many of its values are null.
    pub nulls: usize,
}

/// One row: its cells, and the names it shares with the other rows.
#[derive(Debug)]
pub struct Row {
    names: std::rc::Rc<[String]>,
    cells: Vec<Cell>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (name, cell) in self.names.iter().zip(&self.cells) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

/// Gives every column its type and every field its value.
pub fn build(config: &Config, records: &Records) -> Result<Table, String> {
    if let Some(name) = config
        .types
        .keys()
        .find(|name| !records.names.contains(name))
    {
        let names = records.names.join(", ");
        return Err(format!(
            "config.types: no column is named {name:?}; there are {names}"
        ));
    }
    let is_null = |field: &str| config.null_values.iter().any(|null| null == field);
    let columns: Vec<Column> = (records.names.iter().enumerate())
        .map(|(index, name)| {
            let fields = || records.rows.iter().map(move |row| &row[index]);
            let values = || fields().filter(|field| !is_null(field));
            let given = config.types.get(name).copied();
            Column {
                name: name.clone(),
                kind: given.unwrap_or_else(|| infer(values)),
                nulls: fields().filter(|field| is_null(field)).count(),
            }
        })
        .collect();

    let names: std::rc::Rc<[String]> = records.names.clone().into();
    let mut rows = Vec::with_capacity(records.rows.len());
    for record in &records.rows {
        let mut cells = Vec::with_capacity(columns.len());
        for (column, field) in columns.iter().zip(record) {
            cells.push(if is_null(field) {
                Cell::Null
            } else {
                column.kind.read(field).ok_or_else(|| {
                    let (line, name) = (line(record), &column.name);
                    let (field, kind) = (shortened(field), column.kind.with_article());
                    format!("line {line}, column {name}: {field:?} is not {kind}")
                })?
            });
        }
        rows.push(Row {
            names: names.clone(),
            cells,
        });
    }
    Ok(Table {
        columns,
        row_count: rows.len(),
        rows,
    })
}

/// The narrowest type that all values obviously have; a string when there are none.
fn infer<'a, I: Iterator<Item = &'a str>>(values: impl Fn() -> I) -> Type {
    if values().next().is_none() {
        return Type::String;
    }
    Type::INFERRED
        .into_iter()
        .find(|kind| values().all(|value| kind.is_obvious(value)))
        .unwrap_or(Type::String)
}

fn shortened(field: &str) -> String {
    match field.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_owned(),
    }
}
