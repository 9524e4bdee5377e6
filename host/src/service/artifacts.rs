//! Files that phases kept.

use bytes::Bytes;

use super::{Service, parameters, problems};
use crate::{
    contract::{Artifact, Error},
    workflow::{ArtifactRef, Execution, NodeId},
};

impl Service {
    pub(super) async fn artifacts(&self, execution: &str) -> Result<Vec<Artifact>, Error> {
        let id = parameters::id("execution", execution)?;
        let execution = self.folded(id).await?;
        Ok(all(&execution)
            .map(|(node, item, artifact)| view(node, item, artifact))
            .collect())
    }

    pub(super) async fn artifact(
        &self,
        execution: &str,
        node: &str,
        item: Option<u32>,
        name: &str,
    ) -> Result<(Artifact, Bytes), Error> {
        let id = parameters::id("execution", execution)?;
        let execution = self.folded(id).await?;
        let found = all(&execution).find(|(of_node, of_item, artifact)| {
            // Without an item, the first one that has it.
            of_node.as_str() == node
                && (item.is_none() || *of_item == item)
                && artifact.name == name
        });
        let Some((node, item, artifact)) = found else {
            let name: String = name.chars().take(200).collect();
            return Err(Error::NotFound(format!(
                "execution {id} has no artifact {name} of node {node}"
            )));
        };
        match self.store.blob(artifact.digest).await? {
            Some(bytes) => Ok((view(node, item, artifact), bytes)),
            None => Err(problems::internal(&format!(
                "blob {} is gone",
                artifact.digest
            ))),
        }
    }
}

fn all(execution: &Execution) -> impl Iterator<Item = (&NodeId, Option<u32>, &ArtifactRef)> {
    execution
        .definition
        .nodes
        .iter()
        .zip(execution.nodes())
        .flat_map(|(spec, node)| {
            node.numbered_slots().flat_map(move |(item, slot)| {
                slot.artifacts
                    .iter()
                    .map(move |artifact| (&spec.id, item, artifact))
            })
        })
}

fn view(node: &NodeId, item: Option<u32>, artifact: &ArtifactRef) -> Artifact {
    Artifact {
        node: node.to_string(),
        item,
        name: artifact.name.clone(),
        content_type: artifact.content_type.clone(),
        size: artifact.size,
        sha256: artifact.digest.to_string(),
    }
}
