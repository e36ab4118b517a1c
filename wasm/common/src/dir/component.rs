//! Folders and files by the interface of WASI 0.2, which the host answers with fewer system calls.

use std::cell::OnceCell;
use std::io::{self, ErrorKind};
use std::time::Duration;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
    filesystem_error_code,
};
use wasip2::io::streams::{InputStream, StreamError};

use super::{Entry, Kind, Listing, PIECE};

pub struct Dir(Descriptor);

pub struct File {
    stream: InputStream,
    _opened: Descriptor, // dropped after its stream
}

thread_local! {
    static OPENED: OnceCell<Vec<(Descriptor, String)>> = const { OnceCell::new() };
}

impl Dir {
    /// `below` leads from one of the opened folders to this one; "" is itself.
    pub fn open(opened: &str, below: &str) -> io::Result<Self> {
        // With a "/" at its end, a link would be followed.
        let below = if below.is_empty() { "." } else { below.trim_end_matches('/') };
        OPENED.with(|all| {
            let all = all.get_or_init(get_directories);
            let Some((folder, _)) = all.iter().find(|(_, name)| name == opened) else {
                return Err(ErrorKind::NotFound.into());
            };
            folder
                .open_at(PathFlags::empty(), below, OpenFlags::DIRECTORY, DescriptorFlags::READ)
                .map(Self)
                .map_err(error)
        })
    }

    /// Whether two of the opened folders are one.
    pub fn is_same(one: &str, other: &str) -> bool {
        match (Self::open(one, ""), Self::open(other, "")) {
            (Ok(one), Ok(other)) => one.0.is_same_object(&other.0),
            _ => false,
        }
    }

    pub fn file(&self, name: &str) -> io::Result<File> {
        self.0
            .open_at(PathFlags::empty(), name, OpenFlags::empty(), DescriptorFlags::READ)
            .and_then(|opened| Ok(File { stream: opened.read_via_stream(0)?, _opened: opened }))
            .map_err(error)
    }

    /// When an entry was last changed, since 1970.
    pub fn changed(&self, name: &str) -> io::Result<Duration> {
        let stat = self.0.stat_at(PathFlags::empty(), name).map_err(error)?;
        let time = stat.data_modification_timestamp;
        Ok(time.map_or(Duration::ZERO, |time| Duration::new(time.seconds, time.nanoseconds)))
    }

    pub fn listing(&self) -> io::Result<Listing> {
        let stream = self.0.read_directory().map_err(error)?;
        let mut listing = Listing::default();
        loop {
            match stream.read_directory_entry() {
                Ok(Some(entry)) => {
                    let kind = self.kind(entry.type_, &entry.name);
                    listing.entries.push(Entry { name: entry.name, kind });
                }
                Ok(None) => return Ok(listing),
                Err(ErrorCode::IllegalByteSequence) => listing.nameless += 1,
                Err(code) => return Err(error(code)),
            }
        }
    }

    fn kind(&self, told: DescriptorType, name: &str) -> Kind {
        match told {
            DescriptorType::Directory => Kind::Folder,
            DescriptorType::RegularFile => Kind::File,
            DescriptorType::SymbolicLink => Kind::Link,
            // Some file systems keep no kinds beside the names.
            DescriptorType::Unknown => match self.0.stat_at(PathFlags::empty(), name) {
                Ok(stat) if stat.type_ != DescriptorType::Unknown => self.kind(stat.type_, name),
                _ => Kind::Other,
            },
            _ => Kind::Other,
        }
    }
}

impl File {
    /// Begin to read in the host's own time: the next `piece` has less to wait for.
    pub fn read_ahead(&self) {
        // It returns at once, and empty; what goes wrong, the next piece will say.
        let _ = self.stream.read(PIECE as u64);
    }

    /// The next bytes; fewer than `PIECE` are the last ones.
    pub fn piece(&mut self) -> io::Result<Vec<u8>> {
        match self.stream.blocking_read(PIECE as u64) {
            Ok(piece) => Ok(piece),
            Err(StreamError::Closed) => Ok(Vec::new()),
            Err(StreamError::LastOperationFailed(cause)) => {
                Err(filesystem_error_code(&cause).map_or_else(|| ErrorKind::Other.into(), error))
            }
        }
    }
}

fn error(code: ErrorCode) -> io::Error {
    match code {
        ErrorCode::Access | ErrorCode::NotPermitted => ErrorKind::PermissionDenied.into(),
        ErrorCode::NoEntry => ErrorKind::NotFound.into(),
        ErrorCode::NotDirectory => ErrorKind::NotADirectory.into(),
        ErrorCode::IsDirectory => ErrorKind::IsADirectory.into(),
        ErrorCode::NameTooLong => io::Error::other("its path is too long"),
        ErrorCode::Loop => io::Error::other("is a link by now"),
        ErrorCode::Io => io::Error::other("could not be read (I/O error)"),
        other => io::Error::other(format!("could not be read ({})", other.name())),
    }
}
