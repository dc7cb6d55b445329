//! The counting of one partition of the matches topic: its groups, what falls due in them, and how it goes on after a
//! restart. What a stretch is, `stretch` knows; when one is over, `horizon`; what one group needs, `group`.

mod resume;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use slab::Slab;

use super::bookmark::{Bookmark, Lowest};
use super::change::{Change, LINES_MAX, State, Words};
use super::counting::Alerts;
use super::group::{Event, Group, Told, Witness};
use super::horizon::Inputs;
use super::meters::{Limits, Meters};
use super::record::{Match, Place, Record, Said};
use super::stretch::{Entry, Rule};

/// Shared words of lines beyond which those that nobody uses any more are dropped.
const SHARED_MAX: usize = 1024;

/// The windows of one partition of the matches topic.
///
/// Its life: [`Windows::new`] with the bookmark of the commit; [`Windows::restore`] with each record of the alerts topic
/// that has this partition's keys (the last for a key counts); [`Windows::read`] with every record of the matches topic
/// from [`Bookmark::from`] on; [`Windows::caught_up`] once everything before [`Bookmark::next`] has been read. When what it
/// gave came to nothing (a transaction was aborted), it is thrown away and begins anew at what was committed.
#[derive(Debug)]
pub struct Windows {
    alerts: Arc<Alerts>,
    limits: Limits,
    inputs: Inputs,
    /// Everything before it is settled; `i64::MIN`: nothing is.
    horizon: i64,
    groups: Slab<Group>,
    by_key: HashMap<Arc<str>, usize>,
    /// Groups by the time at which they may have something to tell.
    queue: BTreeSet<(i64, usize)>,
    lowest: Lowest,
    /// Words of lines, each once.
    shared: HashSet<Arc<Said>>,
    /// The next record of the matches topic.
    next: i64,
    /// Where it began; records before its `next` have been told of already.
    bookmark: Bookmark,
    /// All of those have been read again.
    is_live: bool,
    /// How far what was restored goes, by key, until all has caught up.
    restored: HashMap<String, (i64, bool, Reverse<i64>)>,
    changes: Vec<Change>,
    meters: Meters,
    /// Where keys are put together.
    key: Vec<u8>,
}

impl Windows {
    /// Windows that know nothing yet.
    #[must_use]
    pub fn new(alerts: Arc<Alerts>, limits: Limits, bookmark: Bookmark) -> Self {
        Self {
            alerts,
            limits,
            inputs: Inputs::default(),
            horizon: bookmark.horizon,
            groups: Slab::new(),
            by_key: HashMap::new(),
            queue: BTreeSet::new(),
            lowest: Lowest::default(),
            shared: HashSet::new(),
            next: bookmark.from.min(bookmark.next),
            bookmark,
            is_live: false,
            restored: HashMap::new(),
            changes: Vec::new(),
            meters: Meters::default(),
            key: Vec::new(),
        }
    }

    /// Takes the record at `offset`. What it gives is to be written to the alerts topic before the offset behind it is
    /// committed. Records before the bookmark's `next` give nothing: they have been told of.
    pub fn read(&mut self, offset: i64, record: &Record) -> Vec<Change> {
        if offset >= self.bookmark.next {
            self.catch_up();
        }
        self.next = self.next.max(offset + 1);
        match record {
            Record::Match(found) => self.accept(offset, found),
            Record::Watermark(watermark) => {
                self.inputs.told(watermark);
                self.advance();
            }
        }
        std::mem::take(&mut self.changes)
    }

    /// Everything that fires, for sending again and for looking at, in the order of keys.
    #[must_use]
    pub fn firing(&self) -> Vec<Change> {
        self.firing_behind(None, usize::MAX)
    }

    /// What fires behind a key, or from the beginning, in the order of keys: at most `limit` groups.
    #[must_use]
    pub fn firing_behind(&self, behind: Option<&str>, limit: usize) -> Vec<Change> {
        let is_asked = |group: &&Group| group.told.is_some() && behind.is_none_or(|behind| *group.key > *behind);
        let mut firing: Vec<&Group> = self.groups.iter().map(|(_, group)| group).filter(is_asked).collect();
        if limit < firing.len() {
            firing.select_nth_unstable_by(limit, |a, b| a.key.cmp(&b.key));
            firing.truncate(limit);
        }
        firing.sort_by(|a, b| a.key.cmp(&b.key));
        firing.into_iter().filter_map(|group| self.change(group, None)).collect()
    }

    /// How many groups of each alert fire.
    #[must_use]
    pub fn firing_by_alert(&self) -> BTreeMap<String, usize> {
        let mut many = vec![0_usize; self.alerts.ids().count()];
        let firing = self.groups.iter().filter(|(_, group)| group.told.is_some());
        firing.for_each(|(_, group)| many[group.alert] += 1);
        let named = self.alerts.ids().zip(many).filter(|(_, groups)| *groups > 0);
        named.map(|(alert, groups)| (alert.to_owned(), groups)).collect()
    }

    /// What to commit once all that was read has been told of. Until it has caught up that is what was committed.
    #[must_use]
    pub fn bookmark(&self) -> Bookmark {
        if !self.is_live {
            return self.bookmark;
        }
        let from = self.lowest.of(self.horizon).unwrap_or(self.next);
        Bookmark { from: from.min(self.next), next: self.next, horizon: self.horizon }
    }

    /// What happened.
    #[must_use]
    pub fn meters(&self) -> Meters {
        let firing = self.groups.iter().filter(|(_, group)| group.told.is_some()).count();
        Meters { groups: self.groups.len(), firing, ..self.meters }
    }

    fn rule(&self, alert: usize) -> Rule {
        self.alerts.definition(alert).rule
    }

    fn number(&mut self, place: &Place) -> u32 {
        self.inputs.number(&place.topic, place.partition)
    }

    fn accept(&mut self, offset: i64, found: &Match) {
        let Some(alert) = self.alerts.find(&found.alert, found.group.len()) else {
            self.meters.unknown += 1;
            return;
        };
        let rule = self.rule(alert);
        let until = found.at.saturating_add(rule.window);
        if until <= self.horizon {
            self.meters.passed += 1;
            return;
        }
        self.lowest.see(offset, until);
        let slot = self.slot(found, alert);
        let value = found.distinct.as_deref().filter(|_| rule.distinct).map_or(0, digest);
        let entry = Entry { at: found.at, input: self.number(&found.place), offset: found.place.offset, value };
        let group = &mut self.groups[slot];
        let is_new =
            if found.against { group.lines.insert_against(found.at, rule) } else { group.lines.insert(entry, rule) };
        if !is_new {
            self.meters.repeated += 1;
            return;
        }
        self.meters.counted += 1;
        let is_behind = self.is_live && found.at < self.horizon && !self.inputs.has_told(entry.input, entry.offset);
        self.meters.behind += u64::from(is_behind);
        if !self.is_live || !group.is_moved_by(found.at, rule) {
            self.witness_next(slot, entry, found);
            self.groups[slot].due = self.groups[slot].due.min(until);
            self.enqueue(slot);
            return;
        }
        if rule.unless && !found.against {
            self.witness_next(slot, entry, found);
        }
        self.settle(slot, (!found.against).then_some((entry, found)));
    }

    /// Keeps the line that begins the next stretch, which may have to be told of without a line that comes.
    fn witness_next(&mut self, slot: usize, entry: Entry, found: &Match) {
        let rule = self.rule(self.groups[slot].alert);
        let group = &mut self.groups[slot];
        if let Some(until) = group.told.as_ref().map(|told| told.until) {
            if entry.at < until {
                return;
            }
            // It may hold longer by now.
            let end = group.stretch(rule).map_or(until, |(_, end)| end);
            group.told.iter_mut().for_each(|told| told.until = end);
            if entry.at < end {
                return;
            }
        }
        let is_told = group.told.is_some();
        let is_nearer = group.next.as_ref().is_none_or(|next| !is_told || entry.at < next.at || next.at < group.from);
        if is_nearer && !found.against {
            let said = self.share(found.said.clone());
            let witness = Witness { at: entry.at, input: entry.input, offset: entry.offset, said };
            self.groups[slot].next = Some(Box::new(witness));
        }
    }

    /// The group of a match; a new one if need be.
    fn slot(&mut self, found: &Match, alert: usize) -> usize {
        self.key.clear();
        found.write_key(&mut self.key);
        let key = std::str::from_utf8(&self.key).unwrap_or_default();
        if let Some(slot) = self.by_key.get(key) {
            return *slot;
        }
        let key: Arc<str> = key.into();
        self.insert(key, alert)
    }

    fn insert(&mut self, key: Arc<str>, alert: usize) -> usize {
        while self.groups.len() >= self.limits.groups.max(1) {
            self.evict();
        }
        let slot = self.groups.insert(Group::new(Arc::clone(&key), alert, self.horizon));
        self.by_key.insert(key, slot);
        slot
    }

    fn remove(&mut self, slot: usize) {
        let group = self.groups.remove(slot);
        self.by_key.remove(&group.key);
        group.queued.into_iter().for_each(|queued| _ = self.queue.remove(&(queued, slot)));
        self.meters.bytes -= group.weight;
    }

    /// Tells everything that is to be told of a group; `line` is the one that came just now.
    fn settle(&mut self, slot: usize, line: Option<(Entry, &Match)>) {
        let rule = self.rule(self.groups[slot].alert);
        while let Some(event) = self.groups[slot].settle(self.horizon, rule) {
            match event {
                Event::Fires(start) => {
                    let told = self.told(slot, start, rule, line);
                    self.groups[slot].told = Some(Box::new(told));
                    self.tell(slot, None);
                }
                Event::Over(start, end) => {
                    self.tell(slot, Some((start, end)));
                    self.groups[slot].over(end);
                }
            }
        }
        let group = &mut self.groups[slot];
        if group.is_idle(self.horizon) {
            self.remove(slot);
        } else {
            if group.told.is_none() && !rule.unless {
                group.next = None;
            }
            self.enqueue(slot);
        }
    }

    /// What is told when a group fires since `start`. Labels are those of the line that fired first.
    fn told(&mut self, slot: usize, start: i64, rule: Rule, line: Option<(Entry, &Match)>) -> Told {
        let before = self.groups[slot].told.take();
        let next = self.groups[slot].next.take_if(|_| before.is_none());
        let (covering, count) = self.groups[slot].lines.covering(start, rule);
        let lines = covering.iter().take(LINES_MAX).map(|entry| (entry.input, entry.offset)).collect();
        let last = covering.last().copied();
        let (witness, labels) = match (before, line, next) {
            (Some(before), ..) => (before.witness, before.labels),
            (None, Some((entry, found)), _) if !rule.unless => {
                let said = self.share(found.said.clone());
                (Witness { at: entry.at, input: entry.input, offset: entry.offset, said }, None)
            }
            (None, _, Some(next)) => (*next, None),
            (None, ..) => {
                let (input, offset) = last.map_or((0, 0), |entry| (entry.input, entry.offset));
                (Witness { at: start, input, offset, said: self.share(Said::default()) }, None)
            }
        };
        Told { starts_at: start, until: start, count, lines, witness, labels }
    }

    fn tell(&mut self, slot: usize, over: Option<(i64, i64)>) {
        let change = self.change(&self.groups[slot], over);
        self.changes.extend(change);
    }

    /// A group that fires, or was over from then until then, in words.
    fn change(&self, group: &Group, over: Option<(i64, i64)>) -> Option<Change> {
        let told = group.told.as_ref()?;
        let definition = self.alerts.definition(group.alert);
        let (_, values) = parts(&group.key);
        let words = self.words(group.alert, &values, &told.witness.said, told.count);
        let labels = told.labels.as_ref().map_or_else(|| words.labels(), |labels| labels.to_vec());
        let lines: Vec<Place> = told.lines.iter().map(|(input, offset)| self.inputs.place(*input, *offset)).collect();
        let (starts_at, ends_at) = over.map_or((told.starts_at, None), |(start, end)| (start, Some(end)));
        Some(Change {
            alert: definition.alert.id.clone(),
            state: if ends_at.is_some() { State::Resolved } else { State::Firing },
            starts_at,
            ends_at,
            count: told.count,
            annotations: words.annotations(&labels, starts_at, lines.first()),
            lines,
            labels,
            place: self.inputs.place(told.witness.input, told.witness.offset),
            said: Said::clone(&told.witness.said),
            settled: group.from,
            pack: definition.pack.clone(),
            group: definition.group.iter().cloned().zip(values).collect(),
        })
    }

    fn words<'a>(&'a self, alert: usize, group: &'a [String], said: &'a Said, count: usize) -> Words<'a> {
        Words { alerts: &self.alerts, definition: self.alerts.definition(alert), group, said, count }
    }

    /// Forgets a group before its time; one that fires is told to be over as soon as it can be by what is known.
    fn end(&mut self, slot: usize) {
        let group = &self.groups[slot];
        if let Some(told) = &group.told {
            let start = told.starts_at;
            let end = group.stretch(self.rule(group.alert)).map_or(group.from.max(start), |(_, end)| end);
            self.tell(slot, Some((start, end)));
        }
        self.remove(slot);
    }

    /// Forgets the group that would be over soonest.
    fn evict(&mut self) {
        while let Some((queued, slot)) = self.queue.pop_first() {
            self.groups[slot].queued = None;
            let rule = self.rule(self.groups[slot].alert);
            // While lines come, a group is not looked at again before it is due, so it may last longer by now.
            let group = &self.groups[slot];
            let due = group.stretch(rule).map_or_else(|| group.lines.end(rule).unwrap_or(queued), |(_, end)| end);
            if due > queued {
                self.groups[slot].due = due;
                self.put_in_queue(slot);
                continue;
            }
            self.meters.evicted += 1;
            self.end(slot);
            return;
        }
    }

    fn advance(&mut self) {
        let Some(horizon) = self.inputs.horizon().filter(|horizon| self.is_live && *horizon > self.horizon) else {
            return;
        };
        self.horizon = horizon;
        self.lowest.pass(horizon);
        while let Some((_, slot)) = self.queue.first().copied().filter(|(due, _)| *due < horizon) {
            self.queue.pop_first();
            self.groups[slot].queued = None;
            self.settle(slot, None);
        }
    }

    /// Puts a group where it is found when it is due. One that is due later than when it was put there stays: it is looked
    /// at then, and put on.
    fn put_in_queue(&mut self, slot: usize) {
        let group = &mut self.groups[slot];
        if group.queued.is_none_or(|queued| group.due < queued) {
            group.queued.into_iter().for_each(|queued| _ = self.queue.remove(&(queued, slot)));
            group.queued = Some(group.due);
            self.queue.insert((group.due, slot));
        }
    }

    /// A group has changed: it is queued and weighed, and when all are too heavy some are forgotten, perhaps this one.
    fn enqueue(&mut self, slot: usize) {
        self.put_in_queue(slot);
        let group = &mut self.groups[slot];
        let weight = group.bytes();
        self.meters.bytes = self.meters.bytes - group.weight + weight;
        group.weight = weight;
        while self.meters.bytes > self.limits.bytes && !self.groups.is_empty() {
            self.evict();
        }
    }

    fn share(&mut self, said: Said) -> Arc<Said> {
        if let Some(known) = self.shared.get(&said) {
            return Arc::clone(known);
        }
        let said = Arc::new(said);
        if self.shared.len() >= SHARED_MAX {
            self.shared.retain(|known| Arc::strong_count(known) > 1);
        }
        if self.shared.len() < SHARED_MAX {
            self.shared.insert(Arc::clone(&said));
        }
        said
    }
}

/// A key taken apart: the alert's id and the values of the group.
fn parts(key: &str) -> (String, Vec<String>) {
    let mut parts: Vec<String> = serde_json::from_str(key).unwrap_or_default();
    let id = if parts.is_empty() { String::new() } else { parts.remove(0) };
    (id, parts)
}

/// The first eight bytes of a text's SHA-256, never 0.
fn digest(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).max(1)
}
