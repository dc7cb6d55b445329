//! Exactness: whatever happens to the daemons, what fires is what a naive replay of the lines says.
//!
//! Each run has its seed: twelve input partitions with a backlog of hours, each of another stretch of time, then lines as
//! they happen; three daemons, which are killed, stopped and started, so that partitions of input and matches change
//! hands all the while. Everyday there is a run in each mode; `FINGERPOST_TEST_ALERT_RUNS=20` makes it 20, half in each.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::producer::Producer as _;

use super::replay::{Alert, Line, replay};
use super::{difference, over, stage, told};
use crate::broker::broker;
use crate::records::Record;
use crate::stage::{Daemon, PATIENCE, Stage, eventually, within};

const PARTITIONS: usize = 12;
const BACKLOG: usize = 4_000;
/// So much later all alerts are over.
pub(super) const LATER: i64 = 1_860_000;
/// How long lines come as they happen, and daemons are harmed.
const LIVE: Duration = Duration::from_secs(16);

const ALERTS: [Alert; 5] = [
    Alert {
        id: "fifth",
        from: &[0],
        unless: &[],
        by_cluster: true,
        distinct_jobs: false,
        window_ms: 900_000,
        least: 5,
    },
    Alert {
        id: "any",
        from: &[0, 1],
        unless: &[],
        by_cluster: true,
        distinct_jobs: false,
        window_ms: 20_000,
        least: 1,
    },
    Alert {
        id: "many",
        from: &[0, 1],
        unless: &[],
        by_cluster: false,
        distinct_jobs: false,
        window_ms: 3_000,
        least: 12,
    },
    Alert { id: "jobs", from: &[1], unless: &[], by_cluster: true, distinct_jobs: true, window_ms: 60_000, least: 3 },
    Alert {
        id: "unknown",
        from: &[0],
        unless: &[2],
        by_cluster: true,
        distinct_jobs: false,
        window_ms: 30_000,
        least: 2,
    },
];

#[test]
fn what_fires_is_what_a_replay_says_at_least_once() {
    let Some(broker) = broker() else { return };
    runs().filter(|seed| seed % 2 == 0).for_each(|seed| run(&broker, seed, "at_least_once"));
}

#[test]
fn what_fires_is_what_a_replay_says_exactly_once() {
    let Some(broker) = broker() else { return };
    runs().filter(|seed| seed % 2 == 1).for_each(|seed| run(&broker, seed, "exactly_once"));
}

fn runs() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("FINGERPOST_TEST_ALERT_FIRST").unwrap_or(0);
    first..first + number("FINGERPOST_TEST_ALERT_RUNS").unwrap_or(2)
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// One line, at a time of its partition.
fn line(random: &mut fastrand::Rng, timestamp: i64) -> Line {
    let back = match random.u8(..100) {
        0..80 => random.i64(0..2_000),
        80..92 => random.i64(0..299_000),
        92..97 => random.i64(299_000..301_000),
        97 => random.i64(301_000..900_000),
        // Ahead: believed, and not.
        98 => -random.i64(0..10_000),
        _ => -random.i64(3_700_000..7_200_000),
    };
    let rule = match random.u8(..20) {
        0..9 => Some(0),
        9..14 => Some(1),
        14 => Some(2),
        _ => None,
    };
    Line {
        timestamp,
        time: (random.u8(..20) > 0).then_some(timestamp - back),
        rule,
        cluster: (random.u8(..30) > 0).then(|| format!("c{}", random.u8(..8))),
        job: (random.u8(..10) > 0).then(|| format!("j{}", random.u8(..4))),
        from_the_future: false,
    }
}

/// Lines as they come to a partition at a time: one, or what a collector that was away delivers, or one that leaps ahead.
fn lines(random: &mut fastrand::Rng, timestamp: i64, now: i64) -> Vec<Line> {
    match random.u16(..1000) {
        0..8 => {
            let away = random.i64(301_000..7_500_000);
            let one = |_| {
                let late = line(random, timestamp);
                Line { time: Some(timestamp - away - random.i64(0..60_000)), ..late }
            };
            (0..30).map(one).collect()
        }
        8..20 => {
            let line = line(random, timestamp);
            let leap = timestamp + random.i64(400_000..3_400_000);
            vec![Line { timestamp: leap, time: Some(timestamp), from_the_future: leap > now, ..line }]
        }
        _ => vec![line(random, timestamp)],
    }
}

/// A partition's backlog: lines of some hours, with pauses, in which one partition is hours ahead of another.
fn backlog(random: &mut fastrand::Rng, partition: usize, now: i64) -> Vec<Line> {
    let mut timestamp = now - 8 * 3_600_000 + (partition as i64 % 4) * 2 * 3_600_000 - 1_800_000;
    let many = BACKLOG / PARTITIONS;
    let some = |_| {
        timestamp += if random.u8(..20) == 0 { random.i64(0..120_000) } else { random.i64(0..4_000) };
        // Records are not in the order of their timestamps.
        let timestamp = timestamp.min(now) - random.i64(0..1_000);
        lines(random, timestamp, now)
    };
    (0..many).flat_map(some).collect()
}

fn run(broker: &str, seed: u64, mode: &str) {
    let mut random = fastrand::Rng::with_seed(seed);
    let alerts: String = ALERTS.iter().map(Alert::toml).collect();
    let mut stage = stage(broker, &format!("exact{seed}"), &alerts);
    stage.config += &format!("[delivery]\nmode = \"{mode}\"\n");
    stage.create(&stage.name, PARTITIONS as i32, &[]);
    let producer = stage.producer();
    let mut inputs: Vec<Vec<Line>> = Vec::new();
    let began = now_ms();
    for partition in 0..PARTITIONS {
        let lines = backlog(&mut random, partition, began);
        for line in &lines {
            Record::plain(&line.json(), line.timestamp).send(&producer, &stage.name, partition as i32);
        }
        inputs.push(lines);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut harm = Harm::new(&stage, fastrand::Rng::with_seed(seed ^ 0xa1e7));
    let end = Instant::now() + LIVE;
    // However slow the machine is, something of each kind is done to them.
    while Instant::now() < end || harm.killed == 0 || harm.stopped == 0 {
        for _ in 0..random.usize(1..40) {
            let partition = random.usize(..PARTITIONS);
            for line in lines(&mut random, now_ms(), now_ms()) {
                Record::plain(&line.json(), line.timestamp).send(&producer, &stage.name, partition as i32);
                inputs[partition].push(line);
            }
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        std::thread::sleep(Duration::from_millis(random.u64(5..60)));
        harm.harm();
    }
    eventually("all is read", Duration::from_secs(60), || {
        let committed = stage.committed(&stage.name, PARTITIONS as i32);
        let ends = stage.ends(&stage.name);
        harm.look_after();
        committed.iter().zip(ends).all(|(committed, (_, end))| *committed == Some(end)).then_some(())
    });
    // Half an hour later everything is over.
    stage.shift_clock(LATER);
    harm.exchange_all();
    let wanted = replay(&ALERTS, &inputs);
    assert!(wanted.len() > 100, "{} is too few to prove anything", wanted.len());
    let found = || over(&told(&stage));
    let same = within(PATIENCE, || {
        harm.look_after();
        (found() == wanted).then_some(())
    });
    assert!(same.is_some(), "seed {seed}, {mode}: {}", difference(&found(), &wanted));
    let records = told(&stage);
    if mode == "exactly_once" {
        assert!(records.windows(2).all(|two| two[0] != two[1]), "nothing is told twice");
    }
    let withdrawn = records.iter().filter(|record| record["fingerpost"]["withdrawn"] == true).count();
    let is_late = |line: &&Line| line.time.is_some_and(|time| time < line.timestamp - 301_000);
    let late = inputs.iter().flatten().filter(is_late).count();
    assert!(late > 100, "{late} late lines are too few to prove anything");
    let lines: usize = inputs.iter().map(Vec::len).sum();
    println!(
        "seed {seed}, {mode}: {lines} lines, {} stretches, {} records for them, {withdrawn} withdrawn; {} killed, {} stopped, {} started",
        wanted.len(),
        records.len(),
        harm.killed,
        harm.stopped,
        harm.started
    );
    harm.daemons.iter().for_each(|daemon| daemon.signal("TERM"));
    for daemon in &mut harm.daemons {
        daemon.wait(Duration::from_secs(20));
    }
}

/// Three daemons, and what is done to them.
struct Harm<'s> {
    stage: &'s Stage,
    random: fastrand::Rng,
    daemons: Vec<Daemon>,
    next: Instant,
    killed: usize,
    stopped: usize,
    started: usize,
}

impl<'s> Harm<'s> {
    fn new(stage: &'s Stage, mut random: fastrand::Rng) -> Self {
        let daemons: Vec<Daemon> = (0..3).map(|_| stage.start()).collect();
        daemons.iter().for_each(|daemon| drop(daemon.address()));
        // The first comes while the backlog is read.
        let next = Instant::now() + Duration::from_millis(random.u64(100..1_500));
        Self { stage, random, daemons, next, killed: 0, stopped: 0, started: 3 }
    }

    fn harm(&mut self) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + Duration::from_millis(self.random.u64(400..4_000));
        let index = self.random.usize(..self.daemons.len());
        // Every second one at least is a kill, so that short runs have some of each.
        let kills = self.killed <= self.stopped;
        self.daemons[index].signal(if kills { "KILL" } else { "TERM" });
        self.daemons[index].wait(Duration::from_secs(20));
        *(if kills { &mut self.killed } else { &mut self.stopped }) += 1;
        self.daemons[index] = self.stage.start();
        self.started += 1;
    }

    /// All of them are stopped, and others started.
    fn exchange_all(&mut self) {
        self.daemons.iter().for_each(|daemon| daemon.signal("TERM"));
        for daemon in &mut self.daemons {
            daemon.wait(Duration::from_secs(20));
            *daemon = self.stage.start();
        }
    }

    /// None of them may have ended by itself.
    fn look_after(&mut self) {
        for daemon in &mut self.daemons {
            if let Some(status) = daemon.ended() {
                panic!("a daemon ended by itself: {status}\n{}", daemon.log());
            }
        }
    }
}

/// Ten hours, and three restarts in between: one stretch, which began when it began.
#[test]
fn what_fires_for_ten_hours_across_restarts_keeps_its_start() {
    let Some(broker) = broker() else { return };
    let alert = Alert { window_ms: 1_500_000, least: 2, ..ALERTS[0] };
    let stage = stage(&broker, "tenhours", &alert.toml());
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    // The last of them is now, as a partition without lines is taken to be as late as the wall clock.
    let first = now_ms() - 10 * 3_600_000;
    let times: Vec<i64> = (0..=60).map(|n| first + n * 600_000).collect();
    let line = |at: i64| Line::failure(at, Some("c1"));
    let mut lines: Vec<Line> = times.iter().map(|at| line(*at)).collect();
    for line in &lines {
        Record::plain(&line.json(), line.timestamp).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    for _ in 0..3 {
        let mut daemon = stage.start();
        eventually("it fires", Duration::from_secs(40), || {
            let body = daemon.get("/api/v1/alerts").1;
            body.contains("\"fifth\"").then_some(())
        });
        daemon.stop();
        // While nobody counts, another one comes.
        lines.push(line(now_ms()));
        let record = Record::plain(&lines[lines.len() - 1].json(), now_ms());
        record.send(&producer, &stage.name, 0);
        producer.flush(Duration::from_secs(120)).unwrap();
    }
    stage.shift_clock(LATER);
    let mut daemon = stage.start();
    let wanted = replay(&[alert], &[lines]);
    assert_eq!(wanted.len(), 1);
    eventually("it is over", Duration::from_secs(40), || (over(&told(&stage)) == wanted).then_some(()));
    daemon.stop();
    let starts: BTreeSet<i64> =
        told(&stage).iter().filter_map(|record| record["fingerpost"]["starts_at"].as_i64()).collect();
    assert_eq!(starts, BTreeSet::from([times[1]]));
}
