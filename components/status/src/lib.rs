//! Shows executions: the list, one with its nodes, its journal, its artifacts.

use futures::StreamExt;
use http::request::Parts;
use phasewright_endpoint::{
    Problem, Reply, Request, artifact,
    bindings::{artifacts, events, executions},
    event,
    execution::{self, bulk},
    reply::stream,
    request::{
        allow,
        caller::caller,
        header::{last_event_id, wants_event_stream},
        path::{Path, artifact_name, id},
        query::Query,
    },
    serve,
};
use spin_sdk::http::Method;

serve!(super::handle);

async fn handle(request: Request) -> Reply {
    let (head, _) = request.into_parts();
    route(&head).await.unwrap_or_else(Problem::into_reply)
}

async fn route(head: &Parts) -> Result<Reply, Problem> {
    let path = Path::parse(head.uri.path())?;
    let segments = path.segments();
    let ["api", "executions", rest @ ..] = &segments[..] else {
        return Err(Problem::no_route());
    };
    match *rest {
        [] => list(head).await,
        [execution] => show(head, execution).await,
        [execution, "events"] => follow(head, execution).await,
        [execution, "artifacts"] => list_artifacts(head, execution).await,
        [execution, "artifacts", node, name] => read_artifact(head, execution, node, name).await,
        _ => Err(Problem::no_route()),
    }
}

async fn list(head: &Parts) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let query = Query::parse(head, &bulk::FILTER)?;
    let filter = bulk::filter(&query)?;
    let page = executions::list(caller(&head.headers)?, filter, query.page()?).await?;
    Ok(execution::listed(&page))
}

async fn show(head: &Parts, execution: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let execution = id("id", execution)?.to_owned();
    Query::parse(head, &[])?;
    let execution = executions::get(caller(&head.headers)?, execution).await?;
    Ok(execution::shown(&execution))
}

/// The journal: what is committed so far as a page of JSON, or live as server-sent events.
async fn follow(head: &Parts, execution: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let execution = id("id", execution)?.to_owned();
    if wants_event_stream(&head.headers) {
        return follow_live(head, execution).await;
    }
    let query = Query::parse(head, &["after", "limit"])?;
    let range = event::Range::parse(&query)?;
    let caller = caller(&head.headers)?;
    let page = events::list(caller, execution, range.after, range.limit).await?;
    Ok(event::listed(&page))
}

/// Events as they are committed, after the one that the client has seen last.
async fn follow_live(head: &Parts, execution: String) -> Result<Reply, Problem> {
    let query = Query::parse(head, &["after"])?;
    let after = query.number("after", 0, u64::MAX)?;
    let after = last_event_id(&head.headers)?.or(after).unwrap_or(0);
    let events = events::follow(caller(&head.headers)?, execution, after).await?;
    let frames = stream::batches(events).map(|batch| event::framed(&batch));
    Ok(stream::event_stream(frames))
}

async fn list_artifacts(head: &Parts, execution: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let execution = id("id", execution)?.to_owned();
    Query::parse(head, &[])?;
    let artifacts = artifacts::list(caller(&head.headers)?, execution).await?;
    Ok(artifact::listed(&artifacts))
}

async fn read_artifact(
    head: &Parts,
    execution: &str,
    node: &str,
    name: &str,
) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let execution = id("id", execution)?.to_owned();
    let node = id("node", node)?.to_owned();
    let name = artifact_name("name", name)?.to_owned();
    let item = Query::parse(head, &["item"])?.number("item", 0, u32::MAX)?;
    let caller = caller(&head.headers)?;
    let (artifact, bytes) = artifacts::read(caller, execution, node, item, name).await?;
    artifact::file(&head.headers, &artifact, stream::chunks(bytes))
}
