//! The edits in their order, each to the result of the one before: all of them, or none.

use common::fail::Failure;
use common::size::count;
use common::unified::Span;
use memchr::memmem::Finder;

use crate::asked::Edit;
use crate::changes;
use crate::document::Document;
use crate::{miss, twice};

const EXPLAINED: usize = 4; // edits that fail; a miss costs a look at the whole file

/// What the edits changed.
#[derive(Default)]
pub struct Applied {
    pub spans: Vec<Span>,
    pub places: usize,
}

/// Where an edit's old text stands.
enum Found {
    Nowhere,
    Here(Vec<usize>),
    TooOften,
}

/// Apply the edits to a document, whose text is the original, or say of each that fails why it
/// does. `name` is the file's.
pub fn apply(
    document: &mut Document,
    original: &[u8],
    edits: &[Edit],
    name: &str,
) -> Result<Applied, Failure> {
    let mut applied = Applied::default();
    let mut problems = Vec::new();
    let mut more = 0;
    for edit in edits {
        match find(&document.text, edit) {
            Found::Here(places) => {
                let (old, new) = (edit.old.len(), edit.new.len());
                applied.spans = changes::followed_by(&applied.spans, &places, old, new);
                applied.places += places.len();
                document.replace(&places, &edit.old, &edit.new);
            }
            _ if problems.len() == EXPLAINED => more += 1,
            Found::Nowhere => problems.push(miss::explain(edit, &document.text, original, name)),
            Found::TooOften => problems.push(twice::explain(edit, &document.text, name)),
        }
    }
    if problems.is_empty() {
        return Ok(applied);
    }
    if more > 0 {
        problems.push(format!("{} failed as well", count(more, "more edit")));
    }
    if edits.len() > 1 {
        problems.push(format!("None of the {} edits was made.", edits.len()));
    }
    Err(Failure(problems.join("\n")))
}

fn find(text: &[u8], edit: &Edit) -> Found {
    let finder = Finder::new(&edit.old);
    if edit.all {
        let places: Vec<_> = finder.find_iter(text).collect();
        return if places.is_empty() { Found::Nowhere } else { Found::Here(places) };
    }
    match finder.find(text) {
        None => Found::Nowhere,
        // From the next byte on: of "aa" in "aaa", too, nobody can tell which is meant.
        Some(at) if finder.find(&text[at + 1..]).is_some() => Found::TooOften,
        Some(at) => Found::Here(vec![at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str, all: bool) -> Edit {
        Edit { place: String::new(), old: old.into(), new: new.into(), all }
    }

    fn applied(text: &str, edits: &[Edit]) -> Result<String, String> {
        let mut document = Document::read(text.into()).unwrap();
        match apply(&mut document, text.as_bytes(), edits, "a.txt") {
            Ok(_) => Ok(String::from_utf8(document.text).unwrap()),
            Err(Failure(sentence)) => Err(sentence),
        }
    }

    #[test]
    fn each_edit_sees_the_result_of_the_one_before() {
        let edits = [edit("a", "bb", false), edit("bb", "c", false), edit("c", "a", true)];
        assert_eq!(applied("a x c", &edits).unwrap(), "a x a");
    }

    #[test]
    fn overlapping_places_are_two() {
        assert!(applied("aaa", &[edit("aa", "b", false)]).unwrap_err().contains("2 times"));
        assert_eq!(applied("aaa", &[edit("aa", "b", true)]).unwrap(), "ba");
    }

    #[test]
    fn every_edit_that_fails_is_told_up_to_a_few() {
        let edits: Vec<_> = ["1", "2", "3", "4", "5", "a"].map(|old| edit(old, "x", false)).into();
        let said = applied("a", &edits).unwrap_err();
        assert_eq!(said.matches("is not in a.txt").count(), EXPLAINED);
        assert!(
            said.ends_with("1 more edit failed as well\nNone of the 6 edits was made."),
            "{said}"
        );
    }
}
