//! What only `SQLite` has: files, locks, plans.

use std::{fs, path::Path};

use sqlx::{Connection, query};
use tempfile::TempDir;

use super::*;
use crate::store::{
    Appended,
    conformance::{
        TestDatabase, conformance,
        examples::{define, execution, lines},
    },
};

struct SqliteFile(TempDir);

impl TestDatabase for SqliteFile {
    fn url(&self) -> String {
        url(&self.0.path().join("test.db"))
    }
}

fn fresh() -> SqliteFile {
    SqliteFile(tempfile::tempdir().unwrap())
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

conformance!(fresh);

async fn refusal(url: &str) -> StoreError {
    match SqliteStore::open(url).await {
        Ok(_) => panic!("{url} opened"),
        Err(error) => error,
    }
}

async fn prepared(database: &SqliteFile) -> SqliteStore {
    let store = SqliteStore::open(&database.url()).await.unwrap();
    define(&store, "flow").await;
    store
}

/// Changes the database behind the store's back.
async fn meddle(store: &SqliteStore, sql: &'static str) {
    let mut connection = store.options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Sets something on the writing connection.
async fn pragma(store: &SqliteStore, sql: &'static str) {
    let mut place = store.writer.lock().await;
    let connection = place.as_mut().unwrap();
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

#[tokio::test]
async fn a_url_names_a_file() {
    for (url, reason) in [
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite::memory:", "in memory"),
        ("sqlite://a.db?mode=memory", "no parameters"),
        ("postgres://ann:secret@db/x", "another database"),
    ] {
        let error = refusal(url).await;
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let Err(error) = crate::store::open("mysql://ann:secret@db/x").await else {
        panic!("opened");
    };
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(
        &file,
        "Dear diary, today nothing happened, and it was good. ".repeat(100),
    )
    .unwrap();
    let error = refusal(&url(&file)).await;
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("notes.txt is not a SQLite database"),
        "{error}"
    );

    let error = refusal(&url(&folder.path().join("absent/test.db"))).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("cannot create"), "{error}");
    assert!(error.to_string().contains("absent/test.db.lock"), "{error}");

    let error = refusal(&url(folder.path())).await;
    assert!(
        error.to_string().contains("unable to open database file"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.db");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let mut other = options.connect().await.unwrap();
    query("CREATE TABLE notes (text TEXT)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let before = fs::read(&file).unwrap();
    let error = refusal(&url(&file)).await;
    assert!(
        error
            .to_string()
            .ends_with("other.db is a database of another program"),
        "{error}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn one_host_has_the_file() {
    let database = fresh();
    let store = prepared(&database).await;
    let error = refusal(&database.url()).await;
    assert!(
        error
            .to_string()
            .ends_with("is in use by another phasewright"),
        "{error}"
    );
    // By another name, too.
    let link = database.0.path().join("link.db");
    std::os::unix::fs::symlink(database.0.path().join("test.db"), &link).unwrap();
    let error = refusal(&url(&link)).await;
    assert!(error.to_string().contains("is in use"), "{error}");
    drop(store);
    SqliteStore::open(&url(&link)).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = fresh();
    let store = prepared(&database).await;
    meddle(
        &store,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, x'00', 0)",
    )
    .await;
    drop(store);
    let error = refusal(&database.url()).await;
    assert!(matches!(error, StoreError::Newer(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("has migration 9999, the last known one is 7"),
        "{error}"
    );
}

#[tokio::test]
async fn what_was_damaged_is_not_taken_for_a_journal() {
    let database = fresh();
    let store = prepared(&database).await;
    for (number, sql, reason) in [
        (
            1,
            "UPDATE journal SET kind = 'node_dreamt' WHERE seq = 2",
            "event 2 of execution",
        ),
        (
            2,
            "UPDATE journal SET codec = 2 WHERE seq = 3",
            "unknown codec version 2",
        ),
        (
            3,
            "DELETE FROM journal WHERE seq = 2",
            "missing before event 3",
        ),
        (4, "DELETE FROM journal WHERE seq = 3", "2 events of 3"),
        (5, "UPDATE journal SET payload = '{' WHERE seq = 1", "EOF"),
    ] {
        let id = execution(number);
        meddle(&store, "DELETE FROM executions").await;
        store.commit(&[lines(id, 0, 3, "")]).await.unwrap();
        meddle(&store, sql).await;
        let error = store.load(id).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(reason) && text.contains(&id.to_string()),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_ends() {
    let database = fresh();
    let store = prepared(&database).await;
    pragma(&store, "PRAGMA max_page_count = 1").await;
    let big = lines(execution(1), 0, 1, &"x".repeat(1 << 20));
    let error = store.commit(std::slice::from_ref(&big)).await.unwrap_err();
    assert_eq!(
        error,
        StoreError::Unavailable("database or disk is full".into())
    );
    assert_eq!(store.load(execution(1)).await, Ok(None));
    // The limit was that of the connection, which is another one now.
    assert_eq!(store.commit(&[big]).await, Ok(vec![Appended::Committed]));
}

#[tokio::test]
async fn a_failed_commit_is_uncertain() {
    let database = fresh();
    let store = prepared(&database).await;
    // Puts the check of foreign keys off to the COMMIT.
    pragma(&store, "PRAGMA defer_foreign_keys = ON").await;
    let mut append = lines(execution(1), 0, 1, "");
    append.summary.definition.0 = 7;
    let error = store
        .commit(std::slice::from_ref(&append))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Uncertain(_)), "{error}");
    assert_eq!(store.load(execution(1)).await, Ok(None));
    append.summary.definition.0 = 1;
    assert_eq!(store.commit(&[append]).await, Ok(vec![Appended::Committed]));
}

#[tokio::test]
async fn an_abandoned_commit_does_no_harm() {
    let database = fresh();
    let store = prepared(&database).await;
    for number in 0..20_usize {
        let append = [lines(execution(number as u128), 0, 1, "")];
        let mut commit = store.commit(&append);
        for _ in 0..number {
            if futures::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
        let id = execution(100 + number as u128);
        let next = store.commit(&[lines(id, 0, 1, "")]).await;
        assert_eq!(next, Ok(vec![Appended::Committed]));
        // All of it or nothing.
        let abandoned = store.load(append[0].execution).await.unwrap();
        assert!(abandoned.is_none_or(|journal| journal.events == append[0].events));
    }
}

/// Statements, each with a step that its plan has to have.
const PLANS: &[(&str, &str)] = &[
    (
        "absent_components",
        "sqlite_autoindex_components_1 (digest=?)",
    ),
    ("blob", "sqlite_autoindex_blobs_1 (digest=?)"),
    ("component", "sqlite_autoindex_components_1 (digest=?)"),
    ("checkpoint", "sqlite_autoindex_checkpoints_1 (id=?)"),
    ("checkpoints", "checkpoints_by_time ((created_at,id)<(?,?))"),
    (
        "checkpoints_in_status",
        "checkpoints_by_status (status=? AND (created_at,id)<(?,?))",
    ),
    (
        "checkpoints_of_execution",
        "checkpoints_by_execution (execution=? AND (created_at,id)<(?,?))",
    ),
    (
        "checkpoints_of_workflow",
        "checkpoints_by_workflow (workflow=? AND (created_at,id)<(?,?))",
    ),
    (
        "checkpoints_of_workflow_in_status",
        "checkpoints_by_workflow_status (workflow=? AND status=? AND (created_at,id)<(?,?))",
    ),
    (
        "checkpoints_of_decider",
        "sqlite_autoindex_checkpoint_reviewers_1 (reviewer=? AND (created_at,checkpoint)<(?,?))",
    ),
    (
        "checkpoints_of_decider",
        "sqlite_autoindex_checkpoints_1 (id=?)",
    ),
    (
        "remove_reviewers",
        "checkpoint_reviewers_by_checkpoint (checkpoint=?)",
    ),
    ("definition", "definitions_1 (workflow=? AND version=?)"),
    ("definition_latest", "definitions_1 (workflow=?)"),
    ("definitions", "workflows USING PRIMARY KEY (id>?)"),
    ("claim", "PRIMARY KEY (id=?)"),
    ("claim", "INDEX executions_adrift"),
    ("claim", "executions_waking (wake_at>? AND wake_at<?)"),
    ("journal", "PRIMARY KEY (id=?)"),
    ("leave", "INDEX executions_owned (owner=?)"),
    ("orphan", "INDEX executions_owned"),
    (
        "due_to_expire",
        "executions_ended (ended_at>? AND ended_at<?)",
    ),
    ("due_to_expire", "executions_kept (<expr><?)"),
    ("blobs_used", "blob_uses_by_execution (execution=?)"),
    ("remove_executions", "PRIMARY KEY (id=?)"),
    ("remove_blobs", "sqlite_autoindex_blobs_1 (digest=?)"),
    ("release", "PRIMARY KEY (id=?)"),
    (
        "executions_by_status",
        "COVERING INDEX executions_by_status",
    ),
    ("take", "PRIMARY KEY (id=?)"),
    ("work_due", "INDEX executions_adrift"),
    ("work_due", "executions_waking (wake_at>? AND wake_at<?)"),
    ("events", "journal_1 (execution=? AND seq>?)"),
    ("journal", "journal_1 (execution=?)"),
    ("execution", "PRIMARY KEY (id=?)"),
    (
        "execution_by_key",
        "executions_by_key (workflow=? AND key=?)",
    ),
    ("executions", "PRIMARY KEY (id>? AND id<?)"),
    (
        "executions_in_status",
        "executions_by_status (status=? AND id>? AND id<?)",
    ),
    (
        "executions_of_workflow",
        "executions_by_workflow (workflow=? AND id>? AND id<?)",
    ),
    (
        "executions_of_workflow_in_status",
        "executions_by_workflow_status (workflow=? AND status=? AND id>? AND id<?)",
    ),
    ("existing_executions", "PRIMARY KEY (id=?)"),
    (
        "started_with_keys",
        "executions_by_key (workflow=? AND key=?)",
    ),
    ("versions", "definitions_1 (workflow=? AND version<?)"),
    ("workflow_count", "definitions_1 (workflow=?)"),
    ("startable", "definitions_current (workflow=?)"),
    (
        "definition_uses",
        "former_versions_by_definition (workflow=?",
    ),
    ("definition_uses", "executions_by_workflow"),
    ("last_version", "PRIMARY KEY (id=?)"),
    ("remove_definitions", "definitions_1 (workflow=?)"),
    ("deprecate", "definitions_1 (workflow=? AND version=?)"),
];

/// The steps of each query, as `SQLite` plans them: tables by search, the order by index.
#[tokio::test]
async fn every_query_has_its_index() {
    let database = fresh();
    let store = prepared(&database).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite/sql");
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let sql = fs::read_to_string(&path).unwrap();
        if sql.contains("INSERT") || sql.contains("dbstat") {
            continue;
        }
        let statements: Vec<_> = sql.split_inclusive(";\n").collect();
        let explained = format!(
            "EXPLAIN QUERY PLAN {}",
            statements.join("EXPLAIN QUERY PLAN ")
        );
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explained))
            .fetch_all(&store.readers)
            .await
            .unwrap();
        let steps: Vec<_> = steps.into_iter().map(|(_, _, _, step)| step).collect();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let expected: Vec<_> = PLANS.iter().filter(|plan| plan.0 == name).collect();
        assert!(
            !expected.is_empty(),
            "{name} has no expected plan: {steps:?}"
        );
        for (_, index) in expected {
            assert!(
                steps.iter().any(|step| step.contains(index)),
                "{name}: {steps:?}"
            );
        }
        // It sorts a page of each reviewer at most.
        if name == "checkpoints_of_decider" {
            continue;
        }
        let is_sorted = steps.iter().any(|step| step.contains("ORDER BY"));
        assert!(!is_sorted, "{name}: {steps:?}");
    }
}
