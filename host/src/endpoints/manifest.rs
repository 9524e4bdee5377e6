//! Reading `spin.toml`, manifest version 2: the one description of the endpoints that
//! both this host and Spin serve.
//!
//! **Invariant:** nothing in the file is passed over in silence. What this host does
//! not support yet is refused by name, as is anything misspelt.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use super::routes::{Route, RouteError, Routes};

/// An application as the host serves it.
#[derive(Debug)]
pub struct Manifest {
    /// Name of the application.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The components that a route leads to, by name.
    pub components: BTreeMap<String, Source>,
    /// Which component answers which path.
    pub routes: Routes<String>,
}

/// Where a component's binary is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The `.wasm` file, found from the folder of the manifest.
    pub path: PathBuf,
    /// For people.
    pub description: Option<String>,
}

/// Why a manifest cannot be served. Reads after "failed to load the application: ".
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Not TOML, or a key that is unknown, missing or of the wrong type.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The manifest.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Names the key and what is allowed.
        message: String,
    },
    /// Well-formed, but it does not add up.
    #[error("{}: {key}: {message}", path.display())]
    Invalid {
        /// The manifest.
        path: PathBuf,
        /// The dotted key.
        key: String,
        /// Says what is allowed.
        message: String,
    },
}

impl Manifest {
    /// Reads and checks the manifest at `path`. The binaries are not opened.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|error| ManifestError::Read {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a manifest; `path` says where sources are and names the file
    /// in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let document: Document = toml::from_str(text).map_err(|error| ManifestError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let invalid = |(key, message)| ManifestError::Invalid {
            path: path.to_owned(),
            key,
            message,
        };
        let root = path.parent().unwrap_or(Path::new(""));
        document.check(root).map_err(invalid)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// The file as it is written. A key that is missing here is one the host refuses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    spin_manifest_version: toml::Value,
    application: Application,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    version: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    http: Vec<HttpTrigger>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTrigger {
    route: String,
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    source: PathBuf,
    description: Option<String>,
    #[serde(rename = "build")]
    _build: Option<Build>,
}

/// How `spin build` makes the binary. The host only runs what has been built.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    #[serde(rename = "command")]
    _command: OneOrMany,
    #[serde(rename = "workdir")]
    _workdir: Option<PathBuf>,
    #[serde(default, rename = "watch")]
    _watch: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a command or a list of commands")]
enum OneOrMany {
    One(#[expect(dead_code, reason = "checked, not used")] String),
    Many(#[expect(dead_code, reason = "checked, not used")] Vec<String>),
}

/// A dotted key and what is wrong with it.
type Complaint = (String, String);

impl Document {
    fn check(self, root: &Path) -> Result<Manifest, Complaint> {
        if self.spin_manifest_version.as_integer() != Some(2) {
            return Err(complaint(
                "spin_manifest_version",
                format!("{} is not supported; only 2 is", self.spin_manifest_version),
            ));
        }
        let Application { name, version, .. } = self.application;
        if name.is_empty() {
            return Err(complaint("application.name", "must not be empty"));
        }
        let mut routes = Routes::default();
        for (index, trigger) in self.trigger.http.into_iter().enumerate() {
            let key = |field| format!("trigger.http[{index}].{field}");
            if !self.component.contains_key(&trigger.component) {
                return Err(complaint(
                    key("component"),
                    unknown(&trigger.component, &self.component),
                ));
            }
            let route = Route::parse(&trigger.route)
                .map_err(|error| complaint(key("route"), error.to_string()))?;
            routes
                .add(route, trigger.component)
                .map_err(|error: RouteError| complaint(key("route"), error.to_string()))?;
        }
        let mut components = BTreeMap::new();
        for (name, component) in self.component {
            if !routes.targets().any(|target| *target == name) {
                return Err(complaint(
                    format!("component.{name}"),
                    "no trigger.http leads to it",
                ));
            }
            if component.source.as_os_str().is_empty() {
                return Err(complaint(
                    format!("component.{name}.source"),
                    "must be the path of a .wasm file",
                ));
            }
            let source = Source {
                path: root.join(component.source),
                description: component.description,
            };
            components.insert(name, source);
        }
        Ok(Manifest {
            name,
            version,
            components,
            routes,
        })
    }
}

fn complaint(key: impl Into<String>, message: impl Into<String>) -> Complaint {
    (key.into(), message.into())
}

fn unknown(name: &str, components: &BTreeMap<String, Component>) -> String {
    let names: Vec<_> = components.keys().map(String::as_str).collect();
    format!(
        "there is no component `{name}`; there are: {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests;
