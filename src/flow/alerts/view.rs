//! What fires in this process, for whoever asks: numbers for the metrics, written by the counter after each commit, and
//! for HTTP a page at a time, made when it is asked for.
//!
//! ```text
//! HTTP ── ask ──→ View ── answer, in the counter's own loop ──→ a page of what its windows hold ──→ HTTP
//! ```
//!
//! It is what is committed, but where that takes long: then rather a little ahead of it than nothing.
//!
//! Nothing that fires is kept here a second time: the words of an alert take many times what its window does, and two
//! hundred thousand of them would be more than all else in the process. Who asks waits for the counter, never the other
//! way round.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::alert::Change;
use crate::flow::notify::Board;

/// See the top of the file.
#[derive(Debug, Default)]
pub struct View {
    partitions: RwLock<BTreeMap<i32, Numbers>>,
    asked: Mutex<VecDeque<Asked>>,
    /// Somebody waits for an answer: so that the counter need not lock to know.
    is_asked: AtomicBool,
    /// Somebody answers.
    is_counting: AtomicBool,
    board: RwLock<Option<(Arc<Board>, Vec<String>)>>,
}

/// What is known of a partition.
#[derive(Debug, Default)]
struct Numbers {
    /// Groups that fire, by alert; not known before the first commit.
    firing: Option<BTreeMap<String, usize>>,
    /// Groups that are counted.
    groups: usize,
}

/// A place in the order of what fires: the last that was told. The partition counts first, then the key.
pub type Cursor = (i32, String);

/// A part of what fires.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// In order.
    pub alerts: Vec<Change>,
    /// There is more behind this.
    pub next: Option<Cursor>,
}

#[derive(Debug)]
struct Asked {
    since: Instant,
    after: Option<Cursor>,
    limit: usize,
    answer: oneshot::Sender<Page>,
}

impl View {
    /// Somebody answers from now on.
    pub(super) fn begin(&self) {
        self.is_counting.store(true, Relaxed);
    }

    /// Nobody does any more; who waits is told by that.
    pub(super) fn end(&self) {
        self.is_counting.store(false, Relaxed);
        self.asked().clear();
    }

    /// So many groups of each alert fire in a partition.
    pub(super) fn set(&self, partition: i32, firing: BTreeMap<String, usize>) {
        self.write(partition, |numbers| numbers.firing = Some(firing));
    }

    /// Whether somebody said what fires in a partition.
    pub(super) fn knows(&self, partition: i32) -> bool {
        self.read(|partitions| partitions.get(&partition).is_some_and(|numbers| numbers.firing.is_some()))
    }

    /// So many groups are counted in a partition.
    pub(super) fn count(&self, partition: i32, groups: usize) {
        self.write(partition, |numbers| numbers.groups = groups);
    }

    /// A partition is another's.
    pub(super) fn forget(&self, partition: i32) {
        self.partitions.write().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    /// Nothing is ours any more.
    pub(crate) fn clear(&self) {
        self.partitions.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Where Alertmanagers are told from, and who they are.
    pub(crate) fn tells(&self, board: Arc<Board>, alertmanagers: Vec<String>) {
        *self.board.write().unwrap_or_else(PoisonError::into_inner) = Some((board, alertmanagers));
    }

    /// Asks for what fires in the partitions of this process, behind a place or from the beginning, at most `limit` groups.
    /// The answer never comes when the counter hangs, and is an error when it leaves. Without a counter nothing fires here.
    pub(crate) fn ask(&self, after: Option<Cursor>, limit: usize) -> oneshot::Receiver<Page> {
        let (answer, answered) = oneshot::channel();
        if self.is_counting.load(Relaxed) {
            self.asked().push_back(Asked { since: Instant::now(), after, limit, answer });
            self.is_asked.store(true, Relaxed);
        } else {
            let _ = answer.send(Page::default());
        }
        answered
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked.load(Relaxed)
    }

    /// Answers who has been waiting for so long. `page` makes a page: what fires behind a key of a partition, or in all of it,
    /// at most so many.
    pub(super) fn answer(
        &self,
        waited: Duration,
        partitions: &[i32],
        page: impl Fn(i32, Option<&str>, usize) -> Vec<Change>,
    ) {
        let (due, early): (Vec<Asked>, Vec<Asked>) =
            std::mem::take(&mut *self.asked()).into_iter().partition(|asked| asked.since.elapsed() >= waited);
        self.put_back(early);
        // Who has gone meanwhile costs nothing.
        for Asked { after, limit, answer, .. } in due.into_iter().filter(|asked| !asked.answer.is_closed()) {
            let _ = answer.send(gather(partitions, after.as_ref(), limit, &page));
        }
    }

    fn put_back(&self, early: Vec<Asked>) {
        let mut asked = self.asked();
        early.into_iter().rev().for_each(|early| asked.push_front(early));
        self.is_asked.store(!asked.is_empty(), Relaxed);
    }

    /// How many groups of each alert fire in this process.
    pub(crate) fn firing_by_alert(&self) -> BTreeMap<String, usize> {
        self.read(|partitions| {
            let mut many: BTreeMap<String, usize> = BTreeMap::new();
            for (alert, groups) in partitions.values().filter_map(|numbers| numbers.firing.as_ref()).flatten() {
                *many.entry(alert.clone()).or_default() += groups;
            }
            many
        })
    }

    /// Groups that are counted in this process.
    pub(crate) fn groups(&self) -> usize {
        self.read(|partitions| partitions.values().map(|numbers| numbers.groups).sum())
    }

    /// For each Alertmanager, alerts of which it has not heard the latest word.
    pub(crate) fn waiting(&self) -> Vec<(String, usize)> {
        let board = self.board.read().unwrap_or_else(PoisonError::into_inner);
        let Some((board, alertmanagers)) = &*board else { return Vec::new() };
        let waiting = |(index, address): (usize, &String)| (address.clone(), board.waiting(index));
        alertmanagers.iter().enumerate().map(waiting).collect()
    }

    fn asked(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<i32, Numbers>) -> T) -> T {
        look(&self.partitions.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, partition: i32, change: impl FnOnce(&mut Numbers)) {
        change(self.partitions.write().unwrap_or_else(PoisonError::into_inner).entry(partition).or_default());
    }
}

/// Alerts on one page, at most.
pub(crate) const PAGE_MAX: usize = 2000;
/// Bytes of them, at most, but for a single one that has more.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// Pages that are there at a time.
pub(crate) const PAGES_MAX: usize = 4;
/// So many alerts are put into words at a time, as a page may be full before.
const PORTION: usize = 100;

/// A page over all partitions, in their order: at most `limit` alerts, and [`PAGE_BYTES`] of them but for the first.
fn gather(
    partitions: &[i32],
    after: Option<&Cursor>,
    limit: usize,
    page: impl Fn(i32, Option<&str>, usize) -> Vec<Change>,
) -> Page {
    let mut partitions = partitions.to_vec();
    partitions.sort_unstable();
    let (mut gathered, mut bytes) = (Page::default(), 0);
    for partition in partitions.into_iter().filter(|number| after.is_none_or(|(from, _)| number >= from)) {
        let mut behind = after.filter(|(from, _)| *from == partition).map(|(_, key)| key.clone());
        loop {
            let most = PORTION.min(limit - gathered.alerts.len());
            // One more tells whether there is more.
            let mut alerts = page(partition, behind.as_deref(), most + 1);
            let is_more = alerts.len() > most;
            alerts.truncate(most);
            for change in alerts {
                bytes += change.bytes();
                if bytes > PAGE_BYTES && !gathered.alerts.is_empty() {
                    return gathered;
                }
                behind = Some(change.key());
                gathered.next = behind.clone().map(|key| (partition, key));
                gathered.alerts.push(change);
            }
            if !is_more {
                break;
            }
            if gathered.alerts.len() == limit {
                return gathered;
            }
        }
    }
    Page { next: None, ..gathered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::State;

    fn change(key: usize) -> Change {
        let posted = format!(
            r#"{{"labels":{{}},"fingerpost":{{"v":1,"id":"a","state":"firing","group":{{"n":"{key:03}"}},"starts_at":1,
            "count":1,"lines":[],"place":{{"topic":"t","partition":0,"offset":1}},"said":{{}},"settled":0,"pack":"p"}}}}"#
        );
        Change::from_json(posted.as_bytes()).expect("a record of the alerts topic")
    }

    /// Partition 0 has the keys 0 to 4, partition 2 none, partition 7 the keys 5 to 9.
    fn page(partition: i32, behind: Option<&str>, limit: usize) -> Vec<Change> {
        let keys = if partition == 0 {
            0..5
        } else if partition == 7 {
            5..10
        } else {
            0..0
        };
        let all = keys.map(change).filter(|change| behind.is_none_or(|behind| change.key().as_str() > behind));
        all.take(limit).collect()
    }

    /// Asks on until there is no more.
    fn pages(view: &View, limit: usize) -> Vec<Vec<String>> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let mut waits = view.ask(after, limit);
            view.answer(Duration::ZERO, &[7, 0, 2], page);
            let Page { alerts, next } = waits.try_recv().expect("an answer");
            assert!(alerts.iter().all(|change| change.state == State::Firing));
            pages.push(alerts.iter().map(Change::key).collect());
            match next {
                Some(next) => after = Some(next),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_put_together_are_all_that_fires_each_once() {
        let view = View::default();
        view.begin();
        let all: Vec<String> = (0..10).map(|number| change(number).key()).collect();
        for limit in 1..12 {
            let pages = pages(&view, limit);
            assert!(pages.iter().all(|page| page.len() <= limit));
            assert_eq!(pages.len(), 10_usize.div_ceil(limit), "no page is empty");
            assert_eq!(pages.concat(), all);
        }
    }

    #[test]
    fn a_page_has_no_more_than_its_bytes() {
        let large = |partition, behind: Option<&str>, limit| {
            let mut changes = page(partition, behind, limit);
            let text = "x".repeat(PAGE_BYTES / 3);
            changes.iter_mut().for_each(|change| change.annotations = vec![("text".to_owned(), text.clone())]);
            changes
        };
        let mut after = None;
        for (expected, is_last) in [(2, false), (2, false), (2, false), (2, false), (2, true)] {
            let page = gather(&[0, 2, 7], after.as_ref(), 100, large);
            assert_eq!((page.alerts.len(), page.next.is_none()), (expected, is_last));
            after = page.next;
        }
        let one = |partition, behind: Option<&str>, limit| {
            let mut changes = page(partition, behind, limit);
            changes.iter_mut().for_each(|change| change.said.rule = "x".repeat(2 * PAGE_BYTES));
            changes
        };
        assert_eq!(gather(&[0], None, 100, one).alerts.len(), 1, "one that is larger by itself has a page of its own");
    }

    #[test]
    fn who_asks_is_never_left_without_an_answer_when_nobody_counts() {
        let view = View::default();
        assert_eq!(view.ask(None, 10).try_recv(), Ok(Page::default()), "no counter, nothing fires");
        view.begin();
        let mut waits = view.ask(None, 10);
        view.answer(Duration::from_secs(3600), &[0], page);
        assert!(view.is_asked(), "it has not waited for so long");
        assert_eq!(waits.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        view.end();
        assert_eq!(waits.try_recv(), Err(oneshot::error::TryRecvError::Closed), "it left");
    }

    #[test]
    fn numbers_are_those_of_the_partitions_that_are_ours() {
        let view = View::default();
        let of = |alert: &str, groups| BTreeMap::from([(alert.to_owned(), groups)]);
        view.count(0, 9);
        assert!(!view.knows(0));
        view.set(0, of("a", 3));
        view.set(1, of("a", 4));
        assert!(view.knows(0) && view.groups() == 9);
        assert_eq!(view.firing_by_alert(), of("a", 7));
        view.forget(0);
        assert_eq!((view.firing_by_alert(), view.groups()), (of("a", 4), 0));
    }
}
