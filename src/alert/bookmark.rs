//! From where a partition of the matches topic is read again after a restart.

use std::collections::BTreeMap;

/// From where a partition of the matches topic must be read again, and what is known there. It stands in the metadata
/// string of the alert role's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    /// The lowest offset that is still inside a window; never above `next`.
    pub from: i64,
    /// The offset that is committed: records before it have been told of.
    pub next: i64,
    /// The horizon there, milliseconds since 1970; `i64::MIN` while there is none.
    pub horizon: i64,
}

impl Bookmark {
    /// The first reading of a partition, from this offset on.
    #[must_use]
    pub fn start(next: i64) -> Self {
        Self { from: next, next, horizon: i64::MIN }
    }

    /// For the metadata string of the commit of `next`.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        format!("from={} horizon={}", self.from, self.horizon)
    }

    /// What stood beside a committed offset. Of any other text it is [`Bookmark::start`]: lines before that offset do not
    /// count any more.
    #[must_use]
    pub fn from_metadata(next: i64, metadata: &str) -> Self {
        let value = |name: &str| metadata.split(' ').find_map(|word| word.strip_prefix(name)?.parse::<i64>().ok());
        match (value("from="), value("horizon=")) {
            (Some(from), Some(horizon)) => Self { from: from.min(next), next, horizon },
            _ => Self::start(next),
        }
    }
}

/// Milliseconds of the times that are kept together.
const STEP: i64 = 60_000;

/// The lowest offset whose match still covers a time ahead, to within a minute of event time.
#[derive(Debug, Default)]
pub(super) struct Lowest(BTreeMap<i64, i64>);

impl Lowest {
    /// The match at this offset covers times before `until`.
    pub(super) fn see(&mut self, offset: i64, until: i64) {
        let lowest = self.0.entry(until.div_euclid(STEP)).or_insert(offset);
        *lowest = offset.min(*lowest);
    }

    /// Forgets what is before the horizon.
    pub(super) fn pass(&mut self, horizon: i64) {
        self.0 = self.0.split_off(&horizon.div_euclid(STEP));
    }

    /// The lowest offset that covers a time from the horizon on.
    pub(super) fn of(&self, horizon: i64) -> Option<i64> {
        self.0.range(horizon.div_euclid(STEP)..).map(|(_, offset)| *offset).min()
    }
}
