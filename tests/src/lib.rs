//! The tests live in `tests`; here is what several of them need and takes long to compile.

pub mod edge;
