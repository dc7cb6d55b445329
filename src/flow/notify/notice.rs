//! What is told of one alert.

use std::time::Duration;

use serde_json::{Map, Value as Json};

/// The latest word on one alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    /// Names the alert and its group.
    pub(crate) key: String,
    /// The alert's id.
    pub(crate) kind: String,
    /// The partition of the matches topic that counts it.
    pub(crate) partition: i32,
    /// Alertmanager's postable alert, but for `endsAt`.
    pub(crate) alert: Map<String, Json>,
    /// Event time at which it began to fire, milliseconds since 1970.
    pub(crate) starts_ms: i64,
    /// Event time at which it was over; `None` while it fires.
    pub(crate) ends_ms: Option<i64>,
    /// Of what is over: for so long it is told to fire all the same.
    pub(crate) fires_for: Duration,
}

impl Notice {
    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.kind.len() + bytes_of(&self.alert)
    }
}

/// Bytes that a table takes, and each of its entries besides its texts.
pub(crate) const TABLE_BYTES: usize = 700;
pub(crate) const ENTRY_BYTES: usize = 128;

fn bytes_of(table: &Map<String, Json>) -> usize {
    let value = |value: &Json| match value {
        Json::String(text) => text.len(),
        Json::Object(table) => bytes_of(table),
        _ => 0,
    };
    TABLE_BYTES + table.iter().map(|(name, told)| ENTRY_BYTES + name.len() + value(told)).sum::<usize>()
}

/// As Alertmanager writes it.
pub(crate) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}
