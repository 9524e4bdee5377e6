//! The engine's expression evaluator: CEL, from text and JSON to JSON.
//!
//! It runs in an instance of its own per call, under the limits of a phase, because expressions come
//! from outside. The dialect is that of `cel-json`.
//!
//! **Invariant:** no state; what a call does not use, it does not parse.

#[cfg(target_arch = "wasm32")]
mod component;

use cel_json::cel::common::types::CelNull;
use cel_json::{Dialect, Expression, FromJson, ToJson};

/// A root name that expressions may use, and its value as JSON text.
#[derive(Clone, Debug)]
pub struct Binding {
    /// An identifier.
    pub name: String,
    /// A JSON document.
    pub value: String,
}

/// Which expression failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError {
    /// Position in the list of expressions.
    pub index: usize,
    /// A lower-case fragment.
    pub message: String,
}

/// For each expression: nothing when it compiles, else the reason.
pub fn check(expressions: &[String]) -> Vec<Option<String>> {
    let error = |source: &String| Expression::compile(source).err();
    expressions
        .iter()
        .map(|source| error(source).map(|error| error.to_string()))
        .collect()
}

/// The values of all expressions as JSON text, in order, in one scope.
///
/// # Errors
/// The first expression that does not compile, has no value, or has one that JSON cannot hold. A
/// binding that is used and not JSON counts as an error of the first expression.
pub fn evaluate(
    expressions: &[String],
    bindings: &[Binding],
) -> Result<Vec<String>, EvaluationError> {
    let compiled = each(expressions, |source| Expression::compile(source))?;
    let dialect = Dialect::new();
    let mut scope = dialect.scope();
    for Binding { name, value } in bindings {
        if !compiled.iter().any(|expression| expression.uses(name)) {
            scope.bind(name, Box::new(CelNull));
            continue;
        }
        let FromJson(value) = serde_json::from_str(value).map_err(|error| EvaluationError {
            index: 0,
            message: format!("the value of `{name}` is not JSON: {error}"),
        })?;
        scope.bind(name, value);
    }
    let values = each(&compiled, |expression| expression.evaluate(&scope))?;
    let texts = each(&values, |value| {
        serde_json::to_string(&ToJson(value.as_ref()))
    });
    if cfg!(target_arch = "wasm32") {
        // The instance, and its memory with it, ends with the call; taking large values apart first
        // would only take time.
        std::mem::forget(values);
        std::mem::forget(scope);
    }
    texts
}

/// Maps every element; an error gets its index.
fn each<'a, T, U, E: ToString>(
    items: &'a [T],
    map: impl Fn(&'a T) -> Result<U, E>,
) -> Result<Vec<U>, EvaluationError> {
    let items = items.iter().enumerate();
    let map = |(index, item)| {
        map(item).map_err(|error| EvaluationError {
            index,
            message: error.to_string(),
        })
    };
    items.map(map).collect()
}

#[cfg(test)]
mod tests;
