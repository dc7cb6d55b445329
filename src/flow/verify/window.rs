//! The stretch of an input partition that is held in memory: what is to be found of its lines, by offset and by content.
//!
//! It is what bounds memory: about 200 bytes for each line of it, 300 with the index by content. A record of the output
//! that lies further behind than the window is long cannot be compared, and is told as such.

use std::collections::{HashMap, VecDeque};

use super::expect::Expectation;
use super::stored::Parts;

/// See the top of the file.
pub(super) struct Window {
    entries: VecDeque<Expectation>,
    /// Offsets, ascending, by fingerprint; only where records must be found by content.
    index: Option<HashMap<u64, VecDeque<i64>>>,
    limit: usize,
    /// The output has the input's timestamps.
    stamped: bool,
}

impl Window {
    pub(super) fn new(limit: usize, indexed: bool, stamped: bool) -> Self {
        Self { entries: VecDeque::new(), index: indexed.then(HashMap::new), limit: limit.max(2), stamped }
    }

    /// The next line; the oldest goes when there is no room.
    pub(super) fn push(&mut self, entry: Expectation) {
        if let Some(index) = &mut self.index {
            index.entry(entry.parts.fingerprint(self.stamped)).or_default().push_back(entry.offset);
        }
        self.entries.push_back(entry);
        if self.entries.len() > self.limit {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let (Some(entry), Some(index)) = (self.entries.pop_front(), &mut self.index) else { return };
        let fingerprint = entry.parts.fingerprint(self.stamped);
        if let Some(offsets) = index.get_mut(&fingerprint) {
            offsets.pop_front();
            if offsets.is_empty() {
                index.remove(&fingerprint);
            }
        }
    }

    pub(super) fn first(&self) -> Option<i64> {
        self.entries.front().map(|entry| entry.offset)
    }

    pub(super) fn last(&self) -> Option<i64> {
        self.entries.back().map(|entry| entry.offset)
    }

    /// How far ahead of the front of the output may be read without losing sight of what is behind.
    pub(super) fn reach(&self) -> usize {
        self.limit / 2
    }

    pub(super) fn get(&self, offset: i64) -> Option<&Expectation> {
        let at = self.entries.partition_point(|entry| entry.offset < offset);
        self.entries.get(at).filter(|entry| entry.offset == offset)
    }

    /// Lines behind an offset, in order; all when there is none.
    pub(super) fn after(&self, offset: Option<i64>) -> impl Iterator<Item = &Expectation> {
        let at = offset.map_or(0, |offset| self.entries.partition_point(|entry| entry.offset <= offset));
        self.entries.range(at..)
    }

    /// Lines before an offset, backwards.
    pub(super) fn before(&self, offset: i64) -> impl Iterator<Item = &Expectation> {
        let at = self.entries.partition_point(|entry| entry.offset < offset);
        self.entries.range(..at).rev()
    }

    pub(super) fn same(&self, one: &Parts, other: &Parts) -> bool {
        one.same(other, self.stamped)
    }

    /// Offsets of the lines that are just so, ascending.
    pub(super) fn like(&self, parts: &Parts) -> impl DoubleEndedIterator<Item = i64> {
        let offsets = self.index.as_ref().and_then(|index| index.get(&parts.fingerprint(self.stamped)));
        let is_like = |offset: &i64| self.get(*offset).is_some_and(|entry| self.same(&entry.parts, parts));
        offsets.into_iter().flatten().copied().filter(is_like)
    }

    /// The same, from behind an offset on.
    pub(super) fn like_after(&self, parts: &Parts, offset: Option<i64>) -> impl Iterator<Item = i64> {
        let offsets = self.index.as_ref().and_then(|index| index.get(&parts.fingerprint(self.stamped)));
        let from = offsets.map_or(0, |all| offset.map_or(0, |offset| all.partition_point(|known| *known <= offset)));
        let is_like = |offset: &i64| self.get(*offset).is_some_and(|entry| self.same(&entry.parts, parts));
        offsets.into_iter().flat_map(move |all| all.range(from..)).copied().filter(is_like)
    }
}
