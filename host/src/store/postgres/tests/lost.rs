//! Answers that are lost on their way, and lines that are cut.

use phasewright_test_postgres::Proxy;
use tokio::sync::oneshot;

use super::*;
use crate::store::{Writer, conformance::examples::key};

/// A database by a way that can be cut.
struct Through {
    proxy: Proxy,
    _database: Database,
}

impl TestDatabase for Through {
    fn url(&self) -> String {
        self.proxy.url().to_owned()
    }
}

fn through() -> Through {
    let database = fresh();
    let proxy = Proxy::to(&database.url()).unwrap();
    Through {
        proxy,
        _database: database,
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out() {
    let database = through();
    let store = prepared(&database).await;
    let writer = Writer::start(store.clone());
    let append = async |append| {
        let (tell, told) = oneshot::channel();
        let done = |outcome| drop(tell.send(outcome));
        writer.append(append, done).await;
        told.await.unwrap()
    };
    for number in 0..5 {
        let id = execution(number);
        let mut start = lines(id, 0, 2, "");
        start.key = Some(key(&format!("k{number}"), ""));
        database.proxy.swallow_next_answer();
        assert_eq!(append(start.clone()).await, Ok(Appended::Committed));
        database.proxy.swallow_next_answer();
        let next = lines(id, 2, 1, "");
        assert_eq!(append(next.clone()).await, Ok(Appended::Committed));
        let journal = store.load(id).await.unwrap().unwrap();
        assert_eq!(journal.events, [start.events, next.events].concat());
        // Of somebody else in its place it is not said.
        let late = lines(id, 2, 1, "late");
        database.proxy.swallow_next_answer();
        assert_eq!(append(late).await, Ok(Appended::Conflict));
    }
}
