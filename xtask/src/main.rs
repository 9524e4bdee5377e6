//! `cargo xtask`: builds, checks, tests, serves, shows and measures Phasewright.
//!
//! The modules from the bottom up: `workspace` knows what there is, `shell` runs programs, `build`
//! makes everything, `host` and `client` start a host and talk to it, `journal` says what a journal
//! proves; on these stand the commands.
//!
//! **Invariant:** nothing here is part of the product: only what a user of the HTTP interface can
//! do is done with it. **Invariant:** whatever is started is ended, also when this is interrupted.
#![forbid(unsafe_code)]

mod arguments;
mod cleanup;
mod shell;
mod steps;
mod workspace;

mod build;
mod python;
mod toolchain;

mod client;
mod host;
mod journal;
mod sse;

mod bench;
mod check;
mod demo;
mod examples;
mod schemathesis;
mod serve;
mod test;
mod verify;

use std::{ffi::OsString, process::ExitCode};

use anyhow::{Result, bail};

use arguments::Arguments;
use workspace::Workspace;

/// One command of `cargo xtask`.
struct Command {
    name: &'static str,
    /// What may follow the name.
    usage: &'static str,
    about: &'static str,
    run: fn(&Workspace, Arguments) -> Result<ExitCode>,
}

/// All commands; the tidy test holds the README against this table.
const COMMANDS: &[Command] = &[
    Command {
        name: "build",
        usage: "[--dist]",
        about: "build the host and all WebAssembly components; with --dist the host as it is deployed, too",
        run: build::command,
    },
    Command {
        name: "demo",
        usage: "[--decide approve|edit|reject] [--keep] [--kill N [--seed S]]",
        about: "run the delay triage on real flights, through HTTP, on a fresh database",
        run: demo::command,
    },
    Command {
        name: "serve",
        usage: "[ARGUMENTS OF phasewright serve]",
        about: "build, then serve",
        run: serve::command,
    },
    Command {
        name: "test",
        usage: "",
        about: "build, then run every test, the examples and the demo",
        run: test::command,
    },
    Command {
        name: "check",
        usage: "",
        about: "formatting, lints, house rules, licences, documentation",
        run: check::command,
    },
    Command {
        name: "verify",
        usage: "[--database postgres|sqlite] [--hosts N] [--minutes M] [--seed S] [--faults-every SECONDS]",
        about: "break hosts and database under load, and see that nothing comes of it",
        run: verify::command,
    },
    Command {
        name: "schemathesis",
        usage: "[--examples N] [--seed S]",
        about: "send a host what its OpenAPI document allows and forbids",
        run: schemathesis::command,
    },
    Command {
        name: "bench",
        usage: "[http|latency|throughput|memory|size|edge|postgres|parked|recovery|stored] [--seconds N] [--executions N] [--no-build] | peers [--quick] [--engines A,B] … | micro [NAME] [--seconds N]",
        about: "measure a host on this machine; peers: beside its peers (bench/README.md); micro: single things in it",
        run: bench::command,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let name = arguments
        .next()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default();
    match run(&name, arguments.collect()) {
        Ok(code) => code,
        Err(error) => {
            cleanup::run();
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, arguments: Vec<OsString>) -> Result<ExitCode> {
    if matches!(name, "help" | "--help" | "-h") {
        print!("{}", help());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("{}", help());
        bail!("there is no command {name:?}");
    };
    cleanup::on_signals()?;
    let workspace = Workspace::read()?;
    (command.run)(&workspace, Arguments::new(command.name, arguments))
}

fn help() -> String {
    use std::fmt::Write;
    let mut text = String::from("usage: cargo xtask COMMAND\n\n");
    for Command {
        name, usage, about, ..
    } in COMMANDS
    {
        let _ = writeln!(text, "  {name:<6} {about}");
        if !usage.is_empty() {
            let _ = writeln!(text, "         {usage}");
        }
    }
    text
}
