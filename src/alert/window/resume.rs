//! Windows that go on where others were: after a restart, on another daemon, with other packs.
//!
//! What fires since when is restored from the alerts topic, which at least once may be further than the commit; the lines that
//! still cover times ahead are read again, in silence, up to the commit.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::{Windows, parts};
use crate::alert::group::{Told, Witness};
use crate::alert::record::Unreadable;
use crate::alert::{Alerts, Change, State};

impl Windows {
    /// Takes over what a record of the alerts topic says; `None` is a tombstone. Of several records of a key the one that is
    /// furthest counts, and that is the last, unless somebody went on writing who had lost the partition. All of them come
    /// before the first [`Windows::read`].
    ///
    /// # Errors
    /// When the value is no such record.
    pub fn restore(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), Unreadable> {
        let change = value.map(Change::from_json).transpose()?;
        match &change {
            Some(change) => {
                let far =
                    (change.ends_at.unwrap_or(change.settled), change.ends_at.is_none(), Reverse(change.starts_at));
                if self.restored.get(key).is_some_and(|known| *known > far) {
                    return Ok(());
                }
                self.restored.insert(key.to_owned(), far);
            }
            None => _ = self.restored.remove(key),
        }
        let known = self.by_key.get(key).copied();
        let is_past = |change: &Change| change.ends_at.is_some_and(|ends_at| ends_at <= self.horizon);
        let Some(change) = change.filter(|change| !is_past(change)) else {
            known.into_iter().for_each(|slot| self.remove(slot));
            return Ok(());
        };
        let Some(alert) = self.alerts.find(&change.alert, change.group.len()) else {
            self.orphan(change);
            return Ok(());
        };
        let slot = known.unwrap_or_else(|| self.insert(key.into(), alert));
        match change.ends_at {
            Some(ends_at) => self.groups[slot].restore_over(ends_at),
            None => {
                let settled = change.settled;
                let told = self.told_again(alert, change);
                self.groups[slot].restore(told, settled);
            }
        }
        self.enqueue(slot);
        Ok(())
    }

    /// An alert that fires and that the packs do not have any more is over, since nobody will ever count for it.
    fn orphan(&mut self, change: Change) {
        if change.state == State::Firing {
            let ends_at = Some(change.starts_at.max(change.settled));
            self.changes.push(Change { state: State::Resolved, ends_at, ..change });
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
        Told { starts_at, until: starts_at, count, lines, witness, labels }
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
        self.restored = HashMap::new();
        self.next = self.next.max(self.bookmark.next);
        // In the order of keys: the order of slots depends on how far back the reading began.
        let mut slots: Vec<(Arc<str>, usize)> =
            self.groups.iter().map(|(slot, group)| (Arc::clone(&group.key), slot)).collect();
        slots.sort();
        for (_, slot) in slots {
            // Settling one can push out others, when memory is short.
            if self.groups.contains(slot) {
                self.settle(slot, None);
            }
        }
    }

    /// Other packs. Alerts go on with the lines that they have; those that are gone are over.
    pub fn exchange(&mut self, alerts: Arc<Alerts>) -> Vec<Change> {
        let slots: Vec<usize> = self.groups.iter().map(|(slot, _)| slot).collect();
        for slot in &slots {
            let labels = self.firing_labels(*slot);
            if let Some(told) = &mut self.groups[*slot].told {
                told.labels = labels.map(Vec::into_boxed_slice);
            }
        }
        for slot in &slots {
            let (id, values) = parts(&self.groups[*slot].key);
            match alerts.find(&id, values.len()) {
                Some(alert) => self.groups[*slot].alert = alert,
                None => self.end(*slot),
            }
        }
        self.alerts = alerts;
        if self.is_live {
            for slot in slots {
                let Some(group) = self.groups.get(slot) else { continue };
                if group.told.is_some() && group.stretch(self.rule(group.alert)).is_none() {
                    self.end(slot);
                } else {
                    self.settle(slot, None);
                }
            }
        }
        std::mem::take(&mut self.changes)
    }

    fn firing_labels(&self, slot: usize) -> Option<Vec<(String, String)>> {
        self.change(&self.groups[slot], None).map(|change| change.labels)
    }
}
