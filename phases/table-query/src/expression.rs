//! An expression over `row`: compiled once, with null as SQL has it.
//!
//! Where a null stands in the way of a value (`row.dep_delay > 60` in a cancelled flight), the result
//! is null: a condition does not hold, a derived cell is null. `&&`, `||` and `!` follow: `false &&
//! null` is false, `true || null` is true, all else is null. Only `==` and `!=` differ from SQL: they
//! compare with null as with any value (`row.dep_time == null`).

use std::fmt;

use cel_json::cel::common::types::{CelBool, CelNull};
use cel_json::{Dialect, Expression, ToJson};
use serde_json::Value;

use crate::row::{Row, RowValue};

/// The only name in scope.
const ROW: &str = "row";

thread_local! {
    /// The functions that expressions may use, built when first needed: a query may have none.
    static DIALECT: Dialect = Dialect::new();
}

/// One expression, and where it is written.
pub struct RowExpression {
    place: String,
    source: String,
    compiled: Expression,
}

/// Which rows an expression runs over, for its errors.
#[derive(Clone, Copy)]
pub enum Rows {
    /// `input.rows`.
    Input,
    /// The groups.
    Groups,
}

impl RowExpression {
    /// Compiles `source`, written at `place`.
    pub fn compile(place: &str, source: &str) -> Result<Self, String> {
        let compiled =
            Expression::compile(source).map_err(|error| format!("{place}: `{source}`: {error}"))?;
        Ok(Self {
            place: place.to_owned(),
            source: source.to_owned(),
            compiled,
        })
    }

    /// The rows for which the expression holds.
    pub fn filter<R: AsRow>(
        &self,
        rows: Rows,
        all: Vec<(usize, R)>,
    ) -> Result<Vec<(usize, R)>, String> {
        let mut kept = Vec::new();
        for (index, row) in all {
            if self.holds(rows, index, row.as_row())? {
                kept.push((index, row));
            }
        }
        Ok(kept)
    }

    /// Whether the expression is true, rather than false or null.
    pub fn holds(&self, rows: Rows, index: usize, row: &Row) -> Result<bool, String> {
        self.evaluate(rows, index, row, |value| {
            if let Some(value) = value.downcast_ref::<CelBool>() {
                Ok(*value.inner())
            } else if value.downcast_ref::<CelNull>().is_some() {
                Ok(false)
            } else {
                Err(format!("gives {}, expected bool", value.get_type().name()))
            }
        })
    }

    /// The value of the expression.
    pub fn value(&self, rows: Rows, index: usize, row: &Row) -> Result<Value, String> {
        self.evaluate(rows, index, row, |value| {
            serde_json::to_value(ToJson(value)).map_err(|error| error.to_string())
        })
    }

    fn evaluate<T: Default>(
        &self,
        rows: Rows,
        index: usize,
        row: &Row,
        read: impl Fn(&dyn cel_json::cel::common::value::Val) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut scope = DIALECT.with(Dialect::scope);
        scope.bind(ROW, Box::new(RowValue(row)));
        let result = match self.compiled.evaluate(&scope) {
            Ok(value) => read(value.as_ref()),
            Err(error) if error.is_caused_by_null() => Ok(T::default()),
            Err(error) => Err(error.to_string()),
        };
        result.map_err(|reason| {
            let Self { place, source, .. } = self;
            format!("{place}: `{source}` at {rows}[{index}]: {reason}")
        })
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input.rows",
            Self::Groups => "groups",
        })
    }
}

/// A row, owned or borrowed.
pub trait AsRow {
    /// The row.
    fn as_row(&self) -> &Row;
}

impl AsRow for Row {
    fn as_row(&self) -> &Row {
        self
    }
}

impl AsRow for &Row {
    fn as_row(&self) -> &Row {
        self
    }
}
