//! What PostgreSQL and its driver report, as the contract names it.

use sqlx::Error;

use crate::store::StoreError;

/// Classes of SQLSTATE, <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
const CONNECTION: &str = "08";
const INTEGRITY: &str = "23";
const DATA: &str = "22";
const OPERATOR_INTERVENTION: &str = "57";
const SYSTEM: &str = "58";
const INTERNAL: &str = "XX";

/// Why a statement failed that changes nothing, or that was not sent.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unavailable(error: Error) -> StoreError {
    let message = message(&error);
    match class(&error).as_deref() {
        Some(INTEGRITY | DATA) => StoreError::Invalid(message),
        Some(_) => StoreError::Unavailable(message),
        None => match error {
            Error::ColumnDecode { .. } | Error::Decode(_) => StoreError::Corrupt(message),
            _ => StoreError::Unavailable(message),
        },
    }
}

/// Why a statement failed that may have been committed all the same: the server said so
/// or said nothing before the connection ended.
pub(super) fn uncertain(error: Error) -> StoreError {
    let is_known = match class(&error).as_deref() {
        Some(CONNECTION | OPERATOR_INTERVENTION | SYSTEM | INTERNAL) | None => false,
        // Refused: the transaction was rolled back.
        Some(_) => true,
    };
    match unavailable(error) {
        StoreError::Unavailable(message) if !is_known => StoreError::Uncertain(message),
        known => known,
    }
}

/// In PostgreSQL's words, without the driver's.
pub(super) fn message(error: &Error) -> String {
    match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    }
}

/// SQLSTATE of a refusal by the server.
pub(super) fn code(error: &Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn class(error: &Error) -> Option<String> {
    Some(code(error)?.get(..2)?.to_owned())
}
