//! An execution told step by step, for tests of one rule at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{START, created, define, execution_id, json_of};
use crate::workflow::{
    Action, CheckpointId, Command, Decision, Definition, Event, Execution, ExecutionStatus,
    Failure, FailureKind, Input, NodeIndex, Pins, Recorded, Refusal, Step, Timestamp, Version,
};

/// An execution whose journal is kept.
pub(super) struct Story {
    pub(super) execution: Execution,
    pub(super) journal: Vec<Recorded>,
    pub(super) now: Timestamp,
    first: Arc<Definition>,
    later: BTreeMap<Version, Arc<Definition>>,
}

impl Story {
    pub(super) fn of(nodes: &Value) -> (Self, Vec<Action>) {
        Self::of_document(&json!({"id": "w", "nodes": nodes}))
    }

    pub(super) fn of_document(document: &Value) -> (Self, Vec<Action>) {
        let definition = define(document);
        let event = created(&definition);
        Self::begun(definition, event)
    }

    pub(super) fn begun(definition: Arc<Definition>, event: Event) -> (Self, Vec<Action>) {
        let first = definition.clone();
        let (execution, step) = Execution::start(execution_id(), definition, event, START).unwrap();
        let journal = step.events;
        let now = START;
        (
            Self {
                execution,
                journal,
                now,
                first,
                later: BTreeMap::new(),
            },
            step.actions,
        )
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<Action> {
        let Step { events, actions } = self.execution.handle(input, self.now).unwrap();
        self.journal.extend(events);
        actions
    }

    pub(super) fn refused(&mut self, input: Input) -> Refusal {
        let before = format!("{:?}", self.execution);
        let refusal = self.execution.handle(input, self.now).unwrap_err();
        assert_eq!(
            format!("{:?}", self.execution),
            before,
            "a refusal changes nothing"
        );
        refusal
    }

    /// The first node's attempt of this number ends.
    pub(super) fn attempted(
        &mut self,
        attempt: u32,
        result: Result<Value, FailureKind>,
    ) -> Vec<Action> {
        self.attempted_of(0, attempt, result)
    }

    /// This node's attempt of this number ends.
    pub(super) fn attempted_of(
        &mut self,
        node: u32,
        attempt: u32,
        result: Result<Value, FailureKind>,
    ) -> Vec<Action> {
        let result = match result {
            Ok(output) => Ok((json_of(output), Vec::new())),
            Err(cause) => Err(Failure::new(cause, "oh")),
        };
        self.input(Input::Attempted {
            node: NodeIndex(node),
            item: None,
            attempt,
            result,
        })
    }

    pub(super) fn wait(&mut self, ms: u64) -> Vec<Action> {
        self.now = self.now.after(Duration::from_millis(ms));
        self.input(Input::Tick)
    }

    /// What another host makes of the journal.
    pub(super) fn recover(&mut self) -> Vec<Action> {
        let (first, later) = (self.first.clone(), self.later.clone());
        let folded = Execution::fold_with(execution_id(), first, later, &self.journal);
        self.execution = folded.unwrap();
        let Step { events, actions } = self.execution.recover(self.now).unwrap();
        self.journal.extend(events);
        actions
    }

    pub(super) fn checkpoint(&self) -> CheckpointId {
        *self
            .execution
            .checkpoints
            .keys()
            .next()
            .expect("an open checkpoint")
    }

    pub(super) fn resolve(&mut self, decision: Decision, notes: Option<&str>) -> Vec<Action> {
        let input = self.resolution(decision, notes);
        self.input(input)
    }

    pub(super) fn resolution(&self, decision: Decision, notes: Option<&str>) -> Input {
        let checkpoint = self.checkpoint();
        let notes = notes.map(str::to_owned);
        Input::Command(Command::Resolve {
            checkpoint,
            decision,
            notes,
            by: None,
            decider: None,
        })
    }

    pub(super) fn resume(&mut self) -> Vec<Action> {
        self.input(Input::Command(Command::Resume {
            by: None,
            timeout: Duration::from_mins(1),
        }))
    }

    /// Stores this document as a version, and asks for the migration to it.
    pub(super) fn migration(&mut self, version: u32, document: &Value) -> Input {
        let version = Version(version);
        let definition = define(document);
        self.execution.learn(version, definition.clone());
        self.later.insert(version, definition);
        Input::Command(Command::Migrate {
            version,
            phases: Pins::default(),
            by: None,
        })
    }

    pub(super) fn status(&self) -> ExecutionStatus {
        self.execution.status()
    }
}
