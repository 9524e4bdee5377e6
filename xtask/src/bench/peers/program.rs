//! Engines that are libraries: a program of `bench/` has the engine and its clients in one process,
//! and is told by JSON lines what to run.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::{
    super::load::Run,
    engine::{Engine, Installed, PATIENCE},
    install,
    postgres::Postgres,
    workload::{BESIDE_READS, Workload},
};
use crate::{
    cleanup::{ChildGuard, TempFolder},
    shell::last_lines,
    workspace::Workspace,
};

/// Longer than any start, and until all wait that are to.
const START_TIMEOUT: Duration = Duration::from_mins(10);

/// DBOS, as a library in Rust.
pub fn dbos_rust(workspace: &Workspace) -> Result<Installed<'_>> {
    let program = install::cargo_program(workspace, "bench-dbos-rust")?;
    let version = install::cargo_version(workspace, "dbos")?;
    Ok(installed(version, vec![program]))
}

/// DBOS, as a library in Python.
pub fn dbos_python(workspace: &Workspace) -> Result<Installed<'_>> {
    python(workspace, "dbos-python", "dbos")
}

/// `LangGraph`, a library in Python.
pub fn langgraph(workspace: &Workspace) -> Result<Installed<'_>> {
    python(workspace, "langgraph", "langgraph")
}

fn python<'w>(workspace: &'w Workspace, folder: &str, package: &str) -> Result<Installed<'w>> {
    let program = install::python(workspace, folder)?;
    let version = install::python_version(workspace, folder, package)?;
    let script = workspace.root.join("bench").join(folder).join("engine.py");
    Ok(installed(version, vec![program, script]))
}

/// A program, and what follows it on its command line.
fn installed<'w>(version: String, command: Vec<PathBuf>) -> Installed<'w> {
    Installed {
        version,
        start: Box::new(move || {
            let engine = Program::start(command.clone(), Postgres::start()?)?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        }),
    }
}

struct Program {
    command: Vec<PathBuf>,
    guard: ChildGuard,
    questions: ChildStdin,
    answers: Receiver<String>,
    postgres: Postgres,
    folder: TempFolder,
}

impl Program {
    fn start(command: Vec<PathBuf>, postgres: Postgres) -> Result<Self> {
        let folder = TempFolder::new()?;
        let log = File::create(log(&folder)).context("make a log")?;
        let mut program = Command::new(&command[0]);
        program
            .args(&command[1..])
            .current_dir(folder.path())
            // It is not to leave its compiled form in the tree.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BENCH_DATABASE", postgres.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let guard = ChildGuard::spawn(&mut program)
            .with_context(|| format!("start {}", command[0].display()))?;
        let (questions, answers) = {
            let mut child = guard.child();
            (child.stdin.take(), child.stdout.take())
        };
        let mut program = Self {
            command,
            guard,
            questions: questions.context("input is piped")?,
            answers: lines(answers.context("output is piped")?),
            postgres,
            folder,
        };
        let said = program.answer(START_TIMEOUT)?;
        if said["ready"] != true {
            bail!("it said {said} instead of being ready");
        }
        Ok(program)
    }

    fn answer(&mut self, patience: Duration) -> Result<Value> {
        let line = wait_for(&self.answers, patience);
        let line = line.map_err(|why| anyhow!("{why}\n{}", last_lines(&log(&self.folder))))?;
        serde_json::from_str(&line).with_context(|| format!("it said {line:?}"))
    }

    fn ask(&mut self, question: &Value, patience: Duration) -> Result<Run> {
        writeln!(self.questions, "{question}").context("ask the program")?;
        let answer = self.answer(patience)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{error}");
        }
        let micros = |value: &Value| value.as_u64().map(Duration::from_micros);
        let times = answer["micros"].as_array().context("no times")?;
        let times: Option<Vec<_>> = times.iter().map(micros).collect();
        let took = micros(&answer["took_micros"]);
        Ok(Run {
            times: times.context("a time is no number")?,
            took: took.context("it does not say how long it took")?,
        })
    }
}

impl Engine for Program {
    fn run(&mut self, workload: Workload, clients: usize, time: Duration) -> Result<Run> {
        let question = json!({
            "workload": workload.name(), "clients": clients, "seconds": time.as_secs_f64(),
            "beside": if workload == Workload::Reads { BESIDE_READS } else { 0 },
        });
        self.ask(&question, time + PATIENCE)
    }

    fn start_many(&mut self, workload: Workload, count: usize) -> Result<()> {
        let question = json!({ "start": workload.name(), "count": count });
        self.ask(&question, START_TIMEOUT).map(drop)
    }

    fn has_recovered(&mut self) -> Result<bool> {
        // Of all that can be started so, only DBOS goes on by itself after a crash.
        let left = "SELECT count(*) FROM dbos.workflow_status WHERE status <> 'SUCCESS'";
        Ok(self.postgres.run(left)? == "0")
    }

    fn crash(self: Box<Self>) -> Result<Box<dyn Engine>> {
        drop(self.guard);
        let program = Self::start(self.command, self.postgres)?;
        Ok(Box::new(program))
    }

    fn has_clients(&self) -> bool {
        true
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.guard.child().id()]
    }

    fn postgres(&self) -> Option<&Postgres> {
        Some(&self.postgres)
    }
}

/// Reads on a thread of its own, so that one can wait for a while only.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn wait_for(lines: &Receiver<String>, patience: Duration) -> Result<String> {
    lines.recv_timeout(patience).map_err(|error| match error {
        RecvTimeoutError::Timeout => anyhow!("given up: no answer in {} s", patience.as_secs()),
        RecvTimeoutError::Disconnected => anyhow!("the program ended"),
    })
}

fn log(folder: &TempFolder) -> PathBuf {
    Path::new(folder.path()).join("log")
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::wait_for;

    #[test]
    fn a_program_that_does_not_answer_is_given_up() {
        let (sender, answers) = mpsc::channel();
        sender.send("{}".to_owned()).unwrap();
        assert_eq!(wait_for(&answers, Duration::ZERO).unwrap(), "{}");
        let why = wait_for(&answers, Duration::ZERO).unwrap_err();
        assert_eq!(why.to_string(), "given up: no answer in 0 s");
        drop(sender);
        let why = wait_for(&answers, Duration::from_mins(1)).unwrap_err();
        assert_eq!(why.to_string(), "the program ended");
    }
}
