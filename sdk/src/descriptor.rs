//! What a phase says about itself.

/// Name, version, description and JSON Schemas of a phase.
///
/// The engine checks config and input against their schemas before a run, and the output after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Lower-case, digits and hyphens.
    pub name: &'static str,
    /// Semantic version.
    pub version: &'static str,
    /// One or two sentences for the catalog.
    pub description: &'static str,
    /// JSON Schema (draft 2020-12) of the config, as JSON text.
    pub config_schema: &'static str,
    /// JSON Schema (draft 2020-12) of the input, as JSON text.
    pub input_schema: &'static str,
    /// JSON Schema (draft 2020-12) of the output, as JSON text.
    pub output_schema: &'static str,
}
