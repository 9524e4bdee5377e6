//! The components of phases, kept for good: an execution runs what it pinned at its start,
//! whatever is deployed since.
//!
//! Nothing is ever removed: whether an execution needs a component is in journals only, and
//! another host may have it in its catalog and pin it just now.

use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::workflow::{Digest, PhaseName};

/// The part of a store that keeps components.
#[async_trait]
pub trait Components: Send + Sync {
    /// Those of these digests of which there is no component.
    async fn absent_components(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError>;

    /// Keeps a component for good; one that is there is left as it is. Hosts may keep the
    /// same one at once.
    async fn keep_component(&self, component: &NewComponent) -> Result<(), StoreError>;

    /// The bytes of a component by their digest.
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError>;
}

/// A component to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewComponent {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it calls itself, for people.
    pub name: PhaseName,
    /// Its own version, for people.
    pub version: String,
    /// The bytes.
    pub data: Bytes,
}
