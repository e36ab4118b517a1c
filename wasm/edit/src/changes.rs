//! What several edits, one after the other, change in all.

use common::unified::Span;

/// The changes so far, followed by a replacement at these places of the text that they led to.
pub fn followed_by(before: &[Span], places: &[usize], old: usize, new: usize) -> Vec<Span> {
    let after: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(number, at)| {
            let moved = at + number * new - number * old;
            Span { old: *at..at + old, new: moved..moved + new }
        })
        .collect();
    join(before, &after)
}

/// From the first text of `before` to the last of `after`. What meets in the text between them
/// becomes one.
fn join(before: &[Span], after: &[Span]) -> Vec<Span> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    // By how much a byte of the text between lies behind that of the first, and the last behind it.
    let (mut behind, mut ahead) = (0, 0);
    let mut joined = Vec::new();
    loop {
        let next =
            [before.peek().map(|span| span.new.start), after.peek().map(|span| span.old.start)];
        let Some(start) = next.into_iter().flatten().min() else { return joined };
        let (mut end, old_start, new_start) = (start, moved(start, -behind), moved(start, ahead));
        loop {
            if let Some(span) = before.next_if(|span| span.new.start <= end) {
                end = end.max(span.new.end);
                behind += growth(span);
            } else if let Some(span) = after.next_if(|span| span.old.start <= end) {
                end = end.max(span.old.end);
                ahead += growth(span);
            } else {
                break;
            }
        }
        let (old_end, new_end) = (moved(end, -behind), moved(end, ahead));
        joined.push(Span { old: old_start..old_end, new: new_start..new_end });
    }
}

fn growth(span: &Span) -> isize {
    span.new.len() as isize - span.old.len() as isize
}

fn moved(at: usize, by: isize) -> usize {
    at.saturating_add_signed(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Make the changes that the spans say, with the bytes of the new text.
    fn patched(old: &str, new: &str, spans: &[Span]) -> String {
        let (mut text, mut done) = (String::new(), 0);
        for span in spans {
            text += &old[done..span.old.start];
            text += &new[span.new.clone()];
            done = span.old.end;
        }
        text + &old[done..]
    }

    #[test]
    fn all_edits_together_lead_from_the_first_text_to_the_last() {
        let first = "one two three two one, and four";
        let mut text = first.to_owned();
        let mut spans = Vec::new();
        for (old, new) in [
            ("two", "2"),
            ("one", "first"),
            ("t 2 t", "-"),
            ("e", "EE"),
            ("EE-", ""),
            (", a", ",,,"),
        ] {
            let places: Vec<_> = text.match_indices(old).map(|(at, _)| at).collect();
            spans = followed_by(&spans, &places, old.len(), new.len());
            text = text.replace(old, new);
            assert_eq!(patched(first, &text, &spans), text);
            assert!(spans.windows(2).all(|two| two[0].old.end < two[1].old.start));
        }
    }
}
