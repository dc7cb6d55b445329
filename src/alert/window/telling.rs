//! What is told of a group when something has changed: its news, put into words.

use std::sync::Arc;

use super::{Windows, parts};
use crate::alert::change::{Change, LINES_MAX, State, Words};
use crate::alert::counting::Alerts;
use crate::alert::group::{Event, Group, Told, Witness};
use crate::alert::record::{Match, Place, Said};
use crate::alert::stretch::{Entry, Rule, Stretch};

/// Stretches told of with a change, at most: the oldest.
const HELD_MAX: usize = 2_000;

/// Something to tell, not in words yet: those take many times as much memory, and much may have to be told at once.
/// [`Windows::in_words`] makes a [`Change`] of it.
#[derive(Debug, Clone)]
pub struct Untold {
    /// The packs of that time.
    alerts: Arc<Alerts>,
    key: Arc<str>,
    alert: usize,
    told: Told,
    over: Option<Stretch>,
    withdrawn: bool,
    word: u32,
    settled: i64,
    read_to: i64,
    held: Arc<[Stretch]>,
    /// Words from the alerts topic, of an alert that the packs do not have any more.
    words: Option<Box<Change>>,
}

impl Untold {
    /// Key of its record.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Id of its alert.
    #[must_use]
    pub fn alert(&self) -> &str {
        match &self.words {
            Some(words) => &words.alert,
            None => &self.alerts.definition(self.alert).alert.id,
        }
    }

    /// Event time from which it does not hold any more; nothing while it fires.
    #[must_use]
    pub fn ends_at(&self) -> Option<i64> {
        self.words.as_ref().map_or(self.over.map(|over| over.1), |words| words.ends_at)
    }

    /// What was told of this stretch is not so.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }
}

impl Windows {
    /// Tells everything that is to be told of a group; `line` is the one that came just now.
    pub(super) fn settle(&mut self, slot: usize, line: Option<(Entry, &Match)>) {
        let rule = self.rule(self.groups[slot].alert);
        let line = line.filter(|_| !rule.unless);
        let events = self.groups[slot].news(self.horizon, rule);
        let held = self.held(slot, !events.is_empty());
        // What is told otherwise keeps its labels.
        let is_revised = events.iter().any(|event| matches!(event, Event::Withdrawn(_)));
        let line_of = |is_new: bool| line.filter(|_| is_new && !is_revised);
        for event in events {
            match event {
                Event::Withdrawn(stretch) => {
                    let told = self.told(slot, stretch.0, rule, None);
                    self.tell(slot, &told, Some(stretch), true, &held);
                    self.is_over(slot, told);
                }
                Event::Over { stretch, is_new } => {
                    let told = self.told(slot, stretch.0, rule, line_of(is_new));
                    if is_new {
                        self.tell(slot, &told, None, false, &held);
                    }
                    self.tell(slot, &told, Some(stretch), false, &held);
                    self.is_over(slot, told);
                }
                Event::Fires(start) => {
                    let line = line_of(self.groups[slot].told.is_none());
                    let told = self.told(slot, start, rule, line);
                    self.tell(slot, &told, None, false, &held);
                    self.groups[slot].told = Some(Box::new(told));
                }
            }
        }
        let (floor, kept) = (self.floor, self.kept);
        let group = &mut self.groups[slot];
        group.pass(floor, kept, rule);
        if group.is_idle() {
            self.remove(slot);
        } else {
            if group.told.is_none() && !rule.unless {
                group.next = None;
            }
            self.enqueue(slot);
        }
    }

    /// What is told of a group that fires since `start`. Labels are those of the line that fired first; `line` is the one that
    /// makes a stretch of which nothing was told before.
    pub(super) fn told(&mut self, slot: usize, start: i64, rule: Rule, line: Option<(Entry, &Match)>) -> Told {
        let group = &mut self.groups[slot];
        let known = [&group.told, &group.last].into_iter().flatten();
        if let Some(same) = known.clone().find(|told| told.starts_at == start) {
            return Told::clone(same);
        }
        let next = group.next.take_if(|_| group.told.is_none() && line.is_none());
        let known = known.map(|told| (told.witness.clone(), told.labels.clone())).next();
        let (covering, count) = group.lines.covering(start, rule);
        let lines = covering.iter().take(LINES_MAX).map(|entry| (entry.input, entry.offset)).collect();
        let last = covering.last().copied();
        let (witness, labels) = match (line, next, known) {
            (Some((entry, found)), ..) => {
                let said = self.share(found.said.clone());
                (Witness { at: entry.at, input: entry.input, offset: entry.offset, said }, None)
            }
            (None, Some(next), _) => (*next, None),
            (None, None, Some(known)) => known,
            (None, None, None) => {
                let (input, offset) = last.map_or((0, 0), |entry| (entry.input, entry.offset));
                (Witness { at: start, input, offset, said: self.share(Said::default()) }, None)
            }
        };
        Told { starts_at: start, count, lines, witness, labels }
    }

    /// This was told to be over.
    pub(super) fn is_over(&mut self, slot: usize, told: Told) {
        let group = &mut self.groups[slot];
        group.told.take_if(|known| known.starts_at == told.starts_at);
        group.last = Some(Box::new(told));
    }

    /// When a group has held, for all that is told of it at once.
    fn held(&self, slot: usize, is_told: bool) -> Arc<[Stretch]> {
        let held = if is_told { self.groups[slot].held() } else { &[] };
        held.iter().take(HELD_MAX).copied().collect()
    }

    fn tell(&mut self, slot: usize, told: &Told, over: Option<Stretch>, withdrawn: bool, held: &Arc<[Stretch]>) {
        let word = self.groups[slot].next_word(self.next);
        let untold = self.untold(&self.groups[slot], told, over, Arc::clone(held));
        self.news.push(Untold { withdrawn, word, ..untold });
    }

    fn untold(&self, group: &Group, told: &Told, over: Option<Stretch>, held: Arc<[Stretch]>) -> Untold {
        Untold {
            alerts: Arc::clone(&self.alerts),
            key: Arc::clone(&group.key),
            alert: group.alert,
            told: told.clone(),
            over,
            withdrawn: false,
            word: 0,
            settled: self.horizon,
            read_to: self.next,
            held,
            words: None,
        }
    }

    /// It is over, by words that the packs do not have any more.
    pub(super) fn tell_in_words(&mut self, key: &str, words: Change) {
        let said = self.share(Said::default());
        let (at, input, offset) = (words.starts_at, 0, 0);
        let told = Told {
            starts_at: at,
            count: 0,
            lines: Box::default(),
            witness: Witness { at, input, offset, said },
            labels: None,
        };
        let group = Group::new(key.into(), 0, self.floor);
        let untold = self.untold(&group, &told, None, Arc::default());
        self.news.push(Untold { words: Some(Box::new(words)), ..untold });
    }

    /// A group that fires, or was over from then until then, in words.
    pub(super) fn change(&self, group: &Group, told: &Told, over: Option<Stretch>) -> Change {
        let held = group.held().iter().take(HELD_MAX).copied().collect();
        self.in_words(&self.untold(group, told, over, held))
    }

    /// Puts into words what these windows gave to be told.
    #[must_use]
    pub fn in_words(&self, untold: &Untold) -> Change {
        let Untold { alerts, key, alert, told, over, withdrawn, word, settled, read_to, held, words } = untold;
        if let Some(words) = words {
            return Change::clone(words);
        }
        let definition = alerts.definition(*alert);
        let (_, values) = parts(key);
        let words = Words { alerts, definition, group: &values, said: &told.witness.said, count: told.count };
        let labels = told.labels.as_ref().map_or_else(|| words.labels(), |labels| labels.to_vec());
        let lines: Vec<Place> = told.lines.iter().map(|(input, offset)| self.inputs.place(*input, *offset)).collect();
        let (starts_at, ends_at) = over.map_or((told.starts_at, None), |(start, end)| (start, Some(end)));
        // What it would say by itself need not be said.
        let is_plain =
            |held: &[Stretch]| held.len() == 1 && held[0].0 == starts_at && ends_at.is_none_or(|end| held[0].1 == end);
        let held = Some(&held[..]).filter(|held| !is_plain(held)).unwrap_or_default();
        Change {
            alert: definition.alert.id.clone(),
            state: if ends_at.is_some() { State::Resolved } else { State::Firing },
            starts_at,
            ends_at,
            withdrawn: *withdrawn,
            count: told.count,
            annotations: words.annotations(&labels, starts_at, lines.first()),
            lines,
            labels,
            place: self.inputs.place(told.witness.input, told.witness.offset),
            said: Said::clone(&told.witness.said),
            settled: *settled,
            held: held.to_vec(),
            read_to: Some(*read_to),
            word: *word,
            told_ms: None,
            pack: definition.pack.clone(),
            group: definition.group.iter().cloned().zip(values).collect(),
        }
    }

    pub(super) fn words<'a>(&'a self, alert: usize, group: &'a [String], said: &'a Said, count: usize) -> Words<'a> {
        Words { alerts: &self.alerts, definition: self.alerts.definition(alert), group, said, count }
    }

    /// Forgets a group before its time; one that fires is told to be over as soon as it can be by what is known.
    pub(super) fn end(&mut self, slot: usize) {
        let rule = self.rule(self.groups[slot].alert);
        let end = self.groups[slot].end(rule);
        if let Some(told) = self.groups[slot].told.take() {
            let end = end.unwrap_or(self.horizon.max(told.starts_at));
            let held = self.held(slot, true);
            self.tell(slot, &told, Some((told.starts_at, end)), false, &held);
        }
        self.remove(slot);
    }
}
