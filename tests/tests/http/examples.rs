//! One of each thing that the scripted engine answers with.

use phasewright::contract::{
    Artifact, Checkpoint, CheckpointPosition, CheckpointStatus, Definition, DefinitionPage, Error,
    Event, EventPage, Execution, ExecutionStatus, Phase, Probe, Started, Summary, Template,
};

pub fn found(id: &str) -> Result<(), Error> {
    if id == "missing" {
        return Err(Error::NotFound(format!("there is no `{id}`")));
    }
    Ok(())
}

pub fn summary(id: &str) -> Summary {
    Summary {
        id: id.into(),
        workflow_id: "w".into(),
        version: 1,
        status: ExecutionStatus::Running,
        created_at: "2026-01-01T00:00:00Z".into(),
        started_at: None,
        ended_at: None,
        error: None,
    }
}

pub fn started(id: &str) -> Started {
    Started {
        summary: summary(id),
        is_new: true,
        execution: None,
    }
}

pub fn execution(id: &str) -> Result<Execution, Error> {
    found(id)?;
    Ok(Execution {
        summary: summary(id),
        input: "{}".into(),
        context: "{}".into(),
        output: None,
        nodes: Vec::new(),
        last_event: 3,
        rerun_of: None,
        started_by: None,
    })
}

pub fn event(execution: &str, seq: u64) -> Event {
    Event {
        execution_id: execution.into(),
        seq,
        at: "2026-01-01T00:00:00Z".into(),
        kind: "node_started".into(),
        node: Some("n".into()),
        payload: "{}".into(),
    }
}

pub fn events(execution: &str, after: u64, limit: u32) -> EventPage {
    let last = after + u64::from(limit);
    EventPage {
        items: (after + 1..=last)
            .map(|seq| event(execution, seq))
            .collect(),
        next: Some(last),
    }
}

pub fn template() -> Template {
    Template {
        name: "t".into(),
        description: String::new(),
        parameters: "{}".into(),
        document: "{}".into(),
    }
}

pub fn definition(id: &str) -> Definition {
    Definition {
        id: id.into(),
        version: 1,
        name: id.into(),
        description: String::new(),
        document: "{}".into(),
        created_at: "2026-01-01T00:00:00Z".into(),
        deprecated: None,
    }
}

pub fn definitions() -> DefinitionPage {
    DefinitionPage {
        items: vec![definition("w")],
        next: None,
    }
}

pub fn checkpoint(id: &str, status: CheckpointStatus) -> Checkpoint {
    Checkpoint {
        id: id.into(),
        execution_id: "e".into(),
        workflow_id: "w".into(),
        node: "n".into(),
        position: CheckpointPosition::After,
        status,
        title: "Look".into(),
        instructions: None,
        reviewers: Vec::new(),
        allow_starter: true,
        proposed: "{}".into(),
        edited: None,
        notes: None,
        resolved_by: None,
        created_at: "2026-01-01T00:00:00Z".into(),
        resolved_at: None,
    }
}

pub fn phase(name: &str) -> Phase {
    Phase {
        name: name.into(),
        version: "1.0.0".into(),
        description: String::new(),
        config_schema: "{}".into(),
        input_schema: "{}".into(),
        output_schema: "{}".into(),
        digest: "0".repeat(64),
    }
}

pub fn artifact() -> Artifact {
    Artifact {
        node: "n".into(),
        item: None,
        name: "report.md".into(),
        content_type: "text/markdown".into(),
        size: 300_000,
        sha256: "0".repeat(64),
    }
}

pub fn well(detail: &str) -> Probe {
    Probe {
        ok: true,
        errors: Vec::new(),
        detail: detail.into(),
    }
}
