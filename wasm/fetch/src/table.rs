//! Tables of data as Markdown writes them. Those that only place blocks on a page are none.

use crate::inline::{Inline, Line};
use crate::tree::{self, Node, attribute, tag};

const COLUMNS: usize = 50;

/// The lines of a table, or None where it is one of layout.
pub fn read(table: &Node, inline: Inline<'_>) -> Option<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in rows_of(table) {
        let cells = row.children.borrow();
        let cells = cells.iter().filter(|cell| matches!(tag(cell), Some("td" | "th")));
        let mut texts = Vec::new();
        for cell in cells {
            if is_layout(cell) {
                return None;
            }
            let span = attribute(cell, "colspan").and_then(|text| text.parse().ok()).unwrap_or(1);
            texts.push(text(cell, inline));
            texts.resize(texts.len() + usize::min(span, COLUMNS).saturating_sub(1), String::new());
        }
        if texts.iter().any(|text| !text.is_empty()) {
            rows.push(texts);
        }
    }
    let columns = rows.iter().map(Vec::len).max()?;
    if !(2..=COLUMNS).contains(&columns) {
        return None;
    }
    let mut lines: Vec<_> = rows.iter().map(|row| line(row, columns)).collect();
    lines.insert(1, format!("|{}", "---|".repeat(columns)));
    Some(lines)
}

/// The rows of a table itself, without those of tables in it.
fn rows_of(table: &Node) -> Vec<Node> {
    let mut rows = Vec::new();
    for child in table.children.borrow().iter() {
        match tag(child) {
            Some("tr") => rows.push(child.clone()),
            Some("thead" | "tbody" | "tfoot") => {
                let children = child.children.borrow();
                rows.extend(children.iter().filter(|row| tag(row) == Some("tr")).cloned());
            }
            _ => {}
        }
    }
    rows
}

fn is_layout(cell: &Node) -> bool {
    let is_block = |node: &Node| {
        matches!(tag(node), Some("table" | "pre" | "h1" | "h2" | "h3" | "blockquote" | "hr"))
    };
    tree::every(cell).any(|node| is_block(&node))
}

fn text(cell: &Node, inline: Inline<'_>) -> String {
    let mut line = Line::new(&inline.page.room);
    inline.children(cell, &mut line);
    line.text.trim().replace('\n', " ").replace('|', "\\|")
}

fn line(cells: &[String], columns: usize) -> String {
    let mut line = String::from("|");
    for number in 0..columns {
        line.push(' ');
        line.push_str(cells.get(number).map_or("", String::as_str));
        line.push_str(" |");
    }
    line
}
