//! The listener with the real endpoint components, through real sockets.

#[path = "http/app.rs"]
mod app;
#[path = "http/client.rs"]
mod client;
#[path = "http/engine.rs"]
mod engine;
#[path = "http/examples.rs"]
mod examples;
#[path = "http/present.rs"]
mod present;

#[path = "http/abuse.rs"]
mod abuse;
#[path = "http/misbehaviour.rs"]
mod misbehaviour;
#[path = "http/routes.rs"]
mod routes;
#[path = "http/shutdown.rs"]
mod shutdown;
#[path = "http/streams.rs"]
mod streams;
