//! Dependencies of components. The only one that there may be stands in for the engine where there is
//! none; here the engine itself satisfies the import.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;

use super::{Complaint, Component, complaint, unknown};

/// What the engine satisfies.
const PACKAGE: &str = "phasewright:workflow";
const VERSION: &str = "0.1.0";

/// What satisfies an import elsewhere.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "expected a table with `component` or `path`"
)]
pub(super) struct Dependency {
    component: Option<String>,
    path: Option<PathBuf>,
    #[serde(rename = "inherit_configuration")]
    _inherits: Option<Inherits>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true, false or a list of keys")]
enum Inherits {
    All(#[expect(dead_code, reason = "checked, not used")] bool),
    Some(#[expect(dead_code, reason = "checked, not used")] Vec<String>),
}

impl Dependency {
    /// The component, or else the file.
    pub(super) fn target(self) -> String {
        let path = self.path.map(|path| path.display().to_string());
        self.component.or(path).unwrap_or_default()
    }
}

/// Checks that every dependency is one that the engine makes superfluous.
pub(super) fn check(components: &BTreeMap<String, Component>) -> Result<(), Complaint> {
    for (name, component) in components {
        if component.inherits.is_some() && component.dependencies.is_empty() {
            return Err(complaint(
                format!("component.{name}.dependencies_inherit_configuration"),
                "there are no dependencies",
            ));
        }
        for (import, dependency) in &component.dependencies {
            let key = format!("component.{name}.dependencies.\"{import}\"");
            if !is_of_engine(import) {
                return Err(complaint(
                    key,
                    format!(
                        "this host composes nothing; it satisfies {PACKAGE}@{VERSION} itself, and \
                         nothing else can be a dependency"
                    ),
                ));
            }
            let target = match (&dependency.component, &dependency.path) {
                (None, Some(_)) => continue,
                (Some(target), None) => target,
                _ => return Err(complaint(key, "must say either `component` or `path`")),
            };
            let found = components.get(target);
            let found = found.ok_or_else(|| complaint(&*key, unknown(target, components)))?;
            if found.is_granted() || !found.dependencies.is_empty() {
                return Err(complaint(
                    format!("component.{target}"),
                    "is a dependency: it has what the components that depend on it are granted, and \
                     nothing of its own",
                ));
            }
        }
    }
    Ok(())
}

/// The components that others depend on.
pub(super) fn stand_ins(components: &BTreeMap<String, Component>) -> BTreeSet<String> {
    let dependencies = components
        .values()
        .flat_map(|component| component.dependencies.values());
    dependencies
        .filter_map(|dependency| dependency.component.clone())
        .collect()
}

/// `phasewright:workflow`, with or without an interface and the version.
fn is_of_engine(import: &str) -> bool {
    let (name, version) = match import.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (import, None),
    };
    name.split('/').next() == Some(PACKAGE) && version.is_none_or(|version| version == VERSION)
}
