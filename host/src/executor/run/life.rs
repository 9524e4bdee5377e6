//! The life of an actor: from its start or its journal to its end, and back to the journal
//! when what it did is not durable.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures::FutureExt;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{BACKOFF, Begin, Beside, Held, LINGER, Life, Run, STAY, Start, Wake, Wakes};
use crate::{
    executor::{Shared, command::CommandError, fold, inbox::Inbox, report_flaw},
    store::StoreError,
    workflow::{Execution, ExecutionId, Input, Step},
};

/// What there is to go on with.
enum Loaded {
    Here(Box<Run>),
    /// Another host has it.
    Elsewhere,
    Missing,
}

/// What an actor goes by, however often it begins.
pub(in crate::executor) struct Actor {
    pub(in crate::executor) shared: Arc<Shared>,
    pub(in crate::executor) id: ExecutionId,
    pub(in crate::executor) sender: Wakes,
    pub(in crate::executor) wakes: flume::Receiver<Box<Wake>>,
}

impl Actor {
    /// The life of an actor, from its start or its journal to its end.
    pub(in crate::executor) async fn host(self, begin: Begin) {
        let guarded = AssertUnwindSafe(self.lives(begin));
        if guarded.catch_unwind().await.is_err() {
            report_flaw(self.id, &"the actor of the execution panicked");
        }
        // Whoever asks from here on finds nobody and asks anew; who asked already
        // sees the answer dropped.
        self.shared.forget(self.id);
    }

    async fn lives(&self, begin: Begin) {
        let mut started = match begin {
            Begin::New(start) => {
                let (run, step, beside) =
                    Run::start(self.shared.clone(), *start, self.sender.clone());
                let mut run = Box::new(run);
                run.take(step, beside);
                Some(run)
            }
            Begin::Load => None,
        };
        let mut pause = BACKOFF.0;
        loop {
            let mut run = match started.take() {
                Some(run) => run,
                // Rarer than the rest, and larger.
                None => match Box::pin(self.load()).await {
                    Ok(Loaded::Here(run)) => run,
                    // Nobody can ask here any more.
                    Ok(Loaded::Elsewhere) => {
                        return self.refuse(&CommandError::Elsewhere);
                    }
                    Ok(Loaded::Missing) => {
                        return self.refuse(&CommandError::NotFound(self.id));
                    }
                    Err(error) => {
                        warn!(execution.id = %self.id, %error, "failed to load the execution; trying again");
                        self.refuse(&CommandError::Store(error));
                        if *self.shared.stop.borrow() {
                            return;
                        }
                        tokio::time::sleep(pause).await;
                        pause = BACKOFF.1.min(pause * 2);
                        continue;
                    }
                },
            };
            let life = run.live(&self.wakes).await;
            match life {
                Life::Left if run.let_go().await => return,
                Life::Left => {}
                Life::Lost(failure) => {
                    let is_created = run.commits.now().version > 0 || failure.is_uncertain();
                    run.lose(&failure);
                    if !is_created {
                        return;
                    }
                    warn!(execution.id = %self.id, ?failure, "reading the execution back");
                }
            }
            drop(run);
            tokio::time::sleep(pause).await;
            pause = BACKOFF.1.min(pause * 2);
        }
    }

    async fn load(&self) -> Result<Loaded, StoreError> {
        let Self { shared, id, .. } = self;
        let corrupt =
            |flaw: &dyn std::fmt::Display| StoreError::Corrupt(format!("execution {id}: {flaw}"));
        let Some(journal) = shared.store.load(*id).await? else {
            return Ok(Loaded::Missing);
        };
        let execution = fold(&*shared.definitions, &journal).await?;
        let mut run = Run::new(shared.clone(), execution, self.sender.clone());
        run.owner = journal.owner;
        run.crashes = journal.crashes;
        if !run.own().await? {
            return Ok(Loaded::Elsewhere);
        }
        let version = run.execution.version;
        run.inbox = Inbox::of(&run.execution, &journal.events);
        run.published = version;
        run.commits.update(|durable| durable.version = version);
        run.stay_until = Some(Instant::now() + STAY);
        let now = shared.clock.now();
        let step = if run.crashes >= shared.crashes_max {
            let crashes = run.crashes;
            run.execution.handle(Input::Abandon { crashes }, now)
        } else {
            run.execution.recover(now)
        };
        let step = step.map_err(|flaw| corrupt(&flaw))?;
        debug!(execution.id = %id, version, "loaded");
        run.take(step, Beside::default());
        Ok(Loaded::Here(Box::new(run)))
    }

    /// Tells whoever has asked why there is no answer.
    fn refuse(&self, why: &CommandError) {
        for wake in self.wakes.try_iter() {
            if let Wake::Command { reply, .. } = *wake {
                let _ = reply.send(Err(why.clone()));
            }
        }
    }
}

impl Run {
    /// Gives up what nobody here goes on with. False when that failed.
    async fn let_go(&mut self) -> bool {
        // What a stopping host owns it lets go of all at once.
        if self.owner.is_none() || *self.shared.stop.borrow() {
            return true;
        }
        let released = self.shared.store.release(self.host, self.execution.id);
        match released.await {
            Ok(()) => true,
            Err(error) => {
                warn!(execution.id = %self.execution.id, %error, "failed to let go of the execution");
                false
            }
        }
    }

    /// An actor of an execution that starts, with its first step and what belongs to that.
    fn start(shared: Arc<Shared>, start: Start, wakes: Wakes) -> (Self, Step, Beside) {
        let mut run = Self::new(shared, start.execution, wakes);
        run.answer_start(start.reply, start.over);
        let beside = Beside {
            key: start.key,
            blobs: start.blobs,
            ..Beside::default()
        };
        (run, start.step, beside)
    }

    /// Creates an execution for whoever has room for it.
    pub(in crate::executor) async fn leave_adrift(shared: Arc<Shared>, begin: Begin) {
        let Begin::New(start) = begin else {
            return;
        };
        // Nobody here sees its end.
        let start = Start {
            over: None,
            ..*start
        };
        let (wakes, _) = flume::bounded(1);
        let (mut run, step, beside) = Self::start(shared, start, wakes);
        run.hold(step.events, beside);
        run.write_for(None).await;
        loop {
            if let Some(failure) = run.acknowledge() {
                return run.lose(&failure);
            }
            if run.answers.is_empty() {
                return;
            }
            run.commits.settled(run.published + 1).await;
        }
    }

    /// An actor of an execution that is not stored yet.
    fn new(shared: Arc<Shared>, execution: Execution, wakes: Wakes) -> Self {
        let host = shared.lease.host();
        Self {
            shared,
            host,
            owner: None,
            crashes: 0,
            execution,
            inbox: Inbox::default(),
            wakes,
            commits: Arc::default(),
            held: Held::default(),
            given: HashMap::new(),
            answers: VecDeque::new(),
            asked: 0,
            waits: Vec::new(),
            timer: Box::pin(tokio::time::sleep(LINGER)),
            stay_until: None,
            published: 0,
            is_stale: false,
        }
    }

    /// Sees to it that this host owns what it is going to run. What only waits is
    /// anybody's, until somebody writes to it.
    async fn own(&mut self) -> Result<bool, StoreError> {
        if self.owner.is_none() && !self.execution.is_over() && !self.execution.is_waiting() {
            let taken = self.shared.store.take(self.host, self.execution.id).await?;
            self.owner = taken.then_some(self.host);
            return Ok(taken);
        }
        Ok(self.owner.is_none_or(|owner| owner == self.host))
    }
}
