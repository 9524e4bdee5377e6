//! Letting an execution go on by a newer version of its definition.

use std::sync::Arc;

use serde_json::Map;

use super::{
    Asking, Service,
    library::Entry,
    parameters,
    start::{check_not_deprecated, input_violations},
};
use crate::{
    contract::{Error, MigrationPlan, Summary, Violation},
    executor::CommandError,
    workflow::{
        Command, Digest, Execution, ExecutionId, Migration, NodeId, PhaseName, Pins, Version,
    },
};

/// Mistakes in one answer.
const VIOLATIONS_MAX: usize = 100;

/// A migration that is possible as far as the database knows.
struct Checked {
    old: Arc<Execution>,
    phases: Pins,
    migration: Migration,
}

impl Service {
    pub(super) async fn migrate(
        &self,
        asking: &Asking,
        id: &str,
        version: u32,
    ) -> Result<Summary, Error> {
        let id: ExecutionId = parameters::id("execution", id)?;
        let checked = self.checked_migration(id, Version(version)).await?;
        let command = Command::Migrate {
            version: Version(version),
            phases: checked.phases,
            by: Some(asking.shown()),
        };
        self.steer(id, command).await
    }

    pub(super) async fn plan_migration(
        &self,
        id: &str,
        version: u32,
    ) -> Result<MigrationPlan, Error> {
        let id = parameters::id("execution", id)?;
        let Checked {
            old,
            phases,
            migration,
        } = self.checked_migration(id, Version(version)).await?;
        let names = |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect();
        let pinned = &old.origin.phases;
        let is_other = |(name, digest): &(&PhaseName, &Digest)| pinned.get(name) != Some(digest);
        let others = phases.iter().filter(is_other);
        Ok(MigrationPlan {
            workflow_id: old.definition.id.to_string(),
            from_version: old.origin.version.0,
            version,
            kept: names(&migration.kept),
            added: names(&migration.added),
            removed: names(&migration.removed),
            phases: others.map(|(name, _)| name.to_string()).collect(),
        })
    }

    /// Looks at the execution as it is in the database: whoever runs it looks again, but tells
    /// less of what is wrong.
    async fn checked_migration(&self, id: ExecutionId, version: Version) -> Result<Checked, Error> {
        let old = self.folded(id).await?;
        let workflow = &old.definition.id;
        let (entry, deprecated) = self.named(workflow, version).await?;
        if version == old.origin.version {
            // There is nothing to do, whatever is in the catalog by now.
            let migration = Migration::plan(&old, &old.definition).unwrap_or_default();
            let phases = old.origin.phases.clone();
            return Ok(Checked {
                old,
                phases,
                migration,
            });
        }
        check_not_deprecated(&entry, Some(version), deprecated)?;
        old.check_still(version).map_err(CommandError::from)?;
        let migration = Migration::plan(&old, &entry.definition);
        let phases = entry.phases(&*self.runner);
        let mut violations = input_violations_of(&old, &entry);
        match (migration, phases) {
            (Ok(migration), Ok(phases)) if violations.is_empty() => {
                return Ok(Checked {
                    old,
                    phases,
                    migration,
                });
            }
            (migration, phases) => {
                let of_nodes = migration.err().into_iter().flatten();
                violations.extend(of_nodes.map(Violation::from));
                match phases {
                    Err(Error::Invalid(of_phases)) => violations.extend(of_phases),
                    Err(error) => return Err(error),
                    Ok(_) => {}
                }
            }
        }
        violations.truncate(VIOLATIONS_MAX);
        Err(Error::Invalid(violations))
    }
}

/// What the new version's schema has against the input that the execution was started with.
fn input_violations_of(old: &Execution, entry: &Entry) -> Vec<Violation> {
    let empty = Map::new();
    let input = old.origin.input.as_object().unwrap_or(&empty);
    let violations = input_violations(entry, input).into_iter();
    let of_schema = |(below, message)| Violation {
        pointer: "/input_schema".to_owned(),
        message: format!("does not allow the input of the execution, /input{below}: {message}"),
    };
    violations.map(of_schema).collect()
}
