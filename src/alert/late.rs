//! Lines that keep an alert from holding and that came late: each takes what it covers out of the stretch in which it lies, and
//! never takes away a beginning.
//!
//! None of them may be forgotten before its time: a line between two others makes a difference when a stretch begins just before
//! it, and that may become known later. But most are never looked at: where each comes no more than a window behind the one
//! before, a *run*, what they take out together reaches from the first of them in the stretch to a window behind the last.
//! So what is left of the stretches costs a step for each run, however many lines a storm brings.

use std::collections::{BTreeMap, BTreeSet};

/// From a time until another, which is outside.
type Stretch = (i64, i64);

/// Times of lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Late {
    times: BTreeSet<i64>,
    /// First and last of each run.
    runs: BTreeMap<i64, i64>,
}

/// Bytes that a time and a run take in their tables, about.
const TIME_BYTES: usize = 20;
const RUN_BYTES: usize = 40;

impl Late {
    /// Adds a line; false when there is one at that time.
    pub(super) fn insert(&mut self, at: i64, window: i64) -> bool {
        let is_new = self.times.insert(at);
        if is_new {
            self.join(at, window);
        }
        is_new
    }

    fn join(&mut self, at: i64, window: i64) {
        let before = self.runs.range(..at).next_back().map(|(first, last)| (*first, *last));
        let before = before.filter(|(_, last)| at.saturating_sub(window) <= *last);
        let behind = self.runs.range(at..).next().map(|(first, last)| (*first, *last));
        let behind = behind.filter(|(first, _)| *first <= at.saturating_add(window));
        behind.into_iter().for_each(|(first, _)| _ = self.runs.remove(&first));
        let first = before.map_or(at, |(first, _)| first);
        let last = behind.map_or(at, |(_, last)| last).max(before.map_or(at, |(_, last)| last));
        self.runs.insert(first, last);
    }

    /// The same lines, when each covers another time.
    pub(super) fn exchange(&mut self, window: i64) {
        let times = std::mem::take(self).times;
        times.into_iter().for_each(|at| _ = self.insert(at, window));
    }

    /// Takes off those before a time.
    pub(super) fn split_before(&mut self, time: i64) -> Self {
        if self.times.first().is_none_or(|first| time <= *first) {
            return Self::default();
        }
        let times = self.times.split_off(&time);
        let mut runs = self.runs.split_off(&time);
        let gone = Self { times: std::mem::replace(&mut self.times, times), runs: std::mem::take(&mut self.runs) };
        // The run that lies on both sides.
        let cut = gone.runs.last_key_value().filter(|(_, last)| time <= **last).map(|(first, last)| (*first, *last));
        let mut gone = gone;
        if let Some((first, last)) = cut
            && let (Some(last_gone), Some(first_left)) = (gone.times.last(), self.times.first())
        {
            gone.runs.insert(first, *last_gone);
            runs.insert(*first_left, last);
        }
        self.runs = runs;
        gone
    }

    /// What is left of stretches when each line takes its window out of the stretch in which it lies. One that lies before a
    /// stretch, or where it begins, takes nothing out of it.
    pub(super) fn without(&self, stretches: &[Stretch], window: i64) -> Vec<Stretch> {
        let mut left = Vec::with_capacity(stretches.len());
        for (start, end) in stretches {
            let mut from = *start;
            let mut next = self.times.range(start.saturating_add(1)..).next().copied();
            while let Some(line) = next.filter(|line| line < end) {
                steps::count();
                left.push((from, line));
                let last = self.runs.range(..=line).next_back().map_or(line, |(_, last)| *last);
                from = last.saturating_add(window);
                next = self.runs.range(last.saturating_add(1)..).next().map(|(first, _)| *first);
            }
            left.push((from, *end));
        }
        left.retain(|(start, end)| start < end);
        left
    }

    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub(super) fn last(&self) -> Option<i64> {
        self.times.last().copied()
    }

    /// Bytes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        self.times.len() * TIME_BYTES + self.runs.len() * RUN_BYTES
    }
}

/// How many lines were looked at: tests hold it against how many there are.
mod steps {
    #[cfg(not(test))]
    pub(super) fn count() {}

    #[cfg(test)]
    thread_local! {
        pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[cfg(test)]
    pub(super) fn count() {
        STEPS.set(STEPS.get() + 1);
    }
}

/// How many lines were looked at since the last time that somebody asked.
#[cfg(test)]
pub(super) fn steps() -> usize {
    steps::STEPS.replace(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(lines: &[i64], window: i64) -> Late {
        let mut late = Late::default();
        lines.iter().for_each(|at| _ = late.insert(*at, window));
        late
    }

    /// Line by line, as it is defined.
    fn plainly(lines: &BTreeSet<i64>, stretches: &[Stretch], window: i64) -> Vec<Stretch> {
        let mut left = Vec::new();
        for (start, end) in stretches {
            let mut from = *start;
            for line in lines.iter().filter(|line| start < *line && *line < end) {
                left.push((from, *line));
                from = from.max(line + window);
            }
            left.push((from, *end));
        }
        left.retain(|(start, end)| start < end);
        left
    }

    #[test]
    fn a_line_takes_its_window_out_of_the_stretch_in_which_it_lies() {
        let held = [(0, 100), (200, 300)];
        for (lines, expected) in [
            (vec![], vec![(0, 100), (200, 300)]),
            (vec![0, 200], vec![(0, 100), (200, 300)]),
            (vec![195], vec![(0, 100), (200, 300)]),
            (vec![10], vec![(0, 10), (30, 100), (200, 300)]),
            (vec![10, 20, 40], vec![(0, 10), (60, 100), (200, 300)]),
            (vec![90, 299, 300], vec![(0, 90), (200, 299)]),
        ] {
            assert_eq!(late(&lines, 20).without(&held, 20), expected, "{lines:?}");
        }
    }

    #[test]
    fn runs_tell_what_each_line_would() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let window = random.i64(1..30);
            let (mut known, mut times) = (Late::default(), BTreeSet::new());
            let mut held: Vec<Stretch> = Vec::new();
            let mut from = 0;
            while from < 900 {
                let start = from + random.i64(1..60);
                from = start + random.i64(1..200);
                held.push((start, from));
            }
            for _ in 0..random.usize(1..60) {
                let at = random.i64(0..1000);
                assert_eq!(known.insert(at, window), times.insert(at));
                if random.u8(0..10) == 0 {
                    let before = random.i64(0..500);
                    let left = times.split_off(&before);
                    let gone = known.split_before(before);
                    assert_eq!((&gone.times, &known.times), (&times, &left), "seed {seed}");
                    assert_eq!(gone.without(&held, window), plainly(&times, &held, window), "seed {seed}, gone");
                    times = left;
                }
                assert_eq!(known.without(&held, window), plainly(&times, &held, window), "seed {seed}");
            }
            known.exchange(2 * window);
            assert_eq!(known.without(&held, 2 * window), plainly(&times, &held, 2 * window), "seed {seed}");
        }
    }
}
