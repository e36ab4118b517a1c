//! What the tools share: where a path leads, what an error says, how text is read and shown, how a
//! file is replaced, and which entries of a folder are of interest.

pub mod args;
pub mod dir;
pub mod fail;
pub mod ignored;
pub mod image;
pub mod json;
pub mod names;
pub mod place;
pub mod replace;
pub mod size;
pub mod text;
pub mod unified;
pub mod walk;
