//! Which line of the file stands for which line of an old text.

use crate::nearest::likeness;
use crate::squeezed::Squeezed;

const ALIKE: f64 = 0.3; // less in common, and two lines are not the same one

/// Pairs of a line of `old` and one of `file`, by their numbers, both ascending: those that make
/// all pairs together most alike.
pub fn pairs(old: &[&str], file: &[&str]) -> Vec<(usize, usize)> {
    let squeeze = |line: &&str| Squeezed::of(line.as_bytes()).bytes;
    let (old, file): (Vec<_>, Vec<_>) =
        (old.iter().map(squeeze).collect(), file.iter().map(squeeze).collect());
    let width = file.len() + 1;
    let mut alike = vec![0.0; old.len() * file.len()];
    let mut best = vec![0.0; (old.len() + 1) * width]; // of all lines from these two on
    for row in (0..old.len()).rev() {
        for column in (0..file.len()).rev() {
            let share = alike_lines(&old[row], &file[column]);
            alike[row * file.len() + column] = share;
            let (skip_old, skip_file) =
                (best[(row + 1) * width + column], best[row * width + column + 1]);
            let pair = share + best[(row + 1) * width + column + 1];
            best[row * width + column] = pair.max(skip_old).max(skip_file);
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut pairs = Vec::new();
    while row < old.len() && column < file.len() {
        let here = best[row * width + column];
        let share = alike[row * file.len() + column];
        if share > 0.0 && here == share + best[(row + 1) * width + column + 1] {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if here == best[(row + 1) * width + column] {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

fn alike_lines(old: &[u8], file: &[u8]) -> f64 {
    match (old.is_empty(), file.is_empty()) {
        (true, true) => 0.1, // rather with any other line than alone
        (true, false) | (false, true) => 0.0,
        _ if old == file => 1.0,
        _ => {
            let share = likeness(file, old);
            if share < ALIKE { 0.0 } else { share * 0.9 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_alike_are_pairs() {
        let old = ["def run(self):", "", "  x = first(1)", "  return x"];
        let file = ["}", "  def run(self):", "    # new", "    x = first(2)", "", "    return x"];
        assert_eq!(pairs(&old, &file), [(0, 1), (2, 3), (3, 5)]);
        assert_eq!(pairs(&["a"], &["b"]), []);
    }
}
