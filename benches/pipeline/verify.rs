//! Whether a candidate did its job: its whole output, read again, against what the generator said of the input.
//!
//! Line by line in each partition: the same key, the header, and either the same bytes, for a line without a phrase, or the
//! added object with the right rule, for one that has it. The daemon's tagged lines must be the input's bytes but for what
//! was put in before the closing brace; who writes JSON anew is not held to that. Who loses keys, headers or the order is
//! held to what is left, and the report says so.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::broker::{Broker, client};
use crate::candidate::{Program, Tag};
use crate::feed::{Corpus, Fact, HEADER, hash};
use crate::measure::Setup;

/// What one program's output is held to.
struct Demands {
    /// Key, header and place of each record.
    records: bool,
    /// Whether matching lines have the object.
    tags: bool,
    /// Whether matching lines keep their bytes.
    bytes: bool,
}

fn demands(program: Program) -> Demands {
    Demands {
        records: program != Program::Rsyslog,
        tags: !matches!(program, Program::Passthrough | Program::Preloaded),
        bytes: !matches!(program, Program::Average | Program::Streams),
    }
}

/// What is not looked at in a program's output; empty for all of it.
pub(crate) fn unchecked(program: Program) -> &'static str {
    match program {
        Program::Consumer | Program::Polled | Program::Reader => "it has no output; its committed offsets are counted",
        Program::Average | Program::Streams => "bytes of tagged lines, which are written anew",
        Program::Rsyslog => "keys, headers, partitions and order, which it loses",
        Program::Daemon(_) | Program::Passthrough | Program::Preloaded => "",
    }
}

/// Reads a cell's output.
///
/// # Errors
/// Tells the first difference.
pub(crate) fn check(broker: &Broker, setup: &Setup<'_>) -> Result<()> {
    let Setup { program, corpus, tags, job, .. } = setup;
    let demands = demands(*program);
    let reader = Reader::open(broker, &job.output, corpus.recipe.partitions)?;
    if program.is_bare_reader() {
        return reader.each(|message| bail!("offset {} of {} was written by nobody", message.offset(), job.output));
    }
    if demands.records {
        in_order(&reader, corpus, program.drops_others(), &demands, tags)
    } else {
        in_any_order(&reader, corpus, tags)
    }
}

fn in_order(reader: &Reader, corpus: &Corpus, matched: bool, demands: &Demands, tags: &[Tag]) -> Result<()> {
    let wanted = |fact: &&Fact| !matched || fact.phrase.is_some();
    let mut expected: Vec<_> = corpus.partitions.iter().map(|facts| facts.iter().filter(wanted)).collect();
    reader.each(|message| {
        let place = || format!("output, partition {}, offset {}", message.partition(), message.offset());
        let next = expected[usize::try_from(message.partition())?].next();
        let fact = next.with_context(|| format!("{}: one too many", place()))?;
        same_record(message, fact).with_context(place)?;
        let line = message.payload().unwrap_or_default();
        if let Some(phrase) = fact.phrase.filter(|_| demands.tags) {
            tagged(line, &tags[phrase]).with_context(place)?;
            ensure!(!demands.bytes || starts_as(line, fact), "{}: the line's own bytes were changed", place());
        } else {
            ensure!(hash(line) == fact.whole, "{}: not the line of the input", place());
        }
        Ok(())
    })?;
    let missing: usize = expected.into_iter().map(Iterator::count).sum();
    ensure!(missing == 0, "{missing} lines did not come out");
    Ok(())
}

/// The key and the header of the input, and none beside but the daemon's own.
fn same_record(message: &BorrowedMessage<'_>, fact: &Fact) -> Result<()> {
    ensure!(message.key().is_some_and(|key| hash(key) == fact.key), "another key");
    let headers = message.headers().context("no headers")?;
    let first = headers.iter().next().context("no header")?;
    ensure!((first.key, first.value) == (HEADER.0, Some(HEADER.1)), "another header: {}", first.key);
    let foreign = headers.iter().skip(1).find(|header| !header.key.starts_with("fingerpost"));
    ensure!(foreign.is_none(), "a header too many");
    Ok(())
}

/// The object that is added to lines with this tag.
fn tagged(line: &[u8], tag: &Tag) -> Result<()> {
    let value: serde_json::Value = serde_json::from_slice(line).context("no JSON")?;
    let rule = value["fingerpost"]["rule"].as_str().context("not tagged")?;
    ensure!(rule == tag.rule, "tagged as {rule}, not as {}", tag.rule);
    Ok(())
}

fn starts_as(line: &[u8], fact: &Fact) -> bool {
    line.get(..fact.length - 1).is_some_and(|stem| hash(stem) == fact.stem)
}

/// Without keys and order there is only the set of lines: each must come out as often as it went in.
fn in_any_order(reader: &Reader, corpus: &Corpus, tags: &[Tag]) -> Result<()> {
    let facts = || corpus.partitions.iter().flatten();
    let mut plain: HashMap<u64, i64> = HashMap::new();
    for fact in facts().filter(|fact| fact.phrase.is_none()) {
        *plain.entry(fact.whole).or_default() += 1;
    }
    let mut rules: HashMap<&str, i64> = HashMap::new();
    for phrase in facts().filter_map(|fact| fact.phrase) {
        *rules.entry(&tags[phrase].rule).or_default() += 1;
    }
    reader.each(|message| {
        let line = message.payload().unwrap_or_default();
        if let Some(count) = plain.get_mut(&hash(line)) {
            *count -= 1;
            return Ok(());
        }
        let value: serde_json::Value = serde_json::from_slice(line).context("neither of the input nor JSON")?;
        let rule = value["fingerpost"]["rule"].as_str().context("neither of the input nor tagged")?;
        *rules.get_mut(rule).with_context(|| format!("tagged as {rule}"))? -= 1;
        Ok(())
    })?;
    let off = plain.values().chain(rules.values()).filter(|count| **count != 0).count();
    ensure!(off == 0, "{off} lines or rules came out more or less often than they went in");
    Ok(())
}

struct Reader {
    consumer: BaseConsumer,
    partitions: usize,
}

impl Reader {
    fn open(broker: &Broker, topic: &str, partitions: usize) -> Result<Self> {
        let consumer: BaseConsumer = client(&broker.address)
            .set("group.id", "fingerpost-bench")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.queue.backoff.ms", "5")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions)? {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        Ok(Self { consumer, partitions })
    }

    fn each(&self, mut look: impl FnMut(&BorrowedMessage<'_>) -> Result<()>) -> Result<()> {
        let mut open = self.partitions;
        while open > 0 {
            match self.consumer.poll(Duration::from_secs(20)).context("the output cannot be read")? {
                Ok(message) => look(&message)?,
                Err(KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error) => bail!(error),
            }
        }
        Ok(())
    }
}
