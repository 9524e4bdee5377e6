//! The engine API: the door for endpoint components that run elsewhere, on Spin for instance,
//! where `components/engine-link` knocks for them.
//!
//! `POST /engine/v1/{interface}/{function}` is one call of one function of the workflow
//! interface. The body is a JSON object with the parameters by name; the answer is the result.
//! Where a stream stands in a result there is `null`, and the answer goes on after a line break
//! with what the stream carries: bytes as they are, anything else one JSON text per line.
//! What is answered otherwise than 200 is not the engine's word but the door's.
//!
//! **Invariant:** nobody comes in without a token of the scope `engine`. Whoever has one speaks
//! for clients, whose own credentials are in `caller`.
//! **Invariant:** the JSON form of a type is what serde makes of the Rust type that comes from
//! the WIT, here and in the link: records are objects with names in `snake_case`, cases are
//! named in `UpperCamelCase`, results are `{"Ok": …}` or `{"Err": …}`.

mod answer;
mod functions;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use tokio::sync::watch;
use wasmtime_wasi_http::WasiBody;

use crate::{
    access::{Access, Scope, Tokens},
    contract::Engine,
    endpoints::Failure,
    http::Site,
};
use refusal::{Refusal, refused};

pub use functions::{FUNCTIONS, Function};

/// Where the functions are.
const ROOT: &str = "/engine/v1/";

/// The largest request. A client's body of 8 MiB is a JSON text in a JSON string here, where each
/// quote and backslash takes two bytes.
pub const BODY_BYTES_MAX: u64 = 17 << 20;

/// The functions of an engine, as a [`Site`].
pub struct EngineApi {
    engine: Arc<dyn Engine>,
    /// Of those who may come in.
    access: Access,
    stop: watch::Sender<bool>,
}

/// What a function is called with.
struct Call {
    engine: Arc<dyn Engine>,
    /// The parameters, as JSON.
    parameters: Bytes,
    /// True when the host stops.
    stopping: watch::Receiver<bool>,
}

impl EngineApi {
    /// A door to this engine, which those of these tokens open that have the scope `engine`.
    pub fn new(engine: Arc<dyn Engine>, tokens: Arc<Tokens>) -> Self {
        let (stop, _) = watch::channel(false);
        Self {
            engine,
            access: Access::Tokens(tokens),
            stop,
        }
    }

    fn admit(&self, request: &Request<WasiBody>) -> Result<(), Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        let given = request.headers().get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        let allowed = self.access.allow(given, &Scope::Engine);
        allowed.map(drop).map_err(Refusal::Token)
    }

    async fn call(
        &self,
        function: &'static Function,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Refusal> {
        self.admit(&request)?;
        // A body that breaks off or is too long is the listener's to explain.
        let parameters = request.into_body().collect().await;
        let call = Call {
            engine: self.engine.clone(),
            parameters: parameters.map_err(|_| Refusal::Body)?.to_bytes(),
            stopping: self.stop.subscribe(),
        };
        let mut stopping = self.stop.subscribe();
        tokio::select! {
            answer = (function.call)(call) => answer.map_err(Refusal::Parameters),
            // Another engine waits on.
            _ = stopping.wait_for(|stopping| *stopping), if function.waits() => Err(Refusal::Stopping),
        }
    }
}

impl Site for EngineApi {
    type Endpoint = &'static Function;
    type Body = WasiBody;

    fn find(&self, path: &str) -> Option<&'static Function> {
        let (interface, name) = path.strip_prefix(ROOT)?.split_once('/')?;
        let is_it = |function: &&Function| function.interface == interface && function.name == name;
        FUNCTIONS.iter().find(is_it)
    }

    async fn handle(
        &self,
        function: &'static Function,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Failure> {
        let answer = self.call(function, request).await;
        let mut response = answer.unwrap_or_else(|refusal| refused(&refusal));
        let no_store = HeaderValue::from_static("no-store");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
        Ok(response)
    }

    fn stop(&self) {
        self.stop.send_replace(true);
    }
}
