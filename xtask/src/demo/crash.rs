//! The crash show: the host is killed at random moments of demo after demo, and nothing comes of it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{
    review::{Choice, Reviewer},
    sabotage::Saboteur,
    session::Session,
    story::{Outcome, Story},
};
use crate::{
    cleanup::TempFolder,
    host::Setup,
    journal,
    shell::{say, seconds},
    workspace::Workspace,
};

/// What came of it.
pub struct Show {
    /// Everything that is wrong; nothing should be.
    pub wrong: Vec<String>,
    /// The figures.
    pub line: Value,
}

/// Plays demos until the host has been killed `wanted` times. Each has to end as one that nobody
/// disturbed. `seed` says at which moments of their lives hosts die.
pub fn show(workspace: &Workspace, told: Option<Choice>, wanted: u32, seed: u64) -> Result<Show> {
    let story = Story::read(workspace)?;
    let (undisturbed, lifetime) = rehearse(workspace, &story, told)?;
    say(&format!(
        "killing the host {wanted} times, each within {} of its start (--seed {seed})",
        seconds(lifetime)
    ));
    let folder = TempFolder::new()?;
    let setup = Setup::new(workspace, folder.path().to_owned());
    let started = Instant::now();
    let mut session = Session::start(setup, Some(Saboteur::new(wanted, lifetime, seed)))?;
    let (mut demos, mut outputs, mut wrong) = (0, 0, Vec::new());
    while demos == 0 || session.kills() < wanted {
        demos += 1;
        let before = session.kills();
        let key = format!("demo-{demos}");
        let outcome = story.play(&mut session, &mut Reviewer::quiet(told), &key)?;
        let computed = journal::check(&outcome.events)?;
        outputs += computed;
        wrong.extend(outcome.problems());
        wrong.extend(outcome.differences(&undisturbed));
        eprintln!(
            "demo {demos}: {} after {} kills, {} events, {computed} outputs, each computed once",
            outcome.status,
            session.kills() - before,
            outcome.events.len(),
        );
    }
    let line = json!({
        "kills": session.kills(),
        "kills_while_starting": session.kills_while_starting(),
        "demos": demos,
        "outputs_computed_once": outputs,
        "same_result": wrong.is_empty(),
        "seconds": (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        "seed": seed,
    });
    session.stop()?;
    Ok(Show { wrong, line })
}

/// A demo that nobody disturbs, and how long it takes from the start of the host to its end.
fn rehearse(
    workspace: &Workspace,
    story: &Story,
    told: Option<Choice>,
) -> Result<(Outcome, Duration)> {
    // The very first start compiles every component; the one that is timed does not.
    let warm_up = TempFolder::new()?;
    Session::start(Setup::new(workspace, warm_up.path().to_owned()), None)?.stop()?;
    let folder = TempFolder::new()?;
    let started = Instant::now();
    let mut session = Session::start(Setup::new(workspace, folder.path().to_owned()), None)?;
    let outcome = story.play(&mut session, &mut Reviewer::quiet(told), "rehearsal")?;
    let lifetime = started.elapsed();
    journal::check(&outcome.events)?;
    session.stop()?;
    if let [problem, ..] = outcome.problems().as_slice() {
        bail!("the demo goes wrong even when nobody disturbs it: {problem}");
    }
    Ok((outcome, lifetime))
}
