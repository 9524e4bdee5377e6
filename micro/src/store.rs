//! The way into the journal, on both databases, beside what the disk takes alone.

use std::{
    cell::{LazyCell, RefCell},
    fs::File,
    io::Write,
    sync::Arc,
};

use criterion::{Criterion, Throughput};
use phasewright::{
    store::{self, Append, NewDefinition, Summary, Writer},
    workflow::{
        Event, ExecutionId, ExecutionStatus, NodeId, Recorded, Timestamp, Version, WorkflowId,
    },
};
use phasewright_test_postgres::{Cluster, Options, Programs};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot};
use uuid::Uuid;

use crate::root;

/// Appends that share one commit.
const GROUP: usize = 64;

/// One page of a database.
const PAGE_BYTES: usize = 4096;

const NOW: Timestamp = Timestamp(1_372_636_800_000);

pub fn bench(criterion: &mut Criterion) {
    let folder = folder();
    criterion
        .benchmark_group("disk")
        .bench_function("sync", |bencher| {
            let mut file = File::create(folder.path().join("probe")).expect("make a file");
            bencher.iter(|| {
                file.write_all(&[b'x'; PAGE_BYTES]).expect("write");
                file.sync_data().expect("sync");
            });
        });
    let file = folder.path().join("micro.db");
    appends(criterion, "append_sqlite", || {
        Journals::open(&format!("sqlite://{}", file.display()))
    });
    if let Err(error) = Programs::find() {
        eprintln!("append_postgres is not measured: {error}");
        return;
    }
    let cluster = LazyCell::new(|| Cluster::start(Options { durable: true }).expect("PostgreSQL"));
    appends(criterion, "append_postgres", || {
        Journals::open(&cluster.url("postgres"))
    });
}

/// One append alone, and many at once.
fn appends(criterion: &mut Criterion, name: &str, open: impl Fn() -> Journals) {
    let journals = LazyCell::new(|| RefCell::new(open()));
    let mut group = criterion.benchmark_group(name);
    for count in [1, GROUP] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(count.to_string(), |bencher| {
            let mut journals = journals.borrow_mut();
            bencher.iter(|| journals.extend(count));
        });
    }
}

/// On the disk of the checkout, whatever the folder for temporary files is on.
fn folder() -> TempDir {
    tempfile::tempdir_in(root().join("target")).expect("make a folder")
}

/// Executions that go on and on.
struct Journals {
    runtime: Runtime,
    writer: Writer,
    workflow: WorkflowId,
    executions: Vec<(ExecutionId, u64)>,
    node: NodeId,
    output: Arc<Value>,
}

impl Journals {
    fn open(url: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let workflow: WorkflowId = "micro".parse().expect("an id");
        let writer = runtime.block_on(async {
            let store = store::open(url).await.expect("open the database");
            let definition = NewDefinition {
                workflow: workflow.clone(),
                name: String::new(),
                description: String::new(),
                document: Arc::new(json!({"id": "micro"})),
                at: NOW,
            };
            let put = store.put_definition(definition, None).await;
            put.expect("store a definition");
            Writer::start(store)
        });
        let mut journals = Self {
            runtime,
            writer,
            workflow,
            executions: (0..GROUP)
                .map(|_| (ExecutionId(Uuid::now_v7()), 0))
                .collect(),
            node: "node".parse().expect("an id"),
            output: Arc::new(json!({"n": 2})),
        };
        journals.extend(GROUP);
        journals
    }

    /// Adds to so many of them at once what a step of a chain adds, and waits until it is durable.
    fn extend(&mut self, count: usize) {
        self.runtime.block_on(async {
            let mut committed = Vec::with_capacity(count);
            for &(execution, version) in &self.executions[..count] {
                let (tell, told) = oneshot::channel();
                let append = self.append(execution, version);
                let done = |outcome| drop(tell.send(outcome));
                self.writer.append(append, done).await;
                committed.push(told);
            }
            for told in committed {
                let outcome = told.await.expect("the writer tells");
                assert_eq!(outcome, Ok(store::Appended::Committed));
            }
        });
        for (_, version) in &mut self.executions[..count] {
            *version += 2;
        }
    }

    /// The store does not interpret events, so these need not make sense.
    fn append(&self, execution: ExecutionId, expected: u64) -> Append {
        let succeeded = Event::NodeSucceeded {
            node: self.node.clone(),
            item: None,
            attempt: 1,
            output: self.output.clone(),
            artifacts: Vec::new(),
        };
        let started = Event::NodeStarted {
            node: self.node.clone(),
            item: None,
            attempt: 1,
        };
        let recorded = |(seq, event)| Recorded {
            seq,
            at: NOW,
            event,
        };
        let events = (expected + 1..).zip([succeeded, started]);
        Append {
            execution,
            expected,
            holder: None,
            owner: None,
            crashes: 0,
            events: events.map(recorded).collect(),
            summary: Summary {
                id: execution,
                workflow: self.workflow.clone(),
                definition: Version(1),
                version: expected + 2,
                status: ExecutionStatus::Running,
                created_at: NOW,
                started_at: Some(NOW),
                ended_at: None,
                error: None,
            },
            wake_at: None,
            waiting: false,
            keep_days: None,
            key: None,
            checkpoints: Vec::new(),
            blobs: Vec::new(),
            answers: Vec::new(),
            left: Vec::new(),
        }
    }
}
