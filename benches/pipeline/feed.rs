//! The input: a topic for each corpus, written once, and what is known about every line of it.
//!
//! Each line has a pod as its key, one header and the time of writing. What is remembered of a line is enough to
//! recognise it again: two hashes, its length, its key, and the phrase that the generator put in.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::broker::{Broker, client};
use crate::corpus::{Kind, Lines, phrases};
use crate::settings;

/// The header of every record.
pub(crate) const HEADER: (&str, &[u8]) = ("collector", b"fluentd");
/// Pods that write the lines.
const PODS: usize = 120;
const SEED: u64 = 0x0070_6970_656c_696e;

/// Which lines, in how many partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Recipe {
    /// Of how many phrases the lines have one.
    pub(crate) phrases: usize,
    /// How many of a million lines have one.
    pub(crate) per_million: u32,
    /// Whether all lines nearly have one.
    pub(crate) near: bool,
    /// Partitions of the topic.
    pub(crate) partitions: usize,
}

impl Recipe {
    /// What the generator calls it.
    pub(crate) fn kind(self) -> Kind {
        match (self.near, self.per_million) {
            (true, per_million) => Kind::NearMiss(per_million),
            (false, 0) => Kind::Clean,
            (false, per_million) => Kind::Matching(per_million),
        }
    }

    /// The topic that holds it.
    pub(crate) fn topic(self) -> String {
        let Self { phrases, per_million, near, partitions } = self;
        format!("lines-{phrases}-{per_million}-{}-{partitions}", if near { "near" } else { "far" })
    }
}

/// A corpus that stands in its topic.
pub(crate) struct Corpus {
    /// What it is made of.
    pub(crate) recipe: Recipe,
    /// The lines of each partition, in their order.
    pub(crate) partitions: Vec<Vec<Fact>>,
    /// Lines.
    pub(crate) lines: usize,
}

/// What is known about a line.
#[derive(Clone, Copy)]
pub(crate) struct Fact {
    /// Hash of its bytes.
    pub(crate) whole: u64,
    /// Hash of its bytes but for the closing brace, where an object may be put in.
    pub(crate) stem: u64,
    /// Bytes.
    pub(crate) length: usize,
    /// Hash of its key.
    pub(crate) key: u64,
    /// The phrase that it has.
    pub(crate) phrase: Option<usize>,
}

/// The same in every run.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes)
}

/// Writes so many lines into the recipe's topic, which is created.
pub(crate) fn feed(broker: &Broker, recipe: Recipe, lines: usize) -> Result<Corpus> {
    let topic = recipe.topic();
    broker.create(&topic, recipe.partitions)?;
    let phrases = phrases(recipe.phrases);
    let landed = Landed::default();
    let writer = Writer::new(broker, &topic, landed.clone())?;
    let pods = pods();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut facts = Vec::with_capacity(lines);
    for (number, line) in Lines::new(recipe.kind(), &phrases, SEED).take(lines).enumerate() {
        let pod = &pods[random.usize(..pods.len())];
        writer.write(pod, line.json.as_bytes(), number)?;
        facts.push(fact(line.json.as_bytes(), pod, line.phrase));
    }
    writer.finish()?;
    let mut order = std::mem::take(&mut *landed.lock());
    ensure!(order.values().map(Vec::len).sum::<usize>() == lines, "{topic}: not all lines were taken");
    // Two threads note them, so they may have been noted in another order.
    order.values_mut().for_each(|lines| lines.sort_unstable());
    let in_order = |partition: usize| order.get(&partition).into_iter().flatten().map(|(_, number)| facts[*number]);
    let partitions = (0..recipe.partitions).map(|partition| in_order(partition).collect()).collect();
    Ok(Corpus { recipe, partitions, lines })
}

fn fact(line: &[u8], pod: &str, phrase: Option<usize>) -> Fact {
    let stem = hash(&line[..line.len() - 1]);
    Fact { whole: hash(line), stem, length: line.len(), key: hash(pod.as_bytes()), phrase }
}

/// The names of the pods.
pub(crate) fn pods() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(SEED);
    (0..PODS).map(|_| format!("armada-deploy-{:09x}-{:05x}", random.u32(..), random.u32(..0x10_0000))).collect()
}

/// A producer of lines into one topic.
pub(crate) struct Writer {
    topic: String,
    producer: ThreadedProducer<Landed>,
    headers: OwnedHeaders,
}

impl Writer {
    /// Into this topic; each line is noted where it lands.
    pub(crate) fn new(broker: &Broker, topic: &str, landed: Landed) -> Result<Self> {
        let mut config = client(&broker.address);
        for (key, value) in settings::FEED {
            config.set(*key, *value);
        }
        let headers = OwnedHeaders::new().insert(Header { key: HEADER.0, value: Some(HEADER.1) });
        Ok(Self { topic: topic.to_owned(), producer: config.create_with_context(landed)?, headers })
    }

    /// Sends a line, waiting while the queue is full.
    pub(crate) fn write(&self, pod: &str, line: &[u8], number: usize) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let mut record = BaseRecord::with_opaque_to(&self.topic, number)
            .key(pod)
            .payload(line)
            .headers(self.headers.clone())
            .timestamp(i64::try_from(now)?);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
                Err((error, _)) => bail!("{}: {error}", self.topic),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until all lines are there.
    pub(crate) fn finish(&self) -> Result<()> {
        Ok(self.producer.flush(Duration::from_secs(120))?)
    }
}

/// Where lines landed.
#[derive(Clone, Default)]
pub(crate) struct Landed(Arc<Mutex<Order>>);

/// The lines of each partition: their offsets and their numbers.
type Order = HashMap<usize, Vec<(i64, usize)>>;

impl Landed {
    fn lock(&self) -> std::sync::MutexGuard<'_, Order> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl ClientContext for Landed {}

impl ProducerContext for Landed {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivery: &DeliveryResult<'_>, number: usize) {
        // A line that was refused is missed when they are counted.
        if let Ok(message) = delivery
            && let Ok(partition) = usize::try_from(message.partition())
        {
            self.lock().entry(partition).or_default().push((message.offset(), number));
        }
    }
}
