//! The tree: read level by level, drawn from the top.

use std::collections::VecDeque;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;

use common::dir::{Entry, Kind};
use common::fail::{Failure, reason};
use common::names::shown;
use common::place::Place;
use common::size;
use common::walk::{Choice, Folder};

use crate::content::Content;
use crate::sizes::Sizes;

const BYTES: usize = 512 << 10; // of all lines; 10 000 of the usual ones are half of it

/// One line, and the lines below it.
struct Node {
    line: String,
    below: Vec<usize>,
    cut: usize, // entries that a limit left out
}

impl Node {
    fn new(line: String) -> Self {
        Self { line, below: Vec::new(), cut: 0 }
    }
}

struct Tree {
    nodes: Vec<Node>,
    /// Folders to be read: each with its node, and the level of its entries.
    queue: VecDeque<(usize, Folder, u64)>,
    depth: u64,
    room: usize,  // entries
    bytes: usize, // of lines
}

/// Read and draw a folder.
pub fn draw(place: &Place, choice: Choice, depth: u64, limit: usize) -> Result<String, Failure> {
    let name = shown(place.given.trim_end_matches('/'));
    let nodes = vec![Node::new(format!("{name}/"))];
    let mut tree = Tree { nodes, queue: VecDeque::new(), depth, room: limit, bytes: BYTES };
    let mut first = Folder::first(place, choice);
    let content = Content::read(&mut first, choice).map_err(|error| Failure::of(&name, &error))?;
    tree.add(0, &first, content, 1);
    tree.grow(choice);
    let mut text = String::new();
    tree.draw(0, 0, &mut text);
    if !tree.queue.is_empty() || tree.nodes.iter().any(|node| node.cut > 0) {
        text.push_str(&tree.way_on(limit));
    }
    Ok(text)
}

impl Tree {
    fn grow(&mut self, choice: Choice) {
        while !self.is_full() {
            let Some((at, mut folder, level)) = self.queue.pop_front() else { break };
            match Content::read(&mut folder, choice) {
                Ok(content) => self.add(at, &folder, content, level),
                Err(error) => self.note(at, &format!("cannot be read: {}", reason(&error))),
            }
        }
    }

    fn add(&mut self, at: usize, folder: &Folder, content: Content, level: u64) {
        if let Some(text) = content.left_out() {
            self.note(at, &text);
        }
        let sizes = Sizes::of(&folder.path);
        let mut entries = content.entries.into_iter();
        while !self.is_full() {
            let Some(entry) = entries.next() else { break };
            let number = self.nodes.len();
            let line = line(folder, &entry, &sizes);
            self.room -= 1;
            self.bytes = self.bytes.saturating_sub(line.len() + level as usize + 1);
            self.nodes.push(Node::new(line));
            self.nodes[at].below.push(number);
            if entry.kind == Kind::Folder && level < self.depth {
                self.queue.push_back((number, folder.below(&entry.name), level + 1));
            }
        }
        self.nodes[at].cut = entries.len();
    }

    fn is_full(&self) -> bool {
        self.room == 0 || self.bytes == 0
    }

    fn note(&mut self, at: usize, text: &str) {
        self.bytes = self.bytes.saturating_sub(text.len() + 3);
        // A String takes every write.
        let _ = write!(self.nodes[at].line, " [{text}]");
    }

    /// How to see what was left out.
    fn way_on(&self, limit: usize) -> String {
        if self.room == 0 {
            format!("[limit of {limit} reached: raise it, or list a folder by its path]\n")
        } else {
            format!("[cut after {}: list a folder by its path]\n", size::short(BYTES as u64))
        }
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

fn line(folder: &Folder, entry: &Entry, sizes: &Sizes) -> String {
    let name = shown(&entry.name);
    match entry.kind {
        Kind::Folder => format!("{name}/"),
        Kind::File => match sizes.get(&entry.name) {
            Some(bytes) => format!("{name} {}", size::short(bytes)),
            None => name.into_owned(),
        },
        Kind::Link => match fs::read_link(folder.path.join(&entry.name)) {
            Ok(target) => format!("{name} -> {}", shown(&target.to_string_lossy())),
            // WASI tells no absolute target: it could not be followed.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => format!("{name} -> /…"),
            Err(_) => format!("{name} -> ?"),
        },
        Kind::Other => format!("{name} [no regular file]"),
    }
}
