//! The folder beside a target in which its new content is made, and what killed calls left there.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::dir::{self, Kind};

/// There only while a call is at work in it, or after one that was killed.
const NAME: &str = ".preopen-tmp";
/// A call needs milliseconds between its last write and the end, so what is older was left behind.
const STALE: Duration = Duration::from_secs(2);
const RANDOM: usize = 16; // characters with which each name in it begins

/// Whether a call makes its file for the first time. Nobody can see whether the call still lives
/// that made a file, and leftovers are to be gone with the next call: so that one removes what was
/// made for the first time, and leaves alone what a living call had to make again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Made {
    First,
    Again,
}

/// One call's part of the workshop. Dropped, it takes back what was not delivered.
pub struct Workshop {
    folder: PathBuf,
    goal: Goal,
    made: Option<PathBuf>,
}

/// What will be moved into place: the target, or the topmost folder on its path that is missing.
struct Goal {
    path: PathBuf,
    name: String,
    rest: String, // the way from there to the target; "" where it is the target
}

impl Workshop {
    /// Open the workshop in the nearest folder above a target that exists.
    pub fn open(target: &Path) -> io::Result<Self> {
        let (above, goal) = nearest(target);
        let folder = above.join(NAME);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if fs::metadata(&folder).is_ok_and(|data| !data.is_dir()) {
                    let sentence = format!("{NAME} beside it is no folder: remove it");
                    return Err(io::Error::other(sentence));
                }
            }
            done => done?,
        }
        Ok(Self { folder, goal, made: None })
    }

    /// Make the new file, in folders of its own where the target's are missing.
    pub fn make(&mut self, content: &[u8], made: Made) -> io::Result<()> {
        let again = if made == Made::Again { "+" } else { "" };
        let path = self.folder.join(new_name() + again);
        let file =
            if self.goal.rest.is_empty() { path.clone() } else { path.join(&self.goal.rest) };
        self.made = Some(path);
        if let Some(parent) = file.parent().filter(|_| !self.goal.rest.is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(file)?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// Say that it will be moved now, and take away what others were about to move to the same
    /// place. Of two calls one at least sees the other's claim, since each claims before it looks.
    pub fn claim(&mut self) -> io::Result<()> {
        let Some(made) = &mut self.made else { return Ok(()) };
        let tag = format!("={}", tag(&self.goal.name));
        let name = made.file_name().unwrap_or_default().to_string_lossy().into_owned() + &tag;
        let claimed = self.folder.join(&name);
        fs::rename(&*made, &claimed)?;
        *made = claimed;
        for entry in dir::read(&self.folder)? {
            if entry.name != name && state(&entry.name).is_some_and(|(_, end)| end == tag) {
                remove(&self.folder, &entry.name, entry.kind);
            }
        }
        Ok(())
    }

    /// Move it to its place.
    pub fn deliver(mut self) -> io::Result<()> {
        let Some(made) = &self.made else { return Ok(()) };
        fs::rename(made, &self.goal.path)?;
        self.made = None;
        Ok(())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            let name = made.file_name().unwrap_or_default().to_string_lossy();
            let kind = if self.goal.rest.is_empty() { Kind::File } else { Kind::Folder };
            remove(&self.folder, &name, kind);
        }
        let _ = fs::remove_dir(&self.folder); // it stays while another call is at work in it
    }
}

/// Remove what killed calls left near a target.
pub fn tidy(target: &Path) {
    let folder = nearest(target).0.join(NAME);
    let Ok(entries) = dir::read(&folder) else { return };
    for entry in entries {
        match state(&entry.name) {
            Some((Made::Again, _)) if !is_stale(&folder.join(&entry.name)) => {}
            Some(_) => remove(&folder, &entry.name, entry.kind),
            None => {}
        }
    }
    let _ = fs::remove_dir(&folder); // as above
}

/// The nearest folder above a target that exists, and what is missing below it.
///
/// By hand: std would drop the "/./" that keeps names of opened folders apart (see `place`).
fn nearest(target: &Path) -> (PathBuf, Goal) {
    let target = target.to_string_lossy();
    let mut end = target.len();
    loop {
        let start = target[..end].rfind('/').map_or(0, |slash| slash + 1);
        let above = if start == 0 { "." } else { &target[..start] };
        if start == 0 || Path::new(above).is_dir() {
            let name = target[start..end].to_owned();
            let rest = target[end..].trim_start_matches('/').to_owned();
            return (PathBuf::from(above), Goal { path: target[..end].into(), name, rest });
        }
        end = start - 1;
    }
}

/// What a name of ours says: how it was made, and the claim after that. None for other names.
fn state(name: &str) -> Option<(Made, &str)> {
    let (random, end) = name.split_at_checked(RANDOM)?;
    if !random.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (made, claim) = match end.strip_prefix('+') {
        Some(claim) => (Made::Again, claim),
        None => (Made::First, end),
    };
    (claim.is_empty() || claim.starts_with('=')).then_some((made, claim))
}

/// A name, so short that there is room before it: names end at 255 bytes.
fn tag(name: &str) -> String {
    name.char_indices().take_while(|(at, _)| *at < 200).map(|(_, each)| each).collect()
}

/// Remove what lies in a workshop. Another call may be faster, and then there is nothing to do.
fn remove(folder: &Path, name: &str, kind: Kind) {
    let path = folder.join(name);
    if kind != Kind::Folder {
        let _ = fs::remove_file(path);
        return;
    }
    // Under another name first: else it could be moved into place while it is emptied.
    let taken = folder.join(new_name());
    if fs::rename(&path, &taken).is_ok() {
        let _ = fs::remove_dir_all(taken);
    }
}

fn is_stale(path: &Path) -> bool {
    fs::metadata(path)
        .and_then(|data| data.modified())
        .is_ok_and(|then| SystemTime::now().duration_since(then).is_ok_and(|age| age > STALE))
}

/// A name that nobody else has. The time is in it, too: cells that share their beginning could
/// share what is random.
fn new_name() -> String {
    format!("{:0RANDOM$x}", RandomState::new().hash_one(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_leftovers() {
        assert!(state("0123456789abcdef") == Some((Made::First, "")));
        assert!(state("0123456789abcdef+=a.txt") == Some((Made::Again, "=a.txt")));
        for name in ["0123456789abcdef.txt", "notes.txt", "ä123456789abcde=", ""] {
            assert!(state(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_goal_is_the_topmost_that_is_missing() {
        let (above, goal) = nearest(Path::new("././nowhere/below/file"));
        assert_eq!(above, Path::new("././"));
        assert_eq!(goal.path, Path::new("././nowhere"));
        assert_eq!((goal.name.as_str(), goal.rest.as_str()), ("nowhere", "below/file"));
        let (above, goal) = nearest(Path::new("new"));
        assert_eq!((above, goal.rest.as_str()), (PathBuf::from("."), ""));
    }
}
