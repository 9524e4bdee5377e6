//! The `phasewright` binary.
fn main() {}
