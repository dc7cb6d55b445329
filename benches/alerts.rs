//! Are alerts counted as fast as lines are judged, and within their bounds?
//!
//!     cargo bench --bench alerts -- --lines 1000000
//!
//! A burst of lines within a minute, every one of which an alert of the shipped packs counts: all in one group, and spread
//! over 200,000 groups that all fire. For each line the processor time of this thread is taken twice: for what the
//! classifier does (judging the line, making its match, writing it as the record that it is on the topic), and for what the
//! counter does (reading the record, counting it, telling what fires). One counter must keep up with one classifier. The
//! windows are those of a topic of 12 partitions; what they hold is held against their limits, by their own books and by
//! the memory that the process has got. Then all is over: every group must be told to be, and forgotten.
//!
//!     cargo bench --bench alerts -- --takeover 4320000
//!
//! measures how long it takes to take over a partition of the matches topic that has a day of matches to be read again.
//!
//! The exit code is 1 when a proof does not hold. `cargo test` runs it for a moment, to see that it counts right.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use fingerpost::alert::{
    Alerts, Bookmark, Change, Clock, Limits, Match, Place, Record, Settings, State, Watermark, Windows, partition_of,
};
use fingerpost::engine::Engine;
use fingerpost::pack;
use nix::time::{ClockId, clock_gettime};

#[derive(Parser)]
struct Arguments {
    /// Lines of the burst
    #[arg(long, default_value_t = 1_000_000)]
    lines: usize,
    /// Measure a takeover instead: so many matches of a day are read again
    #[arg(long)]
    takeover: Option<usize>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// 2024-01-03T12:00:00Z.
const START: i64 = 1_704_283_200_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const PARTITIONS: i32 = 12;
/// Lines that are judged, then counted, in turns.
const TURN: usize = 10_000;

/// Memory that has nothing to do with groups: the lines and records of a turn.
const SLACK: usize = 16 << 20;

/// A kind of burst.
struct Burst {
    name: &'static str,
    groups: usize,
    line: fn(usize) -> String,
}

const BURSTS: [Burst; 2] = [
    Burst {
        name: "one group, > 50 in 1h",
        groups: 1,
        line: |_| {
            r#"{"app":"armada-cluster","region":"us-south","level":"error","msg":"ErrorMeteringTokenExchangeFailure: (503)"}"#
                .to_owned()
        },
    },
    Burst {
        name: "200,000 groups, >= 1 in 5m",
        groups: 200_000,
        line: |group| {
            format!(
                r#"{{"app":"armada-kp-events","level":"error","carrier_name":"prod-fra02-carrier{}","msg":"Error finding ETCD info for the cluster","crn":"crn:v1:bluemix:public:containers-kubernetes:eu-de:a/0123456789abcdef0123456789abcdef:{group:020}::"}}"#,
                group % 40
            )
        },
    },
];

/// What a burst came to.
struct Measured {
    judging: Duration,
    counting: Duration,
    /// Bytes of the groups by the windows' own books, and of the process's memory.
    booked: usize,
    resident: usize,
}

fn main() -> ExitCode {
    // cargo says `--bench` when it benches and nothing when it tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        BURSTS.iter().for_each(|burst| _ = measure(burst, 500));
        takeover(2_000, 10);
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    if let Some(matches) = arguments.takeover {
        [100, 1_000, 10_000].into_iter().for_each(|groups| takeover(matches, groups));
        return ExitCode::SUCCESS;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "burst",
        "judging, ns a line",
        "counting, ns a match",
        "matches/s",
        "of judging",
        "groups by the books, MiB",
        "resident, MiB",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mib = |bytes: usize| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let bound = Limits::default().bytes * PARTITIONS as usize;
    let mut all_hold = true;
    for burst in &BURSTS {
        let measured = measure(burst, arguments.lines);
        let each = |time: Duration| time.as_nanos() as f64 / arguments.lines as f64;
        let (judging, counting) = (each(measured.judging), each(measured.counting));
        table.add_row([
            burst.name.to_owned(),
            format!("{judging:.0}"),
            format!("{counting:.0}"),
            format!("{:.0}", 1e9 / counting),
            format!("{:.2}", counting / judging),
            mib(measured.booked),
            mib(measured.resident),
        ]);
        for (holds, proof) in [
            (counting <= judging, "a counter keeps up with a classifier".to_owned()),
            (measured.resident <= bound, format!("memory stays below the limits, {} MiB", mib(bound))),
            (measured.resident <= measured.booked + SLACK, "and what the groups are booked with is no less".to_owned()),
        ] {
            println!("{} {}: {proof}", if holds { "holds " } else { "BROKEN" }, burst.name);
            all_hold &= holds;
        }
    }
    println!("\n{table}");
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(burst: &Burst, lines: usize) -> Measured {
    let engine = engine();
    let alerts = Arc::new(Alerts::new(&engine, Settings::default()));
    let mut memory = engine.memory();
    memory.count_for_alerts();
    let window = |_| Windows::new(Arc::clone(&alerts), Limits::default(), Bookmark::start(0));
    let mut windows: Vec<(Windows, i64)> = (0..PARTITIONS).map(|partition| (window(partition), 0)).collect();
    let (mut judging, mut counting) = (Duration::ZERO, Duration::ZERO);
    let (mut clock, mut fired, before) = (Clock::default(), 0, resident());
    let mut from = 0;
    while from < lines {
        let to = lines.min(from + TURN);
        let payloads: Vec<String> = (from..to).map(|line| (burst.line)(line % burst.groups)).collect();
        let (records, time) = timed(|| {
            let mut records: Vec<(i32, String)> = Vec::with_capacity(payloads.len());
            for (offset, payload) in (from..to).zip(&payloads) {
                let timestamp = START + MINUTE * offset as i64 / lines as i64;
                clock.see(timestamp);
                let line = engine
                    .classify(payload.as_bytes(), None, &mut memory)
                    .countable
                    .pop()
                    .expect("an alert looks at it");
                let place = Place { topic: "logs".to_owned(), partition: 0, offset: offset as i64 };
                for found in alerts.count(&line, &place, timestamp, clock).matches {
                    records.push((partition_of(&found.key(), PARTITIONS), Record::Match(found).to_json()));
                }
            }
            records
        });
        judging += time;
        let (changes, time) = timed(|| {
            let mut changes = 0;
            for (partition, record) in &records {
                changes += read(&mut windows[*partition as usize], record).len();
            }
            changes
        });
        counting += time;
        fired += changes;
        from = to;
    }
    let meters: Vec<_> = windows.iter().map(|(windows, _)| windows.meters()).collect();
    let sum = |of: fn(&fingerpost::alert::Meters) -> usize| meters.iter().map(of).sum::<usize>();
    let groups = burst.groups.min(lines);
    assert_eq!(sum(|meters| meters.counted as usize), lines, "every line is counted once");
    assert_eq!(sum(|meters| meters.evicted as usize), 0, "no group is forgotten");
    assert_eq!((sum(|meters| meters.firing), fired), (groups, groups), "every group fires, and is told once");
    let measured =
        Measured { judging, counting, booked: sum(|meters| meters.bytes), resident: resident().saturating_sub(before) };
    end(&mut windows, groups);
    measured
}

fn engine() -> Engine {
    let packs = pack::parse(&pack::builtin()).0.expect("the shipped packs are sound");
    Engine::new(packs, fingerpost::engine::Settings::default()).expect("it builds")
}

/// All is over a day later.
fn end(windows: &mut [(Windows, i64)], groups: usize) {
    let changes = windows.iter_mut().flat_map(|windows| read(windows, &watermark(START + DAY)));
    let over = changes.filter(|change| change.state == State::Resolved).count();
    assert_eq!(over, groups, "every group is over");
    for windows in windows.iter_mut() {
        let bookmark = windows.0.bookmark();
        windows.0.committed(&bookmark);
        assert!(read(windows, &watermark(START + DAY + 1)).is_empty());
    }
    assert!(windows.iter().all(|(windows, _)| windows.meters().groups == 0), "and forgotten");
}

fn watermark(clock: i64) -> String {
    let (topic, inputs) = ("logs".to_owned(), vec![("logs".to_owned(), 1)]);
    Record::Watermark(Watermark { topic, partition: 0, offset: 0, clock, inputs }).to_json()
}

/// Somebody takes over a partition of the matches topic, and reads again what lines may still change that are a day late.
fn takeover(matches: usize, groups: usize) {
    let engine = engine();
    let settings = Settings { lateness_ms: DAY, ..Settings::default() };
    let alerts = Arc::new(Alerts::new(&engine, settings));
    let mut memory = engine.memory();
    memory.count_for_alerts();
    let found: Vec<Match> = (0..groups)
        .map(|group| {
            let payload = (BURSTS[1].line)(group);
            let line =
                engine.classify(payload.as_bytes(), None, &mut memory).countable.pop().expect("an alert looks at it");
            alerts.count(&line, &Place::default(), START, Clock::default()).matches.remove(0)
        })
        .collect();
    let next = i64::try_from(matches).expect("fewer than that");
    let bookmark = Bookmark { from: 0, next, horizon: START + DAY - 5 * MINUTE, floor: START, began: START };
    let (before, mut taking) = (resident(), Duration::ZERO);
    let mut windows = Windows::new(alerts, Limits::default(), bookmark);
    for from in (0..matches).step_by(TURN) {
        let records = (from..matches.min(from + TURN)).map(|offset| {
            let place = Place { topic: "logs".to_owned(), partition: 0, offset: offset as i64 };
            let at = START + DAY * offset as i64 / next;
            (offset as i64, Record::Match(Match { at, place, ..found[offset % groups].clone() }).to_json())
        });
        let records: Vec<(i64, String)> = records.collect();
        taking += timed(|| {
            for (offset, record) in &records {
                windows.take(*offset, &Record::from_json(record.as_bytes()).expect("what was written"));
            }
        })
        .1;
    }
    let (_, catching_up) = timed(|| windows.catch_up());
    let (news, meters) = (windows.news().len(), windows.meters());
    println!(
        "{matches} matches of a day in {groups} groups: {:.0} ns each, {:.1} s for 86,400,000 of them; then {:.2} s to catch up; \
         {:.1} MiB by the books, {:.1} MiB resident; {} groups evicted, {news} news",
        taking.as_nanos() as f64 / matches as f64,
        taking.as_secs_f64() * 86_400_000.0 / matches as f64,
        catching_up.as_secs_f64(),
        meters.bytes as f64 / f64::from(1 << 20),
        resident().saturating_sub(before) as f64 / f64::from(1 << 20),
        meters.evicted,
    );
}

fn read((windows, offset): &mut (Windows, i64), record: &str) -> Vec<Change> {
    *offset += 1;
    windows.read(*offset - 1, &Record::from_json(record.as_bytes()).expect("what was written"))
}

/// The processor time of this thread that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the kernel keeps it"));
    let before = now();
    let done = work();
    (done, now() - before)
}

/// Bytes of memory that the process has got.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) << 10
}
