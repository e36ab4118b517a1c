//! Requests by wasi:http, for guests that run to their end: everything waits until it is there.

pub mod body;
pub mod code;
pub mod request;
