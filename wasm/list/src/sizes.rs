//! The sizes of a folder's files.
//!
//! Asked of the opened folder: for a path, the host walks from the grant on, and 10 000 files took
//! 1.7 s; so they take 0.4 s.

use std::path::Path;

#[cfg(target_os = "wasi")]
pub struct Sizes(Option<std::fs::File>);

#[cfg(target_os = "wasi")]
impl Sizes {
    pub fn of(folder: &Path) -> Self {
        Self(std::fs::File::open(folder).ok())
    }

    /// A file's size, or None where it is gone. A link's own.
    pub fn get(&self, name: &str) -> Option<u64> {
        use std::os::fd::AsRawFd;
        let descriptor = self.0.as_ref()?.as_raw_fd() as wasi::Fd;
        // SAFETY: the descriptor is open as long as `self` is.
        unsafe { wasi::path_filestat_get(descriptor, 0, name) }.ok().map(|status| status.size)
    }
}

#[cfg(not(target_os = "wasi"))]
pub struct Sizes(std::path::PathBuf);

#[cfg(not(target_os = "wasi"))]
impl Sizes {
    pub fn of(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub fn get(&self, name: &str) -> Option<u64> {
        std::fs::symlink_metadata(self.0.join(name)).ok().map(|data| data.len())
    }
}
