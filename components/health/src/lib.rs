//! Probes: is the engine well, ready, alive, started?

use http::{HeaderValue, StatusCode, header, request::Parts};
use phasewright_endpoint::{
    Problem, Reply, Request,
    bindings::health::{self, Probe},
    reply,
    request::allow,
    serve,
};
use spin_sdk::http::Method;

serve!(super::handle);

async fn handle(request: Request) -> Reply {
    let (head, _) = request.into_parts();
    let mut reply = probe(&head).await.unwrap_or_else(Problem::into_reply);
    let no_store = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(header::CACHE_CONTROL, no_store);
    reply
}

/// Asks the engine. Orchestrators probe all the time, so this looks at path and method only; a query,
/// which some load balancers add, changes nothing.
async fn probe(head: &Parts) -> Result<Reply, Problem> {
    let path = head.uri.path();
    let kind = match path.strip_suffix('/').unwrap_or(path) {
        "/health" => Kind::Report,
        "/health/ready" => Kind::Ready,
        "/health/live" => Kind::Live,
        "/health/startup" => Kind::Startup,
        _ => return Err(Problem::no_route()),
    };
    allow(head, &[Method::GET])?;
    Ok(match kind {
        // A report that can be given is a success, whatever it says.
        Kind::Report => reply::with_json(StatusCode::OK, health::report().await.detail),
        Kind::Ready => by_state(health::ready().await),
        Kind::Live => by_state(health::live().await),
        Kind::Startup => by_state(health::startup().await),
    })
}

enum Kind {
    Report,
    Ready,
    Live,
    Startup,
}

fn by_state(probe: Probe) -> Reply {
    let status = if probe.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    reply::with_json(status, probe.detail)
}
