//! Definitions, parsed and kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::latest::Latest;
use crate::{
    contract, executor,
    plugin::{PhaseRunner, Schema},
    store::{Startable, Store, StoreError, StoredDefinition, Wanted},
    workflow::{Definition, Pins, Version, Violation, WorkflowId},
};

/// Parsed definitions in memory; the oldest goes first.
const DEFINITIONS_MAX: usize = 256;

/// The definitions of the store, read once.
pub struct Library {
    store: Arc<dyn Store>,
    latest: Latest,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<(WorkflowId, Version), Arc<Entry>>,
    order: std::collections::VecDeque<(WorkflowId, Version)>,
    /// What starts would take, while nobody but this host can change that.
    startable: HashMap<Wanted, Startable>,
    /// Counts the changes, so that nothing is kept that was read before the last one.
    changes: u64,
}

/// A definition with what a start needs.
pub(super) struct Entry {
    pub(super) definition: Arc<Definition>,
    pub(super) version: Version,
    pub(super) input_schema: Option<Schema>,
    /// Digests of the phases, or what is wrong with them. The catalog of a process does not change.
    phases: std::sync::OnceLock<Result<Pins, Vec<Violation>>>,
}

impl Library {
    /// The definitions of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            latest: Latest::default(),
            shelf: Mutex::default(),
        }
    }

    /// How many definitions are kept.
    pub(super) fn cached(&self) -> usize {
        self.shelf().entries.len()
    }

    /// The version that a start takes, the latest that is not deprecated when none is named, and
    /// why it may not be started.
    pub(super) async fn startable(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Option<(Arc<Entry>, Option<String>)>, StoreError> {
        let wanted = (workflow.clone(), version);
        let Some(found) = self.wanted(&wanted).await? else {
            return Ok(None);
        };
        let entry = self.entry(workflow, found.version).await?;
        Ok(entry.map(|entry| (entry, found.deprecated)))
    }

    async fn wanted(&self, wanted: &Wanted) -> Result<Option<Startable>, StoreError> {
        // Another host may have changed it just now.
        let is_shared = self.store.cluster().is_some();
        let changes = {
            let shelf = self.shelf();
            match shelf.startable.get(wanted) {
                Some(found) if !is_shared => return Ok(Some(found.clone())),
                _ => shelf.changes,
            }
        };
        let queries = self.store.queries();
        let ask = async |all: &[Wanted]| queries.startable(all).await;
        let found = self.latest.startable(wanted, ask).await?;
        if let Some(found) = found.as_ref().filter(|_| !is_shared) {
            let mut shelf = self.shelf();
            if shelf.startable.len() >= DEFINITIONS_MAX {
                shelf.startable.clear();
            }
            if shelf.changes == changes {
                shelf.startable.insert(wanted.clone(), found.clone());
            }
        }
        Ok(found)
    }

    /// This version of a definition.
    pub(super) async fn entry(
        &self,
        workflow: &WorkflowId,
        version: Version,
    ) -> Result<Option<Arc<Entry>>, StoreError> {
        let key = (workflow.clone(), version);
        if let Some(entry) = self.shelf().entries.get(&key) {
            return Ok(Some(entry.clone()));
        }
        let queries = self.store.queries();
        match queries.definition(workflow, Some(version)).await? {
            None => Ok(None),
            Some(stored) => {
                let entry = Arc::new(Entry::read(&stored)?);
                self.put(&entry);
                Ok(Some(entry))
            }
        }
    }

    /// A version was just stored.
    pub(super) fn stored(&self, stored: &StoredDefinition) -> Result<(), StoreError> {
        self.changed(&stored.workflow);
        self.put(&Arc::new(Entry::read(stored)?));
        Ok(())
    }

    /// Which versions of a workflow there are, or can be started, has changed.
    pub(super) fn changed(&self, workflow: &WorkflowId) {
        let mut shelf = self.shelf();
        shelf.changes += 1;
        shelf.startable.retain(|(of, _), _| of != workflow);
    }

    fn put(&self, entry: &Arc<Entry>) {
        let key = (entry.definition.id.clone(), entry.version);
        let mut shelf = self.shelf();
        if shelf.entries.insert(key.clone(), entry.clone()).is_none() {
            shelf.order.push_back(key);
        }
        while shelf.order.len() > DEFINITIONS_MAX {
            if let Some(oldest) = shelf.order.pop_front() {
                shelf.entries.remove(&oldest);
            }
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl executor::Definitions for Library {
    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Version,
    ) -> Result<Arc<Definition>, StoreError> {
        match self.entry(workflow, version).await? {
            Some(entry) => Ok(entry.definition.clone()),
            None => Err(StoreError::Corrupt(format!(
                "definition {workflow} version {version} is gone"
            ))),
        }
    }
}

impl Entry {
    fn read(stored: &StoredDefinition) -> Result<Self, StoreError> {
        let name = || format!("definition {} version {}", stored.workflow, stored.version);
        let definition = Definition::read(&stored.document).map_err(|violations| {
            let first = violations
                .first()
                .map(|violation| format!("{}: {}", violation.pointer, violation.message));
            StoreError::Corrupt(format!("{}: {}", name(), first.unwrap_or_default()))
        })?;
        let input_schema = match &definition.input_schema {
            None => None,
            Some(schema) => {
                let (_, schema) = Schema::parse(&schema.to_string()).map_err(|error| {
                    StoreError::Corrupt(format!("{}: /input_schema {error}", name()))
                })?;
                Some(schema)
            }
        };
        Ok(Self {
            definition: Arc::new(definition),
            version: stored.version,
            input_schema,
            phases: std::sync::OnceLock::new(),
        })
    }

    /// The phases that an execution started now pins.
    pub(super) fn phases(&self, runner: &dyn PhaseRunner) -> Result<Pins, contract::Error> {
        let phases = self.phases.get_or_init(|| {
            let violations = check_phases(&self.definition, runner, Missing::IsWrong);
            if !violations.is_empty() {
                return Err(violations);
            }
            let catalog = runner.catalog();
            let names = self.definition.nodes.iter().map(|node| &node.phase);
            let pins = names.filter_map(|name| Some((name.clone(), catalog.get(name)?.digest)));
            Ok(Arc::new(pins.collect()))
        });
        phases.clone().map_err(|violations| {
            contract::Error::Invalid(
                violations
                    .into_iter()
                    .map(contract::Violation::from)
                    .collect(),
            )
        })
    }
}

/// What a phase that is not in the catalog means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It may be deployed before the first start.
    IsFine,
    /// Nothing can start without it.
    IsWrong,
}

/// Checks phases and configs of a definition against the catalog.
pub(super) fn check_phases(
    definition: &Definition,
    runner: &dyn PhaseRunner,
    missing: Missing,
) -> Vec<Violation> {
    let catalog = runner.catalog();
    let mut violations = Vec::new();
    for (at, node) in definition.nodes.iter().enumerate() {
        if catalog.contains_key(&node.phase) {
            for (below, message) in runner.check_config(&node.phase, &node.config) {
                violations.push(Violation {
                    pointer: format!("/nodes/{at}/config{below}"),
                    message,
                });
            }
        } else if missing == Missing::IsWrong {
            let message = format!("phase {} is not in the catalog of this host", node.phase);
            violations.push(Violation {
                pointer: format!("/nodes/{at}/phase"),
                message,
            });
        }
    }
    violations.truncate(100);
    violations
}
