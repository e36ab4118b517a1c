//! A page as a tree, and which part of it is content.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{NodeData, RcDom};
use url::Url;

pub type Node = Rc<markup5ever_rcdom::Node>;

/// A node takes some 200 bytes: the memory that the manifest asks for holds so many with ease.
pub const ELEMENTS: usize = 300_000;
/// Each element is looked for among all that are open, so a page can be as slow as it likes.
const TIME: Duration = Duration::from_secs(8);
const ROOM: usize = 24 << 20; // bytes, counted at each level at which they are put together
const PIECE: usize = 16 << 10; // bytes between two looks at the clock
/// Deeper than pages are, and what the stack of a guest takes by far.
pub const DEPTH: usize = 200;
const ENOUGH: usize = 200; // characters of a part that says it is the main one
const NOISE: [&str; 26] = [
    "script", "style", "noscript", "template", "svg", "canvas", "iframe", "object", "embed",
    "video", "audio", "map", "head", "nav", "button", "input", "select", "textarea", "dialog",
    "datalist", "progress", "meter", "frame", "frameset", "link", "meta",
];
const ROLES: [&str; 6] = ["navigation", "banner", "contentinfo", "search", "dialog", "alertdialog"];

pub struct Page {
    pub title: String,
    pub url: Url,
    /// What the page's links are relative to.
    pub base: Url,
    pub content: Node,
    /// There is more of it than was parsed.
    pub is_cut: bool,
    pub room: Room,
    _document: Node, // dropped, it takes all that is below it apart
}

/// How much may still be written: links to a long address, or lines deep in lists, make more of a
/// page than was sent.
pub struct Room(Cell<usize>);

impl Room {
    /// Take room for so many bytes; false where there is none left.
    pub fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    pub fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// Parse as much of a page as there is memory and time for.
pub fn parse(html: &str, url: &Url) -> Page {
    // Without scripting, what stands in <noscript> is parsed, and so can be left out as a whole.
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..Default::default() };
    let options = ParseOpts { tree_builder, ..Default::default() };
    let mut parser = parse_document(RcDom::default(), options);
    let end = memchr::memchr_iter(b'<', html.as_bytes()).nth(ELEMENTS).unwrap_or(html.len());
    let (begin, mut rest) = (Instant::now(), &html[..end]);
    while !rest.is_empty() && begin.elapsed() < TIME {
        let (piece, next) = rest.split_at(boundary(rest));
        parser.process(StrTendril::from_slice(piece));
        rest = next;
    }
    let document = parser.finish().document;
    let title = first(&document, "title").map(|node| words(&node)).unwrap_or_default();
    let base = first(&document, "base").and_then(|node| url.join(&attribute(&node, "href")?).ok());
    Page {
        title,
        url: url.clone(),
        base: base.unwrap_or_else(|| url.clone()),
        content: main_part(&document).unwrap_or_else(|| Rc::clone(&document)),
        is_cut: end < html.len() || !rest.is_empty(),
        room: Room(Cell::new(ROOM)),
        _document: document,
    }
}

/// Where the next piece ends: between two characters.
fn boundary(text: &str) -> usize {
    (PIECE..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

/// The one part that says it is the main one, where that is no empty frame for scripts to fill.
fn main_part(document: &Node) -> Option<Node> {
    let is_main = |node: &Node| {
        tag(node) == Some("main") || attribute(node, "role").is_some_and(|role| role == "main")
    };
    let node = every(document).find(is_main)?;
    (words(&node).chars().nth(ENOUGH).is_some()).then_some(node)
}

/// Whether a node is no content. `is_inside`: it lies in an article or in the main part, where
/// headers and footers are the content's own.
pub fn is_noise(node: &Node, is_inside: bool) -> bool {
    let Some(tag) = tag(node) else { return false };
    let is = |name: &str, value: &str| attribute(node, name).is_some_and(|it| it == value);
    NOISE.contains(&tag)
        || attribute(node, "hidden").is_some_and(|value| value != "until-found")
        || is("aria-hidden", "true")
        || attribute(node, "role").is_some_and(|role| ROLES.contains(&role.as_str()))
        // The same page in another language, in the words of that language.
        || tag == "a" && attribute(node, "hreflang").is_some() && attribute(node, "lang").is_some()
        || !is_inside
            && (matches!(tag, "footer" | "aside") || tag == "header" && first(node, "h1").is_none())
}

/// Whether what lies in a node is content in its own right.
pub fn is_inside(node: &Node) -> bool {
    matches!(tag(node), Some("main" | "article"))
        || attribute(node, "role").is_some_and(|role| role == "main")
}

pub fn tag(node: &Node) -> Option<&str> {
    match &node.data {
        NodeData::Element { name, .. } => Some(&name.local),
        _ => None,
    }
}

pub fn attribute(node: &Node, name: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    let attrs = attrs.borrow();
    attrs.iter().find(|it| &*it.name.local == name).map(|it| it.value.trim().to_owned())
}

pub fn first(node: &Node, name: &str) -> Option<Node> {
    every(node).find(|node| tag(node) == Some(name))
}

/// A node and all below it, in the page's order, however deep they lie.
pub fn every(node: &Node) -> impl Iterator<Item = Node> + use<> {
    let mut rest = vec![Rc::clone(node)];
    std::iter::from_fn(move || {
        let node = rest.pop()?;
        rest.extend(node.children.borrow().iter().rev().cloned());
        Some(node)
    })
}

/// All text below a node as it is written.
pub fn verbatim(node: &Node) -> String {
    let mut text = String::new();
    for node in every(node) {
        match &node.data {
            NodeData::Text { contents } => text.push_str(&contents.borrow()),
            NodeData::Element { name, .. } if &*name.local == "br" => text.push('\n'),
            _ => {}
        }
    }
    text
}

/// All text below a node, its white space as single spaces.
pub fn words(node: &Node) -> String {
    let text = verbatim(node);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
