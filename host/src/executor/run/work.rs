//! Giving out work: attempts, preparations, the output, artifacts.

use bytes::Bytes;

use super::{Run, Wake};
use crate::{
    executor::{
        Bindings,
        attempt::{Giver, Job},
        evaluate,
        places::Given,
        report_flaw,
    },
    plugin::Produced,
    workflow::{Action, ArtifactRef, Digest, Failure, Json, NodeIndex, Position, Stage},
};

impl Run {
    pub(super) fn perform(&mut self, action: &Action) {
        match *action {
            Action::Prepare(node) => self.prepare(node),
            Action::Run {
                node,
                item,
                attempt,
            } => self.start_attempt(node, item, attempt),
            Action::Finish => self.finish(),
        }
    }

    fn prepare(&mut self, node: NodeIndex) {
        let definition = self.execution.definition.clone();
        let spec = definition.node(node);
        let asks = spec.asks(Position::Before);
        let templates = spec.for_each.iter().chain(asks.then_some(&spec.input));
        let templates = templates.flat_map(|template| template.expressions());
        let expressions = spec
            .when
            .iter()
            .chain(templates.map(|(_, expression)| expression));
        let bindings = Bindings::capture(&self.execution, None, expressions);
        let (wakes, runner) = (self.wakes.clone(), self.shared.runner.clone());
        let definition = definition.clone();
        let task = async move {
            let result = evaluate::prepare(definition.node(node), &bindings, &*runner).await;
            let _ = wakes
                .send_async(Box::new(Wake::Prepared { node, result }))
                .await;
        };
        self.given.insert((node, None), Given::at_once(task));
    }

    fn finish(&mut self) {
        let definition = self.execution.definition.clone();
        let Some(output) = &definition.output else {
            return;
        };
        let expressions = output.expressions();
        let bindings = Bindings::capture(
            &self.execution,
            None,
            expressions.iter().map(|(_, expression)| *expression),
        );
        drop(expressions);
        let (wakes, runner) = (self.wakes.clone(), self.shared.runner.clone());
        let definition = definition.clone();
        tokio::spawn(async move {
            let Some(output) = &definition.output else {
                return;
            };
            let result = evaluate::render(output, &bindings, &*runner).await;
            let _ = wakes.send_async(Box::new(Wake::Finished(result))).await;
        });
    }

    fn start_attempt(&mut self, node: NodeIndex, item: Option<u32>, attempt: u32) {
        let execution = &self.execution;
        let definition = execution.definition.clone();
        let spec = definition.node(node);
        let state = execution.node(node);
        let item_value = item.and_then(|item| state.items.as_ref()?.get(item as usize).cloned());
        let approved = (state.approved.as_ref()).map(|input| item_value.as_ref().unwrap_or(input));
        let approved = approved.cloned();
        let expressions = spec.input.expressions();
        let bindings = Bindings::capture(
            execution,
            item_value,
            expressions.iter().map(|(_, expression)| *expression),
        );
        drop(expressions);
        let Some(digest) = execution.origin.phases.get(&spec.phase).copied() else {
            report_flaw(
                execution.id,
                &format!("phase {} was not pinned", spec.phase),
            );
            return;
        };
        let job = Box::new(Job {
            giver: Giver {
                shared: self.shared.clone(),
                node,
                item,
                wakes: self.wakes.clone(),
                commits: self.commits.clone(),
                version: execution.version,
                host: self.host,
            },
            execution: execution.id,
            number: attempt,
            digest,
            round: state.round,
            bindings,
            approved,
            review_notes: state.review_notes.clone(),
            definition,
        });
        let given = self.shared.places.give(job);
        self.given.insert((node, item), given);
    }

    /// An artifact of a completed node, and the version that has to be durable
    /// before its bytes can be read.
    pub(super) fn find_artifact(
        &self,
        node: &str,
        name: &str,
    ) -> Result<(ArtifactRef, u64), String> {
        let missing = || format!("node {node} has no artifact {name}");
        let id = node.parse().map_err(|_| missing())?;
        let index = self
            .execution
            .definition
            .node_index(&id)
            .ok_or_else(missing)?;
        let state = self.execution.node(index);
        if !matches!(state.stage, Stage::Completed { .. }) {
            return Err(format!("node {node} is {}", state.status()));
        }
        let artifacts = state.slots.iter().flat_map(|slot| &slot.artifacts);
        let found = artifacts
            .clone()
            .find(|artifact| artifact.name == name)
            .ok_or_else(missing)?;
        Ok((found.clone(), self.execution.version))
    }
}

/// As the pure core takes it.
type Outcome = Result<(Json, Vec<ArtifactRef>), Failure>;

/// Takes the bytes of the artifacts apart from what the journal says of them.
pub(super) fn split(result: Result<Produced, Failure>) -> (Outcome, Vec<(Digest, Bytes)>) {
    match result {
        Ok(Produced { output, artifacts }) => {
            let references = artifacts
                .iter()
                .map(|artifact| artifact.reference.clone())
                .collect();
            let blobs = artifacts
                .into_iter()
                .map(|artifact| (artifact.reference.digest, artifact.data))
                .collect();
            (Ok((output, references)), blobs)
        }
        Err(failure) => (Err(failure), Vec::new()),
    }
}
