//! What a process has used, as the kernel counts it; nothing when it is gone.

use std::fs;

/// The kernel counts processor time in these: a hundredth of a second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time in seconds, with that of children that are gone.
pub fn processor_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // After the name, which may hold anything: state is the first field.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// Memory that it has now, in bytes.
pub fn resident_bytes(id: u32) -> f64 {
    bytes(id, "status", "VmRSS:")
}

/// What is told in kilobytes in one of its files in `/proc`, in bytes.
pub fn bytes(id: u32, file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: Option<f64> = number.and_then(|number| number.parse().ok());
    kilobytes.unwrap_or_default() * 1024.0
}
