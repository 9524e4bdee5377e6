//! Connecting: who is there, may we, which version of the schema.

use std::time::{Duration, Instant};

use sqlx::{
    ConnectOptions, Connection, Error, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    query_scalar,
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{PostgresStore, STATEMENT_TIMEOUT, error, silent, trust::Trust};
use crate::store::StoreError;

/// The schema, step by step; the same names and numbers as for the other databases.
static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Longest wait for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to try while nobody listens or the server is starting: orchestrators start
/// a database and its clients at once. Whoever started this still hears within 10 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// Connections that read.
const READERS: u32 = 8;

/// Connections for leases, claims and commands.
const CONTROLLERS: u32 = 3;

// What the server says, <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
const NO_RIGHT: &str = "42501";
const NO_TABLE: &str = "42P01";
const NO_DATABASE: &str = "3D000";
const NO_ROLE: &str = "28000";
const WRONG_PASSWORD: &str = "28P01";
const TOO_MANY_CONNECTIONS: &str = "53300";
const STARTING_OR_STOPPING: &str = "57P03";

/// Tables that a host reads, writes and deletes from.
pub(super) const TABLES: [&str; 12] = [
    "workflows",
    "definitions",
    "former_versions",
    "executions",
    "journal",
    "checkpoints",
    "checkpoint_reviewers",
    "blobs",
    "blob_uses",
    "components",
    "hosts",
    "signals",
];

/// A list is a page along an index. The planner cannot know that its limits leave everything in, takes
/// them to leave a handful, and would gather and sort the whole table.
///
/// Nor does it know of a prepared statement which status is asked for. Where most executions have the
/// same one it takes all to have it, and goes along any index that has the order, past everything. So a
/// list is ordered by every column of its own index, which no other one has, is as many rows from where
/// it begins, and then those of them that are asked for: they come first.
pub(super) const READING: [(&str, &str); 2] =
    [("enable_seqscan", "off"), ("enable_bitmapscan", "off")];

pub(super) async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    let application = format!("phasewright {}", Uuid::now_v7());
    let options = options(url)?.application_name(&application);
    let mut first = connect(&options).await?;
    migrate(&mut first, &options).await?;
    check_rights(&mut first, &options).await?;
    first.close().await.map_err(error::unavailable)?;

    // A commit looks up as many rows as it has appends, whatever the tables hold when its
    // plan is made: small tables and old statistics would talk the planner into scans.
    let writing = options.clone().options([
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    let trust = Trust::default();
    Ok(PostgresStore {
        writer: Mutex::new(None),
        readers: pool(READERS, &options.clone().options(READING), &trust),
        control: pool(CONTROLLERS, &options, &trust),
        options: writing,
        application,
        trust,
    })
}

/// How to connect to the database of a URL.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The driver's message may repeat the URL, which may hold a password.
    let options: PgConnectOptions = url.parse().map_err(|_| {
        StoreError::Invalid(
            "database URL cannot be read; use postgres://USER:PASSWORD@HOST:PORT/DATABASE".into(),
        )
    })?;
    let statement_timeout = STATEMENT_TIMEOUT.as_millis().to_string();
    Ok(options
        .options([
            ("statement_timeout", statement_timeout.as_str()),
            ("idle_in_transaction_session_timeout", "60000"),
            // Compiling a statement of a millisecond takes half a second.
            ("jit", "off"),
        ])
        // SQL and its values are none of the log's business.
        .disable_statement_logging())
}

fn pool(connections: u32, options: &PgConnectOptions, trust: &Trust) -> PgPool {
    let trust = trust.clone();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        // Asking each time whether the server is still there is a round trip each time.
        .test_before_acquire(false)
        .before_acquire(move |connection, used| {
            let is_trusted = trust.allows(used.idle_for);
            Box::pin(async move {
                if !is_trusted {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options.clone())
}

/// The first connection; tries again for a while when that may help.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let begin = Instant::now();
    loop {
        let (error, is_hopeless) = match timeout(CONNECT_TIMEOUT, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => {
                let code = error::code(&error);
                let is_hopeless =
                    !matches!(error, Error::Io(_)) && code.as_deref() != Some(STARTING_OR_STOPPING);
                (refusal(options, &error), is_hopeless)
            }
            Err(_) => {
                let reason = silent(CONNECT_TIMEOUT);
                let place = place(options);
                return Err(StoreError::Unavailable(format!("{place}: {reason}")));
            }
        };
        if is_hopeless || begin.elapsed() >= PATIENCE {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
}

/// Why there is no connection, in one line for a person.
fn refusal(options: &PgConnectOptions, error: &Error) -> StoreError {
    let place = place(options);
    let user = options.get_username();
    let message = error::message(error);
    match error::code(error).as_deref() {
        Some(NO_DATABASE) => StoreError::Unavailable(format!(
            "{place}: there is no such database; create it: CREATE DATABASE …"
        )),
        Some(WRONG_PASSWORD | NO_ROLE) => {
            StoreError::Unavailable(format!("{place}: user {user:?} is refused: {message}"))
        }
        Some(TOO_MANY_CONNECTIONS) => StoreError::Unavailable(format!(
            "{place}: the server has no connection left ({message}); a host takes up to {}",
            READERS + CONTROLLERS + 2
        )),
        Some(_) => StoreError::Unavailable(format!("{place}: {message}")),
        None => match error {
            Error::Tls(reason) => StoreError::Unavailable(format!("{place}: TLS: {reason}")),
            Error::Io(reason) => {
                StoreError::Unavailable(format!("{place}: cannot connect: {reason}"))
            }
            error => StoreError::Unavailable(format!("{place}: {error}")),
        },
    }
}

/// Which database, without secrets.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("PostgreSQL database {database:?} at {}", socket.display()),
        None => format!(
            "PostgreSQL database {database:?} at {}:{}",
            options.get_host(),
            options.get_port()
        ),
    }
}

/// Brings the schema up to date, which takes rights that a host does not need otherwise.
async fn migrate(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<(), StoreError> {
    let known: Vec<i64> = MIGRATIONS.iter().map(|step| step.version).collect();
    let applied: Result<Vec<i64>, Error> = query_scalar(include_str!("sql/migrations.sql"))
        .fetch_all(&mut *connection)
        .await;
    match applied {
        Ok(applied) if applied == known => return Ok(()),
        Ok(_) => {}
        Err(error) if error::code(&error).as_deref() == Some(NO_TABLE) => {}
        Err(error) => return Err(no_right(options, "read its tables", &error)),
    }
    match MIGRATIONS.run(connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(number)) => Err(StoreError::Newer(format!(
            "{} has migration {number}, the last known one is {}",
            place(options),
            known.last().unwrap_or(&0)
        ))),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(no_right(options, "create tables", &error))
        }
        Err(error) => Err(StoreError::Corrupt(format!("{}: {error}", place(options)))),
    }
}

async fn check_rights(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<(), StoreError> {
    let missing: Vec<String> = query_scalar(include_str!("sql/missing_rights.sql"))
        .bind(TABLES.as_slice())
        .fetch_all(connection)
        .await
        .map_err(|error| no_right(options, "read its tables", &error))?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "{}: user {:?} may not SELECT, INSERT, UPDATE and DELETE in {}; grant it",
        place(options),
        options.get_username(),
        missing.join(", ")
    )))
}

fn no_right(options: &PgConnectOptions, what: &str, error: &Error) -> StoreError {
    let place = place(options);
    let message = error::message(error);
    if error::code(error).as_deref() == Some(NO_RIGHT) {
        let user = options.get_username();
        return StoreError::Unavailable(format!(
            "{place}: user {user:?} may not {what}: {message}; grant it, or open the database \
             once as its owner"
        ));
    }
    StoreError::Unavailable(format!("{place}: {message}"))
}
