//! Definitions, parsed and kept.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::latest::Latest;
use crate::{
    contract, executor,
    plugin::{PhaseRunner, Schema},
    store::{Store, StoreError, StoredDefinition},
    workflow::{Definition, Digest, PhaseName, Version, Violation, WorkflowId},
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
    latest: HashMap<WorkflowId, Version>,
}

/// A definition with what a start needs.
pub(super) struct Entry {
    pub(super) definition: Arc<Definition>,
    pub(super) version: Version,
    pub(super) input_schema: Option<Schema>,
    /// Digests of the phases, or what is wrong with them. The catalog of a process does not change.
    phases: std::sync::OnceLock<Result<BTreeMap<PhaseName, Digest>, Vec<Violation>>>,
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
        self.shelf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .len()
    }

    /// This version of a definition, the latest when none is named.
    pub(super) async fn entry(
        &self,
        workflow: &WorkflowId,
        mut version: Option<Version>,
    ) -> Result<Option<Arc<Entry>>, StoreError> {
        if version.is_none()
            && let Some(cluster) = self.store.cluster()
        {
            // Another host may have stored a newer one just now.
            let ask = async |workflows: &[WorkflowId]| cluster.latest_versions(workflows).await;
            version = self.latest.version(workflow, ask).await?;
        }
        if let Some(entry) = self.on_shelf(workflow, version) {
            return Ok(Some(entry));
        }
        match self.store.queries().definition(workflow, version).await? {
            None => Ok(None),
            Some(stored) => {
                let entry = Arc::new(Entry::read(&stored)?);
                self.put(&entry, version.is_none());
                Ok(Some(entry))
            }
        }
    }

    /// A version that was just stored is the latest.
    pub(super) fn stored(&self, stored: &StoredDefinition) -> Result<(), StoreError> {
        let entry = Arc::new(Entry::read(stored)?);
        self.put(&entry, true);
        Ok(())
    }

    fn on_shelf(&self, workflow: &WorkflowId, version: Option<Version>) -> Option<Arc<Entry>> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let version = match version {
            Some(version) => version,
            None => *shelf.latest.get(workflow)?,
        };
        shelf.entries.get(&(workflow.clone(), version)).cloned()
    }

    fn put(&self, entry: &Arc<Entry>, is_latest: bool) {
        let workflow = &entry.definition.id;
        let key = (workflow.clone(), entry.version);
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.entries.insert(key.clone(), entry.clone()).is_none() {
            shelf.order.push_back(key);
        }
        if is_latest {
            let latest = shelf
                .latest
                .entry(workflow.clone())
                .or_insert(entry.version);
            *latest = entry.version.max(*latest);
        }
        while shelf.order.len() > DEFINITIONS_MAX {
            if let Some(oldest) = shelf.order.pop_front() {
                shelf.entries.remove(&oldest);
                shelf.latest.remove(&oldest.0);
            }
        }
    }
}

#[async_trait]
impl executor::Definitions for Library {
    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Version,
    ) -> Result<Arc<Definition>, StoreError> {
        match self.entry(workflow, Some(version)).await? {
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
    pub(super) fn phases(
        &self,
        runner: &dyn PhaseRunner,
    ) -> Result<BTreeMap<PhaseName, Digest>, contract::Error> {
        let phases = self.phases.get_or_init(|| {
            let violations = check_phases(&self.definition, runner, Missing::IsWrong);
            if !violations.is_empty() {
                return Err(violations);
            }
            let catalog = runner.catalog();
            let names = self.definition.nodes.iter().map(|node| &node.phase);
            Ok(names
                .filter_map(|name| Some((name.clone(), catalog.get(name)?.digest)))
                .collect())
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
