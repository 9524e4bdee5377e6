//! Rust bindings of the world `engine`. The derives are the JSON form of all types: the host has the
//! same on its side.

mod generated {
    #![expect(
        clippy::same_length_and_capacity,
        clippy::unsafe_derive_deserialize,
        reason = "generated: the contract documents all that comes from it"
    )]

    use spin_sdk::wit_bindgen;

    use crate::calls::Link;

    wit_bindgen::generate!({
        world: "engine",
        path: "../../wit/workflow",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        additional_derives: [serde::Serialize, serde::Deserialize],
        generate_all,
    });

    export!(Link with_types_in self);
}

pub use generated::exports::phasewright::workflow::{
    artifacts, catalog, checkpoints, definitions, events, executions, health, types,
};
pub use generated::wit_stream;
