//! A server that can be reached, whoever started it.

use std::{env, io, sync::OnceLock};

use crate::{Cluster, Options, programs::Programs};

/// The URL of a server that tests share, for instance
/// `postgres://phasewright@127.0.0.1:5432/postgres`. Its user may create databases.
pub const SHARED_URL_VARIABLE: &str = "PHASEWRIGHT_TEST_POSTGRES";

/// Where a server is, and how to get in.
#[derive(Debug, Clone)]
pub struct Server {
    programs: Programs,
    /// A URL without the name of a database: `postgres://user@host:port`
    base: String,
}

impl Server {
    /// The server at `url`; the database in it matters to nobody.
    pub fn at(url: &str) -> io::Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no scheme"))?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        Ok(Self {
            programs: Programs::find()?,
            base: format!("{scheme}://{authority}"),
        })
    }

    /// The server that all tests share: the one that the environment names, otherwise one for this
    /// process, which ends with it.
    pub fn shared() -> io::Result<&'static Self> {
        static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match env::var(SHARED_URL_VARIABLE) {
            Ok(url) => Self::at(&url)
                .map(Shared::Theirs)
                .map_err(|error| format!("{SHARED_URL_VARIABLE}: {error}")),
            Err(_) => Cluster::start(Options::default())
                .map(Shared::Ours)
                .map_err(|error| error.to_string()),
        });
        match shared {
            Ok(Shared::Theirs(server)) => Ok(server),
            Ok(Shared::Ours(cluster)) => Ok(cluster.server()),
            Err(error) => Err(io::Error::other(error.clone())),
        }
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// Runs SQL and returns what it prints: rows by line, columns by `|`.
    pub fn run(&self, database: &str, sql: &str) -> io::Result<String> {
        let output = self
            .programs
            .command("psql")
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set", "ON_ERROR_STOP=1", "--command", sql])
            .arg(self.url(database))
            .output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{sql}: {}", why.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Of [`Server::shared`].
enum Shared {
    Theirs(Server),
    Ours(Cluster),
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn a_url_names_any_database_of_its_server() {
        let server =
            Server::at("postgres://me:secret@localhost:5433/mine?sslmode=disable").unwrap();
        assert_eq!(server.url("a"), "postgres://me:secret@localhost:5433/a");
        assert!(Server::at("localhost").is_err());
    }
}
