//! Commands between hosts, which may be of different versions, and their answers.

use sqlx::FromRow;

use super::{corrupt, decode_id, known, unwritable};
use crate::{
    store::{Answer, Signal, SignalId, StoreError},
    workflow::{Command, ExecutionId},
};

/// A row of `signals` without an answer.
#[derive(Debug, Clone, FromRow)]
pub(in crate::store) struct SignalRow {
    pub id: Vec<u8>,
    pub execution: Vec<u8>,
    pub codec: i64,
    pub command: String,
}

impl SignalRow {
    /// The command in this row.
    pub fn decode(self) -> Result<Signal, StoreError> {
        let id = decode_id(&self.id)?;
        let read = known(self.codec)
            .and_then(|()| serde_json::from_str(&self.command).map_err(|error| error.to_string()));
        Ok(Signal {
            id: SignalId(id),
            execution: ExecutionId(decode_id(&self.execution)?),
            command: read.map_err(|reason| corrupt(format!("signal {id}"), reason))?,
        })
    }
}

/// A command as it is stored.
pub(in crate::store) fn encode_command(command: &Command) -> Result<String, StoreError> {
    serde_json::to_string(command).map_err(unwritable)
}

/// An answer as it is stored.
pub(in crate::store) fn encode_answer(answer: &Answer) -> Result<String, StoreError> {
    serde_json::to_string(answer).map_err(unwritable)
}

/// An answer as it was stored.
pub(in crate::store) fn decode_answer(text: &str) -> Result<Answer, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt("an answer", error))
}
