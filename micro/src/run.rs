//! An execution from its start to its end, as the executor drives it, without phase or disk.

use std::{collections::VecDeque, sync::Arc};

use phasewright::workflow::{
    Action, Definition, Event, Execution, ExecutionId, ExecutionStatus, IllegalTransition, Input,
    Json, Pins, Prepared, Recorded, Timestamp, Version,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Items of a fan-out.
const ITEMS: u32 = 100;

/// When everything happens.
const NOW: Timestamp = Timestamp(1_372_636_800_000);

/// A definition, and what everything of it comes to.
pub struct Run {
    definition: Arc<Definition>,
    created: Event,
    items: Vec<Json>,
    output: Json,
}

impl Run {
    /// Of this definition.
    pub fn of(document: &Value) -> Self {
        let definition =
            Definition::read(document).expect("the definition of a benchmark is right");
        let items: Vec<_> = (0..ITEMS).map(|item| Arc::new(json!(item))).collect();
        let created = Event::ExecutionCreated {
            workflow: definition.id.clone(),
            version: Version(1),
            input: Arc::new(json!({"n": 1, "items": items})),
            context: Arc::new(json!({})),
            deadline: NOW.after(definition.timeout),
            phases: Pins::default(),
            by: None,
        };
        Self {
            definition: Arc::new(definition),
            created,
            items,
            output: Arc::new(json!({"n": 2})),
        }
    }

    /// Starts an execution and answers all that it asks for until it is completed; what happens
    /// goes to `keep`.
    pub fn complete(&self, mut keep: impl FnMut(Vec<Recorded>)) -> Execution {
        let start = Execution::start(ID, self.definition.clone(), self.created.clone(), NOW);
        let (mut execution, step) = start.expect("it starts");
        keep(step.events);
        let mut actions = VecDeque::from(step.actions);
        while let Some(action) = actions.pop_front() {
            let step = execution.handle(self.answer(&action), NOW);
            let step = step.expect("it takes what it asked for");
            keep(step.events);
            actions.extend(step.actions);
        }
        assert_eq!(execution.status(), ExecutionStatus::Completed);
        execution
    }

    /// The journal of that.
    pub fn journal(&self) -> Vec<Recorded> {
        let mut journal = Vec::new();
        self.complete(|events| journal.extend(events));
        journal
    }

    /// The execution that has this journal.
    pub fn fold(&self, journal: &[Recorded]) -> Result<Execution, IllegalTransition> {
        Execution::fold(ID, self.definition.clone(), journal)
    }

    fn answer(&self, action: &Action) -> Input {
        match *action {
            Action::Prepare(node) => Input::Prepared {
                node,
                result: Ok(Prepared::ForEach(self.items.clone())),
            },
            Action::Run {
                node,
                item,
                attempt,
            } => Input::Attempted {
                node,
                item,
                attempt,
                result: Ok((self.output.clone(), Vec::new())),
            },
            Action::Finish => Input::Finished(Ok(self.output.clone())),
        }
    }
}

const ID: ExecutionId = ExecutionId(Uuid::from_u128(7));
