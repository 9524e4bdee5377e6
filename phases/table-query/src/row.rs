//! A row, and how CEL sees it.

use cel_json::FromJson;
use cel_json::cel::ExecutionError;
use cel_json::cel::common::traits::{Container, Indexer, Sizer};
use cel_json::cel::common::types::{CelInt, CelMap, CelString, Type};
use cel_json::cel::common::value::{CowVal, Val};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Column → value, in order.
pub type Row = Map<String, Value>;

/// Refuses a column that no row has. Rows may differ, and there may be none.
pub fn require_column(place: &str, name: &str, rows: &[Row]) -> Result<(), String> {
    if rows.is_empty() || rows.iter().any(|row| row.contains_key(name)) {
        return Ok(());
    }
    let names: Vec<_> = rows[0].keys().map(String::as_str).collect();
    let names = names.join(", ");
    Err(format!(
        "{place}: no row has a column {name:?}; there are {names}"
    ))
}

/// A row in an expression. Cells become CEL values when an expression asks for them: most
/// expressions use one or two columns of many.
#[derive(Clone, Debug)]
pub struct RowValue<'v>(pub &'v Row);

impl Val for RowValue<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        CelMap::cel_type()
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Indexer for RowValue<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = column_name(key)?;
        let cell = self
            .0
            .get(name)
            .ok_or_else(|| ExecutionError::no_such_key(name))?;
        let FromJson(value) = FromJson::deserialize(cell)
            .map_err(|error| ExecutionError::function_error("row", error))?;
        Ok(CowVal::Owned(value))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Container for RowValue<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.0.contains_key(column_name(key)?))
    }
}

impl Sizer for RowValue<'_> {
    fn size(&self) -> CelInt {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX).into()
    }
}

fn column_name(key: &dyn Val) -> Result<&str, ExecutionError> {
    let name = key.downcast_ref::<CelString>();
    name.map(CelString::inner)
        .ok_or_else(|| ExecutionError::UnexpectedType {
            got: key.get_type().name().to_owned(),
            want: "string".to_owned(),
        })
}
