//! `grep`.

fn main() {}
