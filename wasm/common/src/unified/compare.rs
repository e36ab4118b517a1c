//! Which lines two texts have in common: those that each of them has once, as in patience diff, and
//! what Myers' algorithm finds between these.
//!
//! Bounded by how much is compared, not by time: in a guest `similar` has no clock, and 20 000 lines
//! that all differ took its Myers 7 s.

use std::collections::HashMap;
use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

const AFFORDABLE: usize = 1000; // lines of both sides between two others; takes a millisecond or so

/// How the new lines come from the old ones.
pub fn ops(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let mut names = HashMap::new();
    let mut name = |line| {
        let next = names.len();
        *names.entry(line).or_insert(next)
    };
    let old: Vec<usize> = old.iter().map(|line| name(*line)).collect();
    let new: Vec<usize> = new.iter().map(|line| name(*line)).collect();
    let mut ops = Ops { ops: Vec::new(), old: 0, new: 0 };
    for (old_at, new_at) in anchors(&old, &new, names.len()) {
        ops.compare(&old, &new, old_at, new_at);
        ops.push(DiffTag::Equal, old_at + 1, new_at + 1);
    }
    ops.compare(&old, &new, old.len(), new.len());
    ops.ops
}

/// The lines that each side has once, as far as they come in the same order.
fn anchors(old: &[usize], new: &[usize], names: usize) -> Vec<(usize, usize)> {
    let (old_once, new_once) = (once(old, names), once(new, names));
    let both = old.iter().enumerate().filter(|(_, name)| old_once[**name].is_some());
    let pairs: Vec<_> = both.filter_map(|(at, name)| Some((at, new_once[*name]?))).collect();
    // The longest row that ascends: where the best row of each length ends, and who comes before.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; pairs.len()];
    for (at, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < pair.1);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut row = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(at) = next {
        row.push(pairs[at]);
        next = before[at];
    }
    row.reverse();
    row
}

/// Where each line is that is there once, by its name.
fn once(lines: &[usize], names: usize) -> Vec<Option<usize>> {
    let mut places = vec![None; names];
    let mut count = vec![0u8; names];
    for (at, name) in lines.iter().enumerate() {
        count[*name] = count[*name].saturating_add(1);
        places[*name] = (count[*name] == 1).then_some(at);
    }
    places
}

/// The answer so far, and how far in both texts it goes.
struct Ops {
    ops: Vec<DiffOp>,
    old: usize,
    new: usize,
}

impl Ops {
    /// Go on to these lines, by what lies between.
    fn compare(&mut self, old: &[usize], new: &[usize], old_end: usize, new_end: usize) {
        let (mine, theirs) = (&old[self.old..old_end], &new[self.new..new_end]);
        let head = mine.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let (mine, theirs) = (&mine[head..], &theirs[head..]);
        let tail = mine.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| a == b).count();
        self.push(DiffTag::Equal, self.old + head, self.new + head);
        let (mine, theirs) = (&mine[..mine.len() - tail], &theirs[..theirs.len() - tail]);
        if mine.len() + theirs.len() <= AFFORDABLE {
            let (old_start, new_start) = (self.old, self.new);
            let common = capture_diff_slices(Algorithm::Myers, mine, theirs);
            // Where the others say that they stand is not always right.
            for op in common.iter().filter(|op| op.tag() == DiffTag::Equal) {
                let (old, new) = (op.old_range(), op.new_range());
                self.push(DiffTag::Replace, old_start + old.start, new_start + new.start);
                self.push(DiffTag::Equal, old_start + old.end, new_start + new.end);
            }
        }
        self.push(DiffTag::Replace, old_end - tail, new_end - tail);
        self.push(DiffTag::Equal, old_end, new_end);
    }

    /// Go on to these lines, all equal or none.
    fn push(&mut self, tag: DiffTag, old_end: usize, new_end: usize) {
        let (mut old, mut new) = (self.old..old_end, self.new..new_end);
        (self.old, self.new) = (old_end, new_end);
        if old.is_empty() && new.is_empty() {
            return;
        }
        let is_equal = tag == DiffTag::Equal;
        if self.ops.last().is_some_and(|last| (last.tag() == DiffTag::Equal) == is_equal) {
            if let Some(last) = self.ops.pop() {
                (old.start, new.start) = (last.old_range().start, last.new_range().start);
            }
        }
        self.ops.push(op(is_equal, old, new));
    }
}

fn op(is_equal: bool, old: Range<usize>, new: Range<usize>) -> DiffOp {
    let (old_index, new_index) = (old.start, new.start);
    let (old_len, new_len) = (old.len(), new.len());
    match (old_len, new_len) {
        _ if is_equal => DiffOp::Equal { old_index, new_index, len: old_len },
        (0, _) => DiffOp::Insert { old_index, new_index, new_len },
        (_, 0) => DiffOp::Delete { old_index, old_len, new_index },
        _ => DiffOp::Replace { old_index, old_len, new_index, new_len },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The new lines, put together from the old ones by the answer.
    fn rebuilt<'a>(old: &[&'a str], new: &[&'a str]) -> (Vec<&'a str>, usize) {
        let (mut lines, mut kept, mut at) = (Vec::new(), 0, (0, 0));
        for op in ops(old, new) {
            assert_eq!((op.old_range().start, op.new_range().start), at);
            at = (op.old_range().end, op.new_range().end);
            if op.tag() == DiffTag::Equal {
                lines.extend(&old[op.old_range()]);
                kept += op.old_range().len();
            } else {
                lines.extend(&new[op.new_range()]);
            }
        }
        assert_eq!(at, (old.len(), new.len()));
        (lines, kept)
    }

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn lines_in_common_are_kept() {
        for (old, new, kept) in [
            ("a b c d e", "a x c e", 3),
            ("a a a b a a", "a a b b a a", 5),
            ("", "a b", 0),
            ("a b", "", 0),
            ("b a c", "a c b", 2),
            ("x a b y a b", "a b z a b", 4),
        ] {
            let (old, new) = (words(old), words(new));
            assert_eq!(rebuilt(&old, &new), (new, kept));
        }
    }

    #[test]
    fn what_is_called_equal_is_equal() {
        let letters = |mut seed: u32, count: usize| -> Vec<&str> {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ["a", "b", "c"][(seed >> 24) as usize % 3]
            };
            (0..count).map(|_| next()).collect()
        };
        for seed in 0..2000 {
            let (old, new) = (letters(seed, 12), letters(seed + 7919, 11));
            assert_eq!(rebuilt(&old, &new).0, new, "{seed}: {old:?}");
        }
    }

    #[test]
    fn many_lines_that_all_differ_are_not_compared_one_by_one() {
        let (old, new) = (vec!["a"; 300_000], vec!["b"; 300_000]);
        assert_eq!(ops(&old, &new).len(), 1);
        let numbers: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
        let old: Vec<_> = numbers.iter().map(String::as_str).collect();
        let mut new: Vec<_> =
            old.iter().map(|line| if line.ends_with('7') { "x" } else { line }).collect();
        new.insert(50_000, "x");
        assert_eq!(rebuilt(&old, &new), (new.clone(), 90_000));
    }
}
