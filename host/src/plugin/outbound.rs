//! Outbound HTTP of one call of a guest.
//!
//! **Invariant:** a request reaches a granted host only, and not before everything that the
//! attempt depends on is durable.

mod body;
mod hosts;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use super::{
    AttemptHost,
    limits::{Exceeded, Limits},
    log::Log,
    text::shorten,
};
use crate::workflow::{Level, PhaseName};

use body::{ToTheEnd, drain};
pub(super) use hosts::AllowedHosts;
use hosts::Destination;

/// How much of a body the host takes from a guest at once. There are a few of them in memory
/// for each request under way.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Longest error about a request in the log, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What one call of a guest may send, and has sent. Copies are of the same call.
#[derive(Clone)]
pub(super) struct Outbound(Arc<State>);

struct State {
    /// None for a guest that is no phase, or not known yet: it may send nothing.
    phase: Option<(PhaseName, Arc<AllowedHosts>)>,
    host: Arc<dyn AttemptHost>,
    log: Log,
    limits: Limits,
    requests: AtomicU64,
    bytes: AtomicU64,
    exceeded: OnceLock<Exceeded>,
}

/// A response, and what drives its connection.
type Sent = (
    Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl Outbound {
    pub(super) fn new(
        phase: Option<(PhaseName, Arc<AllowedHosts>)>,
        host: Arc<dyn AttemptHost>,
        log: Log,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(State {
            phase,
            host,
            log,
            limits,
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            exceeded: OnceLock::new(),
        }))
    }

    /// The limit that the guest ran into, if it did. Nothing here can trap, so whoever polls
    /// the guest has to look.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.0.exceeded.get().copied()
    }

    /// Counts a request, also one that is refused, and decides whether it may be sent.
    fn admit(&self, request: &Request<WasiBody>) -> Result<Destination, Error> {
        let State { phase, limits, .. } = &*self.0;
        if self.0.requests.fetch_add(1, Relaxed) >= limits.outbound_requests {
            self.exceed(Exceeded::OutboundRequests(limits.outbound_requests));
            return Err(Error::ConnectionLimitReached);
        }
        let destination = Destination::of(request.uri()).ok_or(Error::HttpRequestUriInvalid)?;
        let Some((phase, hosts)) = phase else {
            return Err(Error::HttpRequestDenied);
        };
        if !hosts.allow(&destination) {
            self.tell(format!(
                "request to {destination} denied: it is not granted to phase {phase}; to grant it, \
                 add allowed_outbound_hosts = [\"{destination}\"] to [phase.{phase}] in phases.toml"
            ));
            return Err(Error::HttpRequestDenied);
        }
        Ok(destination)
    }

    /// Sends a request that was admitted, once it may have an effect.
    async fn send(
        self,
        destination: Destination,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Sent, Error> {
        if let Err(reason) = self.0.host.effect().await {
            self.tell(format!("request to {destination} not made: {reason}"));
            drain(request.into_body());
            return Err(Error::InternalError(Some(reason)));
        }
        let request = request.map(|body| ToTheEnd::new(self.count(body)));
        let sending = default_send_request(request, Some(self.bound(options)));
        let sent = timeout(self.0.limits.outbound_time, sending)
            .await
            .unwrap_or(Err(Error::HttpResponseTimeout));
        match sent {
            Ok((response, connection)) => {
                let response = response.map(|body| self.count(body.boxed_unsync()));
                Ok((response, Box::new(connection)))
            }
            Err(error) => {
                let reason = shorten(error.to_string(), REASON_CHARS_MAX);
                self.tell(format!("request to {destination} failed: {reason}"));
                Err(error)
            }
        }
    }

    /// What a guest wants to wait at most, within what it may.
    fn bound(&self, options: Option<RequestOptions>) -> RequestOptions {
        let RequestOptions {
            connect_timeout,
            first_byte_timeout,
            between_bytes_timeout,
        } = options.unwrap_or_default();
        let max = self.0.limits.outbound_time;
        let bound = |wanted: Option<_>| Some(wanted.map_or(max, |wanted| max.min(wanted)));
        RequestOptions {
            connect_timeout: bound(connect_timeout),
            first_byte_timeout: bound(first_byte_timeout),
            between_bytes_timeout: bound(between_bytes_timeout),
        }
    }

    /// Counts what passes through a body.
    fn count(&self, body: WasiBody) -> WasiBody {
        let outbound = self.clone();
        body.map_frame(move |frame| {
            let State { bytes, limits, .. } = &*outbound.0;
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes.fetch_add(length, Relaxed) + length > limits.outbound_bytes {
                outbound.exceed(Exceeded::OutboundBytes(limits.outbound_bytes));
            }
            frame
        })
        .boxed_unsync()
    }

    /// Tells whoever reads the log of the attempt: a guest sees hardly more than a code.
    fn tell(&self, message: String) {
        if let Err(exceeded) = self.0.log.message(Level::Warn, message) {
            self.exceed(exceeded);
        }
    }

    /// The first limit counts.
    fn exceed(&self, exceeded: Exceeded) {
        let _ = self.0.exceeded.set(exceeded);
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        match self.admit(&request) {
            Ok(destination) => Box::new(self.clone().send(destination, request, options)),
            Err(error) => {
                drain(request.into_body());
                Box::new(std::future::ready(Err(error)))
            }
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }
}
