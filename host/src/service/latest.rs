//! Which version of a workflow a start takes, asked of the database by many at a time.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use tokio::sync::{Mutex, OnceCell};

use crate::store::{Startable, StoreError, Wanted};

/// Questions of the same kind: while one round is on its way to the database, the next
/// gathers. Each answer is at least as new as its question.
#[derive(Default)]
pub(super) struct Latest {
    next: StdMutex<Arc<Round>>,
    turn: Mutex<()>,
}

/// Of what was asked for, what exists.
type Answers = Result<HashMap<Wanted, Startable>, StoreError>;

#[derive(Default)]
struct Round {
    /// Nobody adds to them once the round has begun.
    wanted: StdMutex<HashSet<Wanted>>,
    answer: OnceCell<Answers>,
}

impl Latest {
    /// The version that a start takes; none when there is none. `ask` asks the database.
    pub(super) async fn startable(
        &self,
        wanted: &Wanted,
        ask: impl AsyncFnOnce(&[Wanted]) -> Answers,
    ) -> Result<Option<Startable>, StoreError> {
        let round = {
            let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let all = next.wanted.lock();
            let mut all = all.unwrap_or_else(PoisonError::into_inner);
            all.insert(wanted.clone());
            drop(all);
            next.clone()
        };
        let turn = self.turn.lock().await;
        let answer = round.answer.get_or_init(async || {
            self.begin(&round);
            let all = round.wanted.lock();
            let all = all.unwrap_or_else(PoisonError::into_inner).clone();
            let all: Vec<_> = all.into_iter().collect();
            ask(&all).await
        });
        let answer = answer.await;
        drop(turn);
        let answers = answer.as_ref().map_err(Clone::clone)?;
        Ok(answers.get(wanted).cloned())
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
    use crate::workflow::Version;

    fn wanted(workflow: &str, version: Option<u32>) -> Wanted {
        (workflow.parse().unwrap(), version.map(Version))
    }

    fn startable(version: u32) -> Startable {
        Startable {
            version: Version(version),
            deprecated: None,
        }
    }

    #[tokio::test]
    async fn who_asks_while_a_round_is_on_its_way_shares_the_next() {
        let asked = RefCell::new(Vec::new());
        let (latest, answer) = (Latest::default(), Notify::new());
        let ask = async |all: &[Wanted]| {
            let mut all = all.to_vec();
            all.sort();
            asked.borrow_mut().push(all.clone());
            answer.notified().await;
            let there = all.into_iter().filter(|(id, _)| id.as_str() != "none");
            let version = u32::try_from(asked.borrow().len()).unwrap();
            Ok(there.map(|id| (id, startable(version))).collect())
        };
        let a = wanted("a", None);
        let [first_a, b, none] = [("a", Some(1)), ("b", None), ("none", None)]
            .map(|(workflow, version)| wanted(workflow, version));
        let mut first = pin!(latest.startable(&a, ask));
        assert!(poll!(first.as_mut()).is_pending());
        let mut others = pin!(join_all(
            [&a, &b, &none, &first_a, &a].map(|wanted| latest.startable(wanted, ask))
        ));
        assert!(poll!(others.as_mut()).is_pending());
        answer.notify_one();
        assert_eq!(first.await, Ok(Some(startable(1))));
        answer.notify_one();
        let second = || Ok(Some(startable(2)));
        assert_eq!(
            others.await,
            [second(), second(), Ok(None), second(), second()]
        );
        assert_eq!(
            *asked.borrow(),
            [
                vec![a.clone()],
                vec![a.clone(), first_a.clone(), b.clone(), none.clone()]
            ]
        );
    }

    #[tokio::test]
    async fn a_round_whose_first_client_left_is_asked_again() {
        let latest = Latest::default();
        let a = wanted("a", None);
        let never = async |_: &[Wanted]| std::future::pending().await;
        let answer = async |_: &[Wanted]| Ok(HashMap::from([(a.clone(), startable(7))]));
        let mut first = Box::pin(latest.startable(&a, never));
        assert!(poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(latest.startable(&a, never));
        assert!(poll!(second.as_mut()).is_pending());
        let mut third = Box::pin(latest.startable(&a, answer));
        assert!(poll!(third.as_mut()).is_pending());
        drop(first);
        assert!(poll!(second.as_mut()).is_pending());
        drop(second);
        assert_eq!(third.await, Ok(Some(startable(7))));
    }
}
