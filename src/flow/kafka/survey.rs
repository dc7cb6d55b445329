//! What is there to be read: topics with their partitions, where these begin and end, what was committed. Nothing is
//! created and nothing is joined.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::reader::Context;
use super::topics::{Inquirer, Topic, check_inputs, is_regex};
use super::{LastWord, clients};
use crate::flow::{Failure, Settings};

/// One request to a broker.
const PATIENCE: Duration = Duration::from_secs(15);

/// A partition.
type Key = (Arc<str>, i32);

/// See the top of the file.
pub(crate) struct Survey {
    topics: Vec<Topic>,
    client: BaseConsumer<Context>,
    last_word: LastWord,
    /// Bytes of a record batch that the output topic takes.
    pub(crate) record_limit: usize,
}

impl Survey {
    /// Asks the brokers, for up to half a minute.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let inquirer = Inquirer::new(settings)?;
        let topics = inquirer.topics()?;
        check_inputs(&settings.input.topics, &topics)?;
        let output = &settings.output;
        let record_limit = output.record_limit.unwrap_or_else(|| inquirer.record_limit(&output.topic));
        let last_word = LastWord::default();
        let client = clients::reader(settings)
            .create_with_context(Context(last_word.clone()))
            .map_err(|error| clients::refused(settings, &error))?;
        Ok(Self { topics, client, last_word, record_limit })
    }

    /// How many partitions a topic has.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, Failure> {
        let found = self.topics.iter().find(|known| known.name == topic);
        found.map(|topic| topic.partitions).ok_or_else(|| {
            Failure::unavailable(format!("topic {topic} does not exist, or may not be seen with these credentials"))
        })
    }

    /// All partitions of the input topics. What a pattern finds leaves out Kafka's own topics and `written` ones.
    pub(crate) fn inputs(&self, settings: &Settings, written: &[&str]) -> Vec<Key> {
        let reads = |topic: &&Topic| {
            settings.input.topics.iter().any(|input| match is_regex(input) {
                true => {
                    let ours = topic.name.starts_with("__") || written.contains(&topic.name.as_str());
                    !ours && regex::Regex::new(input).is_ok_and(|pattern| pattern.is_match(&topic.name))
                }
                false => *input == topic.name,
            })
        };
        let all = |topic: &Topic| {
            let name: Arc<str> = topic.name.as_str().into();
            (0..topic.partitions).map(move |number| (name.clone(), number)).collect::<Vec<_>>()
        };
        self.topics.iter().filter(reads).flat_map(all).collect()
    }

    /// The offsets that a partition has.
    pub(crate) fn marks(&self, topic: &str, partition: i32) -> Result<Range<i64>, Failure> {
        let marks = self.client.fetch_watermarks(topic, partition, PATIENCE);
        marks.map(|(low, high)| low..high).map_err(|error| self.silent(&format!("{topic}/{partition}"), &error))
    }

    /// The first offset of each partition whose timestamp is `ms` since 1970 or later; `None` when there is none.
    pub(crate) fn at_time(&self, partitions: &[Key], ms: i64) -> Result<Vec<Option<i64>>, Failure> {
        let asked = list(partitions, Offset::Offset(ms));
        let found = asked.and_then(|asked| self.client.offsets_for_times(asked, PATIENCE));
        found.map(|found| offsets(partitions, &found)).map_err(|error| self.silent("offsets by time", &error))
    }

    /// What the group committed of each partition.
    pub(crate) fn committed(&self, partitions: &[Key]) -> Result<Vec<Option<i64>>, Failure> {
        let asked = list(partitions, Offset::Invalid);
        let found = asked.and_then(|asked| self.client.committed_offsets(asked, PATIENCE));
        found.map(|found| offsets(partitions, &found)).map_err(|error| self.silent("the group's offsets", &error))
    }

    fn silent(&self, what: &str, error: &KafkaError) -> Failure {
        // Errors of the client come out of poll.
        let _ = self.client.poll(Duration::ZERO);
        Failure::unavailable(format!("{what} could not be read ({error}){}", self.last_word.suffix()))
    }
}

fn list(partitions: &[Key], offset: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, number) in partitions {
        list.add_partition_offset(topic, *number, offset)?;
    }
    Ok(list)
}

fn offsets(partitions: &[Key], found: &TopicPartitionList) -> Vec<Option<i64>> {
    let offset = |(topic, number): &Key| match found.find_partition(topic, *number)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    partitions.iter().map(offset).collect()
}
