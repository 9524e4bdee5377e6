//! What `SQLite` and its driver report, as the contract names it.

use sqlx::Error;

use crate::store::StoreError;

// Primary result codes, <https://www.sqlite.org/rescode.html>.
const BUSY: u32 = 5;
const CORRUPT: u32 = 11;
const CONSTRAINT: u32 = 19;
const MISMATCH: u32 = 20;
const NOTADB: u32 = 26;

/// Why a statement that is no COMMIT failed. Nothing of its transaction is written.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unavailable(error: Error) -> StoreError {
    let message = message(&error);
    match code(&error) {
        Some(CONSTRAINT | MISMATCH) => StoreError::Invalid(message),
        Some(CORRUPT | NOTADB) => StoreError::Corrupt(message),
        Some(_) => StoreError::Unavailable(message),
        None => match error {
            Error::ColumnDecode { .. } | Error::Decode(_) => StoreError::Corrupt(message),
            _ => StoreError::Unavailable(message),
        },
    }
}

/// Does another connection hold the lock that was needed?
pub(super) fn is_busy(error: &Error) -> bool {
    code(error) == Some(BUSY)
}

/// Is the file something else than a `SQLite` database?
pub(super) fn is_no_database(error: &Error) -> bool {
    code(error) == Some(NOTADB)
}

/// In `SQLite`'s words, without the driver's.
pub(super) fn message(error: &Error) -> String {
    match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    }
}

/// The primary result code: the low byte of the extended one.
fn code(error: &Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
