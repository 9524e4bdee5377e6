//! What single things take: the table of the micro-benchmarks, which are a program of their own.
//!
//! Criterion measures times, which are what a user feels, and which differ from hour to hour; callgrind
//! counts the instructions of the pure core, which are the same on a busy machine.

use std::{
    fmt, fs,
    io::stderr,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::SECONDS_DEFAULT;
use crate::{
    arguments::{Argument, Arguments},
    build,
    cleanup::TempFolder,
    shell::{self, say},
    workspace::{DEPLOYED, MICRO, Workspace},
};

/// What one of the measured things is called, by the group of benchmarks; in the order of the table.
const UNITS: [(&str, &str); 10] = [
    ("fold", "event"),
    ("decide", "event"),
    ("read", "node"),
    ("render", "template"),
    ("call", "call"),
    ("evaluate", "evaluation"),
    ("request", "request"),
    ("disk", "sync"),
    ("append_sqlite", "append"),
    ("append_postgres", "append"),
];

/// What one may take at most, in microseconds, by how names begin. The phase `compute` adds one to a
/// number, so its call is what any call takes beside the phase's own work.
const GOALS: [(&str, f64); 2] = [("fold/", 10.0), ("call/compute", 50.0)];

/// The function of the program in which instructions are counted, with the hash that the compiler adds.
const COUNTED: &str = "phasewright_micro::counted*";

/// What one thing takes.
struct Measured {
    /// Place of its group among [`UNITS`].
    group: usize,
    name: String,
    median_us: f64,
    instructions: Option<u64>,
}

/// What follows `bench micro` on the command line: a part of the names to measure, and for how long.
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    let mut part = None;
    let mut seconds = SECONDS_DEFAULT;
    arguments.parse(|argument, values| {
        match argument {
            Argument::Word(word) if part.is_none() => part = Some(word.to_owned()),
            Argument::Option("seconds") => seconds = values.next()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let time = super::time(seconds)?;
    build::components(workspace)?;
    let mut cargo = build::cargo(workspace);
    shell::run(cargo.args(["build", "--profile", DEPLOYED, "--package", MICRO]))?;
    let folder = TempFolder::new()?;
    shell::run(
        Command::new(workspace.micro())
            .args(["--bench", "--quiet", "--noplot", "--warm-up-time", "1"])
            .args(["--measurement-time", &time.as_secs().to_string()])
            .args(part)
            .env("CRITERION_HOME", folder.path())
            // What is on standard output is for programs.
            .stdout(stderr()),
    )?;
    let mut all = read(folder.path())?;
    if all.is_empty() {
        bail!("no micro-benchmark has this in its name");
    }
    if shell::is_installed("valgrind", "--version") {
        count(workspace, &mut all)?;
    } else {
        say("instructions are not counted: valgrind is not installed (apt-get install valgrind)");
    }
    for one in &all {
        eprintln!("  {}", one.to_string().trim_end());
    }
    Ok(super::tell(all.iter().map(Measured::document).collect()))
}

/// What criterion found: a folder for each group, and in it one for each benchmark.
fn read(home: &Path) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for folder in fs::read_dir(home)? {
        let folder = folder?;
        let is_of_it = |(group, _): &(&str, &str)| *folder.file_name() == **group;
        let group = UNITS.iter().position(is_of_it);
        let group = group.with_context(|| format!("{} has no unit", folder.path().display()))?;
        for entry in fs::read_dir(folder.path())? {
            let folder = entry?.path().join("new");
            all.push(read_one(group, &folder).with_context(|| folder.display().to_string())?);
        }
    }
    all.sort_by(|one, other| (one.group, &one.name).cmp(&(other.group, &other.name)));
    Ok(all)
}

fn read_one(group: usize, folder: &Path) -> Result<Measured> {
    let document = |name: &str| -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(folder.join(name))?)?)
    };
    let benchmark = document("benchmark.json")?;
    let name = benchmark["full_id"].as_str().context("no full_id")?;
    let count = benchmark["throughput"]["Elements"].as_f64().unwrap_or(1.0);
    let median_ns = &document("estimates.json")?["median"]["point_estimate"];
    Ok(Measured {
        group,
        name: name.to_owned(),
        median_us: median_ns.as_f64().context("no median")? / 1000.0 / count,
        instructions: None,
    })
}

/// Has valgrind count what can be counted, one thing after another.
fn count(workspace: &Workspace, all: &mut [Measured]) -> Result<()> {
    say("counting instructions");
    let micro = workspace.micro();
    let names = output(Command::new(&micro).arg("count"))?.0;
    let is_counted = |one: &&mut Measured| names.lines().any(|name| name == one.name);
    for one in all.iter_mut().filter(is_counted) {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(&micro)
            .args(["count", &one.name]);
        let (count, report) = output(&mut valgrind)?;
        let count: u64 = count.trim().parse().context("a count")?;
        let mut lines = report.lines();
        let collected = lines.find_map(|line| line.split_once("Collected :"));
        let collected = collected.context("callgrind tells no instructions")?.1;
        let collected: u64 = collected.trim().parse().context("a count")?;
        if collected == 0 {
            bail!("callgrind has not found {COUNTED}");
        }
        one.instructions = Some(collected / count);
    }
    Ok(())
}

/// What a program that ends well writes to standard output and standard error.
fn output(command: &mut Command) -> Result<(String, String)> {
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{command:?}: {}\n{errors}", output.status);
    }
    Ok((String::from_utf8(output.stdout)?, errors))
}

impl Measured {
    fn unit(&self) -> &'static str {
        UNITS[self.group].1
    }

    fn goal_us(&self) -> Option<f64> {
        let goal = GOALS.iter().find(|(start, _)| self.name.starts_with(start));
        goal.map(|(_, goal)| *goal)
    }

    fn document(&self) -> Value {
        json!({
            "bench": "micro", "name": self.name, "per": self.unit(),
            "median_us": (self.median_us * 1000.0).round() / 1000.0,
            "instructions": self.instructions, "goal_us": self.goal_us(),
            "reached": self.goal_us().map(|goal| self.median_us <= goal),
        })
    }
}

/// A line of the table.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = format!("µs per {}", self.unit());
        write!(f, "{:<20} {:>10.3} {per:<17}", self.name, self.median_us)?;
        if let Some(instructions) = self.instructions {
            write!(f, " {instructions:>9} instructions")?;
        }
        if let Some(goal) = self.goal_us() {
            let is_reached = if self.median_us <= goal { "" } else { "NOT " };
            write!(f, "  at most {goal}: {is_reached}reached")?;
        }
        Ok(())
    }
}
