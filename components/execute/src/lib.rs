//! Starts executions, cancels and pauses them, lets them go on, perhaps by another version, and runs
//! them again; one or many.

use phasewright_endpoint::{
    Problem, Reply, Request,
    bindings::{
        executions::{self, Action, Execution, Started},
        types::Caller,
    },
    execution::{self, bulk},
    request::{
        allow,
        body::read,
        caller::caller,
        header::wait_seconds,
        json::Fields,
        path::{Path, id},
        query::Query,
    },
    serve,
};
use spin_sdk::http::{HeaderMap, Method, StatusCode};

serve!(super::handle);

async fn handle(request: Request) -> Reply {
    route(request).await.unwrap_or_else(Problem::into_reply)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = Path::parse(request.uri().path())?;
    match path.segments()[..] {
        ["api", "workflows", workflow, "execute"] => start(request, workflow).await,
        ["api", "executions", "all", "cancel"] => all(request, |_, body| cancelling(body)).await,
        ["api", "executions", "all", "pause"] => all(request, |_, body| pausing(body)).await,
        ["api", "executions", "all", "resume"] => all(request, |_, body| resuming(body)).await,
        ["api", "executions", "all", "rerun"] => all(request, rerunning).await,
        ["api", "executions", execution, "cancel"] => cancel(request, execution).await,
        ["api", "executions", execution, "pause"] => pause(request, execution).await,
        ["api", "executions", execution, "resume"] => resume(request, execution).await,
        ["api", "executions", execution, "rerun"] => rerun(request, execution).await,
        ["api", "executions", execution, "migrate"] => migrate(request, execution).await,
        _ => Err(Problem::no_route()),
    }
}

/// Starts, and with `Prefer: wait=N` waits for the end.
async fn start(request: Request, workflow: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let workflow = id("id", workflow)?;
    Query::parse(&head, &[])?;
    let caller = caller(&head.headers)?;
    let wait = wait_seconds(&head.headers)?;
    let body = read(&head, body).await?;
    let start = execution::start_request(workflow, &head.headers, &body)?;
    answer(
        &executions::start(caller, start, milliseconds(wait)).await?,
        wait,
    )
}

/// Starts anew with what is still good of an execution; with `dry_run=true`, only says what would
/// be.
async fn rerun(request: Request, execution: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let execution = id("id", execution)?;
    let is_dry = is_dry(&Query::parse(&head, &["dry_run"])?)?;
    let caller = caller(&head.headers)?;
    let wait = wait_seconds(&head.headers)?;
    let rerun = execution::rerun_request(&head.headers, &read(&head, body).await?)?;
    if is_dry {
        let plan = executions::plan_rerun(caller, execution.to_owned(), rerun).await?;
        return Ok(execution::planned(&plan));
    }
    let execution = execution.to_owned();
    let started = executions::rerun(caller, execution, rerun, milliseconds(wait)).await?;
    answer(&started, wait)
}

/// Goes on by another version; with `dry_run=true`, only says what that would change.
async fn migrate(request: Request, execution: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let execution = id("id", execution)?.to_owned();
    let is_dry = is_dry(&Query::parse(&head, &["dry_run"])?)?;
    let caller = caller(&head.headers)?;
    let version = execution::version(&read(&head, body).await?)?;
    if is_dry {
        let plan = executions::plan_migration(caller, execution, version).await?;
        return Ok(execution::migration_planned(&plan));
    }
    let summary = executions::migrate(caller, execution, version).await?;
    Ok(execution::summarised(StatusCode::ACCEPTED, &summary))
}

fn is_dry(query: &Query) -> Result<bool, Problem> {
    let name = |value| if value { "true" } else { "false" };
    let is_dry = query.choice("dry_run", &[true, false], name)?;
    Ok(is_dry == Some(true))
}

fn milliseconds(seconds: Option<u32>) -> Option<u32> {
    seconds.map(|seconds| seconds.saturating_mul(1_000))
}

/// The reply to a start, at once or when it is over.
fn answer(started: &Started, wait: Option<u32>) -> Result<Reply, Problem> {
    match (&started.execution, wait) {
        (Some(execution), Some(seconds)) => waited(execution, seconds),
        // Who may start but not read has started one, and hears of that at least.
        _ if started.is_new => execution::started(StatusCode::ACCEPTED, &started.summary),
        _ => execution::started(StatusCode::OK, &started.summary),
    }
}

/// Answers with the whole execution if it is over by now, otherwise with where it stands.
fn waited(execution: &Execution, seconds: u32) -> Result<Reply, Problem> {
    let summary = &execution.summary;
    let mut reply = if execution::is_over(summary.status) {
        let mut reply = execution::shown(execution);
        execution::set_location(&mut reply, summary)?;
        reply
    } else {
        execution::started(StatusCode::ACCEPTED, summary)?
    };
    execution::set_wait_applied(&mut reply, seconds)?;
    Ok(reply)
}

async fn cancel(request: Request, execution: &str) -> Result<Reply, Problem> {
    let (caller, execution, reason) = reasoned(request, execution).await?;
    let summary = executions::cancel(caller, execution, reason).await?;
    Ok(execution::summarised(StatusCode::ACCEPTED, &summary))
}

async fn pause(request: Request, execution: &str) -> Result<Reply, Problem> {
    let (caller, execution, reason) = reasoned(request, execution).await?;
    let summary = executions::pause(caller, execution, reason).await?;
    Ok(execution::summarised(StatusCode::ACCEPTED, &summary))
}

/// Who wants what execution to stop or to be held, and why.
async fn reasoned(request: Request, execution: &str) -> Result<(Caller, String, String), Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let execution = id("id", execution)?;
    Query::parse(&head, &[])?;
    let caller = caller(&head.headers)?;
    let reason = execution::reason(&read(&head, body).await?)?;
    Ok((caller, execution.to_owned(), reason))
}

async fn resume(request: Request, execution: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let execution = id("id", execution)?;
    Query::parse(&head, &[])?;
    let caller = caller(&head.headers)?;
    Fields::parse(&read(&head, body).await?)?.finish()?;
    let summary = executions::resume(caller, execution.to_owned()).await?;
    Ok(execution::summarised(StatusCode::ACCEPTED, &summary))
}

/// Does the same with all executions that the query selects, a page at a time; with `dry_run=true`,
/// only says what would be.
async fn all(
    request: Request,
    action: impl FnOnce(&HeaderMap, &str) -> Result<Action, Problem>,
) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let known: Vec<_> = bulk::FILTER.into_iter().chain(["dry_run"]).collect();
    let query = Query::parse(&head, &known)?;
    let (filter, page) = (bulk::filter(&query)?, query.page()?);
    let is_dry = is_dry(&query)?;
    let caller = caller(&head.headers)?;
    let action = action(&head.headers, &read(&head, body).await?)?;
    let outcomes = executions::apply(caller, action, filter, page, is_dry).await?;
    Ok(bulk::applied(&outcomes))
}

fn cancelling(body: &str) -> Result<Action, Problem> {
    Ok(Action::Cancel(execution::reason(body)?))
}

fn pausing(body: &str) -> Result<Action, Problem> {
    Ok(Action::Pause(execution::reason(body)?))
}

fn resuming(body: &str) -> Result<Action, Problem> {
    Fields::parse(body)?.finish()?;
    Ok(Action::Resume)
}

fn rerunning(headers: &HeaderMap, body: &str) -> Result<Action, Problem> {
    Ok(Action::Rerun(execution::rerun_request(headers, body)?))
}
