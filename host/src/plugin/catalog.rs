//! The phases that there are: components of one or more folders, compiled, linked and
//! asked what they are once, at start-up.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::Value;
use tokio::task::spawn_blocking;
use wasmtime::component::{Component, InstancePre, Linker};

use super::{
    Artifact, AttemptHost, PhaseInfo,
    bindings::phase::{PhasePluginPre, exports::phasewright::phase::phase::Descriptor},
    grants::{Env, Grants, GrantsError, PhaseGrant},
    guest::{Grant, Guest, call},
    limits::Limits,
    memory::MemoryPool,
    schema::Schema,
    text::shorten,
};
use crate::{
    wasm::Wasm,
    workflow::{Digest, Level, PhaseName},
};

/// Largest component. One with a whole Python interpreter in it has 40 MB.
const COMPONENT_BYTES_MAX: u64 = 256 << 20;

/// Longest description of a phase, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// What `describe` may use: it only hands out constants, but an interpreter may have to start.
const DESCRIBE_LIMITS: Limits = Limits {
    wall_clock: Duration::from_secs(30),
    cpu_time: Duration::from_secs(10),
    memory_bytes: 256 << 20,
    output_bytes: 1 << 20,
    artifact_bytes: 1,
    artifact_count: 1,
    log_bytes: 64 << 10,
    log_lines: 100,
    outbound_requests: 0,
    outbound_bytes: 0,
    outbound_time: Duration::ZERO,
};

/// Why the phases cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A folder or file that cannot be read.
    #[error("read {}: {reason}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file that is no usable phase.
    #[error("load phase {}: {reason}", file.display())]
    Phase {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two components say that they are the same phase.
    #[error("phase {name} is in two files: {} and {}", first.display(), second.display())]
    Twice {
        /// The name of both.
        name: PhaseName,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// What is granted to them.
    #[error(transparent)]
    Grants(#[from] GrantsError),
}

/// A phase that is ready to run.
pub(super) struct Phase {
    pub(super) info: PhaseInfo,
    pub(super) component: PhasePluginPre<Guest>,
    pub(super) config: Schema,
    pub(super) input: Schema,
    pub(super) output: Schema,
    pub(super) grant: PhaseGrant,
    file: PathBuf,
}

/// The phases that are ready to run.
pub(super) struct Catalog {
    by_digest: HashMap<Digest, Arc<Phase>>,
    by_name: BTreeMap<PhaseName, Arc<Phase>>,
    infos: Arc<BTreeMap<PhaseName, PhaseInfo>>,
}

/// What loading needs.
pub(super) struct Loader<'a> {
    pub(super) wasm: &'a Wasm,
    pub(super) linker: &'a Linker<Guest>,
    pub(super) memory: &'a Arc<MemoryPool>,
    pub(super) env: Env<'a>,
}

impl Catalog {
    /// The phases of these folders: every file in them that ends in `.wasm`.
    pub(super) async fn load(
        loader: &Loader<'_>,
        folders: &[PathBuf],
    ) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            by_digest: HashMap::new(),
            by_name: BTreeMap::new(),
            infos: Arc::default(),
        };
        for phases in try_join_all(folders.iter().map(|folder| loader.folder(folder))).await? {
            for phase in phases {
                catalog.add(phase)?;
            }
        }
        let infos = catalog.by_name.values().map(|phase| &phase.info);
        let infos = infos.map(|info| (info.name.clone(), info.clone()));
        catalog.infos = Arc::new(infos.collect());
        Ok(catalog)
    }

    /// The phase that an execution pinned.
    pub(super) fn pinned(&self, digest: Digest) -> Option<&Arc<Phase>> {
        self.by_digest.get(&digest)
    }

    /// The phase that has this name now.
    pub(super) fn named(&self, name: &PhaseName) -> Option<&Arc<Phase>> {
        self.by_name.get(name)
    }

    /// What all phases say about themselves.
    pub(super) fn infos(&self) -> Arc<BTreeMap<PhaseName, PhaseInfo>> {
        self.infos.clone()
    }

    fn add(&mut self, phase: Phase) -> Result<(), CatalogError> {
        let phase = Arc::new(phase);
        self.by_digest.insert(phase.info.digest, phase.clone());
        let name = phase.info.name.clone();
        match self.by_name.insert(name.clone(), phase.clone()) {
            None => Ok(()),
            Some(first) => Err(CatalogError::Twice {
                name,
                first: first.file.clone(),
                second: phase.file.clone(),
            }),
        }
    }
}

impl Loader<'_> {
    async fn folder(&self, folder: &Path) -> Result<Vec<Phase>, CatalogError> {
        let grants = Grants::load(folder, self.env)?;
        let files = components(folder).map_err(|error| CatalogError::Read {
            path: folder.to_owned(),
            reason: error.to_string(),
        })?;
        let phases = try_join_all(files.iter().map(async |file| {
            self.phase(file, &grants)
                .await
                .map_err(|reason| CatalogError::Phase {
                    file: file.clone(),
                    reason,
                })
        }))
        .await?;
        let names: Vec<_> = phases.iter().map(|phase| phase.info.name.clone()).collect();
        grants.check_names(&names)?;
        Ok(phases)
    }

    async fn phase(&self, file: &Path, grants: &Grants) -> Result<Phase, String> {
        let (digest, component) = compile(self.wasm, self.linker, file.to_owned()).await?;
        let component =
            PhasePluginPre::new(component).map_err(|error| format!("is no phase: {error:#}"))?;
        let descriptor = self.describe(&component).await?;
        let part = |what: &str, reason: String| format!("{what}: {reason}");
        let name: PhaseName = descriptor
            .name
            .parse()
            .map_err(|error| format!("name: {error}"))?;
        let version = shorten(descriptor.version, DESCRIPTION_CHARS_MAX);
        semver::Version::parse(&version)
            .map_err(|error| format!("version {version:?} is not a semantic version: {error}"))?;
        let schema = |what: &str, text: &str| -> Result<(Arc<Value>, Schema), String> {
            let (document, schema) = Schema::parse(text).map_err(|reason| part(what, reason))?;
            Ok((Arc::new(document), schema))
        };
        let (config_schema, config) = schema("config schema", &descriptor.config_schema)?;
        let (input_schema, input) = schema("input schema", &descriptor.input_schema)?;
        let (output_schema, output) = schema("output schema", &descriptor.output_schema)?;
        Ok(Phase {
            grant: grants.of(&name),
            info: PhaseInfo {
                name,
                version,
                description: shorten(descriptor.description, DESCRIPTION_CHARS_MAX),
                config_schema,
                input_schema,
                output_schema,
                digest,
            },
            component,
            config,
            input,
            output,
            file: file.to_owned(),
        })
    }

    async fn describe(&self, component: &PhasePluginPre<Guest>) -> Result<Descriptor, String> {
        let grant = Grant {
            limits: DESCRIBE_LIMITS,
            variables: Arc::default(),
            outbound: None,
            timeout: None,
            memory: self.memory.clone(),
        };
        let work = async |store: &mut wasmtime::Store<Guest>| {
            let plugin = component.instantiate_async(&mut *store).await?;
            plugin.phasewright_phase_phase().call_describe(store).await
        };
        call(self.wasm, grant, Arc::new(Nobody), work)
            .await
            .map(|(descriptor, _)| descriptor)
            .map_err(|failure| format!("cannot describe itself: {failure}"))
    }
}

/// Reads, compiles and links a component, off the asynchronous threads. The error names
/// what it imports and nobody offers.
pub(super) async fn compile(
    wasm: &Wasm,
    linker: &Linker<Guest>,
    file: PathBuf,
) -> Result<(Digest, InstancePre<Guest>), String> {
    let (engine, linker) = (wasm.engine().clone(), linker.clone());
    let work = move || {
        let size = fs::metadata(&file)
            .map_err(|error| error.to_string())?
            .len();
        if size > COMPONENT_BYTES_MAX {
            return Err(format!(
                "{size} bytes are more than the limit of {COMPONENT_BYTES_MAX}"
            ));
        }
        let bytes = fs::read(&file).map_err(|error| error.to_string())?;
        let component = Component::from_binary(&engine, &bytes)
            .map_err(|error| format!("is no component: {error:#}"))?;
        let ready = linker
            .instantiate_pre(&component)
            .map_err(|error| format!("{error:#}"))?;
        Ok((Digest::of(&bytes), ready))
    };
    spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())?
}

/// Files that end in `.wasm`, by name.
fn components(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The other side of a call that nobody listens to.
pub(super) struct Nobody;

#[async_trait]
impl AttemptHost for Nobody {
    fn log(&self, _level: Level, _message: String) {}
    fn progress(&self, _fraction: f32, _message: String) {}
    async fn artifact(&self, _node: &str, _name: &str) -> Result<Artifact, String> {
        Err("there are no artifacts here".into())
    }
    async fn effect(&self) -> Result<(), String> {
        Err("there is no attempt here".into())
    }
}
