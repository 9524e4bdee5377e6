//! `phasewright run`: a definition, here and now, in an engine of its own.

mod ask;
mod tree;

use std::{
    fs, io,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::StreamExt;
use serde_json::{Value, json};

use super::{PhaseArgs, show};
use crate::{
    access::Access,
    app::{App, Config},
    contract::{Caller, Engine, Error, Execution, ExecutionStatus, StartRequest},
    executor::Hosting,
    service::Service,
};
use ask::Ask;
use tree::Tree;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The definition, a JSON file; - reads standard input
    definition: PathBuf,
    /// The input, a JSON file with an object; - reads standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Keep the execution in this database: `sqlite://FILE` [default: a temporary one]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// What to do at checkpoints
    #[arg(long, value_enum, default_value_t = Ask::Terminal)]
    checkpoints: Ask,
    #[command(flatten)]
    phases: PhaseArgs,
    /// Print the whole execution as JSON, not only its output
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let document = read_json(&self.definition)?;
        let input = self
            .input
            .as_deref()
            .map_or_else(|| Ok(json!({})), read_json)?;
        let temporary = Temporary::new()?;
        let database = self
            .database
            .clone()
            .unwrap_or_else(|| temporary.database());
        let config = Config {
            database,
            hosting: Hosting::default(),
            sandbox: self.phases.sandbox(),
            access: Access::Open,
        };
        let mut app = App::open(config).await?;
        app.recover();
        let result = self.execute(&app.service, &document, &input).await;
        app.stop().await;
        let execution = result?;
        let shown = execution_json(&execution);
        if self.json {
            show::json(&shown);
        } else if execution.summary.status == ExecutionStatus::Completed {
            show::json(&shown["output"]);
        } else {
            let error = execution
                .summary
                .error
                .as_deref()
                .unwrap_or("it did not complete");
            eprintln!("error: {error}");
        }
        let is_completed = execution.summary.status == ExecutionStatus::Completed;
        Ok(if is_completed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn execute(
        &self,
        service: &Service,
        document: &Value,
        input: &Value,
    ) -> Result<Execution> {
        let Some(id) = document["id"].as_str() else {
            bail!("{}: /id: is missing", self.definition.display());
        };
        let put = service
            .definitions_put(caller(), id.to_owned(), document.to_string(), None)
            .await;
        let definition = put.map_err(|error| explain("failed to store the definition", error))?;
        let request = StartRequest {
            workflow_id: id.to_owned(),
            version: Some(definition.version),
            input: input.to_string(),
            context: "{}".to_owned(),
            timeout_ms: None,
            idempotency_key: None,
        };
        let started = service.executions_start(caller(), request, None).await;
        let started = started.map_err(|error| explain("failed to start the execution", error))?;
        let summary = started.summary;
        self.follow(service, &summary.id, document).await?;
        let execution = service.execution(&summary.id).await;
        execution.map_err(|error| explain("failed to read the execution", error))
    }

    async fn follow(&self, service: &Service, execution: &str, document: &Value) -> Result<()> {
        let mut tree = Tree::new(document, io::stderr().is_terminal());
        let events = service
            .events_follow(caller(), execution.to_owned(), 0)
            .await;
        let mut events =
            events.map_err(|error| explain("failed to follow the execution", error))?;
        while let Some(event) = events.next().await {
            tree.show(&event);
            if event.kind == "checkpoint_opened" {
                let payload: Value = serde_json::from_str(&event.payload)?;
                let checkpoint = payload["checkpoint"].as_str().unwrap_or_default();
                tree.pause(|| self.checkpoints.decide(service, checkpoint))
                    .await?;
            }
        }
        tree.finish();
        Ok(())
    }
}

/// Reads a JSON file; `-` is standard input.
pub(super) fn read_json(path: &Path) -> Result<Value> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin()).context("failed to read standard input")?
    } else {
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// The person at this terminal.
fn caller() -> Caller {
    Caller {
        authorization: None,
        address: "local".to_owned(),
        traceparent: None,
        request_id: None,
    }
}

fn explain(what: &str, error: Error) -> anyhow::Error {
    let reason = match error {
        Error::Invalid(violations) => {
            let mut lines = String::new();
            for violation in &violations {
                lines.push_str(&format!("\n  {}: {}", violation.pointer, violation.message));
            }
            lines
        }
        Error::NotFound(reason)
        | Error::Conflict(reason)
        | Error::PreconditionFailed(reason)
        | Error::Forbidden(reason)
        | Error::Unavailable(reason)
        | Error::Internal(reason) => format!(" {reason}"),
        Error::Unauthenticated => " not authenticated".to_owned(),
        Error::RateLimited(ms) => format!(" too many requests; try again in {ms} ms"),
    };
    anyhow::anyhow!("{what}:{reason}")
}

/// As `GET /api/executions/{id}` gives it.
fn execution_json(execution: &Execution) -> Value {
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_default();
    let nodes = execution.nodes.iter().map(|node| {
        let mut view = json!(node);
        view["output"] = node.output.as_ref().map(parse).unwrap_or_default();
        view["status"] = json!(snake_case(&format!("{:?}", node.status)));
        view
    });
    let summary = &execution.summary;
    json!({
        "execution_id": summary.id,
        "workflow_id": summary.workflow_id,
        "version": summary.version,
        "status": snake_case(&format!("{:?}", summary.status)),
        "created_at": summary.created_at,
        "started_at": summary.started_at,
        "ended_at": summary.ended_at,
        "error": summary.error,
        "input": parse(&execution.input),
        "context": parse(&execution.context),
        "output": execution.output.as_ref().map(parse),
        "nodes": nodes.collect::<Vec<_>>(),
        "last_event": execution.last_event,
    })
}

/// `ExecutionStatus::TimedOut` → `timed_out`
fn snake_case(name: &str) -> String {
    let name = name.rsplit("::").next().unwrap_or(name);
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

/// A folder that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("phasewright-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn database(&self) -> String {
        format!("sqlite://{}", self.0.join("run.db").display())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
