//! The counting of one partition of the matches topic.

use std::sync::Arc;

use super::change::Change;
use super::counting::Alerts;
use super::record::{Record, Unreadable};

/// Bounds of what one partition's windows hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups of all alerts together. Beyond it the one that would be over soonest is forgotten, and that is counted.
    pub groups: usize,
}

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
    /// For the metadata string of the commit of `next`.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        format!("from={} horizon={}", self.from, self.horizon)
    }

    /// What stood beside a committed offset. Without it everything before that offset is unknown and stays so.
    #[must_use]
    pub fn from_metadata(next: i64, metadata: &str) -> Self {
        let value = |name: &str| metadata.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
        Self { from: value("from=").unwrap_or(next), next, horizon: value("horizon=").unwrap_or(i64::MIN) }
    }
}

/// What happened in a partition's windows, for metrics. Counters but for `groups` and `firing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meters {
    /// Groups that hold something now.
    pub groups: usize,
    /// Groups that fire now.
    pub firing: usize,
    /// Matches counted.
    pub counted: u64,
    /// Matches that were there already.
    pub repeated: u64,
    /// Matches of alerts that the packs do not have.
    pub unknown: u64,
    /// Groups forgotten because of the bound.
    pub evicted: u64,
}

/// The windows of one partition of the matches topic.
///
/// Its life: [`Windows::new`] with the bookmark of the commit; [`Windows::restore`] with each record of the alerts topic
/// that has this partition's keys (the last for a key counts); [`Windows::read`] with every record of the matches topic
/// from [`Bookmark::from`] on; [`Windows::caught_up`] once everything before [`Bookmark::next`] has been read.
#[derive(Debug)]
pub struct Windows {
    alerts: Arc<Alerts>,
    limits: Limits,
    bookmark: Bookmark,
    meters: Meters,
}

impl Windows {
    /// Windows that know nothing yet.
    #[must_use]
    pub fn new(alerts: Arc<Alerts>, limits: Limits, bookmark: Bookmark) -> Self {
        Self { alerts, limits, bookmark, meters: Meters::default() }
    }

    /// Takes over what a record of the alerts topic says; `None` is a tombstone. Later records of a key replace earlier
    /// ones.
    ///
    /// # Errors
    /// When the value is no such record.
    pub fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), Unreadable> {
        let _ = (key, value);
        Ok(())
    }

    /// Takes the record at `offset`. What it gives is to be written to the alerts topic before the offset behind it is
    /// committed. Records before [`Bookmark::next`] give nothing: they have been told of.
    pub fn read(&mut self, offset: i64, record: &Record) -> Vec<Change> {
        let _ = record;
        self.bookmark.next = offset + 1;
        Vec::new()
    }

    /// Everything before [`Bookmark::next`] has been read. Called by the first [`Windows::read`] behind it as well.
    pub fn caught_up(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Other packs: alerts that are the same go on counting.
    pub fn exchange(&mut self, alerts: Arc<Alerts>) -> Vec<Change> {
        self.alerts = alerts;
        Vec::new()
    }

    /// Everything that fires, for sending again and for looking at, in the order of keys.
    #[must_use]
    pub fn firing(&self) -> Vec<Change> {
        Vec::new()
    }

    /// What to commit: all that was read has been told of.
    #[must_use]
    pub fn bookmark(&self) -> Bookmark {
        self.bookmark
    }

    /// What happened.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.meters
    }

    /// Bytes that it takes at most, by its limits.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.limits.groups
    }
}
