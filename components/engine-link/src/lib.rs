//! Stands in for the engine where there is none: on Spin, each call of the workflow interface is one
//! request to the engine API of a host elsewhere.
//!
//! - `calls`: every function, with what it takes and whether it may be sent again.
//! - `engines`: which hosts there are, from the variables of the component.
//! - `send`: one call, sent to one host after the other until one of them answers.
//! - `answer`: what a host answered, and streams.
//! - `probes`: what probes say when no host answers.
//!
//! **Invariant:** nothing here decides anything. What the engine says is passed on as it is; all that
//! is added is `Error::Unavailable`, when no engine says anything.
//! **Invariant:** nothing of a caller is kept between two calls, as instances are used again.

mod answer;
mod bindings;
mod calls;
mod engines;
mod probes;
mod send;
