//! Which version of a workflow is the latest, asked of the database by many at a time.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use tokio::sync::{Mutex, OnceCell};

use crate::{
    store::StoreError,
    workflow::{Version, WorkflowId},
};

/// Questions of the same kind: while one round is on its way to the database, the next
/// gathers. Each answer is at least as new as its question.
#[derive(Default)]
pub(super) struct Latest {
    next: StdMutex<Arc<Round>>,
    turn: Mutex<()>,
}

/// Of the workflows that were asked for and exist.
type Versions = Result<HashMap<WorkflowId, Version>, StoreError>;

#[derive(Default)]
struct Round {
    /// Nobody adds to them once the round has begun.
    workflows: StdMutex<HashSet<WorkflowId>>,
    answer: OnceCell<Versions>,
}

impl Latest {
    /// The latest version of a workflow; none when there is none. `ask` asks the database.
    pub(super) async fn version(
        &self,
        workflow: &WorkflowId,
        ask: impl AsyncFnOnce(&[WorkflowId]) -> Versions,
    ) -> Result<Option<Version>, StoreError> {
        let round = {
            let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let workflows = next.workflows.lock();
            let mut workflows = workflows.unwrap_or_else(PoisonError::into_inner);
            workflows.insert(workflow.clone());
            drop(workflows);
            next.clone()
        };
        let turn = self.turn.lock().await;
        let answer = round.answer.get_or_init(async || {
            self.begin(&round);
            let workflows = round.workflows.lock();
            let workflows = workflows.unwrap_or_else(PoisonError::into_inner).clone();
            let workflows: Vec<_> = workflows.into_iter().collect();
            ask(&workflows).await
        });
        let answer = answer.await;
        drop(turn);
        Ok(answer
            .as_ref()
            .map_err(Clone::clone)?
            .get(workflow)
            .copied())
    }

    /// From now on questions go to another round.
    fn begin(&self, round: &Arc<Round>) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&next, round) {
            mem::take(&mut *next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, pin::pin};

    use futures::{future::join_all, poll};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_asks_while_a_round_is_on_its_way_shares_the_next() {
        let asked = RefCell::new(Vec::new());
        let (latest, answer) = (Latest::default(), Notify::new());
        let ask = async |workflows: &[WorkflowId]| {
            let mut workflows = workflows.to_vec();
            workflows.sort();
            asked.borrow_mut().push(workflows.clone());
            answer.notified().await;
            let versions = workflows.into_iter().filter(|id| id.as_str() != "none");
            let version = u32::try_from(asked.borrow().len()).unwrap();
            Ok(versions.map(|id| (id, Version(version))).collect())
        };
        let [a, b, none] = ["a", "b", "none"].map(|id| id.parse::<WorkflowId>().unwrap());
        let mut first = pin!(latest.version(&a, ask));
        assert!(poll!(first.as_mut()).is_pending());
        let mut others = pin!(join_all(
            [&a, &b, &none, &a].map(|workflow| latest.version(workflow, ask))
        ));
        assert!(poll!(others.as_mut()).is_pending());
        answer.notify_one();
        assert_eq!(first.await, Ok(Some(Version(1))));
        answer.notify_one();
        let second = Ok(Some(Version(2)));
        assert_eq!(
            others.await,
            [second.clone(), second.clone(), Ok(None), second]
        );
        assert_eq!(
            *asked.borrow(),
            [vec![a.clone()], vec![a.clone(), b.clone(), none.clone()]]
        );
    }

    #[tokio::test]
    async fn a_round_whose_first_client_left_is_asked_again() {
        let latest = Latest::default();
        let a: WorkflowId = "a".parse().unwrap();
        let never = async |_: &[WorkflowId]| std::future::pending().await;
        let answer = async |_: &[WorkflowId]| Ok(HashMap::from([(a.clone(), Version(7))]));
        let mut first = Box::pin(latest.version(&a, never));
        assert!(poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(latest.version(&a, never));
        assert!(poll!(second.as_mut()).is_pending());
        let mut third = Box::pin(latest.version(&a, answer));
        assert!(poll!(third.as_mut()).is_pending());
        drop(first);
        assert!(poll!(second.as_mut()).is_pending());
        drop(second);
        assert_eq!(third.await, Ok(Some(Version(7))));
    }
}
