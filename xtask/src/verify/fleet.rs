//! The hosts: killed, stopped and continued as told, and brought back whenever they are gone.

use std::{
    process::ExitStatus,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cleanup::{SharedChild, ask_to_end},
    client::Client,
    host::{Setup, Start},
};

/// Longest wait for one answer: a host that is stopped gives none.
const PATIENCE: Duration = Duration::from_secs(4);

/// Pause before a host is started again that ended at its start, because its database was away.
const PAUSE: Duration = Duration::from_millis(200);

/// How often somebody looks whether hosts listen.
const POLL: Duration = Duration::from_millis(20);

/// Longest start of all hosts; the first start compiles every component.
const START_TIMEOUT: Duration = Duration::from_mins(5);

/// Hosts on one database.
pub struct Fleet {
    hosts: Vec<Slot>,
    is_ending: AtomicBool,
    /// Is the database down, on purpose?
    pub is_database_down: AtomicBool,
    /// How often it has been.
    pub outages: AtomicU32,
    /// What hosts did that they should not.
    problems: Mutex<Vec<String>>,
}

struct Slot {
    setup: Setup,
    now: Mutex<Now>,
}

/// What there is of a host at the moment.
#[derive(Default)]
struct Now {
    client: Option<Arc<Client>>,
    child: Option<SharedChild>,
    /// It was killed here.
    is_killed: bool,
    /// How long it stays away after that.
    away: Duration,
    starts: u32,
}

/// How far one life of a host came.
enum Life {
    NotListening,
    Ended(ExitStatus),
}

impl Fleet {
    pub fn new(setups: Vec<Setup>) -> Self {
        let slot = |setup| Slot {
            setup,
            now: Mutex::default(),
        };
        Self {
            hosts: setups.into_iter().map(slot).collect(),
            is_ending: AtomicBool::new(false),
            is_database_down: AtomicBool::new(false),
            outages: AtomicU32::new(0),
            problems: Mutex::default(),
        }
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Keeps the host of this number alive until the end; for a thread of its own.
    pub fn keep(&self, number: usize) {
        let slot = &self.hosts[number];
        while !self.is_ending.load(SeqCst) {
            let outages = self.outages.load(SeqCst);
            let was_down = self.is_database_down.load(SeqCst);
            let life = match self.live(slot) {
                Ok(life) => life,
                Err(error) => {
                    self.complain(format!("host {number}: {error:#}"));
                    thread::sleep(PAUSE);
                    continue;
                }
            };
            let (is_killed, away) = {
                let mut now = lock(&slot.now);
                now.client = None;
                now.child = None;
                (std::mem::take(&mut now.is_killed), now.away)
            };
            if self.is_ending.load(SeqCst) {
                if let Life::Ended(status) = life
                    && !status.success()
                {
                    self.complain(format!("host {number} was asked to end: {status}"));
                }
                break;
            }
            if is_killed {
                thread::sleep(away);
                continue;
            }
            // Without a database a host does not start, and says so.
            let is_excused = matches!(life, Life::NotListening)
                && (was_down
                    || self.is_database_down.load(SeqCst)
                    || self.outages.load(SeqCst) > outages);
            if !is_excused {
                let log = slot.setup.log();
                self.complain(format!("host {number} ended by itself; {log}"));
            }
            thread::sleep(PAUSE);
        }
    }

    fn live(&self, slot: &Slot) -> Result<Life> {
        let started = slot.setup.launch(|guard| {
            let mut now = lock(&slot.now);
            now.child = Some(guard.share());
            now.starts += 1;
            // Whoever ends all hosts may not have seen this one.
            if self.is_ending.load(SeqCst) {
                ask_to_end(&mut guard.child());
            }
        })?;
        let host = match started {
            Start::Ended(_) => return Ok(Life::NotListening),
            Start::Listening(host) => host,
        };
        let client = Client::impatient(host.base().to_owned(), PATIENCE);
        lock(&slot.now).client = Some(Arc::new(client));
        Ok(Life::Ended(host.wait()?))
    }

    /// Waits until all hosts listen.
    pub fn wait_until_up(&self) -> Result<()> {
        let started = Instant::now();
        let is_up = |slot: &Slot| lock(&slot.now).client.is_some();
        while !self.hosts.iter().all(is_up) {
            if let Some(problem) = self.problems().first() {
                bail!("{problem}");
            }
            if started.elapsed() > START_TIMEOUT {
                bail!("not all hosts listen after {} s", START_TIMEOUT.as_secs());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// A client of the host of this number, if it listens.
    pub fn client(&self, number: usize) -> Option<Arc<Client>> {
        lock(&self.hosts[number].now).client.clone()
    }

    /// Kills a host with SIGKILL; it comes back after so long. False when there is none just now.
    pub fn kill(&self, number: usize, away: Duration) -> bool {
        let mut now = lock(&self.hosts[number].now);
        let Some(child) = now.child.clone() else {
            return false;
        };
        let is_done = {
            let mut child = lock(&child);
            matches!(child.try_wait(), Ok(None)) && child.kill().is_ok()
        };
        if is_done {
            now.is_killed = true;
            now.away = away;
        }
        is_done
    }

    /// Stops a host where it stands, without its noticing. False when there is none just now.
    pub fn stop(&self, number: usize) -> bool {
        self.signal(number, Signal::STOP)
    }

    /// Lets it go on.
    pub fn go_on(&self, number: usize) -> bool {
        self.signal(number, Signal::CONT)
    }

    fn signal(&self, number: usize, signal: Signal) -> bool {
        let now = lock(&self.hosts[number].now);
        let Some(child) = &now.child else {
            return false;
        };
        let mut child = lock(child);
        let is_running = matches!(child.try_wait(), Ok(None));
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // It has not been waited for, so the id is its own.
        is_running && pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Asks all hosts to end; those that keep them return then.
    pub fn end(&self) {
        self.is_ending.store(true, SeqCst);
        for slot in &self.hosts {
            let child = lock(&slot.now).child.clone();
            if let Some(child) = child {
                ask_to_end(&mut lock(&child));
            }
        }
    }

    /// How often hosts were started.
    pub fn starts(&self) -> u32 {
        let starts = |slot: &Slot| lock(&slot.now).starts;
        self.hosts.iter().map(starts).sum()
    }

    /// What is wrong with the hosts themselves.
    pub fn problems(&self) -> Vec<String> {
        lock(&self.problems).clone()
    }

    fn complain(&self, problem: String) {
        lock(&self.problems).push(problem);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
