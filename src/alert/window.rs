//! The counting of one partition of the matches topic: its groups, what falls due in them, and how it goes on after a
//! restart. What a stretch is, `stretch` knows; when one is over, `horizon`; what one group needs, `group`. Below it: which group
//! is looked at when (`queues`), how its news are put into words (`telling`), and how all goes on elsewhere (`resume`).

mod queues;
mod resume;
mod telling;

pub use telling::Untold;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use slab::Slab;

use super::bookmark::{Bookmark, Lowest};
use super::change::Change;
use super::counting::Alerts;
use super::group::{Group, Witness};
use super::horizon::Inputs;
use super::meters::{Limits, Meters};
use super::record::{Match, Place, Record, Said};
use super::restored::Words;
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
    /// What ended before it is told to be over; `i64::MIN`: nothing is.
    horizon: i64,
    /// No line that comes is older, so nothing before it changes any more: as far behind the horizon as late lines count.
    floor: i64,
    /// What it is in the last commit.
    kept: i64,
    groups: Slab<Group>,
    by_key: HashMap<Arc<str>, usize>,
    /// Groups by the time at which they may have something to tell.
    queue: BTreeSet<(i64, usize)>,
    /// Groups that have nothing to tell, by the time up to which they hold something.
    quiet: BTreeSet<(i64, usize)>,
    lowest: Lowest,
    /// Words of lines, each once.
    shared: HashSet<Arc<Said>>,
    /// The next record of the matches topic.
    next: i64,
    /// Where it began; records before its `next` have been told of already.
    bookmark: Bookmark,
    /// All of those have been read again.
    is_live: bool,
    /// What the alerts topic says of each key, until all has caught up.
    restored: HashMap<Arc<str>, Words>,
    news: Vec<Untold>,
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
            floor: bookmark.floor,
            kept: bookmark.floor,
            groups: Slab::new(),
            by_key: HashMap::new(),
            queue: BTreeSet::new(),
            quiet: BTreeSet::new(),
            lowest: Lowest::default(),
            shared: HashSet::new(),
            next: bookmark.from.min(bookmark.next),
            bookmark,
            is_live: false,
            restored: HashMap::new(),
            news: Vec::new(),
            meters: Meters::default(),
            key: Vec::new(),
        }
    }

    /// Takes the record at `offset`. What it gives is to be written to the alerts topic before the offset behind it is
    /// committed. Records before the bookmark's `next` give nothing: they have been told of.
    pub fn read(&mut self, offset: i64, record: &Record) -> Vec<Change> {
        self.take(offset, record);
        self.changes()
    }

    fn changes(&mut self) -> Vec<Change> {
        let news = self.news();
        news.iter().map(|untold| self.in_words(untold)).collect()
    }

    /// What is to be told, in this order.
    pub fn news(&mut self) -> Vec<Untold> {
        std::mem::take(&mut self.news)
    }

    /// [`Windows::read`], but what is to be told is left to be taken by [`Windows::news`].
    pub fn take(&mut self, offset: i64, record: &Record) {
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
        firing.into_iter().filter_map(|group| Some(self.change(group, group.told.as_ref()?, None))).collect()
    }

    /// The group of a key, when it fires.
    #[must_use]
    pub fn fires(&self, key: &str) -> Option<Change> {
        let group = &self.groups[*self.by_key.get(key)?];
        Some(self.change(group, group.told.as_ref()?, None))
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
        let from = self.lowest.of(self.floor).unwrap_or(self.next);
        let Self { next, horizon, floor, .. } = *self;
        Bookmark { from: from.min(next), next, horizon, floor, began: self.bookmark.began }
    }

    /// The bookmark was committed: whoever comes next begins there.
    pub fn committed(&mut self, bookmark: &Bookmark) {
        self.kept = self.kept.max(bookmark.floor);
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
        // One that is against counts where what it takes out ends, too: something may be told to begin there.
        if until < self.floor || (until == self.floor && !found.against) {
            self.meters.passed += 1;
            return;
        }
        self.lowest.see(offset, until);
        let slot = self.slot(found, alert);
        let value = found.distinct.as_deref().filter(|_| rule.distinct).map_or(0, digest);
        let entry = Entry { at: found.at, input: self.number(&found.place), offset: found.place.offset, value };
        let lines = &mut self.groups[slot].lines;
        let is_new = match (found.against, found.late) {
            (false, _) => lines.insert(entry, rule),
            (true, false) => lines.insert_against(found.at, rule),
            (true, true) => lines.late.insert(found.at, rule.window),
        };
        if !is_new {
            self.meters.repeated += 1;
            return;
        }
        self.meters.counted += 1;
        self.meters.late += u64::from(found.late);
        let is_behind = self.is_live && found.at < self.floor && !self.inputs.has_told(entry.input, entry.offset);
        self.meters.behind += u64::from(is_behind);
        let group = &mut self.groups[slot];
        group.touch(found.at, until);
        if !self.is_live || !group.is_moved_by(found.at, rule) {
            self.witness_next(slot, entry, found);
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
        // A line only makes it fire longer, so what is due is not later than the end.
        if group.told.is_some() {
            if entry.at >= group.due && !rule.unless {
                group.due = group.end(rule).unwrap_or(group.due);
            }
            if entry.at < group.due {
                return;
            }
        }
        let floor = self.floor;
        let is_told = group.told.is_some();
        let is_nearer = group.next.as_ref().is_none_or(|next| !is_told || entry.at < next.at || next.at < floor);
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
        let slot = self.groups.insert(Group::new(Arc::clone(&key), alert, self.floor));
        self.by_key.insert(key, slot);
        slot
    }

    fn remove(&mut self, slot: usize) {
        let group = self.groups.remove(slot);
        self.by_key.remove(&group.key);
        self.meters.bytes -= group.weight;
        self.unqueue(slot, group.queued);
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
