//! Windows that go on where others were: after a restart, on another daemon, with other packs.
//!
//! What was told up to the commit follows from the lines that are read again, in silence, up to there, and from two things that
//! these do not tell: since when what held before the oldest of them held, and with which labels it was told. Both stand on the
//! alerts topic, which at least once may be further than the commit; what is told there ahead of it is told again.

use std::sync::Arc;

use super::{Windows, parts};
use crate::alert::group::{Told, Witness};
use crate::alert::record::Unreadable;
use crate::alert::restored::{Words, held, matters, slim};
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
        let change = if matters(&change, self.floor) { change } else { slim(change) };
        let words = self.restored.entry(key.to_owned()).or_default();
        if change.read_to.is_none_or(|read_to| read_to <= self.bookmark.next) {
            Words::take(&mut words.settled, &change);
        }
        Words::take(&mut words.last, &change);
        Ok(())
    }

    /// What is told of a group goes on from there.
    fn resume(&mut self, key: &str, words: Words) {
        let is_settled = words.settled.is_some();
        let Some(change) = words.settled.or(words.last) else { return };
        let floor = self.floor;
        if !matters(&change, floor) {
            return;
        }
        let since = held(&change).find(|(start, end)| *start < floor && floor <= *end).map(|(start, _)| start);
        let fires = change.state == State::Firing;
        let Some(alert) = self.alerts.find(&change.alert, change.group.len()) else {
            self.orphan(change);
            return;
        };
        let slot = self.by_key.get(key).copied().unwrap_or_else(|| self.insert(key.into(), alert));
        let told = Box::new(self.told_again(alert, change));
        let group = &mut self.groups[slot];
        since.into_iter().for_each(|since| group.restore(since));
        *(if fires && is_settled { &mut group.told } else { &mut group.last }) = Some(told);
    }

    /// An alert that fires and that the packs do not have any more is over, since nobody will ever count for it.
    fn orphan(&mut self, change: Change) {
        if change.state == State::Firing {
            let ends_at = Some(change.starts_at.max(change.settled));
            self.changes.push(Change { state: State::Resolved, ends_at, read_to: Some(self.next), word: 0, ..change });
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
        std::mem::take(&mut self.changes)
    }

    pub(super) fn catch_up(&mut self) {
        if self.is_live {
            return;
        }
        self.is_live = true;
        self.next = self.next.max(self.bookmark.next);
        let mut restored: Vec<(String, Words)> = std::mem::take(&mut self.restored).into_iter().collect();
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
        self.alerts = alerts;
        for slot in slots {
            if self.is_live && self.groups.contains(slot) {
                self.settle(slot, None);
            }
        }
        std::mem::take(&mut self.changes)
    }
}
