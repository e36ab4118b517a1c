//! One file's content replaced: the old or the new content, never a part, whenever the call is
//! killed. WASI cannot set a file's mode and cannot lock, which is why this is not quite short.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::dir;

/// Beside the target, and there only while a call is at work in it, or after one that was killed.
const WORKSHOP: &str = ".preopen-tmp";
/// A call needs milliseconds between its last write and the rename. One that is slower finds its
/// file gone, and starts again.
const STALE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 5;

/// How the content was replaced.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    Atomically,
    /// Not atomically, and why.
    InPlace(String),
}

/// Give `target` this content; its folder exists.
pub fn replace(target: &Path, content: &[u8]) -> io::Result<Way> {
    let old = match OpenOptions::new().read(true).write(true).open(target) {
        Ok(mut file) => match reason_to_keep(&mut file)? {
            Some(reason) => return in_place(file, content, reason),
            None => Some(file),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    for _ in 1..ATTEMPTS {
        match (aside(target, content), &old) {
            // Another call took the file, or the whole workshop, for a leftover.
            (Err(error), _) if error.kind() == ErrorKind::NotFound => {}
            (Err(error), Some(_)) if error.kind() == ErrorKind::PermissionDenied => break,
            (done, _) => return done.map(|()| Way::Atomically),
        }
    }
    match old {
        Some(file) => in_place(file, content, "its folder takes no new files".into()),
        None => aside(target, content).map(|()| Way::Atomically),
    }
}

/// Why an existing file must stay the same file.
fn reason_to_keep(file: &mut File) -> io::Result<Option<String>> {
    let links = links(file)?;
    if links > 1 {
        return Ok(Some(format!("it has {links} hard links")));
    }
    // A new file is never executable, and WASI neither tells a file's mode nor sets one.
    let mut head = [0; 2];
    let is_script = file.read(&mut head)? == 2 && &head == b"#!";
    Ok(is_script.then(|| "a script stays executable so".into()))
}

#[cfg(target_os = "wasi")]
fn links(file: &File) -> io::Result<u64> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open as long as `file` is.
    unsafe { wasi::fd_filestat_get(file.as_raw_fd() as wasi::Fd) }
        .map(|stat| stat.nlink)
        .map_err(|errno| io::Error::from_raw_os_error(errno.raw().into()))
}

#[cfg(not(target_os = "wasi"))]
fn links(file: &File) -> io::Result<u64> {
    file.metadata().map(|data| std::os::unix::fs::MetadataExt::nlink(&data))
}

fn in_place(mut file: File, content: &[u8], reason: String) -> io::Result<Way> {
    file.rewind()?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()?;
    Ok(Way::InPlace(reason))
}

/// Write a new file in the workshop and move it to its place.
fn aside(target: &Path, content: &[u8]) -> io::Result<()> {
    let workshop = target.with_file_name(WORKSHOP);
    match fs::create_dir(&workshop) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => clear(&workshop, target),
        Err(error) => return Err(error),
    }
    let made = workshop.join(format!("{:016x}-{}", random(), tag(target)));
    let done = write_new(&made, content).and_then(|()| fs::rename(&made, target));
    if done.is_err() {
        let _ = fs::remove_file(&made); // the first error is the one to tell
    }
    let _ = fs::remove_dir(&workshop); // it stays while another call is at work in it
    done
}

fn write_new(path: &PathBuf, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Remove what killed calls left: for this target at once, for others when nobody writes them.
fn clear(workshop: &Path, target: &Path) {
    let tag = tag(target);
    for entry in dir::read(workshop).unwrap_or_default() {
        let path = workshop.join(&entry.name);
        let is_ours = entry.name.get(16..17) == Some("-");
        if is_ours && (entry.name.get(17..) == Some(&tag) || is_stale(&path)) {
            let _ = fs::remove_file(path); // another call may have been faster
        }
    }
}

fn is_stale(path: &Path) -> bool {
    fs::metadata(path)
        .and_then(|data| data.modified())
        .is_ok_and(|then| SystemTime::now().duration_since(then).is_ok_and(|age| age > STALE))
}

/// The target's name, so short that there is room before it: names end at 255 bytes.
fn tag(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let mut tag = String::new();
    for each in name.chars() {
        if tag.len() > 200 {
            break;
        }
        tag.push(each);
    }
    tag
}

fn random() -> u64 {
    RandomState::new().hash_one(0) // std's only door to randomness
}
