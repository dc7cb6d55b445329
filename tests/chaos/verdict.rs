//! What became of every line: the output read back offset by offset, as a reader of committed records sees it, and held
//! against the input, read beside it, and the oracle's word on each line.
//!
//! The input is read, not made anew: who feeds it is a Kafka client too, and may itself send a line twice when a broker
//! dies. That it is all there is checked in passing. A partition is read once from end to end. What is due next, and what came before it within a window, is all that is
//! kept, so ten million lines are no more than ten thousand.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::counted;
use super::feed::Feed;
use super::it::oracle::{Expected, Oracle};
use super::it::records::{Record, check_value, is_plain, without_padding};
use super::it::stage::{PATIENCE, Stage};

/// A line may be repeated from so far back and still be compared with what it was.
const WINDOW: usize = 1 << 16;

/// So many lines that are wrong are told of each partition.
const WORDS_MAX: usize = 5;

/// The judgement on one partition, or on all.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lines: usize,
    pub(crate) lost: usize,
    pub(crate) out_of_order: usize,
    /// Lines from the future, those of them that are dead letters, and dead letters of other lines.
    pub(crate) refused: usize,
    pub(crate) dead: usize,
    pub(crate) healthy_dead: usize,
    /// Of dead letters, repeats.
    pub(crate) dead_twice: usize,
    /// Repeats, each by the offset on the output at which it stands, per partition.
    pub(crate) repeated: Vec<Vec<i64>>,
    /// Lines that are not what they must be: the first few, in words.
    pub(crate) wrong: Vec<String>,
    /// Lines whose finding rests on what their source said before somebody else took over, and that say so.
    pub(crate) forgotten: usize,
}

/// One input line, with what may be said of it.
struct Known {
    offset: i64,
    record: Record,
    /// With all that its source said since the beginning.
    full: Expected,
    /// What its source said earlier makes a difference.
    told: bool,
}

impl Verdict {
    /// Reads the whole output. `remembers`: what sources said survives whoever heard it, so that only one answer is right.
    pub(crate) fn on(stage: &Stage, feed: Feed, remembers: bool) -> Self {
        let parts: Vec<Self> = std::thread::scope(|scope| {
            let parts: Vec<_> = (0..feed.partitions)
                .map(|partition| scope.spawn(move || Reading::new(stage, feed, partition, remembers).read()))
                .collect();
            parts.into_iter().map(|part| part.join().unwrap()).collect()
        });
        parts.into_iter().fold(Self::default(), |mut sum, part| {
            sum.lines += part.lines;
            sum.lost += part.lost;
            sum.out_of_order += part.out_of_order;
            sum.refused += part.refused;
            sum.dead += part.dead;
            sum.healthy_dead += part.healthy_dead;
            sum.dead_twice += part.dead_twice;
            sum.forgotten += part.forgotten;
            sum.repeated.extend(part.repeated);
            sum.wrong.extend(part.wrong);
            sum
        })
    }

    pub(crate) fn repeats(&self) -> usize {
        self.repeated.iter().map(Vec::len).sum()
    }
}

struct Reading<'s> {
    stage: &'s Stage,
    feed: Feed,
    partition: usize,
    remembers: bool,
    inputs: BaseConsumer,
    oracle: Oracle,
    /// Lines `first..due`, by their place in the input.
    window: VecDeque<Known>,
    first: usize,
    due: usize,
    /// The next one, looked at already.
    ahead: Option<Known>,
    /// Lines of the feed that the input was seen to have.
    fed: usize,
    missing: BTreeSet<usize>,
    /// Offsets of lines that the output does not take.
    refused: BTreeSet<i64>,
    verdict: Verdict,
    repeated: Vec<i64>,
}

impl<'s> Reading<'s> {
    fn new(stage: &'s Stage, feed: Feed, partition: usize, remembers: bool) -> Self {
        let mut reading = Self {
            stage,
            feed,
            partition,
            remembers,
            inputs: reader(stage, &stage.name, partition as i32),
            oracle: Oracle::default(),
            window: VecDeque::new(),
            first: 0,
            due: 0,
            ahead: None,
            fed: 0,
            missing: BTreeSet::new(),
            refused: BTreeSet::new(),
            verdict: Verdict::default(),
            repeated: Vec::new(),
        };
        reading.look_ahead();
        reading
    }

    fn read(mut self) -> Verdict {
        let outputs = reader(self.stage, &self.stage.output(), self.partition as i32);
        while let Some((offset, record)) = next(&outputs) {
            self.line(offset, &record);
        }
        while self.pass() {}
        self.verdict.lines = self.due;
        self.verdict.lost = self.missing.len();
        if self.feed.refused > 0 {
            self.count_dead_letters();
        }
        self.verdict.repeated = vec![std::mem::take(&mut self.repeated)];
        let expected = self.feed.length(self.partition);
        if self.fed != expected {
            self.complain(format!("the input itself has {} of {expected} lines", self.fed));
        }
        self.verdict
    }

    fn line(&mut self, offset: i64, output: &Record) {
        let Some(place) = self.place(output) else {
            let time = output.timestamp;
            return self.complain(format!("partition {}: timestamp {time} is nobody's, or too old", self.partition));
        };
        if self.missing.remove(&place) {
            self.verdict.out_of_order += usize::from(place + 1 != self.due);
        } else {
            self.repeated.push(offset);
        }
        if self.verdict.wrong.len() < WORDS_MAX {
            self.compare(place, output);
        }
    }

    /// Goes past the next line of the input, which is not seen on the output yet; false at its end.
    fn pass(&mut self) -> bool {
        match &self.ahead {
            Some(ahead) if self.feed.is_refused(&ahead.record) => _ = self.refused.insert(ahead.offset),
            Some(_) => _ = self.missing.insert(self.due),
            None => {}
        }
        self.advance()
    }

    /// Each line that the output does not take is a dead letter, and no other is.
    fn count_dead_letters(&mut self) {
        self.verdict.refused = self.refused.len();
        let letters = reader(self.stage, &self.stage.dead_letters(), self.partition as i32);
        let mut seen = BTreeSet::new();
        while let Some((_, letter)) = next(&letters) {
            let source = letter.header("fingerpost-source").unwrap_or_default();
            let offset = source.rsplit_once('/').and_then(|(_, offset)| offset.parse().ok()).unwrap_or(-1);
            if !self.refused.contains(&offset) {
                self.verdict.healthy_dead += 1;
            } else if !seen.insert(offset) {
                self.verdict.dead_twice += 1;
            }
        }
        self.verdict.dead = seen.len();
    }

    /// Which line it is, by its place in the input: the one that is due, or one that was, or one further on, before which
    /// some are missing. Timestamps tell it, and where the feeder sent a line twice the source, of lines that say one.
    fn place(&mut self, output: &Record) -> Option<usize> {
        let source = output.header("fingerpost-source");
        let is_this = |known: &Known| {
            let own = || format!("{}/{}/{}", self.stage.name, self.partition, known.offset);
            known.record.timestamp == output.timestamp && source.as_ref().is_none_or(|source| *source == own())
        };
        if !self.ahead.as_ref().is_some_and(is_this)
            && let Some(back) = self.window.iter().rposition(is_this)
        {
            return Some(self.first + back);
        }
        while let Some(ahead) = &self.ahead {
            let found = ahead.record.timestamp == output.timestamp;
            self.pass();
            if found {
                return Some(self.due - 1);
            }
        }
        None
    }

    fn compare(&mut self, place: usize, output: &Record) {
        let Some(known) = place.checked_sub(self.first).and_then(|index| self.window.get(index)) else { return };
        // Without a state topic, whoever takes over knows some of what was said earlier, or nothing.
        if known.told && !agrees(&known.full, output) {
            self.verdict.forgotten += 1;
            return;
        }
        let name = format!("{}/{}/{}", self.stage.name, self.partition, known.offset);
        let held = catch_unwind(AssertUnwindSafe(|| {
            assert_eq!(output.key, known.record.key, "{name}: its key");
            check_value(&known.full, &known.record, output, &name);
        }));
        if let Err(panic) = held {
            let words = panic.downcast_ref::<String>().map_or("", String::as_str);
            self.complain(format!("{name}: {words}"));
        }
    }

    fn complain(&mut self, what: String) {
        if self.verdict.wrong.len() < WORDS_MAX {
            self.verdict.wrong.push(what);
        }
    }

    /// Goes one line further on in the input; false at its end.
    fn advance(&mut self) -> bool {
        let Some(known) = self.ahead.take() else { return false };
        self.window.push_back(known);
        self.due += 1;
        if self.window.len() > WINDOW {
            self.window.pop_front();
            self.first += 1;
        }
        self.look_ahead();
        true
    }

    fn look_ahead(&mut self) {
        let Some((offset, record)) = next(&self.inputs) else { return };
        self.fed += usize::from(record.timestamp == self.feed.timestamp(self.fed));
        let key = record.key.as_deref().filter(|key| !key.is_empty()).map(String::from_utf8_lossy);
        let value = record.value.as_deref();
        let full = match value {
            None => Expected::default(),
            Some(line) if is_plain(line) => Expected { is_object: true, ..Expected::default() },
            Some(line) if counted::is_counted(line) => counted::expected(),
            Some(line) => self.oracle.classify(&without_padding(line), key.as_deref()),
        };
        let told = !self.remembers
            && !full.matches.is_empty()
            && !value.is_some_and(counted::is_counted)
            && Oracle::default().classify(&without_padding(value.unwrap_or_default()), key.as_deref()) != full;
        drop(key);
        self.ahead = Some(Known { offset, record, full, told });
    }
}

/// All records of a partition.
pub(crate) fn records(stage: &Stage, topic: &str, partition: usize) -> impl Iterator<Item = Record> {
    let reader = reader(stage, topic, partition as i32);
    std::iter::from_fn(move || Some(next(&reader)?.1))
}

/// The next record of a reader, with its offset; `None` at the end.
fn next(reader: &BaseConsumer) -> Option<(i64, Record)> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match reader.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => return Some((message.offset(), Record::of(&message))),
            Some(Err(KafkaError::PartitionEOF(_))) => return None,
            Some(Err(_)) | None => {}
        }
    }
    panic!("a partition cannot be read to its end");
}

/// Whether the record's short headers say what is expected, as far as they go.
fn agrees(expected: &Expected, output: &Record) -> bool {
    let says = |name: &str| output.header(name).unwrap_or_default();
    let object = output.value.as_deref().and_then(|value| serde_json::from_slice::<serde_json::Value>(value).ok());
    let object = object.and_then(|mut object| Some(object.get_mut("fingerpost")?.take())).filter(|it| it.is_object());
    let object = object.or_else(|| serde_json::from_str(&says("fingerpost")).ok()).unwrap_or_default();
    says("fingerpost-rule") == *expected.matches.first().unwrap_or(&"")
        && expected.facts.iter().all(|(name, fact)| object.get(name) == Some(fact))
        && object.get("rules").is_none_or(|rules| *rules == serde_json::json!(expected.matches))
}

fn reader(stage: &Stage, topic: &str, partition: i32) -> BaseConsumer {
    let reader: BaseConsumer = stage
        .client()
        .set("group.id", format!("{}-verdict", stage.name))
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", "16384")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    reader
}
