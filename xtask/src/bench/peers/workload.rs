//! What every engine runs: steps that add one, so that all of the time is the engine's.

use std::time::Duration;

/// A graph of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Three steps, one after the other.
    Chain3,
    /// Six.
    Chain6,
    /// Thirty.
    Chain30,
    /// A hundred steps side by side, and what comes after all of them.
    Fan100,
    /// Requirements, design, then backend and frontend side by side, testing, review.
    Diamond,
    /// Readings of where an execution stands, while [`BESIDE_READS`] clients run chains of three.
    Reads,
    /// A step, a person who decides, another step; while [`PARKED`] others wait for theirs.
    Checkpoint,
    /// [`RUNNING`] executions of [`STEPS`] steps of [`STEP`] each, with and without `kill -9`.
    Recovery,
}

/// Clients that run something while others read.
pub const BESIDE_READS: usize = 16;

/// Executions that run when the engine is killed.
pub const RUNNING: usize = 1_000;

/// What each of them consists of.
pub const STEPS: usize = 20;
pub const STEP: Duration = Duration::from_millis(100);

/// Executions that wait for a person meanwhile.
pub const PARKED: usize = 10_000;

impl Workload {
    /// In the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Chain3,
        Self::Chain6,
        Self::Chain30,
        Self::Fan100,
        Self::Diamond,
        Self::Reads,
        Self::Checkpoint,
        Self::Recovery,
    ];

    /// Is it measured only once, and not at all when time is short?
    pub fn takes_minutes(self) -> bool {
        matches!(self, Self::Checkpoint | Self::Recovery)
    }

    /// As it is called on the command line, by the programs in `bench/` and in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chain3 => "chain3",
            Self::Chain6 => "chain6",
            Self::Chain30 => "chain30",
            Self::Fan100 => "fan100",
            Self::Diamond => "diamond",
            Self::Reads => "reads",
            Self::Checkpoint => "checkpoint",
            Self::Recovery => "recovery",
        }
    }

    /// As it is called in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Chain3 => "chain of 3",
            Self::Chain6 => "chain of 6",
            Self::Chain30 => "chain of 30",
            Self::Fan100 => "fan-out of 100",
            Self::Diamond => "diamond of 6",
            Self::Reads => "status reads",
            Self::Checkpoint => "checkpoint",
            Self::Recovery => "recovery",
        }
    }
}
