//! Which entries `.gitignore`, `.ignore` and `.git/info/exclude` leave out.

use std::rc::Rc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::dir::{Dir, PIECE};
use crate::text::without_mark;

const LARGEST: usize = 1 << 20; // an ignore file beyond this is none

/// The ignore files of one folder, and of those above it.
pub struct Rules {
    above: Option<Rc<Rules>>,
    depth: usize, // bytes of a path that lead to this folder
    files: [Option<Gitignore>; 3],
}

/// The files by precedence: each of the first counts before any of the second.
const FILES: [&str; 3] = [".ignore", ".gitignore", ".git/info/exclude"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Ignored,
    /// An ignore file names it after "!", so it is shown though its name may begin with a dot.
    Wanted,
    Unnamed,
}

impl Rules {
    /// The rules below a folder; `has` says which files are there. `depth` is how many bytes of the
    /// paths that will be asked for lead to this folder, its last "/" included.
    pub fn below(
        above: Option<Rc<Rules>>,
        folder: &Dir,
        depth: usize,
        has: impl Fn(&str) -> bool,
    ) -> Option<Rc<Rules>> {
        let files = FILES.map(|name| {
            let first = name.split('/').next().unwrap_or(name);
            if has(first) { read(folder, name) } else { None }
        });
        if files.iter().all(Option::is_none) {
            return above;
        }
        Some(Rc::new(Rules { above, depth, files }))
    }

    /// What the nearest rule says about a path.
    pub fn verdict(&self, path: &str, is_folder: bool) -> Verdict {
        for kind in 0..FILES.len() {
            let mut level = Some(self);
            while let Some(rules) = level {
                match rules.files[kind].as_ref().map(|file| {
                    file.matched(path.get(rules.depth..).unwrap_or_default(), is_folder)
                }) {
                    Some(Match::Ignore(_)) => return Verdict::Ignored,
                    Some(Match::Whitelist(_)) => return Verdict::Wanted,
                    Some(Match::None) | None => level = rules.above.as_deref(),
                }
            }
        }
        Verdict::Unnamed
    }
}

fn read(folder: &Dir, name: &str) -> Option<Gitignore> {
    let mut file = folder.file(name).ok()?;
    let mut bytes = Vec::new();
    loop {
        let piece = file.piece().ok()?;
        bytes.extend_from_slice(&piece);
        if bytes.len() > LARGEST {
            return None;
        }
        if piece.len() < PIECE {
            break;
        }
    }
    // The root "." keeps the matcher from stripping anything: paths come relative to its folder.
    let mut builder = GitignoreBuilder::new(".");
    for line in without_mark(&String::from_utf8_lossy(&bytes)).lines() {
        let _ = builder.add_line(None, line); // a line that is no pattern ignores nothing, as in git
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}
