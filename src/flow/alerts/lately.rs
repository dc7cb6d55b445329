//! What was over lately when a partition came: Alertmanagers are told of it again, as the owner before may not have come to it.

use std::collections::BTreeMap;

use crate::alert::{Change, State};
use crate::flow::meters;

/// What is over since no longer than this is told again.
const LATELY_MS: i64 = 60 * 60 * 1000;
/// Bytes of it, at most. Beyond, the rest is let go: an Alertmanager that hears nothing more of an alert takes it for resolved.
pub(crate) const LATELY_BYTES: usize = 16 << 20;

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Lately {
    since_ms: i64,
    changes: BTreeMap<String, Change>,
    bytes: usize,
}

impl Lately {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { since_ms: now_ms - LATELY_MS, changes: BTreeMap::new(), bytes: 0 }
    }

    /// The next word on a key; nothing takes it away.
    pub(super) fn says(&mut self, key: &str, change: Option<Change>) {
        self.bytes -= self.changes.remove(key).map_or(0, |before| before.bytes());
        let is_over = |change: &Change| change.state == State::Resolved;
        let is_late = |change: &Change| change.ends_at.max(change.told_ms) >= Some(self.since_ms);
        let Some(change) = change.filter(|change| is_over(change) && is_late(change)) else { return };
        if self.bytes + change.bytes() > LATELY_BYTES {
            return meters::let_go();
        }
        self.bytes += change.bytes();
        self.changes.insert(key.to_owned(), change);
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }
}
