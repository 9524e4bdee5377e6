//! Keeping components of phases.

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{query, query_scalar};

use super::{PostgresStore, error::unavailable};
use crate::{
    store::{Components, NewComponent, StoreError, codec::decode_digests},
    workflow::Digest,
};

#[async_trait]
impl Components for PostgresStore {
    async fn absent_components(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let digests: Vec<_> = digests.iter().map(|digest| digest.0.to_vec()).collect();
        self.with(&self.readers, async |connection| {
            let absent: Vec<Vec<u8>> = query_scalar(include_str!("sql/absent_components.sql"))
                .bind(&digests)
                .fetch_all(connection)
                .await
                .map_err(unavailable)?;
            decode_digests(absent)
        })
        .await
    }

    async fn keep_component(&self, component: &NewComponent) -> Result<(), StoreError> {
        let statement = query(include_str!("sql/keep_component.sql"))
            .bind(component.digest.0.to_vec())
            .bind(component.name.as_str())
            .bind(&component.version)
            .bind(&component.data[..]);
        self.control(statement).await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.bytes(include_str!("sql/component.sql"), digest).await
    }
}
