//! Starting executions.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::{
    Asking, Service,
    executions::{End, shown},
    library::Entry,
    parameters,
    problems::invalid,
    versions::absent,
    views,
};
use crate::{
    contract::{Error, Patience, StartRequest, Started, Violation},
    executor::{NewExecution, Started as Begun},
    store::{self, Keyed, StartKey},
    workflow::{Digest, Event, Version, WorkflowId},
};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// Longest deadline: a year.
pub(super) const TIMEOUT_MS_MAX: u64 = 31_536_000_000;

impl Service {
    pub(super) async fn start(
        &self,
        asking: &Asking,
        request: StartRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        let workflow: WorkflowId = parameters::id("workflow", &request.workflow_id)?;
        let wanted = request.version.map(Version);
        let found = self.library.startable(&workflow, wanted).await?;
        let (entry, deprecated) = found.ok_or_else(|| absent(&workflow, wanted))?;
        let input = object("/input", &request.input)?;
        let context = object("/initial_context", &request.context)?;
        let timeout = timeout(&request, &entry)?;
        let key = start_key(&request, &input, &context)?;
        check_input(&entry, &input)?;
        if let Some(first) = self.started_before(&workflow, key.as_ref()).await? {
            return self.started(&first, false, wait, None).await;
        }
        check_not_deprecated(&entry, wanted, deprecated)?;
        let phases = entry.phases(&*self.runner)?;
        let created = Event::ExecutionCreated {
            workflow,
            version: entry.version,
            input: Value::Object(input).into(),
            context: Value::Object(context).into(),
            deadline: self.clock.now().after(timeout),
            phases,
            by: asking.name(),
        };
        let new = NewExecution {
            id: Self::new_execution_id(),
            definition: entry.definition.clone(),
            created,
            taken: Vec::new(),
            blobs: Vec::new(),
            key,
        };
        self.begin(new, wait).await
    }

    /// The execution that was started with this key before.
    pub(super) async fn started_before(
        &self,
        workflow: &WorkflowId,
        key: Option<&StartKey>,
    ) -> Result<Option<store::Summary>, Error> {
        let Some(key) = key else {
            return Ok(None);
        };
        let queries = self.store.queries();
        match queries.execution_by_key(workflow, &key.key).await? {
            Some(first) => Ok(Some(self.existing(&first, key).await?)),
            None => Ok(None),
        }
    }

    /// Starts it, unless another one with its key was quicker, and waits for its end if wanted.
    pub(super) async fn begin(
        &self,
        new: NewExecution,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        let key = new.key.clone();
        let (over, end) = oneshot::channel();
        let over = wait.is_some().then_some(over);
        match (self.executor.start(new, over).await?, key) {
            (Begun::Created(summary), _) => self.started(&summary, true, wait, Some(end)).await,
            (Begun::Existing(first), Some(key)) => {
                let summary = self.existing(&first, &key).await?;
                self.started(&summary, false, wait, None).await
            }
            (Begun::Existing(first), None) => Err(Error::Conflict(format!(
                "execution {} exists",
                first.execution
            ))),
        }
    }

    /// What is said of a start, and of its end if somebody waits for that.
    pub(super) async fn started(
        &self,
        summary: &store::Summary,
        is_new: bool,
        wait: Option<Patience>,
        end: Option<End>,
    ) -> Result<Started, Error> {
        let execution = match wait {
            Some(patience) => Some(self.awaited(summary.id, end, patience).await?),
            None => None,
        };
        let execution = execution.map(|execution| views::execution(&execution));
        let now = execution
            .as_ref()
            .map(|execution| execution.summary.clone());
        Ok(Started {
            summary: now.unwrap_or_else(|| views::summary(summary)),
            is_new,
            // What is too large to show has started all the same.
            execution: execution.and_then(|execution| shown(execution).ok()),
        })
    }

    /// The execution that was started with this key before.
    async fn existing(&self, first: &Keyed, key: &StartKey) -> Result<store::Summary, Error> {
        if first.request != key.request {
            let message = format!(
                "was used for another request, which started execution {}",
                first.execution
            );
            return Err(invalid("/headers/idempotency-key", message));
        }
        match self.store.queries().execution(first.execution).await? {
            Some(summary) => Ok(summary),
            None => Err(Error::NotFound(format!(
                "there is no execution {}",
                first.execution
            ))),
        }
    }
}

pub(super) fn object(pointer: &str, text: &str) -> Result<Map<String, Value>, Error> {
    match parameters::document(pointer, text)? {
        Value::Object(object) => Ok(object),
        _ => Err(invalid(pointer, "must be an object")),
    }
}

fn timeout(request: &StartRequest, entry: &Entry) -> Result<Duration, Error> {
    match request.timeout_ms {
        None => Ok(entry.definition.timeout),
        Some(ms) if (1..=TIMEOUT_MS_MAX).contains(&ms) => Ok(Duration::from_millis(ms)),
        Some(_) => {
            let message = format!("must be more than 0 and at most {}", TIMEOUT_MS_MAX / 1000);
            Err(invalid("/initial_context/timeout_seconds", message))
        }
    }
}

/// The key with a digest of all that the request asks for, by value: neither
/// spaces nor the order of keys make another request.
fn start_key(
    request: &StartRequest,
    input: &Map<String, Value>,
    context: &Map<String, Value>,
) -> Result<Option<StartKey>, Error> {
    let whole = json!([request.version, request.timeout_ms, input, context]);
    keyed(request.idempotency_key.as_deref(), whole)
}

pub(super) fn keyed(key: Option<&str>, mut whole: Value) -> Result<Option<StartKey>, Error> {
    let Some(key) = key else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0') {
        let message = format!("must have 1 to {KEY_BYTES_MAX} characters");
        return Err(invalid("/headers/idempotency-key", message));
    }
    whole.sort_all_objects();
    Ok(Some(StartKey {
        key: key.to_owned(),
        request: Digest::of(whole.to_string().as_bytes()),
    }))
}

pub(super) fn check_input(entry: &Entry, input: &Map<String, Value>) -> Result<(), Error> {
    let violations = input_violations(entry, input);
    if violations.is_empty() {
        return Ok(());
    }
    let below_input = |(below, message)| Violation {
        pointer: format!("/input{below}"),
        message,
    };
    Err(Error::Invalid(
        violations.into_iter().map(below_input).collect(),
    ))
}

/// What the definition's schema has against an input, with pointers into that.
pub(super) fn input_violations(entry: &Entry, input: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(schema) = &entry.input_schema else {
        return Vec::new();
    };
    // The schema is about the object as a whole; borrowing it as a value takes a move.
    schema.violations(&Value::Object(input.clone()))
}

/// A deprecated version starts nothing new.
pub(super) fn check_not_deprecated(
    entry: &Entry,
    wanted: Option<Version>,
    deprecated: Option<String>,
) -> Result<(), Error> {
    let Some(reason) = deprecated else {
        return Ok(());
    };
    let (workflow, version) = (&entry.definition.id, entry.version);
    Err(Error::Conflict(match wanted {
        Some(_) => format!("version {version} of workflow {workflow} is deprecated: {reason}"),
        None => format!(
            "all versions of workflow {workflow} are deprecated; the latest, {version}: {reason}"
        ),
    }))
}
