//! Rust bindings of the workflow interface, generated once for every component.
//!
//! They run on the SDK's own `wit-bindgen`, so that a component holds one asynchronous runtime.

mod generated {
    #![expect(
        missing_docs,
        clippy::same_length_and_capacity,
        reason = "generated: the contract documents all that comes from it"
    )]

    use spin_sdk::wit_bindgen;

    wit_bindgen::generate!({
        world: "endpoint",
        path: "../../wit/workflow",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

pub use generated::phasewright::workflow::{
    artifacts, catalog, checkpoints, definitions, events, executions, health, types,
};
