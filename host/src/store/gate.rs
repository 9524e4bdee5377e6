//! A store for tests that decide when it commits, and whether.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::{sync::Semaphore, task::yield_now, time::timeout};

use super::{
    Append, Appended, Cluster, Components, Deprecated, HostId, Journal, Keep, NewComponent,
    NewDefinition, PutDefinition, Queries, Removal, Store, StoreError, StoredDefinition,
    conformance::examples::define,
};
use crate::workflow::{Digest, ExecutionId, Recorded, Timestamp, Version, WorkflowId};

/// A store whose commits wait to be let through, and fail when they are told to.
pub struct Gate {
    pub inner: Arc<dyn Store>,
    open: Semaphore,
    /// Executions and numbers of events of each commit.
    pub batches: Mutex<Vec<Vec<(ExecutionId, usize)>>>,
    pub failures: Mutex<Vec<Failure>>,
}

/// How a commit fails.
pub struct Failure {
    pub error: StoreError,
    /// Did it happen all the same?
    pub is_written: bool,
}

impl Gate {
    /// Over a `SQLite` file in this folder that has a workflow `flow`.
    pub async fn new(folder: &TempDir) -> Arc<Self> {
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let inner = super::open(&url).await.unwrap();
        define(&*inner, "flow").await;
        Arc::new(Self {
            inner,
            open: Semaphore::new(0),
            batches: Mutex::default(),
            failures: Mutex::default(),
        })
    }

    /// Commits that have begun.
    pub fn commits(&self) -> usize {
        self.batches.lock().unwrap().len()
    }

    /// Lets this many commits through.
    pub fn pass(&self, commits: usize) {
        self.open.add_permits(commits);
    }
}

#[async_trait]
impl Store for Gate {
    async fn commit(&self, appends: &[Append]) -> Result<Vec<Appended>, StoreError> {
        let batch = appends
            .iter()
            .map(|append| (append.execution, append.events.len()));
        self.batches.lock().unwrap().push(batch.collect());
        self.open.acquire().await.unwrap().forget();
        let failure = self.failures.lock().unwrap().pop();
        match failure {
            Some(Failure { error, is_written }) => {
                if is_written {
                    self.inner.commit(appends).await?;
                }
                Err(error)
            }
            None => self.inner.commit(appends).await,
        }
    }
    async fn load(&self, execution: ExecutionId) -> Result<Option<Journal>, StoreError> {
        self.inner.load(execution).await
    }
    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.inner.events(execution, after, limit, bytes_max).await
    }
    async fn claim(
        &self,
        host: HostId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.inner.claim(host, now, limit).await
    }
    async fn take(&self, host: HostId, execution: ExecutionId) -> Result<bool, StoreError> {
        self.inner.take(host, execution).await
    }
    async fn release(&self, host: HostId, execution: ExecutionId) -> Result<(), StoreError> {
        self.inner.release(host, execution).await
    }
    async fn leave(&self, host: HostId) -> Result<(), StoreError> {
        self.inner.leave(host).await
    }
    async fn put_definition(
        &self,
        new: NewDefinition,
        expected: Option<u32>,
    ) -> Result<PutDefinition, StoreError> {
        self.inner.put_definition(new, expected).await
    }
    async fn deprecate(
        &self,
        workflow: &WorkflowId,
        version: Version,
        deprecated: Option<Deprecated>,
    ) -> Result<Option<StoredDefinition>, StoreError> {
        self.inner.deprecate(workflow, version, deprecated).await
    }
    async fn remove_definitions(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Removal, StoreError> {
        self.inner.remove_definitions(workflow, version).await
    }
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.blob(digest).await
    }
    async fn expire(&self, now: Timestamp, keep: Keep, limit: u32) -> Result<u64, StoreError> {
        self.inner.expire(now, keep, limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
    fn database(&self) -> &'static str {
        self.inner.database()
    }
    fn queries(&self) -> &dyn Queries {
        self.inner.queries()
    }
    fn cluster(&self) -> Option<&dyn Cluster> {
        self.inner.cluster()
    }
}

#[async_trait]
impl Components for Gate {
    async fn absent_components(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        self.inner.absent_components(digests).await
    }
    async fn keep_component(&self, component: &NewComponent) -> Result<(), StoreError> {
        self.inner.keep_component(component).await
    }
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.component(digest).await
    }
}

/// Lets others run until it is so.
pub async fn eventually(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            yield_now().await;
        }
    };
    within_seconds(wait).await;
}

pub async fn within_seconds<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    timeout(limit, what).await.expect("in time")
}
