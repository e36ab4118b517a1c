//! What the tools share: where a path leads, what an error says, and how text is read and shown.

pub mod args;
pub mod fail;
pub mod json;
pub mod names;
pub mod place;
pub mod replace;
pub mod size;
pub mod text;
pub mod unified;
