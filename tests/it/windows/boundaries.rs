//! The borders, each by itself, with the shipped packs: lines of input partitions go through engine, counting and windows;
//! what the windows tell is kept as the alerts topic would keep it. Other borders stand as sequences in the packs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fingerpost::alert::{
    Alerts, Bookmark, Change, Clock, Counted, Limits, Origin, Place, Record, Settings, State, Watermark, Windows,
};
use fingerpost::engine::{Engine, Memory};
use fingerpost::pack;

/// 2024-01-03T12:00:00Z.
const START: i64 = super::lines::START;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// One daemon with two input partitions and one partition of the matches topic.
pub(super) struct Scene {
    engine: Engine,
    alerts: Arc<Alerts>,
    memory: Memory,
    clocks: [Clock; 2],
    offsets: [i64; 2],
    matches: Vec<Record>,
    windows: Windows,
    told: Vec<Change>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let engine = Engine::new(pack::parse(&pack::builtin()).0.unwrap(), fingerpost::engine::Settings::default());
        let engine = engine.unwrap();
        let mut memory = engine.memory();
        memory.count_for_alerts();
        let alerts = Arc::new(Alerts::new(&engine, Settings::default()));
        let windows = Windows::new(Arc::clone(&alerts), Limits::default(), Bookmark::start(0));
        let (clocks, offsets) = ([Clock::default(); 2], [0; 2]);
        Self { engine, alerts, memory, clocks, offsets, matches: Vec::new(), windows, told: Vec::new() }
    }

    /// A line in an input partition, its record's timestamp so long after the start.
    pub(super) fn line(&mut self, partition: usize, timestamp: i64, payload: &str) -> Option<Counted> {
        let timestamp = START + timestamp;
        self.clocks[partition].see(timestamp);
        let offset = self.offsets[partition];
        self.offsets[partition] += 1;
        let line = self.engine.classify(payload.as_bytes(), None, &mut self.memory).countable.pop()?;
        let place = Place { topic: "logs".into(), partition: i32::try_from(partition).unwrap(), offset };
        let counted = self.alerts.count(&line, &place, timestamp, self.clocks[partition]);
        counted.matches.iter().cloned().for_each(|found| self.read(Record::Match(found)));
        Some(counted)
    }

    /// Everything that was told.
    pub(super) fn told(&self) -> &[Change] {
        &self.told
    }

    /// A line of a partition whose records have the times of their lines.
    fn failure(&mut self, partition: usize, at: i64) {
        let payload = r#"{"app":"armada-kp-events","msg":"Error finding ETCD info for the cluster"}"#;
        self.line(partition, at, payload).unwrap();
    }

    fn read(&mut self, record: Record) {
        let offset = i64::try_from(self.matches.len()).unwrap();
        self.told.extend(self.windows.read(offset, &record));
        self.matches.push(record);
    }

    /// Each partition tells how far it is.
    fn tell(&mut self) {
        for partition in 0..2 {
            let Some(clock) = self.clocks[partition].now() else { continue };
            let (topic, inputs) = ("logs".to_owned(), vec![("logs".to_owned(), 2)]);
            let offset = self.offsets[partition];
            let partition = i32::try_from(partition).unwrap();
            self.read(Record::Watermark(Watermark { topic, partition, offset, clock, inputs }));
        }
    }

    /// Both partitions have been quiet since, and it is so long after the start.
    fn much_later(&mut self, wall: i64) {
        self.clocks.iter_mut().for_each(|clock| clock.idle(START + wall));
        self.tell();
    }

    /// Another daemon takes over at what was committed.
    fn restart(&mut self) {
        let bookmark = self.windows.bookmark();
        self.windows.committed(&bookmark);
        let bookmark = Bookmark::from_metadata(bookmark.next, &bookmark.to_metadata());
        self.windows = Windows::new(Arc::clone(&self.alerts), Limits::default(), bookmark);
        for change in &self.told {
            self.windows.restore(&change.key(), Some(change.to_json().as_bytes())).unwrap();
        }
        let from = usize::try_from(bookmark.from).unwrap();
        for (offset, record) in self.matches.iter().enumerate().skip(from) {
            let told = self.windows.read(i64::try_from(offset).unwrap(), record);
            assert_eq!(told, [], "all that was read was told");
        }
        assert_eq!(self.windows.caught_up(), []);
    }

    /// When alerts fired, in milliseconds after the start, and until when, as it stands in the end.
    fn over(&self) -> BTreeSet<(&str, i64, i64)> {
        let mut last = BTreeMap::new();
        for change in &self.told {
            last.insert((change.key(), change.starts_at), change);
        }
        let over = last.into_values().filter(|change| change.state == State::Resolved && !change.withdrawn);
        over.map(|change| (change.alert.as_str(), change.starts_at - START, change.ends_at.unwrap() - START)).collect()
    }
}

const KP_EVENTS: &str = "ArmadaKPEventsProcessingErrors";
const METERING: &str = "error_metering_token_exchange";

#[test]
fn a_line_up_to_two_hours_late_is_counted() {
    for (behind, counts, late) in
        [(5 * MINUTE, true, false), (5 * MINUTE + 1, true, true), (2 * HOUR, true, true), (2 * HOUR + 1, false, false)]
    {
        let mut scene = Scene::new();
        scene.failure(0, 10 * MINUTE);
        let time = START + 10 * MINUTE - behind;
        let payload = format!(r#"{{"app":"armada-kp-events","time":{time},"msg":"check key in use failed"}}"#);
        let counted = scene.line(0, 10 * MINUTE, &payload).unwrap();
        assert_eq!((counted.matches.len(), counted.too_late.len()), (usize::from(counts), usize::from(!counts)));
        assert_eq!(counted.matches.iter().any(|found| found.late), late, "{behind}");
        assert_eq!(counted.ungrouped.len(), usize::from(counts));
        // Another partition is nothing to it.
        let counted = scene.line(1, 10 * MINUTE - behind, &payload).unwrap();
        assert!(counted.too_late.is_empty() && !counted.matches[0].late);
    }
}

/// A line as a collector delivers it that was away: its record is of now, it happened at `at`.
fn delivered(scene: &mut Scene, now: i64, at: i64, request: &str) {
    let time = START + at;
    let line =
        format!(r#"{{"app":"armada-kp-events","time":{time},"crn":"{request}","msg":"check key in use failed"}}"#);
    scene.line(0, now, &line).unwrap();
}

/// Both partitions have got there, and have told so.
fn passes(scene: &mut Scene, now: i64) {
    scene.much_later(now + MINUTE);
}

#[test]
fn what_a_collector_delivers_that_was_away_fires_at_once() {
    for away in [10, 25, 110] {
        let mut scene = Scene::new();
        passes(&mut scene, 2 * HOUR);
        delivered(&mut scene, 2 * HOUR, 2 * HOUR - away * MINUTE, "");
        let told: Vec<State> = scene.told.iter().map(|change| change.state).collect();
        // The horizon is five minutes behind, and so is the window wide.
        assert_eq!(told, if away == 10 { vec![State::Firing] } else { vec![State::Firing, State::Resolved] }, "{away}");
        passes(&mut scene, 3 * HOUR);
        let at = 2 * HOUR - away * MINUTE;
        assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, at, at + 5 * MINUTE)]), "{away}");
    }
}

#[test]
fn a_late_line_moves_an_end_that_was_told_and_joins_what_was_apart() {
    for restarts in [false, true] {
        let mut scene = Scene::new();
        let crn = "crn:v1:a:b:containers-kubernetes:c:d:e::";
        delivered(&mut scene, 0, 0, crn);
        delivered(&mut scene, 0, 9 * MINUTE, crn);
        passes(&mut scene, HOUR);
        let apart = [(KP_EVENTS, 0, 5 * MINUTE), (KP_EVENTS, 9 * MINUTE, 14 * MINUTE)];
        assert_eq!(scene.over(), BTreeSet::from(apart));
        let step = |scene: &mut Scene, at: i64| {
            delivered(scene, HOUR, at, crn);
            if restarts {
                scene.restart();
            }
        };
        step(&mut scene, 3 * MINUTE);
        assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, 0, 8 * MINUTE), apart[1]]));
        assert_eq!(scene.told.iter().filter(|change| change.withdrawn).count(), 0);
        step(&mut scene, 5 * MINUTE);
        assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, 0, 14 * MINUTE)]));
        let withdrawn: Vec<i64> =
            scene.told.iter().filter(|change| change.withdrawn).map(|change| change.starts_at - START).collect();
        assert_eq!(withdrawn, [9 * MINUTE]);
        // So that it fires again, since the beginning, with the labels that it had.
        step(&mut scene, 53 * MINUTE);
        (0..14).for_each(|line| step(&mut scene, 52 * MINUTE - line * 3 * MINUTE));
        assert_eq!(scene.windows.firing()[0].starts_at, START, "{restarts}");
        assert_eq!(scene.windows.firing()[0].labels, scene.told[0].labels);
        assert_eq!(scene.over(), BTreeSet::new());
        passes(&mut scene, 3 * HOUR);
        assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, 0, 58 * MINUTE)]));
    }
}

#[test]
fn a_record_ahead_of_the_world_makes_no_other_late() {
    for ahead in [59 * MINUTE, 48 * HOUR] {
        let mut scene = Scene::new();
        scene.failure(0, 0);
        scene.failure(0, SECOND);
        scene.line(0, ahead, r#"{"msg":"all is well"}"#);
        for minute in 1..50 {
            let counted =
                scene.line(0, minute * MINUTE, r#"{"app":"armada-kp-events","msg":"check key in use failed"}"#);
            assert!(!counted.unwrap().matches[0].late, "{minute}");
        }
        scene.tell();
        assert_eq!(scene.clocks[0].now(), Some(START + 49 * MINUTE));
    }
}

#[test]
fn a_clock_an_hour_ahead_is_believed_and_no_more() {
    for (ahead, at, origin) in [(HOUR, HOUR, Origin::Line), (HOUR + 1, 0, Origin::Ahead)] {
        let mut scene = Scene::new();
        let payload =
            format!(r#"{{"app":"armada-kp-events","time":{},"msg":"check key in use failed"}}"#, START + ahead);
        let counted = scene.line(0, 0, &payload).unwrap();
        assert_eq!((counted.matches[0].at - START, counted.time), (at, origin));
        // It makes no line after it late.
        scene.failure(0, MINUTE);
        scene.much_later(3 * HOUR);
        let expected = match origin {
            Origin::Line => BTreeSet::from([(KP_EVENTS, HOUR, HOUR + 5 * MINUTE), (KP_EVENTS, MINUTE, 6 * MINUTE)]),
            _ => BTreeSet::from([(KP_EVENTS, 0, 6 * MINUTE)]),
        };
        assert_eq!(scene.over(), expected);
    }
}

#[test]
fn two_rules_of_one_alert_on_one_line_count_once() {
    let mut scene = Scene::new();
    let both = r#"{"app":"armada-compute-identity","msg":"failed to get web key set; error getting compute identity provider"}"#;
    for at in 0..4 {
        assert_eq!(scene.line(0, at * SECOND, both).unwrap().matches.len(), 1);
    }
    assert_eq!(scene.told, []);
    scene.line(0, 4 * SECOND, both).unwrap();
    assert_eq!((scene.told[0].starts_at - START, scene.told[0].count), (4 * SECOND, 5));
}

#[test]
fn lines_at_one_time_are_as_many_as_they_are() {
    let mut scene = Scene::new();
    let line = r#"{"app":"armada-cluster","region":"eu-de","msg":"ErrorMeteringTokenExchangeFailure"}"#;
    (0..50).for_each(|_| _ = scene.line(0, 0, line));
    assert_eq!(scene.told, []);
    (0..50).for_each(|_| _ = scene.line(1, 0, line));
    assert_eq!(scene.told.len(), 1);
    scene.much_later(2 * HOUR);
    assert_eq!(scene.over(), BTreeSet::from([(METERING, 0, HOUR)]));
}

#[test]
fn the_same_line_again_is_the_same_line() {
    let mut scene = Scene::new();
    let line = r#"{"app":"armada-compute-identity","msg":"failed to get web key set"}"#;
    (0..4).for_each(|at| _ = scene.line(0, at * SECOND, line));
    let again = scene.matches.clone();
    again.into_iter().for_each(|record| scene.read(record));
    assert_eq!((scene.told.len(), scene.windows.meters().repeated), (0, 4));
}

#[test]
fn a_later_arrival_moves_the_start_to_an_earlier_time() {
    let mut scene = Scene::new();
    scene.failure(0, 10 * MINUTE);
    scene.failure(1, 7 * MINUTE);
    let starts: Vec<i64> = scene.told.iter().map(|change| change.starts_at - START).collect();
    assert_eq!(starts, [10 * MINUTE, 7 * MINUTE]);
    assert_eq!(scene.told[0].labels, scene.told[1].labels);
    scene.much_later(HOUR);
    assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, 7 * MINUTE, 15 * MINUTE)]));
}

#[test]
fn ten_hours_and_three_restarts_later_it_still_fires_since_the_beginning() {
    let mut scene = Scene::new();
    for minute in 0..=600 {
        scene.failure(0, minute * MINUTE);
        scene.clocks[1].idle(START + minute * MINUTE);
        scene.tell();
        if [150, 300, 450].contains(&minute) {
            let bookmark = scene.windows.bookmark();
            // As far back as lines may be late, and a window: a match and two watermarks a minute.
            assert!(bookmark.next - bookmark.from < 400, "reads {} records again", bookmark.next - bookmark.from);
            scene.restart();
        }
    }
    assert_eq!(scene.windows.firing()[0].starts_at, START);
    assert_eq!(scene.told.len(), 1, "told once");
    scene.much_later(11 * HOUR);
    assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, 0, 605 * MINUTE)]));
}

/// A day of lines: each partition has its own, some in bursts.
fn day() -> Vec<(usize, i64)> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut lines: Vec<(usize, i64)> =
        (0..600).map(|_| (random.usize(0..2), random.i64(0..24 * 60) * MINUTE + random.i64(0..MINUTE))).collect();
    lines.sort_by_key(|(_, at)| *at);
    lines
}

#[test]
fn a_backlog_with_partitions_hours_apart_fires_what_fired_live() {
    let mut live = Scene::new();
    for (partition, at) in day() {
        live.failure(partition, at);
        live.tell();
    }
    live.much_later(30 * HOUR);
    let mut backlog = Scene::new();
    // Partition 0 is read six hours ahead of partition 1.
    let mut apart = day();
    apart.sort_by_key(|(partition, at)| if *partition == 0 { at - 6 * HOUR } else { *at });
    for (partition, at) in apart {
        backlog.failure(partition, at);
        backlog.tell();
    }
    backlog.much_later(30 * HOUR);
    assert_eq!(live.over(), backlog.over());
    assert!(live.over().len() > 50, "{}", live.over().len());
}

#[test]
fn beyond_the_bound_groups_are_forgotten_and_counted() {
    let mut scene = Scene::new();
    scene.windows = Windows::new(Arc::clone(&scene.alerts), Limits { groups: 100, bytes: 1 << 20 }, Bookmark::start(0));
    for cluster in 0..1_000 {
        let crn = format!("crn:v1:bluemix:public:containers-kubernetes:eu-de:a/account:cluster{cluster}::");
        let line = format!(r#"{{"app":"armada-kp-events","crn":"{crn}","msg":"check key in use failed"}}"#);
        scene.line(0, i64::from(cluster), &line).unwrap();
    }
    let meters = scene.windows.meters();
    assert_eq!((meters.groups, meters.firing, meters.evicted), (100, 100, 900));
    // What was forgotten while it fired was told to be over, the soonest first.
    let over: Vec<i64> =
        scene.told.iter().filter_map(|change| change.ends_at).map(|at| at - START - 5 * MINUTE).collect();
    assert_eq!(over, (0..900).collect::<Vec<i64>>());
    let mut scene = Scene::new();
    scene.windows =
        Windows::new(Arc::clone(&scene.alerts), Limits { groups: 1_000, bytes: 100_000 }, Bookmark::start(0));
    for cluster in 0..1_000 {
        let line = format!(
            r#"{{"app":"armada-kp-events","crn":"crn:v1:a:b:containers-kubernetes:c:d:{cluster}::","msg":"check key in use failed"}}"#
        );
        scene.line(0, i64::from(cluster), &line).unwrap();
        assert!(scene.windows.meters().bytes <= 100_000);
    }
    assert!(scene.windows.meters().evicted > 700);
}

#[test]
fn nothing_is_over_before_every_partition_has_told() {
    let mut scene = Scene::new();
    scene.failure(0, 0);
    scene.clocks[0].idle(START + 10 * HOUR);
    scene.tell();
    assert_eq!(scene.over(), BTreeSet::new());
    scene.clocks[1].idle(START + HOUR);
    scene.tell();
    assert_eq!(scene.over(), BTreeSet::from([(KP_EVENTS, 0, 5 * MINUTE)]));
}

#[test]
fn what_is_told_is_a_postable_alert_and_our_own_object() {
    let mut scene = Scene::new();
    let line = r#"{"app":"armada-kp-events","carrier_name":"it's 'carrier7'","crn":"crn:v1:bluemix:public:containers-kubernetes:eu-de:a/account:cluster::","msg":"error completing request, the cluster is busy with another KMS action"}"#;
    scene.line(1, 0, line).unwrap();
    scene.much_later(HOUR);
    let mut shown = String::new();
    for change in &scene.told {
        let json: serde_json::Value = serde_json::from_str(&change.to_json()).unwrap();
        shown += &format!("{}\n{json:#}\n", change.key());
        let mut bare = json.clone();
        bare.as_object_mut().unwrap().remove("fingerpost");
        assert_eq!(bare, change.to_postable());
        assert_eq!(Change::from_json(change.to_json().as_bytes()), Ok(change.clone()));
    }
    let shown =
        regex::Regex::new("kp-events@[0-9a-f]{8}").unwrap().replace_all(&shown, "kp-events@digest").into_owned();
    let expected = std::path::Path::new("tests/cases/alerts/told.txt");
    let expected = snapbox::Data::read_from(expected, Some(snapbox::data::DataFormat::Text));
    snapbox::assert_data_eq!(shown, expected.raw());
}
