//! The inbox of checkpoints, and what reviewers decide.

use http::request::Parts;
use phasewright_endpoint::{
    Problem, Reply, Request,
    bindings::checkpoints::{self, Filter},
    checkpoint,
    request::{
        allow,
        body::read,
        caller::caller,
        path::{Path, id},
        query::Query,
    },
    serve,
};
use spin_sdk::http::Method;

serve!(super::handle);

async fn handle(request: Request) -> Reply {
    route(request).await.unwrap_or_else(Problem::into_reply)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = Path::parse(request.uri().path())?;
    match path.segments()[..] {
        ["api", "checkpoints"] => list(&request.into_parts().0).await,
        ["api", "checkpoints", checkpoint] => show(&request.into_parts().0, checkpoint).await,
        ["api", "checkpoints", checkpoint, "resolve"] => resolve(request, checkpoint).await,
        _ => Err(Problem::no_route()),
    }
}

async fn list(head: &Parts) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let known = [
        "status",
        "execution_id",
        "workflow_id",
        "reviewer",
        "limit",
        "cursor",
    ];
    let query = Query::parse(head, &known)?;
    let filter = Filter {
        execution_id: query.id("execution_id")?,
        workflow_id: query.id("workflow_id")?,
        reviewer: query.text("reviewer").map(str::to_owned),
        status: query.choice("status", &checkpoint::STATUSES, checkpoint::status_name)?,
    };
    let page = checkpoints::list(caller(&head.headers)?, filter, query.page()?).await?;
    Ok(checkpoint::listed(&page))
}

async fn show(head: &Parts, checkpoint: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let checkpoint = id("id", checkpoint)?.to_owned();
    Query::parse(head, &[])?;
    let checkpoint = checkpoints::get(caller(&head.headers)?, checkpoint).await?;
    Ok(checkpoint::shown(&checkpoint))
}

async fn resolve(request: Request, checkpoint: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let checkpoint = id("id", checkpoint)?.to_owned();
    Query::parse(&head, &[])?;
    let caller = caller(&head.headers)?;
    let checkpoint::Resolution { decision, notes } =
        checkpoint::resolution(&read(&head, body).await?)?;
    let checkpoint = checkpoints::resolve(caller, checkpoint, decision, notes).await?;
    Ok(checkpoint::shown(&checkpoint))
}
