//! Who runs an execution: claims, the fence, and what is left by who ends.

use super::{
    TestDatabase,
    examples::{execution, host, lines, with_status},
    open, prepared,
};
use crate::{
    store::{
        Append,
        Appended::{self, Committed, Conflict},
        HostId, Store,
    },
    workflow::{ExecutionId, ExecutionStatus, Timestamp},
};

async fn claim(store: &dyn Store, host: HostId, now: i64) -> Vec<u128> {
    let mut found = numbers(&store.claim(host, Timestamp(now), 100).await.unwrap());
    found.sort_unstable();
    found
}

fn numbers(ids: &[ExecutionId]) -> Vec<u128> {
    ids.iter().map(|id| id.0.as_u128() & 0xffff).collect()
}

fn state(
    number: u128,
    status: ExecutionStatus,
    waiting: bool,
    wake_at: Option<i64>,
    owner: Option<HostId>,
) -> Append {
    let mut append = with_status(lines(execution(number), 0, 1, ""), status);
    append.waiting = waiting;
    append.wake_at = wake_at.map(Timestamp);
    append.owner = owner;
    append
}

async fn commit(store: &dyn Store, append: Append) -> Appended {
    store.commit(&[append]).await.unwrap().remove(0)
}

pub async fn what_needs_a_host_is_claimed_once(database: &dyn TestDatabase) {
    use ExecutionStatus::{AwaitingCheckpoint, Cancelled, Completed, Paused, Pending, Running};
    let store = prepared(database).await;
    let (me, other) = (host(&*store, 1).await, host(&*store, 2).await);
    let appends = [
        state(1, Running, false, None, None),
        state(2, AwaitingCheckpoint, true, None, None),
        state(3, Running, true, Some(100), None),
        state(4, Pending, false, None, None),
        state(5, AwaitingCheckpoint, true, Some(200), None),
        state(6, Completed, false, None, None),
        state(7, Cancelled, true, None, None),
        state(8, Running, true, Some(-5), None),
        state(9, AwaitingCheckpoint, false, None, None),
        state(10, Running, false, None, Some(other)),
        state(11, Running, true, Some(-9), Some(other)),
        state(12, Paused, true, Some(300), None),
        state(13, Paused, false, None, None),
    ];
    assert_eq!(store.commit(&appends).await, Ok(vec![Committed; 13]));
    let first = store.claim(me, Timestamp(99), 2).await.unwrap();
    assert_eq!(first.len(), 2);
    let rest = claim(&*store, me, 99).await;
    let mut all = [numbers(&first), rest].concat();
    all.sort_unstable();
    assert_eq!(all, [1, 4, 8, 9, 13]);
    assert_eq!(claim(&*store, other, 99).await, []);
    assert_eq!(claim(&*store, other, 100).await, [3]);
    assert_eq!(claim(&*store, me, 299).await, [5]);
    assert_eq!(claim(&*store, me, 300).await, [12]);
    let journal = store.load(execution(5)).await.unwrap().unwrap();
    assert_eq!((journal.owner, journal.crashes), (Some(me), 0));
    // What the other owns and gives up, by writing it, is there again.
    let mut append = lines(execution(10), 1, 1, "");
    append.holder = Some(other);
    assert_eq!(commit(&*store, append).await, Committed);
    assert_eq!(claim(&*store, me, 0).await, [10]);
}

pub async fn only_the_owner_writes(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let (me, other) = (host(&*store, 1).await, host(&*store, 2).await);
    let mut version = 0;
    let mut owner = None;
    for (holder, next) in [
        (None, Some(me)),
        (Some(other), Some(other)),
        (None, None),
        (Some(me), Some(me)),
        (Some(me), None),
        (Some(me), Some(me)),
        (None, Some(other)),
    ] {
        let mut append = lines(execution(1), version, 1, "");
        append.holder = holder;
        append.owner = next;
        let expected = if holder == owner { Committed } else { Conflict };
        assert_eq!(commit(&*store, append).await, expected, "{holder:?}");
        if holder == owner {
            version += 1;
            owner = next;
        }
        let journal = store.load(execution(1)).await.unwrap().unwrap();
        assert_eq!((journal.summary.version, journal.owner), (version, owner));
    }
}

pub async fn an_execution_is_taken_and_let_go(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let (me, other) = (host(&*store, 1).await, host(&*store, 2).await);
    let id = execution(1);
    commit(&*store, lines(id, 0, 1, "")).await;
    assert_eq!(store.take(me, id).await, Ok(true));
    assert_eq!(store.take(me, id).await, Ok(true));
    assert_eq!(store.take(other, id).await, Ok(false));
    store.release(other, id).await.unwrap();
    assert_eq!(store.take(other, id).await, Ok(false));
    store.release(me, id).await.unwrap();
    assert_eq!(store.take(other, id).await, Ok(true));
    assert_eq!(store.take(me, execution(2)).await, Ok(false));
    store.leave(other).await.unwrap();
    assert_eq!(claim(&*store, me, 0).await, [1]);
    let journal = store.load(id).await.unwrap().unwrap();
    assert_eq!((journal.owner, journal.crashes), (Some(me), 0));
}

pub async fn what_a_lost_host_had_is_free_and_counts_a_crash(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let me = host(&*store, 1).await;
    for number in 1..=3 {
        let mut append = lines(execution(number), 0, 1, "");
        append.owner = (number < 3).then_some(me);
        append.crashes = 2;
        commit(&*store, append).await;
    }
    drop(store);
    // Its connections end in their own time; until then a host is not taken for lost.
    let mut found = Vec::new();
    let store = loop {
        let store = open(database).await;
        let next = host(&*store, 2 + found.len() as u128).await;
        found.push(claim(&*store, next, 0).await);
        if found.iter().flatten().count() == 3 {
            break store;
        }
    };
    for number in 1..=2 {
        let journal = store.load(execution(number)).await.unwrap().unwrap();
        assert!(journal.crashes >= 3, "{number}");
    }
    let free = store.load(execution(3)).await.unwrap().unwrap();
    assert!(free.crashes >= 2);
}
