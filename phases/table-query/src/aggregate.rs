//! One value of a group: counts, sums, means, extremes and percentiles.

use serde_json::{Number, Value};

use crate::config::{Aggregate, Operation};
use crate::expression::{RowExpression, Rows};
use crate::row::Row;
use crate::value;

/// One aggregate; compiled.
pub struct Aggregator<'c> {
    /// The column it becomes.
    pub name: &'c str,
    operation: Operation,
    column: Option<&'c str>,
    condition: Option<RowExpression>,
}

impl<'c> Aggregator<'c> {
    /// Checks that the operation has what it needs.
    pub fn compile(name: &'c str, aggregate: &'c Aggregate) -> Result<Self, String> {
        let Aggregate {
            op,
            column,
            condition,
        } = aggregate;
        let place = format!("config.aggregates.{name}");
        match (op, column, condition) {
            (Operation::CountWhere, _, None) => return Err(format!("{place}.where: is needed")),
            (Operation::CountWhere, Some(_), _) => {
                return Err(format!(
                    "{place}.column: count_where counts rows, use count"
                ));
            }
            (Operation::Count | Operation::CountWhere, ..) | (_, Some(_), _) => {}
            (_, None, _) => return Err(format!("{place}.column: is needed")),
        }
        Ok(Self {
            name,
            operation: *op,
            column: column.as_deref(),
            condition: crate::compile(&format!("{place}.where"), condition.as_deref())?,
        })
    }

    /// The column it needs, and where that is named.
    pub fn column(&self) -> Option<(String, &str)> {
        let place = || format!("config.aggregates.{}.column", self.name);
        self.column.map(|column| (place(), column))
    }

    /// The value of a group of rows, each with its place in the input.
    pub fn apply(&self, rows: &[(usize, &Row)]) -> Result<Value, String> {
        let kept;
        let rows = match &self.condition {
            Some(condition) => {
                kept = condition.filter(Rows::Input, rows.to_vec())?;
                &kept
            }
            None => rows,
        };
        let Some(column) = self.column else {
            return Ok(rows.len().into());
        };
        let cells = || {
            let cells = rows.iter().map(|(index, row)| (*index, row.get(column)));
            cells.filter_map(|(index, cell)| Some((index, cell.filter(|cell| !cell.is_null())?)))
        };
        let numbers = || cells().map(|(index, cell)| self.number(column, index, cell));
        match self.operation {
            Operation::Count | Operation::CountWhere => Ok(cells().count().into()),
            Operation::First => {
                let first = rows.first().and_then(|(_, row)| row.get(column));
                Ok(first.cloned().unwrap_or_default())
            }
            Operation::Min | Operation::Max => {
                let cells = cells().map(|(_, cell)| cell);
                let extreme = match self.operation {
                    Operation::Min => cells.min_by(|left, right| value::compare(left, right)),
                    _ => cells.max_by(|left, right| value::compare(left, right)),
                };
                Ok(extreme.cloned().unwrap_or_default())
            }
            Operation::Sum => sum(&numbers().collect::<Result<Vec<_>, _>>()?)
                .ok_or_else(|| format!("config.aggregates.{}: sum overflows 64 bits", self.name)),
            Operation::Mean => Ok(mean(&to_doubles(numbers())?)),
            Operation::Median => Ok(percentile(0.5, to_doubles(numbers())?)),
            Operation::P90 => Ok(percentile(0.9, to_doubles(numbers())?)),
        }
    }

    fn number<'a>(
        &self,
        column: &str,
        index: usize,
        cell: &'a Value,
    ) -> Result<&'a Number, String> {
        match cell {
            Value::Number(number) => Ok(number),
            other => {
                let (name, kind) = (self.name, value::type_name(other));
                Err(format!(
                    "config.aggregates.{name}: input.rows[{index}], column {column}: is of type {kind}, expected a number"
                ))
            }
        }
    }
}

fn to_doubles<'a>(
    numbers: impl Iterator<Item = Result<&'a Number, String>>,
) -> Result<Vec<f64>, String> {
    numbers.map(|number| number.map(value::to_f64)).collect()
}

/// An integer when all numbers are; nothing when that overflows.
fn sum(numbers: &[&Number]) -> Option<Value> {
    if numbers.is_empty() {
        return Some(Value::Null);
    }
    if numbers.iter().any(|number| number.is_f64()) {
        return Some(
            numbers
                .iter()
                .map(|number| value::to_f64(number))
                .sum::<f64>()
                .into(),
        );
    }
    let integers = numbers.iter().filter_map(|number| number.as_i128());
    i64::try_from(integers.sum::<i128>()).ok().map(Value::from)
}

/// The arithmetic mean; null of nothing.
#[expect(clippy::cast_precision_loss, reason = "no table has 2^53 rows")]
pub fn mean(numbers: &[f64]) -> Value {
    if numbers.is_empty() {
        return Value::Null;
    }
    (numbers.iter().sum::<f64>() / numbers.len() as f64).into()
}

/// Between the two nearest ranks in proportion (as spreadsheets do); null of nothing.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are positive and far below 2^53"
)]
fn percentile(fraction: f64, mut numbers: Vec<f64>) -> Value {
    let Some(last) = numbers.len().checked_sub(1) else {
        return Value::Null;
    };
    numbers.sort_unstable_by(f64::total_cmp);
    let rank = fraction * last as f64;
    let (below, above) = (
        numbers[rank.floor() as usize],
        numbers[rank.ceil() as usize],
    );
    (below + (above - below) * rank.fract()).into()
}
