//! How much of everything one call of a guest may use, and what is said when it wants more.

use std::{fmt, time::Duration};

use serde::Deserialize;

use crate::{
    wasm::MEMORY_BYTES_MAX,
    workflow::{Failure, FailureKind},
};

/// What one call of a guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the call to its end, waiting included. Default 5 minutes.
    pub wall_clock: Duration,
    /// Time on a processor. Default 30 seconds.
    pub cpu_time: Duration,
    /// All linear memories and tables together. Default 256 MiB.
    pub memory_bytes: u64,
    /// The output as JSON text. Default 16 MiB: it becomes an event in the journal.
    pub output_bytes: u64,
    /// All artifacts of an attempt together. Default 64 MiB.
    pub artifact_bytes: u64,
    /// Default 100.
    pub artifact_count: u64,
    /// All log messages of an attempt together. Default 1 MiB: each becomes an event.
    pub log_bytes: u64,
    /// Default 1,000.
    pub log_lines: u64,
    /// HTTP requests, also those that are refused. Default 100.
    pub outbound_requests: u64,
    /// The bodies of all HTTP requests and responses of an attempt together. Default 64 MiB.
    pub outbound_bytes: u64,
    /// From sending an HTTP request to the head of its response, and between two parts of its
    /// body. The request fails that takes longer, not the attempt. Default 30 seconds.
    pub outbound_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_clock: Duration::from_mins(5),
            cpu_time: Duration::from_secs(30),
            memory_bytes: 256 << 20,
            output_bytes: 16 << 20,
            artifact_bytes: 64 << 20,
            artifact_count: 100,
            log_bytes: 1 << 20,
            log_lines: 1_000,
            outbound_requests: 100,
            outbound_bytes: 64 << 20,
            outbound_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// For guests that only compute: nothing goes out of them but a little log. Time, memory and
    /// output are for each to say.
    pub(super) const CLOSED: Self = Self {
        wall_clock: Duration::ZERO,
        cpu_time: Duration::ZERO,
        memory_bytes: 0,
        output_bytes: 0,
        artifact_bytes: 1,
        artifact_count: 1,
        log_bytes: 64 << 10,
        log_lines: 100,
        outbound_requests: 0,
        outbound_bytes: 0,
        outbound_time: Duration::ZERO,
    };

    /// What a guest may hand to the host in one call of a host function or as its result:
    /// a full output, a full set of artifacts or a full log, and room for what is beside it.
    pub(super) fn transfer_bytes(&self) -> u64 {
        const BESIDE: u64 = 64 * 1024;
        self.output_bytes
            .max(self.artifact_bytes)
            .max(self.log_bytes)
            .saturating_add(BESIDE)
    }
}

/// Limits as an operator writes them: those that are not named stay as they are.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsPatch {
    wall_clock_ms: Option<u64>,
    cpu_time_ms: Option<u64>,
    memory_bytes: Option<u64>,
    output_bytes: Option<u64>,
    artifact_bytes: Option<u64>,
    artifact_count: Option<u64>,
    log_bytes: Option<u64>,
    log_lines: Option<u64>,
    outbound_requests: Option<u64>,
    outbound_bytes: Option<u64>,
    outbound_time_ms: Option<u64>,
}

/// Longest wall-clock or CPU-time limit, the longest deadline that makes sense for one call: 30 days.
const TIME_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Largest output or log: each is held in memory several times on its way to the journal.
const TEXT_BYTES_MAX: u64 = 256 << 20;
/// Largest set of artifacts, held in memory until the attempt is committed.
const ARTIFACT_BYTES_MAX: u64 = 1 << 30;
/// Most bytes of bodies in one attempt. They only pass through: 1 TiB.
const OUTBOUND_BYTES_MAX: u64 = 1 << 40;
/// Most artifacts, log lines or requests of one attempt.
const COUNT_MAX: u64 = 100_000;

impl LimitsPatch {
    /// `base` with these limits. The error names the key and the range.
    pub(super) fn apply(self, mut base: Limits) -> Result<Limits, String> {
        let set = |slot: &mut u64, value: Option<u64>, key: &str, max: u64| match value {
            Some(value) if (1..=max).contains(&value) => {
                *slot = value;
                Ok(())
            }
            Some(value) => Err(format!("{key}: {value} is not between 1 and {max}")),
            None => Ok(()),
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut wall_clock_ms = millis(base.wall_clock);
        let mut cpu_time_ms = millis(base.cpu_time);
        let mut outbound_time_ms = millis(base.outbound_time);
        for (slot, value, key, max) in [
            (
                &mut wall_clock_ms,
                self.wall_clock_ms,
                "wall_clock_ms",
                TIME_MS_MAX,
            ),
            (
                &mut cpu_time_ms,
                self.cpu_time_ms,
                "cpu_time_ms",
                TIME_MS_MAX,
            ),
            (
                &mut base.memory_bytes,
                self.memory_bytes,
                "memory_bytes",
                MEMORY_BYTES_MAX,
            ),
            (
                &mut base.output_bytes,
                self.output_bytes,
                "output_bytes",
                TEXT_BYTES_MAX,
            ),
            (
                &mut base.artifact_bytes,
                self.artifact_bytes,
                "artifact_bytes",
                ARTIFACT_BYTES_MAX,
            ),
            (
                &mut base.artifact_count,
                self.artifact_count,
                "artifact_count",
                COUNT_MAX,
            ),
            (
                &mut base.log_bytes,
                self.log_bytes,
                "log_bytes",
                TEXT_BYTES_MAX,
            ),
            (&mut base.log_lines, self.log_lines, "log_lines", COUNT_MAX),
            (
                &mut base.outbound_requests,
                self.outbound_requests,
                "outbound_requests",
                COUNT_MAX,
            ),
            (
                &mut base.outbound_bytes,
                self.outbound_bytes,
                "outbound_bytes",
                OUTBOUND_BYTES_MAX,
            ),
            (
                &mut outbound_time_ms,
                self.outbound_time_ms,
                "outbound_time_ms",
                TIME_MS_MAX,
            ),
        ] {
            set(slot, value, key, max)?;
        }
        base.wall_clock = Duration::from_millis(wall_clock_ms);
        base.cpu_time = Duration::from_millis(cpu_time_ms);
        base.outbound_time = Duration::from_millis(outbound_time_ms);
        Ok(base)
    }
}

/// A limit that a guest ran into, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    #[error("wall-clock limit of {} exceeded", Time(*.0))]
    WallClock(Duration),
    #[error("timeout of the node, {}, exceeded", Time(*.0))]
    NodeTimeout(Duration),
    #[error("CPU-time limit of {} exceeded", Time(*.0))]
    CpuTime(Duration),
    #[error("memory limit of {} exceeded", Size(*.0))]
    Memory(u64),
    #[error("memory of all phases together, {}, is used up", Size(*.0))]
    MemoryOfAll(u64),
    #[error("output limit of {} exceeded", Size(*.0))]
    Output(u64),
    #[error("limit of {} for one call of the host exceeded", Size(*.0))]
    Transfer(u64),
    #[error("artifact limit of {} exceeded", Size(*.0))]
    ArtifactBytes(u64),
    #[error("limit of {0} artifacts exceeded")]
    ArtifactCount(u64),
    #[error("log limit of {} exceeded", Size(*.0))]
    LogBytes(u64),
    #[error("log limit of {0} lines exceeded")]
    LogLines(u64),
    #[error("limit of {0} outbound requests exceeded")]
    OutboundRequests(u64),
    #[error("limit of {} for all outbound requests and responses exceeded", Size(*.0))]
    OutboundBytes(u64),
}

impl From<Exceeded> for Failure {
    fn from(exceeded: Exceeded) -> Self {
        let kind = match exceeded {
            Exceeded::WallClock(_) | Exceeded::NodeTimeout(_) | Exceeded::CpuTime(_) => {
                FailureKind::TimedOut
            }
            // Others took it; later there may be enough.
            Exceeded::MemoryOfAll(_) => FailureKind::Transient,
            _ => FailureKind::LimitExceeded,
        };
        Self::new(kind, exceeded.to_string())
    }
}

/// Bytes, in the largest unit that says it exactly.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 > 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

/// A time, in seconds where that says it exactly.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{} s", self.0.as_secs()),
            _ => write!(f, "{} ms", self.0.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_limit_and_value() {
        assert_eq!(
            Exceeded::Memory(256 << 20).to_string(),
            "memory limit of 256 MiB exceeded"
        );
        assert_eq!(
            Exceeded::Output(1_000_000).to_string(),
            "output limit of 1000000 bytes exceeded"
        );
        assert_eq!(
            Exceeded::CpuTime(Duration::from_millis(1_500)).to_string(),
            "CPU-time limit of 1500 ms exceeded"
        );
    }

    #[test]
    fn a_patch_sets_what_it_names_within_its_range() {
        let patch = LimitsPatch {
            cpu_time_ms: Some(50),
            ..LimitsPatch::default()
        };
        let limits = patch.apply(Limits::default()).unwrap();
        assert_eq!(limits.cpu_time, Duration::from_millis(50));
        assert_eq!(limits.memory_bytes, Limits::default().memory_bytes);
        for bad in [0, MEMORY_BYTES_MAX + 1] {
            let patch = LimitsPatch {
                memory_bytes: Some(bad),
                ..LimitsPatch::default()
            };
            let error = patch.apply(Limits::default()).unwrap_err();
            assert_eq!(
                error,
                format!("memory_bytes: {bad} is not between 1 and 4294967296")
            );
        }
    }
}
