//! `hash`.

fn main() {}
