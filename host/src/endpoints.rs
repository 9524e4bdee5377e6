//! Endpoint components: everything HTTP that is not the listener itself is answered by a
//! sandboxed Spin component, which asks the engine through the workflow interface.
//!
//! Each component is compiled and linked once, at start-up, where a missing import is an
//! error. Requests run in instances that are used again (one after another and several side
//! by side), so a component must keep nothing of a caller; Spin does the same.
//!
//! **Invariant:** an endpoint has no files, sockets or outbound HTTP; all it can do is ask the
//! engine, and read the variables and the environment that the manifest gives it.
//! **Invariant:** whatever a component does (trap, loop, take memory, never answer), its
//! requests get an answer, other components go on, and it is logged once.

mod door;
mod grants;
mod handler;
mod instance;
mod interest;
mod manifest;
mod routes;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use wasmtime::component::Component;
use wasmtime_wasi_http::{WasiBody, handler::ProxyHandler};

use crate::{
    contract::Engine,
    wasm::{ENDPOINT_CALLS_MAX, ENDPOINT_INSTANCES_MAX, Wasm},
    workflow::Digest,
};
use grants::Grants;
use handler::Handler;
use interest::interest;

pub use interest::Awaited;
pub use manifest::{Manifest, ManifestError, Source};
pub use routes::{Route, RouteError, Routes};

/// What endpoint components may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's arrival to the head of its response. The longest wait that the API
    /// offers is 60 seconds (`Prefer: wait`), so the default is 75.
    pub response_head: Duration,
    /// How long a component may compute without waiting for anything. Default 10 seconds:
    /// shaping the largest answers takes milliseconds.
    pub busy: Duration,
    /// How long a component may go on after the last of its responses has been sent.
    /// Default 10 seconds.
    pub afterwards: Duration,
    /// How long an instance is kept for the next request. Default 10 seconds.
    pub idle: Duration,
    /// How long a request waits for an instance when all are taken. Default 5 seconds.
    pub instance_wait: Duration,
    /// Requests that one instance serves before a fresh one takes its place, so that what
    /// leaks in a guest does not add up. Default 128, as in Spin.
    pub requests_per_instance: usize,
    /// Requests that an instance works on at once. Default 16, as in Spin.
    pub calls_per_instance: usize,
    /// Responses that one instance streams at once. Default 256: with all instances
    /// streaming, that is more than there can be connections.
    pub streams_per_instance: usize,
    /// Linear memories and tables of one instance, in bytes. Default 128 MiB: several times
    /// the largest request body.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            response_head: Duration::from_secs(75),
            busy: Duration::from_secs(10),
            afterwards: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            instance_wait: Duration::from_secs(5),
            requests_per_instance: 128,
            calls_per_instance: ENDPOINT_CALLS_MAX as usize,
            streams_per_instance: 256,
            memory_bytes: 128 << 20,
        }
    }
}

/// The endpoints of an application, ready to answer.
pub struct Endpoints {
    routes: Routes<Arc<Endpoint>>,
    stop: watch::Sender<bool>,
}

/// One component, ready to answer.
pub struct Endpoint {
    name: Arc<str>,
    handler: ProxyHandler<Handler>,
    response_head: Duration,
}

/// Why an application cannot be served.
#[derive(Debug, Error)]
pub enum EndpointsError {
    /// The binary cannot be read or is not a component.
    #[error("component `{component}`: {}: {error:#}", path.display())]
    Load {
        /// Its name in the manifest.
        component: String,
        /// Its binary.
        path: PathBuf,
        /// What is wrong with it.
        error: wasmtime::Error,
    },
    /// It asks for variables, and one has no value.
    #[error("component `{component}`: {why}")]
    Variable {
        /// Its name in the manifest.
        component: String,
        /// Names the variable.
        why: String,
    },
    /// It wants something that endpoints are not given, or is no HTTP handler.
    #[error("component `{component}`: {error:#}")]
    Link {
        /// Its name in the manifest.
        component: String,
        /// Names the import or export.
        error: wasmtime::Error,
    },
}

/// Why a component gave no response. It has been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It trapped, used up a limit, or answered nonsense.
    Failed,
    /// It did not answer within [`Limits::response_head`].
    TimedOut,
    /// There was no instance for it.
    Overloaded,
}

impl Endpoints {
    /// Compiles and links the components of an application.
    pub fn load(
        wasm: &Arc<Wasm>,
        manifest: Manifest,
        engine: &Arc<dyn Engine>,
        limits: Limits,
    ) -> Result<Self, EndpointsError> {
        let (stop, stopping) = watch::channel(false);
        let instances = Arc::new(Semaphore::new(ENDPOINT_INSTANCES_MAX as usize));
        let linker = instance::linker(wasm.engine()).map_err(|error| EndpointsError::Link {
            component: "(all)".into(),
            error,
        })?;
        let mut endpoints = std::collections::BTreeMap::new();
        for (name, source) in manifest.components {
            let component =
                component(wasm, &source.path).map_err(|error| EndpointsError::Load {
                    component: name.clone(),
                    path: source.path.clone(),
                    error,
                })?;
            let pre =
                instance::link(&linker, &component).map_err(|error| EndpointsError::Link {
                    component: name.clone(),
                    error,
                })?;
            let grants = Grants::of(&source, &manifest.variables, &component).map_err(|why| {
                EndpointsError::Variable {
                    component: name.clone(),
                    why,
                }
            })?;
            let name: Arc<str> = name.into();
            let handler = Handler {
                name: name.clone(),
                pre,
                wasm: wasm.clone(),
                engine: engine.clone(),
                grants: Arc::new(grants),
                stopping: stopping.clone(),
                instances: instances.clone(),
                limits,
            };
            let endpoint = Endpoint {
                name: name.clone(),
                handler: ProxyHandler::new(handler),
                response_head: limits.response_head,
            };
            endpoints.insert(name, Arc::new(endpoint));
        }
        // The manifest has checked that every route leads to a component.
        let routes = (manifest.routes).map(|name| endpoints[name.as_str()].clone());
        Ok(Self { routes, stop })
    }

    /// The component that answers this path (without the query).
    pub fn find(&self, path: &str) -> Option<&Arc<Endpoint>> {
        self.routes.find(path)
    }

    /// Ends live streams and waits at the next opportunity, so that the host can stop.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

fn component(wasm: &Wasm, path: &Path) -> wasmtime::Result<Component> {
    let bytes = fs::read(path)?;
    wasm.compiler().component(Digest::of(&bytes), &bytes)
}

impl Endpoint {
    /// The component's name in the manifest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has the component answer. Dropping the future or the body of the response tells the
    /// component that nobody is there any more.
    pub async fn handle(
        &self,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<Awaited>, Failure> {
        let start = Instant::now();
        let (interest, asked) = interest();
        match self.handler.handle(asked, request).await {
            Ok(response) => Ok(response.map(|body| interest.in_body(body))),
            Err(error) => Err(self.explain(&error, start.elapsed())),
        }
    }

    fn explain(&self, error: &wasmtime::Error, after: Duration) -> Failure {
        use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, TrapOrPanicError};
        let component = &*self.name;
        if error.is::<TrapOrPanicError>() {
            // The instance's end has been logged with its reason.
            if after >= self.response_head {
                Failure::TimedOut
            } else {
                Failure::Failed
            }
        } else if error.is::<ExpirationError>() {
            let seconds = self.response_head.as_secs_f32();
            tracing::error!(component, "the endpoint did not answer within {seconds} s");
            Failure::TimedOut
        } else if let Some(error) = error.downcast_ref::<InstantiationError<interest::Asked>>() {
            tracing::error!(component, "no instance of the endpoint: {:#}", error.error);
            Failure::Overloaded
        } else {
            tracing::error!(component, "the endpoint gave no response: {error:#}");
            Failure::Failed
        }
    }
}
