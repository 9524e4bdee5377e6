//! Random operations, on the store and on a model made of maps, with equal results.

mod operations;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::Value;

use operations::{Change, Operation, operation};

use super::{
    TestDatabase,
    examples::{
        NOW, append, audience, checkpoint, checkpoint_id, closed, define, definition, document,
        execution, host, host_id, key, line, some_decider, with_status, workflow,
    },
    open,
};
use crate::{
    store::{
        Append, Appended, CheckpointFilter, CheckpointOutcome, CheckpointRow, CheckpointState,
        CheckpointStatus, ExecutionFilter, HostId, Keyed, Page, PutDefinition, Store, Summary,
    },
    workflow::{
        CheckpointId, Digest, Event, ExecutionId, ExecutionStatus, Recorded, Timestamp, Version,
    },
};

/// Cases per run; each has a database of its own.
const CASES: u32 = 48;

/// Executions, keys, checkpoints and workflows that the operations are about: few, so
/// that they meet.
const EXECUTIONS: u8 = 5;
const KEYS: u8 = 3;
const CHECKPOINTS: u8 = 4;
const HOSTS: u8 = 2;
const WORKFLOWS: [&str; 2] = ["flow", "other"];

/// Who may decide at the checkpoints, one after the other.
const AUDIENCES: [(&[&str], bool); 5] = [
    (&[], true),
    (&["ann"], true),
    (&["group:it", "bob"], true),
    (&[], false),
    (&["ann", "group:it"], false),
];

#[derive(Default)]
struct Model {
    executions: BTreeMap<ExecutionId, (Append, Vec<Recorded>)>,
    keys: BTreeMap<(String, String), Keyed>,
    checkpoints: BTreeMap<(Timestamp, CheckpointId), CheckpointRow>,
    blobs: BTreeMap<Digest, Bytes>,
    definitions: BTreeMap<&'static str, Vec<Value>>,
}

impl Model {
    /// The appends that these changes are, at most one per execution.
    fn appends(&self, changes: Vec<Change>) -> Vec<Append> {
        let mut appends = BTreeMap::new();
        for change in changes {
            let append = self.append(change);
            appends.entry(append.execution).or_insert(append);
        }
        // Not in the order of their ids.
        appends.into_values().rev().collect()
    }

    fn append(&self, change: Change) -> Append {
        let id = execution(change.execution.into());
        let version = self.version(id);
        let expected = version.saturating_add_signed(change.drift.into());
        let outputs = change
            .outputs
            .into_iter()
            .map(|output| Event::ExecutionCompleted {
                output: document(output),
            });
        let mut made = append(id, expected, outputs.chain([line("mark")]).collect());
        let wrong = change.holder.map(|number| host_id(number.into()));
        made.holder = wrong.or_else(|| self.owner(id));
        made.owner = change.owner.map(|number| host_id(number.into()));
        made.crashes = change.crashes;
        made = with_status(made, ExecutionStatus::ALL[change.status]);
        // What an execution is of never changes.
        let of = self
            .executions
            .get(&id)
            .map(|(first, _)| first.summary.workflow.clone());
        made.summary.workflow = of.unwrap_or_else(|| workflow(WORKFLOWS[change.workflow]));
        made.waiting = change.waiting;
        if change.waiting && !made.summary.status.is_over() {
            made.wake_at = change.wake_at.map(|at| Timestamp(at.into()));
        }
        if let (0, Some(number)) = (expected, change.key) {
            made.key = Some(key(&format!("key {number}"), &id.to_string()));
        }
        if let Some((number, is_closed)) = change.checkpoint {
            let number = number + 10 * change.execution;
            let at = Timestamp(NOW.0 + i64::from(number % 3));
            let mut row = checkpoint(checkpoint_id(number.into()), id, at);
            row.workflow = made.summary.workflow.clone();
            let (reviewers, allow_starter) = AUDIENCES[usize::from(number) % AUDIENCES.len()];
            row.audience = audience(reviewers, allow_starter);
            row.started_by = number.is_multiple_of(2).then(|| "ann".parse().unwrap());
            made.checkpoints.push(if is_closed {
                closed(row, CheckpointOutcome::Rejected)
            } else {
                row
            });
        }
        if let Some(byte) = change.blob {
            let data = Bytes::from(vec![byte; 40]);
            made.blobs.push((Digest::of(&data), data));
        }
        made
    }

    fn version(&self, id: ExecutionId) -> u64 {
        let found = self.executions.get(&id);
        found.map_or(0, |(last, _)| last.summary.version)
    }

    fn owner(&self, id: ExecutionId) -> Option<HostId> {
        self.executions.get(&id)?.0.owner
    }

    fn commit(&mut self, append: &Append) -> Appended {
        let is_expected = self.version(append.execution) == append.expected
            && (append.expected == 0 || self.owner(append.execution) == append.holder);
        if !is_expected {
            return Appended::Conflict;
        }
        if let Some(start) = &append.key {
            let name = (append.summary.workflow.to_string(), start.key.clone());
            if let Some(first) = self.keys.get(&name) {
                return Appended::Duplicate(first.clone());
            }
            let keyed = Keyed {
                execution: append.execution,
                request: start.request,
            };
            self.keys.insert(name, keyed);
        }
        let (last, events) = self
            .executions
            .entry(append.execution)
            .or_insert_with(|| (append.clone(), Vec::new()));
        *last = append.clone();
        events.extend(append.events.iter().cloned());
        for row in &append.checkpoints {
            self.checkpoints
                .insert((row.created_at, row.id), row.clone());
        }
        self.blobs.extend(append.blobs.iter().cloned());
        Appended::Committed
    }

    fn define(
        &mut self,
        name: &'static str,
        value: &Value,
        expected: Option<u32>,
    ) -> Result<u32, u32> {
        let versions = self.definitions.entry(name).or_default();
        let latest = u32::try_from(versions.len()).unwrap();
        if expected.is_some_and(|expected| expected != latest) {
            return Err(latest);
        }
        if versions.last() != Some(value) {
            versions.push(value.clone());
        }
        Ok(u32::try_from(versions.len()).unwrap())
    }

    /// Gives a host what needs one.
    fn claim(&mut self, host: HostId, now: i64) -> Vec<ExecutionId> {
        let is_due = |last: &Append| {
            let is_active = !last.summary.status.is_over() && !last.waiting;
            is_active || last.wake_at.is_some_and(|at| at.0 <= now)
        };
        let free = self.executions.iter_mut();
        free.filter(|(_, (last, _))| last.owner.is_none() && is_due(last))
            .map(|(id, (last, _))| {
                last.owner = Some(host);
                *id
            })
            .collect()
    }

    fn executions(&self, filter: &ExecutionFilter) -> Vec<Summary> {
        let is_asked = |summary: &&Summary| {
            filter.status.is_none_or(|status| summary.status == status)
                && filter
                    .workflow
                    .as_ref()
                    .is_none_or(|of| summary.workflow == *of)
        };
        let newest = self
            .executions
            .values()
            .rev()
            .map(|(last, _)| &last.summary);
        newest.filter(is_asked).cloned().collect()
    }

    fn checkpoints(&self, filter: &CheckpointFilter) -> Vec<CheckpointRow> {
        let is_asked = |row: &&CheckpointRow| {
            filter.execution.is_none_or(|of| row.execution == of)
                && filter
                    .workflow
                    .as_ref()
                    .is_none_or(|of| row.workflow == *of)
                && filter.decider.as_ref().is_none_or(|decider| {
                    let admitted = row.audience.admit(row.started_by.as_ref(), Some(decider));
                    admitted.is_ok() && row.state == CheckpointState::Pending
                })
                && filter
                    .status
                    .is_none_or(|status| row.state.status() == status)
        };
        let newest = self.checkpoints.values().rev();
        newest.filter(is_asked).cloned().collect()
    }
}

pub fn both_agree_with_the_model<A: TestDatabase, B: TestDatabase>(
    first: impl Fn() -> A,
    second: impl Fn() -> B,
) {
    check_cases(|runtime, operations| {
        runtime.block_on(agree(&first(), operations.clone()));
        runtime.block_on(agree(&second(), operations));
    });
}

pub fn random_operations_agree_with_the_model<D: TestDatabase>(fresh: impl Fn() -> D) {
    check_cases(|runtime, operations| runtime.block_on(agree(&fresh(), operations)));
}

fn check_cases(check: impl Fn(&tokio::runtime::Runtime, Vec<Operation>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: CASES,
        // A failing case is in the output, to be made a test of its own.
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(operations in vec(operation(), 1..12))| {
        check(&runtime, operations);
    });
}

async fn agree(database: &dyn TestDatabase, operations: Vec<Operation>) {
    let mut store = open(database).await;
    let mut model = Model::default();
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        hosts.push(host(&*store, number.into()).await);
    }
    for name in WORKFLOWS {
        define(&*store, name).await;
        model
            .definitions
            .insert(name, vec![serde_json::json!({ "id": name })]);
    }
    for operation in operations {
        match operation {
            Operation::Commit(changes) => {
                let appends = model.appends(changes);
                for append in &appends {
                    append.check().unwrap();
                }
                let expected: Vec<_> = appends.iter().map(|append| model.commit(append)).collect();
                assert_eq!(store.commit(&appends).await.unwrap(), expected);
            }
            Operation::Define {
                workflow,
                value,
                expected,
            } => {
                let name = WORKFLOWS[workflow];
                let result = model.define(name, &value, expected);
                let new = definition(name, value);
                match store.put_definition(new, expected).await.unwrap() {
                    PutDefinition::Stored(stored) => assert_eq!(Ok(stored.version.0), result),
                    PutDefinition::Stale(latest) => assert_eq!(Err(latest), result),
                }
            }
        }
        for id in (0..EXECUTIONS).map(|number| execution(number.into())) {
            let found = store.queries().execution(id).await.unwrap();
            assert_eq!(found.map_or(0, |found| found.version), model.version(id));
        }
    }
    check(&*store, &model).await;
    for now in [-129, 0, 128] {
        for host in &hosts {
            let mut claimed = store.claim(*host, Timestamp(now), 1000).await.unwrap();
            claimed.sort_unstable();
            assert_eq!(claimed, model.claim(*host, now));
        }
    }
    for (id, (last, _)) in &model.executions {
        let journal = store.load(*id).await.unwrap().unwrap();
        assert_eq!((journal.owner, journal.crashes), (last.owner, last.crashes));
    }
    drop(store);
    store = open(database).await;
    check(&*store, &model).await;
}

/// Is everything in the store as it is in the model?
async fn check(store: &dyn Store, model: &Model) {
    for (id, (last, events)) in &model.executions {
        let journal = store.load(*id).await.unwrap().unwrap();
        assert_eq!((&journal.summary, &journal.events), (&last.summary, events));
    }
    for (name, versions) in &model.definitions {
        let queries = store.queries();
        for (version, value) in (1..).zip(versions) {
            let found = queries
                .definition(&workflow(name), Some(Version(version)))
                .await;
            assert_eq!(*found.unwrap().unwrap().document, *value);
        }
    }
    for (digest, data) in &model.blobs {
        assert_eq!(store.blob(*digest).await, Ok(Some(data.clone())));
    }
    check_lists(store, model).await;
}

async fn check_lists(store: &dyn Store, model: &Model) {
    let workflows = [None]
        .into_iter()
        .chain(WORKFLOWS.map(|name| Some(workflow(name))));
    for of in workflows {
        for status in [None]
            .into_iter()
            .chain(ExecutionStatus::ALL.iter().copied().map(Some))
        {
            let filter = ExecutionFilter {
                workflow: of.clone(),
                status,
            };
            let page = Page {
                after: None,
                limit: 1000,
            };
            let found = store.queries().executions(filter.clone(), page).await;
            assert_eq!(found.unwrap(), model.executions(&filter));
        }
    }
    let executions = (0..EXECUTIONS).map(|number| Some(execution(number.into())));
    let statuses = [
        None,
        Some(CheckpointStatus::Rejected),
        Some(CheckpointStatus::Pending),
    ];
    let deciders = [
        None,
        Some(some_decider("ann", &[])),
        Some(some_decider("bob", &["hr", "it"])),
    ];
    for execution in [None].into_iter().chain(executions) {
        for (status, of) in statuses
            .iter()
            .flat_map(|status| [(*status, None), (*status, Some("other"))])
        {
            for decider in &deciders {
                let filter = CheckpointFilter {
                    execution,
                    status,
                    workflow: of.map(workflow),
                    decider: decider.clone(),
                };
                let page = Page {
                    after: None,
                    limit: 1000,
                };
                let found = store.queries().checkpoints(filter.clone(), page).await;
                assert_eq!(found.unwrap(), model.checkpoints(&filter), "{filter:?}");
            }
        }
    }
}
