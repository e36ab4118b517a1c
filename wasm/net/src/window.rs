//! The part of a long text that is shown, counted in characters: pages have lines of any length.

use common::size::count;

pub const CHARACTERS: u64 = 20_000; // about 5 000 tokens
pub const MOST: u64 = 500_000;

/// The part from character `offset` on, the first being 1, of about `limit` characters; and how to
/// get the rest. `is_cut` says that
/// the text itself was cut, and is no whole.
pub fn part(text: &str, offset: u64, limit: u64, is_cut: bool) -> String {
    let total = text.chars().count() as u64;
    if offset > total.max(1) {
        return format!(
            "[offset {offset} is past the end: there are {}]",
            count(total, "character")
        );
    }
    let start = byte_of(text, offset - 1);
    let rest = &text[start..];
    let shown = &rest[..line_end(rest, byte_of(rest, limit))];
    let next = offset + shown.chars().count() as u64;
    let mut part = shown.trim_end_matches('\n').to_owned();
    let note = match (next > total, is_cut) {
        (true, false) => return part,
        (true, true) => "[the rest is too long to be read by this tool]".to_owned(),
        (false, cut) => {
            let total = if cut { "many".into() } else { total.to_string() };
            format!("[characters {offset}-{} of {total}; offset={next} for the rest]", next - 1)
        }
    };
    part.push('\n');
    part.push_str(&note);
    part
}

/// The first characters of a text that cannot be asked for again, and how much more there is.
pub fn beginning(text: &str, limit: u64, is_cut: bool) -> String {
    let shown = &text[..line_end(text, byte_of(text, limit))];
    let more = text[shown.len()..].chars().count() as u64;
    let note = match (more, is_cut) {
        (0, false) => return text.to_owned(),
        (0, true) => "[the rest is too long to be read by this tool]".to_owned(),
        (more, false) => format!("[{}: limit shows more]", count(more, "more character")),
        (_, true) => "[many more characters: limit shows more]".to_owned(),
    };
    format!("{}\n{note}", shown.trim_end_matches('\n'))
}

/// Where a character begins, counted from 0; the text's end where it has no such character.
fn byte_of(text: &str, number: u64) -> usize {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    text.char_indices().nth(number).map_or(text.len(), |(at, _)| at)
}

/// Go back to the end of a line, where there is one in the last fifth.
fn line_end(text: &str, end: usize) -> usize {
    if end == text.len() {
        return end;
    }
    match text[..end].rfind('\n') {
        Some(at) if at + 1 >= end / 5 * 4 => at + 1,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_text_are_the_text() {
        let text: String = (0..50).map(|n| format!("é line {n}\n")).collect();
        let (mut offset, mut seen) = (1, String::new());
        loop {
            let shown = part(&text, offset, 70, false);
            let Some((body, note)) = shown.rsplit_once("\n[") else {
                seen.push_str(&shown);
                break;
            };
            seen.push_str(body);
            seen.push('\n');
            offset =
                note.split_once("offset=").unwrap().1.split_once(' ').unwrap().0.parse().unwrap();
        }
        assert_eq!(seen, text.trim_end());
    }

    #[test]
    fn the_note_says_where_it_goes_on() {
        assert_eq!(part("äöü", 2, 1, false), "ö\n[characters 2-2 of 3; offset=3 for the rest]");
        assert_eq!(part("äöü", 3, 9, false), "ü");
        assert_eq!(part("äöü", 4, 9, false), "[offset 4 is past the end: there are 3 characters]");
        assert_eq!(part("", 1, 9, false), "");
    }

    #[test]
    fn a_text_that_was_cut_never_looks_whole() {
        assert!(part("abc", 1, 2, true).contains("1-2 of many; offset=3"));
        assert!(
            part("abc", 3, 2, true).ends_with("[the rest is too long to be read by this tool]")
        );
    }
}
