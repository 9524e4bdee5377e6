//! The demo: the delay triage of one day's flights, through the HTTP interface of a real host.
//!
//! `story` is the demo as a client sees it, start to end; `session` is the host it talks to, brought
//! back when `sabotage` kills it, which is the `crash` show; `progress` and `screen` show what happens, `review` decides,
//! `verdict` says whether the result is right.

mod crash;
mod progress;
mod review;
mod sabotage;
mod screen;
mod session;
mod story;
mod verdict;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{
    arguments::{Argument, Arguments},
    build,
    cleanup::TempFolder,
    host::Setup,
    journal,
    shell::{say, seconds},
    workspace::Workspace,
};
use review::{Choice, Reviewer};
use session::Session;
use story::{Outcome, Story};

/// Kills in one go: a few minutes' worth, and a number that a person may have meant.
const KILLS_MAX: u32 = 10_000;

#[derive(Default)]
struct Options {
    decide: Option<Choice>,
    keep: bool,
    kills: u32,
    seed: Option<u64>,
}

/// `cargo xtask demo`
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    build::all(workspace)?;
    if options.kills == 0 {
        return once(workspace, &options);
    }
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let show = crash::show(workspace, options.decide, options.kills, seed)?;
    report(&show.wrong);
    println!("{}", show.line);
    Ok(code(show.wrong.is_empty()))
}

impl Options {
    fn parse(arguments: Arguments) -> Result<Self> {
        let mut options = Self::default();
        arguments.parse(|argument, values| {
            match argument {
                Argument::Option("decide") => options.decide = Some(values.next()?),
                Argument::Option("keep") => options.keep = true,
                Argument::Option("kill") => options.kills = values.next()?,
                Argument::Option("seed") => options.seed = Some(values.next()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if options.kills > KILLS_MAX {
            bail!("--kill is at most {KILLS_MAX}");
        }
        if options.keep && options.kills > 0 {
            bail!("--keep and --kill do not go together");
        }
        if options.seed.is_some() && options.kills == 0 {
            bail!("--seed says at which moments --kill strikes; give both");
        }
        Ok(options)
    }
}

fn once(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let folder = TempFolder::new()?;
    let story = Story::read(workspace)?;
    say("starting the host; its very first start compiles every component");
    let mut session = Session::start(Setup::new(workspace, folder.path().to_owned()), None)?;
    say(&format!("listening on {}", session.base()));
    let outcome = story.play(&mut session, &mut Reviewer::new(options.decide), "demo")?;
    journal::check(&outcome.events)?;
    println!("{}", outcome.report.trim_end());
    let wrong = outcome.problems();
    report(&wrong);
    if options.keep {
        announce(&session, &outcome);
        println!("{}", outcome.line());
        session.wait()?;
    } else {
        session.stop()?;
        println!("{}", outcome.line());
    }
    Ok(code(wrong.is_empty()))
}

fn announce(session: &Session, outcome: &Outcome) {
    let base = session.base();
    let id = &outcome.execution_id;
    say("keeps serving; Ctrl-C ends it");
    for path in [
        format!("/api/executions/{id}"),
        format!("/api/executions/{id}/events"),
        format!("/api/executions/{id}/artifacts"),
        format!("/api/checkpoints?execution_id={id}"),
        format!("/api/workflows/{}", story::WORKFLOW),
        "/api/phases".to_owned(),
        "/health".to_owned(),
    ] {
        eprintln!("  {base}{path}");
    }
}

/// Each decision once, for the tests; the remark says how long the demos took.
pub fn check_decisions(workspace: &Workspace) -> Result<String> {
    let folder = TempFolder::new()?;
    let story = Story::read(workspace)?;
    let mut session = Session::start(Setup::new(workspace, folder.path().to_owned()), None)?;
    let mut remarks = Vec::new();
    for (name, choice) in [
        ("approve", Choice::Approve),
        ("edit", Choice::Edit),
        ("reject", Choice::Reject),
    ] {
        let outcome = story.play(&mut session, &mut Reviewer::quiet(Some(choice)), name)?;
        journal::check(&outcome.events)?;
        if let [problem, ..] = outcome.problems().as_slice() {
            bail!("with --decide {name}: {problem}");
        }
        remarks.push(format!("{name} {}", seconds(outcome.took)));
    }
    session.stop()?;
    Ok(remarks.join(", "))
}

/// The demo killed so often, for the tests; the remark has the seed.
pub fn check_kills(workspace: &Workspace, kills: u32) -> Result<String> {
    let show = crash::show(workspace, None, kills, fastrand::u64(..))?;
    match show.wrong.as_slice() {
        [] => Ok(show.line.to_string()),
        [problem, ..] => bail!("{problem}; {}", show.line),
    }
}

fn report(wrong: &[String]) {
    for problem in wrong {
        say(&format!("wrong: {problem}"));
    }
}

fn code(is_right: bool) -> ExitCode {
    ExitCode::from(u8::from(!is_right))
}
