//! The Rust side of `wit/phase`, generated once here and shared by all phases in Rust.

#![expect(
    clippy::same_length_and_capacity,
    reason = "in generated code: the canonical ABI hands over exact allocations"
)]

wit_bindgen::generate!({
    path: "../wit/phase",
    world: "phase-plugin",
    pub_export_macro: true,
    export_macro_name: "export_component",
});
