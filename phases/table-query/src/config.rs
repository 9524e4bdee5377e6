//! The query, as the node's config states it.

use indexmap::IndexMap;
use serde::Deserialize;

/// All steps, in the order they are taken; a step that is not named does nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Tables to take columns from.
    pub lookup: Vec<Lookup>,
    /// CEL over `row`: which rows to keep.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// New column → CEL over `row`, each seeing the ones before it.
    pub derive: IndexMap<String, String>,
    /// The columns whose equal values make a group.
    pub group_by: Vec<String>,
    /// New column → what it holds of each group.
    pub aggregates: IndexMap<String, Aggregate>,
    /// CEL over the `row` of a group: which groups to keep.
    pub having: Option<String>,
    /// Columns to sort by.
    pub order_by: OrderBy,
    /// At most so many rows.
    pub limit: Option<usize>,
    /// Leaves out so many rows first.
    pub offset: usize,
    /// The columns to keep.
    pub select: Option<Vec<String>>,
    /// Describe the columns instead of giving the rows.
    pub profile: bool,
}

/// A left join with a table in which each key is there once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// One of the input's `tables`.
    pub table: String,
    /// Column of the rows → column of the table that has to be equal.
    pub on: IndexMap<String, String>,
    /// New column → column of the table to take it from.
    pub take: IndexMap<String, String>,
}

/// One value per group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// What to compute.
    pub op: Operation,
    /// Of which column.
    pub column: Option<String>,
    /// CEL over `row`: of which rows of the group.
    #[serde(rename = "where")]
    pub condition: Option<String>,
}

/// What to compute of the values of a column that are not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// How many; of rows, when no column is named.
    Count,
    /// How many rows satisfy the condition.
    CountWhere,
    /// Their sum, an integer if they all are.
    Sum,
    /// Their arithmetic mean.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The 50th percentile.
    Median,
    /// The 90th percentile.
    P90,
    /// The first row's value, null or not.
    First,
}

/// One column or several, `-` in front for descending.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a column or a list of columns")]
pub enum OrderBy {
    /// One column.
    One(String),
    /// Several, the most important first.
    Many(Vec<String>),
}

impl Default for OrderBy {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OrderBy {
    /// The columns, the most important first.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::One(column) => std::slice::from_ref(column),
            Self::Many(columns) => columns,
        }
    }
}
