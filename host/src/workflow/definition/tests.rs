//! Documents that are definitions, and documents that are not.

mod bad;
mod good;
mod large;

use serde_json::Value;

use super::{Definition, Violation};

fn read(document: &Value) -> Result<Definition, Vec<Violation>> {
    Definition::read(document)
}

/// The violations as `pointer: message` lines.
fn wrong(document: &Value) -> Vec<String> {
    let violations = read(document).expect_err("the document is wrong");
    let line = |violation: Violation| format!("{}: {}", violation.pointer, violation.message);
    violations.into_iter().map(line).collect()
}
