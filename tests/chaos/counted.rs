//! Lines of a wild feed that alerts count, and whether all that was due by them has fired.
//!
//! What is due is worked out from the input as it stands on its topic, by the naive replay of the other tests; what fired is
//! on the alerts topic. Every line counts, however late it is taken for, as none is two hours late. So what is due depends
//! on no clock, though partitions go quiet and run on again all the while.

use std::collections::BTreeSet;
use std::fs;

use super::feed::Feed;
use super::it::alerts::replay::{Alert, Line, replay};
use super::it::alerts::told::{Fired, difference, over, told};
use super::it::oracle::Expected;
use super::it::records::Record;
use super::it::stage::{PATIENCE, Stage, within};
use super::verdict;

const MINUTE_MS: i64 = 60_000;
/// One line in so many is counted.
const EVERY: usize = 100;
/// A collector delivers what happened while it was away: so many lines, once in so many.
const BURST: usize = 30;
const BURST_EVERY: usize = 4_000;
/// Where in those it begins.
const BURST_AT: usize = 2_000;

/// The rule, which no shipped pack has, and what common packs do not capture. Alerts follow.
const PACK: &str = r##"
[pack]
runbook = "counting.md"
link = "/counting.html"

[sections]
what-to-do = "What to do"

[capture]
job = "string"

[[rule]]
id = "count.failed"
title = "A job failed"
any = ["the job has failed"]
get = [{ name = "job", path = "job" }]
severity = "error"
section = "what-to-do"
match = ['''{"cluster":"c1","msg":"the job has failed"}''']
no_match = ['''{"cluster":"c1","msg":"the job has ended"}''']
"##;

const ALERT: Alert =
    Alert { id: "", from: &[0], unless: &[], by_cluster: true, distinct_jobs: false, window_ms: 0, least: 0 };
const ALERTS: [Alert; 3] = [
    Alert { id: "busy", window_ms: 1_000, least: 12, ..ALERT },
    Alert { id: "few", window_ms: 20_000, least: 3, ..ALERT },
    Alert { id: "jobs", window_ms: 5_000, least: 3, distinct_jobs: true, ..ALERT },
];

/// The daemons of a stage that has a pack directory count them.
pub(crate) fn turn_on(stage: &mut Stage) {
    let pack = ALERTS.iter().fold(PACK.to_owned(), |pack, alert| pack + &alert.toml());
    fs::write(stage.dir.join("packs/counting.toml"), pack).unwrap();
    let name = &stage.name;
    stage.config += &format!("[matches]\ntopic = \"{name}.matches\"\n[alerts]\ntopic = \"{name}.alerts\"\n");
}

/// The line of a wild feed in this place, where it is a counted one: of just now, or 10 to 25 minutes late.
pub(crate) fn line(feed: Feed, partition: usize, sequence: usize) -> Option<Line> {
    let is_late = (BURST_AT..BURST_AT + BURST).contains(&(sequence % BURST_EVERY));
    if !is_late && sequence % EVERY != EVERY / 2 {
        return None;
    }
    let place = (sequence * feed.partitions + partition) as u64;
    let mut random = fastrand::Rng::with_seed(feed.seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let timestamp = feed.timestamp(sequence);
    let back = if is_late {
        // Of one burst all are about as late.
        let away = (sequence / BURST_EVERY * feed.partitions + partition) as i64 % 14;
        (10 + away) * MINUTE_MS + random.i64(0..MINUTE_MS)
    } else {
        random.i64(0..2_000)
    };
    Some(Line {
        job: Some(format!("j{}", random.u8(..4))),
        ..Line { time: Some(timestamp - back), ..Line::failure(timestamp, Some(&format!("c{}", random.u8(..8)))) }
    })
}

/// Whether a line is one of these.
pub(crate) fn is_counted(line: &[u8]) -> bool {
    line.ends_with(br#""msg":"the job has failed"}"#)
}

/// What must be said about such a line.
pub(crate) fn expected() -> Expected {
    Expected {
        matches: vec!["count.failed"],
        severity: "error",
        section: "what-to-do",
        is_object: true,
        ..Expected::default()
    }
}

/// The line that a record is.
fn read(record: &Record) -> Option<Line> {
    let value = record.value.as_deref().filter(|value| is_counted(value))?;
    let json: serde_json::Value = serde_json::from_slice(value).unwrap();
    let time: jiff::Timestamp = json["time"].as_str().unwrap().parse().unwrap();
    Some(Line {
        time: Some(time.as_millisecond()),
        job: json["job"].as_str().map(str::to_owned),
        ..Line::failure(record.timestamp, json["cluster"].as_str())
    })
}

/// What came of the alerts.
#[derive(Debug, Default)]
pub(crate) struct Alerted {
    /// Stretches that were due.
    pub(crate) due: usize,
    /// Words on the alerts topic about them.
    pub(crate) told: usize,
    /// Of those, said twice one after the other.
    pub(crate) told_twice: usize,
    /// What is missing, or too much.
    pub(crate) wrong: Option<String>,
}

impl Alerted {
    /// Waits until all that is due by the lines of these partitions has fired and is over.
    pub(crate) fn on(stage: &Stage, partitions: usize) -> Self {
        let lines: Vec<Vec<Line>> = std::thread::scope(|scope| {
            let readings: Vec<_> = (0..partitions)
                .map(|partition| {
                    scope.spawn(move || {
                        verdict::records(stage, &stage.name, partition).filter_map(|it| read(&it)).collect()
                    })
                })
                .collect();
            readings.into_iter().map(|reading| reading.join().unwrap()).collect()
        });
        let due = replay(&ALERTS, &lines);
        assert!(due.len() > 20, "{} is too few to prove anything", due.len());
        let mut words = Vec::new();
        let mut fired = BTreeSet::<Fired>::new();
        let same = within(PATIENCE, || {
            words = told(stage);
            words.retain(|word| ALERTS.iter().any(|alert| word["fingerpost"]["id"] == alert.id));
            fired = over(&words);
            (fired == due).then_some(())
        });
        Self {
            due: due.len(),
            told: words.len(),
            told_twice: words.windows(2).filter(|two| two[0] == two[1]).count(),
            wrong: same.is_none().then(|| difference(&fired, &due)),
        }
    }
}
