//! The `p1relay` program.

fn main() {}
