//! Goes over the lines of a group in the order of time, and knows at each time how many cover it.

use std::collections::HashMap;

use super::stretch::{Lines, Rule, Stretch};

/// The stretches from `from` until `to`, exclusive, in which enough lines cover the time and none of those against that came
/// in time does.
pub(super) fn stretches(lines: &Lines, from: i64, to: i64, rule: Rule) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut sweep = Sweep::from(lines, from, rule);
    let (mut time, mut since) = (from, None);
    while time < to {
        match (sweep.holds(), since) {
            (true, None) => since = Some(time),
            (false, Some(start)) => {
                found.push((start, time));
                since = None;
            }
            _ => {}
        }
        let Some(next) = sweep.next() else { break };
        time = next;
        sweep.go_to(time);
    }
    found.extend(since.map(|start| (start, to)));
    found
}

/// Goes over the times at which the cover changes, from the earliest to the last.
struct Sweep<'l> {
    lines: &'l Lines,
    rule: Rule,
    /// Lines that have begun, and that have ended.
    begun: usize,
    ended: usize,
    begun_against: usize,
    ended_against: usize,
    /// What covers the time, when values count: how many lines of each.
    values: HashMap<u64, usize>,
    covers: usize,
}

impl<'l> Sweep<'l> {
    /// Stands at this time; lines that cover neither it nor anything behind it are not looked at.
    fn from(lines: &'l Lines, time: i64, rule: Rule) -> Self {
        let over = |at: i64| at.saturating_add(rule.window) <= time;
        let counted = lines.counted.partition_point(|entry| over(entry.at));
        let against = lines.against.partition_point(|at| over(*at));
        let mut sweep = Self {
            lines,
            rule,
            begun: counted,
            ended: counted,
            begun_against: against,
            ended_against: against,
            values: HashMap::new(),
            covers: 0,
        };
        sweep.go_to(time);
        sweep
    }

    fn end_of(&self, at: i64) -> i64 {
        at.saturating_add(self.rule.window)
    }

    /// Takes in everything that begins or ends at this time or before.
    fn go_to(&mut self, time: i64) {
        while let Some(entry) = self.lines.counted.get(self.begun).filter(|entry| entry.at <= time) {
            self.begun += 1;
            let lines = if entry.value == 0 { 1 } else { count(&mut self.values, entry.value, 1) };
            self.covers += usize::from(lines == 1);
        }
        while let Some(entry) = self.lines.counted.get(self.ended).filter(|entry| self.end_of(entry.at) <= time) {
            self.ended += 1;
            let lines = if entry.value == 0 { 0 } else { count(&mut self.values, entry.value, -1) };
            self.covers -= usize::from(lines == 0);
        }
        let against = &self.lines.against;
        while against.get(self.begun_against).is_some_and(|at| *at <= time) {
            self.begun_against += 1;
        }
        while against.get(self.ended_against).is_some_and(|at| self.end_of(*at) <= time) {
            self.ended_against += 1;
        }
    }

    fn holds(&self) -> bool {
        self.covers >= self.rule.least && self.begun_against == self.ended_against
    }

    /// The next time at which something begins or ends.
    fn next(&self) -> Option<i64> {
        let Lines { counted, against, .. } = self.lines;
        [
            counted.get(self.begun).map(|entry| entry.at),
            counted.get(self.ended).map(|entry| self.end_of(entry.at)),
            against.get(self.begun_against).copied(),
            against.get(self.ended_against).map(|at| self.end_of(*at)),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// Changes the number of a value and gives it.
fn count(values: &mut HashMap<u64, usize>, value: u64, by: isize) -> usize {
    let number = values.entry(value).or_insert(0);
    *number = number.saturating_add_signed(by);
    *number
}
