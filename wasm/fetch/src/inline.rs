//! What runs within a line: words, links, images, emphasis, code.

use crate::tree::{self, Node, Page, Room, attribute, tag};
use markup5ever_rcdom::NodeData;

/// White space as HTML sees it: a no-break space is none.
pub fn is_space(each: char) -> bool {
    matches!(each, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// Characters that are nothing to see: for line breaks, or to hide words from whoever reads a page.
fn is_unseen(each: char) -> bool {
    matches!(each, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// One paragraph: white space is single spaces, and a line break is one that the page makes.
pub struct Line<'a> {
    pub text: String,
    room: &'a Room,
    begins_apart: bool, // white space stood before its first piece
    is_apart: bool,     // white space stands before what comes next
}

impl<'a> Line<'a> {
    pub fn new(room: &'a Room) -> Self {
        Self { text: String::new(), room, begins_apart: false, is_apart: false }
    }

    pub fn push(&mut self, text: &str) {
        for word in text.split_inclusive(is_space) {
            let plain = word.trim_end_matches(is_space);
            match plain.contains(is_unseen) {
                true => self.push_piece(&plain.replace(is_unseen, "")),
                false => self.push_piece(plain),
            }
            self.is_apart |= plain.len() < word.len();
        }
    }

    pub fn break_line(&mut self) {
        self.is_apart = false;
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Add what holds no white space at its ends.
    fn push_piece(&mut self, piece: &str) {
        if piece.is_empty() || !self.room.take(piece.len()) {
            return;
        }
        if self.text.is_empty() {
            self.begins_apart = self.is_apart;
        } else if self.is_apart && !self.text.ends_with('\n') {
            self.text.push(' ');
        }
        self.is_apart = false;
        self.text.push_str(piece);
    }

    /// Add another line between two marks, its outer white space outside of them.
    fn push_between(&mut self, inner: &Line<'_>, marks: (&str, &str)) {
        self.is_apart |= inner.begins_apart;
        if !inner.text.trim().is_empty() {
            self.push_piece(&format!("{}{}{}", marks.0, inner.text.trim(), marks.1));
        }
        self.is_apart |= inner.is_apart;
    }
}

/// Writes inline content; blocks within it are words apart.
#[derive(Clone, Copy)]
pub struct Inline<'a> {
    pub page: &'a Page,
    pub is_inside: bool,
    /// How deep in the tree this is: below `tree::DEPTH` only words are kept.
    pub depth: usize,
}

impl<'a> Inline<'a> {
    pub fn node(self, node: &Node, line: &mut Line<'_>) {
        match &node.data {
            NodeData::Text { contents } => line.push(&contents.borrow()),
            NodeData::Element { .. } if self.depth >= tree::DEPTH => {
                line.push(&tree::verbatim(node))
            }
            NodeData::Element { .. } if !tree::is_noise(node, self.is_inside) => {
                self.element(node, line);
            }
            _ => {}
        }
    }

    pub fn children(self, node: &Node, line: &mut Line<'_>) {
        let below = Self { depth: self.depth + 1, ..self };
        for child in node.children.borrow().iter() {
            below.node(child, line);
        }
    }

    fn element(self, node: &Node, line: &mut Line<'_>) {
        match tag(node).unwrap_or_default() {
            "br" => line.break_line(),
            "a" => self.link(node, line),
            "img" => self.image(node, line),
            "strong" | "b" => self.between(node, line, "**"),
            "em" | "i" => self.between(node, line, "*"),
            "del" | "s" | "strike" => self.between(node, line, "~~"),
            "code" | "kbd" | "samp" | "tt" => code(node, line),
            name if is_block(name) => {
                line.push(" ");
                self.children(node, line);
                line.push(" ");
            }
            _ => self.children(node, line),
        }
    }

    fn between(self, node: &Node, line: &mut Line<'_>, mark: &str) {
        let inner = self.inner(node);
        // Within another emphasis, or over several lines, the marks would mean something else.
        let is_plain = !inner.text.contains('\n') && !inner.text.starts_with('*');
        let marks = if is_plain { (mark, mark) } else { ("", "") };
        line.push_between(&inner, marks);
    }

    /// The content of an element by itself.
    fn inner(self, node: &Node) -> Line<'a> {
        let mut inner = Line::new(&self.page.room);
        self.children(node, &mut inner);
        inner
    }

    fn link(self, node: &Node, line: &mut Line<'_>) {
        let mut inner = self.inner(node);
        inner.text = inner.text.replace('\n', " ");
        let Some(url) = attribute(node, "href").and_then(|href| self.absolute(&href)) else {
            // A sign beside each heading, which leads to where it is.
            if inner.text.chars().any(char::is_alphanumeric) {
                line.push_between(&inner, ("", ""));
            }
            return;
        };
        match inner.text.trim() {
            text if text == url => line.push_between(&inner, ("", "")),
            _ => line.push_between(&inner, ("[", &format!("]({url})"))),
        }
    }

    fn image(self, node: &Node, line: &mut Line<'_>) {
        let alt = attribute(node, "alt").unwrap_or_default();
        let alt = alt.split_whitespace().collect::<Vec<_>>().join(" ");
        let url = attribute(node, "src").and_then(|source| self.absolute(&source));
        if let (Some(url), false) = (url, alt.is_empty()) {
            line.push_piece(&format!("![{alt}]({url})"));
        }
    }

    /// Where a link leads; None for one that leads nowhere else.
    fn absolute(self, href: &str) -> Option<String> {
        let url = self.page.base.join(href).ok()?;
        if !matches!(url.scheme(), "http" | "https" | "mailto" | "ftp") {
            return None;
        }
        let is_here = url.fragment().is_some() && {
            let mut page = url.clone();
            page.set_fragment(None);
            page == self.page.url
        };
        // What would end the link is written as it may stand in a URL.
        (!is_here).then(|| url.as_str().replace('(', "%28").replace(')', "%29"))
    }
}

fn code(node: &Node, line: &mut Line<'_>) {
    let text = tree::words(node);
    if text.is_empty() {
        return;
    }
    let mark = if text.contains('`') { "``" } else { "`" };
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    line.is_apart |= tree::verbatim(node).starts_with(is_space);
    line.push_piece(&format!("{mark}{gap}{text}{gap}{mark}"));
    line.is_apart |= tree::verbatim(node).ends_with(is_space);
}

/// Whether an element begins a line of its own.
pub fn is_block(tag: &str) -> bool {
    const BLOCKS: [&str; 45] = [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "listing",
        "main",
        "menu",
        "ol",
        "p",
        "pre",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "th",
        "tr",
        "ul",
    ];
    BLOCKS.contains(&tag) || matches!(tag, "thead" | "tfoot" | "xmp" | "plaintext")
}
