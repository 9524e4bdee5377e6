//! One database, as long as a test needs it.

use std::{
    io, process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::Server;

/// A new, empty database; dropped, with whoever is still connected, when this is.
#[derive(Debug)]
pub struct Database {
    server: Server,
    name: String,
}

impl Database {
    /// A database in the server that all tests share.
    pub fn fresh() -> Self {
        let database = Server::shared().and_then(Self::create);
        database.unwrap_or_else(|error| panic!("there is no database for tests: {error}"))
    }

    /// A database in this server.
    pub fn create(server: &Server) -> io::Result<Self> {
        let database = Self {
            server: server.clone(),
            name: unique_name(),
        };
        let sql = format!("CREATE DATABASE {}", database.name);
        server.run("postgres", &sql)?;
        Ok(database)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL in it and returns what it prints: rows by line, columns by `|`.
    pub fn run(&self, sql: &str) -> io::Result<String> {
        self.server.run(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // It goes with its server at the latest; a test may have stopped that.
        let _ = self.server.run("postgres", &sql);
    }
}

/// Processes share a server, and a long-lived one sees ids of processes again.
fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.unwrap_or_default().as_micros();
    format!("test_{}_{micros}_{count}", process::id())
}

#[cfg(test)]
mod tests {
    use super::Database;
    use crate::Server;

    #[test]
    fn a_database_is_created_and_dropped() {
        let database = Database::fresh();
        let name = database.name().to_owned();
        database.run("CREATE TABLE things (id int)").unwrap();
        assert_eq!(database.run("SELECT count(*) FROM things").unwrap(), "0");
        let server = Server::shared().unwrap();
        let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        assert_eq!(server.run("postgres", &count).unwrap(), "1");
        drop(database);
        assert_eq!(server.run("postgres", &count).unwrap(), "0");
    }

    #[test]
    fn databases_are_their_own() {
        let (left, right) = (Database::fresh(), Database::fresh());
        assert_ne!(left.url(), right.url());
        left.run("CREATE TABLE things (id int)").unwrap();
        let error = right.run("SELECT * FROM things").unwrap_err().to_string();
        assert!(error.contains("does not exist"), "{error}");
    }
}
