//! A host of one's own: `phasewright serve` as a child process on a free port.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cleanup::{self, ChildGuard},
    client::Client,
    shell,
    workspace::Workspace,
};
use anyhow::{Context, Result, bail};

/// Longest start. The first one compiles every component, which takes a slow machine a minute.
const START_TIMEOUT: Duration = Duration::from_mins(5);

/// Longest graceful end; the host's own grace period is shorter.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How often to look whether a child has ended.
const POLL: Duration = Duration::from_millis(5);

/// How to start a host, again and again on the same database.
#[derive(Clone)]
pub struct Setup {
    program: PathBuf,
    root: PathBuf,
    /// Folders of phases.
    pub phases: Vec<PathBuf>,
    /// The log is in here, and the database unless there is another.
    pub folder: PathBuf,
    /// URL of the database.
    pub database: String,
    /// What else to say to `phasewright serve`.
    pub options: Vec<String>,
    /// Worker threads, if not one for each processor.
    pub threads: Option<usize>,
    /// Cache folder, if not the user's.
    pub cache: Option<PathBuf>,
}

/// What became of starting a host.
pub enum Start {
    /// It listens.
    Listening(Host),
    /// It ended before it did, for instance killed by somebody.
    Ended(ExitStatus),
}

/// A host that listens; killed when dropped.
pub struct Host {
    guard: ChildGuard,
    listening: Listening,
}

/// Where somebody listens.
pub struct Listening {
    /// For everybody.
    pub base: String,
    /// The engine API, where there is one.
    pub engine: Option<String>,
}

impl Setup {
    /// A host with the phases that ship and its files in `folder`.
    pub fn new(workspace: &Workspace, folder: PathBuf) -> Self {
        Self {
            database: sqlite(&folder),
            options: Vec::new(),
            threads: None,
            cache: None,
            program: workspace.phasewright(),
            root: workspace.root.clone(),
            phases: vec![workspace.phases()],
            folder,
        }
    }

    /// The same on a file of its own in another folder.
    pub fn on_sqlite_in(&self, folder: &Path) -> Self {
        Self {
            database: sqlite(folder),
            ..self.clone()
        }
    }

    /// Starts a host and waits until it listens.
    pub fn start(&self) -> Result<Host> {
        match self.launch(|_| {})? {
            Start::Listening(host) => Ok(host),
            Start::Ended(status) => bail!("the host ended at its start: {status}\n{}", self.log()),
        }
    }

    /// Starts a host, shows it to `started` at once, and waits until it listens or has ended.
    pub fn launch(&self, started: impl FnOnce(&ChildGuard)) -> Result<Start> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .context("open the log of the host")?;
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.root)
            .args(["serve", "--listen", "127.0.0.1:0", "--app", "spin.toml"])
            .args(["--database", &self.database])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        for folder in &self.phases {
            command.arg("--phases").arg(folder);
        }
        // Whoever calls this has a database of their own in mind, perhaps; this host must not.
        command.env_remove("DATABASE_URL");
        if let Some(threads) = self.threads {
            command.env("TOKIO_WORKER_THREADS", threads.to_string());
        }
        if let Some(cache) = &self.cache {
            command.env("XDG_CACHE_HOME", cache);
        }
        let guard = ChildGuard::spawn(&mut command)
            .with_context(|| format!("start {}", self.program.display()))?;
        started(&guard);
        let output = guard.child().stdout.take().context("output is piped")?;
        match listening_on(output) {
            Ok(listening) => Ok(Start::Listening(Host { guard, listening })),
            Err(RecvTimeoutError::Disconnected) => Ok(Start::Ended(wait(&guard, STOP_TIMEOUT)?)),
            Err(RecvTimeoutError::Timeout) => bail!(
                "the host does not listen after {} s\n{}",
                START_TIMEOUT.as_secs(),
                self.log()
            ),
        }
    }

    /// The last lines that hosts of this setup logged.
    pub fn log(&self) -> String {
        shell::last_lines(&self.log_file())
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("host.log")
    }
}

impl Host {
    /// A client of this host.
    pub fn client(&self) -> Client {
        Client::new(self.listening.base.clone())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.guard.child().id()
    }

    /// Where it listens.
    pub fn base(&self) -> &str {
        &self.listening.base
    }

    /// Where its engine API listens.
    pub fn engine(&self) -> Option<&str> {
        self.listening.engine.as_deref()
    }

    /// How it ended, once it has; waits a moment for a host that is about to.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + Duration::from_millis(500);
        loop {
            let status = self.guard.child().try_wait()?;
            if status.is_some() || Instant::now() > deadline {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until it ends by itself.
    pub fn wait(&self) -> Result<ExitStatus> {
        wait(&self.guard, Duration::MAX)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(self) -> Result<()> {
        let status = self.end()?;
        if !status.success() {
            bail!("the host ended badly when asked to end: {status}");
        }
        Ok(())
    }

    /// Asks it to end, and says how it did.
    pub fn end(self) -> Result<ExitStatus> {
        cleanup::ask_to_end(&mut self.guard.child());
        wait(&self.guard, STOP_TIMEOUT)
    }
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("demo.db").display())
}

/// Waits without holding on to the child, so that others can kill it meanwhile.
pub fn wait(guard: &ChildGuard, timeout: Duration) -> Result<ExitStatus> {
    let started = Instant::now();
    let mut pause = POLL;
    loop {
        if let Some(status) = guard.child().try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > timeout {
            bail!("the host does not end within {} s", timeout.as_secs());
        }
        thread::sleep(pause);
        // Whoever waits for long need not know to the millisecond.
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Reads up to the line that a host prints when it is ready; what follows it is read and dropped.
pub fn listening_on(output: ChildStdout) -> Result<Listening, RecvTimeoutError> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut engine = None;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let url = |what| Some(line.strip_prefix(what)?.trim_end_matches('/').to_owned());
            if let Some(url) = url("engine API on ") {
                engine = Some(url);
            } else if let Some(base) = url("listening on ") {
                let engine = engine.take();
                // Nobody waits for a second one.
                let _ = sender.send(Listening { base, engine });
            }
        }
    });
    receiver.recv_timeout(START_TIMEOUT)
}
