//! Running a phase in a plain `cargo test`, without an engine or a component.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::exports::phasewright::phase::phase::Request;
use crate::{Artifact, Failure, Host, HostError, Level, Phase, dispatch};

/// An engine for tests: it hands out what it was given and remembers what it was told.
#[derive(Debug, Default)]
pub struct FakeHost {
    /// The variables granted, by name.
    pub variables: BTreeMap<String, String>,
    /// What upstream nodes kept, by node and name.
    pub upstream: BTreeMap<(String, String), Artifact>,
    /// What the phase logged.
    pub logs: RefCell<Vec<(Level, String)>>,
    /// What the phase reported.
    pub progress: RefCell<Vec<(f32, String)>>,
    /// What the phase kept.
    pub artifacts: RefCell<Vec<Artifact>>,
}

/// Runs the first attempt of `P` on JSON text, exactly as the component does; JSON text comes back.
///
/// # Errors
/// As the phase fails, and [`Failure::Invalid`] when config or input do not have its types.
pub fn run<P: Phase>(host: &dyn Host, config: &str, input: &str) -> Result<String, Failure> {
    let request = Request {
        execution_id: "00000000-0000-7000-8000-000000000000".into(),
        workflow_id: "test".into(),
        node: "test".into(),
        attempt: 1,
        idempotency_key: "test-key".into(),
        config: config.into(),
        input: input.into(),
        review_notes: None,
    };
    dispatch::run::<P>(host, request)
}

impl Host for FakeHost {
    fn log(&self, level: Level, message: &str) {
        self.logs.borrow_mut().push((level, message.into()));
    }

    fn progress(&self, fraction: f32, message: &str) {
        self.progress.borrow_mut().push((fraction, message.into()));
    }

    fn variable(&self, name: &str) -> Result<String, HostError> {
        let granted = self.variables.get(name).cloned();
        granted.ok_or_else(|| HostError(format!("variable {name}: not granted")))
    }

    fn put_artifact(&self, artifact: Artifact) -> Result<(), HostError> {
        self.artifacts.borrow_mut().push(artifact);
        Ok(())
    }

    fn get_artifact(&self, node: &str, name: &str) -> Result<Artifact, HostError> {
        let kept = self.upstream.get(&(node.to_owned(), name.to_owned()));
        kept.cloned()
            .ok_or_else(|| HostError(format!("artifact {name} of node {node}: not found")))
    }
}
