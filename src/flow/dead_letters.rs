//! The dead-letter topic, read back: which lines lie there and why, and their way back into the stream.
//!
//! A dead letter is the line as it came, with headers that say where from (`fingerpost-source`) and why
//! (`fingerpost-dead-letter-reason`). Its own timestamp is when it became one, as topics refuse records that are too old or
//! come from the future; the line's stands in `fingerpost-timestamp`. One that not even the dead-letter topic took is a reference: it has no value, but
//! `fingerpost-dead-letter-size`, and the line itself is still in the input, until that forgets it.
//!
//! Replaying remembers, in a consumer group of its own (`<group>.dead-letter`), up to where it came, and does so in the
//! transactions that carry the lines: however often it is stopped and started, each dead letter is sent once.

use super::kafka::letters;
use super::record::Name;
use super::transport::Partition;
use super::{Failure, Settings};

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Partition of the dead-letter topic.
    pub partition: i32,
    /// Offset there.
    pub offset: i64,
    /// Input topic of the line.
    pub source_topic: String,
    /// Input partition of the line.
    pub source_partition: i32,
    /// Offset of the line there.
    pub source_offset: i64,
    /// Why it is here, as its header says.
    pub reason: String,
    /// Bytes of the line's value.
    pub size: usize,
    /// Only a reference: the line itself has to be read from the input.
    pub reference: bool,
    /// Kafka's timestamp of the line, milliseconds since 1970; negative when it has none.
    pub timestamp_ms: i64,
    /// When it became a dead letter, milliseconds since 1970; negative where that is not known.
    pub dead_since_ms: i64,
}

impl Letter {
    /// From the headers of a record; `None` when it is none of ours.
    pub(crate) fn of<'h>(
        partition: i32,
        offset: i64,
        timestamp_ms: i64,
        size: usize,
        header: impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Option<Self> {
        let text = |name: Name| header(name.text()).and_then(|value| std::str::from_utf8(value).ok());
        // A topic's name has no slash.
        let mut source = text(Name::Source)?.splitn(3, '/');
        let (source_topic, number, at) = (source.next()?.to_owned(), source.next()?, source.next()?);
        let original = text(Name::Size).and_then(|size| size.parse().ok());
        Some(Self {
            partition,
            offset,
            source_topic,
            source_partition: number.parse().ok()?,
            source_offset: at.parse().ok()?,
            reason: text(Name::Reason).unwrap_or_default().to_owned(),
            size: original.unwrap_or(size),
            reference: original.is_some(),
            // An earlier version gave dead letters the line's timestamp, and no header that tells it.
            timestamp_ms: text(Name::Timestamp).and_then(|time| time.parse().ok()).unwrap_or(timestamp_ms),
            dead_since_ms: timestamp_ms,
        })
    }

    /// Where the line stands in the input.
    pub(crate) fn source(&self) -> Partition {
        Partition { topic: self.source_topic.as_str().into(), number: self.source_partition }
    }
}

/// What came of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Lines sent.
    pub sent: u64,
    /// References whose lines the input has no longer.
    pub gone: u64,
    /// Records that are no dead letters of ours.
    pub foreign: u64,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those not replayed yet.
    New,
    /// All that the topic still has.
    All,
}

/// Which timestamp lines have that are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// The line's own, as it came.
    Original,
    /// The time of now, for a topic that refuses the line's own.
    Now,
}

/// Tells every dead letter, partition by partition, oldest first. Must not be called on a tokio thread.
///
/// # Errors
/// When no dead-letter topic is configured, or the brokers do not let it be read.
pub fn list(settings: &Settings, which: Which, tell: &mut dyn FnMut(&Letter)) -> Result<(), Failure> {
    letters::list(settings, topic(settings)?, which, tell)
}

/// Sends dead letters again: each to the topic and partition that it came from, or to `to`, as it was, without the
/// headers that it was given, and with its own timestamp or that of now. `progress` is told how many of how many are done. Must not be called on a tokio thread.
///
/// # Errors
/// When no dead-letter topic is configured, or the brokers refuse. What was sent until then is remembered.
pub fn replay(
    settings: &Settings,
    which: Which,
    to: (Option<&str>, Timestamps),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, Failure> {
    letters::replay(settings, topic(settings)?, which, to, progress)
}

fn topic(settings: &Settings) -> Result<&str, Failure> {
    let missing = || Failure::config("no dead-letter topic is configured; name it as dead_letter.topic".to_owned());
    settings.dead_letter.as_deref().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_known_by_its_headers() {
        let headers: &[(&str, &str)] =
            &[("fingerpost-source", "logs.eu/3/77"), ("fingerpost-dead-letter-reason", "why")];
        let find = |all: &'static [(&str, &str)]| {
            move |name: &str| all.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes())
        };
        let letter =
            Letter::of(1, 5, 9, 40, |name| headers.iter().find(|(key, _)| *key == name).map(|(_, v)| v.as_bytes()));
        let letter = letter.unwrap();
        assert_eq!((&*letter.source_topic, letter.source_partition, letter.source_offset), ("logs.eu", 3, 77));
        assert_eq!((&*letter.reason, letter.size, letter.reference), ("why", 40, false));
        assert_eq!((letter.timestamp_ms, letter.dead_since_ms), (9, 9), "as earlier versions wrote it");
        let timed = &[("fingerpost-source", "logs/0/1"), ("fingerpost-timestamp", "4102444800000")];
        let letter = Letter::of(0, 0, 9, 0, find(timed)).unwrap();
        assert_eq!((letter.timestamp_ms, letter.dead_since_ms), (4_102_444_800_000, 9));
        let reference = &[("fingerpost-source", "logs/0/1"), ("fingerpost-dead-letter-size", "5000000")];
        let letter = Letter::of(0, 0, -1, 0, find(reference)).unwrap();
        assert_eq!((letter.size, letter.reference), (5_000_000, true));
        for source in ["logs", "logs/x/1", "logs/1/", ""] {
            let header = |name: &str| (name == "fingerpost-source").then_some(source.as_bytes());
            assert_eq!(Letter::of(0, 0, 0, 0, header), None, "{source}");
        }
    }
}
