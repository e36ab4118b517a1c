//! The tree: read level by level, drawn from the top.

use std::collections::VecDeque;
use std::fmt::Write;
use std::fs;

use common::dir::{Entry, Kind};
use common::fail::{Failure, reason};
use common::names::shown;
use common::place::Place;
use common::size;
use common::walk::{Choice, Content, Folder};

const NAMES: usize = 5; // ignored entries of one folder that are named

/// One line, and the lines below it.
struct Node {
    line: String,
    below: Vec<usize>,
    cut: usize, // entries that the limit left out
}

struct Tree {
    nodes: Vec<Node>,
    room: usize,
}

/// Read and draw a folder.
pub fn draw(place: &Place, choice: Choice, depth: u64, limit: usize) -> Result<String, Failure> {
    let name = shown(place.given.trim_end_matches('/'));
    let root = Node { line: format!("{name}/"), below: Vec::new(), cut: 0 };
    let mut tree = Tree { nodes: vec![root], room: limit };
    let mut first = Folder::first(place, choice);
    let content = first.content(choice).map_err(|error| Failure::of(&name, &error))?;
    let mut queue = VecDeque::new();
    tree.add(0, &first, content, 1, &mut queue);
    while let Some((at, mut folder, level)) = queue.pop_front() {
        if level > depth || tree.room == 0 {
            break; // the rest of the queue is as deep, or deeper
        }
        match folder.content(choice) {
            Ok(content) => tree.add(at, &folder, content, level, &mut queue),
            Err(error) => tree.note(at, &format!("cannot be read: {}", reason(&error))),
        }
    }
    let mut text = String::new();
    tree.draw(0, 0, &mut text);
    if tree.room == 0 {
        // A String takes every write.
        let _ =
            writeln!(text, "[limit of {limit} reached: raise it, or list a folder by its path]");
    }
    Ok(text)
}

impl Tree {
    fn add(
        &mut self,
        at: usize,
        folder: &Folder,
        content: Content,
        level: u64,
        queue: &mut VecDeque<(usize, Folder, u64)>,
    ) {
        let all = content.entries.len();
        if let Some(text) = left_out(&content) {
            self.note(at, &text);
        }
        for entry in content.entries.into_iter().take(self.room) {
            let number = self.nodes.len();
            let line = line(folder, &entry);
            self.nodes.push(Node { line, below: Vec::new(), cut: 0 });
            self.nodes[at].below.push(number);
            if entry.kind == Kind::Folder {
                queue.push_back((number, folder.below(&entry.name), level + 1));
            }
        }
        let taken = self.nodes[at].below.len();
        self.nodes[at].cut = all - taken;
        self.room -= taken;
    }

    fn note(&mut self, at: usize, text: &str) {
        // A String takes every write.
        let _ = write!(self.nodes[at].line, " [{text}]");
    }

    fn draw(&self, at: usize, depth: usize, text: &mut String) {
        let node = &self.nodes[at];
        let indent = " ".repeat(depth);
        text.push_str(&indent);
        text.push_str(&node.line);
        text.push('\n');
        for below in &node.below {
            self.draw(*below, depth + 1, text);
        }
        if node.cut > 0 {
            // A String takes every write.
            let _ = writeln!(text, "{indent} [{} more]", node.cut);
        }
    }
}

/// What is said of a folder's content beside its entries.
fn left_out(content: &Content) -> Option<String> {
    let mut parts = Vec::new();
    if content.hidden > 0 {
        parts.push(format!("{} hidden", content.hidden));
    }
    if !content.ignored.is_empty() {
        let names: Vec<_> = content.ignored.iter().take(NAMES).map(|name| shown(name)).collect();
        let more = if content.ignored.len() > NAMES { " …" } else { "" };
        parts.push(format!("{} ignored: {}{more}", content.ignored.len(), names.join(" ")));
    }
    if parts.is_empty() && content.entries.is_empty() {
        parts.push("empty".into());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn line(folder: &Folder, entry: &Entry) -> String {
    let name = shown(&entry.name);
    let path = folder.path.join(&entry.name);
    match entry.kind {
        Kind::Folder => format!("{name}/"),
        Kind::File => match fs::symlink_metadata(path) {
            Ok(data) => format!("{name} {}", size::short(data.len())),
            Err(_) => name.into_owned(),
        },
        Kind::Link => match fs::read_link(path) {
            Ok(target) => format!("{name} -> {}", shown(&target.to_string_lossy())),
            Err(_) => format!("{name} -> ?"),
        },
        Kind::Other => format!("{name} [no regular file]"),
    }
}
