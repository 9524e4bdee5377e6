//! A journal from its rows.

use std::pin::pin;

use futures::{Stream, TryStreamExt};
use sqlx::FromRow;

use super::{EventRow, SummaryRow, corrupt, decode_id, number};
use crate::{
    store::{HostId, Journal, StoreError},
    workflow::{ExecutionId, Recorded},
};

/// A row of `executions`, as it is needed to go on with the execution.
#[derive(Debug, Clone, FromRow)]
pub(in crate::store) struct JournalRow {
    #[sqlx(flatten)]
    pub summary: SummaryRow,
    pub owner: Option<Vec<u8>>,
    pub crashes: i64,
}

impl JournalRow {
    /// The journal with these events, which have to be all there are.
    pub fn decode(self, events: Vec<Recorded>) -> Result<Journal, StoreError> {
        let summary = self.summary.decode()?;
        let place = || format!("execution {}", summary.id);
        if events.len() as u64 != summary.version {
            let counts = format!("{} events of {}", events.len(), summary.version);
            return Err(corrupt(place(), counts));
        }
        let owner = self.owner.as_deref().map(decode_id).transpose()?;
        Ok(Journal {
            owner: owner.map(HostId),
            crashes: number(self.crashes).map_err(|reason| corrupt(place(), reason))?,
            summary,
            events,
        })
    }
}

/// Events after `after` from their rows, without a gap.
pub(in crate::store) async fn whole(
    rows: impl Stream<Item = Result<EventRow, StoreError>>,
    execution: ExecutionId,
    after: u64,
) -> Result<Vec<Recorded>, StoreError> {
    let mut rows = pin!(rows);
    let mut events = Vec::new();
    let mut expected = after;
    while let Some(row) = rows.try_next().await? {
        let event = row.decode(execution)?;
        expected += 1;
        if event.seq != expected {
            return Err(corrupt(
                format!("event {expected} of execution {execution}"),
                format!("missing before event {}", event.seq),
            ));
        }
        events.push(event);
    }
    Ok(events)
}
