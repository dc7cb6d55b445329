//! Which group is looked at when: those that have something to tell once the horizon has passed a time, and those that are kept
//! for what may still come, until nothing can; and who has to go when there is no room for all.

use super::Windows;
use crate::alert::clock::LATENESS_MS;
use crate::alert::group::Queued;

impl Windows {
    /// Forgets the group that matters least: of those that only late lines could change the one that rests longest, else the
    /// one that would be over soonest.
    pub(super) fn evict(&mut self) {
        loop {
            let (quiet, due) = (self.quiet.first().copied(), self.queue.first().copied());
            let is_quiet = match (quiet, due) {
                (None, None) => return,
                (Some((reaches, _)), due) => reaches < self.horizon || due.is_none_or(|(due, _)| reaches <= due),
                (None, Some(_)) => false,
            };
            let Some((known, slot)) = (if is_quiet { quiet } else { due }) else { return };
            let rule = self.rule(self.groups[slot].alert);
            let group = &mut self.groups[slot];
            // While lines come, a group is not looked at again before it is due, so it may last longer by now.
            let lasts = if is_quiet { Some(group.reaches(rule)) } else { group.end(rule) };
            if let Some(lasts) = lasts.filter(|lasts| *lasts > known) {
                let queued = if is_quiet { Queued::Quiet(lasts) } else { Queued::Due(lasts) };
                group.due = if is_quiet { group.due } else { lasts };
                self.put(slot, queued);
                continue;
            }
            let is_settled = is_quiet && known < self.horizon;
            *(if is_settled { &mut self.meters.let_go } else { &mut self.meters.evicted }) += 1;
            self.end(slot);
            return;
        }
    }

    /// Goes on to where the input partitions allow, at once: words on a stretch are ordered by what was read of the matches topic,
    /// and an owner that goes in steps would number its own otherwise than the next one.
    pub(super) fn advance(&mut self) {
        let is_ahead = |horizon: &i64| self.is_live && *horizon > self.horizon;
        let Some(horizon) = self.inputs.horizon().filter(is_ahead) else { return };
        self.horizon = horizon;
        self.floor = self.floor.max(horizon.saturating_sub((self.alerts.settings().lateness_ms - LATENESS_MS).max(0)));
        self.lowest.pass(self.floor);
        while let Some((_, slot)) = self.queue.first().copied().filter(|(due, _)| *due < horizon) {
            self.unqueue(slot, self.groups[slot].queued);
            self.groups[slot].queued = None;
            self.settle(slot, None);
        }
        while let Some((_, slot)) = self.quiet.first().copied().filter(|(reaches, _)| *reaches < self.kept) {
            let rule = self.rule(self.groups[slot].alert);
            match self.groups[slot].reaches(rule) {
                reaches if reaches < self.kept => self.remove(slot),
                reaches => self.put(slot, Queued::Quiet(reaches)),
            }
        }
    }

    pub(super) fn unqueue(&mut self, slot: usize, queued: Option<Queued>) {
        match queued {
            Some(Queued::Due(due)) => _ = self.queue.remove(&(due, slot)),
            Some(Queued::Quiet(reaches)) => _ = self.quiet.remove(&(reaches, slot)),
            None => {}
        }
    }

    pub(super) fn put(&mut self, slot: usize, to: Queued) {
        let before = self.groups[slot].queued.replace(to);
        self.unqueue(slot, before);
        match to {
            Queued::Due(due) => self.queue.insert((due, slot)),
            Queued::Quiet(reaches) => self.quiet.insert((reaches, slot)),
        };
    }

    /// Puts a group where it is found when it is due, or when it can be forgotten. One whose time is later than when it was put
    /// there stays: it is looked at then, and put on.
    pub(super) fn put_in_queue(&mut self, slot: usize) {
        let group = &self.groups[slot];
        let to = match group.due {
            i64::MAX => Queued::Quiet(group.reaches(self.rule(group.alert))),
            due => Queued::Due(due),
        };
        let stays = match (group.queued, to) {
            (Some(Queued::Due(queued)), Queued::Due(due)) => queued <= due,
            (Some(Queued::Quiet(queued)), Queued::Quiet(reaches)) => queued <= reaches,
            _ => false,
        };
        if !stays {
            self.put(slot, to);
        }
    }

    /// A group has changed: it is queued and weighed, and when all are too heavy some are forgotten, perhaps this one.
    pub(super) fn enqueue(&mut self, slot: usize) {
        self.put_in_queue(slot);
        let group = &mut self.groups[slot];
        let weight = group.bytes();
        self.meters.bytes = self.meters.bytes - group.weight + weight;
        group.weight = weight;
        while self.meters.bytes > self.limits.bytes && !self.groups.is_empty() {
            self.evict();
        }
    }
}
