//! Requests by wasi:http, for guests that run to their end: everything waits until it is there.
//! Beside them, what a response is turned into before a model reads it.

pub mod body;
pub mod charset;
pub mod code;
pub mod coding;
pub mod deadline;
pub mod exchange;
pub mod gateway;
pub mod headers;
pub mod laid_out;
pub mod media;
pub mod report;
pub mod request;
pub mod target;
pub mod window;
