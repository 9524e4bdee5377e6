//! Opening the file: whose it is, what is in it, which version of the schema.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Error, SqliteConnection,
    migrate::{MigrateError, Migrator},
    query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use super::{SqliteStore, error};
use crate::store::StoreError;

/// The schema, step by step; the same names and numbers as for the other databases.
static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// `PRAGMA application_id` of a database of ours, as the first migration sets it.
const APPLICATION_ID: i64 = 1_885_893_495;

/// How long to wait while another program (a backup, the `SQLite` shell) holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read. Each is a thread; reads are short.
const READERS: u32 = 4;

pub(super) async fn open(url: &str) -> Result<SqliteStore, StoreError> {
    let path = path(url)?;
    let lock = lock(&path)?;
    let plain = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        // SQL and its values are none of the log's business.
        .disable_statement_logging();
    let at = |error: Error| open_error(&path, &error);

    // A file of somebody else is left as it is: first look, then switch to WAL.
    let mut first = plain.connect().await.map_err(at)?;
    check_owner(&mut first, &path).await?;
    first.close().await.map_err(at)?;

    // The log is checkpointed as `SQLite` does it by itself, in every commit that leaves
    // it longer than 1000 pages. A second connection doing it beside the commits was
    // measured to be no faster, and it only moves the pauses.
    let options = plain.journal_mode(SqliteJournalMode::Wal);
    let mut writer = options.connect().await.map_err(at)?;
    MIGRATIONS
        .run(&mut writer)
        .await
        .map_err(|error| migrate_error(&path, error))?;
    query(include_str!("sql/orphan.sql"))
        .execute(&mut writer)
        .await
        .map_err(at)?;

    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        // Local connections do not break: no need to test or to renew them.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone().read_only(true).create_if_missing(false))
        .await
        .map_err(at)?;
    Ok(SqliteStore {
        options,
        writer: Mutex::new(Some(writer)),
        readers,
        _lock: lock,
    })
}

/// The file that a URL names.
pub(super) fn path(url: &str) -> Result<PathBuf, StoreError> {
    let invalid = |what: &str| {
        let what = format!("database URL {url:?}: {what}; use sqlite://FILE");
        Err(StoreError::Invalid(what))
    };
    let Some(name) = url.strip_prefix("sqlite:") else {
        return invalid("another database");
    };
    match name.strip_prefix("//").unwrap_or(name) {
        "" => invalid("it names no file"),
        name if name.starts_with(":memory:") => invalid("nothing would be durable in memory"),
        name if name.contains('?') => invalid("it takes no parameters"),
        name => Ok(real_path(Path::new(name))),
    }
}

/// The same path whatever way the file is named, so that it has one lock.
fn real_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| {
        // Not there yet; its folder is, or opening will say that it is not.
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        match (
            fs::canonicalize(folder.unwrap_or(Path::new("."))),
            path.file_name(),
        ) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path.to_owned(),
        }
    })
}

/// The right to be the only host on a file.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it is not enough: a process that is being forked just now has the file, too.
        // If this fails, closing it is what remains.
        let _ = self.0.unlock();
    }
}

/// Makes this process the only host on the file. `SQLite`'s own locks are no help: they
/// are per transaction.
fn lock(path: &Path) -> Result<Lock, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|error| {
            let name = Path::new(&name).display();
            StoreError::Unavailable(format!("cannot create {name}: {error}"))
        })?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
            "{} is in use by another phasewright",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(StoreError::Unavailable(format!(
            "cannot lock {}: {error}",
            path.display()
        ))),
    }
}

/// The file is new, or ours.
async fn check_owner(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let at = |error: Error| open_error(path, &error);
    let id: i64 = query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(at)?;
    let tables: i64 = query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(at)?;
    // The driver's table of migrations comes first, in a transaction of its own.
    if id == APPLICATION_ID || (id == 0 && tables == 0) || is_half_made(connection).await {
        return Ok(());
    }
    let path = path.display();
    Err(StoreError::Invalid(format!(
        "{path} is a database of another program"
    )))
}

/// Did it end between making the table of migrations and the first of them?
async fn is_half_made(connection: &mut SqliteConnection) -> bool {
    let steps: Result<i64, _> = query_scalar("SELECT count(*) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await;
    let others: Result<i64, _> =
        query_scalar("SELECT count(*) FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'")
            .fetch_one(connection)
            .await;
    matches!((steps, others), (Ok(0), Ok(0)))
}

fn open_error(path: &Path, error: &Error) -> StoreError {
    let path = path.display();
    if error::is_no_database(error) {
        StoreError::Corrupt(format!("{path} is not a SQLite database"))
    } else if error::is_busy(error) {
        StoreError::Unavailable(format!("{path} is locked by another program"))
    } else {
        StoreError::Unavailable(format!("cannot open {path}: {}", error::message(error)))
    }
}

fn migrate_error(path: &Path, error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(number) => StoreError::Newer(format!(
            "{} has migration {number}, the last known one is {}",
            path.display(),
            MIGRATIONS.iter().last().map_or(0, |last| last.version)
        )),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            open_error(path, &error)
        }
        error => StoreError::Corrupt(format!("{}: {error}", path.display())),
    }
}
