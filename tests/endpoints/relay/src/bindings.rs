//! Rust bindings of the workflow interface, with a JSON form.

#![expect(
    clippy::same_length_and_capacity,
    clippy::unsafe_derive_deserialize,
    reason = "generated: the contract documents all that comes from it"
)]

use spin_sdk::wit_bindgen;

wit_bindgen::generate!({
    world: "endpoint",
    path: "../../../wit/workflow",
    runtime_path: "spin_sdk::wit_bindgen::rt",
    additional_derives: [serde::Serialize, serde::Deserialize],
    generate_all,
});
