//! JSON bodies: strictly checked, their fields taken one by one, all violations told at once.
//!
//! Documents inside a body (`input`, `edited_content`, …) stay the text that they are.

mod fields;
mod strict;

use std::borrow::Cow;

use serde::Deserialize;

pub use fields::{Fields, member, violation};
pub use strict::check;

/// Levels of nesting in a body. Below the 128 levels at which parsers give up, so that the engine
/// can wrap a document into one of its own and still read it back.
pub const DEPTH_MAX: usize = 100;

/// Violations told about one body: more than a person would fix in one go.
pub const VIOLATIONS_MAX: usize = 100;

/// A key, borrowed from the text unless it has escapes: a body of the largest size can have a million
/// of them, and the memory of a component is small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::borrow::Borrow<str> for Key<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}
