//! Reading the dead-letter topic from where the last replay came to, and sending lines again in transactions.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::asking::Context;
use super::lookup::Lookup;
use super::{Code, clients};
use crate::flow::dead_letters::{Letter, Replayed, Timestamps, Which};
use crate::flow::record::is_ours;
use crate::flow::status::now_ms;
use crate::flow::{Failure, Settings};
use crate::telemetry::caught;

const PATIENCE: Duration = Duration::from_secs(10);
/// Without a record or the end of a partition for this long, the brokers are not there.
const SILENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// Letters of one transaction.
const BATCH: usize = 500;

type Client = BaseConsumer<Context>;

/// What is in one partition of the topic, from a first offset to before a last one.
struct Stretch {
    number: i32,
    from: i64,
    to: i64,
}

struct Letters<'s> {
    settings: &'s Settings,
    topic: &'s str,
    group: String,
    consumer: Client,
}

impl<'s> Letters<'s> {
    fn open(settings: &'s Settings, topic: &'s str) -> Result<Self, Failure> {
        let group = format!("{}.dead-letter", settings.kafka.group_id);
        let consumer = clients::lookup(settings, "read_committed")
            .set("group.id", &group)
            .create_with_context(Context)
            .map_err(|error| clients::refused(settings, &error))?;
        Ok(Self { settings, topic, group, consumer })
    }

    fn failed(&self, what: &str, error: &KafkaError) -> Failure {
        Failure::unavailable(format!("dead-letter topic {}: {what}: {error}", self.topic))
    }

    /// What there is to read, partition by partition. The ends are those of this moment.
    fn stretches(&self, which: Which) -> Result<Vec<Stretch>, Failure> {
        let failed = |error: KafkaError| self.failed("cannot be looked at", &error);
        // All of them, as asking for one by name may create it.
        let metadata = self.consumer.fetch_metadata(None, PATIENCE).map_err(failed)?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == self.topic) else {
            return Err(Failure::unavailable(format!(
                "dead-letter topic {} does not exist; the daemon creates it when it starts",
                self.topic
            )));
        };
        let numbers: Vec<i32> = topic.partitions().iter().map(|partition| partition.id()).collect();
        let mut asked = TopicPartitionList::new();
        for number in &numbers {
            asked.add_partition(self.topic, *number);
        }
        let committed = match which {
            Which::All => None,
            Which::New => Some(self.consumer.committed_offsets(asked, PATIENCE).map_err(failed)?),
        };
        numbers
            .into_iter()
            .map(|number| {
                let (low, high) = self.consumer.fetch_watermarks(self.topic, number, PATIENCE).map_err(failed)?;
                let committed = committed.as_ref().and_then(|list| list.find_partition(self.topic, number));
                let from = match committed.map(|element| element.offset()) {
                    Some(Offset::Offset(offset)) => offset.max(low),
                    _ => low,
                };
                Ok(Stretch { number, from, to: high })
            })
            .collect()
    }

    fn read(
        &self,
        stretch: &Stretch,
        tell: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if stretch.from >= stretch.to {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, stretch.number, Offset::Offset(stretch.from))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|error| self.failed("cannot be read", &error))?;
        let mut deadline = Instant::now() + SILENCE;
        while Instant::now() < deadline {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) if message.offset() >= stretch.to => return Ok(()),
                Some(Ok(message)) => {
                    tell(&message)?;
                    deadline = Instant::now() + SILENCE;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if error.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed) => {
                    return Err(self.failed("may not be read; grant READ and DESCRIBE on it", &error));
                }
                _ => {}
            }
        }
        Err(Failure::unavailable(format!(
            "dead-letter topic {} partition {}: nothing came within {} s",
            self.topic,
            stretch.number,
            SILENCE.as_secs()
        )))
    }
}

fn letter_of(message: &BorrowedMessage<'_>) -> Option<Letter> {
    // Ours are the last ones, and the client library panics at names that are not UTF-8, which a line's own may be.
    let find = |name: &str| {
        let headers = message.headers()?;
        (0..headers.count()).rev().find_map(|index| {
            let header = caught(AssertUnwindSafe(|| headers.get(index))).ok()?;
            (header.key == name).then_some(header.value)?
        })
    };
    let size = message.payload().map_or(0, <[u8]>::len);
    let timestamp_ms = message.timestamp().to_millis().unwrap_or(-1);
    Letter::of(message.partition(), message.offset(), timestamp_ms, size, find)
}

pub(crate) fn list(
    settings: &Settings,
    topic: &str,
    which: Which,
    tell: &mut dyn FnMut(&Letter),
) -> Result<(), Failure> {
    let letters = Letters::open(settings, topic)?;
    for stretch in letters.stretches(which)? {
        letters.read(&stretch, &mut |message| {
            letter_of(message).iter().for_each(&mut *tell);
            Ok(())
        })?;
    }
    Ok(())
}

pub(crate) fn replay(
    settings: &Settings,
    topic: &str,
    which: Which,
    to: (Option<&str>, Timestamps),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, Failure> {
    let letters = Letters::open(settings, topic)?;
    // The producer first: being ready, it has ended what an earlier replay left open, and stopped one that still runs.
    let mut replay = Replay::open(&letters, to, progress)?;
    let stretches = letters.stretches(which)?;
    let total: i64 = stretches.iter().map(|stretch| (stretch.to - stretch.from).max(0)).sum();
    replay.total = total as u64;
    for stretch in &stretches {
        letters.read(stretch, &mut |message| replay.take(message))?;
        replay.commit()?;
    }
    Ok(replay.count)
}

struct Replay<'l, 'p> {
    letters: &'l Letters<'l>,
    to: Option<&'l str>,
    timestamps: Timestamps,
    producer: BaseProducer<Context>,
    lookup: Lookup,
    /// Partitions of the topic that `to` names.
    partitions: i32,
    /// The offset behind the last letter of the open transaction, and how many it has.
    next: Option<(i32, i64)>,
    open: usize,
    count: Replayed,
    done: u64,
    total: u64,
    progress: &'p mut dyn FnMut(u64, u64),
}

impl<'l, 'p> Replay<'l, 'p> {
    fn open(
        letters: &'l Letters<'l>,
        (to, timestamps): (Option<&'l str>, Timestamps),
        progress: &'p mut dyn FnMut(u64, u64),
    ) -> Result<Self, Failure> {
        let settings = letters.settings;
        let producer: BaseProducer<Context> = clients::replayer(settings, &letters.group)
            .create_with_context(Context)
            .map_err(|error| clients::refused(settings, &error))?;
        producer
            .init_transactions(SILENCE)
            .map_err(|error| Failure::unavailable(format!("lines cannot be sent again: {error}")))?;
        let partitions = match to {
            Some(to) => {
                partitions(&letters.consumer, to).map_err(|error| letters.failed("cannot be sent on", &error))?
            }
            None => 1,
        };
        let lookup = Lookup::new(settings);
        let count = Replayed::default();
        Ok(Self {
            letters,
            to,
            timestamps,
            producer,
            lookup,
            partitions,
            next: None,
            open: 0,
            count,
            done: 0,
            total: 0,
            progress,
        })
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<(), Failure> {
        if self.next.is_none() {
            self.producer.begin_transaction().map_err(|error| refused(&error))?;
        }
        self.next = Some((message.partition(), message.offset() + 1));
        match letter_of(message) {
            Some(letter) if letter.reference => match self.lookup.find(&letter.source(), letter.source_offset)? {
                Some(line) => self.send(&letter, &line)?,
                None => {
                    let Letter { source_topic, source_partition, source_offset, .. } = &letter;
                    tracing::warn!(
                        "{source_topic}/{source_partition}/{source_offset}: the line of a dead letter is gone"
                    );
                    self.count.gone += 1;
                }
            },
            Some(letter) => self.send(&letter, &message.detach())?,
            None => self.count.foreign += 1,
        }
        self.open += 1;
        if self.open >= BATCH { self.commit() } else { Ok(()) }
    }

    fn send(&mut self, letter: &Letter, line: &OwnedMessage) -> Result<(), Failure> {
        let topic = self.to.unwrap_or(&letter.source_topic);
        let partition = match self.to {
            Some(_) => letter.source_partition.rem_euclid(self.partitions.max(1)),
            None => letter.source_partition,
        };
        let mut record = BaseRecord::to(topic).partition(partition);
        record.key = line.key();
        record.payload = line.payload();
        record.timestamp = match self.timestamps {
            // The client takes 0 for "now".
            Timestamps::Original => (letter.timestamp_ms >= 0).then_some(letter.timestamp_ms.max(1)),
            Timestamps::Now => Some(now_ms()),
        };
        record.headers = line.headers().map(|headers| {
            let kept =
                || headers.iter().filter(|header| !is_ours(header.key)).fold(OwnedHeaders::new(), OwnedHeaders::insert);
            // With a name that is not UTF-8 among them, all are kept; the daemon takes ours off again.
            caught(AssertUnwindSafe(kept)).unwrap_or_else(|_| headers.clone())
        });
        while let Err((error, back)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(refused(&error));
            }
            self.producer.poll(POLL);
            record = back;
        }
        self.producer.poll(Duration::ZERO);
        self.count.sent += 1;
        Ok(())
    }

    /// The lines and the place they were read to count together.
    fn commit(&mut self) -> Result<(), Failure> {
        let Some((partition, offset)) = self.next.take() else { return Ok(()) };
        self.try_commit(partition, offset).map_err(|error| refused(&error))?;
        self.done += std::mem::take(&mut self.open) as u64;
        (self.progress)(self.done, self.total);
        Ok(())
    }

    fn try_commit(&self, partition: i32, offset: i64) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(self.letters.topic, partition, Offset::Offset(offset))?;
        self.producer.flush(SILENCE)?;
        if let Some(member) = self.letters.consumer.group_metadata() {
            self.producer.send_offsets_to_transaction(&offsets, &member, SILENCE)?;
        }
        self.producer.commit_transaction(SILENCE)
    }
}

fn refused(error: &KafkaError) -> Failure {
    Failure::unavailable(format!(
        "sending lines again was refused: {error}. What was committed until now is remembered; the rest is sent the next time"
    ))
}

fn partitions(consumer: &Client, topic: &str) -> KafkaResult<i32> {
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let found = metadata.topics().iter().find(|other| other.name() == topic);
    let missing = KafkaError::MetadataFetch(Code::UnknownTopicOrPartition);
    found.map(|topic| topic.partitions().len() as i32).ok_or(missing)
}
