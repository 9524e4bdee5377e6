//! The whole interface as an `OpenAPI` document, which `build.rs` puts together from `document/`.
//!
//! It is the same for everybody and asks the engine for nothing.

use http::request::Parts;
use phasewright_endpoint::{
    Problem, Reply, Request,
    reply::with_tag,
    request::{allow, caller::caller, path::Path, query::Query},
    serve,
};
use spin_sdk::http::Method;

/// The document, without spaces.
const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Its tag, with the quotes.
const TAG: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.tag"));

serve!(super::handle);

async fn handle(request: Request) -> Reply {
    let (head, _) = request.into_parts();
    show(&head).unwrap_or_else(Problem::into_reply)
}

fn show(head: &Parts) -> Result<Reply, Problem> {
    let ["api", "openapi.json"] = Path::parse(head.uri.path())?.segments()[..] else {
        return Err(Problem::no_route());
    };
    allow(head, &[Method::GET])?;
    caller(&head.headers)?;
    Query::parse(head, &[])?;
    with_tag(&head.headers, TAG, DOCUMENT)
}
