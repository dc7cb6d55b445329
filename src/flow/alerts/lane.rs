//! One partition of the matches topic: its windows, and how far it is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::{Bookmark, Change, Meters, Record, Unreadable, Untold, Windows};
use crate::flow::real_time::Fresh;
use crate::flow::status::LaneStatus;
use crate::flow::transport::{Mark, Partition, Standing};

/// See the top of the file.
pub(super) struct Lane {
    pub(super) partition: Partition,
    pub(super) windows: Windows,
    pub(super) status: Arc<LaneStatus>,
    /// The offset after the last one read, and after what is no record behind it.
    next: Option<i64>,
    /// The offset after the last record read, which markers do not move.
    read_to: Option<i64>,
    /// After going back: only what stands before this is the beginning of what was asked for. What the client had fetched
    /// before stands behind it, and may come first.
    barrier: Option<i64>,
    /// Records before it have been told of by an earlier owner.
    told_to: i64,
    /// Everything before `told_to` has been read.
    is_live: bool,
    /// What the group has.
    committed: Option<Standing>,
    pub(super) meters: Meters,
    /// Records that come as they are written.
    pub(super) fresh: Fresh,
    /// What the alerts topic says besides.
    past: Past,
    /// Records before it may have been deleted.
    trimmed: i64,
}

/// What the alerts topic says of keys besides what windows need.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// What is over and still there: until when it fired.
    over: BTreeMap<String, i64>,
    /// What fires: when that was first told, by the time of day.
    told: BTreeMap<String, i64>,
}

impl Past {
    /// The next record of a key; `None` takes it away.
    pub(super) fn says(&mut self, key: &str, change: Option<&Change>) {
        self.over.remove(key);
        self.told.remove(key);
        match change {
            Some(Change { ends_at: Some(ends_at), .. }) => _ = self.over.insert(key.to_owned(), *ends_at),
            Some(Change { told_ms: Some(told_ms), .. }) => _ = self.told.insert(key.to_owned(), *told_ms),
            _ => {}
        }
    }
}

/// A key of an alert, with its place in a table, as the bound on memory counts it; and the table's part of it, about.
pub(crate) const KEY_BYTES: usize = 320;
const KEY_OVERHEAD: usize = 64;
/// An alert that is over stays on the alerts topic for so long, by event time.
const OVER_KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// So many records must be of no use before they are worth a request to delete them.
const TRIM_MIN: i64 = 500;

impl Lane {
    /// Windows that begin where `committed` says.
    pub(super) fn new(
        partition: Partition,
        windows: Windows,
        status: Arc<LaneStatus>,
        committed: Option<Standing>,
    ) -> Self {
        let told_to = committed.as_ref().map_or(0, |standing| standing.offset);
        Self {
            partition,
            windows,
            status,
            next: None,
            read_to: None,
            barrier: None,
            told_to,
            is_live: committed.is_none(),
            committed,
            meters: Meters::default(),
            fresh: Fresh::default(),
            past: Past::default(),
            trimmed: 0,
        }
    }

    /// What is known from the alerts topic.
    pub(super) fn with(self, past: Past) -> Self {
        Self { past, ..self }
    }

    /// When it was first told that this fires, by the time of day.
    pub(super) fn told_ms(&mut self, untold: &Untold, now_ms: i64) -> Option<i64> {
        match untold.ends_at() {
            None => Some(*self.past.told.entry(untold.key().to_owned()).or_insert(now_ms)),
            Some(_) if untold.is_withdrawn() => None,
            Some(_) => self.past.told.remove(untold.key()),
        }
    }

    /// The latest word on a key: until when it fired, `None` when it fires.
    pub(super) fn latest(&mut self, key: &str, untold: &Untold) {
        match untold.ends_at() {
            Some(ends_ms) => _ = self.past.over.insert(key.to_owned(), ends_ms),
            None => _ = self.past.over.remove(key),
        }
        // It does not fire, and was never told to be over.
        if untold.is_withdrawn() {
            self.past.told.remove(key);
        }
    }

    /// The alerts topic says nothing of a key any more.
    pub(super) fn forgot(&mut self, key: &str) {
        self.past.over.remove(key);
    }

    /// Keys that are over since so long that the alerts topic need not have them any more; of more than `most`, those that
    /// are over longest, however long that is. Fewer where keys are longer than [`KEY_BYTES`]. Some of them, when they are more
    /// than `at_a_time`.
    pub(super) fn forgotten(&self, most: usize, at_a_time: usize) -> Vec<String> {
        if !self.is_live {
            return Vec::new();
        }
        let Bookmark { horizon, floor, .. } = self.windows.bookmark();
        // What a late line can still change is needed for longer.
        let mut before = horizon.saturating_sub(OVER_KEPT_MS).min(floor);
        let bytes: usize = self.past.over.keys().map(|key| key.len() + KEY_OVERHEAD).sum();
        let most = most.min((most * KEY_BYTES).checked_div(bytes / self.past.over.len().max(1)).unwrap_or(most));
        if let Some(beyond) = self.past.over.len().checked_sub(most).filter(|beyond| *beyond > 0) {
            let mut ends: Vec<i64> = self.past.over.values().copied().collect();
            before = before.max(ends.select_nth_unstable(beyond - 1).1.saturating_add(1));
        }
        let past = self.past.over.iter().filter(|(_, ends)| **ends < before).take(at_a_time);
        past.map(|(key, _)| key.clone()).collect()
    }

    /// The first offset that whoever comes next will read, when much before it is of no use to anybody.
    pub(super) fn trim(&mut self) -> Option<i64> {
        let from = self.committed.as_ref().map(|standing| bookmark(Some(standing)).from)?;
        if !self.is_live || from - self.trimmed < TRIM_MIN {
            return None;
        }
        self.trimmed = from;
        Some(from)
    }

    /// The same partition with other windows, after going back.
    pub(super) fn again(self, windows: Windows, committed: Option<Standing>) -> Self {
        let from = bookmark(committed.as_ref()).from;
        // Only records come again: where there were none but markers, nothing would ever lift it.
        let read_to = self.barrier.or(self.read_to);
        let fresh = Self::new(self.partition, windows, self.status, committed);
        Self { barrier: read_to.filter(|read_to| *read_to > from), ..fresh }
    }

    /// Takes the record at `offset`; nothing comes of one that was read before.
    pub(super) fn read(&mut self, offset: i64, value: Option<&[u8]>) -> Result<(), Unreadable> {
        if self.barrier.is_some_and(|barrier| offset >= barrier) || self.next.is_some_and(|next| offset < next) {
            return Ok(());
        }
        self.barrier = None;
        self.next = Some(offset + 1);
        self.read_to = self.next;
        self.is_live |= offset >= self.told_to;
        match value {
            Some(value) => Record::from_json(value).map(|record| self.windows.take(offset, &record)),
            // Nobody of ours writes such a record.
            None => Ok(()),
        }
    }

    /// All records before `offset` were read; what stands between the last of them and `offset` is none.
    pub(super) fn reach(&mut self, offset: i64) {
        if self.barrier.is_none() {
            self.next = self.next.max(Some(offset));
        }
    }

    /// The partition is read to its end: what was told of before ends there at the latest.
    pub(super) fn at_its_end(&mut self) {
        if !self.is_live && self.barrier.is_none() {
            self.is_live = true;
            self.windows.catch_up();
        }
    }

    /// All that an earlier owner told of has been read.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// The offset to be read next.
    pub(super) fn reads_next(&self) -> Option<i64> {
        self.next.or_else(|| self.committed.as_ref().map(|standing| bookmark(Some(standing)).from))
    }

    /// What is to be committed, when all that was read has been told.
    pub(super) fn news(&self) -> Option<Mark> {
        let next = self.next.filter(|_| self.is_live)?;
        let bookmark = Bookmark { next, ..self.windows.bookmark() };
        let standing = Standing { offset: next, note: bookmark.to_metadata() };
        let is_news =
            self.committed.as_ref().is_none_or(|committed| *committed != standing && committed.offset <= next);
        let Standing { offset, note } = standing;
        is_news.then(|| Mark { lane: 0, partition: self.partition.clone(), offset, lines: 0, note })
    }

    /// The group has this.
    pub(super) fn committed(&mut self, mark: &Mark) {
        self.windows.committed(&Bookmark::from_metadata(mark.offset, &mark.note));
        self.committed = Some(Standing { offset: mark.offset, note: mark.note.clone() });
    }

    /// How far it is, for whoever looks.
    pub(super) fn report(&self) {
        // While reading what was told of before, that is progress, too.
        let done = if self.is_live { self.committed.as_ref().map(|standing| standing.offset) } else { self.next };
        // What is read and not committed yet is not done.
        let standing = self.committed.as_ref().map_or(0, |standing| standing.offset);
        let is_open = self.barrier.is_some() || self.next.is_some_and(|next| next > standing);
        self.status.stands(done, usize::from(is_open), -1);
    }
}

/// From where to read, and up to where silently.
pub(super) fn bookmark(committed: Option<&Standing>) -> Bookmark {
    match committed {
        Some(Standing { offset, note }) => Bookmark::from_metadata(*offset, note),
        None => Bookmark::start(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Alerts, Limits, Settings};
    use crate::flow::{Status, test_engine};

    fn standing(offset: i64) -> Standing {
        Standing { offset, note: Bookmark::start(offset).to_metadata() }
    }

    fn windows(committed: &Standing) -> Windows {
        let alerts = Arc::new(Alerts::new(&test_engine(), Settings::default()));
        Windows::new(alerts, Limits::default(), bookmark(Some(committed)))
    }

    fn lane(committed: &Standing) -> Lane {
        let partition = Partition { topic: "matches".into(), number: 0 };
        let status = Status::default().add_worker().add(partition.topic.clone(), 0, committed.offset);
        Lane::new(partition, windows(committed), status, Some(committed.clone()))
    }

    /// After a transaction that came to nothing the lane begins anew; between what was committed and what it had reached
    /// there may be nothing but markers, which never come.
    #[test]
    fn what_comes_behind_markers_is_read_after_going_back() {
        let committed = standing(10);
        let mut lane = lane(&committed);
        lane.reach(14);
        let mut lane = lane.again(windows(&committed), Some(committed.clone()));
        lane.read(14, None).unwrap();
        assert_eq!(lane.reads_next(), Some(15));
        assert_eq!(lane.news().map(|mark| mark.offset), Some(15));
    }

    #[test]
    fn what_was_fetched_before_going_back_is_not_taken_for_what_was_asked_for() {
        let committed = standing(10);
        let mut lane = lane(&committed);
        (10..13).for_each(|offset| lane.read(offset, None).unwrap());
        lane.reach(14);
        let mut lane = lane.again(windows(&committed), Some(committed.clone()));
        lane.read(13, None).unwrap();
        assert_eq!(lane.news(), None, "it stands behind what was read before");
        (10..13).for_each(|offset| lane.read(offset, None).unwrap());
        assert_eq!(lane.news().map(|mark| mark.offset), Some(13));
    }
}
