//! `phases.toml`: what the operator grants to the phases of a folder.
//!
//! ```toml
//! [defaults.limits]            # for every phase of the folder
//! cpu_time_ms = 5_000
//!
//! [phase.notify]               # nothing is granted that is not named here
//! optional = true              # it need not be in the folder: executions may have pinned it
//! allowed_outbound_hosts = ["https://*.example.com", "http://localhost:*"]
//!
//! [phase.notify.limits]
//! memory_bytes = 67_108_864
//!
//! [phase.notify.variables]
//! channel = "ops"
//! token = { env = "NOTIFY_TOKEN" }
//! ```
//!
//! An outbound host is `scheme://host[:port]`: `*` is any scheme (`https` or `http`), host or
//! port, `*.` any name below a domain, and without a port it is the usual one of the scheme.
//!
//! The limits are `wall_clock_ms`, `cpu_time_ms`, `memory_bytes`, `output_bytes`,
//! `artifact_bytes`, `artifact_count`, `log_bytes`, `log_lines`, `outbound_requests`,
//! `outbound_bytes` and `outbound_time_ms`; see [`Limits`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    limits::{Limits, LimitsPatch},
    outbound::AllowedHosts,
};
use crate::workflow::PhaseName;

/// Name of the file in a folder of phases.
const FILE_NAME: &str = "phases.toml";

/// Why `phases.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GrantsError {
    /// It is there and cannot be read.
    #[error("read {}: {error}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no TOML, or has keys that do not exist.
    #[error("{}: {error}", file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// A value that does not work.
    #[error("{}: {key}: {reason}", file.display())]
    Value {
        /// Which file.
        file: PathBuf,
        /// Which key, with its tables.
        key: String,
        /// Why.
        reason: String,
    },
}

/// What the phases of one folder are granted.
#[derive(Debug)]
pub(super) struct Grants {
    file: PathBuf,
    defaults: Limits,
    phases: BTreeMap<PhaseName, PhaseGrant>,
    /// Those that the folder need not have.
    optional: BTreeSet<PhaseName>,
}

/// What one phase is granted.
#[derive(Debug, Clone, Default)]
pub(super) struct PhaseGrant {
    pub(super) limits: Limits,
    pub(super) variables: Arc<BTreeMap<String, String>>,
    pub(super) hosts: Arc<AllowedHosts>,
}

/// Looks up a variable of the host's environment.
pub(super) type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

impl Grants {
    /// Reads the file of a folder; without one, nothing but the default limits is granted.
    pub(super) fn load(folder: &Path, env: Env<'_>) -> Result<Self, GrantsError> {
        let file = folder.join(FILE_NAME);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(GrantsError::Read { file, error }),
        };
        Self::parse(file, &text, env)
    }

    fn parse(file: PathBuf, text: &str, env: Env<'_>) -> Result<Self, GrantsError> {
        let document: Document = match toml::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                let error = Box::new(error);
                return Err(GrantsError::Syntax { file, error });
            }
        };
        let limits = |patch: LimitsPatch, base, table: &str| {
            patch.apply(base).map_err(|reason| GrantsError::Value {
                file: file.clone(),
                key: table.to_owned(),
                reason,
            })
        };
        let defaults = limits(
            document.defaults.limits,
            Limits::default(),
            "defaults.limits",
        )?;
        let mut phases = BTreeMap::new();
        let mut optional = BTreeSet::new();
        for (name, table) in document.phase {
            if table.optional {
                optional.insert(name.clone());
            }
            let limits = limits(table.limits, defaults, &format!("phase.{name}.limits"))?;
            let variables = variables(table.variables, env).map_err(|(key, reason)| {
                let key = format!("phase.{name}.variables.{key}");
                let file = file.clone();
                GrantsError::Value { file, key, reason }
            })?;
            let hosts = AllowedHosts::parse(&table.allowed_outbound_hosts).map_err(|reason| {
                let key = format!("phase.{name}.allowed_outbound_hosts");
                let file = file.clone();
                GrantsError::Value { file, key, reason }
            })?;
            let grant = PhaseGrant {
                limits,
                variables: Arc::new(variables),
                hosts: Arc::new(hosts),
            };
            phases.insert(name, grant);
        }
        Ok(Self {
            file,
            defaults,
            phases,
            optional,
        })
    }

    /// What a phase is granted.
    pub(super) fn of(&self, phase: &PhaseName) -> PhaseGrant {
        self.phases.get(phase).cloned().unwrap_or(PhaseGrant {
            limits: self.defaults,
            variables: Arc::default(),
            hosts: Arc::default(),
        })
    }

    /// Is there anything about this phase in particular?
    pub(super) fn name(&self, phase: &PhaseName) -> bool {
        self.phases.contains_key(phase)
    }

    /// Refuses grants for phases that the folder has to have and does not: most likely a
    /// wrong name.
    pub(super) fn check_names(&self, there: &[PhaseName]) -> Result<(), GrantsError> {
        let is_missing =
            |name: &&PhaseName| !there.contains(name) && !self.optional.contains(*name);
        let Some(missing) = self.phases.keys().find(is_missing) else {
            return Ok(());
        };
        let there: Vec<_> = there.iter().map(PhaseName::as_str).collect();
        Err(GrantsError::Value {
            file: self.file.clone(),
            key: format!("phase.{missing}"),
            reason: format!(
                "there is no such phase in this folder; there are: {}",
                there.join(", ")
            ),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    defaults: Defaults,
    phase: BTreeMap<PhaseName, PhaseTable>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Defaults {
    limits: LimitsPatch,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PhaseTable {
    allowed_outbound_hosts: Vec<String>,
    limits: LimitsPatch,
    /// Need it not be in the folder?
    optional: bool,
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a text or { env = \"NAME\" }"
)]
enum Variable {
    Literal(String),
    Environment { env: String },
}

fn variables(
    variables: BTreeMap<String, Variable>,
    env: Env<'_>,
) -> Result<BTreeMap<String, String>, (String, String)> {
    let value = |(key, variable)| match variable {
        Variable::Literal(value) => Ok((key, value)),
        Variable::Environment { env: name } => match env(&name) {
            Some(value) => Ok((key, value)),
            None => Err((
                key,
                format!("{name} is not set in the host's environment, or is not UTF-8"),
            )),
        },
    };
    variables.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(text: &str) -> Result<Grants, String> {
        let env = |name: &str| (name == "TOKEN").then(|| "secret".to_owned());
        Grants::parse("dir/phases.toml".into(), text, &env).map_err(|error| error.to_string())
    }

    fn name(text: &str) -> PhaseName {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_is_granted_but_what_is_named() {
        let grants = parse(
            r#"
            [defaults.limits]
            cpu_time_ms = 50
            [phase.notify]
            allowed_outbound_hosts = ["https://example.com"]
            [phase.notify.limits]
            log_lines = 7
            [phase.notify.variables]
            channel = "ops"
            token = { env = "TOKEN" }
            "#,
        )
        .unwrap();
        let notify = grants.of(&name("notify"));
        assert_eq!(notify.limits.cpu_time, Duration::from_millis(50));
        assert_eq!(notify.limits.log_lines, 7);
        assert_eq!(notify.variables["channel"], "ops");
        assert_eq!(notify.variables["token"], "secret");
        assert_ne!(*notify.hosts, AllowedHosts::default());
        let other = grants.of(&name("other"));
        assert_eq!(other.limits.cpu_time, Duration::from_millis(50));
        assert_eq!(other.limits.log_lines, Limits::default().log_lines);
        assert!(other.variables.is_empty());
        assert_eq!(*other.hosts, AllowedHosts::default());
        assert_eq!(
            parse("").unwrap().of(&name("other")).limits,
            Limits::default()
        );
    }

    #[test]
    fn errors_name_file_and_key() {
        for (text, parts) in [
            ("[phase.a.limit]", &["unknown field `limit`"][..]),
            (
                "[defaults.limits]\nmemory = 1",
                &["unknown field `memory`", "memory_bytes"],
            ),
            (
                "[defaults.limits]\nmemory_bytes = 0",
                &["defaults.limits: memory_bytes: 0 is not"],
            ),
            ("[phase.a.limits]\nlog_lines = -1", &["log_lines = -1"]),
            ("[phase.A]", &["\"A\" is not a phase name"]),
            (
                "[phase.a.variables]\nx = 1",
                &["expected a text or { env", "x = 1"],
            ),
            (
                "[phase.a.variables]\nx = { file = \"y\" }",
                &["expected a text or { env"],
            ),
            (
                "[phase.a.variables]\nx = { env = \"GONE\" }",
                &["phase.a.variables.x: GONE is not set"],
            ),
            (
                "[phase.a]\nallowed_outbound_hosts = [\"https://b\", \"c\"]",
                &["phase.a.allowed_outbound_hosts: \"c\" does not begin with"],
            ),
            (
                "[phase.a]\nallowed_outbound_hosts = \"https://b\"",
                &["allowed_outbound_hosts", "line 2"],
            ),
            ("nonsense", &["line 1"]),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("dir/phases.toml: "), "{error}");
            for part in parts {
                assert!(error.contains(part), "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn a_grant_for_a_phase_that_is_not_there_is_refused() {
        let grants = parse("[phase.notfy]").unwrap();
        let there = [name("notify"), name("delay")];
        let error = grants.check_names(&there);
        assert_eq!(
            error.unwrap_err().to_string(),
            "dir/phases.toml: phase.notfy: there is no such phase in this folder; \
             there are: notify, delay"
        );
        let grants = parse("[phase.notfy]\noptional = true\nlimits.log_lines = 7").unwrap();
        grants.check_names(&there).unwrap();
        assert_eq!(grants.of(&name("notfy")).limits.log_lines, 7);
    }
}
