//! An old text that stands in the file more than once: where, and how to say which one is meant.

use std::fmt::Write;

use common::size::count;
use memchr::memmem::Finder;

use crate::asked::Edit;
use crate::excerpt;

const SHOWN: usize = 5;
const COUNTED: usize = 1000;

pub fn explain(edit: &Edit, text: &[u8], name: &str) -> String {
    let places = places(text, &edit.old);
    let least = if places.len() == COUNTED { "at least " } else { "" };
    let mut said = format!(
        "{0}old_string is in {name} {least}{1} times: add text around it that only one place has, \
         or set {0}replace_all=true to replace all.\n",
        edit.place,
        places.len(),
    );
    let mut last_shown = 0;
    for at in places.iter().take(SHOWN) {
        push_place(&mut said, text, *at, edit.old.len(), &mut last_shown);
    }
    if places.len() > SHOWN {
        // A String takes every write.
        let _ = writeln!(said, "[and {}]", count((places.len() - SHOWN) as u64, "more place"));
    }
    said.truncate(said.trim_end().len());
    said
}

/// Where it stands, overlaps included.
fn places(text: &[u8], old: &str) -> Vec<usize> {
    let finder = Finder::new(old);
    let mut places = Vec::new();
    let mut from = 0;
    while places.len() < COUNTED {
        let Some(at) = finder.find(&text[from..]) else { break };
        places.push(from + at);
        from += at + 1;
    }
    places
}

/// Show the first and the last line of a place, for whoever asked knows the others, and the lines
/// around it, which may tell it from the other places.
fn push_place(said: &mut String, text: &[u8], at: usize, length: usize, last_shown: &mut usize) {
    let (first, last) = (excerpt::line(text, at), excerpt::line(text, at + length - 1));
    let from = excerpt::number(text, at);
    let to = from - 1 + excerpt::number(&text[first.start..], last.start - first.start);
    let lines = [
        excerpt::before(text, first.start).map(|line| (from - 1, line)),
        Some((from, first)),
        Some((to, last)),
        excerpt::after(text, at + length - 1).map(|line| (to + 1, line)),
    ];
    for (number, line) in lines.into_iter().flatten() {
        if number > *last_shown {
            excerpt::push(said, text, number, line, at);
            *last_shown = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str, old: &str) -> String {
        let edit = Edit { place: String::new(), old: old.into(), new: String::new(), all: false };
        explain(&edit, text.as_bytes(), "a.txt")
    }

    #[test]
    fn the_lines_around_each_place_are_shown() {
        let text = "a\nx\ny\nz\nb\nc\nx\ny\nz\n";
        let said = explained(text, "x\ny\nz\n");
        assert!(said.ends_with("all.\n1\ta\n2\tx\n4\tz\n5\tb\n6\tc\n7\tx\n9\tz"), "{said}");
    }

    #[test]
    fn places_are_shown_once_and_up_to_a_few() {
        assert!(explained("xxx", "x").ends_with(
            " 3 times: add text around it that only one place \
            has, or set replace_all=true to replace all.\n1\txxx"
        ));
        let said = explained(&"x\n".repeat(5000), "x");
        assert!(said.contains("at least 1000 times") && said.ends_with("[and 995 more places]"));
        assert_eq!(said.lines().count(), 8);
    }
}
