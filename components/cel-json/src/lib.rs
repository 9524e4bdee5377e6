//! CEL over JSON values: the one dialect that definitions (through `expression`) and row expressions
//! (through `table-query`) are written in.
//!
//! - **JSON in:** integers become `int` (`uint` beyond 63 bits), other numbers `double`; `1` and `1.0`
//!   stay apart. Objects keep the order of their keys.
//! - **JSON out:** `int` and `uint` are written without, `double` with a decimal point, so that a value
//!   an expression only passes on comes out as it went in. The keys of an object that an expression
//!   builds are sorted. `bytes` become base64, a `timestamp` RFC 3339, a `duration` seconds (`90s`,
//!   `0.5s`), a `type` its name, an empty optional null. Keys other than strings, infinite doubles
//!   and NaN are errors.
//! - **Functions:** the standard library, and cel's extensions `strings`, `lists` and `math` without
//!   the macros `math.greatest` and `math.least`.
//! - As CEL prescribes, arithmetic does not mix `int` and `double` (`double(n) * 1.5`), comparisons do.
//!
//! **Invariant:** no state and no randomness; the same expression over the same JSON gives the same
//! JSON.

mod error;
mod expression;
mod json_map;
mod read;
mod write;

pub use error::{CompileError, Error};
pub use expression::{Dialect, Expression, Scope};
pub use read::FromJson;
pub use write::ToJson;

pub use cel;

#[cfg(test)]
mod tests;
