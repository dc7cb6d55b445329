//! The latest word on each alert, and how far each Alertmanager has heard it.
//!
//! Bounded: what fires is bounded by those who count; what is over stays only until everybody has heard it, and of that
//! at most [`OVER_MAX`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::notice::Notice;
use crate::flow::meters;
use crate::flow::status::now_ms;

/// An alert that is over is told for this long.
const OVER_KEPT: Duration = Duration::from_secs(15 * 60);
/// Alerts that are over and still told, at most. Beyond, the oldest are let go: an Alertmanager that hears nothing more
/// of an alert takes it for resolved by itself.
const OVER_MAX: usize = 10_000;
/// An alert as it is kept to be told, about: labels, annotations, and a table of them.
const NOTICE_BYTES: usize = 4 << 10;
/// How far one Alertmanager has heard of an alert.
const HEARD_BYTES: usize = size_of::<(u64, Instant)>();
/// No thread sleeps longer at a time.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    changed: Condvar,
    listeners: usize,
    repeat_interval: Duration,
}

#[derive(Debug)]
struct Inner {
    entries: HashMap<String, Entry>,
    /// Numbers each word that is put.
    words: u64,
    over: usize,
    crowd: Crowd,
    listeners: usize,
    stopping: bool,
    running: usize,
}

#[derive(Debug)]
struct Entry {
    notice: Arc<Notice>,
    word: u64,
    put: Instant,
    /// Until then it is told to fire, although it is over.
    fires_until: Option<Instant>,
    /// It takes one of the places of its alert.
    counts: bool,
    /// The last word that each Alertmanager took, and when.
    heard: Vec<(u64, Instant)>,
}

impl Entry {
    fn is_over(&self) -> bool {
        self.notice.ends_ms.is_some()
    }

    /// Whether Alertmanagers are told that it fires.
    fn fires(&self, now: Instant) -> bool {
        !self.is_over() || self.fires_until.is_some_and(|until| now < until)
    }

    /// When it is to be told next.
    fn due(&self, listener: usize, repeat: Duration) -> Instant {
        match self.heard.get(listener) {
            Some((word, at)) if *word == self.word => {
                let turns = self.fires_until.filter(|until| *at < *until);
                turns.map_or(*at + repeat, |turns| turns.min(*at + repeat))
            }
            _ => self.put,
        }
    }

    /// Everybody has heard the end, and long enough.
    fn is_done(&self, now: Instant) -> bool {
        let ended = self.fires_until.unwrap_or(self.put).max(self.put);
        self.is_over()
            && now.saturating_duration_since(ended) >= OVER_KEPT
            && self.heard.iter().all(|(word, at)| *word == self.word && *at >= self.fires_until.unwrap_or(*at))
    }
}

/// Bytes that a board takes at most on which so many alerts fire, for so many listeners; and what they are about to tell.
pub(crate) fn memory_bound(firing: usize, listeners: usize) -> usize {
    let each = NOTICE_BYTES + listeners * (HEARD_BYTES + size_of::<Due>());
    firing.saturating_add(OVER_MAX).saturating_mul(each)
}

/// Something to tell.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) notice: Arc<Notice>,
    /// It is to be told to fire.
    pub(super) fires: bool,
    word: u64,
}

impl Board {
    pub(super) fn new(listeners: usize, repeat_interval: Duration, crowd: Crowd) -> Self {
        let inner =
            Inner { entries: HashMap::new(), words: 0, over: 0, crowd, listeners, stopping: false, running: listeners };
        Self { inner: Mutex::new(inner), changed: Condvar::new(), listeners, repeat_interval }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the latest word on an alert. Never waits for an Alertmanager.
    pub(crate) fn put(&self, notice: Notice) {
        if self.listeners == 0 {
            return;
        }
        let mut inner = self.inner();
        let now = Instant::now();
        inner.put(notice, now);
        if inner.over > OVER_MAX {
            inner.bound(now);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Forgets what a partition's owner said: somebody else owns it now, and tells.
    pub(crate) fn forget(&self, partition: i32) {
        let mut inner = self.inner();
        inner.crowd.forget(partition);
        let gone: Vec<String> = inner
            .entries
            .values()
            .filter(|entry| entry.notice.partition == partition)
            .map(|entry| entry.notice.key.clone())
            .collect();
        for key in gone {
            inner.take(&key, Instant::now());
        }
        inner.over = inner.entries.values().filter(|entry| entry.is_over()).count();
    }

    /// What to tell a listener next, at most `many`; waits until there is something. `None`: it is time to end.
    pub(super) fn due(&self, listener: usize, many: usize) -> Option<Vec<Due>> {
        let mut inner = self.inner();
        loop {
            let now = Instant::now();
            let mut next = now + SLEEP_MAX;
            let mut due = Vec::new();
            inner.leave_in_time(now);
            inner.count_the_crowds(now);
            for entry in inner.entries.values() {
                // At the end only what is new.
                let is_new = entry.heard.get(listener).is_none_or(|(word, _)| *word != entry.word);
                let at = entry.due(listener, self.repeat_interval);
                if at <= now && (is_new || !inner.stopping) {
                    due.push(Due { notice: entry.notice.clone(), fires: entry.fires(now), word: entry.word });
                } else {
                    next = next.min(at);
                }
            }
            if !due.is_empty() {
                // Those that wait longest first.
                due.sort_by_key(|due| due.word);
                due.truncate(many);
                return Some(due);
            }
            if inner.stopping {
                return None;
            }
            let sleep = next.saturating_duration_since(now);
            inner = self.changed.wait_timeout(inner, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A listener took these.
    pub(super) fn told(&self, listener: usize, batch: &[Due]) {
        let now = Instant::now();
        let mut inner = self.inner();
        for due in batch {
            if let Some(heard) = inner.entries.get_mut(&due.notice.key).and_then(|entry| entry.heard.get_mut(listener))
            {
                *heard = (heard.0.max(due.word), now);
            }
        }
        inner.bound(now);
    }

    /// Alerts of which a listener has not heard the latest word.
    pub(crate) fn waiting(&self, listener: usize) -> usize {
        let inner = self.inner();
        inner
            .entries
            .values()
            .filter(|entry| entry.heard.get(listener).is_none_or(|(word, _)| *word != entry.word))
            .count()
    }

    /// Waits for `time`, or less when it is time to end; true when it is not.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let inner = self.inner();
        let waited = self.changed.wait_timeout_while(inner, time, |inner| !inner.stopping);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    /// A listener's thread has come to its end.
    pub(super) fn ended(&self) {
        self.inner().running -= 1;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self, deadline: Instant) {
        let mut inner = self.inner();
        inner.stopping = true;
        self.changed.notify_all();
        let time = deadline.saturating_duration_since(Instant::now());
        // Whoever is not done by then is left behind.
        let _ = self.changed.wait_timeout_while(inner, time, |inner| inner.running > 0);
    }
}

impl Inner {
    fn put(&mut self, notice: Notice, now: Instant) {
        let fires = notice.ends_ms.is_none() || !notice.fires_for.is_zero();
        let is_told = self.entries.get(&notice.key).is_some_and(|entry| entry.counts);
        let place = if is_told { None } else { self.crowd.gives_up(&notice.kind, &notice.key) };
        if fires && !is_told && !self.crowd.admits(&notice, place.unwrap_or(self.words + 1)) {
            self.words += 1;
            return;
        }
        // Nobody has heard that it fired.
        if !fires && place.is_some() {
            return;
        }
        let frees = is_told && !fires;
        let kind = notice.kind.clone();
        self.enter(notice, fires, now);
        if frees {
            self.admit_next(&kind, now);
        }
    }

    fn enter(&mut self, notice: Notice, counts: bool, now: Instant) {
        self.words += 1;
        let before = self.entries.remove(&notice.key);
        self.over -= usize::from(before.as_ref().is_some_and(Entry::is_over));
        self.over += usize::from(notice.ends_ms.is_some());
        let entry = Entry {
            word: self.words,
            put: now,
            fires_until: (!notice.fires_for.is_zero()).then(|| now + notice.fires_for),
            counts,
            heard: before.map_or_else(|| vec![(0, now); self.listeners], |before| before.heard),
            notice: Arc::new(notice),
        };
        self.entries.insert(entry.notice.key.clone(), entry);
    }

    /// One that was told of has made room.
    fn admit_next(&mut self, kind: &str, now: Instant) {
        if let Some(next) = self.crowd.leaves(kind) {
            self.enter(next, true, now);
        }
    }

    /// Takes an entry off.
    fn take(&mut self, key: &str, now: Instant) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.over -= usize::from(entry.is_over());
        if entry.counts {
            self.admit_next(&entry.notice.kind.clone(), now);
        }
    }

    /// What was told to fire although it is over has done so for long enough.
    fn leave_in_time(&mut self, now: Instant) {
        let mut left = Vec::new();
        for entry in self.entries.values_mut().filter(|entry| entry.counts && !entry.fires(now)) {
            entry.counts = false;
            left.push(entry.notice.kind.clone());
        }
        left.iter().for_each(|kind| self.admit_next(kind, now));
    }

    /// Tells how many wait, at once when they begin to and when none do any more; in between it is told with each repetition.
    fn count_the_crowds(&mut self, now: Instant) {
        let is_crowds = |entry: &&Entry| entry.notice.key == Crowd::key(&entry.notice.kind) && !entry.is_over();
        let known = self.entries.values().filter(is_crowds).map(|entry| entry.notice.kind.clone());
        let kinds: BTreeSet<String> = known.chain(self.crowd.crowded().map(str::to_owned)).collect();
        for kind in kinds {
            let before = self.entries.get(&Crowd::key(&kind)).map(|entry| entry.notice.clone());
            let Some(notice) = self.crowd.notice(&kind, before.as_deref(), now_ms()) else { continue };
            let is_same = before.as_ref().is_some_and(|before| before.ends_ms.is_none() && notice.ends_ms.is_none());
            match self.entries.get_mut(&notice.key).filter(|_| is_same) {
                Some(entry) => entry.notice = Arc::new(notice),
                None => self.enter(notice, false, now),
            }
        }
    }

    fn bound(&mut self, now: Instant) {
        if self.over == 0 {
            return;
        }
        self.leave_in_time(now);
        self.entries.retain(|_, entry| !entry.is_done(now));
        self.over = self.entries.values().filter(|entry| entry.is_over()).count();
        if self.over > OVER_MAX {
            let mut over: Vec<(u64, String)> = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.is_over())
                .map(|(key, entry)| (entry.word, key.clone()))
                .collect();
            over.sort_unstable();
            // A tenth at a time, so that not each further one costs a look at all.
            for (_, key) in over.into_iter().take(OVER_MAX / 10) {
                self.take(&key, now);
                meters::let_go();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn notice(key: &str, ends_ms: Option<i64>) -> Notice {
        let (kind, fires_for) = ("disk".to_owned(), Duration::ZERO);
        let partition = key.len() as i32;
        Notice { key: key.to_owned(), kind, partition, alert: Map::new(), starts_ms: 1, ends_ms, fires_for }
    }

    fn crowd(most: usize) -> Crowd {
        Crowd::new(most, "one")
    }

    /// Hears all there is, and says what it fires and what is over.
    fn hear(board: &Board) -> Vec<(String, bool)> {
        let due = board.due(0, 1000).unwrap();
        board.told(0, &due);
        due.iter().map(|due| (due.notice.key.clone(), due.fires)).collect()
    }

    fn heard(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
        expected.iter().map(|(key, fires)| ((*key).to_owned(), *fires)).collect()
    }

    #[test]
    fn who_waits_keeps_its_place_however_often_it_is_told() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(1));
        for key in ["a", "b", "c", "b"] {
            board.put(notice(key, None));
        }
        hear(&board);
        board.put(notice("a", Some(5)));
        assert!(hear(&board).contains(&("b".to_owned(), true)), "it came before c");
    }

    #[test]
    fn of_one_alert_so_many_groups_are_told_and_one_says_how_many_more() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(2));
        (0..200_000).for_each(|n| board.put(notice(&format!("{n:06}"), None)));
        let other = Notice { kind: "other".to_owned(), ..notice("x", None) };
        board.put(other);
        assert_eq!(board.waiting(0), 3, "two of the crowd, and one of another alert");
        let told = hear(&board);
        assert_eq!(told, heard(&[("000000", true), ("000001", true), ("x", true), ("more of disk", true)]));
        let summary = |board: &Board| {
            let inner = board.inner();
            let notice = &inner.entries["more of disk"].notice;
            assert_eq!(notice.alert["labels"]["instance"], "one");
            notice.alert["annotations"]["summary"].as_str().unwrap().split(' ').next().unwrap().to_owned()
        };
        assert_eq!(summary(&board), "199998");
        // One of those told of is over, and the first that waited has its place; one that waits is over, and nobody hears.
        board.put(notice("000001", Some(5)));
        board.put(notice("000003", Some(5)));
        assert_eq!(hear(&board), heard(&[("000001", false), ("000002", true)]));
        assert_eq!(summary(&board), "199996");
        // When all others are over, the one that stands for them is.
        (4..200_000).for_each(|n| board.put(notice(&format!("{n:06}"), Some(5))));
        assert_eq!(hear(&board), heard(&[("more of disk", false)]));
    }

    #[test]
    fn places_of_a_partition_that_goes_are_free() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(1));
        ["a", "bb", "cc"].into_iter().for_each(|key| board.put(notice(key, None)));
        assert_eq!(hear(&board), heard(&[("a", true), ("more of disk", true)]));
        board.forget(1);
        assert_eq!(hear(&board), heard(&[("bb", true)]));
        board.forget(2);
        assert_eq!(hear(&board), heard(&[("more of disk", false)]));
        assert_eq!(board.inner().entries.len(), 1);
    }

    #[test]
    fn what_was_over_before_it_was_found_fires_for_a_while() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(1));
        board.put(notice("a", None));
        board.put(Notice { fires_for: Duration::from_millis(30), ..notice("a", Some(5)) });
        board.put(notice("b", None));
        assert_eq!(hear(&board), heard(&[("a", true), ("more of disk", true)]));
        // Then it is over, and has its place no more.
        assert_eq!(hear(&board), heard(&[("a", false), ("b", true), ("more of disk", false)]));
    }

    fn keys(due: &[Due]) -> Vec<&str> {
        due.iter().map(|due| due.notice.key.as_str()).collect()
    }

    #[test]
    fn each_listener_hears_the_latest_word_once() {
        let board = Board::new(2, Duration::from_secs(3600), crowd(9));
        board.put(notice("a", None));
        board.put(notice("bb", None));
        board.put(notice("a", Some(5)));
        let first = board.due(0, 10).unwrap();
        assert_eq!(keys(&first), ["bb", "a"]);
        assert_eq!(first[1].notice.ends_ms, Some(5));
        board.told(0, &first);
        assert_eq!((board.waiting(0), board.waiting(1)), (0, 2));
        assert_eq!(keys(&board.due(1, 1).unwrap()), ["bb"]);
        board.put(notice("bb", Some(7)));
        assert_eq!(keys(&board.due(0, 10).unwrap()), ["bb"]);
        // What was taken before the last word came leaves that one to be told.
        board.told(0, &first);
        assert_eq!(keys(&board.due(0, 10).unwrap()), ["bb"]);
    }

    #[test]
    fn what_fires_is_told_again_and_at_the_end_only_what_is_new() {
        let board = Board::new(1, Duration::ZERO, crowd(9));
        board.put(notice("a", None));
        for _ in 0..3 {
            let due = board.due(0, 10).unwrap();
            assert_eq!(keys(&due), ["a"]);
            board.told(0, &due);
        }
        board.put(notice("bb", None));
        board.stop(Instant::now());
        let due = board.due(0, 10).unwrap();
        assert_eq!(keys(&due), ["bb"]);
        board.told(0, &due);
        assert!(board.due(0, 10).is_none());
    }

    #[test]
    fn what_another_owns_is_his_to_tell() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(9));
        board.put(notice("a", None));
        board.put(notice("bb", None));
        board.forget(1);
        assert_eq!(keys(&board.due(0, 10).unwrap()), ["bb"]);
    }

    #[test]
    fn what_is_over_is_bounded_and_what_fires_is_kept() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(9));
        board.put(notice("fires", None));
        for n in 0..OVER_MAX + 3 {
            board.put(notice(&format!("{n}"), Some(1)));
        }
        let inner = board.inner();
        assert!((OVER_MAX * 9 / 10..=OVER_MAX + 1).contains(&inner.entries.len()), "{}", inner.entries.len());
        assert!(inner.entries.contains_key("fires") && !inner.entries.contains_key("0"));
    }
}
