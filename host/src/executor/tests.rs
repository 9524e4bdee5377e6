//! When what an execution does is written, over a store that waits to be let.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Semaphore, task::yield_now};

use super::*;
use crate::{
    clock::SystemClock,
    plugin::{Attempt, AttemptHost, PhaseInfo, PinnedError, Produced},
    store::gate::{Gate, eventually},
    workflow::{Failure, Json, PhaseName, Position, Version, WorkflowId},
};

/// Gives its input back; the phase `hold` when it is let.
struct Echo {
    let_go: Semaphore,
    attempts_max: usize,
    /// Executions whose phases it was called for.
    called: Mutex<Vec<ExecutionId>>,
}

#[async_trait]
impl PhaseRunner for Echo {
    fn catalog(&self) -> Arc<BTreeMap<PhaseName, PhaseInfo>> {
        Arc::default()
    }

    fn attempts_max(&self) -> usize {
        self.attempts_max
    }

    async fn run(&self, attempt: Attempt, host: Arc<dyn AttemptHost>) -> Result<Produced, Failure> {
        self.called.lock().unwrap().push(attempt.execution);
        match attempt.phase.as_str() {
            "hold" => self.let_go.acquire().await.unwrap().forget(),
            "act" => host.effect().await.unwrap(),
            _ => {}
        }
        Ok(Produced {
            output: attempt.input,
            artifacts: Vec::new(),
        })
    }

    fn check_config(&self, _phase: &PhaseName, _config: &Value) -> Vec<(String, String)> {
        Vec::new()
    }

    async fn check_edit(
        &self,
        _phase: &PhaseName,
        _pinned: Digest,
        _position: Position,
        _content: &Value,
    ) -> Result<Vec<(String, String)>, PinnedError> {
        Ok(Vec::new())
    }

    async fn check_expressions(
        &self,
        sources: Vec<String>,
    ) -> Result<Vec<Option<String>>, Failure> {
        Ok(vec![None; sources.len()])
    }

    async fn evaluate(
        &self,
        sources: Vec<String>,
        _scope: Vec<(String, Json)>,
    ) -> Result<Vec<Json>, Failure> {
        Ok(vec![Json::default(); sources.len()])
    }
}

/// The one definition that there is.
struct Only(Arc<Definition>);

#[async_trait]
impl Definitions for Only {
    async fn definition(
        &self,
        _workflow: &WorkflowId,
        _version: Version,
    ) -> Result<Arc<Definition>, StoreError> {
        Ok(self.0.clone())
    }
}

struct World {
    executor: Executor,
    gate: Arc<Gate>,
    echo: Arc<Echo>,
    definition: Arc<Definition>,
    _folder: TempDir,
}

impl World {
    /// Phases that run one after the other, and a host that holds for longer than a test takes.
    async fn of(phases: &[&str]) -> Self {
        Self::holding(phases, Duration::from_hours(1)).await
    }

    async fn holding(phases: &[&str], hold: Duration) -> Self {
        Self::with(phases, hold, usize::MAX).await
    }

    async fn with(phases: &[&str], hold: Duration, attempts_max: usize) -> Self {
        let nodes = phases.iter().enumerate().map(|(at, phase)| {
            let needs: Vec<_> = at
                .checked_sub(1)
                .map(|need| format!("n{need}"))
                .into_iter()
                .collect();
            json!({"id": format!("n{at}"), "phase": phase, "needs": needs, "input": {}})
        });
        let document = json!({"id": "flow", "nodes": nodes.collect::<Vec<_>>()});
        let definition = Arc::new(Definition::read(&document).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let gate = Gate::new(&folder).await;
        let echo = Arc::new(Echo {
            let_go: Semaphore::new(0),
            attempts_max,
            called: Mutex::default(),
        });
        let executor = Executor::new(
            gate.clone(),
            Writer::start(gate.clone()),
            echo.clone(),
            Arc::new(SystemClock),
            Arc::new(Only(definition.clone())),
            Events::default(),
            Hosting {
                hold,
                ..Hosting::default()
            },
        );
        executor.enter().await.unwrap();
        Self {
            executor,
            gate,
            echo,
            definition,
            _folder: folder,
        }
    }

    /// One place, and so many executions that hold it one after the other.
    async fn crowded(executions: u128) -> Self {
        let world = Self::with(&["hold"], Duration::from_millis(1), 1).await;
        world.gate.pass(100);
        for number in 1..=executions {
            world.start_as(number, None).await.unwrap();
        }
        settle().await;
        assert_eq!(world.called(), [1]);
        world
    }

    async fn cancel(&self, number: u128) {
        let cancel = Command::Cancel {
            reason: String::new(),
            by: None,
        };
        self.executor.command(id(number), cancel).await.unwrap();
    }

    fn new_execution(&self, number: u128) -> NewExecution {
        let nodes = self.definition.nodes.iter();
        let phases = nodes.map(|node| (node.phase.clone(), Digest([0; 32])));
        NewExecution {
            id: id(number),
            definition: self.definition.clone(),
            created: Event::ExecutionCreated {
                workflow: self.definition.id.clone(),
                version: Version(1),
                input: Arc::new(json!({})),
                context: Arc::new(json!({})),
                deadline: SystemClock.now().after(self.definition.timeout),
                phases: Arc::new(phases.collect()),
                by: None,
            },
            taken: Vec::new(),
            blobs: Vec::new(),
            key: None,
        }
    }

    /// Starts one, to be waited for.
    fn start(&self, over: Option<oneshot::Sender<Arc<Execution>>>) -> JoinHandle<Started> {
        self.start_as(1, over)
    }

    fn start_as(
        &self,
        number: u128,
        over: Option<oneshot::Sender<Arc<Execution>>>,
    ) -> JoinHandle<Started> {
        let (executor, new) = (self.executor.clone(), self.new_execution(number));
        tokio::spawn(async move { executor.start(new, over).await.unwrap() })
    }

    /// Executions whose phases were called, in order.
    fn called(&self) -> Vec<u128> {
        let called = self.echo.called.lock().unwrap();
        called.iter().map(|id| id.0.as_u128()).collect()
    }

    /// Events in each commit that has begun.
    fn commits(&self) -> Vec<usize> {
        let batches = self.gate.batches.lock().unwrap();
        batches
            .iter()
            .map(|batch| batch.iter().map(|(_, events)| events).sum())
            .collect()
    }
}

fn id(number: u128) -> ExecutionId {
    ExecutionId(uuid::Uuid::from_u128(number))
}

/// Lets everything run that can, and then some.
async fn settle() {
    for _ in 0..1_000 {
        yield_now().await;
    }
}

#[tokio::test]
async fn an_execution_that_is_waited_for_is_one_commit() {
    let world = World::of(&["echo", "echo", "echo"]).await;
    let (over, mut end) = oneshot::channel();
    let start = world.start(Some(over));
    eventually(|| world.gate.commits() == 1).await;
    settle().await;
    // Created, three times started and succeeded, completed.
    assert_eq!(world.commits(), [8]);
    assert!(!start.is_finished(), "nothing is durable yet");
    assert!(end.try_recv().is_err());
    world.gate.pass(1);
    assert!(matches!(start.await.unwrap(), Started::Created(_)));
    assert!(end.await.unwrap().is_over());
    assert_eq!(world.gate.commits(), 1);
}

#[tokio::test]
async fn a_start_is_written_at_once_when_it_is_all_that_is_waited_for() {
    let world = World::of(&["hold", "echo", "echo"]).await;
    let start = world.start(None);
    eventually(|| world.gate.commits() == 1).await;
    assert_eq!(world.commits(), [2]);
    world.gate.pass(1);
    start.await.unwrap();
    world.echo.let_go.add_permits(1);
    eventually(|| world.gate.commits() == 2).await;
    // The rest, to the end: nobody waited for less.
    assert_eq!(world.commits(), [2, 6]);
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_after_a_moment() {
    let phases = ["echo", "hold"];
    let world = World::of(&phases).await;
    let (over, _end) = oneshot::channel();
    let _start = world.start(Some(over));
    settle().await;
    assert_eq!(world.gate.commits(), 0);

    let world = World::holding(&phases, Duration::from_millis(1)).await;
    let (over, _end) = oneshot::channel();
    let start = world.start(Some(over));
    eventually(|| world.gate.commits() == 1).await;
    world.gate.pass(2);
    assert!(matches!(start.await.unwrap(), Started::Created(_)));
}

#[tokio::test]
async fn an_effect_waits_for_what_it_depends_on_and_is_written_at_once() {
    let world = World::of(&["act", "hold"]).await;
    let (over, _end) = oneshot::channel();
    let _start = world.start(Some(over));
    eventually(|| world.gate.commits() == 1).await;
    settle().await;
    assert_eq!(world.commits(), [2]);
    world.gate.pass(1);
    eventually(|| world.gate.commits() == 2).await;
    assert_eq!(world.commits(), [2, 2]);
}

#[tokio::test]
async fn a_host_that_stops_writes_what_it_holds() {
    let world = World::of(&["echo", "hold"]).await;
    let (over, _end) = oneshot::channel();
    let _start = world.start(Some(over));
    settle().await;
    assert_eq!(world.gate.commits(), 0);
    let executor = world.executor.clone();
    let stop = tokio::spawn(async move { executor.stop(Duration::ZERO).await });
    eventually(|| world.gate.commits() == 1).await;
    assert_eq!(world.commits(), [4]);
    world.gate.pass(1);
    stop.await.unwrap();
}

#[tokio::test]
async fn what_waits_for_a_place_runs_in_order_unless_it_is_called_off() {
    let world = World::crowded(4).await;
    world.cancel(2).await;
    world.echo.let_go.add_permits(1);
    eventually(|| world.called() == [1, 3]).await;
    world.echo.let_go.add_permits(1);
    eventually(|| world.called() == [1, 3, 4]).await;
    world.echo.let_go.add_permits(1);
    // The place is free again.
    world.start_as(5, None).await.unwrap();
    eventually(|| world.called() == [1, 3, 4, 5]).await;
}

#[tokio::test]
async fn what_runs_makes_room_when_it_is_called_off() {
    let world = World::crowded(2).await;
    world.cancel(1).await;
    eventually(|| world.called() == [1, 2]).await;
}

#[tokio::test]
async fn a_host_that_stops_begins_nothing_that_waits() {
    let world = World::crowded(2).await;
    let executor = world.executor.clone();
    let stop = tokio::spawn(async move { executor.stop(Duration::from_hours(1)).await });
    settle().await;
    world.echo.let_go.add_permits(2);
    stop.await.unwrap();
    assert_eq!(world.called(), [1]);
}
