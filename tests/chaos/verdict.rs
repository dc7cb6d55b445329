//! What became of every line: read back offset by offset, as a reader of committed records sees it, and held against
//! the same lines made anew and the oracle's word on each.
//!
//! A partition is read once from end to end. What is due next, and what came before it within a window, is all that is
//! kept, so ten million lines are no more than ten thousand.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::feed::{BASE, Feed};
use super::it::oracle::{Expected, Oracle};
use super::it::records::{Record, check_value, is_plain};
use super::it::stage::Stage;

/// A line may be repeated from so far back and still be compared with what it was.
const WINDOW: usize = 1 << 16;

/// The judgement on one partition, or on all.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lines: usize,
    pub(crate) lost: usize,
    pub(crate) out_of_order: usize,
    /// Repeats, each by the offset on the output at which it stands, per partition.
    pub(crate) repeated: Vec<Vec<i64>>,
    /// Lines that are not what they must be: the first few, in words.
    pub(crate) wrong: Vec<String>,
    /// Lines whose finding rests on what their source said before somebody else took over, and that say so.
    pub(crate) forgotten: usize,
}

/// One input line, with what may be said of it.
struct Known {
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
                .map(|partition| scope.spawn(move || Reading::new(feed, partition, remembers).read(stage)))
                .collect();
            parts.into_iter().map(|part| part.join().unwrap()).collect()
        });
        parts.into_iter().fold(Self::default(), |mut sum, part| {
            sum.lines += part.lines;
            sum.lost += part.lost;
            sum.out_of_order += part.out_of_order;
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

struct Reading<I> {
    partition: usize,
    remembers: bool,
    inputs: I,
    oracle: Oracle,
    /// Lines `first..due`.
    window: VecDeque<Known>,
    first: usize,
    due: usize,
    missing: BTreeSet<usize>,
    verdict: Verdict,
    repeated: Vec<i64>,
}

impl Reading<()> {
    fn new(feed: Feed, partition: usize, remembers: bool) -> Reading<impl Iterator<Item = Record>> {
        Reading {
            partition,
            remembers,
            inputs: feed.partition(partition),
            oracle: Oracle::default(),
            window: VecDeque::new(),
            first: 0,
            due: 0,
            missing: BTreeSet::new(),
            verdict: Verdict::default(),
            repeated: Vec::new(),
        }
    }
}

impl<I: Iterator<Item = Record>> Reading<I> {
    fn read(mut self, stage: &Stage) -> Verdict {
        let reader = reader(stage, self.partition as i32);
        let deadline = Instant::now() + Duration::from_secs(1800);
        loop {
            assert!(Instant::now() < deadline, "partition {} could not be read to its end", self.partition);
            match reader.poll(Duration::from_millis(500)) {
                Some(Ok(message)) => self.line(stage, message.offset(), &Record::of(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(_)) | None => {}
            }
        }
        let before = self.due;
        while self.next() {}
        self.verdict.lines = self.due;
        self.verdict.lost = self.missing.len() + self.due - before;
        self.verdict.repeated = vec![self.repeated];
        self.verdict
    }

    fn line(&mut self, stage: &Stage, offset: i64, output: &Record) {
        let partition = format!("{}/{}", stage.name, self.partition);
        let Ok(sequence) = usize::try_from(output.timestamp - BASE) else {
            return self.complain(format!("{partition}: timestamp {} is nobody's", output.timestamp));
        };
        if sequence < self.due && self.missing.remove(&sequence) {
            self.verdict.out_of_order += 1;
        } else if sequence < self.due {
            self.repeated.push(offset);
        }
        while self.due <= sequence {
            self.missing.insert(self.due);
            if !self.next() {
                return self.complain(format!("{partition}/{sequence} was never sent"));
            }
        }
        if sequence + 1 == self.due {
            self.missing.remove(&sequence);
        }
        let Some(known) = sequence.checked_sub(self.first).and_then(|index| self.window.get(index)) else {
            return self.complain(format!("{partition}/{sequence} came again when {} was due", self.due));
        };
        let place = format!("{partition}/{sequence}");
        // Without a state topic, whoever takes over knows some of what was said earlier, or nothing.
        if known.told && !agrees(&known.full, output) {
            self.verdict.forgotten += 1;
            return;
        }
        let held = catch_unwind(AssertUnwindSafe(|| {
            assert_eq!(output.key, known.record.key, "{place}: its key");
            check_value(&known.full, &known.record, output, &place);
        }));
        if held.is_err() {
            self.complain(place);
        }
    }

    fn complain(&mut self, what: String) {
        if self.verdict.wrong.len() < 5 {
            self.verdict.wrong.push(what);
        }
    }

    /// Makes the next line that is due; false when there is none.
    fn next(&mut self) -> bool {
        let Some(record) = self.inputs.next() else { return false };
        let key = record.key.as_deref().filter(|key| !key.is_empty()).map(String::from_utf8_lossy);
        let value = record.value.as_deref();
        let full = match value {
            None => Expected::default(),
            Some(line) if is_plain(line) => Expected { is_object: true, ..Expected::default() },
            Some(line) => self.oracle.classify(line, key.as_deref()),
        };
        let told = !self.remembers
            && !full.matches.is_empty()
            && Oracle::default().classify(value.unwrap_or_default(), key.as_deref()) != full;
        drop(key);
        self.window.push_back(Known { record, full, told });
        self.due += 1;
        if self.window.len() > WINDOW {
            self.window.pop_front();
            self.first += 1;
        }
        true
    }
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

fn reader(stage: &Stage, partition: i32) -> BaseConsumer {
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
    list.add_partition_offset(&stage.output(), partition, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    reader
}
