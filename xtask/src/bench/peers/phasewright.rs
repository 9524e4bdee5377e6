//! Phasewright itself: one host, over HTTP.

mod review;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{
    super::{
        load::{self, Call, Run},
        read_of,
    },
    engine::{Engine, Installed},
    postgres::Postgres,
    workload::{BESIDE_READS, STEP, STEPS, Workload},
};
use crate::{
    cleanup::TempFolder,
    client::Client,
    host::{Host, Setup},
    workspace::Workspace,
};

/// A host on a `SQLite` file.
pub fn on_sqlite(workspace: &Workspace) -> Result<Installed<'_>> {
    installed(workspace, "", || Ok(None))
}

/// A host on PostgreSQL.
pub fn on_postgres(workspace: &Workspace) -> Result<Installed<'_>> {
    let database = format!(", PostgreSQL {}", Postgres::start()?.version()?);
    installed(workspace, &database, || Postgres::start().map(Some))
}

fn installed<'w>(
    workspace: &'w Workspace,
    database: &str,
    postgres: fn() -> Result<Option<Postgres>>,
) -> Result<Installed<'w>> {
    ensure!(workspace.phasewright().is_file(), "the host is not built");
    Ok(Installed {
        version: env!("CARGO_PKG_VERSION").to_owned() + database,
        start: Box::new(move || {
            let engine = Phasewright::start(workspace, postgres()?)?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        }),
    })
}

struct Phasewright {
    host: Host,
    setup: Setup,
    postgres: Option<Postgres>,
    _folder: TempFolder,
}

impl Phasewright {
    fn start(workspace: &Workspace, postgres: Option<Postgres>) -> Result<Self> {
        let folder = TempFolder::new()?;
        let mut setup = Setup::new(workspace, folder.path().to_owned());
        setup.phases.push(workspace.test_phases());
        if let Some(postgres) = &postgres {
            setup.database = postgres.url();
        }
        let host = setup.start()?;
        define(&host.client())?;
        Ok(Self {
            host,
            setup,
            postgres,
            _folder: folder,
        })
    }
}

/// One execution from its `POST` to its result.
fn execute(workload: Workload) -> Call {
    Call {
        method: "POST",
        path: format!("/api/workflows/{}/execute", workload.name()),
        headers: vec![("prefer", "wait=60")],
        body: json!({"input": input(workload)}).to_string(),
        expects: expects(workload),
    }
}

impl Engine for Phasewright {
    fn run(&mut self, workload: Workload, clients: usize, time: Duration) -> Result<Run> {
        let base = self.host.base();
        match workload {
            Workload::Checkpoint => review::decide(base, clients, time),
            Workload::Reads => {
                let read = read_of(&self.host, &execute(Workload::Diamond))?;
                let chain = execute(Workload::Chain3);
                load::run_beside(base, (&read, clients), (&chain, BESIDE_READS), time)
            }
            _ => load::run(base, &execute(workload), clients, time),
        }
    }

    fn start_many(&mut self, workload: Workload, count: usize) -> Result<()> {
        review::start_many(self.host.base(), workload, count)
    }

    fn has_recovered(&mut self) -> Result<bool> {
        review::are_over(self.host.base(), Workload::Recovery)
    }

    fn crash(self: Box<Self>) -> Result<Box<dyn Engine>> {
        drop(self.host);
        Ok(Box::new(Self {
            host: self.setup.start()?,
            ..*self
        }))
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.host.id()]
    }

    fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }
}

fn define(client: &Client) -> Result<()> {
    for workload in Workload::ALL {
        let path = format!("/api/workflows/{}", workload.name());
        client.put(&path, &definition(workload))?;
    }
    Ok(())
}

/// Each node adds one to the number of one that it needs.
fn definition(workload: Workload) -> Value {
    let node = |id: &str, needs: &[&str]| {
        let n = match needs.first() {
            Some(need) => format!("{{{{ nodes.{need}.output.n }}}}"),
            None => "{{ input.n }}".to_owned(),
        };
        json!({"id": id, "phase": "compute", "needs": needs, "input": {"n": n}})
    };
    let nodes = match workload {
        Workload::Chain3 => chain(3, node),
        Workload::Chain6 => chain(6, node),
        Workload::Chain30 => chain(30, node),
        Workload::Fan100 => vec![
            json!({"id": "work", "phase": "compute", "for_each": "{{ input.items }}",
                   "input": {"n": "{{ item }}"}}),
            json!({"id": "last", "phase": "compute", "needs": ["work"],
                   "input": {"n": "{{ nodes.work.output[99].n }}"}}),
        ],
        // What is read is a diamond.
        Workload::Diamond | Workload::Reads => vec![
            node("requirements", &[]),
            node("design", &["requirements"]),
            node("backend", &["design"]),
            node("frontend", &["design"]),
            node("testing", &["backend", "frontend"]),
            node("last", &["testing"]),
        ],
        Workload::Checkpoint => {
            let mut draft = node("draft", &[]);
            draft["checkpoint"] = json!({"title": "Is it right?"});
            vec![draft, node("last", &["draft"])]
        }
        Workload::Recovery => chain(STEPS, |id, needs| {
            let mut node = node(id, needs);
            node["phase"] = json!("delay");
            node["config"] = json!({"ms": STEP.as_millis()});
            node
        }),
    };
    json!({
        "id": workload.name(), "max_parallel": 100, "nodes": nodes,
        "output": {"result": "{{ nodes.last.output.n }}"},
    })
}

fn chain(length: usize, node: impl Fn(&str, &[&str]) -> Value) -> Vec<Value> {
    let id = |place: usize| match place {
        place if place == length => "last".to_owned(),
        place => format!("n{place}"),
    };
    let nodes = (1..=length).map(|place| match place {
        1 => node(&id(1), &[]),
        place => node(&id(place), &[&id(place - 1)]),
    });
    nodes.collect()
}

fn input(workload: Workload) -> Value {
    match workload {
        Workload::Fan100 => json!({"items": (0..100).collect::<Vec<_>>()}),
        _ => json!({"n": 1}),
    }
}

/// The result, as the answer has it.
fn expects(workload: Workload) -> &'static str {
    match workload {
        Workload::Chain3 => "\"output\":{\"result\":4}",
        Workload::Chain6 => "\"output\":{\"result\":7}",
        Workload::Chain30 => "\"output\":{\"result\":31}",
        Workload::Fan100 => "\"output\":{\"result\":101}",
        Workload::Diamond | Workload::Reads => "\"output\":{\"result\":6}",
        Workload::Checkpoint => "\"output\":{\"result\":3}",
        Workload::Recovery => "\"output\":{\"result\":1}",
    }
}
