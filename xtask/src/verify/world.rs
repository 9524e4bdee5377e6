//! All that there is in a run, and what happens in it.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, anyhow};
use fastrand::Rng;
use phasewright_test_postgres::Cluster;
use serde_json::{Value, json};

use super::{
    Options,
    caller::{Caller, Refusal},
    check::Case,
    faults::Schedule,
    fleet::Fleet,
    life::Life,
    plan::Plan,
    provider::Provider,
    report::Report,
};
use crate::{host::Setup, shell::say};

/// Definitions of one run.
const PLANS: usize = 40;

/// Executions at a time, for each host.
const CLIENTS_PER_HOST: usize = 16;

/// Executions with problems that are written down.
const DUMPS_MAX: u64 = 20;

/// Executions in one page of the list.
const PAGE: usize = 200;

/// Executions whose journals are read once more at the end.
const READ_AGAIN_MAX: usize = 5_000;

/// The number of the choices of the first definition; no execution has it.
const PLANS_SEED: u64 = 1 << 40;

/// What all clients share.
pub struct World {
    pub fleet: Fleet,
    pub plans: Vec<Plan>,
    pub seed: u64,
    provider: Provider,
    next: AtomicU64,
    /// When the last fault was over.
    quiet: Mutex<Option<Instant>>,
    folder: PathBuf,
    dumps: AtomicU64,
}

/// An execution that is over, held against the model.
struct Checked {
    events: Vec<Value>,
    status: String,
    problems: Vec<String>,
    late_effects: Vec<String>,
}

/// The choices of this number.
pub fn random(seed: u64, number: u64) -> Rng {
    // Generators with seeds side by side begin alike; this way the seeds are far apart.
    let mixed = (seed ^ number.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Rng::with_seed(mixed ^ (mixed >> 29))
}

impl World {
    pub fn new(options: &Options, setups: Vec<Setup>, folder: PathBuf) -> Result<Self> {
        let plan = |number| {
            Plan::random(
                &mut random(options.seed, PLANS_SEED + number as u64),
                number,
            )
        };
        Ok(Self {
            fleet: Fleet::new(setups),
            plans: (0..PLANS).map(plan).collect(),
            provider: Provider::start()?,
            seed: options.seed,
            next: AtomicU64::new(0),
            quiet: Mutex::new(None),
            folder,
            dumps: AtomicU64::new(0),
        })
    }

    /// Choices that are the same for this number of this seed, whoever makes them, and whenever.
    pub fn rng(&self, number: u64) -> Rng {
        random(self.seed, number)
    }

    /// Since when nothing goes wrong any more.
    pub fn quiet_since(&self) -> Option<Instant> {
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the hosts, disturbs them, and checks everything.
    pub fn run(
        &self,
        options: &Options,
        schedule: &Schedule,
        cluster: Option<&Cluster>,
    ) -> Result<Report> {
        let started = Instant::now();
        thread::scope(|scope| {
            for number in 0..self.fleet.len() {
                scope.spawn(move || self.fleet.keep(number));
            }
            // Whatever goes wrong here: the hosts end, or this scope never would.
            let result = self.disturbed(options, schedule, cluster);
            self.fleet.end();
            result
        })
        .map(|mut report| {
            report.problems.extend(self.fleet.problems());
            report.starts = self.fleet.starts();
            report.took = started.elapsed();
            report
        })
    }

    fn disturbed(
        &self,
        options: &Options,
        schedule: &Schedule,
        cluster: Option<&Cluster>,
    ) -> Result<Report> {
        self.fleet.wait_until_up()?;
        let mut caller = Caller::new(&self.fleet, Rng::with_seed(self.seed));
        for plan in &self.plans {
            let path = format!("/api/workflows/{}", plan.id);
            let document = plan.document(self.provider.base());
            let stored = caller.call(|client| client.put(&path, &document))?;
            let refused = |refusal: Refusal| anyhow!("{}\n{document}", refusal.problem);
            stored.result.map_err(refused)?;
        }
        let report = Mutex::new(Report::default());
        let began = Instant::now();
        let done = thread::scope(|scope| {
            let clients = CLIENTS_PER_HOST * self.fleet.len();
            for _ in 0..clients {
                scope.spawn(|| self.client(&report));
            }
            let done = schedule.play(&self.fleet, cluster);
            if done.is_ok() {
                thread::sleep(options.time.saturating_sub(began.elapsed()));
            }
            let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
            *quiet = Some(Instant::now());
            done
        })?;
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.check_whole(&mut caller, &mut report)?;
        report.finish(done, self.provider.totals());
        Ok(report)
    }

    /// Lives one execution after the other until nothing goes wrong any more.
    fn client(&self, report: &Mutex<Report>) {
        while self.quiet_since().is_none() {
            let number = self.next.fetch_add(1, SeqCst);
            let (mut life, lived) = Life::new(self, number).live();
            let checked = lived.and_then(|()| self.check_life(&mut life));
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            let id = life.facts().id.clone();
            match checked {
                Ok(checked) => {
                    report.add(&id, &checked.status, &checked.events);
                    let of = |problem| format!("execution {id} (number {number}): {problem}");
                    report.problems.extend(checked.problems.into_iter().map(of));
                    let late = checked.late_effects.into_iter().map(of);
                    report.late_effects.extend(late);
                }
                Err(error) => {
                    let problem = format!("execution {id} (number {number}): {error:#}");
                    say(&problem);
                    report.problems.push(problem);
                    // Known, even if nobody knows how it ended.
                    if !id.is_empty() {
                        report.executions.insert(id.clone(), None);
                        drop(report);
                        self.dump_stuck(&mut life, &id);
                    }
                }
            }
        }
    }

    /// Holds an execution that is over against the model.
    fn check_life(&self, life: &mut Life) -> Result<Checked> {
        let id = life.facts().id.clone();
        let view = life.caller().get(&format!("/api/executions/{id}"))?;
        let events = life.caller().journal(&id, 0)?;
        let effects = self.provider.of(&id);
        let case = Case {
            plan: life.plan,
            input: &life.input,
            facts: life.facts(),
            view: &view,
            events: &events,
            effects: &effects,
        };
        let problems = case.problems();
        let late_effects = case.late_effects();
        if !problems.is_empty() || !late_effects.is_empty() {
            let all = [problems.as_slice(), &late_effects].concat();
            say(&format!("execution {id}: {}", all.join("; ")));
            self.dump(&id, &case.dump(&all))?;
        }
        let status = view["status"].as_str().unwrap_or_default().to_owned();
        Ok(Checked {
            events,
            status,
            problems,
            late_effects,
        })
    }

    /// What can still be learned of an execution that did not end as it should.
    fn dump_stuck(&self, life: &mut Life, id: &str) {
        let view = life.caller().get(&format!("/api/executions/{id}"));
        let events = life.caller().journal(id, 0);
        let (Ok(view), Ok(events)) = (view, events) else {
            return;
        };
        let document =
            json!({"view": view, "events": events, "facts": format!("{:?}", life.facts())});
        if let Err(error) = self.dump(id, &document) {
            say(&format!("cannot write down execution {id}: {error:#}"));
        }
    }

    /// Writes down what is known of an execution, unless there are many already.
    fn dump(&self, id: &str, document: &Value) -> Result<()> {
        if self.dumps.fetch_add(1, SeqCst) < DUMPS_MAX {
            let file = self.folder.join(format!("execution-{id}.json"));
            fs::write(&file, format!("{document:#}"))
                .with_context(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }

    /// When all is over: nothing was started twice or lost, and what was over stayed so.
    fn check_whole(&self, caller: &mut Caller<'_>, report: &mut Report) -> Result<()> {
        let mut known = report.executions.clone();
        let mut path = format!("/api/executions?limit={PAGE}");
        loop {
            let page = caller.get(&path)?;
            for item in page["items"].as_array().into_iter().flatten() {
                let id = item["execution_id"].as_str().unwrap_or_default();
                if known.remove(id).is_none() {
                    report
                        .problems
                        .push(format!("nobody started execution {id}"));
                }
            }
            match page["next"].as_str() {
                Some(next) => path = format!("/api/executions?limit={PAGE}&cursor={next}"),
                None => break,
            }
        }
        let lost = known.keys().map(|id| format!("execution {id} is lost"));
        report.problems.extend(lost);
        for id in self.provider.executions() {
            if !report.executions.contains_key(&id) {
                let problem = format!("an effect is of execution {id}, which nobody started");
                report.problems.push(problem);
            }
        }
        let over = report.executions.iter();
        let over = over.filter_map(|(id, last)| Some((id.clone(), (*last)?)));
        for (id, last) in over.take(READ_AGAIN_MAX).collect::<Vec<_>>() {
            let more = caller.journal(&id, last)?.len();
            if more > 0 {
                let problem = format!("execution {id} went on by {more} events after its end");
                report.problems.push(problem);
            }
        }
        Ok(())
    }
}
