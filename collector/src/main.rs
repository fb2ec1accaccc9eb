//! The binary: decides the exit code and nothing else.

fn main() {}
