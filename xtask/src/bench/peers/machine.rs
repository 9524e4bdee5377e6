//! The machine that all of it runs on.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    thread::available_parallelism,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// In which the kernel counts, whatever the disk has.
const SECTOR_BYTES: f64 = 512.0;

/// What it takes to tell what numbers of it mean.
pub struct Machine {
    processor: String,
    processors: usize,
    memory_gb: f64,
    kernel: String,
    date: String,
    /// Where the data is.
    pub disk: Disk,
}

impl Machine {
    /// Of this machine, with the disk that `folder` is on.
    pub fn read(folder: &Path) -> Result<Self> {
        let value_of = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|line| line.trim_start_matches([' ', '\t', ':']).to_owned())
        };
        let memory = value_of("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kilobytes: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            processor: value_of("/proc/cpuinfo", "model name").unwrap_or_default(),
            processors: available_parallelism()?.get(),
            memory_gb: (kilobytes / 1e6).round(),
            kernel: kernel.trim().to_owned(),
            date: today()?,
            disk: Disk::of(folder)?,
        })
    }

    /// For the JSON.
    pub fn document(&self) -> Value {
        json!({
            "processor": self.processor, "processors": self.processors,
            "memory_gb": self.memory_gb, "linux": self.kernel, "date": self.date,
            "disk": self.disk.name,
        })
    }

    /// In a line.
    pub fn title(&self) -> String {
        let Self {
            processor,
            processors,
            memory_gb,
            kernel,
            date,
            disk,
        } = self;
        format!(
            "{date}, {processors} × {processor}, {memory_gb} GB, Linux {kernel}, disk {}",
            disk.name
        )
    }
}

/// A block device, or a file system that has none.
pub struct Disk {
    name: String,
    counters: Option<PathBuf>,
}

impl Disk {
    fn of(folder: &Path) -> Result<Self> {
        let device = fs::metadata(folder)?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let Ok(mut place) = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")) else {
            let name = "of no device".to_owned();
            return Ok(Self {
                name,
                counters: None,
            });
        };
        // Only the whole device counts how often it was flushed.
        if place.join("partition").exists() {
            place.pop();
        }
        let name = place.file_name().context("a device has a name")?;
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            counters: Some(place.join("stat")),
        })
    }

    /// How many bytes it has been told to write so far, and how often it was flushed; by anybody.
    ///
    /// What the kernel counts for a process is no help: a file's cache is dirtied in large folios,
    /// and each of them counts whole for a single byte.
    pub fn written_and_flushes(&self) -> Option<(f64, f64)> {
        let counters = fs::read_to_string(self.counters.as_ref()?).ok()?;
        let counters: Vec<&str> = counters.split_whitespace().collect();
        let counter = |place: usize| counters.get(place)?.parse::<f64>().ok();
        Some((counter(6)? * SECTOR_BYTES, counter(15)?))
    }
}

/// `2026-11-21`
fn today() -> Result<String> {
    let date = Command::new("date").args(["--utc", "+%F"]).output();
    let date = date.context("ask for the date")?;
    Ok(String::from_utf8_lossy(&date.stdout).trim().to_owned())
}
