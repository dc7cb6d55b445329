//! One group of one alert: the lines that may still matter, when it has held, and what has been told of it.
//!
//! What is told is worked out anew whenever something changes: what ended before the horizon is over, what comes next fires. The
//! difference to what was told is the news ([`Group::news`]), so it is all the same whether the horizon has moved, a line was in
//! time, or one came so late that what was told has to be told otherwise.

use std::borrow::Cow;
use std::sync::Arc;

use super::held::Held;
use super::record::Said;
use super::stretch::{Lines, Rule, Stretch};
use super::sweep;

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Key of its records: the alert's id and the values of its `group_by`.
    pub(super) key: Arc<str>,
    /// Index of its alert.
    pub(super) alert: usize,
    pub(super) lines: Lines,
    /// Nothing before this time is looked at again.
    floor: i64,
    /// When enough lines cover the time and none that came in time is against, but for what is stale.
    held: Held,
    /// Lines have come that cover this time.
    stale: Option<Stretch>,
    /// Told to be over, and not so long ago that nothing can change it any more.
    over: Vec<Stretch>,
    /// What has been told, while it fires.
    pub(super) told: Option<Box<Told>>,
    /// What was told last of a stretch that is over.
    pub(super) last: Option<Box<Told>>,
    /// What is told when it fires next and no line comes to make it: the line that may begin the next stretch.
    pub(super) next: Option<Box<Witness>>,
    /// When the horizon passes this, something has to be told; at the end of time when nothing will without further lines.
    pub(super) due: i64,
    /// How far the partition had been read when something was last told of it, and the number of that word among those told there.
    word: Option<(i64, u32)>,
    /// Where it stands in the queues.
    pub(super) queued: Option<Queued>,
    /// Its bytes as they were last counted.
    pub(super) weight: usize,
}

/// A place in one of two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// Something will have to be told when the horizon passes this time; not later than it is due.
    Due(i64),
    /// Nothing will; what it holds reaches up to this time, or further.
    Quiet(i64),
}

/// What was told of a stretch.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Event time at which the condition first held.
    pub(super) starts_at: i64,
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
    /// What was told of a stretch that began then and ended then is not so: it is a part of another one.
    Withdrawn(Stretch),
    /// It fires since then, or is known to have begun to at that earlier time.
    Fires(i64),
    /// It fired from then until then; `is_new`: nothing was told of it before, not even that it fires.
    Over { stretch: Stretch, is_new: bool },
}

impl Group {
    pub(super) fn new(key: Arc<str>, alert: usize, floor: i64) -> Self {
        Self {
            key,
            alert,
            lines: Lines::default(),
            floor,
            held: Held::default(),
            stale: None,
            over: Vec::new(),
            told: None,
            last: None,
            next: None,
            due: i64::MAX,
            word: None,
            queued: None,
            weight: 0,
        }
    }

    /// The number of the next word on it, among those that are told when so far was read.
    pub(super) fn next_word(&mut self, read_to: i64) -> u32 {
        let word = self.word.filter(|word| word.0 == read_to).map_or(0, |word| word.1 + 1);
        self.word = Some((read_to, word));
        word
    }

    /// It held right before nothing was looked at any more, since then.
    pub(super) fn restore(&mut self, since: i64) {
        if since < self.floor {
            self.held.learn(since, self.floor, &[(since, self.floor)]);
        }
    }

    /// What follows from its lines up to the horizon has been told, as far as the records of the alerts topic do not say
    /// otherwise: `firing` is since when it fires by the last of them.
    pub(super) fn resume(&mut self, horizon: i64, firing: Option<i64>, rule: Rule) {
        self.refresh(rule);
        let known = |stretch: &&Stretch| stretch.1 >= self.floor && stretch.1 < horizon && Some(stretch.0) != firing;
        self.over = self.stretches(rule).iter().filter(known).copied().collect();
    }

    /// A line has come that covers this time.
    pub(super) fn touch(&mut self, from: i64, to: i64) {
        self.stale = Some(self.stale.map_or((from, to), |stale| (stale.0.min(from), stale.1.max(to))));
    }

    /// Whether a line at this time can change anything that is to be told now. While it fires, a later line only makes it
    /// fire longer.
    pub(super) fn is_moved_by(&self, at: i64, rule: Rule) -> bool {
        if rule.unless {
            return true;
        }
        match &self.told {
            Some(told) => at < told.starts_at,
            None => !self.over.is_empty() || self.lines.len() >= rule.least,
        }
    }

    /// Looks at what is stale.
    pub(super) fn refresh(&mut self, rule: Rule) {
        let Some((from, to)) = self.stale.take() else { return };
        let from = from.max(self.floor);
        if from < to {
            self.held.learn(from, to, &sweep::stretches(&self.lines, from, to, rule));
        }
    }

    /// When it fires, by all that is known: late lines against have taken out what they cover.
    fn stretches(&self, rule: Rule) -> Cow<'_, [Stretch]> {
        match &self.lines.late {
            late if late.is_empty() => Cow::Borrowed(self.held.stretches()),
            late => Cow::Owned(late.without(self.held.stretches(), rule.window)),
        }
    }

    /// When the stretch that fires ends, by all lines that have come.
    pub(super) fn end(&mut self, rule: Rule) -> Option<i64> {
        self.refresh(rule);
        let starts_at = self.told.as_ref()?.starts_at;
        self.stretches(rule).iter().find(|stretch| stretch.0 == starts_at).map(|stretch| stretch.1)
    }

    /// What is to be told now, in this order, to make what was told true. `due` says when to look again.
    pub(super) fn news(&mut self, horizon: i64, rule: Rule) -> Vec<Event> {
        self.refresh(rule);
        let stretches = self.stretches(rule);
        let ended = |time: i64| stretches.partition_point(|stretch| stretch.1 < time);
        let (settled, ended) = (ended(self.floor), ended(horizon.max(self.floor)));
        let (known, ahead) = (&stretches[settled..ended], &stretches[ended..]);
        let next = ahead.first().copied();
        // More lines may take away what lies ahead, where there are some against.
        let fires = next.filter(|next| !rule.unless || next.0 < horizon);
        let was = self.told.as_ref().map(|told| told.starts_at);
        let is_still_known = |start: i64| {
            fires.is_some_and(|fires| fires.0 == start)
                || known.binary_search_by_key(&start, |stretch| stretch.0).is_ok()
        };
        let mut events: Vec<Event> =
            self.over.iter().filter(|over| !is_still_known(over.0)).map(|over| Event::Withdrawn(*over)).collect();
        if let Some(was) = was.filter(|was| fires.is_none() && !is_still_known(*was)) {
            events.push(Event::Withdrawn((was, was)));
        }
        let told = |start: i64| self.over.binary_search_by_key(&start, |over| over.0).ok().map(|at| self.over[at]);
        for over in known.iter().filter(|over| told(over.0) != Some(**over)) {
            let is_new = was != Some(over.0) && told(over.0).is_none();
            events.push(Event::Over { stretch: *over, is_new });
        }
        // The last word is what holds.
        if let Some(fires) = fires.filter(|fires| was != Some(fires.0) || !events.is_empty()) {
            events.push(Event::Fires(fires.0));
        }
        let known = (!events.is_empty()).then(|| known.to_vec());
        self.due = next.map_or(i64::MAX, |next| if fires.is_some() { next.1 } else { next.0 });
        self.over = known.unwrap_or_else(|| std::mem::take(&mut self.over));
        events
    }

    /// Nothing before `floor` is looked at again, and of what ended before `kept` nothing needs to be known.
    pub(super) fn pass(&mut self, floor: i64, kept: i64, rule: Rule) {
        self.refresh(rule);
        // A late line is kept while what it takes out touches the floor; then that is taken out for good.
        let baked = self.lines.late.split_before(floor.saturating_sub(rule.window));
        if !baked.is_empty() {
            self.held = Held::new(baked.without(self.held.stretches(), rule.window));
        }
        self.floor = self.floor.max(floor);
        self.lines.forget(floor, rule);
        self.held.forget(kept.min(floor));
        self.over.retain(|over| over.1 >= floor);
        if self.over.is_empty() && self.told.is_none() && self.held.stretches().is_empty() {
            self.last = None;
        }
    }

    /// Other packs count it otherwise: from the horizon on, as what was told before is told.
    pub(super) fn recount(&mut self, horizon: i64, before: Rule, rule: Rule) {
        self.refresh(before);
        self.lines.late.exchange(rule.window);
        self.floor = self.floor.max(horizon);
        self.over.clear();
        let from = self.floor;
        self.held.learn(from, i64::MAX, &sweep::stretches(&self.lines, from, i64::MAX, rule));
    }

    /// The last time of which it knows anything.
    pub(super) fn reaches(&self, rule: Rule) -> i64 {
        let held = self.held.stretches().last().map(|stretch| stretch.1);
        self.lines.end(rule).max(held).unwrap_or(i64::MIN)
    }

    /// When it has held, as far as it may still matter: what goes on from it when somebody else goes on.
    pub(super) fn held(&self) -> &[Stretch] {
        self.held.stretches()
    }

    /// Whether there is nothing to know of it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.told.is_none() && self.lines.is_empty() && self.held.stretches().is_empty() && self.stale.is_none()
    }

    /// Bytes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let told = |told: &Option<Box<Told>>| told.as_ref().map_or(0, |told| told.bytes());
        let next = self.next.as_ref().map_or(0, |next| size_of::<Witness>() + next.bytes());
        let times = self.held.bytes() + self.over.capacity() * size_of::<Stretch>() + self.lines.bytes();
        KEPT_BESIDE + size_of::<Self>() + self.key.len() + told(&self.told) + told(&self.last) + next + times
    }
}

/// Bytes that a group takes in the table of keys, in the queue, in the room that tables keep to grow, and in the allocator's
/// own books: so many that the process's memory stays below the sum, which `benches/alerts.rs` measures.
const KEPT_BESIDE: usize = 360;

impl Told {
    fn bytes(&self) -> usize {
        let labels = self.labels.iter().flat_map(|labels| labels.iter());
        let labels: usize = labels.map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum();
        size_of::<Self>() + self.lines.len() * size_of::<(u32, i64)>() + labels + self.witness.bytes()
    }
}

impl Witness {
    /// Bytes that it alone holds. What many share is counted nowhere: it is bounded by how many are shared.
    fn bytes(&self) -> usize {
        if Arc::strong_count(&self.said) > 1 { 0 } else { self.said.bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::late;
    use crate::alert::stretch::Entry;

    /// A collector that was away brings lines against, as many as it likes, into one group that held all the while.
    #[test]
    fn a_storm_of_late_lines_costs_as_much_for_each_however_many_came_before() {
        let rule = Rule { window: 60_000, least: 1, distinct: false, unless: true };
        let storm = |many: i64| {
            let mut group = Group::new("[]".into(), 0, i64::MIN);
            for minute in 0..120 {
                let entry = Entry { at: minute * 60_000, input: 0, offset: minute, value: 0 };
                group.lines.insert(entry, rule);
                group.touch(entry.at, entry.at + rule.window);
            }
            group.news(7_000_000, rule);
            late::steps();
            let mut random = fastrand::Rng::with_seed(7);
            for _ in 0..many {
                let at = random.i64(1..7_000_000);
                group.lines.late.insert(at, rule.window);
                group.touch(at, at + rule.window);
                group.news(7_000_000, rule);
                group.pass(0, 0, rule);
            }
            late::steps()
        };
        let (few, more) = (storm(1_000), storm(8_000));
        assert!(more < 10 * few && few < 1_000 * 120, "{few} steps for a thousand, {more} for eight thousand");
    }
}
