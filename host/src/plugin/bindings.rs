//! The contracts of `wit/phase` and `wit/expression`, as Rust.
//!
//! Exports are called asynchronously on a stack of their own, so a guest that waits
//! or computes for long never holds a thread.

/// World `phase-plugin`.
pub(super) mod phase {
    wasmtime::component::bindgen!({
        path: "../wit/phase",
        world: "phase-plugin",
        imports: {
            "phasewright:phase/host.get-artifact": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

/// World `expression-evaluator`.
pub(super) mod expression {
    wasmtime::component::bindgen!({
        path: "../wit/expression",
        world: "expression-evaluator",
        exports: { default: async },
    });
}
