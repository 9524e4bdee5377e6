//! What to measure, and for how long.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{
    catalog::{self, Kind},
    workload::Workload,
};
use crate::arguments::{Argument, Arguments};

/// Clients at a time, unless `--clients` says otherwise.
const CLIENTS: [usize; 3] = [1, 16, 64];

/// Most clients at a time: each is a thread, and the Python programs have so many.
const CLIENTS_MAX: usize = 256;

/// Enough for medians, few enough for a run of twenty minutes.
const ROUNDS: usize = 3;
const SECONDS: f64 = 1.5;

/// Longest measurement: a long lunch.
const SECONDS_MAX: f64 = 3600.0;

/// Read from the command line.
pub struct Options {
    /// Which engines take turns.
    pub engines: Vec<&'static Kind>,
    /// Which workloads they run.
    pub workloads: Vec<Workload>,
    /// How many clients at a time.
    pub clients: Vec<usize>,
    /// For how long each time.
    pub time: Duration,
    /// How often.
    pub rounds: usize,
    /// Is Phasewright built first?
    pub builds: bool,
}

impl Options {
    /// Everything, unless the arguments say what.
    pub fn read(arguments: Arguments) -> Result<Self> {
        let mut engines: Vec<&'static Kind> = catalog::ALL.iter().collect();
        let (mut workloads, mut is_quick) = (None, false);
        let mut clients = CLIENTS.to_vec();
        let (mut seconds, mut rounds, mut builds) = (SECONDS, ROUNDS, true);
        arguments.parse(|argument, values| {
            let Argument::Option(name) = argument else {
                return Ok(false);
            };
            match name {
                "engines" => engines = several(&values.next::<String>()?, engine)?,
                "workloads" => workloads = Some(several(&values.next::<String>()?, workload)?),
                "clients" => clients = several(&values.next::<String>()?, client)?,
                "seconds" => seconds = values.next()?,
                "rounds" => rounds = values.next()?,
                "quick" => (seconds, rounds, is_quick) = (1.0, 1, true),
                "no-build" => builds = false,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        ensure!(
            seconds > 0.0 && seconds <= SECONDS_MAX,
            "--seconds is more than 0, and at most {SECONDS_MAX}"
        );
        ensure!(rounds > 0, "--rounds is 1 or more");
        let default = || {
            let all = Workload::ALL.into_iter();
            all.filter(|workload| !(is_quick && workload.takes_minutes()))
                .collect()
        };
        Ok(Self {
            engines,
            workloads: workloads.unwrap_or_else(default),
            clients,
            time: Duration::from_secs_f64(seconds),
            rounds,
            builds,
        })
    }
}

/// `a,b,c`
fn several<T>(list: &str, one: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    list.split(',').map(|name| one(name.trim())).collect()
}

fn engine(name: &str) -> Result<&'static Kind> {
    let Some(kind) = catalog::ALL.iter().find(|kind| kind.name == name) else {
        let names: Vec<_> = catalog::ALL.iter().map(|kind| kind.name).collect();
        bail!("there is no engine {name:?} among {}", names.join(", "));
    };
    Ok(kind)
}

fn workload(name: &str) -> Result<Workload> {
    let found = Workload::ALL
        .iter()
        .find(|workload| workload.name() == name);
    found.copied().with_context(|| {
        let names = Workload::ALL.map(Workload::name).join(", ");
        format!("there is no workload {name:?} among {names}")
    })
}

fn client(count: &str) -> Result<usize> {
    let count = count.parse().with_context(|| format!("{count:?}"))?;
    ensure!(
        (1..=CLIENTS_MAX).contains(&count),
        "there are 1 to {CLIENTS_MAX} clients"
    );
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Options, Workload};
    use crate::arguments::Arguments;

    fn read(line: &str) -> anyhow::Result<Options> {
        let words = line.split_whitespace().map(Into::into).collect();
        Options::read(Arguments::new("bench peers", words))
    }

    #[test]
    fn a_line_says_what_to_measure() {
        let options = read(
            "--engines restate,langgraph --workloads fan100 --clients 1,64 --seconds 0.5 --no-build",
        )
        .unwrap();
        let engines: Vec<_> = options.engines.iter().map(|kind| kind.name).collect();
        assert_eq!(engines, ["restate", "langgraph"]);
        assert_eq!(options.workloads, [Workload::Fan100]);
        assert_eq!(options.clients, [1, 64]);
        assert_eq!(options.time, Duration::from_millis(500));
        assert!(!options.builds && read("").unwrap().builds);
        let counts = ["", "--quick"].map(|line| read(line).unwrap().workloads.len());
        assert_eq!(counts, [8, 6]);
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for line in [
            "--engines temporal",
            "--workloads chain4",
            "--clients 0",
            "--clients 1,many",
            "--seconds 0",
            "--rounds 0",
            "chain3",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
