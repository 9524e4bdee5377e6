//! Keeping components of phases.

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{query, query_scalar};

use super::{SqliteStore, error::unavailable};
use crate::{
    store::{Components, NewComponent, StoreError, codec::corrupt},
    workflow::Digest,
};

#[async_trait]
impl Components for SqliteStore {
    async fn absent_components(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let digests: Vec<_> = digests.iter().map(Digest::to_string).collect();
        let absent: Vec<String> = query_scalar(include_str!("sql/absent_components.sql"))
            .bind(serde_json::json!(digests).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        let digest = |text: String| {
            text.parse()
                .map_err(|error| corrupt("absent components", error))
        };
        absent.into_iter().map(digest).collect()
    }

    async fn keep_component(&self, component: &NewComponent) -> Result<(), StoreError> {
        self.writing(async |connection| {
            query(include_str!("sql/keep_component.sql"))
                .bind(component.digest.0.to_vec())
                .bind(component.name.as_str())
                .bind(&component.version)
                .bind(&component.data[..])
                .execute(connection)
                .await
                .map_err(unavailable)?;
            Ok(())
        })
        .await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.bytes(include_str!("sql/component.sql"), digest).await
    }
}
