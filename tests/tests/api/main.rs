//! The whole program from outside: a host as a child process, driven over HTTP as any client would.

#[expect(
    dead_code,
    reason = "shared with the tests of the listener, which need all of it"
)]
#[path = "../http/client.rs"]
mod client;
mod host;
#[path = "../plugin/server.rs"]
mod server;

mod api;
mod contract;
mod journal;

mod access;
mod bulk;
mod checkpoints;
mod cluster;
mod crash;
mod database;
mod definitions;
mod executions;
mod flow;
mod large;
mod migrations;
mod misbehaviour;
mod openapi;
mod outbound;
mod pauses;
mod refusals;
mod reruns;
mod templates;
mod upgrades;
mod versions;
