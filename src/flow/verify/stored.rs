//! A record as a topic has it, and what is kept of it once its bytes are gone: digests, part by part.
//!
//! Two records are compared by digest, so that a window of half a million lines fits in memory whatever the lines are
//! like. Digests are the first 128 bits of a SHA-256 over the parts with their lengths: null, empty and absent differ.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::engine::Engine;
use crate::flow::Place;
use crate::flow::record::{self, Line, Name, Seen};

/// A header: name and value.
pub(crate) type Header = (String, Option<Vec<u8>>);

/// A record as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its partition.
    pub(crate) partition: i32,
    /// Its offset there.
    pub(crate) offset: i64,
    /// Null and empty are two things.
    pub(crate) key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    /// Milliseconds since 1970; negative when the record has none.
    pub(crate) timestamp_ms: i64,
    /// The timestamp is the broker's own, from when the record was written.
    pub(crate) appended: bool,
    /// `None`: there are names that are not UTF-8, which the client cannot show.
    pub(crate) headers: Option<Vec<Header>>,
}

impl Stored {
    /// As the daemon sees it.
    pub(super) fn line<'s>(&'s self, topic: &'s str) -> Line<'s> {
        let mut headers = record::Headers::default();
        self.headers.iter().flatten().for_each(|(name, value)| headers.see(name, value.as_deref()));
        Line {
            topic,
            partition: self.partition,
            offset: self.offset,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp_ms: self.timestamp_ms,
            headers: Seen::Known(headers),
        }
    }

    /// The value of a header of ours.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().flatten().find(|(known, _)| known == name)?;
        value.as_deref()
    }

    /// The headers that are not ours.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.headers.iter().flatten().filter(|(name, _)| !record::is_ours(name));
        headers.map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

/// See the top of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Digest(u128);

/// Digest of parts, in order.
pub(super) fn digest<'p>(parts: impl IntoIterator<Item = Option<&'p [u8]>>) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths first, so that no two lists of parts are the same bytes.
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        hash.update(part.unwrap_or_default());
    }
    let bytes: [u8; 32] = hash.finalize().into();
    Digest(bytes.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

/// Digest of headers, in order; `None` stands for headers that cannot be shown.
pub(super) fn header_digest<'h>(headers: Option<impl Iterator<Item = (&'h str, Option<&'h [u8]>)>>) -> Digest {
    match headers {
        Some(headers) => digest(headers.flat_map(|(name, value)| [Some(name.as_bytes()), value])),
        None => Digest::default(),
    }
}

/// What must be the same on both sides: everything but what we add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parts {
    /// The key.
    pub(super) key: Digest,
    /// The value without our member.
    pub(super) value: Digest,
    /// The headers that are not ours.
    pub(super) headers: Digest,
    /// As it goes out: 0 as 1.
    pub(super) timestamp_ms: i64,
}

impl Parts {
    pub(super) fn of(stored: &Stored, engine: &Engine, place: Place) -> Self {
        let bare = stored.value.as_deref().map(|value| match place {
            Place::Value => engine.without_ours(value),
            Place::Headers => value.into(),
        });
        Self {
            key: digest([stored.key.as_deref()]),
            value: digest([bare.as_deref()]),
            headers: header_digest(stored.headers.is_some().then(|| stored.kept())),
            timestamp_ms: sent_timestamp(stored.timestamp_ms),
        }
    }

    /// Which parts differ, in words; empty when none does. `stamped`: the output has the input's timestamps.
    pub(super) fn differences(&self, other: &Self, stamped: bool) -> Vec<&'static str> {
        let differs = [
            ("key", self.key != other.key),
            ("value", self.value != other.value),
            ("headers", self.headers != other.headers),
            ("timestamp", stamped && self.timestamp_ms != other.timestamp_ms),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    pub(super) fn same(&self, other: &Self, stamped: bool) -> bool {
        let stamp = !stamped || self.timestamp_ms == other.timestamp_ms;
        stamp && self.value == other.value && self.key == other.key && self.headers == other.headers
    }

    /// Where to look for the same record.
    pub(super) fn fingerprint(&self, stamped: bool) -> u64 {
        let stamp = if stamped { self.timestamp_ms as u64 } else { 0 };
        (self.value.0 ^ self.key.0.rotate_left(17) ^ self.headers.0.rotate_left(41)) as u64
            ^ stamp.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// librdkafka takes 0 for "now", so such a record goes out with 1.
fn sent_timestamp(timestamp_ms: i64) -> i64 {
    if timestamp_ms == 0 { 1 } else { timestamp_ms }
}

/// Where a record says it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// It says nothing.
    Absent,
    /// Topic, partition and offset.
    At(Arc<str>, i32, i64),
    /// Something that is no place.
    Unreadable(String),
}

impl Source {
    pub(super) fn of(stored: &Stored) -> Self {
        let Some(text) = stored.header(Name::Source.text()) else { return Self::Absent };
        let place = std::str::from_utf8(text).ok().and_then(|text| {
            let mut parts = text.rsplitn(3, '/');
            let (offset, partition, topic) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self::At(topic.into(), partition.parse().ok()?, offset.parse().ok()?))
        });
        place.unwrap_or_else(|| Self::Unreadable(crate::telemetry::foreign(text)))
    }
}

/// A record of the output.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// Its offset on the output.
    pub(super) offset: i64,
    /// Where it says it comes from.
    pub(super) source: Source,
    /// What must be as it was.
    pub(super) parts: Parts,
    /// Value and all headers, ours too.
    pub(super) whole: Digest,
    /// The rule that its header names.
    pub(super) tag: Option<String>,
    /// Its timestamp is the broker's own.
    pub(super) appended: bool,
}

impl Arrived {
    pub(super) fn new(stored: &Stored, engine: &Engine, place: Place) -> Self {
        // What a line is when the topic refused its timestamp: the same, at another time, with its own in a header.
        let own_time =
            stored.header(Name::Timestamp.text()).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let is_time = |name: &str| own_time.is_some() && name == Name::Timestamp.text();
        let headers = stored.headers.as_ref();
        let all = headers.map(|all| {
            let all = all.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
            all.filter(|(name, _)| !is_time(name))
        });
        let mut parts = Parts::of(stored, engine, place);
        parts.timestamp_ms = own_time.map_or(parts.timestamp_ms, sent_timestamp);
        Self {
            offset: stored.offset,
            source: Source::of(stored),
            parts,
            whole: whole(stored.value.as_deref(), header_digest(all)),
            tag: stored.header(Name::Rule.text()).map(crate::telemetry::foreign),
            appended: stored.appended,
        }
    }
}

/// Digest of what a record is besides key and timestamp.
pub(super) fn whole(value: Option<&[u8]>, headers: Digest) -> Digest {
    digest([value, Some(headers.0.to_le_bytes().as_slice())])
}
