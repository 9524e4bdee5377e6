//! What must be undone whatever happens: child processes and temporary folders.
//!
//! A signal ends this process without running any destructor, so what has to go is kept in one
//! list that the thread waiting for signals can reach.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// How long a child has to end by itself when this is interrupted.
const GRACE: Duration = Duration::from_secs(10);

/// A child process, shared between who uses it, who may kill it and who cleans up.
pub type SharedChild = Arc<Mutex<Child>>;

struct Litter {
    children: Vec<SharedChild>,
    folders: Vec<PathBuf>,
}

static LITTER: Mutex<Litter> = Mutex::new(Litter {
    children: Vec::new(),
    folders: Vec::new(),
});

/// Cleans up and exits when somebody interrupts.
pub fn on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("watch for signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held until the end, so that nobody starts another child.
            let mut litter = lock(&LITTER);
            litter.clean();
            // As a shell reports a process that a signal ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Ends all children and removes all folders.
pub fn run() {
    lock(&LITTER).clean();
}

impl Litter {
    fn clean(&mut self) {
        // All of them are asked before any is waited for.
        for child in &self.children {
            ask_to_end(&mut lock(child));
        }
        for child in self.children.drain(..) {
            let deadline = Instant::now() + GRACE;
            while Instant::now() < deadline && matches!(lock(&child).try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(10));
            }
            end(&child);
        }
        for folder in self.folders.drain(..) {
            remove(&folder);
        }
    }
}

/// A child that is killed when this is dropped, at the latest.
pub struct ChildGuard(SharedChild);

impl ChildGuard {
    /// Starts a child.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        // Locked first: no child is ever running and not in the list.
        let mut litter = lock(&LITTER);
        let child = Arc::new(Mutex::new(command.spawn()?));
        litter.children.push(Arc::clone(&child));
        Ok(Self(child))
    }

    /// The child. Never wait for it to end while holding this: cleaning up needs it, too.
    pub fn child(&self) -> MutexGuard<'_, Child> {
        lock(&self.0)
    }

    /// The child, for another thread to kill.
    pub fn share(&self) -> SharedChild {
        Arc::clone(&self.0)
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        end(&self.0);
        lock(&LITTER)
            .children
            .retain(|child| !Arc::ptr_eq(child, &self.0));
    }
}

/// A temporary folder that goes, with all that is in it, when this is dropped.
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// A new, empty folder.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("phasewright-")
            .tempdir()
            .context("make a temporary folder")?
            .keep();
        lock(&LITTER).folders.push(folder.clone());
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        remove(&self.0);
        lock(&LITTER).folders.retain(|folder| *folder != self.0);
    }
}

/// Sends SIGTERM, unless it has ended already: then its id may be another's.
pub fn ask_to_end(child: &mut Child) {
    if let Ok(None) = child.try_wait()
        && let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        // It is running and ours, so this cannot fail.
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
}

fn end(child: &SharedChild) {
    let mut child = lock(child);
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        eprintln!("warning: cannot remove {}: {error}", folder.display());
    }
}

/// A list of things to clean up is right even when its last user panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
