//! What the workers of a simulation read, and what should become of it.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use fastrand::Rng;

use crate::alert::{self, Alerts, Clock, Match, Place, partition_of};
use crate::diagnostic::Source;
use crate::engine::{Engine, Memory};
use crate::flow::memory::audit::{Expected, Wanted};
use crate::flow::memory::{INPUT, Input, Unseen};
use crate::flow::record::{Headers, Line, Notes, Seen, Writer};
use crate::flow::{Settings, kafka::topics::Route};
use crate::pack::{Alert, IdPattern, Name, Severity, Threshold};

/// Lines that hold this make the classifier panic.
const FAILS: &str = "the classifier is to fail here";
/// What a line says about its source may change so often within a partition, and no more: the memory keeps so many
/// values for lines that are done again.
const CHANGES_MAX: usize = 12;

const PACK: &str = r#"
[pack]
runbook = "simulation.md"
link = "/simulation"

[sections]
disk = "Disks"

[capture]
zone = "string"

[[context]]
id = "moved"
any = ["moved to zone"]
get = [{ name = "zone", re = 'moved to zone (\w+)' }]

[[rule]]
id = "sim.disk"
title = "A disk is full"
all = ["disk is full"]
inherit = ["zone"]
severity = "SEVERITY"
section = "disk"

  [[rule.case]]
  earlier = ["moved"]
  id = "sim.disk-moved"
  title = "A disk is full after a move"
"#;

/// Two sets of rules that claim the same lines and say different things about them.
pub(super) static ENGINES: LazyLock<[Arc<Engine>; 2]> = LazyLock::new(|| ["warning", "error"].map(engine));

/// What their alerts count.
static COUNTED: LazyLock<[Alerts; 2]> =
    LazyLock::new(|| [0, 1].map(|rules: usize| Alerts::new(&ENGINES[rules], alert::Settings::default())));

fn engine(severity: &str) -> Arc<Engine> {
    let source = Source { name: "sim.toml".to_owned(), text: PACK.replace("SEVERITY", severity) };
    let (packs, diagnostics) = crate::pack::parse(&[Arc::new(source)]);
    let mut packs = packs.unwrap_or_else(|| panic!("{diagnostics:?}"));
    packs.alerts = [(vec![Name::Fact(0)], "sim.*"), (Vec::new(), "sim.disk-moved")].map(count).to_vec();
    Arc::new(Engine::new(packs, crate::engine::Settings::default()).expect("few phrases"))
}

/// An alert that counts what these rules match.
fn count((group_by, from): (Vec<Name>, &str)) -> Alert {
    Alert {
        pack: 0,
        id: format!("count {from}"),
        from: vec![IdPattern(from.to_owned())],
        except: Vec::new(),
        unless: Vec::new(),
        group_by,
        distinct: None,
        window_ms: 60_000,
        count: Threshold { least: 3 },
        severity: Severity::Warning,
        labels: Vec::new(),
        annotations: Vec::new(),
        action: None,
        contact: None,
        snooze: None,
        escalate: Vec::new(),
        span: 0..0,
    }
}

/// That somebody counts them.
pub(super) fn alerts() -> crate::flow::alerts::Settings {
    crate::flow::alerts::Settings {
        matches: "matches".to_owned(),
        topic: "alerts".to_owned(),
        counting: crate::alert::Settings::default(),
        limits: crate::alert::Limits::default(),
        notify: crate::flow::notify::Settings {
            alertmanagers: Vec::new(),
            sign_in: None,
            authorities: None,
            repeat_interval: std::time::Duration::from_secs(60),
            found_late: std::time::Duration::from_secs(600),
            max_firing: 1000,
        },
    }
}

/// How many lines, and how troublesome.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    pub(super) partitions: usize,
    pub(super) lines: usize,
    /// Lines come within this time, microseconds.
    pub(super) horizon: u64,
    pub(super) poison: bool,
    pub(super) panics: bool,
    /// Every second line is one that is refused, and not three in a partition.
    pub(super) many: bool,
}

/// The lines of each partition.
pub(super) fn write(rng: &mut Rng, mix: Mix) -> Vec<Vec<Rc<Input>>> {
    let share = mix.lines / mix.partitions;
    let one = |partition| {
        // One may hold aborted records alone.
        let many = if mix.partitions > 1 && rng.u8(..12) == 0 { 0 } else { share };
        write_partition(rng, mix, partition as i32, many)
    };
    (0..mix.partitions).map(one).collect()
}

/// What stands between the lines of each partition and behind them, and is none.
pub(super) fn unseen(rng: &mut Rng, mix: Mix, inputs: &[Vec<Rc<Input>>]) -> Vec<Vec<Unseen>> {
    inputs.iter().map(|lines| unseen_of(rng, mix, lines)).collect()
}

fn unseen_of(rng: &mut Rng, mix: Mix, lines: &[Rc<Input>]) -> Vec<Unseen> {
    let mut unseen = Vec::new();
    let (mut at, mut end) = (0, 0);
    for line in lines {
        if line.offset > end && rng.bool() {
            unseen.push(Unseen { at: rng.u64(at..=line.at.max(at)), end: rng.i64(end + 1..=line.offset) });
        }
        (at, end) = (line.at, line.offset + 1);
    }
    let tail = if lines.is_empty() { 1 } else { rng.usize(0..3) };
    for _ in 0..tail {
        (at, end) = (at + rng.u64(0..=mix.horizon / 2), end + rng.i64(1..5));
        unseen.push(Unseen { at, end });
    }
    unseen
}

fn write_partition(rng: &mut Rng, mix: Mix, partition: i32, many: usize) -> Vec<Rc<Input>> {
    let mut offset = if rng.bool() { 0 } else { rng.i64(0..50) };
    let early = rng.usize(0..=many);
    let pause = mix.horizon / (many - early + 1) as u64;
    let (mut changes, mut troubles) = (0, 0);
    let one = |index: usize| {
        let late = index.saturating_sub(early) as u64 * pause;
        let kind = rng.u8(..100);
        let is_many = mix.many && mix.poison;
        let troubled = if is_many { rng.bool() } else { troubles < 3 && rng.usize(..many.max(10)) < 4 };
        let poison = mix.poison && troubled && rng.bool();
        // The clock of the partition is to be known by then.
        let poison_time = mix.poison && troubled && !poison && index > 1 && (is_many || rng.bool());
        let panics = mix.panics && troubled && !poison && !poison_time && !is_many;
        troubles += usize::from(poison || poison_time || panics);
        let text = match kind {
            _ if panics => FAILS.to_owned(),
            0..12 if changes < CHANGES_MAX => {
                changes += 1;
                format!("pod moved to zone {}", rng.lowercase())
            }
            12..50 => "the disk is full".to_owned(),
            50..54 if !poison && !poison_time => String::new(),
            _ => "all is well".to_owned(),
        };
        let key = rng.u8(..8);
        let input = Input {
            partition,
            offset,
            at: if index < early { 0 } else { late },
            key: (key < 6).then(|| format!("pod-{}", key % 3).into_bytes()),
            value: (!text.is_empty()).then(|| format!(r#"{{"n":{offset},"msg":"{text}"}}"#).into_bytes()),
            poison,
            poison_to_all: poison && rng.bool(),
            poison_time,
        };
        offset += if rng.u8(..10) == 0 { rng.i64(2..20) } else { 1 };
        Rc::new(input)
    };
    (0..many).map(one).collect()
}

fn line(input: &Input) -> Line<'_> {
    Line {
        topic: INPUT,
        partition: input.partition,
        offset: input.offset,
        key: input.key.as_deref(),
        value: input.value.as_deref(),
        timestamp_ms: input.timestamp_ms(),
        headers: Seen::Known(Headers::default()),
    }
}

fn panics(input: &Input) -> bool {
    input.value.as_ref().is_some_and(|value| String::from_utf8_lossy(value).contains(FAILS))
}

/// The record for a line by one set of rules, and what alerts count of it, for so many partitions of the matches topic.
fn judge(
    rules: usize,
    (writer, matches_partitions): (&Writer, i32),
    memory: &mut Memory,
    input: &Input,
) -> (Option<Wanted>, Vec<(i32, Vec<u8>)>) {
    let engine = &*ENGINES[rules];
    let line = line(input);
    memory.turn_to(input.offset);
    let source = line.key.map(String::from_utf8_lossy);
    let judged = line.value.filter(|_| !panics(input)).map(|value| engine.classify(value, source.as_deref(), memory));
    let record = writer.write(engine, &line, judged.as_ref(), &mut Notes::default());
    let wanted = record.map(|record| Wanted {
        value: record.value.map(std::borrow::Cow::into_owned),
        added: record.added.iter().map(|(name, value)| (name.text(), value.clone())).collect(),
    });
    let countable = judged.into_iter().flat_map(|outcome| outcome.countable);
    let mut clock = Clock::default();
    clock.see(line.timestamp_ms);
    let place = Place { topic: INPUT.to_owned(), partition: input.partition, offset: input.offset };
    let counted = countable.flat_map(|line| COUNTED[rules].count(&line, &place, input.timestamp_ms(), clock).matches);
    let record = |found: Match| {
        let number = partition_of(&found.key(), matches_partitions);
        (number, alert::Record::Match(found).to_json().into_bytes())
    };
    (wanted, counted.map(record).collect())
}

/// What should become of each line, when each partition is judged once and nothing goes wrong.
pub(super) fn expect(inputs: &[Vec<Rc<Input>>], settings: &Settings, route: Route) -> Vec<Vec<Expected>> {
    let writer = Writer::new(&settings.output, route.record_limit, route.partitions, route.dead_letter_partitions);
    let mut expected = Vec::with_capacity(inputs.len());
    for inputs in inputs {
        let mut memories = [0, 1].map(|rules: usize| ENGINES[rules].memory());
        memories.iter_mut().for_each(Memory::count_for_alerts);
        let one = |input: &Rc<Input>| {
            let written = (&writer, route.matches_partitions);
            let [one, other] = [0, 1].map(|rules: usize| judge(rules, written, &mut memories[rules], input));
            assert_eq!(one.1, other.1, "both sets of rules count alike");
            let mut expected = Expected::new(input.offset, input.value.clone(), [one.0, other.0]);
            // What is so old is later than any alert waits for.
            expected.matches = if input.poison_time { Vec::new() } else { one.1 };
            expected.panics = panics(input);
            // A poisoned line that is left out is never sent.
            expected.poison = input.poison && expected.wanted[0].is_some();
            expected.poison_to_all = input.poison_to_all;
            expected.poison_time = input.poison_time && expected.wanted[0].is_some();
            expected.timestamp_ms = input.timestamp_ms();
            expected
        };
        expected.push(inputs.iter().map(one).collect());
    }
    expected
}

/// What a line of each source would see at the end of a partition.
pub(super) fn sights(memory: &mut Memory, end: i64) -> Vec<Option<String>> {
    let engine = &ENGINES[0];
    memory.turn_to(end);
    let sight = |source: usize| {
        let seen = engine.classify(b"{\"msg\":\"disk is full\"}", Some(&format!("pod-{source}")), memory);
        seen.added(crate::engine::Detail::Full).map(Cow::into_owned)
    };
    (0..3).map(sight).collect()
}

/// The memory after all lines of a partition.
pub(super) fn remember(inputs: &[Rc<Input>]) -> Memory {
    let mut memory = ENGINES[0].memory();
    for input in inputs.iter().filter(|input| !panics(input)) {
        memory.turn_to(input.offset);
        let source = input.key.as_deref().map(String::from_utf8_lossy);
        if let Some(value) = &input.value {
            ENGINES[0].classify(value, source.as_deref(), &mut memory);
        }
    }
    memory
}
