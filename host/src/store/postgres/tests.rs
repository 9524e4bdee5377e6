//! What only PostgreSQL has: hosts that share it, plans, rights.

mod lost;
mod plans;
mod refusals;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use phasewright_test_postgres::Database;
use serde_json::json;

use super::*;
use crate::{
    events::Progress,
    store::{
        Answer, Notice, Peers, Signal, SignalId, Startable,
        conformance::{
            TestDatabase, conformance,
            examples::{definition, execution, host, host_id, lines, workflow},
            model, open, prepared,
        },
    },
    workflow::{Command, Version},
};

impl TestDatabase for Database {
    fn url(&self) -> String {
        self.url()
    }
}

fn fresh() -> Database {
    Database::fresh()
}

conformance!(fresh);

/// The same operations, one after the other on both databases, each compared with the model.
#[test]
fn both_databases_do_the_same() {
    let file = || tempfile::tempdir().unwrap();
    model::both_agree_with_the_model(fresh, file);
}

impl TestDatabase for tempfile::TempDir {
    fn url(&self) -> String {
        format!("sqlite://{}", self.path().join("test.db").display())
    }
}

const HOUR: Duration = Duration::from_hours(1);

/// Two hosts, each with a store of its own.
async fn two(database: &Database) -> [(Arc<dyn Store>, HostId); 2] {
    let first = prepared(database).await;
    let second = open(database).await;
    let hosts = (host(&*first, 1).await, host(&*second, 2).await);
    [(first, hosts.0), (second, hosts.1)]
}

fn cluster(store: &Arc<dyn Store>) -> &dyn Cluster {
    store.cluster().unwrap()
}

#[tokio::test]
async fn a_lapsed_lease_is_lapsed_for_good() {
    let database = fresh();
    let [(first, me), (second, other)] = two(&database).await;
    let mut append = lines(execution(1), 0, 1, "");
    append.owner = Some(me);
    first.commit(&[append]).await.unwrap();
    let alive = Peers {
        others: 1,
        freed: 0,
    };
    assert_eq!(cluster(&second).renew(other, HOUR).await, Ok(Some(alive)));

    // A lease that ends at once.
    let renewed = cluster(&first).renew(me, Duration::ZERO).await;
    assert_eq!(renewed, Ok(Some(alive)));
    let alone = Peers {
        others: 0,
        freed: 1,
    };
    assert_eq!(cluster(&second).renew(other, HOUR).await, Ok(Some(alone)));
    assert_eq!(cluster(&first).renew(me, HOUR).await, Ok(None));

    // Whatever it does now is refused.
    let mut append = lines(execution(1), 1, 1, "");
    append.holder = Some(me);
    append.owner = Some(me);
    assert_eq!(first.commit(&[append]).await, Ok(vec![Appended::Conflict]));
    let mut append = lines(execution(2), 0, 1, "");
    append.owner = Some(me);
    assert_eq!(first.commit(&[append]).await, Ok(vec![Appended::Conflict]));
    assert_eq!(first.take(me, execution(1)).await, Ok(false));
    assert_eq!(first.claim(me, Timestamp(0), 9).await, Ok(vec![]));
    // In its next life it is as good as any.
    let again = host(&*first, 3).await;
    let claimed = first.claim(again, Timestamp(0), 9).await;
    assert_eq!(claimed, Ok(vec![execution(1)]));
    let journal = first.load(execution(1)).await.unwrap().unwrap();
    assert_eq!((journal.owner, journal.crashes), (Some(again), 1));
}

#[tokio::test]
async fn hosts_race_for_work_and_each_piece_has_one_winner() {
    let database = fresh();
    let [(first, me), (second, other)] = two(&database).await;
    let appends: Vec<_> = (0..200)
        .map(|number| lines(execution(number), 0, 1, ""))
        .collect();
    first.commit(&appends).await.unwrap();
    let claim = |store: Arc<dyn Store>, host| async move {
        let mut all = Vec::new();
        loop {
            let some = store.claim(host, Timestamp(0), 7).await.unwrap();
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    };
    let (left, right) = tokio::join!(claim(first.clone(), me), claim(second.clone(), other));
    let mut all = [left, right].concat();
    all.sort_unstable();
    all.dedup();
    // A row that the other is just locking is skipped, and is there at the next look.
    let rest = claim(first, me).await;
    assert_eq!(all.len() + rest.len(), 200);
}

#[tokio::test]
async fn a_command_finds_the_owner_and_its_answer_the_sender() {
    let database = fresh();
    let [(first, me), (second, other)] = two(&database).await;
    let id = execution(1);
    let mut append = lines(id, 0, 1, "");
    append.owner = Some(me);
    first.commit(&[append]).await.unwrap();
    let mut heard = cluster(&first).notices().await.unwrap();
    let told = cluster(&second).notices().await.unwrap();
    let signal = |number| Signal {
        id: SignalId(uuid::Uuid::from_u128(number)),
        execution: id,
        command: Command::Cancel {
            reason: "enough".into(),
            by: Some("ann".into()),
        },
    };
    cluster(&second).send(&signal(1)).await.unwrap();
    assert_eq!(heard.next().await, Some(Notice::Signal(me)));
    assert_eq!(cluster(&first).signals(me).await, Ok(vec![signal(1)]));
    assert_eq!(cluster(&second).signals(other).await, Ok(vec![]));
    assert_eq!(cluster(&second).receive(signal(1).id).await, Ok(None));

    // Answered with the events that it causes, or not at all.
    let mut stale = lines(id, 5, 1, "");
    stale.holder = Some(me);
    stale.answers = vec![(signal(1).id, Answer::Done)];
    assert_eq!(first.commit(&[stale]).await, Ok(vec![Appended::Conflict]));
    assert_eq!(cluster(&second).receive(signal(1).id).await, Ok(None));
    let mut append = lines(id, 1, 1, "");
    append.holder = Some(me);
    append.answers = vec![(signal(1).id, Answer::Done)];
    assert_eq!(first.commit(&[append]).await, Ok(vec![Appended::Committed]));
    let told = told.filter_map(async |notice| match notice {
        Notice::Answered(answered) => Some(answered),
        _ => None,
    });
    let mut told = std::pin::pin!(told);
    assert_eq!(told.next().await, Some(signal(1).id));
    let done = Ok(Some(Answer::Done));
    assert_eq!(cluster(&second).receive(signal(1).id).await, done);
    assert_eq!(cluster(&second).receive(signal(1).id).await, Ok(None));

    // Nobody owns it now: whoever claims it gets what is sent to it.
    cluster(&first).send(&signal(2)).await.unwrap();
    let mut waiting = lines(id, 2, 1, "");
    waiting.waiting = true;
    assert_eq!(
        first.commit(&[waiting]).await,
        Ok(vec![Appended::Committed])
    );
    assert_eq!(second.claim(other, Timestamp(0), 9).await, Ok(vec![id]));
    assert_eq!(cluster(&second).signals(other).await, Ok(vec![signal(2)]));
    let refused = Answer::Refused {
        is_denied: true,
        reason: "no".into(),
    };
    cluster(&second)
        .answer(signal(2).id, &refused)
        .await
        .unwrap();
    let received = cluster(&first).receive(signal(2).id).await;
    assert_eq!(received, Ok(Some(refused)));
}

#[tokio::test]
async fn hosts_hear_how_far_journals_are() {
    let database = fresh();
    let [(first, _), (second, _)] = two(&database).await;
    let mut heard = cluster(&second).notices().await.unwrap();
    let all: Vec<_> = (0..300)
        .map(|number| {
            let progress = Progress {
                version: number + 1,
                is_over: number % 2 == 0,
            };
            (execution(number.into()), progress)
        })
        .collect();
    cluster(&first).tell(&all).await.unwrap();
    for (id, progress) in all {
        assert_eq!(heard.next().await, Some(Notice::Progress(id, progress)));
    }
}

#[tokio::test]
async fn what_can_be_started_is_what_any_host_has_stored() {
    let database = fresh();
    let [(first, _), (second, _)] = two(&database).await;
    for (name, value) in [("one", 1), ("two", 1), ("two", 2)] {
        let new = definition(name, json!(value));
        first.put_definition(new, None).await.unwrap();
    }
    let [one, two, none] = ["one", "two", "none"].map(workflow);
    let asked = [one, two, none].map(|workflow| (workflow, None));
    let found = second.queries().startable(&asked);
    let [one, two, _] = asked.clone();
    let startable = |version| Startable {
        version: Version(version),
        deprecated: None,
    };
    let expected = HashMap::from([(one, startable(1)), (two, startable(2))]);
    assert_eq!(found.await, Ok(expected));
}

#[tokio::test]
async fn a_database_that_was_restarted_is_used_again() {
    use phasewright_test_postgres::{Cluster, Options, Stop};
    let cluster = Cluster::start(Options { durable: true }).unwrap();
    let database = Database::create(cluster.server()).unwrap();
    let store = prepared(&database).await;
    let mut version = 0;
    for how in [Stop::Fast, Stop::Immediate] {
        for _ in 0..3 {
            store
                .commit(&[lines(execution(1), version, 1, "")])
                .await
                .unwrap();
            version += 1;
            store.load(execution(1)).await.unwrap();
        }
        cluster.stop(how).unwrap();
        let error = store.commit(&[lines(execution(1), version, 1, "")]).await;
        assert!(error.unwrap_err().is_retryable());
        assert!(store.load(execution(1)).await.unwrap_err().is_retryable());
        assert!(store.ping().await.unwrap_err().is_retryable());
        cluster.start_again().unwrap();
    }
    let append = store.commit(&[lines(execution(1), version, 1, "")]).await;
    assert_eq!(append, Ok(vec![Appended::Committed]));
    let journal = store.load(execution(1)).await.unwrap().unwrap();
    assert_eq!(journal.summary.version, version + 1);
    assert_eq!(host_id(1), host(&*store, 1).await);
}
