//! When an alert has held: stretches of time, none of which touches another.
//!
//! Whether it holds at a time is known for a part of all time at once: [`Held::learn`] puts what is known now into the place of
//! what was known before, and leaves the rest. Lines that come late change only what lies around them.

use super::stretch::Stretch;

/// Stretches in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held(Vec<Stretch>);

impl Held {
    /// These stretches, which are in their order and do not touch.
    pub(super) fn new(stretches: Vec<Stretch>) -> Self {
        Self(stretches)
    }

    /// From `from` until `to`, exclusive, it holds in these stretches and at no other time. What touches is one stretch.
    pub(super) fn learn(&mut self, from: i64, to: i64, now: &[Stretch]) {
        let first = self.0.partition_point(|(_, end)| *end < from);
        let last = self.0.partition_point(|(start, _)| *start <= to);
        let mut known: Vec<Stretch> = Vec::with_capacity(now.len() + 2);
        let around = self.0.get(first..last).unwrap_or_default();
        let before = around.iter().map(|(start, end)| (*start, (*end).min(from)));
        let behind = around.iter().map(|(start, end)| ((*start).max(to), *end));
        let (before, behind): (Vec<Stretch>, Vec<Stretch>) = (before.collect(), behind.collect());
        for (start, end) in
            before.into_iter().chain(now.iter().copied()).chain(behind).filter(|(start, end)| start < end)
        {
            match known.last_mut() {
                Some(last) if last.1 >= start => last.1 = last.1.max(end),
                _ => known.push((start, end)),
            }
        }
        if last >= first {
            self.0.splice(first..last, known);
        }
    }

    /// Forgets stretches that ended before this time.
    pub(super) fn forget(&mut self, before: i64) {
        self.0.drain(..self.0.partition_point(|(_, end)| *end < before));
        if self.0.capacity() > 4 * self.0.len() + 4 {
            self.0.shrink_to(2 * self.0.len());
        }
    }

    /// All of them.
    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.0
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Stretch>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_replaces_what_lies_there_and_joins_what_touches() {
        let held = || Held(vec![(0, 10), (20, 30), (40, 50)]);
        for (from, to, now, expected) in [
            (10, 20, vec![(10, 20)], vec![(0, 30), (40, 50)]),
            (10, 20, vec![(12, 18)], vec![(0, 10), (12, 18), (20, 30), (40, 50)]),
            (5, 25, vec![], vec![(0, 5), (25, 30), (40, 50)]),
            (5, 45, vec![(5, 6)], vec![(0, 6), (45, 50)]),
            (30, 40, vec![(30, 40)], vec![(0, 10), (20, 50)]),
            (60, 70, vec![(60, 61)], vec![(0, 10), (20, 30), (40, 50), (60, 61)]),
            (-9, -1, vec![(-9, -1)], vec![(-9, -1), (0, 10), (20, 30), (40, 50)]),
            (22, 24, vec![], vec![(0, 10), (20, 22), (24, 30), (40, 50)]),
            (22, 24, vec![(22, 24)], vec![(0, 10), (20, 30), (40, 50)]),
            (0, 50, vec![], vec![]),
        ] {
            let mut held = held();
            held.learn(from, to, &now);
            assert_eq!(held.0, expected, "{from} to {to}, {now:?}");
        }
        let mut held = held();
        held.forget(30);
        assert_eq!(held.0, [(20, 30), (40, 50)]);
    }
}
