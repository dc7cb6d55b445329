//! One line of a topic, and what its source said before it: read without a group, for `explain`.

use super::kafka::reader::Reader;
use super::kafka::survey::Survey;
use super::{Failure, Settings};
use crate::engine::{Engine, Memory};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Place {
    /// Reads `topic:partition:offset` or `topic/partition/offset`; `None` for any other text.
    ///
    /// ```
    /// use fingerpost::flow::glance::Place;
    ///
    /// let place = Place { topic: "logs".into(), partition: 0, offset: 17 };
    /// assert_eq!(Place::parse("logs:0:17"), Some(place.clone()));
    /// assert_eq!(Place::parse("logs/0/17"), Some(place));
    /// assert_eq!(Place::parse("GET /0/17"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let separator = if text.contains('/') { '/' } else { ':' };
        let mut parts = text.split(separator);
        let (topic, partition, offset) = (parts.next()?, parts.next()?, parts.next()?);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = !topic.is_empty() && topic.chars().all(is_name) && is_number(partition) && is_number(offset);
        (fits && parts.next().is_none()).then_some(())?;
        Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    }
}

/// What was found.
#[derive(Debug)]
pub struct Glance {
    /// The line; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its key, when that is not empty: what its memory is kept by if it names no source.
    pub source: Option<String>,
    /// What sources said up to the line, which is the next one.
    pub memory: Memory,
    /// The first offset that was read.
    pub from: i64,
}

/// Reads a line, and up to `before` lines before it. `progress` hears how many records were read since it was called last.
///
/// # Errors
/// Brokers that are not there; a topic, partition or offset that they do not have.
pub fn glance(
    engine: &Engine,
    settings: &Settings,
    place: &Place,
    before: u64,
    progress: &dyn Fn(u64),
) -> Result<Glance, Failure> {
    let Place { topic, partition, offset } = place;
    let survey = Survey::new(settings)?;
    let count = survey.partitions(topic)?;
    if *partition >= count {
        return Err(Failure::unavailable(format!("topic {topic} has partitions 0 to {}, not {partition}", count - 1)));
    }
    let marks = survey.marks(topic, *partition)?;
    if !marks.contains(offset) {
        let has = if marks.is_empty() {
            "is empty".to_owned()
        } else {
            format!("has offsets {} to {}", marks.start, marks.end - 1)
        };
        return Err(Failure::unavailable(format!("{topic}/{partition} {has}; there is no line at {offset}")));
    }
    let from = marks.start.max(offset.saturating_sub_unsigned(before));
    let mut memory = engine.memory();
    for record in Reader::new(settings, (topic, *partition), (from, offset + 1), progress)? {
        let record = record?;
        memory.turn_to(record.offset);
        let key = record.key.filter(|key| !key.is_empty());
        let source = key.map(|key| String::from_utf8_lossy(&key).into_owned());
        if record.offset == *offset {
            return Ok(Glance { value: record.value, source, memory, from });
        }
        if let Some(value) = record.value {
            engine.classify(&value, source.as_deref(), &mut memory);
        }
    }
    Err(Failure::unavailable(format!(
        "{topic}/{partition} has no line at {offset}: it was compacted away, or stands for the end of a transaction, or for \
         one that was aborted or is still open"
    )))
}
