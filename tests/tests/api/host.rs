//! Hosts: `phasewright serve` as a child process with a database of its own.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use phasewright::{endpoints::Manifest, workflow::Digest};
use phasewright_test_postgres::Database;
use phasewright_tests::edge::{self, Edge, Variables};
use tempfile::TempDir;

use crate::api::Api;

/// Small limits for those that run into them, so that it takes little time; and memory enough to make
/// an output of 20 MB. The limit of outputs keeps its default, 16 MiB. This machine may be called.
const GRANTS: &str = r#"
[phase.misbehave.limits]
memory_bytes = 134_217_728
cpu_time_ms = 1_000
log_bytes = 65_536
artifact_bytes = 1_048_576

[phase.call]
allowed_outbound_hosts = ["http://127.0.0.1:*"]

[phase.table-query.limits]
cpu_time_ms = 1_000

[phase.template-render.limits]
cpu_time_ms = 5_000
"#;

/// Runs the host and kills it as soon as nobody holds the other end of its input any more, however
/// the process of the tests ends; then removes what it is told to.
const GUARD: &str = r#"
"$@" &
echo "pid $!"
exec >&-
read -r nothing
kill -9 $! 2>/dev/null
wait $!
if [ -n "$SCRATCH" ]; then rm -rf "$SCRATCH"; fi
"#;

/// Which database the tests run on: `sqlite`, the default, or `postgres`.
const DATABASE: &str = "PHASEWRIGHT_TEST_DATABASE";

/// By which door the tests come in: `edge`, through endpoints that run elsewhere, or by default
/// straight to the host.
const DOOR: &str = "PHASEWRIGHT_TEST_DOOR";

/// What the endpoints at the edge show to hosts.
const EDGE_TOKEN: &str = "edge";

/// Do the tests come in through endpoints that run elsewhere?
fn at_edge() -> bool {
    env::var(DOOR).is_ok_and(|door| door == "edge")
}

/// A database with a folder, on which one host after another can run; on PostgreSQL also
/// several at a time.
pub struct Place {
    folder: TempDir,
    /// In the server that all tests share; else a file in the folder.
    postgres: Option<Database>,
}

/// A host that listens. Dropping it is `kill -9`.
pub struct Host {
    guard: Child,
    pid: String,
    input: Option<ChildStdin>,
    /// Where its engine API listens, if it has one.
    pub engine: Option<SocketAddr>,
    pub api: Api,
}

impl Place {
    pub fn new() -> Self {
        let is_postgres = env::var(DATABASE).is_ok_and(|name| name == "postgres");
        Self::with(is_postgres.then(Database::fresh))
    }

    /// On PostgreSQL, whatever the other tests run on.
    pub fn on_postgres() -> Self {
        Self::with(Some(Database::fresh()))
    }

    /// On this database.
    pub fn with(postgres: Option<Database>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let phases = folder.path().join("phases");
        fs::create_dir(&phases).unwrap();
        for built in ["phases", "test-phases"] {
            let built = built_for_all(built);
            for file in fs::read_dir(&built).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), phases.join(file.file_name())).unwrap();
            }
        }
        fs::write(phases.join("phases.toml"), GRANTS).unwrap();
        Self { folder, postgres }
    }

    /// Starts a host and waits until it listens.
    pub fn host(&self) -> Host {
        self.host_with(&[])
    }

    /// The same with more options.
    pub fn host_with(&self, options: &[&str]) -> Host {
        launch(self.folder.path(), &self.database(), options, false)
    }

    /// The same by another way to the database.
    pub fn host_by(&self, database: &str, options: &[&str]) -> Host {
        launch(self.folder.path(), database, options, false)
    }

    /// Puts a component of the workspace where the phase `name` is, or is to be.
    pub fn deploy(&self, name: &str, component: &str) {
        let built = built_for_all(&format!("wasm32-wasip2/wasm/{component}.wasm"));
        fs::copy(built, self.phase(name)).unwrap();
    }

    /// Takes a phase away.
    pub fn undeploy(&self, name: &str) {
        fs::remove_file(self.phase(name)).unwrap();
    }

    /// Writes a file beside the database and says where it is.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What its hosts logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("host.log")).unwrap()
    }

    fn phase(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("phases/{name}.wasm"))
    }

    pub fn database(&self) -> String {
        match &self.postgres {
            Some(database) => database.url(),
            None => format!("sqlite://{}", self.folder.path().join("x.db").display()),
        }
    }
}

/// The host of all tests that do no harm to it.
pub fn shared() -> Api {
    static SHARED: OnceLock<Host> = OnceLock::new();
    // Nothing drops a static: the guard removes the folder when this process ends.
    let start = || {
        let place = Place::new();
        let url = place.database();
        // The database goes with its server.
        std::mem::forget(place.postgres);
        launch(&place.folder.keep(), &url, &[], true)
    };
    SHARED.get_or_init(start).api
}

impl Host {
    /// `kill -9`, and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// Makes it stand still, or go on: `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.pid.clone()])
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.guard.wait();
    }
}

fn launch(folder: &Path, database: &str, options: &[&str], is_scratch: bool) -> Host {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("host.log"))
        .unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", GUARD, "guard"])
        .arg(program())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--app",
            "spin.toml",
            "--database",
        ])
        .arg(database)
        .args(options)
        .arg("--phases")
        .arg(folder.join("phases"))
        .arg("--evaluator")
        .arg(built_for_all("wasm32-wasip2/wasm/expression.wasm"))
        .current_dir(root())
        .env_remove("DATABASE_URL")
        .env_remove("PHASEWRIGHT_TOKENS")
        .env_remove("PHASEWRIGHT_ENGINE_LISTEN")
        .env_remove("PHASEWRIGHT_ENGINE_TOKENS")
        .env(
            "SCRATCH",
            if is_scratch {
                folder.as_os_str()
            } else {
                "".as_ref()
            },
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log);
    // A test about the engine API itself has one of its own.
    let at_edge = at_edge() && !options.contains(&"--engine-listen");
    if at_edge {
        command.args(["--engine-listen", "127.0.0.1:0", "--engine-tokens"]);
        command.arg(engine_tokens(folder));
    }
    let mut guard = command.spawn().unwrap();
    let input = guard.stdin.take();
    let output = guard.stdout.take().unwrap();
    let started = Instant::now();
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    // Said by the guard and by the host, in whatever order.
    let (mut pid, mut address, mut engine) = (None, None, None);
    for line in &mut lines {
        let said = |what| line.strip_prefix(what).map(str::to_owned);
        engine = engine.or_else(|| said("engine API on http://"));
        pid = pid.or_else(|| said("pid "));
        address = address.or_else(|| said("listening on http://"));
        if pid.is_some() && address.is_some() {
            break;
        }
    }
    let (Some(pid), Some(address)) = (pid, address) else {
        let log = fs::read_to_string(folder.join("host.log")).unwrap_or_default();
        panic!(
            "the host ended at its start after {:?}:\n{log}",
            started.elapsed()
        );
    };
    let parsed = |text: String| text.trim_end_matches('/').parse().unwrap();
    let engine: Option<SocketAddr> = engine.map(parsed);
    let address = match engine {
        Some(engine) if at_edge => at_the_edge_of(engine),
        _ => parsed(address),
    };
    Host {
        guard,
        pid,
        input,
        engine,
        api: Api {
            address,
            patience: Duration::from_mins(1),
            token: None,
        },
    }
}

/// A file with the token of the edge. Hosts of the same folder share it, so it is written once.
fn engine_tokens(folder: &Path) -> PathBuf {
    let file = folder.join("engine.toml");
    if !file.exists() {
        let digest = Digest::of(EDGE_TOKEN.as_bytes());
        let entry =
            format!("[[token]]\nname = \"edge\"\nsha256 = \"{digest}\"\nscopes = [\"engine\"]\n");
        fs::write(&file, entry).unwrap();
    }
    file
}

/// Endpoints elsewhere that ask this engine.
fn at_the_edge_of(engine: SocketAddr) -> SocketAddr {
    let manifest = Manifest::read(&root().join("spin.toml")).unwrap();
    let link = built_for_all("wasm32-wasip2/wasm/engine_link.wasm");
    let variables = Variables::from([
        ("engine_url", format!("http://{engine}")),
        ("engine_token", EDGE_TOKEN.to_owned()),
    ]);
    edge::serve(Edge::new(manifest, &link, variables).unwrap()).unwrap()
}

/// Where the workspace is.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Something that `cargo xtask build` puts into the workspace's own target folder.
fn built_for_all(name: &str) -> PathBuf {
    existing(root().join("target").join(name))
}

pub fn program() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    existing(target.join("release/phasewright"))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask build` first",
        path.display()
    );
    path
}
