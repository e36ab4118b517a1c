//! One opened folder: its entries, read at once, and the files in it by their names alone.
//!
//! Every question is a trip to the host's thread for files, 10 µs and more, so how many there are
//! decides how fast a walk is. Not by std: it reads a folder in pieces of 128 bytes, and on preview
//! 1 the host reads all of it, with a status for each entry, for every piece. A component's host
//! asks for no status at all: a tree of 33 000 entries takes 0.3 s so, and 0.75 s on preview 1.

use std::io;
use std::path::Path;

#[cfg(all(target_os = "wasi", target_env = "p2"))]
#[path = "dir/component.rs"]
mod host;
#[cfg(not(all(target_os = "wasi", target_env = "p2")))]
#[path = "dir/by_std.rs"]
mod host;

pub use host::{Dir, File};

/// The most that `File::piece` gives at once, because the host gives a component no more.
pub const PIECE: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Folder,
    File,
    Link,
    Other,
}

#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
}

/// What is in a folder.
#[derive(Default, Debug)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// Entries of which WASI tells nothing, because their names are not UTF-8. On preview 1 one of
    /// them is an error for the whole folder.
    pub nameless: usize,
}

/// The entries of a folder of which one has the path that std may be given: see `place`.
pub fn read(folder: &Path) -> io::Result<Vec<Entry>> {
    let path = folder.to_string_lossy();
    let (opened, below) = path.split_once("/./").unwrap_or((&path, ""));
    Ok(Dir::open(opened, below)?.listing()?.entries)
}
