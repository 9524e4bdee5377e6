//! Databases that cannot be opened say why.

use std::net::TcpListener;

use super::*;

async fn refusal(url: &str) -> StoreError {
    match PostgresStore::open(url).await {
        Ok(_) => panic!("{url} opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_read_keeps_its_secrets() {
    for url in [
        "postgres://ann:secret@db:port/x",
        "postgres://ann:secret@[/x",
    ] {
        let error = refusal(url).await;
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn nobody_who_listens_is_said_in_time() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let begin = std::time::Instant::now();
    let error = refusal(&format!("postgres://ann:secret@{free}/x")).await;
    assert!(begin.elapsed() < Duration::from_secs(10));
    let text = error.to_string();
    assert!(
        text.contains(&format!("\"x\" at {free}: cannot connect")),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let database = fresh();
    let url = database.url().replace(database.name(), "absent");
    let text = refusal(&url).await.to_string();
    assert!(text.contains("there is no such database"), "{text}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = fresh();
    drop(prepared(&database).await);
    let later = "INSERT INTO _sqlx_migrations \
         (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, '', 0)";
    database.run(later).unwrap();
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
async fn missing_rights_are_named() {
    let database = fresh();
    let role = format!("poor_{}", database.name());
    let url = database
        .url()
        .replace("postgres://phasewright@", &format!("postgres://{role}@"));
    database.run(&format!("CREATE ROLE {role} LOGIN")).unwrap();
    // Cannot make the tables.
    let text = refusal(&url).await.to_string();
    assert!(text.contains("may not create tables"), "{text}");
    // They are there, but not for everybody.
    drop(prepared(&database).await);
    let text = refusal(&url).await.to_string();
    assert!(text.contains("may not read its tables"), "{text}");
    let grant = |what: &str| {
        let sql = format!("GRANT {what} ON ALL TABLES IN SCHEMA public TO {role}");
        database.run(&sql).unwrap();
    };
    grant("SELECT");
    let text = refusal(&url).await.to_string();
    assert!(
        text.contains("may not SELECT, INSERT, UPDATE and DELETE in workflows, definitions"),
        "{text}"
    );
    // What a host does takes no right to make tables.
    grant("INSERT, UPDATE, DELETE");
    PostgresStore::open(&url).await.unwrap();
    database.run(&format!("DROP OWNED BY {role}")).unwrap();
    database.run(&format!("DROP ROLE {role}")).unwrap();
}
