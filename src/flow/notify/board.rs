//! The latest word on each alert, and how far each Alertmanager has heard it.
//!
//! Bounded: what fires is here as far as it is told (`crowd`); what is over stays only until everybody has heard it, and of that
//! at most [`OVER_MAX`] and [`OVER_BYTES`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::crowd::{Admitted, Crowd, LATE_BYTES};
use super::notice::{ENTRY_BYTES, Notice, TABLE_BYTES};
use crate::flow::meters;
use crate::flow::status::now_ms;

/// Alerts in one request.
pub(super) const BATCH: usize = 64;
/// An alert that is over is told for this long.
const OVER_KEPT: Duration = Duration::from_secs(15 * 60);
/// Alerts that are over and still told, at most. Beyond, the oldest are let go: an Alertmanager that hears nothing more
/// of an alert takes it for resolved by itself.
const OVER_MAX: usize = 10_000;
/// Bytes that those take, at most.
const OVER_BYTES: usize = 32 << 20;
/// A group that waits to be told of, about: its key, and its places in two tables.
const WAITING_BYTES: usize = 400;
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
    /// Bytes of what is over.
    over_bytes: usize,
    crowd: Crowd,
    listeners: usize,
    stopping: bool,
    running: usize,
}

#[derive(Debug)]
struct Entry {
    notice: Arc<Notice>,
    bytes: usize,
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

/// What a board may come to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// Groups that fire.
    pub(crate) firing: usize,
    /// Alerts, each with so many groups that are told of.
    pub(crate) alerts: usize,
    pub(crate) max_firing: usize,
    /// Bytes of all texts of one of them, and how many there are.
    pub(crate) texts: usize,
    pub(crate) entries: usize,
    pub(crate) listeners: usize,
}

/// Bytes that a board takes at most, and what its listeners are about to tell.
pub(crate) fn memory_bound(most: Most) -> usize {
    let Most { firing, alerts, max_firing, texts, entries, listeners } = most;
    let notice = size_of::<(String, Entry)>() + size_of::<Notice>() + texts + 3 * TABLE_BYTES + entries * ENTRY_BYTES;
    let each = listeners * (HEARD_BYTES + size_of::<Due>());
    // One more of each alert stands for those that wait.
    let told = firing.min(alerts.saturating_mul(max_firing)).saturating_add(alerts);
    let told = told.saturating_mul(notice + each);
    let over = OVER_BYTES + OVER_MAX * (size_of::<(String, Entry)>() + each);
    // Each alert of a batch as a value, with what else is in the request, and as text, escaped.
    let batches = listeners.saturating_mul(BATCH).saturating_mul(4 * notice);
    [told, over, batches, LATE_BYTES, firing.saturating_mul(WAITING_BYTES)].into_iter().fold(0, usize::saturating_add)
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
        let inner = Inner {
            entries: HashMap::new(),
            words: 0,
            over: 0,
            over_bytes: 0,
            crowd,
            listeners,
            stopping: false,
            running: listeners,
        };
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
        if inner.is_crowded() {
            inner.bound(now);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Keys of groups of a partition for which there is room now: whoever counts it puts what is to be told of them, or says
    /// that there is nothing ([`Board::nothing_of`]). Some of them.
    pub(crate) fn wanted(&self, partition: i32, many: usize) -> Vec<Arc<str>> {
        self.inner().crowd.wanted(partition, many)
    }

    /// A group that was wanted does not fire.
    pub(crate) fn nothing_of(&self, key: &str) {
        let mut inner = self.inner();
        if let Some(kind) = inner.crowd.is_found(key) {
            inner.admit_next(&kind, Instant::now());
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Forgets what a partition's owner said: somebody else owns it now, and tells.
    pub(crate) fn forget(&self, partition: i32) {
        let mut inner = self.inner();
        let free = inner.crowd.forget(partition);
        free.iter().for_each(|kind| inner.admit_next(kind, Instant::now()));
        let gone: Vec<String> = inner
            .entries
            .values()
            .filter(|entry| entry.notice.partition == partition)
            .map(|entry| entry.notice.key.clone())
            .collect();
        for key in gone {
            inner.take(&key, Instant::now());
        }
        inner.recount();
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
        if self.crowd.is_found(&notice.key).is_some() {
            // It has a place; and when it does not fire any more, nobody has heard that it did.
            match fires {
                true => self.enter(notice, true, now),
                false => self.admit_next(&notice.kind, now),
            }
            return;
        }
        let is_told = self.entries.get(&notice.key).is_some_and(|entry| entry.counts);
        let place = if is_told { None } else { self.crowd.gives_up(&notice.kind, &notice.key) };
        if fires && !is_told {
            match self.crowd.admits(&notice, place.unwrap_or(self.words + 1)) {
                Admitted::Yes => {}
                Admitted::Later => {
                    self.words += 1;
                    return;
                }
                Admitted::No => return meters::let_go(),
            }
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
        before.iter().for_each(|before| self.weigh(before, false));
        let entry = Entry {
            bytes: notice.bytes(),
            word: self.words,
            put: now,
            fires_until: (!notice.fires_for.is_zero()).then(|| now + notice.fires_for),
            counts,
            heard: before.map_or_else(|| vec![(0, now); self.listeners], |before| before.heard),
            notice: Arc::new(notice),
        };
        self.weigh(&entry, true);
        self.entries.insert(entry.notice.key.clone(), entry);
    }

    /// An entry comes, or goes.
    fn weigh(&mut self, entry: &Entry, comes: bool) {
        if entry.is_over() {
            let by = |number: usize, by: usize| if comes { number + by } else { number.saturating_sub(by) };
            (self.over, self.over_bytes) = (by(self.over, 1), by(self.over_bytes, entry.bytes));
        }
    }

    fn recount(&mut self) {
        let over = || self.entries.values().filter(|entry| entry.is_over());
        (self.over, self.over_bytes) = (over().count(), over().map(|entry| entry.bytes).sum());
    }

    /// More is over than is kept.
    fn is_crowded(&self) -> bool {
        self.over > OVER_MAX || self.over_bytes > OVER_BYTES
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
        self.weigh(&entry, false);
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
        self.recount();
        if self.is_crowded() {
            let mut over: Vec<(u64, String)> = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.is_over())
                .map(|(key, entry)| (entry.word, key.clone()))
                .collect();
            over.sort_unstable();
            // A tenth at a time, so that not each further one costs a look at all.
            let some = over.len().div_ceil(10);
            for (_, key) in over.into_iter().take(some) {
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

    /// Whoever counts says again what is to be told of those that have a place now.
    fn say_again(board: &Board) {
        let wanted: Vec<Arc<str>> = (0..9).flat_map(|partition| board.wanted(partition, 100)).collect();
        wanted.iter().for_each(|key| board.put(notice(key, None)));
    }

    /// Hears all there is, and says what it fires and what is over.
    fn hear(board: &Board) -> Vec<(String, bool)> {
        board.inner().leave_in_time(Instant::now());
        say_again(board);
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
    fn those_that_wait_are_kept_without_their_words() {
        let board = Board::new(1, Duration::from_secs(3600), crowd(1));
        let long = |key: &str, ends_ms| {
            let alert = Map::from_iter([("labels".to_owned(), "x".repeat(100_000).into())]);
            Notice { alert, ..notice(key, ends_ms) }
        };
        (0..2_000).for_each(|n| board.put(long(&format!("{n:04}"), None)));
        let held = |board: &Board| board.inner().entries.values().map(|entry| entry.bytes).sum::<usize>();
        let told = held(&board);
        assert!((100_000..200_000).contains(&told), "{told}");
        // What is over before it is found cannot be said again: of that some is kept.
        let late = |key: &str| Notice { fires_for: Duration::from_secs(3600), ..long(key, Some(5)) };
        (0..2_000).for_each(|n| board.put(late(&format!("late{n:04}"))));
        let kept = board.inner().crowd.late_bytes();
        assert!((LATE_BYTES - 200_000..=LATE_BYTES).contains(&kept), "{kept}");
        // And of what is over so much.
        (0..2_000).for_each(|n| board.put(long(&format!("over{n:04}"), Some(5))));
        let over = board.inner().over_bytes;
        let all = held(&board);
        assert!(over <= OVER_BYTES && all <= OVER_BYTES + 200_000, "{over} of {all}");
        // A place that nobody has anything to tell for goes to the next.
        board.put(notice("0000", Some(5)));
        assert_eq!(board.wanted(4, 9), ["0001".into()]);
        board.nothing_of("0001");
        assert_eq!(board.wanted(4, 9), ["0002".into()]);
        board.put(notice("0002", Some(5)));
        assert_eq!(board.wanted(4, 9), ["0003".into()]);
        board.forget(4);
        board.forget(8);
        let inner = board.inner();
        assert_eq!((inner.crowd.late_bytes(), inner.over_bytes), (0, 0));
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
        let mut told = Vec::new();
        while told.len() < 3 {
            told.extend(hear(&board));
        }
        told.sort();
        assert_eq!(told, heard(&[("a", false), ("b", true), ("more of disk", false)]));
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
