//! Windows that go on where others were: after a restart, on another daemon, with other packs.
//!
//! What was told up to the commit follows from the lines that are read again, in silence, up to there, and from two things that
//! these do not tell: since when what held before the oldest of them held, and with which labels it was told. Both stand on the
//! alerts topic, which at least once may be further than the commit; what is told there ahead of it is told again.

use std::sync::Arc;

use super::{Windows, parts};
use crate::alert::group::{Group, Told, Witness};
use crate::alert::record::Unreadable;
use crate::alert::restored::{What, Word, Words, held, matters};
use crate::alert::{Alerts, Change, State};

impl Windows {
    /// Takes over what a record of the alerts topic says; `None` is a tombstone. All of them come before the first
    /// [`Windows::read`], in their order.
    ///
    /// # Errors
    /// When the value is no such record.
    pub fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), Unreadable> {
        let Some(change) = value.map(Change::from_json).transpose()? else {
            self.restored.remove(key);
            return Ok(());
        };
        let (far, floor) = (change.far(), self.floor);
        let what = if matters(&change, floor) { self.what(change) } else { What::Nothing };
        let word = Arc::new(Word { far, what });
        let words = self.restored.entry(key.into()).or_default();
        if far.0.is_none_or(|read_to| read_to <= self.bookmark.next) {
            Words::take(&mut words.settled, &word);
        }
        Words::take(&mut words.last, &word);
        Ok(())
    }

    fn what(&mut self, change: Change) -> What {
        let (floor, fires) = (self.floor, change.state == State::Firing);
        let since = held(&change).find(|(start, end)| *start < floor && floor <= *end).map(|(start, _)| start);
        match self.alerts.find(&change.alert, change.group.len()) {
            Some(alert) => What::Known { alert, since, fires, told: self.told_again(alert, change) },
            None if fires => What::Orphan(Box::new(change)),
            None => What::Nothing,
        }
    }

    /// What is told of a group goes on from there.
    fn resume(&mut self, key: &str, words: Words) {
        let is_settled = words.settled.is_some();
        let Some(word) = words.settled.or(words.last) else { return };
        match Arc::unwrap_or_clone(word).what {
            What::Nothing => {}
            What::Orphan(change) => self.orphan(key, *change),
            What::Known { alert, since, fires, told } => {
                let slot = self.by_key.get(key).copied().unwrap_or_else(|| self.insert(key.into(), alert));
                let group = &mut self.groups[slot];
                since.into_iter().for_each(|since| group.restore(since));
                *(if fires && is_settled { &mut group.told } else { &mut group.last }) = Some(Box::new(told));
            }
        }
    }

    /// The same with other packs.
    fn with(&self, alerts: &Alerts, key: &str, what: What) -> What {
        let What::Known { alert, since, fires, told } = what else { return what };
        let group = Group::new(key.into(), alert, self.floor);
        let words = self.change(&group, &told, None);
        match alerts.find(&words.alert, words.group.len()) {
            Some(alert) => {
                let labels = Some(words.labels.into_boxed_slice());
                What::Known { alert, since, fires, told: Told { labels, ..told } }
            }
            None if fires => What::Orphan(Box::new(words)),
            None => What::Nothing,
        }
    }

    /// An alert that fires and that the packs do not have any more is over, since nobody will ever count for it.
    fn orphan(&mut self, key: &str, change: Change) {
        if change.state == State::Firing {
            let ends_at = Some(change.starts_at.max(change.settled));
            let change = Change { state: State::Resolved, ends_at, read_to: Some(self.next), word: 0, ..change };
            self.tell_in_words(key, change);
        }
    }

    fn told_again(&mut self, alert: usize, change: Change) -> Told {
        let Change { group, starts_at, count, lines, labels, place, said, .. } = change;
        let lines = lines.iter().map(|place| (self.number(place), place.offset)).collect();
        let witness =
            Witness { at: starts_at, input: self.number(&place), offset: place.offset, said: self.share(said) };
        let values: Vec<String> = group.into_iter().map(|(_, value)| value).collect();
        let made = self.words(alert, &values, &witness.said, count).labels();
        let labels = (made != labels).then(|| labels.into_boxed_slice());
        Told { starts_at, count, lines, witness, labels }
    }

    /// Everything before the bookmark's `next` has been read. The first [`Windows::read`] behind it says so as well.
    pub fn caught_up(&mut self) -> Vec<Change> {
        self.catch_up();
        self.changes()
    }

    /// [`Windows::caught_up`], but what is to be told is left to be taken by [`Windows::news`].
    pub fn catch_up(&mut self) {
        if self.is_live {
            return;
        }
        self.is_live = true;
        self.next = self.next.max(self.bookmark.next);
        let mut restored: Vec<(Arc<str>, Words)> = std::mem::take(&mut self.restored).into_iter().collect();
        restored.sort_by(|a, b| a.0.cmp(&b.0));
        restored.into_iter().for_each(|(key, words)| self.resume(&key, words));
        // In the order of keys: the order of slots depends on how far back the reading began.
        let mut slots: Vec<(Arc<str>, usize)> =
            self.groups.iter().map(|(slot, group)| (Arc::clone(&group.key), slot)).collect();
        slots.sort();
        for (_, slot) in slots {
            // Settling one can push out others, when memory is short.
            if self.groups.contains(slot) {
                let (horizon, rule) = (self.horizon, self.rule(self.groups[slot].alert));
                let group = &mut self.groups[slot];
                let firing = group.told.as_ref().map(|told| told.starts_at);
                group.resume(horizon, firing, rule);
                let end = group.end(rule);
                group.next.take_if(|next| end.is_some_and(|end| next.at < end));
                self.settle(slot, None);
            }
        }
    }

    /// Other packs. Alerts go on with the lines that they have; those that are gone are over.
    pub fn exchange(&mut self, alerts: Arc<Alerts>) -> Vec<Change> {
        self.swap(alerts);
        self.changes()
    }

    /// [`Windows::exchange`], but what is to be told is left to be taken by [`Windows::news`].
    pub fn swap(&mut self, alerts: Arc<Alerts>) {
        let slots: Vec<usize> = self.groups.iter().map(|(slot, _)| slot).collect();
        for slot in &slots {
            let labels = |told: &Told| self.change(&self.groups[*slot], told, None).labels.into_boxed_slice();
            let labels = [&self.groups[*slot].told, &self.groups[*slot].last].map(|told| told.as_deref().map(labels));
            let group = &mut self.groups[*slot];
            for (told, labels) in [&mut group.told, &mut group.last].into_iter().zip(labels) {
                told.iter_mut().for_each(|told| told.labels.clone_from(&labels));
            }
        }
        for slot in &slots {
            let (id, values) = parts(&self.groups[*slot].key);
            let Some(alert) = alerts.find(&id, values.len()) else {
                self.end(*slot);
                continue;
            };
            let (before, now) = (self.rule(self.groups[*slot].alert), alerts.definition(alert).rule);
            self.groups[*slot].alert = alert;
            if before != now {
                self.groups[*slot].recount(self.horizon, before, now);
            }
        }
        let mut restored = std::mem::take(&mut self.restored);
        for (key, words) in &mut restored {
            for word in [&mut words.settled, &mut words.last].into_iter().flatten() {
                let Word { far, what } = Word::clone(word);
                *word = Arc::new(Word { far, what: self.with(&alerts, key, what) });
            }
        }
        self.restored = restored;
        self.alerts = alerts;
        for slot in slots {
            if self.is_live && self.groups.contains(slot) {
                self.settle(slot, None);
            }
        }
    }
}
