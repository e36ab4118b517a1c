//! `list`: a folder as a tree with sizes, folders first, ignored entries folded with their count.

use common::{Arguments, explain, fail, size};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];

struct Tree {
    depth: u64,
    left: u64,
    more: u64,
    hidden: bool,
    no_ignore: bool,
    text: String,
}

struct Entry {
    path: PathBuf,
    name: String,
    is_dir: bool,
    shown: String,
}

fn main() {
    let arguments = Arguments::read();
    let path = arguments.operands.first().map_or(".", String::as_str);
    let mut tree = Tree {
        depth: arguments.number("depth", 2).max(1),
        left: arguments.number("limit", 500).max(1),
        more: 0,
        hidden: arguments.flag("hidden"),
        no_ignore: arguments.flag("no-ignore"),
        text: String::new(),
    };
    let about = fs::metadata(path).unwrap_or_else(|error| fail(explain(path, &error)));
    if !about.is_dir() {
        fail(format!("{path} is a file of {}; read shows it", size(about.len())));
    }
    let matchers = if tree.no_ignore { Vec::new() } else { matchers_above(Path::new(path)) };
    if let Err(error) = tree.show(Path::new(path), 0, &matchers) {
        fail(explain(path, &error));
    }
    if tree.text.is_empty() {
        println!("{path} is empty.");
        return;
    }
    print!("{}", tree.text);
    if tree.more > 0 {
        println!("[{} more entries; a larger limit or a deeper path shows them]", tree.more);
    }
}

/// The ignore files of every folder from the first directory down to, and without, the shown one.
fn matchers_above(path: &Path) -> Vec<Gitignore> {
    let mut matchers = Vec::new();
    if path.is_relative() && path != Path::new(".") {
        let mut folder = PathBuf::from(".");
        matchers.extend(matcher_of(&folder));
        for part in path.parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            matchers.extend(matcher_of(&folder));
        }
    }
    matchers
}

fn matcher_of(folder: &Path) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(folder);
    for name in IGNORE_FILES {
        let _ = builder.add(folder.join(name)); // a missing one, or a bad line in one, ignores nothing
    }
    if folder == Path::new(".") {
        let _ = builder.add(".git/info/exclude");
    }
    builder.build().ok().filter(|matcher| !matcher.is_empty())
}

impl Tree {
    fn show(&mut self, folder: &Path, level: usize, above: &[Gitignore]) -> io::Result<()> {
        let mut matchers = above.to_vec();
        if !self.no_ignore {
            matchers.extend(matcher_of(folder));
        }
        let (entries, ignored) = self.entries(folder, &matchers)?;
        let indent = "  ".repeat(level);
        for entry in entries {
            if self.left == 0 {
                self.more += 1;
                continue;
            }
            self.left -= 1;
            self.text.push_str(&format!("{indent}{}\n", entry.shown));
            if entry.is_dir && (level as u64) + 1 < self.depth {
                if let Err(error) = self.show(&entry.path, level + 1, &matchers) {
                    self.text.push_str(&format!("{indent}  [{}]\n", explain(&entry.name, &error)));
                }
            }
        }
        if ignored > 0 {
            self.text.push_str(&format!("{indent}[{ignored} ignored]\n"));
        }
        Ok(())
    }

    fn entries(&self, folder: &Path, matchers: &[Gitignore]) -> io::Result<(Vec<Entry>, u64)> {
        let mut entries = Vec::new();
        let mut ignored = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let kind = entry.file_type()?;
            if name.starts_with('.') && !self.hidden {
                continue;
            }
            if is_ignored(&path, kind.is_dir(), matchers) || (name == ".git" && !self.no_ignore) {
                ignored += 1;
                continue;
            }
            let shown = if kind.is_symlink() {
                let target = fs::read_link(&path).map_or("?".into(), |target| target.to_string_lossy().into_owned());
                format!("{} -> {}", printable(&name), printable(&target))
            } else if kind.is_dir() {
                format!("{}/", printable(&name))
            } else {
                let bytes = entry.metadata().map_or("?".to_owned(), |about| size(about.len()));
                format!("{}  {bytes}", printable(&name))
            };
            entries.push(Entry { path, name, is_dir: kind.is_dir(), shown });
        }
        entries.sort_by(|a, b| b.is_dir.cmp(&a.is_dir).then_with(|| a.name.cmp(&b.name)));
        Ok((entries, ignored))
    }
}

/// The innermost ignore file that says anything decides.
fn is_ignored(path: &Path, is_dir: bool, matchers: &[Gitignore]) -> bool {
    for matcher in matchers.iter().rev() {
        match matcher.matched(path, is_dir) {
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
            Match::None => {}
        }
    }
    false
}

/// A name on one line: what cannot be seen is escaped.
fn printable(name: &str) -> String {
    if name.chars().any(char::is_control) { format!("{name:?}") } else { name.to_owned() }
}
