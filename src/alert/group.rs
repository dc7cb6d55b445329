//! One group of one alert: the lines that still cover times ahead, since when it holds, and what has been told of it.

use std::sync::Arc;

use super::record::Said;
use super::stretch::{Lines, Rule};

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Key of its records: the alert's id and the values of its `group_by`.
    pub(super) key: Arc<str>,
    /// Index of its alert.
    pub(super) alert: usize,
    pub(super) lines: Lines,
    /// Everything before this time is settled: it has been told and is never looked at again.
    pub(super) from: i64,
    /// Since when it holds, when it holds right before `from`.
    since: Option<i64>,
    /// What has been told, while it fires.
    pub(super) told: Option<Box<Told>>,
    /// What is told when it fires next and no line comes to make it: the line that may begin the next stretch.
    pub(super) next: Option<Box<Witness>>,
    /// When the horizon passes this, something may have to be told or forgotten.
    pub(super) due: i64,
    /// The time at which it stands in the queue; not later than `due`.
    pub(super) queued: Option<i64>,
    /// Its bytes as they were last counted.
    pub(super) weight: usize,
}

/// What was told when a group fired, kept until it is over.
#[derive(Debug)]
pub(super) struct Told {
    /// Event time at which the condition first held.
    pub(super) starts_at: i64,
    /// It holds at least until then, as far as was known when last looked.
    pub(super) until: i64,
    /// Lines in the window at `starts_at`.
    pub(super) count: usize,
    /// Where some of them stand: number of the input partition and offset.
    pub(super) lines: Box<[(u32, i64)]>,
    /// The line that fired.
    pub(super) witness: Witness,
    /// Labels, when they cannot be made from the packs any more: other packs have come since.
    pub(super) labels: Option<Box<[(String, String)]>>,
}

/// A line that makes an alert fire, as far as labels and annotations need it.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    /// Its event time.
    pub(super) at: i64,
    /// Number of its input partition.
    pub(super) input: u32,
    /// Its offset there.
    pub(super) offset: i64,
    /// What it said. Shared where many lines say the same.
    pub(super) said: Arc<Said>,
}

/// What is to be told of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It fires since then, or is known to have begun to at that earlier time.
    Fires(i64),
    /// It fired from then until then.
    Over(i64, i64),
}

impl Group {
    pub(super) fn new(key: Arc<str>, alert: usize, from: i64) -> Self {
        Self {
            key,
            alert,
            lines: Lines::default(),
            from,
            since: None,
            told: None,
            next: None,
            due: i64::MAX,
            queued: None,
            weight: 0,
        }
    }

    /// It fires since `starts_at`, as was told when everything before `from` was settled.
    pub(super) fn restore(&mut self, told: Told, from: i64) {
        self.from = self.from.max(from);
        self.since = (told.starts_at < self.from).then_some(told.starts_at);
        self.due = self.from;
        self.told = Some(Box::new(told));
    }

    /// It was over at that time.
    pub(super) fn restore_over(&mut self, ends_at: i64) {
        (self.told, self.since) = (None, None);
        self.from = self.from.max(ends_at);
        self.due = self.from;
    }

    /// Whether a line at this time can change anything that is to be told now. While it fires, a later line only makes it
    /// fire longer.
    pub(super) fn is_moved_by(&self, at: i64, rule: Rule) -> bool {
        rule.unless || self.told.as_ref().is_none_or(|told| at < told.starts_at)
    }

    /// The stretch that comes next, or that is under way.
    pub(super) fn stretch(&self, rule: Rule) -> Option<(i64, i64)> {
        self.lines.stretch(self.from, self.since, rule)
    }

    /// What is to be told next. The caller tells it, enters it with [`Group::told`] or [`Group::over`], and asks again until
    /// there is nothing; then `due` says when to look again.
    pub(super) fn settle(&mut self, horizon: i64, rule: Rule) -> Option<Event> {
        let enough = self.since.is_some() || self.lines.len() >= rule.least;
        let stretch = enough.then(|| self.stretch(rule)).flatten();
        // After a restart, what fires may have been told further than the lines have been read again.
        let ahead = self.told.as_ref().map(|told| told.starts_at);
        let Some((start, end)) = stretch.filter(|(start, _)| ahead.is_none_or(|ahead| *start <= ahead)) else {
            self.pass(horizon, None, rule);
            self.due = ahead.map_or_else(|| self.lines.end(rule).unwrap_or(self.from), |ahead| ahead.max(horizon));
            return None;
        };
        let is_certain = !rule.unless || start < horizon;
        let is_news = self.told.as_ref().is_none_or(|told| start < told.starts_at);
        if is_certain && is_news {
            return Some(Event::Fires(start));
        }
        if end < horizon {
            return Some(Event::Over(start, end));
        }
        self.pass(horizon, (start < horizon).then_some(start), rule);
        if let Some(told) = &mut self.told {
            told.until = end;
        }
        self.due = if is_certain { end } else { start };
        None
    }

    /// It has been told that it is over. What fired it last stands for what fires it next, when nothing better is known.
    pub(super) fn over(&mut self, end: i64) {
        let told = self.told.take();
        self.since = None;
        self.from = self.from.max(end);
        if self.next.is_none() {
            self.next = told.map(|told| Box::new(told.witness));
        }
    }

    /// Everything before the horizon is settled.
    fn pass(&mut self, horizon: i64, since: Option<i64>, rule: Rule) {
        if horizon > self.from {
            (self.from, self.since) = (horizon, since);
        }
        self.lines.forget(self.from, rule);
    }

    /// Whether there is nothing to know of it any more. What was told before a restart may have been settled further than
    /// the horizon is now.
    pub(super) fn is_idle(&self, horizon: i64) -> bool {
        self.told.is_none() && self.since.is_none() && self.lines.is_empty() && self.from <= horizon
    }

    /// Bytes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let told = self.told.as_ref().map_or(0, |told| {
            let labels = told.labels.iter().flat_map(|labels| labels.iter());
            let labels: usize = labels.map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum();
            size_of::<Told>() + told.lines.len() * size_of::<(u32, i64)>() + labels + told.witness.bytes()
        });
        let next = self.next.as_ref().map_or(0, |next| size_of::<Witness>() + next.bytes());
        KEPT_BESIDE + size_of::<Self>() + self.key.len() + told + next + self.lines.bytes()
    }
}

/// Bytes that a group takes in the table of keys, in the queue and in the allocator's own books, about.
const KEPT_BESIDE: usize = 160;

impl Witness {
    /// Bytes that it alone holds. What many share is counted nowhere: it is bounded by how many are shared.
    fn bytes(&self) -> usize {
        if Arc::strong_count(&self.said) > 1 { 0 } else { self.said.bytes() }
    }
}
