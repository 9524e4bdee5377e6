//! Endpoint components.
mod manifest;
mod routes;
pub use manifest::{Manifest, ManifestError, Source};
pub use routes::{Route, RouteError, Routes};
