//! Running programs, and saying so.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, IsTerminal},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// Lines of a log that an error shows.
const LOG_LINES_SHOWN: usize = 20;

/// The cargo that runs this, without what it says of this package: `ring` is built anew, and the
/// host with it, when that differs from what it was at the last `cargo build` by hand.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Announces a command line on standard error and runs it there.
pub fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let program = program(command);
    let status = command.status().with_context(|| format!("run {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status})");
    }
    Ok(())
}

/// Like [`run`], and gives every line of its standard output to `line` as well.
pub fn run_reading(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    announce(command);
    let program = program(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {program}"))?;
    let output = child.stdout.take().context("standard output is piped")?;
    for text in BufReader::new(output).split(b'\n') {
        let text = text.with_context(|| format!("read the output of {program}"))?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        line(&text);
    }
    let status = child
        .wait()
        .with_context(|| format!("wait for {program}"))?;
    if !status.success() {
        bail!("{program} failed ({status})");
    }
    Ok(())
}

/// Is there a program of this name that runs?
pub fn is_installed(program: &str, version_flag: &str) -> bool {
    Command::new(program)
        .arg(version_flag)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Says what is going on, on standard error.
pub fn say(text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[1m{text}\x1b[0m");
    } else {
        eprintln!("{text}");
    }
}

/// What a program that failed logged last.
pub fn last_lines(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
    format!("the last lines of its log:\n  {}", last.join("\n  "))
}

/// `1.23 s`
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Says which command line is being run.
pub fn announce(command: &Command) {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    let words: Vec<_> = std::iter::once(program(command).into())
        .chain(arguments)
        .collect();
    say(&format!("$ {}", words.join(" ")));
}

/// The name of the program, without where it is.
fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
