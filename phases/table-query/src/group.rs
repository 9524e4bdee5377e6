//! Grouping: rows with equal values in some columns become one row of aggregates.

use indexmap::IndexMap;
use serde_json::Value;

use crate::aggregate::Aggregator;
use crate::config::Config;
use crate::expression::{RowExpression, Rows};
use crate::row::Row;
use crate::value;

/// How to group; compiled.
pub struct Grouping<'c> {
    columns: &'c [String],
    aggregators: Vec<Aggregator<'c>>,
    having: Option<RowExpression>,
}

impl<'c> Grouping<'c> {
    /// Nothing when the query does not group.
    pub fn compile(config: &'c Config) -> Result<Option<Self>, String> {
        if config.group_by.is_empty() && config.aggregates.is_empty() {
            return match config.having {
                Some(_) => Err("config.having: needs group_by or aggregates".into()),
                None => Ok(None),
            };
        }
        let aggregates = config.aggregates.iter();
        let aggregators = aggregates.map(|(name, aggregate)| Aggregator::compile(name, aggregate));
        Ok(Some(Self {
            columns: &config.group_by,
            aggregators: aggregators.collect::<Result<_, _>>()?,
            having: crate::compile("config.having", config.having.as_deref())?,
        }))
    }

    /// One row per group, in the order their first rows have; without columns to group by, one row
    /// even of no rows.
    pub fn apply(&self, rows: &[(usize, Row)]) -> Result<Vec<Row>, String> {
        let columns = self
            .columns
            .iter()
            .map(|name| ("config.group_by".to_owned(), name.as_str()));
        for (place, name) in columns.chain(self.aggregators.iter().filter_map(Aggregator::column)) {
            require_column(&place, name, rows)?;
        }
        let mut groups: IndexMap<String, Vec<(usize, &Row)>> = IndexMap::new();
        if self.columns.is_empty() {
            groups.insert(String::new(), Vec::new());
        }
        for (index, row) in rows {
            let key = value::key(self.columns.iter().map(|name| row.get(name)));
            groups.entry(key).or_default().push((*index, row));
        }
        let groups = groups.values().map(|members| self.summarise(members));
        let mut groups = groups.collect::<Result<Vec<_>, _>>()?;
        if let Some(having) = &self.having {
            let indexed = groups.into_iter().enumerate().collect();
            groups = having
                .filter(Rows::Groups, indexed)?
                .into_iter()
                .map(|(_, row)| row)
                .collect();
        }
        Ok(groups)
    }

    fn summarise(&self, members: &[(usize, &Row)]) -> Result<Row, String> {
        let mut summary = Row::new();
        for name in self.columns {
            let cell = members.first().and_then(|(_, row)| row.get(name)).cloned();
            summary.insert(name.clone(), cell.unwrap_or(Value::Null));
        }
        for aggregator in &self.aggregators {
            summary.insert(aggregator.name.to_owned(), aggregator.apply(members)?);
        }
        Ok(summary)
    }
}

fn require_column(place: &str, name: &str, rows: &[(usize, Row)]) -> Result<(), String> {
    if rows.iter().any(|(_, row)| row.contains_key(name)) {
        return Ok(());
    }
    match rows.first() {
        Some((_, first)) => crate::row::require_column(place, name, std::slice::from_ref(first)),
        None => Ok(()),
    }
}
