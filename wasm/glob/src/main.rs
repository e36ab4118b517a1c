//! `glob`.

fn main() {}
