//! When an alert holds: the stretches of time that enough counted lines cover.
//!
//! A line at `t` covers the times `[t, t + window)`, so a time `x` is covered by the lines in `(x - window, x]`.
//!
//! ```text
//! window 15m, ">= 3"     10:00  10:04  10:09                    covered by three from 10:09 until 10:15:
//!                        ├──────────────────┤                   fires, startsAt 10:09, resolved at 10:15
//!                               ├──────────────────┤
//!                                      ├──────────────────┤
//! ```
//!
//! Lines that can make no difference any more, whatever still comes, are dropped, so that a burst does not grow memory.

use super::late::Late;
use crate::pack::Alert;

/// From a time until another, which is outside.
pub(super) type Stretch = (i64, i64);

/// When lines are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// Milliseconds that a line covers.
    pub(super) window: i64,
    /// So many cover a time when the alert holds.
    pub(super) least: usize,
    /// Lines of one value count once.
    pub(super) distinct: bool,
    /// There are lines that keep it from holding, so more lines do not only make it hold more.
    pub(super) unless: bool,
}

impl Rule {
    pub(super) fn of(alert: &Alert) -> Self {
        Self {
            window: alert.window_ms,
            least: alert.count.least as usize,
            distinct: alert.distinct.is_some(),
            unless: !alert.unless.is_empty(),
        }
    }
}

/// A counted line. Entries are ordered by time, then by place, so the order in which they came is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Event time.
    pub(super) at: i64,
    /// Number of its input partition.
    pub(super) input: u32,
    /// Its offset there.
    pub(super) offset: i64,
    /// A digest of the value by which it counts; 0: it counts by itself.
    pub(super) value: u64,
}

impl Entry {
    /// Whether the two count as one.
    fn is_one_with(&self, other: &Self) -> bool {
        self.value != 0 && self.value == other.value
    }
}

/// The lines of a group that still cover times ahead.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    pub(super) counted: Vec<Entry>,
    /// Times of the lines that keep it from holding.
    pub(super) against: Vec<i64>,
    /// Those that came late: they keep it from holding on.
    pub(super) late: Late,
    /// Beyond so many counted lines those that make no difference are dropped.
    room: usize,
}

/// Counted lines kept in any case before it is worth looking for superfluous ones.
const ROOM_MIN: usize = 16;

impl Lines {
    /// Adds a line; false when it is there already.
    pub(super) fn insert(&mut self, entry: Entry, rule: Rule) -> bool {
        let Err(place) = self.counted.binary_search(&entry) else { return false };
        self.counted.insert(place, entry);
        if self.counted.len() > self.room.max(ROOM_MIN).max(4 * rule.least) {
            self.thin(rule);
            self.room = 2 * self.counted.len();
        }
        true
    }

    /// Adds a line that keeps it from holding.
    pub(super) fn insert_against(&mut self, at: i64, rule: Rule) -> bool {
        let Err(place) = self.against.binary_search(&at) else { return false };
        self.against.insert(place, at);
        // Between two that are no window apart, a third covers nothing by itself.
        let mut index = 1;
        while index + 1 < self.against.len() {
            if self.against[index + 1] - self.against[index - 1] <= rule.window {
                self.against.remove(index);
            } else {
                index += 1;
            }
        }
        true
    }

    /// Forgets lines that cover no time from `from` on; those that came late are another's to forget.
    pub(super) fn forget(&mut self, from: i64, rule: Rule) {
        let end = |at: i64| at.saturating_add(rule.window);
        self.counted.drain(..self.counted.partition_point(|entry| end(entry.at) <= from));
        self.against.drain(..self.against.partition_point(|at| end(*at) <= from));
        if self.counted.capacity() > 4 * self.counted.len() + ROOM_MIN {
            self.counted.shrink_to(2 * self.counted.len());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.against.is_empty() && self.late.is_empty()
    }

    /// How many could cover one time at most.
    pub(super) fn len(&self) -> usize {
        self.counted.len()
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let (counted, against) = (self.counted.capacity(), self.against.capacity());
        counted * size_of::<Entry>() + against * size_of::<i64>() + self.late.bytes()
    }

    /// The last time that is covered by anything, exclusive.
    pub(super) fn end(&self, rule: Rule) -> Option<i64> {
        let last = self.counted.last().map(|entry| entry.at);
        let last = last.max(self.against.last().copied()).max(self.late.last());
        last.map(|at| at.saturating_add(rule.window))
    }

    /// Those that cover a time, the oldest first, and how many they count as.
    pub(super) fn covering(&self, time: i64, rule: Rule) -> (&[Entry], usize) {
        let from = self.counted.partition_point(|entry| entry.at.saturating_add(rule.window) <= time);
        let to = self.counted.partition_point(|entry| entry.at <= time);
        let covering = &self.counted[from..to];
        let again = |index: usize| covering[..index].iter().any(|earlier| earlier.is_one_with(&covering[index]));
        let count =
            if rule.distinct { (0..covering.len()).filter(|index| !again(*index)).count() } else { covering.len() };
        (covering, count)
    }

    /// Drops lines without which every time is covered by enough all the same, so that they can make no difference,
    /// whatever comes.
    ///
    /// A line is such when `least` others before it (or at its time), the farthest at `p`, and `least` others behind it, the
    /// farthest at `s`, have `s - p` ≤ window: what it covers before `p + window` those before it cover, the rest those
    /// behind it. So among any `2 * least + 1` that stay, the first and the last are more than a window apart.
    fn thin(&mut self, rule: Rule) {
        let mut kept: Vec<Entry> = Vec::with_capacity(self.counted.len());
        for (index, entry) in self.counted.iter().enumerate() {
            let behind = &self.counted[index + 1..];
            if !is_superfluous(entry, &kept, behind, rule) {
                kept.push(*entry);
            }
        }
        self.counted = kept;
    }
}

fn is_superfluous(entry: &Entry, before: &[Entry], behind: &[Entry], rule: Rule) -> bool {
    let close = |before: Option<i64>, behind: Option<i64>| {
        before.zip(behind).is_some_and(|(before, behind)| behind - before <= rule.window)
    };
    if !rule.distinct {
        let before = before.len().checked_sub(rule.least).map(|at| before[at].at);
        return close(before, behind.get(rule.least - 1).map(|entry| entry.at));
    }
    let same = |other: &&Entry| entry.is_one_with(other);
    let (twin_before, twin_behind) = (before.iter().rev().find(same), behind.iter().find(same));
    close(twin_before.map(|twin| twin.at), twin_behind.map(|twin| twin.at))
        || close(farthest(entry, before.iter().rev(), rule), farthest(entry, behind.iter(), rule))
}

/// The time of the `least`-th that counts apart from this one and from those nearer to it.
fn farthest<'e>(entry: &Entry, others: impl Iterator<Item = &'e Entry>, rule: Rule) -> Option<i64> {
    let mut apart: Vec<&Entry> = Vec::with_capacity(rule.least);
    for other in others {
        if !other.is_one_with(entry) && !apart.iter().any(|known| known.is_one_with(other)) {
            apart.push(other);
            if apart.len() == rule.least {
                return Some(other.at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sweep;

    const WINDOW: i64 = 100;

    fn entry(at: i64, offset: i64, value: u64) -> Entry {
        Entry { at, input: 0, offset, value }
    }

    fn stretches(lines: &Lines, rule: Rule) -> Vec<Stretch> {
        sweep::stretches(lines, i64::MIN, i64::MAX, rule)
    }

    #[test]
    fn a_window_is_open_where_it_begins_and_closed_where_it_ends() {
        let rule = Rule { window: WINDOW, least: 2, distinct: false, unless: false };
        for (second, expected) in [(0, vec![(0, 100)]), (99, vec![(99, 100)]), (100, vec![])] {
            let mut lines = Lines::default();
            lines.insert(entry(0, 0, 0), rule);
            lines.insert(entry(second, 1, 0), rule);
            assert_eq!(stretches(&lines, rule), expected, "{second}");
        }
    }

    #[test]
    fn stretches_that_meet_are_one() {
        let rule = Rule { window: WINDOW, least: 1, distinct: false, unless: false };
        let mut lines = Lines::default();
        [0, 100, 201].into_iter().for_each(|at| _ = lines.insert(entry(at, at, 0), rule));
        assert_eq!(stretches(&lines, rule), [(0, 200), (201, 301)]);
    }

    #[test]
    fn lines_against_take_out_what_they_cover() {
        let rule = Rule { window: WINDOW, least: 1, distinct: false, unless: true };
        let mut lines = Lines::default();
        [0, 90, 180, 270].into_iter().for_each(|at| _ = lines.insert(entry(at, at, 0), rule));
        lines.insert_against(50, rule);
        assert_eq!(stretches(&lines, rule), [(0, 50), (150, 370)]);
    }

    #[test]
    fn a_part_of_time_is_as_it_is_in_all_of_it() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rule =
                Rule { window: WINDOW, least: random.usize(1..4), distinct: random.bool(), unless: random.bool() };
            let mut lines = Lines::default();
            for offset in 0..random.i64(1..40) {
                let at = random.i64(0..800);
                lines.insert(entry(at, offset, if rule.distinct { random.u64(0..4) } else { 0 }), rule);
                if rule.unless && random.u8(0..5) == 0 {
                    lines.insert_against(random.i64(0..800), rule);
                }
            }
            let (from, to) = (random.i64(-50..500), random.i64(500..1000));
            let part = stretches(&lines, rule).into_iter().map(|(start, end)| (start.max(from), end.min(to)));
            let part: Vec<Stretch> = part.filter(|(start, end)| start < end).collect();
            assert_eq!(sweep::stretches(&lines, from, to, rule), part, "seed {seed}, {from} to {to}");
        }
    }

    /// Lines are thinned as they come; whatever they are and whatever comes later, nothing is different.
    #[test]
    fn what_is_dropped_makes_no_difference() {
        let mut dropped = 0;
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let least = random.usize(1..5);
            let rule = Rule { window: WINDOW, least, distinct: random.bool(), unless: false };
            let (mut thinned, mut all) = (Lines::default(), Lines::default());
            let dense = random.i64(2..30);
            for offset in 0..400 {
                let at = random.i64(0..=dense * 50);
                let entry = entry(at, offset, if rule.distinct { random.u64(0..8) } else { 0 });
                all.room = usize::MAX;
                all.insert(entry, rule);
                thinned.insert(entry, rule);
                if offset % 40 == 0 {
                    thinned.thin(rule);
                    assert_eq!(stretches(&thinned, rule), stretches(&all, rule), "seed {seed}, line {offset}");
                }
            }
            assert_eq!(stretches(&thinned, rule), stretches(&all, rule), "seed {seed}");
            dropped += all.len() - thinned.len();
        }
        assert!(dropped > 30_000, "{dropped}");
    }

    #[test]
    fn a_burst_leaves_few_lines() {
        let rule = Rule { window: 3_600_000, least: 51, distinct: false, unless: false };
        let mut lines = Lines::default();
        (0..100_000).for_each(|offset| _ = lines.insert(entry(offset * 10, offset, 0), rule));
        assert!(lines.len() <= 4 * 51 + 1, "{}", lines.len());
        assert!(lines.bytes() < 32 << 10, "{}", lines.bytes());
        assert_eq!(stretches(&lines, rule), [(500, 999_990 - 500 + 3_600_000)]);
    }
}
