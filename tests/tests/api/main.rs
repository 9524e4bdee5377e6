//! The whole program from outside: a host as a child process, driven over HTTP as any client would.

#[path = "../http/client.rs"]
mod client;
mod host;

mod api;
mod journal;

mod checkpoints;
mod crash;
mod definitions;
mod executions;
mod flow;
mod large;
mod misbehaviour;
mod refusals;
