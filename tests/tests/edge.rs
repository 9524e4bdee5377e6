//! The same components elsewhere: composed with the link, under a plain wasmtime, against the engine
//! API.

#[path = "http/app.rs"]
#[expect(dead_code, reason = "shared with the tests of the listener")]
mod app;
#[path = "http/client.rs"]
#[expect(dead_code, reason = "shared with the tests of the listener")]
mod client;
#[path = "http/engine.rs"]
#[expect(dead_code, reason = "shared with the tests of the listener")]
mod engine;
#[path = "http/examples.rs"]
mod examples;
#[path = "http/present.rs"]
mod present;

#[path = "edge/stub.rs"]
mod stub;
#[path = "edge/wit.rs"]
mod wit;

#[path = "edge/binaries.rs"]
mod binaries;
#[path = "edge/doors.rs"]
mod doors;
#[path = "edge/failures.rs"]
mod failures;
#[path = "edge/forms.rs"]
mod forms;
