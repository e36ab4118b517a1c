//! Markdown for reading: as few characters as say it. Nothing is escaped, for nobody makes HTML of
//! it again, and a `\_` in every name costs and misleads.

use std::mem;

use markup5ever_rcdom::NodeData;

use crate::inline::{Inline, Line, is_block};
use crate::table;
use crate::tree::{self, Node, Page, attribute, tag};

/// Write a page's content.
pub fn write(page: &Page) -> String {
    let node = &page.content;
    let mut writer = Writer { page, text: String::new(), edges: Vec::new(), gap: Gap::None };
    writer.children(node, At { is_inside: tree::is_inside(node), depth: 0, is_tight: false });
    writer.text
}

/// What stands between the block before and the next one.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Gap {
    None,
    Line,
    Blank,
}

/// What stands at the left of each line: of quotes, and of lists.
struct Edge {
    first: String,
    rest: &'static str,
}

/// Where in the tree the writer is.
#[derive(Clone, Copy)]
struct At {
    is_inside: bool,
    depth: usize,
    /// Within a list, whose items stand line by line.
    is_tight: bool,
}

impl At {
    fn below(self, node: &Node) -> Self {
        let is_inside = self.is_inside || tree::is_inside(node);
        Self { is_inside, depth: self.depth + 1, ..self }
    }

    fn gap(self) -> Gap {
        if self.is_tight { Gap::Line } else { Gap::Blank }
    }
}

struct Writer<'a> {
    page: &'a Page,
    text: String,
    edges: Vec<Edge>,
    gap: Gap,
}

impl<'a> Writer<'a> {
    /// Write the children: blocks, and what runs between them as paragraphs.
    fn children(&mut self, node: &Node, at: At) {
        let mut line = Line::new(&self.page.room);
        for child in node.children.borrow().iter() {
            if tree::is_noise(child, at.is_inside) {
                continue;
            }
            match tag(child) {
                Some(_) if at.depth < tree::DEPTH && holds_blocks(child) => {
                    let done = mem::replace(&mut line, Line::new(&self.page.room));
                    self.paragraph(done, at);
                    self.block(child, at.below(child));
                }
                _ => self.inline(at).node(child, &mut line),
            }
        }
        self.paragraph(line, at);
    }

    fn inline(&self, at: At) -> Inline<'a> {
        Inline { page: self.page, is_inside: at.is_inside, depth: at.depth }
    }

    fn block(&mut self, node: &Node, at: At) {
        match tag(node).unwrap_or_default() {
            name @ ("h1" | "h2" | "h3" | "h4" | "h5" | "h6") => {
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.marked(&format!("{} ", "#".repeat(level)), node, at);
            }
            "ul" | "menu" | "dir" => self.list(node, at, None),
            "ol" => {
                let start = attribute(node, "start").and_then(|text| text.parse().ok());
                self.list(node, at, Some(start.unwrap_or(1)));
            }
            "pre" | "listing" | "xmp" | "plaintext" => self.code(node),
            "blockquote" => self.edged("> ".into(), "> ", node, At { is_tight: false, ..at }),
            "hr" => self.lines(["---"].into_iter(), Gap::Blank),
            "table" => match table::read(node, self.inline(at)) {
                Some(rows) => self.lines(rows.iter().map(String::as_str), Gap::Blank),
                None => self.children(node, at),
            },
            "dt" => self.marked("", node, at),
            "dd" => self.edged(": ".into(), "  ", node, At { is_tight: true, ..at }),
            // An item outside of every list.
            "li" => self.edged("- ".into(), "  ", node, At { is_tight: true, ..at }),
            "tr" | "td" | "th" | "summary" | "figcaption" => {
                self.ask_gap(Gap::Line);
                self.children(node, At { is_tight: true, ..at });
                self.ask_gap(Gap::Line);
            }
            _ => {
                self.ask_gap(at.gap());
                self.children(node, at);
                self.ask_gap(at.gap());
            }
        }
    }

    fn list(&mut self, node: &Node, at: At, mut number: Option<u64>) {
        let gap = at.gap();
        self.ask_gap(gap);
        for item in node.children.borrow().iter() {
            if tree::is_noise(item, at.is_inside) || tag(item).is_none() {
                continue;
            }
            let first = match number {
                Some(number) => format!("{number}. "),
                None => "- ".into(),
            };
            let is_written = self.item(first, item, At { is_tight: true, ..at.below(item) });
            number = number.map(|number| number.saturating_add(u64::from(is_written)));
        }
        self.ask_gap(gap);
    }

    /// Write an item, if there is something in it.
    fn item(&mut self, first: String, node: &Node, at: At) -> bool {
        let before = self.text.len();
        self.edged(first, "  ", node, at);
        self.text.len() > before
    }

    fn edged(&mut self, first: String, rest: &'static str, node: &Node, at: At) {
        self.ask_gap(at.gap());
        self.edges.push(Edge { first, rest });
        self.children(node, at);
        self.edges.pop();
        self.ask_gap(at.gap());
    }

    /// Write all in a node as one line behind a mark.
    fn marked(&mut self, mark: &str, node: &Node, at: At) {
        let mut line = Line::new(&self.page.room);
        self.inline(at).children(node, &mut line);
        let text = line.text.replace('\n', " ");
        if !text.trim().is_empty() {
            let gap = if mark.is_empty() { at.gap() } else { Gap::Blank };
            self.lines([format!("{mark}{}", text.trim()).as_str()].into_iter(), gap);
        }
    }

    fn paragraph(&mut self, line: Line<'_>, at: At) {
        let text = line.text.trim_end();
        if !text.is_empty() {
            self.lines(text.split('\n'), if at.is_tight { Gap::None } else { Gap::Blank });
        }
    }

    fn code(&mut self, node: &Node) {
        let text = tree::verbatim(node);
        let text = text.trim_end().trim_start_matches(['\r', '\n']);
        if text.is_empty() {
            return;
        }
        let longest = text.split(|each| each != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let begin = format!("{fence}{}", language(node).unwrap_or_default());
        let lines = [begin.as_str()].into_iter().chain(text.lines()).chain([fence.as_str()]);
        self.lines(lines, Gap::Blank);
    }

    /// Write a block of lines, and at least this gap on both of its sides.
    fn lines<'b>(&mut self, lines: impl Iterator<Item = &'b str>, gap: Gap) {
        self.ask_gap(gap);
        let left: usize = self.edges.iter().map(|edge| edge.rest.len()).sum();
        for (number, line) in lines.enumerate() {
            if !self.page.room.take(left + line.len() + 2) {
                return;
            }
            let gap = if number == 0 { self.gap } else { Gap::Line };
            self.start_line(gap);
            self.text.push_str(line.trim_end());
        }
        self.gap = gap.max_with(Gap::Line);
    }

    fn ask_gap(&mut self, gap: Gap) {
        self.gap = self.gap.max_with(gap);
    }

    fn start_line(&mut self, gap: Gap) {
        if !self.text.is_empty() && gap != Gap::None {
            self.text.push('\n');
        }
        if !self.text.is_empty() && gap == Gap::Blank {
            let quotes = self.edges.iter().take_while(|edge| edge.first.is_empty());
            let left: String = quotes.map(|edge| edge.rest).collect();
            self.text.push_str(left.trim_end());
            self.text.push('\n');
        }
        for edge in &mut self.edges {
            match mem::take(&mut edge.first) {
                first if first.is_empty() => self.text.push_str(edge.rest),
                first => self.text.push_str(&first),
            }
        }
    }
}

impl Gap {
    fn max_with(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

/// Whether an element is a block, or has one in it. A link is none, so that it stays one link.
fn holds_blocks(node: &Node) -> bool {
    let Some(name) = tag(node) else { return false };
    if is_block(name) {
        return true;
    }
    let is_link = name == "a";
    let is_kept = |name: &str| matches!(name, "pre" | "table" | "ul" | "ol" | "blockquote" | "p");
    let counts = |name: &str| if is_link { is_kept(name) } else { is_block(name) };
    tree::every(node).any(|node| tag(&node).is_some_and(counts))
}

/// The language of code, by the classes that pages use for it.
fn language(node: &Node) -> Option<String> {
    tree::every(node).take(3).find_map(|node| {
        let NodeData::Element { .. } = node.data else { return None };
        attribute(&node, "class")?.split_whitespace().find_map(|class| {
            let name = class.strip_prefix("language-").or(class.strip_prefix("lang-"))?;
            let is_name = name.len() <= 20
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-#".contains(&b));
            is_name.then(|| name.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use url::Url;

    fn shown(html: &str) -> String {
        super::write(&super::tree::parse(html, &Url::parse("https://a.example/").unwrap()))
    }

    #[test]
    fn lists_stand_line_by_line_and_in_one_another() {
        let html =
            "<p>Before<ul><li>one<li><p>two</p><ol start=3><li>three<p>more</p></li><li></li>
            <li>four</ol><li>five</ul>After";
        let expected = "Before\n\n- one\n- two\n  3. three\n    more\n  4. four\n- five\n\nAfter";
        assert_eq!(shown(html), expected);
    }

    #[test]
    fn code_is_kept_as_it_is() {
        let html = "<pre class='x'><code class='a language-rust'>\nfn f() {\n\n    <b>x</b>_y * `z`\n}\n</code></pre>";
        assert_eq!(shown(html), "```rust\nfn f() {\n\n    x_y * `z`\n}\n```");
        assert_eq!(shown("<li>a<pre>b\n c</pre>"), "- a\n\n  ```\n  b\n   c\n  ```");
        assert_eq!(shown("<pre>```\nx</pre>"), "````\n```\nx\n````");
        assert_eq!(shown("see<code> a_b </code>, <code>`</code>"), "see `a_b` , `` ` ``");
    }

    #[test]
    fn words_are_apart_as_they_are_on_the_page() {
        assert_eq!(shown("a<b> b </b>c <i>d</i>e<br> f <b></b>g"), "a **b** c *d*e\nf g");
        assert_eq!(shown("<span><div>a</div></span>b<div><div>c</div></div>"), "a\n\nb\n\nc");
        assert_eq!(
            shown("<a href=/x><h3>Head</h3><div>Text</div></a>"),
            "[Head Text](https://a.example/x)"
        );
        assert_eq!(shown("in\u{ad}vi\u{200b}sible \u{e0041} x"), "invisible x");
        assert_eq!(shown("snake_case *x* [y] &lt;z&gt;"), "snake_case *x* [y] <z>");
        assert_eq!(shown("<h2>One <a href='#one'>¶</a></h2>text"), "## One\n\ntext");
    }

    #[test]
    fn quotes_have_their_edge_on_each_line() {
        let html = "<blockquote><p>one<br>two<p>three<ul><li>four</ul></blockquote>five";
        assert_eq!(shown(html), "> one\n> two\n>\n> three\n>\n> - four\n\nfive");
        assert_eq!(shown("<dl><dt>term<dd>what<dd>it is</dl>"), "term\n\n: what\n: it is");
    }

    #[test]
    fn a_table_of_data_is_one_and_a_table_of_layout_is_none() {
        let html = "<table><caption>c</caption><thead><tr><th>a<th>b</thead>
            <tr><td>1|2<td><a href=/x>x</a><br>y<tr><td colspan=2>z</table>";
        let expected = "| a | b |\n|---|---|\n| 1\\|2 | [x](https://a.example/x) y |\n| z |  |";
        assert_eq!(shown(html), expected);
        let html = "<table><tr><td>menu<td><table><tr><td>k<td>v</table><h1>Head</h1></table>";
        assert_eq!(shown(html), "menu\n\n| k | v |\n|---|---|\n\n# Head");
        assert_eq!(shown("<table><tr><td>one<tr><td>two</table>"), "one\ntwo");
    }
}
