//! One file's content replaced: the old or the new content, never a part, whenever the call is
//! killed; and never made from a content that another call has replaced since.
//!
//! WASI has no lock. What stands for one is that a call's new file can be taken away from it: who
//! is about to move its own into place removes first those that others are about to move there, and
//! then looks whether the content is still the one that it has read. Whoever lost its file finds
//! out when it moves it, and begins again.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

mod workshop;

pub use workshop::tidy;
use workshop::{Made, Workshop};

/// Each further one means that another call came in between, within a millisecond or so. On a busy
/// machine a call that waits for its processor loses many: a dozen of calls on two took over ten.
const ATTEMPTS: u64 = 30;
const LONGEST_PAUSE: u64 = 16; // milliseconds before an attempt

/// The file that is there. It is kept open, so that no new file gets its inode: by that it is known.
pub struct Current {
    pub length: u64,
    file: File,
    stamp: Stamp,
    links: u64,
}

#[derive(PartialEq, Eq, Debug)]
struct Stamp {
    inode: u64,
    modified: u64,
    length: u64,
}

/// How a content was replaced.
#[derive(PartialEq, Eq, Debug)]
pub enum Done {
    Atomically,
    /// Not atomically, and why.
    InPlace(String),
    /// Not at all: what is there is not what was read any more.
    Overtaken,
}

impl Current {
    /// Open what is at a path; None for nothing.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        // For writing too, though the file may never be written: a read-only one is to be refused.
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => {
                let (stamp, links) = stat(&file)?;
                Ok(Some(Self { length: stamp.length, file, stamp, links }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(_) if path.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Err(error) => Err(error),
        }
    }

    /// Read its first bytes, at most so many.
    pub fn read(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.length.min(most) as usize + 1);
        self.file.rewind()?;
        (&self.file).take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Give `target` this content, in place of what was there when it was opened.
pub fn replace(
    target: &Path,
    mut current: Option<&mut Current>,
    content: &[u8],
) -> io::Result<Done> {
    if let Some(file) = current.as_deref_mut().filter(|file| file.links > 1) {
        let reason = format!("it has {} hard links", file.links);
        return in_place(file, content, reason);
    }
    let mut attempt = 1;
    loop {
        let made = if attempt == 1 { Made::First } else { Made::Again };
        match (aside(target, current.as_deref(), content, made), current.as_deref_mut()) {
            (Err(error), _) if was_taken(&error) && attempt < ATTEMPTS => {
                pause(attempt);
                attempt += 1;
            }
            (Err(error), Some(_)) if was_taken(&error) && target.is_file() => {
                return Ok(Done::Overtaken);
            }
            (Err(error), Some(file)) if error.kind() == ErrorKind::PermissionDenied => {
                return in_place(file, content, "its folder takes no new files".into());
            }
            (done, _) => return done,
        }
    }
}

/// Step out of the way of those that want the same, for longer each time and not as long as they.
fn pause(attempt: u64) {
    let most = 1000 * attempt.min(LONGEST_PAUSE); // microseconds
    thread::sleep(Duration::from_micros(RandomState::new().hash_one(attempt) % most));
}

/// Whether another call took the file, or the folder in which it was; or made the target's folder.
fn was_taken(error: &io::Error) -> bool {
    use ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotFound};
    matches!(error.kind(), NotFound | AlreadyExists | DirectoryNotEmpty)
}

/// Write a new file in the workshop and move it to its place.
fn aside(target: &Path, current: Option<&Current>, content: &[u8], made: Made) -> io::Result<Done> {
    let mut workshop = Workshop::open(target)?;
    workshop.make(content, made)?;
    workshop.claim()?;
    let now = match File::open(target) {
        Ok(file) => Some(stat(&file)?.0),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if now.as_ref() != current.map(|file| &file.stamp) {
        return Ok(Done::Overtaken);
    }
    workshop.deliver()?;
    Ok(Done::Atomically)
}

/// Overwrite a file that has to stay the same one.
fn in_place(current: &mut Current, content: &[u8], reason: String) -> io::Result<Done> {
    let (file, old) = (&mut current.file, current.length);
    // What needs new space comes first: on a full disk the file is left as it was.
    if let Some(end) = content.get(old as usize..) {
        let written = file.seek(SeekFrom::Start(old)).and_then(|_| file.write_all(end));
        if let Err(error) = written.and_then(|()| file.sync_all()) {
            let _ = file.set_len(old); // the first error is the one to tell
            return Err(error);
        }
    }
    file.rewind()?;
    file.write_all(&content[..content.len().min(old as usize)])?;
    file.set_len(content.len() as u64)?;
    file.sync_all()?;
    Ok(Done::InPlace(reason))
}

#[cfg(target_os = "wasi")]
fn stat(file: &File) -> io::Result<(Stamp, u64)> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open as long as `file` is.
    let stat = unsafe { wasi::fd_filestat_get(file.as_raw_fd() as wasi::Fd) }
        .map_err(|errno| io::Error::from_raw_os_error(errno.raw().into()))?;
    Ok((Stamp { inode: stat.ino, modified: stat.mtim, length: stat.size }, stat.nlink))
}

#[cfg(not(target_os = "wasi"))]
fn stat(file: &File) -> io::Result<(Stamp, u64)> {
    use std::os::unix::fs::MetadataExt;
    let data = file.metadata()?;
    let modified = (data.mtime() as u64) * 1_000_000_000 + data.mtime_nsec() as u64;
    Ok((Stamp { inode: data.ino(), modified, length: data.len() }, data.nlink()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// An empty folder of the test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("replace-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_content_that_was_replaced_since_it_was_read_stays() {
        let folder = folder("overtaken");
        let target = folder.join("./a");
        fs::write(&target, "1").unwrap();
        let mut mine = Current::open(&target).unwrap().unwrap();
        let mut theirs = Current::open(&target).unwrap().unwrap();
        assert_eq!(replace(&target, Some(&mut theirs), b"2").unwrap(), Done::Atomically);
        assert_eq!(replace(&target, Some(&mut mine), b"3").unwrap(), Done::Overtaken);
        assert_eq!(replace(&target, None, b"4").unwrap(), Done::Overtaken);
        assert_eq!(fs::read(&target).unwrap(), b"2");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_comes_with_its_folders_or_not_at_all() {
        let folder = folder("folders");
        let target = folder.join("./a/b/c");
        assert_eq!(replace(&target, None, b"1").unwrap(), Done::Atomically);
        assert_eq!(fs::read(&target).unwrap(), b"1");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert!(replace(&folder.join("./d/").join("e".repeat(300)), None, b"").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn hard_links_stay_one_file() {
        let folder = folder("links");
        let (target, link) = (folder.join("./a"), folder.join("./b"));
        for content in ["longer than before", "", "x"] {
            let _ = fs::remove_file(&link);
            fs::write(&target, "before").unwrap();
            fs::hard_link(&target, &link).unwrap();
            let mut current = Current::open(&target).unwrap().unwrap();
            let done = replace(&target, Some(&mut current), content.as_bytes()).unwrap();
            assert_eq!(done, Done::InPlace("it has 2 hard links".into()));
            assert_eq!(fs::read_to_string(&link).unwrap(), content);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
