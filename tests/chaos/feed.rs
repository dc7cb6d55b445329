//! The lines that go in: by the million, from a seed, so that nobody has to keep them. Who checks makes them again.
//!
//! A wild feed is what an input may be at its worst. Lines that alerts count are among the others, and some of those come late
//! in a burst; some records are far ahead of their neighbours; and all of it is written in transactions, of which every
//! fourth is followed by one that is aborted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, Producer};

use super::counted;
use super::it::records::{Record, make};
use super::it::stage::{PATIENCE, Stage};

/// Timestamp of the first line of each partition; each further one is a millisecond later, and so tells its number.
pub(crate) const BASE: i64 = 1_790_000_000_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Feed {
    pub(crate) seed: u64,
    pub(crate) partitions: usize,
    /// Over all partitions.
    pub(crate) lines: usize,
    /// Of each partition, one line in so many comes from the future, where the output does not take it; 0: none.
    pub(crate) refused: usize,
    /// See the top of the file; the timestamp of the first line then.
    pub(crate) wild: Option<i64>,
}

const MINUTE_MS: i64 = 60_000;
/// How far in the future.
const FUTURE_MS: i64 = 10 * 365 * 24 * 60 * MINUTE_MS;
/// How long ago a wild feed begins: a leap is one ahead of the other lines, and no time yet to come.
const AGO_MS: i64 = 40 * MINUTE_MS;
/// One line in so many leaps as far as half an hour into the future, and two of them by less: two bear each other out.
const LEAP_EVERY: usize = 6_000;
const LEAP_AT: usize = 1_500;
const PAIR_AT: usize = 3_501;
const LEAP_MS: i64 = 70 * MINUTE_MS;
const PAIR_MS: i64 = 20 * MINUTE_MS;
/// Lines of a transaction.
const TRANSACTION: usize = 2_000;
/// Of a transaction that is aborted.
const ABORTED: usize = 20;
/// After how many others one is aborted.
const ABORTED_EVERY: usize = 4;

impl Feed {
    /// When the first line of a wild feed happened that begins now.
    pub(crate) fn wild() -> Option<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        Some(now - AGO_MS)
    }

    /// Every line of a partition, in order.
    pub(crate) fn partition(self, partition: usize) -> impl Iterator<Item = Record> + Send {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_mul(1_000_003) + partition as u64);
        (0..self.length(partition)).map(move |sequence| {
            let record = make(&mut random, partition, sequence, BASE);
            let counted = self.wild.and_then(|_| counted::line(self, partition, sequence));
            let value = counted.map_or(record.value, |line| Some(line.json().into()));
            Record { timestamp: self.timestamp(sequence), value, ..record }
        })
    }

    /// Timestamp of the first line of each partition.
    pub(crate) fn base(self) -> i64 {
        self.wild.unwrap_or(BASE)
    }

    /// Of a line of any partition.
    pub(crate) fn timestamp(self, sequence: usize) -> i64 {
        let is_refused = self.refused > 0 && sequence % self.refused == self.refused / 2;
        let leaps = |at: usize| self.wild.is_some() && sequence % LEAP_EVERY == at;
        let ahead = match () {
            () if is_refused => FUTURE_MS,
            () if leaps(LEAP_AT) => LEAP_MS,
            () if leaps(PAIR_AT) || leaps(PAIR_AT + 1) => PAIR_MS,
            () => 0,
        };
        self.base() + sequence as i64 + ahead
    }

    /// Whether the output does not take it.
    pub(crate) fn is_refused(self, record: &Record) -> bool {
        record.timestamp >= self.base() + FUTURE_MS
    }

    pub(crate) fn length(self, partition: usize) -> usize {
        (self.lines + self.partitions - 1 - partition) / self.partitions
    }
}

/// Sends a feed to a topic, as far as it is let.
pub(crate) struct Feeder {
    allowed: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    given_up: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    /// To the input of a stage.
    pub(crate) fn start(feed: Feed, stage: &Stage) -> Self {
        let (allowed, sent, given_up) = <(Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let (leave, count, over) = (allowed.clone(), sent.clone(), given_up.clone());
        let mut writer = Writer::new(feed, stage);
        let thread = std::thread::spawn(move || {
            let mut partitions: Vec<_> = (0..feed.partitions).map(|partition| feed.partition(partition)).collect();
            for n in 0..feed.lines {
                if n as u64 >= leave.load(Relaxed) {
                    writer.commit();
                }
                while n as u64 >= leave.load(Relaxed) {
                    if over.load(Relaxed) {
                        return;
                    }
                    writer.producer.poll(Duration::from_millis(5));
                }
                let partition = n % feed.partitions;
                writer.send(&partitions[partition].next().unwrap(), partition as i32);
                count.store(n as u64 + 1, Relaxed);
            }
            writer.finish();
        });
        Self { allowed, sent, given_up, thread: Some(thread) }
    }

    /// So many lines, from the first on, may go.
    pub(crate) fn allow(&self, lines: u64) {
        self.allowed.fetch_max(lines, Relaxed);
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Waits until all of it is on the topic.
    pub(crate) fn finish(&mut self) {
        self.allow(u64::MAX);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.given_up.store(true, Relaxed);
    }
}

/// Who writes the lines.
struct Writer {
    producer: BaseProducer,
    topic: String,
    /// Writes in transactions.
    is_wild: bool,
    partitions: usize,
    /// Lines of the transaction that is open; none is where there are none.
    open: usize,
    /// Transactions that were committed.
    committed: usize,
}

impl Writer {
    fn new(feed: Feed, stage: &Stage) -> Self {
        let is_wild = feed.wild.is_some();
        let producer = if is_wild { transactional(stage) } else { stage.producer() };
        Self { producer, topic: stage.name.clone(), is_wild, partitions: feed.partitions, open: 0, committed: 0 }
    }

    fn send(&mut self, record: &Record, partition: i32) {
        if self.is_wild && self.open == 0 {
            self.producer.begin_transaction().unwrap();
        }
        record.send(&self.producer, &self.topic, partition);
        self.open += 1;
        if self.open == TRANSACTION {
            self.commit();
        }
    }

    /// Commits the transaction that is open, if one is; at times one follows that comes to nothing.
    fn commit(&mut self) {
        if !self.is_wild || self.open == 0 {
            return;
        }
        self.end(|producer| producer.commit_transaction(PATIENCE));
        self.committed += 1;
        if self.committed.is_multiple_of(ABORTED_EVERY) {
            self.abort_some();
        }
    }

    fn abort_some(&mut self) {
        self.producer.begin_transaction().unwrap();
        for n in 0..ABORTED {
            // By its time it is nobody's line, wherever it comes out.
            let partition = (self.committed + n) % self.partitions;
            Record::plain("{\"msg\":\"aborted\"}", 1).send(&self.producer, &self.topic, partition as i32);
        }
        self.end(|producer| producer.abort_transaction(PATIENCE));
    }

    /// What was committed last can be read only when its markers are written, and before that no other transaction begins.
    fn finish(&mut self) {
        self.commit();
        if self.is_wild {
            self.abort_some();
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Ends a transaction, however long the broker is away.
    fn end(&mut self, how: impl Fn(&BaseProducer) -> KafkaResult<()>) {
        loop {
            let _ = self.producer.flush(PATIENCE);
            match how(&self.producer) {
                Ok(()) => break,
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(error) => panic!("the feeder's transaction: {error}"),
            }
        }
        self.open = 0;
    }
}

fn transactional(stage: &Stage) -> BaseProducer {
    let mut config = stage.client();
    config.set("transactional.id", format!("{}-feeder", stage.name)).set("linger.ms", "20");
    // A broker that is away for a while is not the end of it.
    config.set("transaction.timeout.ms", "600000").set("message.max.bytes", "1048588");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}
