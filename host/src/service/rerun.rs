//! Running an execution again, with what is still good of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    Asking, Service,
    executions::not_found,
    library::Entry,
    parameters,
    start::{TIMEOUT_MS_MAX, check_input, check_not_deprecated, keyed, object},
};
use crate::{
    contract::{Error, Patience, RerunPlan, RerunRequest, Started, Violation},
    executor::NewExecution,
    workflow::{Digest, Event, Execution, ExecutionId, NodeIndex, Pins, Rerun, Stage, Version},
};

/// Bytes of outputs and artifacts that a rerun takes over at most: they pass through memory and
/// are committed at once.
const TAKEN_BYTES_MAX: u64 = 256 << 20;

/// Mistakes in one answer.
const VIOLATIONS_MAX: usize = 100;

/// A rerun that may begin.
struct Checked {
    old: Arc<Execution>,
    entry: Arc<Entry>,
    input: Map<String, Value>,
    phases: Pins,
    rerun: Rerun,
}

impl Service {
    pub(super) async fn rerun(
        &self,
        asking: &Asking,
        id: &str,
        request: &RerunRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        let id: ExecutionId = parameters::id("execution", id)?;
        let workflow = self.summary(id).await?.workflow;
        let input = request.input.as_deref();
        let input = input.map(|text| object("/input", text)).transpose()?;
        let whole = json!(["rerun", id, request.from_nodes, request.version, input]);
        let key = keyed(request.idempotency_key.as_deref(), whole)?;
        if let Some(first) = self.started_before(&workflow, key.as_ref()).await? {
            return self.started(&first, false, wait, None).await;
        }
        let checked = self.checked_rerun(id, request).await?;
        let Checked { old, entry, .. } = &checked;
        let definition = entry.definition.clone();
        let taken = checked.rerun.events(old, &definition);
        let blobs = self.blobs(id, digests(&taken)).await?;
        let created = Event::ExecutionCreated {
            workflow,
            version: entry.version,
            deadline: self.clock.now().after(timeout(old, entry)),
            context: old.origin.context.clone(),
            input: Value::Object(checked.input).into(),
            phases: checked.phases,
            by: asking.name(),
        };
        let new = NewExecution {
            id: Self::new_execution_id(),
            definition,
            created,
            taken,
            blobs,
            key,
        };
        self.begin(new, wait).await
    }

    pub(super) async fn plan_rerun(
        &self,
        id: &str,
        request: &RerunRequest,
    ) -> Result<RerunPlan, Error> {
        let id = parameters::id("execution", id)?;
        let Checked { entry, rerun, .. } = self.checked_rerun(id, request).await?;
        let definition = &entry.definition;
        let names = |nodes: &[NodeIndex]| {
            let names = nodes
                .iter()
                .map(|index| definition.node(*index).id.to_string());
            names.collect()
        };
        Ok(RerunPlan {
            workflow_id: definition.id.to_string(),
            version: entry.version.0,
            run: names(&rerun.run),
            taken: names(&rerun.taken),
        })
    }

    async fn checked_rerun(
        &self,
        id: ExecutionId,
        request: &RerunRequest,
    ) -> Result<Checked, Error> {
        let old = self.folded(id).await?;
        if !old.is_over() {
            return Err(Error::Conflict(format!(
                "execution is {}; only one that is over can be run again",
                old.status()
            )));
        }
        let workflow = &old.definition.id;
        let version = request.version.map_or(old.origin.version, Version);
        let (entry, deprecated) = self.named(workflow, version).await?;
        check_not_deprecated(&entry, Some(version), deprecated)?;
        let from = from_nodes(&entry, &request.from_nodes)?;
        let input = match &request.input {
            Some(text) => object("/input", text)?,
            None => old.origin.input.as_object().cloned().unwrap_or_default(),
        };
        check_input(&entry, &input)?;
        let phases = entry.phases(&*self.runner)?;
        let rerun = Rerun::plan(&old, &entry.definition, &from);
        check_size(&old, &entry, &rerun)?;
        Ok(Checked {
            old,
            entry,
            input,
            phases,
            rerun,
        })
    }

    /// The bytes that the new execution refers to. Writing them with it keeps them, even if the
    /// old one is removed at the same time.
    async fn blobs(
        &self,
        id: ExecutionId,
        digests: BTreeSet<Digest>,
    ) -> Result<Vec<(Digest, Bytes)>, Error> {
        let mut blobs = Vec::with_capacity(digests.len());
        for digest in digests {
            let bytes = self.store.blob(digest).await?;
            blobs.push((digest, bytes.ok_or_else(|| not_found(id))?));
        }
        Ok(blobs)
    }
}

/// What the events refer to, each once.
fn digests(taken: &[Event]) -> BTreeSet<Digest> {
    let artifacts = taken.iter().filter_map(|event| match event {
        Event::NodeTaken { artifacts, .. } => Some(artifacts.iter().flatten()),
        _ => None,
    });
    artifacts
        .flatten()
        .map(|artifact| artifact.digest)
        .collect()
}

fn from_nodes(entry: &Entry, names: &[String]) -> Result<Vec<NodeIndex>, Error> {
    let definition = &entry.definition;
    let mut violations = Vec::new();
    let mut found = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let index = name.parse().ok().and_then(|id| definition.node_index(&id));
        match index {
            Some(index) => found.push(index),
            None => violations.push(Violation {
                pointer: format!("/from/{at}"),
                message: format!(
                    "version {} of workflow {} has no such node",
                    entry.version, definition.id
                ),
            }),
        }
    }
    violations.truncate(VIOLATIONS_MAX);
    if violations.is_empty() {
        Ok(found)
    } else {
        Err(Error::Invalid(violations))
    }
}

fn check_size(old: &Execution, entry: &Entry, rerun: &Rerun) -> Result<(), Error> {
    let nodes = rerun.taken.iter().filter_map(|index| {
        let id = &entry.definition.node(*index).id;
        Some(old.node(old.definition.node_index(id)?))
    });
    let bytes: u64 = nodes
        .map(|node| {
            let artifacts = node.slots.iter().flat_map(|slot| &slot.artifacts);
            let kept: u64 = artifacts.map(|artifact| artifact.size).sum();
            let output = match &node.stage {
                Stage::Completed { output } => output.to_string().len(),
                _ => 0,
            };
            kept + output as u64
        })
        .sum();
    if bytes > TAKEN_BYTES_MAX {
        return Err(Error::Conflict(format!(
            "the outputs and artifacts to take over have {bytes} bytes, more than \
             {TAKEN_BYTES_MAX}; run more of them again"
        )));
    }
    Ok(())
}

/// As the context says that goes with the input, else as the definition does.
fn timeout(old: &Execution, entry: &Entry) -> Duration {
    let seconds = old.origin.context.get("timeout_seconds");
    let timeout = seconds
        .and_then(Value::as_f64)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|timeout| *timeout <= Duration::from_millis(TIMEOUT_MS_MAX) && !timeout.is_zero());
    timeout.unwrap_or(entry.definition.timeout)
}
