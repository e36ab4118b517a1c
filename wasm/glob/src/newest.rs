//! The newest of many files: no more of them are kept than are shown.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A file that matches; the least is what is shown first.
#[derive(PartialEq, Eq)]
pub struct Found {
    /// Since 1970.
    pub changed: Duration,
    pub path: String,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        other.changed.cmp(&self.changed).then_with(|| self.path.cmp(&other.path))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub struct Newest {
    limit: usize,
    kept: BinaryHeap<Found>,
    total: usize,
}

impl Newest {
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::new(), total: 0 }
    }

    pub fn add(&mut self, found: Found) {
        self.total += 1;
        if self.kept.len() < self.limit {
            self.kept.push(found);
        } else if let Some(mut last) = self.kept.peek_mut() {
            if found < *last {
                *last = found;
            }
        }
    }

    /// How many were added.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Newest first, those of one time by name.
    pub fn paths(self) -> impl Iterator<Item = String> {
        self.kept.into_sorted_vec().into_iter().map(|found| found.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_their_order() {
        let mut newest = Newest::new(3);
        for (at, path) in [(1, "old"), (3, "b"), (9, "new"), (3, "c"), (3, "a"), (2, "older")] {
            newest.add(Found { changed: Duration::from_secs(at), path: path.into() });
        }
        assert_eq!(newest.total(), 6);
        assert_eq!(newest.paths().collect::<Vec<_>>(), ["new", "a", "b"]);
    }
}
