//! An endpoint that calls any function of the workflow interface: `POST …/{interface}/{function}`,
//! named as in Rust, with an array of the parameters; the answer is the result. Of events it reads the
//! first two, and a file it reads whole.

mod bindings;

use bindings::phasewright::workflow::{
    artifacts, catalog, checkpoints, definitions, events, executions, health,
};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Collected, Full};
use serde::Serialize;
use spin_sdk::{
    http::{Request, Response},
    http_service,
};

/// Events that are read of a stream, which may never end.
const EVENTS: usize = 2;

type Reply = Response<Full<Bytes>>;

#[http_service]
async fn handle(request: Request) -> Reply {
    let path = request.uri().path().to_owned();
    let mut segments = path.rsplit('/');
    let function = segments.next().unwrap_or_default();
    let interface = segments.next().unwrap_or_default();
    let body = request.into_body().collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    match call(interface, function, &body).await {
        Ok(Some(result)) => reply(StatusCode::OK, result),
        Ok(None) => reply(StatusCode::NOT_FOUND, Vec::new()),
        Err(error) => reply(StatusCode::BAD_REQUEST, error.to_string().into_bytes()),
    }
}

fn reply(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
}

/// Calls the functions that are written here.
macro_rules! call_one {
    (@read $body:expr,) => {};
    (@read $body:expr, $($parameter:ident),+) => {
        let ($($parameter,)+) = serde_json::from_slice($body)?;
    };
    ($call:expr, $body:expr, $($interface:ident: $($function:ident($($parameter:ident),*))*;)*) => {
        match $call {
            $($((stringify!($interface), stringify!($function)) => {
                call_one!(@read $body, $($parameter),*);
                json(&$interface::$function($($parameter),*).await).map(Some)
            })*)*
            ("events", "follow") => follow($body).await.map(Some),
            ("artifacts", "read") => read($body).await.map(Some),
            _ => Ok(None),
        }
    };
}

/// None when there is no such function.
async fn call(
    interface: &str,
    function: &str,
    body: &[u8],
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    call_one! { (interface, function), body,
        executions: start(caller, request, wait) get(caller, id) wait(caller, id, time) list(caller, filter, page)
            cancel(caller, id, reason) pause(caller, id, reason) resume(caller, id)
            rerun(caller, id, request, wait) plan_rerun(caller, id, request)
            apply(caller, action, filter, page, dry) migrate(caller, id, version)
            plan_migration(caller, id, version);
        events: list(caller, execution, after, limit);
        artifacts: list(caller, execution);
        checkpoints: get(caller, id) list(caller, filter, page) resolve(caller, id, decision, notes);
        definitions: put(caller, id, document, expected) validate(caller, document)
            get(caller, id, version) list(caller, page) versions(caller, id, page) templates(caller)
            diff(caller, id, from, to) deprecate(caller, id, version, reason)
            restore(caller, id, version) remove(caller, id, version)
            instantiate(caller, template, id, parameters, expected);
        catalog: list(caller) get(caller, name);
        health: report() ready() live() startup();
    }
}

async fn follow(body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let (caller, execution, after) = serde_json::from_slice(body)?;
    let mut stream = match events::follow(caller, execution, after).await {
        Ok(stream) => stream,
        Err(error) => return json(&Err::<(), _>(error)),
    };
    let mut seen = Vec::new();
    while seen.len() < EVENTS
        && let Some(event) = stream.next().await
    {
        seen.push(event);
    }
    json(&Ok::<_, ()>(seen))
}

async fn read(body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let (caller, execution, node, item, name) = serde_json::from_slice(body)?;
    let result = artifacts::read(caller, execution, node, item, name).await;
    match result {
        Ok((artifact, bytes)) => json(&Ok::<_, ()>((artifact, bytes.collect().await))),
        Err(error) => json(&Err::<(), _>(error)),
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(value)
}
