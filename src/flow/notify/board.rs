//! The latest word on each alert, and how far each Alertmanager has heard it.
//!
//! Bounded: what fires is bounded by those who count; what is over stays only until everybody has heard it, and of that
//! at most [`OVER_MAX`].

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Notice;
use crate::flow::meters;

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

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    /// Numbers each word that is put.
    words: u64,
    over: usize,
    stopping: bool,
    running: usize,
}

#[derive(Debug)]
struct Entry {
    notice: Arc<Notice>,
    word: u64,
    put: Instant,
    /// The last word that each Alertmanager took, and when.
    heard: Vec<(u64, Instant)>,
}

impl Entry {
    fn is_over(&self) -> bool {
        self.notice.ends_ms.is_some()
    }

    /// When it is to be told next.
    fn due(&self, listener: usize, repeat: Duration) -> Instant {
        match self.heard.get(listener) {
            Some((word, at)) if *word == self.word => *at + repeat,
            _ => self.put,
        }
    }

    /// Everybody has heard the end, and long enough.
    fn is_done(&self, now: Instant) -> bool {
        self.is_over()
            && now.duration_since(self.put) >= OVER_KEPT
            && self.heard.iter().all(|(word, _)| *word == self.word)
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
    word: u64,
}

impl Board {
    pub(super) fn new(listeners: usize, repeat_interval: Duration) -> Self {
        let inner = Inner { running: listeners, ..Inner::default() };
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
        inner.words += 1;
        let word = inner.words;
        let now = Instant::now();
        let key = notice.key.clone();
        let is_over = notice.ends_ms.is_some();
        let heard = match inner.entries.remove(&key) {
            Some(before) => {
                inner.over -= usize::from(before.is_over());
                before.heard
            }
            None => vec![(0, now); self.listeners],
        };
        inner.entries.insert(key, Entry { notice: Arc::new(notice), word, put: now, heard });
        inner.over += usize::from(is_over);
        if inner.over > OVER_MAX {
            inner.bound(now);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Forgets what a partition's owner said: somebody else owns it now, and tells.
    pub(crate) fn forget(&self, partition: i32) {
        let mut inner = self.inner();
        inner.entries.retain(|_, entry| entry.notice.partition != partition);
        inner.over = inner.entries.values().filter(|entry| entry.is_over()).count();
    }

    /// What to tell a listener next, at most `many`; waits until there is something. `None`: it is time to end.
    pub(super) fn due(&self, listener: usize, many: usize) -> Option<Vec<Due>> {
        let mut inner = self.inner();
        loop {
            let now = Instant::now();
            let mut next = now + SLEEP_MAX;
            let mut due = Vec::new();
            for entry in inner.entries.values() {
                // At the end only what is new.
                let is_new = entry.heard.get(listener).is_none_or(|(word, _)| *word != entry.word);
                let at = entry.due(listener, self.repeat_interval);
                if at <= now && (is_new || !inner.stopping) {
                    due.push(Due { notice: entry.notice.clone(), word: entry.word });
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
    fn bound(&mut self, now: Instant) {
        if self.over == 0 {
            return;
        }
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
                self.entries.remove(&key);
                self.over -= 1;
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
        Notice { key: key.to_owned(), partition: key.len() as i32, alert: Map::new(), starts_ms: 1, ends_ms }
    }

    fn keys(due: &[Due]) -> Vec<&str> {
        due.iter().map(|due| due.notice.key.as_str()).collect()
    }

    #[test]
    fn each_listener_hears_the_latest_word_once() {
        let board = Board::new(2, Duration::from_secs(3600));
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
        let board = Board::new(1, Duration::ZERO);
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
        let board = Board::new(1, Duration::from_secs(3600));
        board.put(notice("a", None));
        board.put(notice("bb", None));
        board.forget(1);
        assert_eq!(keys(&board.due(0, 10).unwrap()), ["bb"]);
    }

    #[test]
    fn what_is_over_is_bounded_and_what_fires_is_kept() {
        let board = Board::new(1, Duration::from_secs(3600));
        board.put(notice("fires", None));
        for n in 0..OVER_MAX + 3 {
            board.put(notice(&format!("{n}"), Some(1)));
        }
        let inner = board.inner();
        assert!((OVER_MAX * 9 / 10..=OVER_MAX + 1).contains(&inner.entries.len()), "{}", inner.entries.len());
        assert!(inner.entries.contains_key("fires") && !inner.entries.contains_key("0"));
    }
}
