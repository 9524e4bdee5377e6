//! A process that is killed while it commits.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
};

use tokio::sync::Semaphore;

use super::{
    TestDatabase,
    examples::{define, execution, lines},
    open,
};
use crate::{
    store::{Appended, Store, Writer},
    workflow::ExecutionId,
};

/// Tells the child which database to write to.
const URL: &str = "PHASEWRIGHT_CRASH_TEST_URL";

/// How often the child is killed.
const KILLS: u32 = 5;

/// Acknowledged appends after which it is killed; more each time, in the midst of others.
const APPENDS_PER_KILL: u32 = 150;

/// Executions that the child appends to.
const EXECUTIONS: u128 = 20;

/// Appends of one execution that are on their way; some of them travel merged.
const IN_FLIGHT: usize = 3;

pub async fn nothing_acknowledged_is_lost_by_a_kill(database: &dyn TestDatabase) {
    let mut acknowledged = HashMap::<ExecutionId, u64>::new();
    for kill in 1..=KILLS {
        let url = database.url();
        let appends = kill * APPENDS_PER_KILL;
        let told = tokio::task::spawn_blocking(move || killed(&url, appends));
        for (id, version) in told.await.unwrap() {
            let latest = acknowledged.entry(id).or_default();
            *latest = version.max(*latest);
        }
        let store = open(database).await;
        for (id, version) in &acknowledged {
            // `load` fails if there is a gap.
            let journal = store.load(*id).await.unwrap().expect("acknowledged");
            assert!(journal.summary.version >= *version, "{id}");
            for recorded in &journal.events {
                let mark = format!("{id} {} ", recorded.seq);
                assert!(format!("{:?}", recorded.event).contains(&mark), "{id}");
            }
        }
    }
    assert_eq!(acknowledged.len() as u128, EXECUTIONS);
}

/// Runs the child until it has told of `appends` appends, kills it, and gives all it told.
fn killed(url: &str, appends: u32) -> Vec<(ExecutionId, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::conformance::crash::child", "--exact"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for row in BufReader::new(child.stdout.take().unwrap()).lines() {
        let row = row.unwrap();
        let Some((id, version)) = row.strip_prefix("ack ").and_then(|ack| ack.split_once(' '))
        else {
            continue;
        };
        // The last line may be cut short by the kill; its version is then too low, at worst.
        if let (Ok(id), Ok(version)) = (id.parse(), version.parse()) {
            told.push((id, version));
        }
        if told.len() == appends as usize {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(told.len() >= appends as usize, "the child ended by itself");
    told
}

#[tokio::test]
#[ignore = "the process that the crash test kills"]
async fn child() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let store = crate::store::open(&url).await.unwrap();
    define(&*store, "flow").await;
    let writer = Writer::start(store.clone());
    let tasks = (0..EXECUTIONS).map(|number| {
        tokio::spawn(append_forever(
            store.clone(),
            writer.clone(),
            execution(number),
        ))
    });
    futures::future::join_all(tasks).await;
}

/// Tells of each append that is acknowledged.
async fn append_forever(store: Arc<dyn Store>, writer: Writer, id: ExecutionId) {
    let found = store.queries().execution(id).await.unwrap();
    let mut version = found.map_or(0, |summary| summary.version);
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        let place = room.clone().acquire_owned().await.unwrap();
        let append = lines(id, version, 1 + version % 3, "crash");
        version = append.summary.version;
        let tell = move |outcome| {
            assert_eq!(outcome, Ok(Appended::Committed));
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {id} {version}").unwrap();
            out.flush().unwrap();
            drop(place);
        };
        writer.append(append, tell).await;
    }
}
