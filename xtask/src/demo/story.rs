//! The demo as a client sees it: define, execute, follow, decide, read the report.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{progress::Progress, review::Reviewer, screen::Screen, session::Session};
use crate::{
    client::{CallError, Client},
    journal,
    sse::Events,
    workspace::Workspace,
};

/// The workflow, which is also the name of the template.
pub const WORKFLOW: &str = "delay_triage";

/// The node and the name of the artifact that is the report.
const REPORT: (&str, &str) = ("report", "report.md");

/// What the demo needs.
pub struct Story {
    input: Value,
}

/// What came of it.
pub struct Outcome {
    /// The execution.
    pub execution_id: String,
    /// Its status at the end.
    pub status: String,
    /// Why it did not complete.
    pub error: Option<String>,
    /// Its output.
    pub output: Value,
    /// The report, as Markdown.
    pub report: String,
    /// Its journal.
    pub events: Vec<Value>,
    /// From the first request to the last answer.
    pub took: Duration,
    /// What the reviewer added to the notices.
    pub added: Option<String>,
}

impl Story {
    /// Reads the flights and the airlines.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.root.join("examples/flights");
        let read = |name: &str| {
            let file = folder.join(name);
            fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
        };
        Ok(Self {
            input: json!({
                "flights_csv": read("flights-2013-07-01.csv")?,
                "airlines_csv": read("airlines.csv")?,
            }),
        })
    }

    /// Plays it. `key` makes starting it twice impossible.
    pub fn play(
        &self,
        session: &mut Session,
        reviewer: &mut Reviewer,
        key: &str,
    ) -> Result<Outcome> {
        let started = Instant::now();
        let template = session.call(|client| client.get(&format!("/api/templates/{WORKFLOW}")))?;
        let definition = template["document"].clone();
        session.call(|client| client.put(&format!("/api/workflows/{WORKFLOW}"), &definition))?;
        let execution = session.call(|client| {
            client.post(
                &format!("/api/workflows/{WORKFLOW}/execute"),
                &[("idempotency-key", key)],
                &json!({"input": self.input}),
            )
        })?;
        let id = execution["execution_id"].as_str();
        let id = id
            .context("the start of an execution tells no id")?
            .to_owned();
        follow(session, &id, Progress::of(&definition), reviewer)?;
        let execution = session.call(|client| client.get(&format!("/api/executions/{id}")))?;
        let report = read_report(session, &id)?;
        let took = started.elapsed();
        Ok(Outcome {
            status: text(&execution["status"]),
            error: execution["error"].as_str().map(str::to_owned),
            output: execution["output"].clone(),
            report,
            events: journal::read(&id, 0, |path| session.call(|client| client.get(path)))?,
            execution_id: id,
            took,
            added: reviewer.added.take(),
        })
    }
}

/// Follows the events live until the last one; decides where somebody has to.
fn follow(
    session: &mut Session,
    id: &str,
    mut progress: Progress,
    reviewer: &mut Reviewer,
) -> Result<()> {
    let mut screen = Screen::new(reviewer.is_quiet());
    let mut last = String::from("0");
    loop {
        let since = Instant::now();
        let mut events = session.call(|client| stream(client, id, &last))?;
        let cut = loop {
            let event = match events.next() {
                Ok(Some(event)) => event,
                Ok(None) => {
                    break CallError::from(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
                }
                Err(error) => break error.into(),
            };
            let data: Value = serde_json::from_str(&event.data)
                .with_context(|| format!("event {} is not JSON", event.id))?;
            let said = progress.apply(&data);
            screen.show(&progress, said.as_deref());
            last = event.id;
            if event.kind == "checkpoint_opened" {
                screen.leave();
                let checkpoint = text(&data["payload"]["checkpoint"]);
                decide(session, &checkpoint, reviewer)?;
            }
            if journal::is_end(&event.kind) {
                return Ok(());
            }
        };
        session.recover(cut, since)?;
    }
}

fn stream(
    client: &Client,
    id: &str,
    last: &str,
) -> Result<Events<ureq::BodyReader<'static>>, CallError> {
    let headers = [("accept", "text/event-stream"), ("last-event-id", last)];
    let answer = client.send(
        "GET",
        &format!("/api/executions/{id}/events"),
        &headers,
        None,
    )?;
    Ok(Events::new(answer.into_body().into_reader()))
}

/// Resolves a checkpoint, unless it has been before a host was killed.
fn decide(session: &mut Session, id: &str, reviewer: &mut Reviewer) -> Result<()> {
    let path = format!("/api/checkpoints/{id}");
    let checkpoint = session.call(|client| client.get(&path))?;
    if checkpoint["status"] != "pending" {
        return Ok(());
    }
    let decision = reviewer.decide(&checkpoint)?;
    session.call(|client| client.post(&format!("{path}/resolve"), &[], &decision))?;
    Ok(())
}

/// Empty when there is none.
fn read_report(session: &mut Session, id: &str) -> Result<String> {
    let (node, name) = REPORT;
    let path = format!("/api/executions/{id}/artifacts");
    let artifacts = session.call(|client| client.get(&path))?;
    let mut artifacts = artifacts["items"].as_array().into_iter().flatten();
    if !artifacts.any(|artifact| artifact["node"] == node && artifact["name"] == name) {
        return Ok(String::new());
    }
    session.call(|client| client.text(&format!("{path}/{node}/{name}")))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
