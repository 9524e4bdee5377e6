//! A throw-away PostgreSQL for tests: no network, no set-up, and gone with who started it.
//!
//! `programs` finds what is installed, `cluster` starts a server of its own and stops it as
//! roughly as a test wants, `server` is one that can be reached, whoever started it, and
//! `database` is one database in it, `proxy` a way to it that can be cut.
//!
//! **Invariant:** nothing stays behind, however the process that uses this ends: the server is
//! held by a shell that ends it when the pipe from that process closes.
#![forbid(unsafe_code)]

mod cluster;
mod database;
mod programs;
mod proxy;
mod server;

pub use cluster::{Cluster, Options, Stop};
pub use database::Database;
pub use programs::Programs;
pub use proxy::Proxy;
pub use server::{SHARED_URL_VARIABLE, Server};
