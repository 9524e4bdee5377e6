//! What it takes the disk to keep something.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// One page of a database.
const WRITE_BYTES: usize = 4096;

/// A file that grows, as a write-ahead log does.
pub struct Probe {
    file: File,
}

impl Probe {
    /// A new file in `folder`, which is on the disk that matters.
    pub fn new(folder: &Path) -> Result<Self> {
        let file = folder.join("fsync-probe");
        let file = File::create(&file).with_context(|| format!("make {}", file.display()))?;
        Ok(Self { file })
    }

    /// Appends and syncs for so long; gives how long each sync took.
    pub fn sync_for(&mut self, time: Duration) -> Result<Vec<Duration>> {
        let started = Instant::now();
        let mut times = Vec::new();
        while started.elapsed() < time {
            let one = Instant::now();
            self.file.write_all(&[b'x'; WRITE_BYTES])?;
            // The lesser of the two ways, so that the goal is the harder one.
            self.file.sync_data().context("sync the probe")?;
            times.push(one.elapsed());
        }
        Ok(times)
    }
}
