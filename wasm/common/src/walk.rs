//! Folders as a model wants to see them: without hidden and ignored entries, links not followed.
//! One folder at a time; the order of the walk is its user's.

pub mod hunt;
pub mod pattern;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use crate::dir::{Dir, Entry, Kind};
use crate::fail::Failure;
use crate::ignored::{Rules, Verdict};
use crate::names::shown;
use crate::place::Place;

/// What is shown though it is hidden or ignored.
#[derive(Clone, Copy)]
pub struct Choice {
    pub hidden: bool,
    pub no_ignore: bool,
}

/// One folder of a walk.
pub struct Folder {
    /// What std may be given.
    pub path: PathBuf,
    /// As it is printed; "" for the first folder itself.
    pub shown: String,
    opened: Rc<str>, // the opened folder in which it lies
    inside: String,  // from there on, with "/" at its end, for the rules
    rules: Option<Rc<Rules>>,
}

/// Whether an entry is of interest to whoever has not named it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Shown,
    Hidden,
    Ignored,
}

/// What is in one folder, and how it stands. The entries are in no order.
pub struct Survey {
    pub entries: Vec<(Entry, Standing)>,
    pub nameless: usize,
}

impl Folder {
    /// The folder in which a walk begins. The ignore files above it count as far as they are open.
    pub fn first(place: &Place, choice: Choice) -> Self {
        let root = place.path.strip_prefix(&place.folder).unwrap_or(&place.path);
        let names = root.iter().filter_map(|name| name.to_str()).filter(|name| *name != ".");
        let mut folder = Self {
            path: PathBuf::from(format!("{}/.", place.folder)),
            shown: String::new(),
            opened: Rc::from(place.folder.as_str()),
            inside: String::new(),
            rules: None,
        };
        for name in names {
            if let (false, Ok(dir)) = (choice.no_ignore, folder.open()) {
                folder.read_rules(&dir, |_| true);
            }
            folder = folder.below(name);
        }
        folder.shown = if place.given == "." { String::new() } else { place.given.clone() };
        folder
    }

    /// A folder in this one.
    pub fn below(&self, name: &str) -> Self {
        Self {
            path: self.path.join(name),
            shown: self.shown_below(name),
            opened: Rc::clone(&self.opened),
            inside: format!("{}{name}/", self.inside),
            rules: self.rules.clone(),
        }
    }

    /// How an entry of this folder is printed.
    pub fn shown_below(&self, name: &str) -> String {
        match self.shown.as_str() {
            "" => name.to_owned(),
            shown => format!("{}/{name}", shown.trim_end_matches('/')),
        }
    }

    pub fn open(&self) -> io::Result<Dir> {
        Dir::open(&self.opened, &self.inside)
    }

    /// Read what is in it, once it is open.
    pub fn survey(&mut self, dir: &Dir, choice: Choice) -> io::Result<Survey> {
        let listing = dir.listing()?;
        if !choice.no_ignore {
            // A pipe of that name would be waited for.
            let is_there = |name: &str| {
                let mut entries = listing.entries.iter();
                entries.any(|entry| entry.name == name && entry.kind != Kind::Other)
            };
            self.read_rules(dir, is_there);
        }
        let judged = listing.entries.into_iter().map(|entry| {
            let standing = self.standing(&entry, choice);
            (entry, standing)
        });
        Ok(Survey { entries: judged.collect(), nameless: listing.nameless })
    }

    fn standing(&self, entry: &Entry, choice: Choice) -> Standing {
        match self.verdict(entry, choice) {
            Verdict::Ignored => Standing::Ignored,
            Verdict::Unnamed if entry.name.starts_with('.') && !choice.hidden => Standing::Hidden,
            Verdict::Unnamed | Verdict::Wanted => Standing::Shown,
        }
    }

    fn verdict(&self, entry: &Entry, choice: Choice) -> Verdict {
        if choice.no_ignore {
            return Verdict::Unnamed;
        }
        // Nobody who asks for hidden files means git's own.
        if entry.name == ".git" {
            return if choice.hidden { Verdict::Ignored } else { Verdict::Unnamed };
        }
        self.rules.as_ref().map_or(Verdict::Unnamed, |rules| {
            let path = format!("{}{}", self.inside, entry.name);
            rules.verdict(&path, entry.kind == Kind::Folder)
        })
    }

    fn read_rules(&mut self, dir: &Dir, has: impl Fn(&str) -> bool) {
        self.rules = Rules::below(self.rules.take(), dir, self.inside.len(), has);
    }
}

/// Whether a place is a folder, where there is something.
pub fn is_folder(place: &Place) -> Result<bool, Failure> {
    match fs::metadata(&place.path) {
        Ok(data) => Ok(data.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(&place.given)),
        Err(error) => Err(Failure::of(&shown(&place.given), &error)),
    }
}

fn missing(path: &str) -> Failure {
    let name = shown(path);
    match nearest(path) {
        Some(folder) => format!("{name} does not exist; the folder {} does", shown(folder)).into(),
        None => format!("{name} does not exist").into(),
    }
}

/// The nearest folder above a path that exists and has a name.
fn nearest(path: &str) -> Option<&str> {
    let (above, _) = path.rsplit_once('/')?;
    let is_folder = Place::find(above)
        .is_ok_and(|place| fs::metadata(place.path).is_ok_and(|data| data.is_dir()));
    if is_folder { Some(above) } else { nearest(above) }
}
