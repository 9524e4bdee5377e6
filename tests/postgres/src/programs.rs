//! Where the programs of PostgreSQL are, and as whom they run.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What is needed; all of it is in one folder.
const NEEDED: [&str; 4] = ["initdb", "postgres", "pg_isready", "psql"];

/// Where Debian puts each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Users that exist on most machines and are not root, best first.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// The folder of the programs of one version of PostgreSQL.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Looks along `PATH`, then where Debian puts them: newest first.
    pub fn find() -> io::Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        // A link leads to the folder with all the others.
        let linked = env::split_paths(&path)
            .filter_map(|folder| fs::canonicalize(folder.join(NEEDED[0])).ok())
            .filter_map(|program| program.parent().map(Path::to_owned));
        let folder = linked.chain(debian()).find(|folder| {
            let has = |program| folder.join(program).is_file();
            NEEDED.into_iter().all(has)
        });
        folder.map(|folder| Self { folder }).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "PostgreSQL is not installed: there is no folder with {} on PATH or in \
                     {DEBIAN}; on Debian: apt-get install postgresql",
                    NEEDED.join(", ")
                ),
            )
        })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them.
    pub(crate) fn command(&self, program: &str) -> Command {
        Command::new(self.folder.join(program))
    }
}

/// `/usr/lib/postgresql/15/bin`, …
fn debian() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let folder = |version: u32| Path::new(DEBIAN).join(version.to_string()).join("bin");
    versions.into_iter().rev().map(folder)
}

/// A shell as somebody whom PostgreSQL accepts: root it refuses.
pub(crate) fn unprivileged_shell() -> io::Result<Command> {
    if id(&["-u"])? != "0" {
        return Ok(Command::new("sh"));
    }
    let ids = |user| Some((id(&["-u", user]).ok()?, id(&["-g", user]).ok()?));
    let (user, group) = USERS.into_iter().find_map(ids).ok_or_else(|| {
        let users = USERS.join(" nor ");
        io::Error::other(format!(
            "PostgreSQL does not run as root, and there is neither {users}"
        ))
    })?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &user, "--regid", &group, "--clear-groups"])
        .arg("sh");
    Ok(command)
}

fn id(arguments: &[&str]) -> io::Result<String> {
    let output = Command::new("id").args(arguments).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(why.trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
