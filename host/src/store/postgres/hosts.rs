//! Leases, and commands between hosts.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use sqlx::{FromRow, query, query_as, query_scalar};

use super::{
    PostgresStore,
    error::{unavailable, uncertain},
    notices,
};
use crate::{
    events::Progress,
    store::{
        Answer, Cluster, HostId, Notice, Peers, Signal, SignalId, StoreError,
        codec::{CODEC, SignalRow, decode_answer, encode_answer, encode_command},
    },
    workflow::ExecutionId,
};

/// Executions freed in one statement.
const FREED_MAX: i64 = 500;

/// Commands read at a time.
const SIGNALS_MAX: i64 = 100;

/// What a renewal finds.
#[derive(FromRow)]
struct Renewed(i64, bool);

#[async_trait]
impl Cluster for PostgresStore {
    async fn enter(&self, host: HostId, lease: Duration) -> Result<(), StoreError> {
        self.control(
            query(include_str!("sql/enter.sql"))
                .bind(host.0)
                .bind(host_name())
                .bind(&self.application)
                .bind(milliseconds(lease)),
        )
        .await?;
        self.control(query(include_str!("sql/lapse_unconnected.sql")))
            .await?;
        self.free().await?;
        Ok(())
    }

    async fn renew(&self, host: HostId, lease: Duration) -> Result<Option<Peers>, StoreError> {
        let renewed: Option<Renewed> = self
            .with(&self.control, async |connection| {
                query_as(include_str!("sql/renew.sql"))
                    .bind(host.0)
                    .bind(milliseconds(lease))
                    .fetch_optional(connection)
                    .await
                    .map_err(uncertain)
            })
            .await?;
        let Some(Renewed(others, has_lapsed)) = renewed else {
            return Ok(None);
        };
        let freed = if has_lapsed { self.free().await? } else { 0 };
        Ok(Some(Peers {
            others: others.try_into().unwrap_or(0),
            freed,
        }))
    }

    async fn send(&self, signal: &Signal) -> Result<(), StoreError> {
        self.control(
            query(include_str!("sql/send.sql"))
                .bind(signal.id.0)
                .bind(signal.execution.0)
                .bind(CODEC)
                .bind(encode_command(&signal.command)?),
        )
        .await
    }

    async fn signals(&self, host: HostId) -> Result<Vec<Signal>, StoreError> {
        let rows: Vec<SignalRow> = self
            .with(&self.control, async |connection| {
                query_as(include_str!("sql/signals.sql"))
                    .bind(host.0)
                    .bind(SIGNALS_MAX)
                    .fetch_all(connection)
                    .await
                    .map_err(unavailable)
            })
            .await?;
        rows.into_iter().map(SignalRow::decode).collect()
    }

    async fn answer(&self, signal: SignalId, answer: &Answer) -> Result<(), StoreError> {
        self.control(
            query(include_str!("sql/answer.sql"))
                .bind(signal.0)
                .bind(encode_answer(answer)?),
        )
        .await
    }

    async fn receive(&self, signal: SignalId) -> Result<Option<Answer>, StoreError> {
        let answer: Option<String> = self
            .with(&self.control, async |connection| {
                query_scalar(include_str!("sql/receive.sql"))
                    .bind(signal.0)
                    .fetch_optional(connection)
                    .await
                    .map_err(uncertain)
            })
            .await?;
        answer.map(|answer| decode_answer(&answer)).transpose()
    }

    async fn tell(&self, progress: &[(ExecutionId, Progress)]) -> Result<(), StoreError> {
        for progress in progress.chunks(notices::PROGRESS_MAX) {
            let notice = notices::write(progress);
            self.control(query(include_str!("sql/tell.sql")).bind(notice))
                .await?;
        }
        Ok(())
    }

    async fn notices(&self) -> Result<BoxStream<'static, Notice>, StoreError> {
        notices::listen(&self.options).await
    }
}

impl PostgresStore {
    /// Frees what lapsed hosts own, in bounded statements, and forgets those hosts.
    async fn free(&self) -> Result<u64, StoreError> {
        self.control(query(include_str!("sql/lapse.sql"))).await?;
        let mut freed = 0;
        loop {
            let some = self
                .with(&self.control, async |connection| {
                    let done = query(include_str!("sql/free.sql"))
                        .bind(FREED_MAX)
                        .execute(connection)
                        .await
                        .map_err(unavailable)?;
                    Ok(done.rows_affected())
                })
                .await?;
            freed += some;
            if some == 0 {
                break;
            }
        }
        self.control(query(include_str!("sql/bury.sql"))).await?;
        Ok(freed)
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What people know this machine by.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
