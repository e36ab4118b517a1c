//! What differs between a line of an old text and the line of the file that is nearest to it.

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use crate::named::name;
use crate::nearest;
use crate::squeezed::{is_blank, plain};

const COMPARED: usize = 1000; // characters of a line, from its first difference on
const APART: usize = 3; // differences with fewer characters between them are one
const MOST: usize = 3; // differences of a line that are told one by one

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Indentation,
    End,
    Whitespace,
    Case,
    Text,
    /// A whole line.
    Line,
}

/// Whether more of the line may stand before, or behind, what is asked for.
#[derive(Clone, Copy)]
pub struct Open {
    pub front: bool,
    pub back: bool,
}

/// What differs, each as the rest of a sentence about the file's line.
pub fn differences(old: &str, file: &str, open: Open) -> Vec<(Kind, String)> {
    let file = if open.front || open.back { part(old, file, open) } else { file };
    let (old_core, core) = (old.trim_matches(is_blank), file.trim_matches(is_blank));
    if old_core.is_empty() || core.is_empty() {
        return if old == file { Vec::new() } else { vec![(Kind::End, has(file, old))] };
    }
    let mut found = Vec::new();
    let (lead, old_lead) = (before(file, core), before(old, old_core));
    if !(lead == old_lead || open.front && lead.ends_with(old_lead)) {
        let (lead, old_lead) = (name(lead), name(old_lead));
        let sentence = format!("is indented by {lead}, in old_string by {old_lead}");
        found.push((Kind::Indentation, sentence));
    }
    found.extend(inner(old_core, core, open));
    let (end, old_end) = (after(file, core), after(old, old_core));
    if !(end == old_end || open.back && end.starts_with(old_end)) {
        let sentence = format!("ends with {}, in old_string with {}", name(end), name(old_end));
        found.push((Kind::End, sentence));
    }
    found
}

/// The part of a file's line that an old text means which has not the whole of it.
fn part<'a>(old: &str, file: &'a str, open: Open) -> &'a str {
    let Some(place) = nearest::find(file.as_bytes(), old.as_bytes()) else { return file };
    let Range { start, end } = place;
    // Blanks around it belong to it as far as the old text has some there.
    let start = if open.front { file[..start].trim_end_matches(is_blank).len() } else { 0 };
    let rest = if open.back { file[end..].trim_start_matches(is_blank) } else { "" };
    &file[start..file.len() - rest.len()]
}

fn before<'a>(line: &'a str, core: &str) -> &'a str {
    &line[..core.as_ptr() as usize - line.as_ptr() as usize]
}

fn after<'a>(line: &'a str, core: &str) -> &'a str {
    &line[before(line, core).len() + core.len()..]
}

fn has(file: &str, old: &str) -> String {
    format!("has {} where old_string has {}", name(file), name(old))
}

/// What differs between two lines without the blanks around them.
fn inner(old: &str, file: &str, open: Open) -> Vec<(Kind, String)> {
    let (old, file): (Vec<_>, Vec<_>) = (old.chars().collect(), file.chars().collect());
    let same = old.iter().zip(&file).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(20); // so that words are whole
    let compared = |line: &[char]| line[from..line.len().min(from + COMPARED)].to_vec();
    let (old, file) = (compared(&old), compared(&file));
    let hunks = hunks(&old, &file, open);
    hunks.into_iter().map(|hunk| describe(&old, &file, hunk)).collect()
}

/// A difference: these characters of the old line, and those of the file's.
type Hunk = (Range<usize>, Range<usize>);

fn hunks(old: &[char], file: &[char], open: Open) -> Vec<Hunk> {
    let ops = capture_diff_slices(Algorithm::Myers, old, file);
    let same = ops.iter().filter(|op| op.tag() == DiffTag::Equal);
    let same = same.map(|op| (op.old_range(), op.new_range()));
    let ends = (old.len()..old.len(), file.len()..file.len());
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut at = (0, 0);
    for (next_old, next_file) in same.chain([ends]) {
        let (mine, theirs) = (at.0..next_old.start, at.1..next_file.start);
        at = (next_old.end, next_file.end);
        // More of the line than was asked for is no difference.
        let is_more = mine.is_empty()
            && (open.front && mine.start == 0 || open.back && mine.end == old.len());
        match hunks.last_mut() {
            _ if is_more || mine.is_empty() && theirs.is_empty() => {}
            Some(last) if mine.start - last.0.end < APART => {
                (last.0.end, last.1.end) = (mine.end, theirs.end);
            }
            _ => hunks.push((mine, theirs)),
        }
    }
    if hunks.len() > MOST {
        let (first, last) = (hunks[0].clone(), hunks[hunks.len() - 1].clone());
        return vec![(first.0.start..last.0.end, first.1.start..last.1.end)];
    }
    hunks
}

fn describe(old: &[char], file: &[char], hunk: Hunk) -> (Kind, String) {
    let (mine, theirs) = whole_words(old, file, hunk);
    let text = |line: &[char], range: Range<usize>| line[range].iter().collect::<String>();
    let (old_piece, piece) = (text(old, mine.clone()), text(file, theirs));
    let squeezed = |piece: &str| piece.chars().filter_map(plain).collect::<String>();
    let sentence = has(&piece, &old_piece);
    match () {
        () if piece.chars().chain(old_piece.chars()).all(is_blank) => {
            let word = text(old, mine.start.saturating_sub(12)..mine.start);
            (Kind::Whitespace, format!("{sentence}, after {}", name(&word)))
        }
        () if piece.to_lowercase() == old_piece.to_lowercase() => (Kind::Case, sentence),
        () if squeezed(&piece) == squeezed(&old_piece) => (Kind::Whitespace, sentence),
        () => (Kind::Text, sentence),
    }
}

/// The difference with the rest of the words, or of the run of blanks, in which it is.
fn whole_words(old: &[char], file: &[char], (mut mine, mut theirs): Hunk) -> Hunk {
    let pieces = [&old[mine.clone()], &file[theirs.clone()]];
    let only_blanks = pieces.concat().iter().all(|c| is_blank(*c));
    let belongs = |c: &char| match only_blanks {
        true => is_blank(*c),
        false => c.is_alphanumeric() || *c == '_',
    };
    let begins = pieces.iter().any(|piece| piece.first().is_some_and(belongs));
    let ends = pieces.iter().any(|piece| piece.last().is_some_and(belongs));
    // What is around it is the same in both, as far as both go.
    while begins && mine.start > 0 && theirs.start > 0 && belongs(&old[mine.start - 1]) {
        mine.start -= 1;
        theirs.start -= 1;
    }
    while ends && theirs.end < file.len() && old.get(mine.end).is_some_and(belongs) {
        mine.end += 1;
        theirs.end += 1;
    }
    (mine, theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, file: &str) -> Vec<(Kind, String)> {
        differences(old, file, Open { front: false, back: false })
    }

    fn told_of_part(old: &str, file: &str) -> Vec<String> {
        let told = differences(old, file, Open { front: true, back: true });
        told.into_iter().map(|(_, sentence)| sentence).collect()
    }

    #[test]
    fn whitespace_is_named() {
        let indented = "is indented by 1 tab, in old_string by 4 spaces".to_owned();
        assert_eq!(told("    return x", "\treturn x"), [(Kind::Indentation, indented)]);
        let end = "ends with 2 spaces, in old_string with nothing".to_owned();
        assert_eq!(told("return x", "return x  "), [(Kind::End, end)]);
        let inner = "has 1 no-break space (U+00A0) where old_string has 1 space, after \"a =\"";
        assert_eq!(told("a = 1", "a =\u{a0}1"), [(Kind::Whitespace, inner.to_owned())]);
        let inner = "has 1 space where old_string has 2 spaces, after \"f(a,\"";
        assert_eq!(told("f(a,  b)", "f(a, b)"), [(Kind::Whitespace, inner.to_owned())]);
        assert_eq!(
            told("", "  "),
            [(Kind::End, "has 2 spaces where old_string has nothing".into())]
        );
    }

    #[test]
    fn what_looks_alike_is_named() {
        let quotes = "has \"“hi”\" (U+201C U+201D) where old_string has \"\"hi\"\"".to_owned();
        assert_eq!(told("say(\"hi\")", "say(“hi”)"), [(Kind::Whitespace, quotes)]);
        let case = "has \"GetName\" where old_string has \"getName\"".to_owned();
        assert_eq!(told("x.getName()", "x.GetName()"), [(Kind::Case, case)]);
        let form = "has \"cafe\u{301}\" (U+0301) where old_string has \"café\" (U+00E9)".to_owned();
        assert_eq!(told("a café", "a cafe\u{301}"), [(Kind::Text, form)]);
    }

    #[test]
    fn more_of_a_line_than_was_asked_for_is_no_difference() {
        let file = "    return compute(a, c) + first(compute);";
        let differs = ["has \"c\" where old_string has \"b\""];
        assert_eq!(told_of_part("compute(a, b)", file), differs);
        assert!(told_of_part("compute(a, c)", file).is_empty());
        assert_eq!(told_of_part("  return compute(a, b)", file), differs);
        let indented = "is indented by 4 spaces, in old_string by 1 tab";
        assert_eq!(told_of_part("\treturn compute(a", file), [indented]);
    }
}
