//! A record that came back: as it was sent, so that it can be sent again although its line is gone from memory.

use std::borrow::Cow;

use super::record::{Name, Record, Step};
use super::transport::To;

/// A header as it stands on the wire; its name need not be text.
pub(crate) type Header = (Vec<u8>, Option<Vec<u8>>);

/// See the top of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Returned {
    /// Which of its producer's records it was, from the first on: what came back out of order goes again in it.
    pub(crate) sequence: u64,
    /// The topic that it is for.
    pub(crate) to: To,
    /// Partition of that topic.
    pub(crate) partition: i32,
    /// Null and empty are two things.
    pub(crate) key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub(crate) timestamp_ms: i64,
    /// All of them, those of the line first.
    pub(crate) headers: Vec<Header>,
    /// Headers of ours that go behind them.
    pub(crate) added: Vec<(Name, Vec<u8>)>,
}

impl Returned {
    /// One that was not even taken: it goes behind all that were. `headers` are those of the line.
    pub(crate) fn of(record: &Record<'_>, headers: Vec<Header>) -> Self {
        Self {
            sequence: u64::MAX,
            to: record.to,
            partition: record.partition,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.as_deref().map(<[u8]>::to_vec),
            timestamp_ms: record.timestamp_ms,
            headers: record.own.iter().cloned().chain(headers).collect(),
            added: record.added.clone(),
        }
    }

    /// To be sent again.
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            to: self.to,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref().map(Cow::Borrowed),
            timestamp_ms: self.timestamp_ms,
            header_bytes: self.headers.iter().map(|(name, value)| size_of(name, value.as_deref())).sum(),
            own: &self.headers,
            added: self.added.clone(),
            step: Step::Bare,
        }
    }
}

fn size_of(name: &[u8], value: Option<&[u8]>) -> usize {
    10 + name.len() + value.map_or(0, <[u8]>::len)
}
