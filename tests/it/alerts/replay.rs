//! When alerts should have fired, worked out as plainly as can be: all lines at hand, no windows that slide, no state.

use std::collections::{BTreeMap, BTreeSet};

use super::told::Fired;

/// A line, as it was produced.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Timestamp of its record.
    pub(crate) timestamp: i64,
    /// The time that it tells itself.
    pub(crate) time: Option<i64>,
    /// Index into [`RULES`]; none: it says nothing.
    pub(crate) rule: Option<usize>,
    pub(crate) cluster: Option<String>,
    pub(crate) job: Option<String>,
    /// Its record is from later than now when it is read: that is believed of nobody.
    pub(crate) from_the_future: bool,
}

pub(crate) const RULES: [&str; 3] = ["count.failed", "count.stuck", "count.known"];
const MESSAGES: [&str; 3] = ["the job has failed", "nothing has moved", "this is known"];

impl Line {
    /// A job has failed, and its record is of that time.
    pub(crate) fn failure(at: i64, cluster: Option<&str>) -> Self {
        let cluster = cluster.map(str::to_owned);
        Self { timestamp: at, time: Some(at), rule: Some(0), cluster, job: None, from_the_future: false }
    }

    pub(crate) fn json(&self) -> String {
        let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
        let members = [
            ("time", self.time.map(time)),
            ("cluster", self.cluster.clone()),
            ("job", self.job.clone()),
            ("msg", Some(self.rule.map_or("all is well", |rule| MESSAGES[rule]).to_owned())),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some(format!(r#""{name}":"{}""#, value?)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// An alert of these tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alert {
    pub(crate) id: &'static str,
    pub(crate) from: &'static [usize],
    pub(crate) unless: &'static [usize],
    pub(crate) by_cluster: bool,
    pub(crate) distinct_jobs: bool,
    pub(crate) window_ms: i64,
    pub(crate) least: usize,
}

impl Alert {
    /// As a pack has it.
    pub(crate) fn toml(&self) -> String {
        let list =
            |rules: &[usize]| rules.iter().map(|rule| format!("{:?}", RULES[*rule])).collect::<Vec<_>>().join(", ");
        let mut toml = format!(
            "\n[[alert]]\nid = \"{}\"\nfrom = [{}]\nwindow = \"{}s\"\ncount = \">= {}\"\nseverity = \"critical\"\n",
            self.id,
            list(self.from),
            self.window_ms / 1000,
            self.least
        );
        if self.by_cluster {
            toml += "group_by = [\"cluster\"]\nlabels = { cluster = \"{cluster}\" }\n";
        }
        if self.distinct_jobs {
            toml += "distinct = \"job\"\n";
        }
        if !self.unless.is_empty() {
            toml += &format!("unless = [{}]\n", list(self.unless));
        }
        toml + "[alert.annotations]\nsummary = \"{count} lines\"\n"
    }
}

/// Records this far ahead of the clock wait for a second one, and lines this far behind it are late.
const LATENESS_MS: i64 = 300_000;
/// Lines this far behind it count nowhere.
const LATEST_MS: i64 = 7_200_000;
const HOUR_MS: i64 = 3_600_000;

struct Counted<'l> {
    at: i64,
    late: bool,
    line: &'l Line,
}

/// The stretches in which an alert fires. `partitions`: the lines of each, in their order.
pub(crate) fn replay(alerts: &[Alert], partitions: &[Vec<Line>]) -> BTreeSet<Fired> {
    let mut counted = Vec::new();
    for lines in partitions {
        let (mut clock, mut alone) = (i64::MIN, None);
        for line in lines {
            if line.from_the_future {
                // As if it had no timestamp.
            } else if line.timestamp <= clock.saturating_add(LATENESS_MS) {
                clock = clock.max(line.timestamp);
            } else {
                // Where two have been, the clock is; and one that is near it is with it.
                let other = alone.replace(line.timestamp);
                if let Some(other) = other {
                    let (lower, higher) = (line.timestamp.min(other), line.timestamp.max(other));
                    clock = if higher <= lower + LATENESS_MS { higher } else { lower };
                    alone = Some(higher);
                }
            }
            alone = alone.filter(|alone| *alone > clock);
            let at = line.time.filter(|time| *time <= line.timestamp + HOUR_MS).unwrap_or(line.timestamp);
            let behind = clock.saturating_sub(at);
            if behind <= LATEST_MS {
                counted.push(Counted { at, late: behind > LATENESS_MS, line });
            }
        }
    }
    alerts.iter().flat_map(|alert| fired(alert, &counted)).collect()
}

fn fired(alert: &Alert, counted: &[Counted<'_>]) -> Vec<Fired> {
    let mut groups: BTreeMap<Vec<String>, Vec<&Counted<'_>>> = BTreeMap::new();
    for one in counted {
        let cluster = one.line.cluster.clone().unwrap_or_else(|| "(none)".to_owned());
        let group = if alert.by_cluster { vec![cluster] } else { Vec::new() };
        groups.entry(group).or_default().push(one);
    }
    groups.into_iter().flat_map(|(group, lines)| fired_in_group(alert, &group, &lines)).collect()
}

fn fired_in_group(alert: &Alert, group: &[String], lines: &[&Counted<'_>]) -> Vec<Fired> {
    let is_of = |rules: &[usize], one: &Counted<'_>| one.line.rule.is_some_and(|rule| rules.contains(&rule));
    let lines: Vec<&&Counted<'_>> =
        lines.iter().filter(|one| is_of(alert.from, one) || is_of(alert.unless, one)).collect();
    let window = |x: i64| {
        let (lines, from) = (&lines, x - alert.window_ms);
        lines.iter().filter(move |one| one.at <= x && from < one.at)
    };
    let holds = |x: i64| {
        let mut jobs = BTreeSet::new();
        let many = window(x).filter(|one| is_of(alert.from, one)).filter(|one| match &one.line.job {
            Some(job) if alert.distinct_jobs => jobs.insert(job.clone()),
            _ => true,
        });
        many.count() >= alert.least && !window(x).any(|one| is_of(alert.unless, one) && !one.late)
    };
    // Nothing changes but where a line comes into the window or goes out of it.
    let times: BTreeSet<i64> = lines.iter().flat_map(|one| [one.at, one.at + alert.window_ms]).collect();
    let enough = stretches(&times, holds);
    // What is against and came late ends only what had begun before it.
    let is_left = |x: i64| {
        let began = enough.iter().find(|(start, end)| *start <= x && x < *end).map(|(start, _)| *start);
        began.is_some_and(|began| !window(x).any(|one| is_of(alert.unless, one) && one.late && began < one.at))
    };
    let fired = stretches(&times, is_left).into_iter();
    fired.map(|(start, end)| (alert.id.to_owned(), group.to_vec(), start, end)).collect()
}

fn stretches(times: &BTreeSet<i64>, holds: impl Fn(i64) -> bool) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    let mut since = None;
    for time in times {
        match (holds(*time), since) {
            (true, None) => since = Some(*time),
            (false, Some(start)) => {
                found.push((start, *time));
                since = None;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_replay_itself_is_right() {
    let alert = Alert {
        id: "A",
        from: &[0],
        unless: &[],
        by_cluster: false,
        distinct_jobs: false,
        window_ms: 60_000,
        least: 3,
    };
    let line = |at: i64| Line::failure(at, None);
    let at = |times: &[i64]| {
        replay(&[alert], &[times.iter().map(|time| line(*time)).collect()]).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(at(&[0, 10_000, 60_000]), []);
    assert_eq!(at(&[0, 10_000, 59_999]), [("A".to_owned(), vec![], 59_999, 60_000)]);
    assert_eq!(at(&[0, 1, 2, 59_000, 59_001]), [("A".to_owned(), vec![], 2, 60_002)]);
}
