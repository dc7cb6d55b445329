//! The lines that go in: by the million, from a seed, so that nobody has to keep them. Who checks makes them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer};

use super::it::records::{Record, make};

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
}

/// How far in the future.
const FUTURE_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;

impl Feed {
    /// Every line of a partition, in order.
    pub(crate) fn partition(self, partition: usize) -> impl Iterator<Item = Record> + Send {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_mul(1_000_003) + partition as u64);
        (0..self.length(partition)).map(move |sequence| Record {
            timestamp: self.timestamp(sequence),
            ..make(&mut random, partition, sequence, BASE)
        })
    }

    /// Of a line of any partition.
    pub(crate) fn timestamp(self, sequence: usize) -> i64 {
        let is_refused = self.refused > 0 && sequence % self.refused == self.refused / 2;
        BASE + sequence as i64 + if is_refused { FUTURE_MS } else { 0 }
    }

    /// Whether the output does not take it.
    pub(crate) fn is_refused(record: &Record) -> bool {
        record.timestamp >= BASE + FUTURE_MS
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
    pub(crate) fn start(feed: Feed, topic: &str, producer: BaseProducer) -> Self {
        let (allowed, sent, given_up) = <(Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let (topic, leave, count, over) = (topic.to_owned(), allowed.clone(), sent.clone(), given_up.clone());
        let thread = std::thread::spawn(move || {
            let mut partitions: Vec<_> = (0..feed.partitions).map(|partition| feed.partition(partition)).collect();
            for n in 0..feed.lines {
                while n as u64 >= leave.load(Relaxed) {
                    if over.load(Relaxed) {
                        return;
                    }
                    producer.poll(Duration::from_millis(5));
                }
                let partition = n % feed.partitions;
                partitions[partition].next().unwrap().send(&producer, &topic, partition as i32);
                count.store(n as u64 + 1, Relaxed);
            }
            producer.flush(Duration::from_secs(120)).unwrap();
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
