//! Folders and files by paths, as std has them: on preview 1 and in native tests.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[cfg(target_os = "wasi")]
use super::Entry;
use super::{Kind, Listing, PIECE};

/// A folder; nothing is opened before it is asked.
pub struct Dir {
    path: PathBuf,
}

pub struct File {
    file: fs::File,
}

impl Dir {
    /// `below` leads from one of the opened folders to this one; "" is itself.
    pub fn open(opened: &str, below: &str) -> io::Result<Self> {
        Ok(Self { path: PathBuf::from(format!("{opened}/./{below}")) })
    }

    /// Whether two of the opened folders are one. Preview 1 cannot tell.
    pub fn is_same(one: &str, other: &str) -> bool {
        match (fs::canonicalize(one), fs::canonicalize(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
    }

    pub fn file(&self, name: &str) -> io::Result<File> {
        Ok(File { file: fs::File::open(self.path.join(name))? })
    }

    /// When an entry was last changed, since 1970.
    pub fn changed(&self, name: &str) -> io::Result<Duration> {
        let time = fs::symlink_metadata(self.path.join(name))?.modified()?;
        Ok(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    #[cfg(not(target_os = "wasi"))]
    pub fn listing(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let kind = match entry.file_type()? {
                kind if kind.is_dir() => Kind::Folder,
                kind if kind.is_file() => Kind::File,
                kind if kind.is_symlink() => Kind::Link,
                _ => Kind::Other,
            };
            match entry.file_name().into_string() {
                Ok(name) => listing.entries.push(super::Entry { name, kind }),
                Err(_) => listing.nameless += 1,
            }
        }
        Ok(listing)
    }

    #[cfg(target_os = "wasi")]
    pub fn listing(&self) -> io::Result<Listing> {
        use std::os::fd::AsRawFd;

        let opened = fs::File::open(&self.path)?;
        let descriptor = opened.as_raw_fd() as wasi::Fd;
        let mut room = 32 << 10;
        let mut cookie = 0;
        let mut entries = Vec::new();
        loop {
            let mut buffer = vec![0u8; room];
            // SAFETY: the host writes at most `room` bytes into a buffer of that length.
            let used = unsafe { wasi::fd_readdir(descriptor, buffer.as_mut_ptr(), room, cookie) }
                .map_err(|errno| io::Error::from_raw_os_error(errno.raw().into()))?;
            cookie = take_entries(&buffer[..used], cookie, &mut entries);
            if used < room {
                return Ok(Listing { entries, nameless: 0 });
            }
            room = (room * 8).min(4 << 20); // each further question costs the host the whole folder
        }
    }
}

/// Take the whole entries that are in a buffer; return where the next question begins.
#[cfg(target_os = "wasi")]
fn take_entries(mut buffer: &[u8], mut cookie: u64, entries: &mut Vec<Entry>) -> u64 {
    // A header for each entry: the next cookie, an inode, the length of the name, a kind.
    const HEADER: usize = 24;
    while let Some((header, after)) = buffer.split_at_checked(HEADER) {
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        let Some((name, after)) = after.split_at_checked(length as usize) else { break };
        cookie = u64::from_le_bytes(header[..8].try_into().unwrap_or_default());
        buffer = after;
        if name != b"." && name != b".." {
            let name = String::from_utf8_lossy(name).into_owned();
            entries.push(Entry { name, kind: kind_of(header[20]) });
        }
    }
    cookie
}

#[cfg(target_os = "wasi")]
fn kind_of(number: u8) -> Kind {
    match wasi::FILETYPE_DIRECTORY.raw() {
        folder if number == folder => Kind::Folder,
        _ if number == wasi::FILETYPE_REGULAR_FILE.raw() => Kind::File,
        _ if number == wasi::FILETYPE_SYMBOLIC_LINK.raw() => Kind::Link,
        _ => Kind::Other,
    }
}

impl File {
    /// Begin to read before the next `piece` is asked for: here, the system does so by itself.
    pub fn read_ahead(&self) {}

    /// The next bytes; fewer than `PIECE` are the last ones.
    pub fn piece(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        (&mut self.file).take(PIECE as u64).read_to_end(&mut piece)?;
        Ok(piece)
    }
}
