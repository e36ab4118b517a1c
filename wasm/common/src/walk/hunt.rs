//! The files that a pattern means, folder by folder: a folder's own first, then those below it, by
//! name. What is left out on the way is noted.

use std::io;

use super::pattern::{Pattern, Reach};
use super::{Choice, Folder, Standing};
use crate::dir::{Dir, Entry, Kind};
use crate::fail::reason;
use crate::names::shown;
use crate::size::count;

const NAMED: usize = 3; // folders that a hint names

pub struct Hunt {
    choice: Choice,
    wanted: Pattern,
    unwanted: Option<Pattern>,
    first: Option<Catch>,
    stack: Vec<Stop>,
    pub missed: Missed,
}

/// A folder still to be read.
struct Stop {
    folder: Folder,
    reached: Reached,
}

/// How far the two patterns have come.
#[derive(Default)]
struct Reached {
    wanted: Reach,
    unwanted: Reach,
}

/// What matches in one folder.
pub struct Catch {
    pub folder: Folder,
    pub dir: Dir,
    pub names: Vec<Name>,
}

pub struct Name {
    pub text: String,
    pub is_link: bool,
}

/// What was not seen, and could have matched.
#[derive(Default)]
pub struct Missed {
    unreadable: u64,
    first_unreadable: String,
    nameless: u64,
    folders: u64, // that match, where files are wanted
    hidden: LeftOut,
    ignored: LeftOut,
}

#[derive(Default)]
struct LeftOut {
    files: u64,
    folders: u64,
    named: Vec<String>, // the first of the folders
}

impl Hunt {
    /// Begin in a folder that must be readable.
    pub fn start(
        folder: Folder,
        wanted: Pattern,
        unwanted: Option<Pattern>,
        choice: Choice,
    ) -> io::Result<Self> {
        let reached = Reached {
            wanted: wanted.start(),
            unwanted: unwanted.as_ref().map(Pattern::start).unwrap_or_default(),
        };
        let missed = Missed::default();
        let mut hunt = Self { choice, wanted, unwanted, first: None, stack: Vec::new(), missed };
        hunt.first = Some(hunt.visit(Stop { folder, reached })?);
        Ok(hunt)
    }

    fn visit(&mut self, stop: Stop) -> io::Result<Catch> {
        let Stop { mut folder, reached } = stop;
        let dir = folder.open()?;
        let survey = folder.survey(&dir, self.choice)?;
        self.missed.nameless += survey.nameless as u64;
        let (mut names, mut below) = (Vec::new(), Vec::new());
        for (entry, standing) in survey.entries {
            let Some((is_match, further)) = self.step(&folder, &reached, &entry, standing) else {
                continue;
            };
            let is_link = entry.kind == Kind::Link;
            let is_found = is_match && self.is_of_kind(entry.kind);
            if entry.kind == Kind::Folder {
                self.missed.folders += u64::from(is_match);
                if is_found {
                    names.push(Name { text: entry.name.clone(), is_link });
                }
                if !further.wanted.is_nowhere() {
                    below.push((entry.name, further));
                }
            } else if is_found {
                names.push(Name { text: entry.name, is_link });
            }
        }
        names.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        below.sort_unstable_by(|(a, _), (b, _)| b.cmp(a)); // the last is visited first
        let stops = below.into_iter().map(|(name, reached)| {
            let folder = folder.below(&name);
            Stop { folder, reached }
        });
        self.stack.extend(stops);
        Ok(Catch { folder, dir, names })
    }

    /// Go on by an entry: whether it matches, and where it leads; None where it is left out.
    fn step(
        &mut self,
        folder: &Folder,
        reached: &Reached,
        entry: &Entry,
        standing: Standing,
    ) -> Option<(bool, Reached)> {
        let is_folder = entry.kind == Kind::Folder;
        let mut further = Reached::default();
        if let Some(pattern) = &self.unwanted {
            let is_match;
            (is_match, further.unwanted) =
                pattern.step(&reached.unwanted, &entry.name, Standing::Shown);
            if is_match && (is_folder || !pattern.wants_folders) {
                return None;
            }
        }
        let is_match;
        (is_match, further.wanted) = self.wanted.step(&reached.wanted, &entry.name, standing);
        if is_match || !further.wanted.is_nowhere() || standing == Standing::Shown {
            return Some((is_match, further));
        }
        let (is_match, below) = self.wanted.step(&reached.wanted, &entry.name, Standing::Shown);
        if if is_folder { !below.is_nowhere() } else { is_match } {
            self.missed.leave_out(folder, &entry.name, is_folder, standing);
        }
        None
    }

    fn is_of_kind(&self, kind: Kind) -> bool {
        match kind {
            Kind::Folder => self.wanted.wants_folders,
            Kind::File | Kind::Link => !self.wanted.wants_folders,
            Kind::Other => false,
        }
    }
}

impl Iterator for Hunt {
    type Item = Catch;

    fn next(&mut self) -> Option<Catch> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let stop = self.stack.pop()?;
            let name = stop.folder.shown.clone();
            match self.visit(stop) {
                Ok(found) => return Some(found),
                Err(error) => self.missed.note(&name, &error),
            }
        }
    }
}

impl Missed {
    /// Note a file or folder that could not be read.
    pub fn note(&mut self, name: &str, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            return; // gone since its folder was read: then it is in no result, as if never there
        }
        self.unreadable += 1;
        if self.unreadable == 1 {
            self.first_unreadable = format!("{}: {}", shown(name), reason(error));
        }
    }

    fn leave_out(&mut self, folder: &Folder, name: &str, is_folder: bool, standing: Standing) {
        if name == ".git" {
            return; // in nearly every tree, and never what was looked for
        }
        let kind = if standing == Standing::Hidden { &mut self.hidden } else { &mut self.ignored };
        if !is_folder {
            kind.files += 1;
            return;
        }
        kind.folders += 1;
        if kind.named.len() < NAMED {
            kind.named.push(folder.shown_below(name) + "/");
        }
    }

    /// Lines on what went wrong; "" where nothing did.
    pub fn faults(&self) -> String {
        let mut text = String::new();
        if self.unreadable > 0 {
            let (number, first) = (self.unreadable, &self.first_unreadable);
            let first = if number == 1 { first.clone() } else { format!("the first is {first}") };
            text += &format!("[{number} could not be read: {first}]\n");
        }
        if self.nameless > 0 {
            text += &format!("[left out: {}, not UTF-8]\n", count(self.nameless, "name"));
        }
        text
    }

    /// Folders that the pattern matched, where it was to match files.
    pub fn folders(&self) -> u64 {
        self.folders
    }

    /// A line on what a pattern would have matched, but for its standing; "" where there is none.
    pub fn hint(&self) -> String {
        let hidden = self.hidden.text("hidden", "hidden=true");
        let ignored = self.ignored.text("ignored", "no_ignore=true");
        match (hidden, ignored) {
            (None, None) => String::new(),
            (Some(one), None) | (None, Some(one)) => format!("[not looked at: {one}]\n"),
            (Some(hidden), Some(ignored)) => format!("[not looked at: {ignored}; {hidden}]\n"),
        }
    }
}

impl LeftOut {
    fn text(&self, standing: &str, way: &str) -> Option<String> {
        let mut parts = Vec::new();
        if self.files > 0 {
            parts.push(count(self.files, &format!("{standing} file")));
        }
        if self.folders > 0 {
            let names: Vec<_> = self.named.iter().map(|name| shown(name)).collect();
            let more = if self.folders > names.len() as u64 { " …" } else { "" };
            let folders = count(self.folders, &format!("{standing} folder"));
            parts.push(format!("{folders}: {}{more}", names.join(" ")));
        }
        (!parts.is_empty()).then(|| format!("{} ({way})", parts.join(" and ")))
    }
}
