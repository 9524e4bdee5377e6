//! Phasewright: durable DAG workflows on WebAssembly.
//!
//! The modules in flow order:
//! HTTP → endpoint component → service → executor → phase plugin → store → events.
//! Endpoint components that run elsewhere come in by the engine API.
//!
//! **Invariant:** `workflow` does no I/O; the same events give the same execution.
//! **Invariant:** `events` tells nobody what `store` has not committed.
#![deny(unsafe_code)]

pub mod cli;

pub mod app;

pub mod http;

pub mod endpoints;
pub mod engine_api;

pub mod access;
pub mod contract;
pub mod service;

pub mod workflow;

pub mod executor;
pub mod plugin;
pub mod store;
pub mod wasm;

pub mod events;

pub mod clock;
