//! The engines take turns: in each round each has one, with everything that is to be measured.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{
    super::{
        disk,
        load::{self, Measured, Run},
    },
    catalog::{Entrant, Kind},
    engine::{Engine, Installed},
    machine::{Disk, Machine},
    options::Options,
    recovery::{self, Recovery},
    usage::{Memory, Meter, Usage},
    workload::{PARKED, Workload},
};
use crate::{cleanup::TempFolder, shell::say};

/// For how long the disk is asked what a sync takes, before each turn.
const DISK_TIME: Duration = Duration::from_millis(500);

/// What takes longer than this is measured in one round only.
const SLOW: Duration = Duration::from_secs(10);

/// How long engines are left alone with executions that wait.
const SETTLE: Duration = Duration::from_secs(5);

/// Everything that was measured.
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// How long the disk took for each sync.
    pub syncs: Vec<Duration>,
    /// For how long each measurement took, and how often.
    pub time: Duration,
    /// Rounds.
    pub rounds: usize,
    /// In the order of the table.
    pub engines: Vec<Participant>,
    /// In the order of the table.
    pub cells: Vec<Cell>,
}

/// An engine, whether it took part or not.
pub struct Participant {
    /// Which.
    pub kind: &'static Kind,
    /// What was installed, or why nothing was.
    pub version: Result<String, String>,
    /// Right after each of its starts.
    pub at_rest: Vec<Memory>,
    /// At the end of each of its turns.
    pub at_end: Vec<Memory>,
    /// What it took to let executions wait.
    pub parked: Option<Parked>,
    /// What `kill -9` cost, or why that cannot be told.
    pub recovery: Option<Result<Recovery, String>>,
}

/// [`PARKED`] executions that wait for people.
pub struct Parked {
    /// How long it took to start them.
    pub took: Duration,
    /// Memory that the engine had more afterwards.
    pub bytes_more: f64,
}

/// One workload, with so many clients, on one engine.
pub struct Cell {
    /// What ran.
    pub workload: Workload,
    /// For how many at a time.
    pub clients: usize,
    /// On what, by its place among the engines.
    pub engine: usize,
    /// What came of it in each round, or why nothing did.
    pub samples: Result<Vec<Sample>, String>,
}

/// One measurement.
pub struct Sample {
    /// What the clients saw.
    pub run: Run,
    /// What it cost.
    pub usage: Usage,
}

/// Takes all turns of all rounds.
pub fn take(options: &Options, entrants: &[Entrant<'_>]) -> Result<Results> {
    let folder = TempFolder::new()?;
    let mut results = Results::new(options, Machine::read(folder.path())?, entrants);
    let mut probe = disk::Probe::new(folder.path())?;
    for round in 1..=options.rounds {
        for (place, entrant) in entrants.iter().enumerate() {
            let Ok(installed) = &entrant.installed else {
                continue;
            };
            say(&format!(
                "round {round} of {}: {}",
                options.rounds, entrant.kind.title
            ));
            results.syncs.extend(probe.sync_for(DISK_TIME)?);
            if let Err(error) = results.turn(place, installed, round == options.rounds) {
                results.break_off(place, &error);
                continue;
            }
            let recovers = options.workloads.contains(&Workload::Recovery);
            if recovers && round == options.rounds {
                results.engines[place].recovery = Some(recover(installed));
            }
        }
    }
    Ok(results)
}

impl Results {
    fn new(options: &Options, machine: Machine, entrants: &[Entrant<'_>]) -> Self {
        let participant = |entrant: &Entrant<'_>| Participant {
            kind: entrant.kind,
            version: match &entrant.installed {
                Ok(installed) => Ok(installed.version.clone()),
                Err(error) => Err(format!("{error:#}")),
            },
            at_rest: Vec::new(),
            at_end: Vec::new(),
            parked: None,
            recovery: None,
        };
        let mut cells = Vec::new();
        let all = options.workloads.iter();
        for &workload in all.filter(|workload| **workload != Workload::Recovery) {
            for &clients in &options.clients {
                cells.extend((0..entrants.len()).map(|engine| Cell {
                    workload,
                    clients,
                    engine,
                    samples: Ok(Vec::new()),
                }));
            }
        }
        Self {
            machine,
            syncs: Vec::new(),
            time: options.time,
            rounds: options.rounds,
            engines: entrants.iter().map(participant).collect(),
            cells,
        }
    }

    /// It could not be started; what it has not been measured at so far has failed.
    fn break_off(&mut self, place: usize, error: &anyhow::Error) {
        say(&format!("{}: {error:#}", self.engines[place].kind.title));
        let cells = self.cells.iter_mut().filter(|cell| cell.engine == place);
        for cell in cells {
            if cell.samples.as_ref().is_ok_and(Vec::is_empty) {
                cell.samples = Err(format!("{error:#}"));
            }
        }
    }

    fn turn(&mut self, place: usize, installed: &Installed<'_>, is_last: bool) -> Result<()> {
        let mut engine = (installed.start)()?;
        let participant = &mut self.engines[place];
        participant.at_rest.push(Memory::now(engine.as_ref()));
        let mut has_parked = false;
        let cells = self.cells.iter_mut().filter(|cell| cell.engine == place);
        // It takes minutes to make ready, so once has to do, when nothing else comes after it.
        let cells = cells.filter(|cell| is_last || !cell.workload.takes_minutes());
        for cell in cells {
            let Ok(samples) = &mut cell.samples else {
                continue;
            };
            if samples.first().is_some_and(|sample| sample.run.took > SLOW) {
                continue;
            }
            let (workload, clients) = (cell.workload, cell.clients);
            let measured = if workload == Workload::Checkpoint && !has_parked {
                has_parked = true;
                park(engine.as_mut()).map(|parked| participant.parked = Some(parked))
            } else {
                Ok(())
            };
            let disk = &self.machine.disk;
            let measured = measured
                .and_then(|()| measure(engine.as_mut(), workload, clients, self.time, disk));
            match measured {
                Ok(sample) => {
                    tell(workload, clients, &sample.run);
                    samples.push(sample);
                }
                Err(error) => {
                    say(&format!(
                        "{}, {clients} clients: {error:#}",
                        workload.title()
                    ));
                    cell.samples = Err(format!("{error:#}"));
                    // Nobody knows what state it is in.
                    drop(engine);
                    engine = (installed.start)()?;
                    has_parked = false;
                }
            }
        }
        participant.at_end.push(Memory::now(engine.as_ref()));
        Ok(())
    }
}

fn recover(installed: &Installed<'_>) -> Result<Recovery, String> {
    say("  kill -9");
    let recovery = recovery::measure(installed).map_err(|error| format!("{error:#}"));
    if let Err(why) = &recovery {
        say(why);
    }
    recovery
}

fn park(engine: &mut dyn Engine) -> Result<Parked> {
    say(&format!("  starting {PARKED} executions that wait"));
    let (before, started) = (Memory::now(engine), Instant::now());
    engine.start_many(Workload::Checkpoint, PARKED)?;
    let took = started.elapsed();
    // Some say that an execution is started before it waits.
    sleep(SETTLE);
    let after = Memory::now(engine);
    Ok(Parked {
        took,
        bytes_more: after.engine - before.engine,
    })
}

/// Once to warm up, for half the time; then it counts.
fn measure(
    engine: &mut dyn Engine,
    workload: Workload,
    clients: usize,
    time: Duration,
    disk: &Disk,
) -> Result<Sample> {
    engine.run(workload, clients, time / 2)?;
    let meter = Meter::start(engine, disk)?;
    let run = engine.run(workload, clients, time)?;
    let usage = meter.stop(engine, disk)?;
    Ok(Sample { run, usage })
}

/// Who waits for the table sees that it goes on.
fn tell(workload: Workload, clients: usize, run: &Run) {
    let (per_second, times) = (run.per_second(), Measured::of(run.times.clone()));
    let (title, median) = (workload.title(), load::ms(times.median()));
    eprintln!("  {title:<14} {clients:>3} clients {per_second:>8.1}/s, median {median}");
}
