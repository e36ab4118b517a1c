//! `edit`.

fn main() {}
