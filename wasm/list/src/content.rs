//! What is in one folder: the entries that are shown, and the others counted.

use std::io;

use common::dir::{Entry, Kind};
use common::names::shown;
use common::walk::{Choice, Folder, Standing};

const NAMED: usize = 5; // ignored entries of one folder

#[derive(Default)]
pub struct Content {
    /// Folders first, then by name.
    pub entries: Vec<Entry>,
    ignored: Vec<String>, // names, with "/" after a folder's
    hidden: usize,
    nameless: usize,
}

impl Content {
    pub fn read(folder: &mut Folder, choice: Choice) -> io::Result<Self> {
        let survey = folder.survey(&folder.open()?, choice)?;
        let mut content = Self { nameless: survey.nameless, ..Self::default() };
        for (entry, standing) in survey.entries {
            match standing {
                Standing::Shown => content.entries.push(entry),
                Standing::Hidden => content.hidden += 1,
                Standing::Ignored => {
                    let end = if entry.kind == Kind::Folder { "/" } else { "" };
                    content.ignored.push(entry.name + end);
                }
            }
        }
        content.ignored.sort_unstable();
        content.entries.sort_unstable_by(|a, b| {
            let rank = |entry: &Entry| entry.kind != Kind::Folder;
            rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
        });
        Ok(content)
    }

    /// What is said of it beside its entries, or None where they are all.
    pub fn left_out(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.hidden > 0 {
            parts.push(format!("{} hidden", self.hidden));
        }
        if !self.ignored.is_empty() {
            let names: Vec<_> = self.ignored.iter().take(NAMED).map(|name| shown(name)).collect();
            let more = if self.ignored.len() > NAMED { " …" } else { "" };
            parts.push(format!("{} ignored: {}{more}", self.ignored.len(), names.join(" ")));
        }
        if self.nameless > 0 {
            parts.push(format!("{} not named in UTF-8", self.nameless));
        }
        if parts.is_empty() && self.entries.is_empty() {
            parts.push("empty".into());
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
