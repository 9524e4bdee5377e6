//! Taking columns from another table: a left join on keys that are there once.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::config::Lookup;
use crate::row::{Row, require_column};
use crate::value;

/// Adds the columns that `lookup` takes to every row; null where the table has no such key.
pub fn join(
    place: &str,
    lookup: &Lookup,
    tables: &BTreeMap<String, Vec<Row>>,
    rows: &mut [Row],
) -> Result<(), String> {
    let Lookup {
        table: name,
        on,
        take,
    } = lookup;
    let Some(table) = tables.get(name) else {
        let names: Vec<_> = tables.keys().map(String::as_str).collect();
        let names = if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        };
        return Err(format!(
            "{place}.table: no table {name:?} in input.tables; there are {names}"
        ));
    };
    if on.is_empty() {
        return Err(format!("{place}.on: names no columns to look up by"));
    }
    for (left, right) in on {
        require_column(&format!("{place}.on"), left, rows)?;
        require_column(&format!("{place}.on.{left}: table {name}"), right, table)?;
    }
    for (new, right) in take {
        require_column(&format!("{place}.take.{new}: table {name}"), right, table)?;
    }

    let mut by_key = HashMap::with_capacity(table.len());
    for (index, row) in table.iter().enumerate() {
        let key = value::key(on.values().map(|right| row.get(right)));
        if let Some((first, _)) = by_key.insert(key, (index, row)) {
            return Err(format!(
                "{place}.on: input.tables.{name}[{first}] and [{index}] have the same key"
            ));
        }
    }
    for row in rows {
        // As in SQL, null equals nothing, not even null.
        let has_null = on
            .keys()
            .any(|left| row.get(left).is_none_or(Value::is_null));
        let key = value::key(on.keys().map(|left| row.get(left)));
        let found = by_key.get(&key).filter(|_| !has_null);
        for (new, right) in take {
            let cell = found.and_then(|(_, found)| found.get(right)).cloned();
            row.insert(new.clone(), cell.unwrap_or_default());
        }
    }
    Ok(())
}
