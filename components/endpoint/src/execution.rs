//! Executions: what a start asks for, and how an execution reads as JSON.

pub mod bulk;

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::{
    Problem, Reply,
    bindings::{
        executions::{
            Execution, MigrationPlan, NodeView, Page, RerunPlan, RerunRequest, StartRequest,
            Summary,
        },
        types::{ExecutionStatus, NodeStatus, Violation},
    },
    reply::{
        self,
        json::{self, Object},
    },
    request::{
        header::idempotency_key,
        json::{Fields, member, violation},
    },
};

/// Seconds that a deadline can be away: a year.
const TIMEOUT_SECONDS_MAX: f64 = 31_536_000.0;

/// Characters in the reason of a cancellation or a pause.
const REASON_CHARACTERS_MAX: usize = 1_000;

/// What can be listed by.
pub const STATUSES: [ExecutionStatus; 8] = [
    ExecutionStatus::Pending,
    ExecutionStatus::Running,
    ExecutionStatus::AwaitingCheckpoint,
    ExecutionStatus::Paused,
    ExecutionStatus::Completed,
    ExecutionStatus::Failed,
    ExecutionStatus::Cancelled,
    ExecutionStatus::TimedOut,
];

/// The request to start an execution: `{requirement, input, initial_context, version}`, all optional,
/// and the `Idempotency-Key`.
///
/// # Errors
///
/// 400 for the header, 422 with every violation in the body.
pub fn start_request(
    workflow_id: &str,
    headers: &HeaderMap,
    body: &str,
) -> Result<StartRequest, Problem> {
    let idempotency_key = idempotency_key(headers)?;
    let mut fields = Fields::parse(body)?;
    let requirement = fields.text("requirement");
    let input = fields.object("input").unwrap_or("{}");
    let context = fields.object("initial_context").unwrap_or("{}");
    let version = fields.number("version", 1..=u32::MAX);
    let timeout_ms = fields.checked(timeout_ms(context)).flatten();
    let input = fields.finish_with(match requirement {
        None => Ok(input.to_owned()),
        Some(requirement) => with_requirement(input, &requirement),
    })?;
    Ok(StartRequest {
        workflow_id: workflow_id.to_owned(),
        version,
        input,
        context: context.to_owned(),
        timeout_ms,
        idempotency_key,
    })
}

/// The deadline that `timeout_seconds` in the context sets, in milliseconds.
fn timeout_ms(context: &str) -> Result<Option<u64>, Violation> {
    let Some(seconds) = member(context, "timeout_seconds") else {
        return Ok(None);
    };
    match serde_json::from_str::<f64>(seconds) {
        Ok(seconds) if seconds > 0.0 && seconds <= TIMEOUT_SECONDS_MAX => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range has just been checked"
            )]
            let milliseconds = (seconds * 1000.0).ceil() as u64;
            Ok(Some(milliseconds))
        }
        _ => Err(violation(
            "/initial_context/timeout_seconds",
            format!("must be a number above 0 and at most {TIMEOUT_SECONDS_MAX}"),
        )),
    }
}

/// The input, an object, with the requirement as its first member; the rest stays as it is written.
fn with_requirement(input: &str, requirement: &str) -> Result<String, Violation> {
    if member(input, "requirement").is_some() {
        return Err(violation(
            "/requirement",
            "is given as /input/requirement, too; give one",
        ));
    }
    let requirement = serde_json::Value::from(requirement);
    let rest = input.strip_prefix('{').unwrap_or(input);
    let comma = if rest.trim_start() == "}" { "" } else { "," };
    Ok(format!("{{\"requirement\":{requirement}{comma}{rest}"))
}

/// The reason in the body of a cancellation or a pause, `{reason}`; empty when there is none.
///
/// # Errors
///
/// 422 with every violation.
pub fn reason(body: &str) -> Result<String, Problem> {
    let mut fields = Fields::parse(body)?;
    let reason = fields.short_text("reason", REASON_CHARACTERS_MAX);
    fields.finish()?;
    Ok(reason.unwrap_or_default())
}

/// The request to run an execution again: `{from, version, input}`, all optional, and the
/// `Idempotency-Key`.
///
/// # Errors
///
/// 400 for the header, 422 with every violation in the body.
pub fn rerun_request(headers: &HeaderMap, body: &str) -> Result<RerunRequest, Problem> {
    let idempotency_key = idempotency_key(headers)?;
    let mut fields = Fields::parse(body)?;
    let request = RerunRequest {
        from_nodes: fields.texts("from"),
        version: fields.number("version", 1..=u32::MAX),
        input: fields.object("input").map(str::to_owned),
        idempotency_key,
    };
    fields.finish()?;
    Ok(request)
}

/// The reply to a dry run of a rerun: `{workflow_id, version, run, taken}`.
pub fn planned(plan: &RerunPlan) -> Reply {
    let text = json::object(|object| {
        object.field("workflow_id", &plan.workflow_id);
        object.field("version", plan.version);
        object.field("run", &plan.run);
        object.field("taken", &plan.taken);
    });
    reply::with_json(StatusCode::OK, text)
}

/// The version in the body of a migration, `{version}`.
///
/// # Errors
///
/// 422 with every violation.
pub fn version(body: &str) -> Result<u32, Problem> {
    let mut fields = Fields::parse(body)?;
    let is_given = member(body, "version").is_some_and(|text| text != "null");
    let version = fields.number("version", 1..=u32::MAX);
    fields.finish_with(match version {
        None if !is_given => Err(violation("/version", "is required")),
        // What is given and wrong has been noted.
        version => Ok(version.unwrap_or_default()),
    })
}

/// The reply to a dry run of a migration: `{workflow_id, from_version, version, kept, added, removed,
/// phases}`.
pub fn migration_planned(plan: &MigrationPlan) -> Reply {
    let text = json::object(|object| {
        object.field("workflow_id", &plan.workflow_id);
        object.field("from_version", plan.from_version);
        object.field("version", plan.version);
        object.field("kept", &plan.kept);
        object.field("added", &plan.added);
        object.field("removed", &plan.removed);
        object.field("phases", &plan.phases);
    });
    reply::with_json(StatusCode::OK, text)
}

/// The reply to a start: `{execution_id, workflow_id, version, status, created_at}`, and where to
/// find more.
///
/// # Errors
///
/// 500 when the engine gave an id that no header can carry.
pub fn started(status: StatusCode, summary: &Summary) -> Result<Reply, Problem> {
    let text = json::object(|object| {
        object.field("execution_id", &summary.id);
        object.field("workflow_id", &summary.workflow_id);
        object.field("version", summary.version);
        object.field("status", status_name(summary.status));
        object.field("created_at", &summary.created_at);
    });
    let mut reply = reply::with_json(status, text);
    set_location(&mut reply, summary)?;
    Ok(reply)
}

/// Points to the execution.
///
/// # Errors
///
/// 500 when the engine gave an id that no header can carry.
pub fn set_location(reply: &mut Reply, summary: &Summary) -> Result<(), Problem> {
    let location = format!("/api/executions/{}", summary.id);
    reply::set(reply, header::LOCATION, &location)
}

/// Tells that the reply has waited up to so many seconds for the end (RFC 7240).
///
/// # Errors
///
/// None in practice: a number fits every header.
pub fn set_wait_applied(reply: &mut Reply, seconds: u32) -> Result<(), Problem> {
    let applied = HeaderName::from_static("preference-applied");
    reply::set(reply, applied, &format!("wait={seconds}"))
}

/// The reply with a summary: `{execution_id, workflow_id, version, status, created_at, started_at,
/// ended_at, error}`.
pub fn summarised(status: StatusCode, summary: &Summary) -> Reply {
    reply::with_json(
        status,
        json::object(|object| write_summary(object, summary)),
    )
}

/// The reply with a page of summaries.
pub fn listed(page: &Page) -> Reply {
    let text = json::page(&page.items, &page.next, write_summary);
    reply::with_json(StatusCode::OK, text)
}

/// The reply with everything: the summary, `input`, `context`, `output`, `nodes`, `last_event`.
pub fn shown(execution: &Execution) -> Reply {
    let text = json::object_sized(document_bytes(execution), |object| {
        write_summary(object, &execution.summary);
        object.document("input", &execution.input);
        object.document("context", &execution.context);
        object.optional_document("output", execution.output.as_deref());
        object.objects("nodes", &execution.nodes, write_node);
        object.field("last_event", execution.last_event);
        if let Some(name) = &execution.started_by {
            object.field("started_by", name);
        }
        if let Some(of) = &execution.rerun_of {
            object.field("rerun_of", of);
        }
    });
    reply::with_json(StatusCode::OK, text)
}

/// Whether nothing more happens by itself.
pub fn is_over(status: ExecutionStatus) -> bool {
    use ExecutionStatus as S;
    match status {
        S::Pending | S::Running | S::AwaitingCheckpoint | S::Paused => false,
        S::Completed | S::Failed | S::Cancelled | S::TimedOut => true,
    }
}

/// A status as JSON and queries write it.
pub fn status_name(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Pending => "pending",
        ExecutionStatus::Running => "running",
        ExecutionStatus::AwaitingCheckpoint => "awaiting_checkpoint",
        ExecutionStatus::Paused => "paused",
        ExecutionStatus::Completed => "completed",
        ExecutionStatus::Failed => "failed",
        ExecutionStatus::Cancelled => "cancelled",
        ExecutionStatus::TimedOut => "timed_out",
    }
}

fn node_status_name(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Waiting => "waiting",
        NodeStatus::Running => "running",
        NodeStatus::Retrying => "retrying",
        NodeStatus::AwaitingCheckpoint => "awaiting_checkpoint",
        NodeStatus::Completed => "completed",
        NodeStatus::Failed => "failed",
        NodeStatus::Skipped => "skipped",
        NodeStatus::Cancelled => "cancelled",
    }
}

fn write_summary(object: &mut Object, summary: &Summary) {
    object.field("execution_id", &summary.id);
    object.field("workflow_id", &summary.workflow_id);
    object.field("version", summary.version);
    object.field("status", status_name(summary.status));
    object.field("created_at", &summary.created_at);
    object.field("started_at", &summary.started_at);
    object.field("ended_at", &summary.ended_at);
    object.field("error", &summary.error);
}

fn write_node(object: &mut Object, node: &NodeView) {
    object.field("id", &node.id);
    if let Some(item) = node.item {
        object.field("item", item);
    }
    object.field("phase", &node.phase);
    object.field("status", node_status_name(node.status));
    object.field("attempt", node.attempt);
    object.field("started_at", &node.started_at);
    object.field("ended_at", &node.ended_at);
    object.field("progress", node.progress);
    object.optional_document("output", node.output.as_deref());
    object.field("error", &node.error);
    if let Some(from) = &node.taken_from {
        object.field("taken_from", from);
    }
}

/// About how many bytes the JSON of an execution has.
fn document_bytes(execution: &Execution) -> usize {
    /// A node without its output and error, generously.
    const NODE_BYTES: usize = 320;
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let node = |node: &NodeView| NODE_BYTES + optional(&node.output) + optional(&node.error);
    execution.input.len()
        + execution.context.len()
        + optional(&execution.output)
        + execution.nodes.iter().map(node).sum::<usize>()
}

#[cfg(test)]
mod tests;
