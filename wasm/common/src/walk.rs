//! Folders as a model wants to see them: sorted, without hidden and ignored entries, links not
//! followed. One folder at a time; the order of the walk is its user's.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use crate::dir::{self, Entry, Kind};
use crate::ignored::{Rules, Verdict};
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
    inside: String, // from the opened folder on, with "/" at its end, for the rules
    rules: Option<Rc<Rules>>,
}

/// What is in one folder.
#[derive(Default)]
pub struct Content {
    /// Folders first, then by name.
    pub entries: Vec<Entry>,
    pub hidden: usize,
    /// Names, with "/" after a folder's.
    pub ignored: Vec<String>,
}

impl Folder {
    /// The folder in which a walk begins. The ignore files above it count as far as they are open.
    pub fn first(place: &Place, choice: Choice) -> Self {
        let root = place.path.strip_prefix(&place.folder).unwrap_or(&place.path);
        let names = root.iter().filter_map(|name| name.to_str()).filter(|name| *name != ".");
        let mut folder = Self {
            path: PathBuf::from(format!("{}/.", place.folder)),
            shown: String::new(),
            inside: String::new(),
            rules: None,
        };
        for name in names {
            if !choice.no_ignore {
                folder.read_rules(|_| true);
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

    /// Read what is in it.
    pub fn content(&mut self, choice: Choice) -> io::Result<Content> {
        let entries = dir::read(&self.path)?;
        if !choice.no_ignore {
            self.read_rules(|name| entries.iter().any(|entry| entry.name == name));
        }
        let mut content = Content::default();
        for entry in entries {
            let is_folder = entry.kind == Kind::Folder;
            match self.verdict(&entry, choice) {
                Verdict::Ignored => {
                    let end = if is_folder { "/" } else { "" };
                    content.ignored.push(entry.name + end);
                }
                Verdict::Unnamed if entry.name.starts_with('.') && !choice.hidden => {
                    content.hidden += 1;
                }
                Verdict::Unnamed | Verdict::Wanted => content.entries.push(entry),
            }
        }
        content.ignored.sort_unstable();
        content.entries.sort_unstable_by(|a, b| {
            let rank = |entry: &Entry| entry.kind != Kind::Folder;
            rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
        });
        Ok(content)
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

    fn read_rules(&mut self, has: impl Fn(&str) -> bool) {
        self.rules = Rules::below(self.rules.take(), &self.path, self.inside.len(), has);
    }
}
