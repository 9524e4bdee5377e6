//! What the author of a phase in Rust depends on.
//!
//! A phase is a WebAssembly component of the world `phase-plugin`. This crate hides the component
//! behind one trait and one macro:
//!
//! ```
//! use phasewright_sdk::{Context, Descriptor, Failure, Phase};
//! use serde::{Deserialize, Serialize};
//!
//! /// Greets whoever the input names.
//! struct Greet;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     greeting: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Input {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Output {
//!     text: String,
//! }
//!
//! impl Phase for Greet {
//!     type Config = Config;
//!     type Input = Input;
//!     type Output = Output;
//!
//!     fn descriptor() -> Descriptor {
//!         Descriptor {
//!             name: "greet",
//!             version: "0.1.0",
//!             description: "Greets whoever the input names.",
//!             // In a crate of its own: `phasewright_sdk::descriptor!()`, and three files.
//!             config_schema: r#"{"type": "object", "required": ["greeting"]}"#,
//!             input_schema: r#"{"type": "object", "required": ["name"]}"#,
//!             output_schema: r#"{"type": "object", "required": ["text"]}"#,
//!         }
//!     }
//!
//!     fn run(context: &Context, config: Config, input: Input) -> Result<Output, Failure> {
//!         if input.name.is_empty() {
//!             return Err(Failure::invalid("input.name: is empty"));
//!         }
//!         context.info(&format!("greeting {}", input.name));
//!         Ok(Output { text: format!("{}, {}!", config.greeting, input.name) })
//!     }
//! }
//!
//! phasewright_sdk::export_phase!(Greet);
//!
//! // Tests run natively, without an engine:
//! use phasewright_sdk::testing::{FakeHost, run};
//! let host = FakeHost::default();
//! let output = run::<Greet>(&host, r#"{"greeting": "Hello"}"#, r#"{"name": "Ada"}"#);
//! assert_eq!(output.as_deref(), Ok(r#"{"text":"Hello, Ada!"}"#));
//! assert_eq!(
//!     run::<Greet>(&host, r#"{"greeting": 1}"#, "{}"),
//!     Err(Failure::invalid("config.greeting: invalid type: integer `1`, expected a string")),
//! );
//! ```
//!
//! The crate of a phase is a `cdylib` (and an `rlib`, so that its tests run natively), built with
//! `cargo build --release --target wasm32-wasip2`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//!
//! [dependencies]
//! phasewright-sdk = { git = "https://github.com/phasewright/phasewright" }
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! # HTTP
//!
//! A phase sends requests to the hosts that the operator granted, through `wasi:http`. In Rust the
//! crate [`wstd`](https://docs.rs/wstd) is a small client for it:
//!
//! ```ignore
//! use wstd::{http::{Body, Client, Request}, runtime::block_on};
//!
//! let request = Request::post("https://api.example.com/orders")
//!     .header("Idempotency-Key", &context.idempotency_key)
//!     .body(Body::from(r#"{"item": 7}"#))
//!     .map_err(|error| Failure::invalid(error.to_string()))?;
//! let response = block_on(Client::new().send(request))
//!     .map_err(|error| Failure::transient(format!("order: {error:#}")))?;
//! ```
//!
//! An attempt that was interrupted is repeated with the same [`Context::idempotency_key`], so pass
//! it on to whoever takes one. The engine holds a request back until everything that led to it is
//! durable, which takes no longer than a write to disk.
//!
//! # Building
//!
//! The bindings are generated from `../wit/phase`, relative to this crate, which a path or git
//! dependency brings along.
//!
//! **Invariant:** nothing here calls the host except through [`Host`], so everything but the
//! component's export itself runs, and is tested, on the native target.

#[doc(hidden)]
pub mod bindings;
mod context;
mod descriptor;
mod dispatch;
mod failure;
mod host;
pub mod testing;

#[doc(hidden)]
pub use dispatch::Component;

pub use context::Context;
pub use descriptor::Descriptor;
pub use failure::Failure;
pub use host::{Artifact, Host, HostError, Level};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One phase: what it is, and what it does.
pub trait Phase {
    /// The node's `config`, as `config.schema.json` describes it.
    type Config: DeserializeOwned;
    /// The node's `input`, as `input.schema.json` describes it.
    type Input: DeserializeOwned;
    /// What [`run`](Self::run) gives, as `output.schema.json` describes it.
    type Output: Serialize;

    /// Name, version, description and JSON Schemas; usually [`descriptor!()`](crate::descriptor).
    fn descriptor() -> Descriptor;

    /// Runs one attempt.
    ///
    /// # Errors
    /// The [`Failure`] says whether another attempt may help.
    fn run(
        context: &Context<'_>,
        config: Self::Config,
        input: Self::Input,
    ) -> Result<Self::Output, Failure>;
}

/// Exports a [`Phase`] as the component's `phasewright:phase/phase` interface.
///
/// Once per crate. On the native target it expands to nothing, because there is no component.
#[macro_export]
macro_rules! export_phase {
    ($phase:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::Component<$phase>;
    $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
        };
    };
}

/// The [`Descriptor`] of the phase this crate is: name, version and description from `Cargo.toml`,
/// the JSON Schemas from `config.schema.json`, `input.schema.json` and `output.schema.json` beside it.
#[macro_export]
macro_rules! descriptor {
    () => {
        $crate::Descriptor {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            description: env!("CARGO_PKG_DESCRIPTION"),
            config_schema: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json")),
            input_schema: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/input.schema.json")),
            output_schema: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/output.schema.json")),
        }
    };
}
