//! The place of a text that is most like another one.

use std::ops::Range;

use memchr::memmem;

use crate::squeezed::Squeezed;

const LARGEST: usize = 32 << 20; // bytes in which is looked; takes half a second or so
const WINDOW: usize = 4 << 10; // of a longer text, its beginning is looked for
const TABLE: usize = 1 << 14; // as many kinds of three bytes are told apart

/// Find the place; None where nothing in the text is much like it.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<Range<usize>> {
    let text = &text[..text.len().min(LARGEST)];
    let (all, wanted) = (Squeezed::of(text), Squeezed::of(wanted));
    if wanted.bytes.is_empty() {
        return None;
    }
    if let Some(at) = memmem::find(&all.bytes, &wanted.bytes) {
        return Some(all.range(text, at..at + wanted.bytes.len()));
    }
    let wanted = &wanted.bytes[..wanted.bytes.len().min(WINDOW)];
    let (window, share) = best_window(&all.bytes, wanted);
    // By chance, short texts have much in common.
    let needed = if wanted.len() < 12 { 0.6 } else { 0.4 };
    (share >= needed).then(|| all.range(text, window))
}

/// How alike two squeezed texts are: the share of the wanted one's threes of bytes that the other
/// one has, 0 to 1.
pub fn likeness(text: &[u8], wanted: &[u8]) -> f64 {
    best_window(text, wanted).1
}

/// The part of a text that has most in common with the wanted one, and which share of its threes
/// of bytes that is. The part is as long, or as much longer as would have as much in common.
fn best_window(text: &[u8], wanted: &[u8]) -> (Range<usize>, f64) {
    let Some(threes) = wanted.len().checked_sub(2).filter(|number| *number > 0) else {
        return (0..0, f64::from(u8::from(memmem::find(text, wanted).is_some())));
    };
    let mut needed = vec![0u16; TABLE];
    wanted.windows(3).for_each(|three| needed[kind(three)] += 1);
    let mut here = vec![0u16; TABLE];
    let (mut common, mut most, mut best) = (0, 0, 0..0);
    for (at, three) in text.windows(3).enumerate() {
        if let Some(left) = at.checked_sub(threes) {
            let kind = kind(&text[left..left + 3]);
            common -= usize::from(here[kind] <= needed[kind]);
            here[kind] -= 1;
        }
        let kind = kind(three);
        here[kind] += 1;
        common += usize::from(here[kind] <= needed[kind]);
        let end = at + 3;
        if common > most {
            (most, best) = (common, end.saturating_sub(wanted.len())..end);
        } else if common == most && best.end + 1 == end {
            best.end = end;
        }
    }
    (best, most as f64 / threes as f64)
}

fn kind(three: &[u8]) -> usize {
    let number = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    number.wrapping_mul(0x9e37_79b1) as usize >> 18 & (TABLE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
        find(text.as_bytes(), wanted.as_bytes()).map(|range| &text[range])
    }

    #[test]
    fn what_is_squeezed_out_makes_no_difference() {
        let text = "def a():\n\treturn 1\n\ndef b():\n\treturn “x”\n";
        assert_eq!(found(text, "def  B():\n    Return \"x\""), Some("def b():\n\treturn “x”"));
        assert_eq!(found(text, " \n"), None);
    }

    #[test]
    fn the_most_alike_place_is_found_in_a_long_line() {
        let mut text = "let x = compute(a, b);".repeat(20_000);
        text.replace_range(220_000..220_000, "let y = combine(first, second);");
        let near = found(&text, "let y = combine(first, third);").unwrap();
        assert!(near.contains("let y = combine(first, "), "{near}");
        assert!(near.len() < 40, "{near}");
    }

    #[test]
    fn what_is_nowhere_is_not_found() {
        assert_eq!(found("the quick brown fox\n", "SELECT id FROM users WHERE id = 1"), None);
        assert_eq!(found("ab", "abc"), None);
        assert_eq!(found("", "abc"), None);
    }
}
