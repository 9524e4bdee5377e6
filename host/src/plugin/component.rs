//! One component made a phase: compiled, linked and asked what it is.

use std::{fs, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::task::spawn_blocking;
use wasmtime::component::{InstancePre, Linker};

use super::{
    Artifact, AttemptHost, PhaseInfo,
    bindings::phase::{PhasePluginPre, exports::phasewright::phase::phase::Descriptor},
    grants::PhaseGrant,
    guest::{Grant, Guest, call},
    limits::Limits,
    memory::{Appetite, MemoryPool},
    schema::Schema,
    text::shorten,
};
use crate::{
    wasm::Wasm,
    workflow::{Digest, Failure, Level, PhaseName},
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
    ..Limits::CLOSED
};

/// A phase that is ready to run.
pub(super) struct Phase {
    pub(super) info: PhaseInfo,
    pub(super) component: PhasePluginPre<Guest>,
    pub(super) config: Schema,
    pub(super) input: Schema,
    pub(super) output: Schema,
    pub(super) grant: PhaseGrant,
    pub(super) appetite: Arc<Appetite>,
}

/// Why a component is no phase.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// It never will be one.
    #[error("{0}")]
    Unusable(String),
    /// It does not say what it is. Another time it may: there was no memory left, say.
    #[error("cannot describe itself: {0}")]
    Silent(Failure),
}

impl From<String> for LoadError {
    fn from(reason: String) -> Self {
        Self::Unusable(reason)
    }
}

/// What it takes to make phases of components.
#[derive(Clone)]
pub(super) struct Loader {
    pub(super) wasm: Arc<Wasm>,
    pub(super) linker: Linker<Guest>,
    pub(super) memory: Arc<MemoryPool>,
}

impl Loader {
    /// Makes a phase of a component. What it is granted goes by the name that it says.
    pub(super) async fn phase(
        &self,
        read: impl FnOnce() -> Result<Bytes, String> + Send + 'static,
        grant: impl FnOnce(&PhaseName) -> PhaseGrant,
    ) -> Result<Phase, LoadError> {
        let (digest, component) = compile(&self.wasm, &self.linker, read).await?;
        let component =
            PhasePluginPre::new(component).map_err(|error| format!("is no phase: {error:#}"))?;
        let appetite = Arc::default();
        let descriptor = self.describe(&component, &appetite).await;
        let descriptor = descriptor.map_err(LoadError::Silent)?;
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
            grant: grant(&name),
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
            appetite,
        })
    }

    async fn describe(
        &self,
        component: &PhasePluginPre<Guest>,
        appetite: &Arc<Appetite>,
    ) -> Result<Descriptor, Failure> {
        let grant = Grant {
            limits: DESCRIBE_LIMITS,
            variables: Arc::default(),
            outbound: None,
            timeout: None,
            memory: self.memory.room(appetite).await,
        };
        let work = async |store: &mut wasmtime::Store<Guest>| {
            let plugin = component.instantiate_async(&mut *store).await?;
            plugin.phasewright_phase_phase().call_describe(store).await
        };
        call(&self.wasm, grant, Arc::new(Nobody), work)
            .await
            .map(|(descriptor, _)| descriptor)
    }
}

/// Compiles and links a component, off the asynchronous threads. The error names what it
/// imports and nobody offers.
pub(super) async fn compile(
    wasm: &Wasm,
    linker: &Linker<Guest>,
    read: impl FnOnce() -> Result<Bytes, String> + Send + 'static,
) -> Result<(Digest, InstancePre<Guest>), String> {
    let (compiler, linker) = (wasm.compiler().clone(), linker.clone());
    let work = move || {
        let bytes = read()?;
        let digest = Digest::of(&bytes);
        let component = (compiler.component(digest, &bytes))
            .map_err(|error| format!("is no component: {error:#}"))?;
        let ready = linker
            .instantiate_pre(&component)
            .map_err(|error| format!("{error:#}"))?;
        Ok((digest, ready))
    };
    spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())?
}

/// The bytes of a component in a file. Blocks.
pub(super) fn read(file: &Path) -> Result<Bytes, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > COMPONENT_BYTES_MAX {
        return Err(format!(
            "{size} bytes are more than the limit of {COMPONENT_BYTES_MAX}"
        ));
    }
    fs::read(file)
        .map(Bytes::from)
        .map_err(|error| error.to_string())
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
