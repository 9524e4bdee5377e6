//! Reading `spin.toml`, manifest version 2: the one description of the endpoints that
//! both this host and Spin serve.
//!
//! **Invariant:** nothing in the file is passed over in silence. What this host does
//! not support is refused by name, as is anything misspelt.
//!
//! One thing is passed over with a reason: what stands in for the engine elsewhere, and what is
//! granted to it. Here the engine itself satisfies the import.

mod dependency;
mod variables;

pub use variables::{Template, Variables};

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use super::routes::{Route, RouteError, Routes};
use dependency::Dependency;

/// An application as the host serves it.
#[derive(Debug)]
pub struct Manifest {
    /// Name of the application.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// What templates may refer to.
    pub variables: Variables,
    /// The components that a route leads to, by name.
    pub components: BTreeMap<String, Source>,
    /// Which component answers which path.
    pub routes: Routes<String>,
}

/// Where a component's binary is.
#[derive(Debug)]
pub struct Source {
    /// The `.wasm` file, found from the folder of the manifest.
    pub path: PathBuf,
    /// For people.
    pub description: Option<String>,
    /// Its variables.
    pub variables: BTreeMap<String, Template>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// What stands in for the engine elsewhere, by what it satisfies: `phasewright:workflow@…` by
    /// the name of a component or the path of a file.
    pub dependencies: BTreeMap<String, String>,
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
    #[serde(default)]
    variables: Variables,
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
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(rename = "dependencies_inherit_configuration")]
    inherits: Option<bool>,
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
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
        self.variables.check()?;
        dependency::check(&self.component)?;
        let mut components = BTreeMap::new();
        let stand_ins = dependency::stand_ins(&self.component);
        for (name, component) in self.component {
            if !routes.targets().any(|target| *target == name) {
                if stand_ins.contains(&name) {
                    component.check(&name, &self.variables, root)?;
                    continue;
                }
                return Err(complaint(
                    format!("component.{name}"),
                    "no trigger.http leads to it",
                ));
            }
            let source = component.check(&name, &self.variables, root)?;
            components.insert(name, source);
        }
        Ok(Manifest {
            name,
            version,
            variables: self.variables,
            components,
            routes,
        })
    }
}

impl Component {
    fn check(self, name: &str, known: &Variables, root: &Path) -> Result<Source, Complaint> {
        let key = |field: &str| format!("component.{name}.{field}");
        if self.source.as_os_str().is_empty() {
            return Err(complaint(key("source"), "must be the path of a .wasm file"));
        }
        let mut variables = BTreeMap::new();
        for (variable, text) in self.variables {
            variables::check_name(&variable).map_err(|why| complaint(key("variables"), why))?;
            let template = known.template(&text);
            let template =
                template.map_err(|why| complaint(key(&format!("variables.{variable}")), why))?;
            variables.insert(variable, template);
        }
        let hosts = || key("allowed_outbound_hosts");
        for host in &self.allowed_outbound_hosts {
            known
                .template(host)
                .map_err(|why| complaint(hosts(), why))?;
        }
        if !self.allowed_outbound_hosts.is_empty() && self.dependencies.is_empty() {
            return Err(complaint(
                hosts(),
                "endpoints call nobody here; it is for a dependency that stands in for the engine \
                 elsewhere",
            ));
        }
        let dependencies = self.dependencies.into_iter();
        Ok(Source {
            path: root.join(self.source),
            description: self.description,
            variables,
            environment: self.environment,
            dependencies: dependencies
                .map(|(name, dependency)| (name, dependency.target()))
                .collect(),
        })
    }

    /// Whether it has something that a dependency gets from who depends on it.
    fn is_granted(&self) -> bool {
        !self.variables.is_empty()
            || !self.environment.is_empty()
            || !self.allowed_outbound_hosts.is_empty()
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
