//! What must come out, worked out the plain way: for each alert and group, every time at which something could begin or
//! end is asked by the definition, from all lines there are. Nothing slides, nothing is kept, nothing is shared with the
//! program but the packs' numbers, which stand here once more.

use std::collections::{BTreeMap, BTreeSet};

use super::lines::{What, Written};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Alert and group, as the key of its records tells them.
pub(crate) type Key = String;

/// When an alert fired: its key, since when, until when.
pub(crate) type Stretch = (Key, i64, i64);

/// A line that counts: when it happened, what makes it one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    at: i64,
    counts_as: String,
    against: bool,
}

struct Alert {
    id: &'static str,
    window: i64,
    least: usize,
    unless: bool,
}

const ALERTS: [Alert; 5] = [
    Alert { id: "any_failure_of_a_volume", window: MINUTE, least: 1, unless: false },
    Alert { id: "many_full", window: 5 * MINUTE, least: 3, unless: false },
    Alert { id: "many_of_an_app", window: 7 * MINUTE, least: 5, unless: false },
    Alert { id: "several_requests", window: 4 * MINUTE, least: 3, unless: false },
    Alert { id: "slow_and_nobody_repairs", window: 3 * MINUTE, least: 2, unless: true },
];

/// What the partitions hold comes to, from their first lines to their ends.
pub(crate) struct Truth {
    /// Every stretch, over or not.
    pub(crate) stretches: BTreeSet<Stretch>,
    /// The clocks at the ends.
    pub(crate) clocks: Vec<Option<i64>>,
    /// Lines that alerts would have counted and that were too late.
    pub(crate) late: usize,
    unless: BTreeSet<Key>,
}

impl Truth {
    /// What is over when nothing before this time can change.
    pub(crate) fn over(&self, horizon: i64) -> BTreeSet<Stretch> {
        self.stretches.iter().filter(|(.., end)| *end < horizon).cloned().collect()
    }

    /// What fires then: of each group the first that is not over.
    pub(crate) fn firing(&self, horizon: i64) -> BTreeSet<(Key, i64)> {
        let mut firing: BTreeMap<&Key, i64> = BTreeMap::new();
        for (key, start, _) in self.stretches.iter().filter(|(.., end)| *end >= horizon) {
            let known = firing.entry(key).or_insert(*start);
            *known = *start.min(known);
        }
        let is_certain = |(key, start): &(&Key, i64)| !self.unless.contains(*key) || *start < horizon;
        firing.into_iter().filter(is_certain).map(|(key, start)| (key.clone(), start)).collect()
    }
}

pub(crate) fn truth(partitions: &[Vec<Written>]) -> Truth {
    let mut lines: BTreeMap<(usize, Key), Vec<Line>> = BTreeMap::new();
    let (mut clocks, mut late) = (Vec::new(), 0);
    for (number, partition) in partitions.iter().enumerate() {
        for (offset, written) in partition.iter().enumerate() {
            let clock = partition[..=offset].iter().map(|earlier| earlier.timestamp).max().filter(|clock| *clock >= 0);
            let at = event_time(written, clock);
            let counted = counted(written, &format!("{number}/{offset}"), at);
            if clock.is_some_and(|clock| at < clock - 5 * MINUTE) {
                late += counted.len();
                continue;
            }
            for (alert, key, line) in counted {
                lines.entry((alert, key)).or_default().push(line);
            }
        }
        clocks.push(partition.iter().map(|written| written.timestamp).max().filter(|clock| *clock >= 0));
    }
    let mut stretches = BTreeSet::new();
    for ((alert, key), lines) in &lines {
        stretches
            .extend(alert_stretches(&ALERTS[*alert], lines).into_iter().map(|(start, end)| (key.clone(), start, end)));
    }
    let unless = lines.keys().filter(|(alert, _)| ALERTS[*alert].unless).map(|(_, key)| key.clone()).collect();
    Truth { stretches, clocks, late, unless }
}

fn event_time(written: &Written, clock: Option<i64>) -> i64 {
    let record = if written.timestamp >= 0 { Some(written.timestamp) } else { clock };
    match written.time {
        Some(time) if time >= 946_684_800_000 && record.is_none_or(|record| time <= record + HOUR) => time,
        _ => record.unwrap_or(0),
    }
}

/// The alerts that look at a line, with the keys of its groups.
fn counted(written: &Written, place: &str, at: i64) -> Vec<(usize, Key, Line)> {
    let (full, slow) = match written.what {
        What::Full => (true, false),
        What::Slow => (false, true),
        What::FullAndSlow => (true, true),
        What::Repair | What::Nothing => (false, false),
    };
    let repair = written.what == What::Repair;
    let or_none = |value: Option<&str>| value.unwrap_or("(none)").to_owned();
    let volume = or_none(written.volume);
    let by_itself = |against| Line { at, counts_as: place.to_owned(), against };
    let by_request =
        Line { at, counts_as: written.request.map_or(place.to_owned(), |one| format!("={one}")), against: false };
    let all = [
        (full || slow, vec![volume.clone()], by_itself(false)),
        (full, vec![], by_itself(false)),
        (full || slow || repair, vec![or_none(written.app), or_none(written.region)], by_itself(false)),
        (full || slow, vec![volume.clone()], by_request),
        (slow || repair, vec![volume], by_itself(repair)),
    ];
    let looking = all.into_iter().enumerate().filter(|(_, (looks, ..))| *looks);
    looking
        .map(|(alert, (_, group, line))| {
            let key: Vec<&str> = std::iter::once(ALERTS[alert].id).chain(group.iter().map(String::as_str)).collect();
            (alert, serde_json::to_string(&key).unwrap(), line)
        })
        .collect()
}

/// The longest stretches of times at which the alert holds.
fn alert_stretches(alert: &Alert, lines: &[Line]) -> Vec<(i64, i64)> {
    let times: BTreeSet<i64> = lines.iter().flat_map(|line| [line.at, line.at + alert.window]).collect();
    let holds = |time: i64| {
        let inside = || lines.iter().filter(|line| time - alert.window < line.at && line.at <= time);
        let counted: BTreeSet<&str> =
            inside().filter(|line| !line.against).map(|line| line.counts_as.as_str()).collect();
        counted.len() >= alert.least && !inside().any(|line| line.against)
    };
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    let mut since = None;
    for time in times {
        match (holds(time), since) {
            (true, None) => since = Some(time),
            (false, Some(start)) => {
                stretches.push((start, time));
                since = None;
            }
            _ => {}
        }
    }
    assert_eq!(since, None, "nothing holds for ever");
    stretches
}
