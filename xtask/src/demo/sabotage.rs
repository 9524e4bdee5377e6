//! Kills hosts with SIGKILL at random moments.

use std::{
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use fastrand::Rng;

use crate::cleanup::SharedChild;

/// SIGKILL
const KILL: i32 = 9;

/// Kills so many hosts, each at a random moment of its life.
pub struct Saboteur {
    rng: Rng,
    life: Duration,
    /// Kills still to come.
    left: Arc<AtomicU32>,
    wanted: u32,
    while_starting: u32,
}

impl Saboteur {
    /// Kills `wanted` hosts, each within `life` of its start; `seed` says when.
    pub fn new(wanted: u32, life: Duration, seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            life,
            left: Arc::new(AtomicU32::new(wanted)),
            wanted,
            while_starting: 0,
        }
    }

    /// Kills this host, just started, when its time has come; if it is still running then.
    pub fn light(&mut self, host: SharedChild) {
        let moment = self.life.mul_f64(self.rng.f64());
        let left = Arc::clone(&self.left);
        thread::spawn(move || {
            thread::sleep(moment);
            let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
            let is_running = matches!(host.try_wait(), Ok(None));
            let take = |left: u32| left.checked_sub(1);
            if is_running && left.fetch_update(SeqCst, SeqCst, take).is_ok() {
                // It is running and ours, so this cannot fail.
                let _ = host.kill();
            }
        });
    }

    /// No more.
    pub fn disarm(&self) {
        self.left.store(0, SeqCst);
    }

    /// Is this how a host ends that was killed here?
    pub fn did(&self, status: ExitStatus) -> bool {
        status.signal() == Some(KILL) && self.kills() > 0
    }

    /// A host was killed before it listened.
    pub fn note_start(&mut self) {
        self.while_starting += 1;
    }

    /// How many have been killed.
    pub fn kills(&self) -> u32 {
        self.wanted - self.left.load(SeqCst)
    }

    /// How many of them before they listened.
    pub fn kills_while_starting(&self) -> u32 {
        self.while_starting
    }
}
