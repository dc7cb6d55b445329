//! What must come out, worked out the plain way: for each alert and group, every time at which something could begin or
//! end is asked by the definition, from all lines there are. Nothing slides, nothing is kept, nothing is shared with the
//! program but the packs' numbers, which stand here once more.
//!
//! Of time there are these rules. A partition's clock is where two of its records have been, or one that was near it. A line
//! more than five minutes behind it is late, one more than two hours behind counts nowhere. An alert holds where enough lines
//! are and none against that was in time; a late one against takes out what it covers where the alert held before it came.

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
    late: bool,
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
    /// Lines that alerts count although they were late.
    pub(crate) late: usize,
    /// Lines that alerts would have counted and that were too late.
    pub(crate) too_late: usize,
    /// Records that were not believed at once.
    pub(crate) leaps: usize,
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
    let (mut clocks, mut late, mut too_late, mut leaps) = (Vec::new(), 0, 0, 0);
    for (number, partition) in partitions.iter().enumerate() {
        let seen = clocks_of(partition);
        for (offset, written) in partition.iter().enumerate() {
            let (clock, ahead) = seen[offset];
            leaps += usize::from(clock.is_some_and(|clock| written.timestamp > clock));
            let at = event_time(written, clock.or(ahead));
            let behind = clock.map_or(0, |clock| clock - at);
            let counted = counted(written, &format!("{number}/{offset}"), at);
            if behind > 120 * MINUTE {
                too_late += counted.len();
                continue;
            }
            late += if behind > 5 * MINUTE { counted.len() } else { 0 };
            for (alert, key, line) in counted {
                lines.entry((alert, key)).or_default().push(Line { late: behind > 5 * MINUTE, ..line });
            }
        }
        clocks.push(seen.last().and_then(|(clock, _)| *clock));
    }
    let mut stretches = BTreeSet::new();
    for ((alert, key), lines) in &lines {
        stretches
            .extend(alert_stretches(&ALERTS[*alert], lines).into_iter().map(|(start, end)| (key.clone(), start, end)));
    }
    let unless = lines.keys().filter(|(alert, _)| ALERTS[*alert].unless).map(|(_, key)| key.clone()).collect();
    Truth { stretches, clocks, late, too_late, leaps, unless }
}

/// The clock when each record has been seen, and the record that runs ahead of it alone.
fn clocks_of(partition: &[Written]) -> Vec<(Option<i64>, Option<i64>)> {
    let (mut clock, mut ahead): (Option<i64>, Option<i64>) = (None, None);
    let seen = |timestamp: i64| {
        let is_near = |clock: Option<i64>| clock.is_some_and(|clock| timestamp <= clock + 5 * MINUTE);
        if timestamp >= 0 && is_near(clock) {
            clock = clock.max(Some(timestamp));
        } else if timestamp >= 0 {
            let mut both = [Some(timestamp), ahead].into_iter().flatten().collect::<Vec<_>>();
            both.sort_unstable();
            match both[..] {
                [one] => ahead = Some(one),
                [lower, higher] if higher <= lower + 5 * MINUTE => (clock, ahead) = (clock.max(Some(higher)), None),
                [lower, higher] => (clock, ahead) = (clock.max(Some(lower)), Some(higher)),
                _ => unreachable!("two at most"),
            }
        }
        ahead = ahead.filter(|ahead| clock.is_none_or(|clock| clock < *ahead));
        (clock, ahead)
    };
    partition.iter().map(|written| written.timestamp).map(seen).collect()
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
    let by_itself = |against| Line { at, counts_as: place.to_owned(), against, late: false };
    let by_request =
        Line { counts_as: written.request.map_or(place.to_owned(), |one| format!("={one}")), ..by_itself(false) };
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
        counted.len() >= alert.least && !inside().any(|line| line.against && !line.late)
    };
    let enough = where_it_holds(&times, holds);
    let took_out = |start: i64, time: i64| {
        let mut late = lines.iter().filter(|line| line.against && line.late);
        late.any(|line| start < line.at && time - alert.window < line.at && line.at <= time)
    };
    let is_left = |time: i64| {
        let stretch = enough.iter().find(|(start, end)| *start <= time && time < *end);
        stretch.is_some_and(|(start, _)| !took_out(*start, time))
    };
    where_it_holds(&times, is_left)
}

/// From these times on something can change.
fn where_it_holds(times: &BTreeSet<i64>, holds: impl Fn(i64) -> bool) -> Vec<(i64, i64)> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    let mut since = None;
    for time in times.iter().copied() {
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
