//! Pieces of text as a sentence names them: what cannot be seen, or looks like something else, is
//! spelled out.

use std::fmt::Write;

use crate::squeezed::is_blank;

const QUOTED: usize = 60; // characters of a piece that are shown
const SPELLED: usize = 4; // characters of a piece that get their numbers

/// A piece of text: `"foo"`, `4 spaces`, `1 tab`, `a no-break space (U+00A0)`, `nothing`.
pub fn name(piece: &str) -> String {
    if piece.is_empty() {
        return "nothing".into();
    }
    if piece.chars().all(is_blank) {
        return blanks(piece);
    }
    let mut text = String::from("\"");
    for (at, each) in piece.chars().enumerate() {
        match each {
            _ if at == QUOTED => {
                text.push('…');
                break;
            }
            ' ' => text.push(' '),
            '\t' => text.push_str("\\t"),
            // A String takes every write.
            c if is_blank(c) || c.is_control() => drop(write!(text, "\\u{{{:x}}}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    let foreign = || piece.chars().filter(|each| !each.is_ascii());
    if (1..=SPELLED).contains(&foreign().count()) {
        let numbers: Vec<_> = foreign().map(number).collect();
        // As above.
        let _ = write!(text, " ({})", numbers.join(" "));
    }
    text
}

/// Runs of the same, one after the other.
fn blanks(piece: &str) -> String {
    let mut runs: Vec<(char, usize)> = Vec::new();
    for each in piece.chars() {
        match runs.last_mut() {
            Some((last, count)) if *last == each => *count += 1,
            _ => runs.push((each, 1)),
        }
    }
    let names: Vec<_> = runs.iter().take(SPELLED).map(|(each, count)| run(*each, *count)).collect();
    names.join(" and ") + if runs.len() > SPELLED { " and so on" } else { "" }
}

fn run(each: char, count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    match each {
        ' ' => format!("{count} space{plural}"),
        '\t' => format!("{count} tab{plural}"),
        '\n' => format!("{count} line end{plural}"),
        '\r' => format!("{count} carriage return{plural}"),
        '\u{a0}' => format!("{count} no-break space{plural} (U+00A0)"),
        '\u{200b}' => format!("{count} zero-width space{plural} (U+200B)"),
        '\u{feff}' => format!("{count} byte order mark{plural} (U+FEFF)"),
        other => format!("{count} unseen character{plural} ({})", number(other)),
    }
}

fn number(c: char) -> String {
    match c {
        char::REPLACEMENT_CHARACTER => "not UTF-8".into(),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_has_a_name() {
        assert_eq!(name(""), "nothing");
        assert_eq!(name("    "), "4 spaces");
        assert_eq!(name("\t "), "1 tab and 1 space");
        assert_eq!(name("\u{a0}"), "1 no-break space (U+00A0)");
        assert_eq!(name("a\tb\u{200b}"), "\"a\\tb\\u{200b}\" (U+200B)");
        assert_eq!(name("’"), "\"’\" (U+2019)");
        assert_eq!(name("e\u{301}"), "\"e\u{301}\" (U+0301)");
        assert_eq!(name(&"x".repeat(99)).chars().count(), QUOTED + 3);
    }
}
