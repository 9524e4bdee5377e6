//! A server of one's own, to be stopped and started at will.

use std::{
    collections::hash_map::RandomState,
    fs,
    hash::{BuildHasher, Hasher},
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Mutex, PoisonError},
};

use crate::{Server, programs, programs::Programs};

/// The superuser of the cluster.
const USER: &str = "phasewright";

/// How often another port is tried when somebody took the one that was free.
const PORTS_TRIED_MAX: u32 = 10;

/// Below those that outgoing connections take: while a server is stopped, nobody gets its port.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Lines of the log that an error shows.
const LOG_LINES_SHOWN: usize = 20;

/// Enough for many tests at once, and for three hosts with pools of their own.
const SETTINGS: [&str; 4] = [
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "shared_buffers=128MB",
    "log_min_messages=warning",
];

/// A database that nobody misses after a crash of the machine need not wait for the disk.
const SETTINGS_NOT_DURABLE: [&str; 3] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];

/// What kind of server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Does a commit wait for the disk, as it does in production?
    pub durable: bool,
}

/// How a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Disconnects everybody, rolls back, writes everything down.
    Fast,
    /// As a crash: at once, and the next start recovers.
    Immediate,
}

/// A server in a temporary folder, on a port of its own. It ends, and its folder goes, when this
/// is dropped or when this process ends, even by SIGKILL.
#[derive(Debug)]
pub struct Cluster {
    shell: Mutex<Shell>,
    folder: PathBuf,
    port: u16,
    server: Server,
}

impl Cluster {
    /// Makes a folder and starts a server in it; takes about a second.
    pub fn start(options: Options) -> io::Result<Self> {
        let programs = Programs::find()?;
        let mut shell = Shell::start(&programs, options)?;
        let answer = shell.answer()?;
        let folder = match answer.split_once(' ') {
            Some(("made", folder)) => PathBuf::from(folder),
            Some(("failed", folder)) => return Err(failure("initdb", &PathBuf::from(folder))),
            _ => return Err(io::Error::other(format!("unexpected answer {answer:?}"))),
        };
        let mut ports = free_ports().take(PORTS_TRIED_MAX as usize);
        let port = loop {
            let Some(port) = ports.next() else {
                return Err(failure("postgres", &folder));
            };
            if shell.ask(&format!("start {port}"))? == "ready" {
                break port;
            }
        };
        Ok(Self {
            shell: Mutex::new(shell),
            folder,
            port,
            server: Server::at(&format!("postgres://{USER}@127.0.0.1:{port}/"))?,
        })
    }

    /// How to reach it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The URL of a database in it.
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// Stops the server and waits until it has ended; does nothing when it is stopped.
    pub fn stop(&self, how: Stop) -> io::Result<()> {
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        self.ask(&format!("stop {signal}")).map(|_| ())
    }

    /// Starts the stopped server on the same port and waits until it answers.
    pub fn start_again(&self) -> io::Result<()> {
        match self.ask(&format!("start {}", self.port))?.as_str() {
            "ready" => Ok(()),
            _ => Err(failure("postgres", &self.folder)),
        }
    }

    /// Stops it and starts it again.
    pub fn restart(&self, how: Stop) -> io::Result<()> {
        self.stop(how)?;
        self.start_again()
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        log(&self.folder)
    }

    fn ask(&self, command: &str) -> io::Result<String> {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        shell.ask(command)
    }
}

/// The shell that holds the server, and obeys.
#[derive(Debug)]
struct Shell {
    child: Child,
    /// None only while this is dropped.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Shell {
    fn start(programs: &Programs, options: Options) -> io::Result<Self> {
        let mut command = programs::unprivileged_shell()?;
        let relaxed = SETTINGS_NOT_DURABLE.iter().filter(|_| !options.durable);
        command
            .args(["-c", include_str!("supervise.sh"), "supervise.sh"])
            .arg(programs.folder())
            .arg(USER);
        for setting in SETTINGS.iter().chain(relaxed) {
            command.args(["-c", setting]);
        }
        // The other user may not be able to read this folder, and who is asked for by name in the
        // environment is another server.
        command.current_dir("/").env("LC_ALL", "C");
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGOPTIONS"] {
            command.env_remove(name);
        }
        let mut child = command
            // Ctrl-C is for us; we tell it in our own way.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped");
        };
        Ok(Self {
            child,
            commands: Some(commands),
            answers: BufReader::new(answers),
        })
    }

    fn ask(&mut self, command: &str) -> io::Result<String> {
        let commands = self.commands.as_mut().expect("it is not being dropped");
        writeln!(commands, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::Error::other("the shell that holds PostgreSQL is gone"));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.commands.take());
        // It fails only when somebody has waited already.
        let _ = self.child.wait();
    }
}

/// Ports that nobody listens on, in an order that is another one for each who asks.
fn free_ports() -> impl Iterator<Item = u16> {
    let random = || RandomState::new().build_hasher().finish();
    let count = u64::from(PORTS.end - PORTS.start);
    let place = move || u16::try_from(random() % count).expect("less than there are ports");
    std::iter::repeat_with(move || PORTS.start + place())
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

fn failure(program: &str, folder: &std::path::Path) -> io::Error {
    let log = log(folder);
    let lines: Vec<_> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
    io::Error::other(format!("{program} failed:\n  {}", last.join("\n  ")))
}

fn log(folder: &std::path::Path) -> String {
    let log = fs::read(folder.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Cluster, Options, Stop};
    use crate::Database;

    #[test]
    fn what_was_committed_outlives_a_restart() {
        let cluster = Cluster::start(Options { durable: true }).unwrap();
        let database = Database::create(cluster.server()).unwrap();
        database.run("CREATE TABLE things (id int)").unwrap();
        for (how, count) in [(Stop::Fast, "1"), (Stop::Immediate, "2")] {
            database.run("INSERT INTO things VALUES (1)").unwrap();
            let url = database.url();
            cluster.restart(how).unwrap();
            assert_eq!(database.url(), url);
            let things = database.run("SELECT count(*) FROM things").unwrap();
            assert_eq!(things, count);
        }
        let durable = cluster.server().run("postgres", "SHOW fsync").unwrap();
        assert_eq!(durable, "on");
    }

    #[test]
    fn a_stopped_server_answers_nobody() {
        let cluster = Cluster::start(Options::default()).unwrap();
        cluster.stop(Stop::Fast).unwrap();
        assert!(cluster.server().run("postgres", "SELECT 1").is_err());
        // Once more is no error.
        cluster.stop(Stop::Immediate).unwrap();
        cluster.start_again().unwrap();
        let durable = cluster.server().run("postgres", "SHOW fsync").unwrap();
        assert_eq!(durable, "off");
    }

    #[test]
    fn nothing_stays_behind() {
        let cluster = Cluster::start(Options::default()).unwrap();
        let (folder, server) = (cluster.folder.clone(), cluster.server().clone());
        assert!(folder.is_dir());
        drop(cluster);
        assert!(!folder.exists());
        assert!(server.run("postgres", "SELECT 1").is_err());
    }
}
