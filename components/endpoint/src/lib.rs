//! What the endpoint components share: HTTP request → one call on the workflow interface → HTTP reply.
//!
//! - [`bindings`]: the workflow interface, generated from `wit/workflow` once for all components.
//! - [`request`]: path, query, headers and body, each parsed strictly into what the interface takes.
//! - [`execution`], [`event`], [`artifact`], [`checkpoint`], [`definition`]: the requests and JSON
//!   shapes of one kind of thing each.
//! - [`reply`]: JSON text, streams and problems as HTTP replies.
//! - [`mod@serve`]: what the host gives to a component and gets from it.
//!
//! **Invariant:** nothing here keeps anything between two requests. Hosts reuse the instances of a
//! component, so whatever stayed would be seen by another caller.
//! **Invariant:** nothing here decides anything. Rules that need to know what is stored, who may do
//! what or how often belong to the engine.

pub mod bindings;
pub mod request;

pub mod artifact;
pub mod checkpoint;
pub mod definition;
pub mod event;
pub mod execution;

pub mod reply;
pub mod serve;

pub use reply::{Reply, problem::Problem};
pub use serve::Request;
