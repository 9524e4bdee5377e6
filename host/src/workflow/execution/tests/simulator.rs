//! Plays the outside of an execution: answers its actions in a seeded order, decides
//! at its checkpoints, moves the clock, and keeps its journal.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    START, created, execution_id,
    invariants::{check_derived, check_event, check_same},
    world::{Choices, World},
};
use crate::workflow::{
    Action, CheckpointId, Command, Definition, Event, Execution, ExecutionStatus, Input, Level,
    NodeIndex, Pins, Recorded, Refusal, Stage, Step, Timestamp, Version,
};

/// More steps than any execution of these tests takes.
const STEPS_MAX: usize = 200_000;

#[derive(Debug, Clone)]
pub(super) struct Simulator {
    pub(super) execution: Execution,
    pub(super) journal: Vec<Recorded>,
    pub(super) now: Timestamp,
    pub(super) world: World,
    pub(super) choices: Choices,
    /// Lengths of the journal at which a step ended: a crash loses no part of a step.
    pub(super) boundaries: Vec<usize>,
    in_flight: Vec<Action>,
    /// Does somebody pause it now and then? Whoever does lets it go on again.
    pub(super) is_paused_at_times: bool,
    /// What it was created with, and the versions to which it may migrate.
    first: Arc<Definition>,
    later: BTreeMap<Version, Arc<Definition>>,
    /// Follows event by event, as a reader does; none while nobody checks.
    reader: Option<Box<Execution>>,
}

impl Simulator {
    pub(super) fn start(definition: &Arc<Definition>, world: World, schedule: u64) -> Self {
        Self::rerun(definition, Vec::new(), world, schedule)
    }

    /// An execution that has something from another.
    pub(super) fn rerun(
        definition: &Arc<Definition>,
        taken: Vec<Event>,
        world: World,
        schedule: u64,
    ) -> Self {
        let event = created(definition);
        let started =
            Execution::start_with(execution_id(), definition.clone(), event, taken, START);
        let (execution, step) = started.expect("starts");
        let mut simulator = Self {
            execution,
            journal: Vec::new(),
            now: START,
            world,
            choices: Choices(schedule),
            boundaries: Vec::new(),
            in_flight: Vec::new(),
            is_paused_at_times: false,
            first: definition.clone(),
            later: BTreeMap::new(),
            reader: None,
        };
        simulator.take(step);
        simulator
    }

    /// The same, checking every event of it.
    pub(super) fn checked(definition: &Arc<Definition>, world: World, schedule: u64) -> Self {
        Self::start(definition, world, schedule).watched()
    }

    /// Checks every event, those so far included.
    pub(super) fn watched(mut self) -> Self {
        let reader = self.folded(&self.journal[..1]);
        let mut reader = Box::new(reader);
        for recorded in &self.journal[1..] {
            check_event(&reader, recorded);
            reader.apply(recorded).expect("the next event");
        }
        self.reader = Some(reader);
        self.check();
        self
    }

    /// Goes on from these events after a crash.
    pub(super) fn recovered(
        definition: &Arc<Definition>,
        journal: &[Recorded],
        now: Timestamp,
        world: World,
        schedule: u64,
    ) -> Self {
        Self::recovered_with(definition, BTreeMap::new(), journal, now, world, schedule)
    }

    /// The same of one that may have migrated to one of these versions.
    pub(super) fn recovered_with(
        definition: &Arc<Definition>,
        later: BTreeMap<Version, Arc<Definition>>,
        journal: &[Recorded],
        now: Timestamp,
        world: World,
        schedule: u64,
    ) -> Self {
        let (id, first) = (execution_id(), definition.clone());
        let execution = Execution::fold_with(id, first.clone(), later.clone(), journal);
        let execution = execution.expect("a journal folds");
        let mut simulator = Self {
            execution,
            journal: journal.to_vec(),
            now,
            world,
            choices: Choices(schedule),
            boundaries: Vec::new(),
            in_flight: Vec::new(),
            is_paused_at_times: false,
            first,
            later,
            reader: None,
        };
        let step = simulator.execution.recover(now).expect("recovers");
        simulator.take(step);
        simulator
    }

    /// Loses all that is not in the journal, and goes on.
    pub(super) fn crash(&mut self) {
        let execution = self.folded(&self.journal);
        check_same(&execution, &self.execution);
        check_derived(&execution, None);
        self.execution = execution;
        self.in_flight.clear();
        let step = self.execution.recover(self.now).expect("recovers");
        self.take(step);
    }

    fn folded(&self, journal: &[Recorded]) -> Execution {
        let (first, later) = (self.first.clone(), self.later.clone());
        let folded = Execution::fold_with(execution_id(), first, later, journal);
        folded.expect("a journal folds")
    }

    /// Tells what a version is.
    pub(super) fn learn(&mut self, version: Version, definition: &Arc<Definition>) {
        self.later.insert(version, definition.clone());
        self.execution.learn(version, definition.clone());
        if let Some(reader) = &mut self.reader {
            reader.learn(version, definition.clone());
        }
    }

    /// Asks for a migration to this version.
    pub(super) fn migrate(
        &mut self,
        version: Version,
        definition: &Arc<Definition>,
    ) -> Result<(), Refusal> {
        self.learn(version, definition);
        let command = Command::Migrate {
            version,
            phases: Pins::default(),
            by: None,
        };
        let step = self.execution.handle(Input::Command(command), self.now)?;
        self.take(step);
        Ok(())
    }

    /// Runs to the end.
    pub(super) fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("it goes on for ever: {:#?}", self.journal.last());
    }

    /// Lets one thing happen; false when it is over.
    pub(super) fn step(&mut self) -> bool {
        if self.execution.is_over() {
            return false;
        }
        let pause = Duration::from_millis(self.choices.below(3) as u64);
        let later = self.now.after(pause);
        // Whoever decides does so in time.
        if let Some((checkpoint, node)) = self.decidable_before(later) {
            self.decide(checkpoint, node);
            return true;
        }
        self.now = later;
        if self.is_paused_at_times && self.choices.once_in(6) {
            self.pause_or_go_on();
            return true;
        }
        let is_due = self.execution.wake_at().is_some_and(|at| at <= self.now);
        let decidable = self.decidable();
        let choices = self.in_flight.len() + decidable.len() + usize::from(is_due);
        if choices == 0 && self.execution.status() == ExecutionStatus::Paused {
            assert!(self.execution.is_waiting(), "it is paused and cannot leave");
            self.pause_or_go_on();
            return true;
        }
        if choices == 0 {
            assert!(
                self.execution.is_waiting(),
                "nothing is to be done, but it does not wait"
            );
            self.now = self.execution.wake_at().expect("a deadline at least");
            self.handle(Input::Tick);
            return true;
        }
        let choice = self.choices.below(choices);
        if choice < self.in_flight.len() {
            let action = self.in_flight.swap_remove(choice);
            self.perform(&action);
        } else if let Some((checkpoint, node)) = decidable.get(choice - self.in_flight.len()) {
            self.decide(*checkpoint, *node);
        } else {
            self.handle(Input::Tick);
        }
        true
    }

    /// Gives it an input; a refusal must change nothing.
    pub(super) fn handle(&mut self, input: Input) {
        let step = self
            .execution
            .handle(input, self.now)
            .expect("an input of the simulator");
        self.take(step);
    }

    fn pause_or_go_on(&mut self) {
        let command = match self.execution.status() {
            ExecutionStatus::Paused => Command::Resume {
                timeout: Duration::ZERO,
                by: None,
            },
            _ => Command::Pause {
                reason: String::new(),
                by: None,
            },
        };
        self.handle(Input::Command(command));
    }

    fn take(&mut self, step: Step) {
        if let Some(reader) = &mut self.reader {
            for recorded in &step.events {
                check_event(reader, recorded);
                reader.apply(recorded).expect("the next event");
            }
        }
        self.journal.extend(step.events);
        self.boundaries.push(self.journal.len());
        self.in_flight.extend(step.actions);
        if self.execution.is_over() {
            self.in_flight.clear();
        }
        self.check();
    }

    fn check(&self) {
        if let Some(reader) = &self.reader {
            check_same(reader, &self.execution);
            check_derived(reader, None);
            check_derived(&self.execution, Some(self.now));
        }
    }

    fn perform(&mut self, action: &Action) {
        let input = match *action {
            Action::Prepare(node) => Input::Prepared {
                node,
                result: self.world.prepared(&self.execution.definition, node),
            },
            Action::Run {
                node,
                item,
                attempt,
            } => {
                self.report(node, item);
                let result = self.world.attempted(node, item, attempt);
                Input::Attempted {
                    node,
                    item,
                    attempt,
                    result: result.map(|output| (output, Vec::new())),
                }
            }
            Action::Finish => Input::Finished(self.world.finished()),
        };
        self.handle(input);
    }

    fn report(&mut self, node: NodeIndex, item: Option<u32>) {
        let message = String::new();
        match self.choices.below(8) {
            0 => self.handle(Input::Progressed {
                node,
                item,
                fraction: 0.5,
                message,
            }),
            1 => self.handle(Input::Logged {
                node,
                item,
                level: Level::Info,
                message,
            }),
            _ => {}
        }
    }

    /// The open checkpoints at which somebody decides.
    fn decidable(&self) -> Vec<(CheckpointId, NodeIndex)> {
        let is_answered = |(_, node): &(CheckpointId, NodeIndex)| {
            let round = self.execution.node(*node).round;
            let answer = self.world.answer(&self.execution.definition, *node, round);
            answer.is_some() && self.expiry(*node).is_none_or(|at| at > self.now)
        };
        let open = self.execution.checkpoints.iter();
        open.map(|(checkpoint, node)| (*checkpoint, *node))
            .filter(is_answered)
            .collect()
    }

    fn decidable_before(&self, later: Timestamp) -> Option<(CheckpointId, NodeIndex)> {
        let is_late = |at: Timestamp| at <= later;
        self.decidable()
            .into_iter()
            .find(|(_, node)| self.expiry(*node).is_some_and(is_late))
    }

    fn expiry(&self, node: NodeIndex) -> Option<Timestamp> {
        match self.execution.node(node).stage {
            Stage::AwaitingCheckpoint { expires, .. } => expires,
            _ => None,
        }
    }

    fn decide(&mut self, checkpoint: CheckpointId, node: NodeIndex) {
        let round = self.execution.node(node).round;
        let answer = self.world.answer(&self.execution.definition, node, round);
        let answer = answer.expect("somebody decides");
        self.handle(Input::Command(Command::Resolve {
            checkpoint,
            decision: answer.decision,
            notes: answer.notes,
            by: None,
            decider: None,
        }));
    }
}
