//! Endpoint and link in one component, put together as Spin does it for
//! `"phasewright:workflow@…" = { component = "engine-link" }`.

use anyhow::{Context, Result};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, types::Package};

/// The package whose imports the link satisfies.
pub const PACKAGE: &str = "phasewright:workflow";

/// The endpoint, with all that it imports of the workflow interface taken from one instance of the
/// link. What else the two import remains to be imported.
pub fn composed(endpoint: Vec<u8>, link: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let (instance_of_endpoint, mut imports, exports) =
        instance(&mut graph, "test:endpoint", endpoint.clone())?;
    imports.retain(|import| import.split('/').next() == Some(PACKAGE));
    if imports.is_empty() {
        // It asks the engine for nothing, and has no such dependency.
        return Ok(endpoint);
    }
    let endpoint = instance_of_endpoint;
    let (link, _, _) = instance(&mut graph, "test:link", link)?;
    for import in &imports {
        let export = graph.alias_instance_export(link, import)?;
        graph
            .set_instantiation_argument(endpoint, import, export)
            .with_context(|| format!("the link does not satisfy {import}"))?;
    }
    for name in exports {
        let export = graph.alias_instance_export(endpoint, &name)?;
        graph.export(export, &name)?;
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

/// An instance of a component, with the names of its imports and exports.
fn instance(
    graph: &mut CompositionGraph,
    name: &str,
    bytes: Vec<u8>,
) -> Result<(NodeId, Vec<String>, Vec<String>)> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())?;
    let world = &graph.types()[package.ty()];
    let imports = world.imports.keys().cloned().collect();
    let exports = world.exports.keys().cloned().collect();
    let package = graph.register_package(package)?;
    Ok((graph.instantiate(package), imports, exports))
}
