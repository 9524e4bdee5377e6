//! What can be wrong with an expression, in words for whoever wrote it.

use std::fmt::Write;

use cel::{ExecutionError, OverloadError, ParseErrors, Value};

/// Characters of an error: values in it may be of any size.
const MESSAGE_CHARS_MAX: usize = 300;

/// Why an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Too much text.
    #[error("{bytes} bytes long, at most {max} are allowed")]
    TooLong {
        /// Bytes of the expression.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Too long a chain or too many brackets within brackets.
    #[error("more than {max} operations deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Not CEL.
    #[error("{0}")]
    Syntax(String),
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A name that is not bound.
    #[error("unknown name `{name}`{}", known_names(.known))]
    UnknownName {
        /// The name used.
        name: String,
        /// The names that are bound.
        known: Vec<String>,
    },
    /// A function that is not in the dialect.
    #[error("unknown function `{0}`")]
    UnknownFunction(String),
    /// Any other error of evaluation.
    #[error("{}", describe(.0))]
    Evaluation(ExecutionError),
}

impl Error {
    /// Whether the expression failed for a null where a value was needed: `null > 60`,
    /// `null + 1`, `null ? a : b`.
    pub fn is_caused_by_null(&self) -> bool {
        const NULL_TYPE: &str = "null_type";
        match self {
            Self::Evaluation(ExecutionError::NoSuchOverload(error)) => {
                error.argument_types().iter().any(|kind| kind == NULL_TYPE)
            }
            Self::Evaluation(
                ExecutionError::UnsupportedBinaryOperator(_, left, right)
                | ExecutionError::ValuesNotComparable(left, right),
            ) => [left, right].contains(&&Value::Null),
            Self::Evaluation(ExecutionError::UnexpectedType { got, .. }) => got == NULL_TYPE,
            _ => false,
        }
    }
}

impl From<ParseErrors> for CompileError {
    fn from(errors: ParseErrors) -> Self {
        // The first mistake is the cause of most of the others.
        let Some(first) = errors.errors.first() else {
            return Self::Syntax("not an expression".into());
        };
        let (line, column) = first.pos;
        let mut message = String::new();
        if line > 1 {
            let _ = write!(message, "line {line}, ");
        }
        let _ = write!(message, "column {column}: {}", reason(&first.msg));
        Self::Syntax(shortened(message))
    }
}

/// From ANTLR's "mismatched input X expecting Y" to "expected Y, found X".
fn reason(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let mismatch = message.strip_prefix("mismatched input ");
    let reason = match mismatch.and_then(|mismatch| mismatch.rsplit_once(" expecting ")) {
        Some((found, expected)) => format!("expected {expected}, found {found}"),
        None => message.to_owned(),
    };
    reason
        .replace("'<EOF>'", "the end")
        .replace("<EOF>", "the end")
}

fn known_names(known: &[String]) -> String {
    match known {
        [] => String::new(),
        known => format!("; known are {}", known.join(", ")),
    }
}

fn describe(error: &ExecutionError) -> String {
    shortened(match error {
        ExecutionError::NoSuchKey(key) => format!("no key `{key}`"),
        ExecutionError::NoSuchOverload(error) => describe_overload(error),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let types = [left, right].map(|value| value.type_of().to_string());
            let [left, right] = types.each_ref().map(|name| type_name(name));
            format!(
                "cannot {operator} {left} and {right}{}",
                hint(&[left, right])
            )
        }
        ExecutionError::UnexpectedType { got, want } => {
            format!("expected {want}, got {}", type_name(got))
        }
        ExecutionError::IndexOutOfBounds(Value::Int(index)) => {
            format!("index {index} is out of bounds")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".into()
        }
        ExecutionError::Overflow(operator, ..) => format!("integer overflow in {operator}"),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        error => {
            let message = error.to_string();
            message[..1].to_lowercase() + &message[1..]
        }
    })
}

/// `` `>` does not apply to null and int ``.
fn describe_overload(error: &OverloadError) -> String {
    let types: Vec<_> = error
        .argument_types()
        .iter()
        .map(|name| type_name(name))
        .collect();
    let list = types.join(" and ");
    let hint = hint(&types);
    match error.function() {
        "_._" => format!("{} has no fields", types.first().unwrap_or(&"a value")),
        "_[_]" => format!("indexing does not apply to {list}"),
        function => format!(
            "`{}` does not apply to {list}{hint}",
            function.trim_matches(['_', '@'])
        ),
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "null_type" => "null",
        "float" => "double",
        name => name,
    }
}

/// CEL converts no number unasked; the most common mistake gets its remedy.
fn hint(types: &[&str]) -> &'static str {
    let has = |names: &[&str]| types.iter().any(|name| names.contains(name));
    if has(&["int", "uint"]) && has(&["double"]) {
        "; convert one with int() or double()"
    } else {
        ""
    }
}

fn shortened(message: String) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}
