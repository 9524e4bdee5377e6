//! What the engine offers a running phase, behind a trait so that tests can stand in for it.

use crate::bindings::phasewright::phase::host as wit;

/// The engine, as a running phase sees it. [`Context`](crate::Context) has friendlier names for it.
pub trait Host {
    /// Adds a line to the attempt's log.
    fn log(&self, level: Level, message: &str);
    /// Reports the fraction done, 0.0 to 1.0, and what is going on.
    fn progress(&self, fraction: f32, message: &str);
    /// A value the operator granted to this phase.
    fn variable(&self, name: &str) -> Result<String, HostError>;
    /// Keeps a file with the execution.
    fn put_artifact(&self, artifact: Artifact) -> Result<(), HostError>;
    /// Reads a file that an upstream node kept.
    fn get_artifact(&self, node: &str, name: &str) -> Result<Artifact, HostError>;
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever debugs the phase.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is off, the phase goes on.
    Warn,
    /// Something failed.
    Error,
}

/// A file kept with an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Unique among the artifacts of the node, e.g. `report.md`.
    pub name: String,
    /// MIME type, e.g. `text/markdown`.
    pub content_type: String,
    /// The bytes.
    pub data: Vec<u8>,
}

/// The host refused a call; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// The engine this component runs in.
pub(crate) struct Engine;

impl Host for Engine {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => wit::Level::Debug,
            Level::Info => wit::Level::Info,
            Level::Warn => wit::Level::Warn,
            Level::Error => wit::Level::Error,
        };
        wit::log(level, message);
    }

    fn progress(&self, fraction: f32, message: &str) {
        wit::progress(fraction, message);
    }

    fn variable(&self, name: &str) -> Result<String, HostError> {
        wit::variable(name).map_err(|reason| HostError(format!("variable {name}: {reason}")))
    }

    fn put_artifact(&self, artifact: Artifact) -> Result<(), HostError> {
        let Artifact {
            name,
            content_type,
            data,
        } = artifact;
        let place = format!("artifact {name}");
        wit::put_artifact(&wit::Artifact {
            name,
            content_type,
            data,
        })
        .map_err(|reason| HostError(format!("{place}: {reason}")))
    }

    fn get_artifact(&self, node: &str, name: &str) -> Result<Artifact, HostError> {
        wit::get_artifact(node, name)
            .map(
                |wit::Artifact {
                     name,
                     content_type,
                     data,
                 }| Artifact {
                    name,
                    content_type,
                    data,
                },
            )
            .map_err(|reason| HostError(format!("artifact {name} of node {node}: {reason}")))
    }
}
