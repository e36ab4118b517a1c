//! An old text that is not in the file: why that may be, the lines that are nearest to it, and what
//! differs.

use std::cmp::Reverse;
use std::fmt::Write;
use std::ops::Range;

use memchr::memmem;

use crate::asked::Edit;
use crate::beside;
use crate::excerpt;
use crate::nearest;
use crate::slips::{slips, without_numbers};

const TELLING: usize = 8; // bytes; a shorter new text may be there by chance
const TRIED: usize = 3; // lines; each costs a look at the whole file

/// `original` is the text before the edits that came before this one.
pub fn explain(edit: &Edit, text: &[u8], original: &[u8], name: &str) -> String {
    let mut said = format!("{}old_string is not in {name}.", edit.place);
    if text.is_empty() {
        return said + " The file is empty: \"write\" fills it.";
    }
    for slip in slips(&edit.old) {
        if let Some(at) = memmem::find(text, slip.text.as_bytes()) {
            let line = excerpt::number(text, at);
            // A String takes every write.
            let _ = write!(said, " {} What is meant is at line {line}.", slip.sentence);
            return said;
        }
    }
    if memmem::find(original, edit.old.as_bytes()).is_some() {
        said.push_str(" It was, before an edit in front of this one changed that place.");
    }
    let is_telling = edit.new.trim().len() >= TELLING;
    if let Some(at) = memmem::find(text, edit.new.as_bytes()).filter(|_| is_telling) {
        let line = excerpt::number(text, at);
        // As above.
        let _ = write!(said, " But new_string is, at line {line}: perhaps this was done before.");
    }
    let plain = without_numbers(&edit.old);
    if plain != edit.old {
        said.push_str(" It begins its lines with read's numbers (\"12\\t\"): leave them out.");
    }
    match nearest(text, &plain) {
        Some(place) => beside::tell(&mut said, text, &plain, &place),
        None => said.push_str(" Nothing there is much like it."),
    }
    said
}

/// Where the text is most likely meant to be: all of it, else one of its longest lines.
fn nearest(text: &[u8], old: &str) -> Option<Range<usize>> {
    nearest::find(text, old.as_bytes()).or_else(|| {
        let mut lines: Vec<_> = old.lines().filter(|line| line.len() + 1 < old.len()).collect();
        lines.sort_by_key(|line| Reverse(line.trim().len()));
        lines.iter().take(TRIED).find_map(|line| nearest::find(text, line.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str, old: &str, new: &str) -> String {
        let edit = Edit { place: String::new(), old: old.into(), new: new.into(), all: false };
        explain(&edit, text.as_bytes(), text.as_bytes(), "a.py")
    }

    #[test]
    fn a_slip_is_told_with_the_place_that_is_meant() {
        let text = "import x\n\ndef run():\n\treturn 1\n";
        let said = explained(text, "3\tdef run():\n4\t\treturn 1", "");
        assert!(said.contains("\"12\\t\"") && said.ends_with("at line 3."), "{said}");
        assert!(explained(text, "def run():\\n\\treturn 1", "").contains("escaped"));
        let said = explained(text, "4\t    return 1", "");
        assert!(said.contains("leave them out") && said.contains("by 1 tab, in old_string by 4"));
    }

    #[test]
    fn an_edit_that_was_made_before_is_recognised() {
        let said = explained("def run(self): pass\n", "def go(): pass", "def run(self): pass");
        assert!(said.contains("new_string is, at line 1"), "{said}");
        assert!(!explained("x = 1\n", "y = 1", "x").contains("new_string"));
    }

    #[test]
    fn one_line_that_is_there_is_enough() {
        let text = "fn main() {\n    let config = Config::load(path);\n    run(config)\n}\n";
        let old = "    let config = Config::load(path);\n    // Then everything else happens here,\n\
                   quite another way\n    if x < 3 { return None }\n    while let Some(y) = z {}\n";
        let said = explained(text, old, "");
        assert!(
            said.contains("2\t    let config = Config::load(path);\nold_string's line 2"),
            "{said}"
        );
    }

    #[test]
    fn what_is_like_nothing_says_so() {
        assert!(explained("alpha\n", "quite other words", "").ends_with("much like it."));
        assert!(explained("", "a", "").contains("\"write\""));
    }
}
