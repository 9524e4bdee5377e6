//! The host functions of a phase: what it may ask and tell while it runs.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    AttemptHost,
    bindings::phase::phasewright::phase::{
        host::{Artifact, Host, Level},
        types,
    },
    limits::{Exceeded, Limits},
    log::Log,
    text::shorten,
};
use crate::workflow;

/// Longest name of an artifact, in characters: it is part of a URL.
const ARTIFACT_NAME_CHARS_MAX: usize = 200;

/// Longest message of a progress report, in characters: it goes beside a progress bar.
const PROGRESS_CHARS_MAX: usize = 200;

/// Progress is passed on at most this often; nobody sees more, and each is an event.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The host as one call of a phase sees it.
pub(super) struct PhaseHost {
    host: Arc<dyn AttemptHost>,
    log: Log,
    variables: Arc<BTreeMap<String, String>>,
    limits: Limits,
    artifacts: Vec<Artifact>,
    progressed: Option<Instant>,
}

impl PhaseHost {
    pub(super) fn new(
        host: Arc<dyn AttemptHost>,
        log: Log,
        variables: Arc<BTreeMap<String, String>>,
        limits: Limits,
    ) -> Self {
        Self {
            host,
            log,
            variables,
            limits,
            artifacts: Vec::new(),
            progressed: None,
        }
    }

    /// The artifacts of the attempt, in the order in which they were first put.
    pub(super) fn into_artifacts(self) -> Vec<Artifact> {
        self.artifacts
    }

    /// Keeps an artifact in place of one with the same name.
    fn keep(&mut self, artifact: Artifact) -> Result<(), Exceeded> {
        let place = self
            .artifacts
            .iter()
            .position(|kept| kept.name == artifact.name);
        let others = self.artifacts.iter().enumerate();
        let bytes = others
            .filter(|&(at, _)| Some(at) != place)
            .map(|(_, kept)| kept.data.len())
            .sum::<usize>()
            .saturating_add(artifact.data.len());
        if u64::try_from(bytes).unwrap_or(u64::MAX) > self.limits.artifact_bytes {
            return Err(Exceeded::ArtifactBytes(self.limits.artifact_bytes));
        }
        match place {
            Some(place) => self.artifacts[place] = artifact,
            None if self.artifacts.len() as u64 >= self.limits.artifact_count => {
                return Err(Exceeded::ArtifactCount(self.limits.artifact_count));
            }
            None => self.artifacts.push(artifact),
        }
        Ok(())
    }
}

impl types::Host for PhaseHost {}

impl Host for PhaseHost {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => workflow::Level::Debug,
            Level::Info => workflow::Level::Info,
            Level::Warn => workflow::Level::Warn,
            Level::Error => workflow::Level::Error,
        };
        Ok(self.log.message(level, message)?)
    }

    fn progress(&mut self, fraction: f32, message: String) -> wasmtime::Result<()> {
        if fraction.is_nan() {
            let message = "progress is not a number and was ignored".to_owned();
            return Ok(self.log.message(workflow::Level::Warn, message)?);
        }
        let now = Instant::now();
        if self
            .progressed
            .is_none_or(|last| now.duration_since(last) >= PROGRESS_INTERVAL)
        {
            self.progressed = Some(now);
            let message = shorten(message, PROGRESS_CHARS_MAX);
            self.host.progress(fraction.clamp(0.0, 1.0), message);
        }
        Ok(())
    }

    fn variable(&mut self, name: String) -> wasmtime::Result<Result<String, String>> {
        Ok(self.variables.get(&name).cloned().ok_or_else(|| {
            let name = shorten(name, ARTIFACT_NAME_CHARS_MAX);
            format!("variable {name:?} is not granted to this phase")
        }))
    }

    fn put_artifact(&mut self, artifact: Artifact) -> wasmtime::Result<Result<(), String>> {
        if let Err(reason) = check(&artifact) {
            return Ok(Err(reason));
        }
        self.keep(artifact)?;
        Ok(Ok(()))
    }

    async fn get_artifact(
        &mut self,
        node: String,
        name: String,
    ) -> wasmtime::Result<Result<Artifact, String>> {
        let found = self.host.artifact(&node, &name).await;
        Ok(found.map(|artifact| Artifact {
            name: artifact.reference.name,
            content_type: artifact.reference.content_type,
            data: artifact.data.into(),
        }))
    }
}

/// An artifact's name has to work as one segment of a URL and as a file name.
fn check(artifact: &Artifact) -> Result<(), String> {
    let name = &artifact.name;
    let length = name.chars().count();
    if !(1..=ARTIFACT_NAME_CHARS_MAX).contains(&length) {
        return Err(format!(
            "name of the artifact has {length} characters, not 1 to {ARTIFACT_NAME_CHARS_MAX}"
        ));
    }
    if name.chars().any(|char| char == '/' || char.is_control()) || name == "." || name == ".." {
        return Err(format!(
            "name of the artifact, {name:?}, is '.' or '..' or contains '/' or control characters"
        ));
    }
    let content_type = &artifact.content_type;
    if content_type.len() > ARTIFACT_NAME_CHARS_MAX || content_type.parse::<mime::Mime>().is_err() {
        return Err(format!(
            "content type {:?} of artifact {name:?} is not a media type",
            shorten(content_type.clone(), ARTIFACT_NAME_CHARS_MAX)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::component::Nobody;

    fn host() -> PhaseHost {
        let limits = Limits {
            artifact_bytes: 10,
            artifact_count: 2,
            ..Limits::default()
        };
        let host: Arc<dyn AttemptHost> = Arc::new(Nobody);
        let log = Log::new(host.clone(), limits);
        let variables = BTreeMap::from([("channel".to_owned(), "ops".to_owned())]);
        PhaseHost::new(host, log, Arc::new(variables), limits)
    }

    fn put(host: &mut PhaseHost, name: &str, bytes: usize) -> wasmtime::Result<Result<(), String>> {
        host.put_artifact(Artifact {
            name: name.into(),
            content_type: "text/plain; charset=utf-8".into(),
            data: vec![0; bytes],
        })
    }

    #[test]
    fn gives_granted_variables_only() {
        let mut host = host();
        assert_eq!(host.variable("channel".into()).unwrap(), Ok("ops".into()));
        assert_eq!(
            host.variable("HOME".into()).unwrap(),
            Err("variable \"HOME\" is not granted to this phase".into())
        );
    }

    #[test]
    fn an_artifact_replaces_one_of_the_same_name() {
        let mut host = host();
        for (name, bytes) in [("a", 6), ("b", 4), ("a", 5)] {
            assert_eq!(put(&mut host, name, bytes).unwrap(), Ok(()));
        }
        let kept = host.into_artifacts();
        let kept: Vec<_> = kept
            .iter()
            .map(|kept| (&*kept.name, kept.data.len()))
            .collect();
        assert_eq!(kept, [("a", 5), ("b", 4)]);
    }

    #[test]
    fn artifacts_are_limited_in_size_and_number() {
        let mut host = host();
        let error = put(&mut host, "a", 11).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::ArtifactBytes(10)));
        for name in ["a", "b"] {
            assert_eq!(put(&mut host, name, 1).unwrap(), Ok(()));
        }
        let error = put(&mut host, "c", 1).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::ArtifactCount(2)));
    }

    #[test]
    fn names_and_content_types_of_artifacts_are_checked() {
        let mut host = host();
        let long = "x".repeat(ARTIFACT_NAME_CHARS_MAX + 1);
        for bad in ["", "a/b", "..", "a\nb", &long] {
            let error = put(&mut host, bad, 1).unwrap().unwrap_err();
            assert!(error.starts_with("name of the artifact"), "{error}");
        }
        let artifact = Artifact {
            name: "a".into(),
            content_type: "text".into(),
            data: Vec::new(),
        };
        let error = host.put_artifact(artifact).unwrap().unwrap_err();
        assert_eq!(
            error,
            "content type \"text\" of artifact \"a\" is not a media type"
        );
    }
}
