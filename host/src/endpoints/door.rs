//! The door from endpoint components to the engine: each function of the workflow
//! interface hands its call on, in process.

mod definitions;

use std::{
    future::pending,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use wasmtime::{
    AsContextMut, StoreContextMut,
    component::{
        Accessor, Destination, HasSelf, StreamProducer, StreamReader, StreamResult, VecBuffer,
    },
};

use super::instance::State;
use crate::contract::{
    Action, Artifact, Caller, Checkpoint, CheckpointFilter, CheckpointPage, Decision, Engine,
    Error, Event, EventPage, Execution, ExecutionFilter, ExecutionPage, MigrationPlan, Outcomes,
    PageRequest, Phase, Probe, RerunPlan, RerunRequest, StartRequest, Started, Summary,
    bindings::phasewright::workflow, patience,
};

/// Events handed over at once; those that are there go together.
const EVENTS_BATCH_MAX: usize = 64;

fn engine<T>(door: &Accessor<T, HasSelf<State>>) -> Arc<dyn Engine> {
    door.with(|mut access| access.get().engine.clone())
}

/// Comes when there is nobody left to tell: the client has gone, or the host stops.
fn over<T>(door: &Accessor<T, HasSelf<State>>) -> BoxFuture<'static, ()> {
    let (asked, mut stopping) = door.with(|mut access| {
        let tasks: Vec<_> = (access.as_context_mut().async_call_stack())
            .map(Iterator::collect)
            .unwrap_or_default();
        let state = access.get();
        (
            state.worker.asked(tasks.into_iter()),
            state.stopping.clone(),
        )
    });
    async move {
        let gone = async {
            match &asked {
                Some(asked) => asked.over().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = gone => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
    .boxed()
}

/// Hands events over in the batches in which they come.
struct Events(BoxStream<'static, Vec<Event>>);

impl<D> StreamProducer<D> for Events {
    type Item = Event;
    type Buffer = VecBuffer<Event>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Event, VecBuffer<Event>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // Whether an event is there can only be told by taking it.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.0.poll_next_unpin(cx) {
            Poll::Ready(Some(batch)) => {
                destination.set_buffer(batch.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl workflow::executions::Host for State {}

impl<T: Send> workflow::executions::HostWithStore<T> for HasSelf<State> {
    async fn start(
        door: &Accessor<T, Self>,
        caller: Caller,
        request: StartRequest,
        wait_ms: Option<u32>,
    ) -> Result<Started, Error> {
        let wait = wait_ms.map(|wait_ms| patience(wait_ms, over(door)));
        engine(door).executions_start(caller, request, wait).await
    }

    async fn get(door: &Accessor<T, Self>, caller: Caller, id: String) -> Result<Execution, Error> {
        engine(door).executions_get(caller, id).await
    }

    async fn wait(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        timeout_ms: u32,
    ) -> Result<Execution, Error> {
        let engine = engine(door);
        let over = over(door);
        let waiting = engine.executions_wait(caller.clone(), id.clone(), timeout_ms);
        tokio::select! {
            execution = waiting => execution,
            // As it is now is what the caller gets when time is up, and it is.
            () = over => engine.executions_get(caller, id).await,
        }
    }

    async fn list(
        door: &Accessor<T, Self>,
        caller: Caller,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<ExecutionPage, Error> {
        engine(door).executions_list(caller, filter, page).await
    }

    async fn cancel(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error> {
        engine(door).executions_cancel(caller, id, reason).await
    }

    async fn pause(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error> {
        engine(door).executions_pause(caller, id, reason).await
    }

    async fn resume(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
    ) -> Result<Summary, Error> {
        engine(door).executions_resume(caller, id).await
    }

    async fn rerun(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        request: RerunRequest,
        wait_ms: Option<u32>,
    ) -> Result<Started, Error> {
        let wait = wait_ms.map(|wait_ms| patience(wait_ms, over(door)));
        let engine = engine(door);
        engine.executions_rerun(caller, id, request, wait).await
    }

    async fn plan_rerun(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        request: RerunRequest,
    ) -> Result<RerunPlan, Error> {
        let engine = engine(door);
        engine.executions_plan_rerun(caller, id, request).await
    }

    async fn migrate(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Summary, Error> {
        engine(door).executions_migrate(caller, id, version).await
    }

    async fn plan_migration(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<MigrationPlan, Error> {
        let engine = engine(door);
        engine.executions_plan_migration(caller, id, version).await
    }

    async fn apply(
        door: &Accessor<T, Self>,
        caller: Caller,
        action: Action,
        filter: ExecutionFilter,
        page: PageRequest,
        dry_run: bool,
    ) -> Result<Outcomes, Error> {
        engine(door)
            .executions_apply(caller, action, filter, page, dry_run)
            .await
    }
}

impl workflow::events::Host for State {}

impl<T: Send> workflow::events::HostWithStore<T> for HasSelf<State> {
    async fn list(
        door: &Accessor<T, Self>,
        caller: Caller,
        execution_id: String,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, Error> {
        let engine = engine(door);
        engine.events_list(caller, execution_id, after, limit).await
    }

    async fn follow(
        door: &Accessor<T, Self>,
        caller: Caller,
        execution_id: String,
        after: u64,
    ) -> Result<StreamReader<Event>, Error> {
        let over = over(door);
        let events = engine(door)
            .events_follow(caller, execution_id, after)
            .await?;
        let batches = events.take_until(over).ready_chunks(EVENTS_BATCH_MAX);
        door.with(|access| StreamReader::new(access, Events(batches.boxed())))
            .map_err(|error| Error::Internal(error.to_string()))
    }
}

impl workflow::artifacts::Host for State {}

impl<T: Send> workflow::artifacts::HostWithStore<T> for HasSelf<State> {
    async fn list(
        door: &Accessor<T, Self>,
        caller: Caller,
        execution_id: String,
    ) -> Result<Vec<Artifact>, Error> {
        engine(door).artifacts_list(caller, execution_id).await
    }

    async fn read(
        door: &Accessor<T, Self>,
        caller: Caller,
        execution_id: String,
        node: String,
        item: Option<u32>,
        name: String,
    ) -> Result<(Artifact, StreamReader<u8>), Error> {
        let (artifact, bytes) = engine(door)
            .artifacts_read(caller, execution_id, node, item, name)
            .await?;
        let reader = door
            .with(|access| StreamReader::new(access, bytes))
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok((artifact, reader))
    }
}

impl workflow::checkpoints::Host for State {}

impl<T: Send> workflow::checkpoints::HostWithStore<T> for HasSelf<State> {
    async fn get(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
    ) -> Result<Checkpoint, Error> {
        engine(door).checkpoints_get(caller, id).await
    }

    async fn list(
        door: &Accessor<T, Self>,
        caller: Caller,
        filter: CheckpointFilter,
        page: PageRequest,
    ) -> Result<CheckpointPage, Error> {
        engine(door).checkpoints_list(caller, filter, page).await
    }

    async fn resolve(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        decision: Decision,
        notes: Option<String>,
    ) -> Result<Checkpoint, Error> {
        engine(door)
            .checkpoints_resolve(caller, id, decision, notes)
            .await
    }
}

impl workflow::catalog::Host for State {}

impl<T: Send> workflow::catalog::HostWithStore<T> for HasSelf<State> {
    async fn list(door: &Accessor<T, Self>, caller: Caller) -> Result<Vec<Phase>, Error> {
        engine(door).catalog_list(caller).await
    }

    async fn get(door: &Accessor<T, Self>, caller: Caller, name: String) -> Result<Phase, Error> {
        engine(door).catalog_get(caller, name).await
    }
}

impl workflow::health::Host for State {}

impl<T: Send> workflow::health::HostWithStore<T> for HasSelf<State> {
    async fn report(door: &Accessor<T, Self>) -> Probe {
        engine(door).health_report().await
    }

    async fn ready(door: &Accessor<T, Self>) -> Probe {
        engine(door).health_ready().await
    }

    async fn live(door: &Accessor<T, Self>) -> Probe {
        engine(door).health_live().await
    }

    async fn startup(door: &Accessor<T, Self>) -> Probe {
        engine(door).health_startup().await
    }
}

impl workflow::types::Host for State {}
