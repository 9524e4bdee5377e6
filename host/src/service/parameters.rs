//! Parameters: texts become ids, documents and pages.

use std::{fmt::Display, str::FromStr};

use serde_json::Value;

use super::problems::invalid;
use crate::{
    contract::{Error, PageRequest},
    store::Page,
    workflow::Timestamp,
};

/// Rows that a list may have.
const LIMIT_MAX: u32 = 200;

/// An id that must name something: what is no id names nothing.
pub(super) fn id<T: FromStr>(kind: &str, text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_| Error::NotFound(format!("there is no {kind} {}", excerpt(text))))
}

/// A parameter that must be well-formed.
pub(super) fn parsed<T: FromStr<Err: Display>>(pointer: &str, text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|error: T::Err| invalid(pointer, error.to_string()))
}

/// A JSON document.
pub(super) fn document(pointer: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| invalid(pointer, format!("is not JSON: {error}")))
}

/// A point in time, RFC 3339.
pub(super) fn time(pointer: &str, text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        let message = "must be a time as in RFC 3339, such as 2026-11-20T08:15:00Z";
        invalid(pointer, message)
    })?;
    Ok(Some(Timestamp(time.as_millisecond())))
}

/// How many items a page is to have.
pub(super) fn limit(limit: u32, max: u32) -> Result<(), Error> {
    if (1..=max).contains(&limit) {
        return Ok(());
    }
    Err(invalid("/limit", format!("must be from 1 to {max}")))
}

/// A page whose cursor is the text of a key.
pub(super) fn page<Key: FromStr>(page: &PageRequest) -> Result<Page<Key>, Error> {
    page_with(page, |cursor| cursor.parse().ok())
}

/// A page whose cursor is read by `key`. It asks for one row more than the caller
/// does, which tells whether there is a next page.
pub(super) fn page_with<Key>(
    page: &PageRequest,
    key: impl FnOnce(&str) -> Option<Key>,
) -> Result<Page<Key>, Error> {
    limit(page.limit, LIMIT_MAX)?;
    let after = match &page.cursor {
        None => None,
        Some(cursor) => Some(
            key(cursor)
                .ok_or_else(|| invalid("/cursor", "is not a cursor that this list gave out"))?,
        ),
    };
    Ok(Page {
        after,
        limit: page.limit + 1,
    })
}

/// Cuts the row too many, and gives the cursor for the next page.
pub(super) fn cut<Row>(
    rows: &mut Vec<Row>,
    page: &PageRequest,
    key: impl FnOnce(&Row) -> String,
) -> Option<String> {
    let limit = page.limit as usize;
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(key)
}

/// Enough of a text to recognise it.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
