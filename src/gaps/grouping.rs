//! Groups of lines that are alike. A line is held against the groups with as many words as it has; it belongs to the most
//! similar one, if that is similar enough and says that the same has happened.
//!
//! ```text
//! VM Started on alpha ─┬─ VM Started on <*>     `alpha` and `beta` are names, and may be any
//! VM Started on beta  ─┘
//! VM Stopped on beta  ─── VM Stopped on beta    `Started` and `Stopped` say what happened (`events`)
//! ```
//!
//! This is what Drain does at the leaves of its tree: P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online Log Parsing
//! Approach with Fixed Depth Tree", ICWS 2017. The tree is left away, since it takes the first words for fixed, and of
//! lines of one length there are few groups. Ours besides: the least recently met group is forgotten when there are too many, so that
//! memory is bounded; and of what lines are made of when their numbers are taken out, the group is remembered.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use lru::LruCache;

use super::events::Kind;
use super::template::{ANYTHING, Template};
use super::words::{self, Words};
use crate::engine::Gist;

/// Share of words that must be the same, in hundredths.
const SIMILAR: usize = 60;
/// So many groups may differ in what happened; what has more words at the same place is a name there.
const EVENTS_MAX: usize = 8;
/// Lines of which the group is remembered, for each group that there may be.
const REMEMBERED: usize = 8;
/// Apps told of a template.
const APPS_MAX: usize = 3;

/// Lines that are alike.
#[derive(Debug)]
pub(super) struct Group {
    words: Vec<Word>,
    lines: u64,
    apps: Vec<String>,
    first: String,
    last: String,
    sample: String,
    is_object: bool,
}

#[derive(Debug)]
struct Word {
    text: Box<str>,
    kind: Kind,
    /// Of the text.
    digest: u64,
    /// Of a word that varies, how many bytes of it do not.
    fixed: Option<usize>,
}

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Groups {
    /// Numbers of groups, by how many words they have.
    by_length: HashMap<usize, Vec<u64>>,
    groups: LruCache<u64, Group>,
    /// Groups of lines, by a digest of their words.
    known: HashMap<u64, u64>,
    next: u64,
    /// Groups forgotten, and their lines.
    pub(super) forgotten: (u64, u64),
}

impl Groups {
    pub(super) fn new(groups: usize) -> Self {
        let bound = NonZeroUsize::new(groups).unwrap_or(NonZeroUsize::MIN);
        let groups = LruCache::sparse(bound);
        Self { by_length: HashMap::new(), groups, known: HashMap::new(), next: 0, forgotten: (0, 0) }
    }

    /// Takes in the words of a line that stands for so many; the number of the group that they are in.
    pub(super) fn see(&mut self, words: &mut Words, gist: &Gist, lines: u64, place: impl FnOnce() -> String) -> u64 {
        let digest = words.digest();
        if let Some(number) = self.known.get(&digest)
            && let Some(group) = self.groups.get_mut(number).filter(|group| group.fits(words))
        {
            group.take(words, gist, lines, place());
            return *number;
        }
        words.look_at_kinds();
        let number = self.best(words).unwrap_or(self.next);
        match self.groups.get_mut(&number) {
            Some(group) => group.take(words, gist, lines, place()),
            None => self.insert(Group::new(words, gist, lines, place())),
        }
        if self.known.len() >= REMEMBERED * self.groups.cap().get() {
            self.known.clear();
        }
        self.known.insert(digest, number);
        number
    }

    /// The group for these words, if one is similar enough.
    fn best(&self, words: &Words) -> Option<u64> {
        let mut events = 0;
        let mut best: Option<(Likeness, u64)> = None;
        for number in self.by_length.get(&words.len())? {
            let Some(found) = self.groups.peek(number).and_then(|group| likeness(&group.words, words)) else {
                continue;
            };
            events += usize::from(!found.same_event);
            // Of several, the oldest.
            if best.is_none_or(|(best, _)| found > best) {
                best = Some((found, *number));
            }
        }
        best.filter(|(found, _)| found.same_event || events >= EVENTS_MAX).map(|(_, number)| number)
    }

    fn insert(&mut self, group: Group) {
        self.by_length.entry(group.words.len()).or_default().push(self.next);
        if let Some((number, gone)) = self.groups.push(self.next, group) {
            self.forgotten = (self.forgotten.0 + 1, self.forgotten.1 + gone.lines);
            let length = gone.words.len();
            if let Some(alike) = self.by_length.get_mut(&length) {
                alike.retain(|other| *other != number);
                if alike.is_empty() {
                    self.by_length.remove(&length);
                }
            }
        }
        self.next += 1;
    }

    /// The group of this number, unless it was forgotten.
    pub(super) fn get(&self, number: u64) -> Option<&Group> {
        self.groups.peek(&number)
    }

    /// All groups, in the order in which they were met first.
    pub(super) fn all(&self) -> Vec<&Group> {
        let mut groups: Vec<(&u64, &Group)> = self.groups.iter().collect();
        groups.sort_by_key(|(number, _)| **number);
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// What is held besides the groups themselves.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.known.len() + self.by_length.values().map(Vec::len).sum::<usize>()
    }
}

/// How alike a line is to a template.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    /// They do not differ in what happened.
    same_event: bool,
    /// Share of words that are the same, in hundredths.
    share: usize,
}

/// Nothing when they are too unlike. A number counts nothing, since numbers are the same in any lines, what varies half; a
/// name that says what happened is never another one, and what a line begins with counts twice.
fn likeness(template: &[Word], words: &Words) -> Option<Likeness> {
    let (mut same, mut other, mut same_event) = (0, 0, true);
    // More than so many make a line unlike whatever follows.
    let other_max = (100 - SIMILAR) * 2 * (template.len() + 1) / 100;
    for (at, known) in template.iter().enumerate() {
        let kind = words.kind(at);
        if known.is(words, at) {
            same += if kind.says() { 2 } else { 0 };
        } else if known.kind == Kind::Name || kind == Kind::Name {
            return None;
        } else if known.fixed == Some(0) {
            other += 1;
        } else if has_same_key(&known.text, words.get(at)) {
            same += 1;
            other += 1;
        } else {
            same_event &= known.kind != Kind::Event && kind != Kind::Event;
            let weight = if at == 0 { 4 } else { 2 };
            other += if known.kind.says() && kind.says() { weight } else { 1 };
        }
        if other > other_max {
            return None;
        }
    }
    let share = usize::checked_div(100 * same, same + other).unwrap_or(100);
    (share >= SIMILAR).then_some(Likeness { same_event, share })
}

impl Word {
    fn new(text: Box<str>, kind: Kind) -> Self {
        let fixed = text.strip_suffix(ANYTHING).map(str::len);
        Self { digest: words::digest(&text), text, kind, fixed }
    }

    fn is(&self, words: &Words, at: usize) -> bool {
        self.digest == words.digest_of(at) && *self.text == *words.get(at)
    }

    /// Whether it stands for this word, too.
    fn covers(&self, words: &Words, at: usize) -> bool {
        match self.fixed {
            Some(fixed) => words.get(at).as_bytes().starts_with(&self.text.as_bytes()[..fixed]),
            None => self.is(words, at),
        }
    }
}

impl Group {
    fn new(words: &Words, gist: &Gist, lines: u64, place: String) -> Self {
        let words = words.iter().enumerate().map(|(at, text)| Word::new(text.into(), words.kind(at))).collect();
        let apps = gist.app.iter().cloned().collect();
        let (last, sample, is_object) = (place.clone(), words::sample(gist), gist.is_object);
        Self { words, lines, apps, first: place, last, sample, is_object }
    }

    /// Whether these words teach nothing new.
    fn fits(&self, words: &Words) -> bool {
        self.words.len() == words.len() && self.words.iter().enumerate().all(|(at, known)| known.covers(words, at))
    }

    fn take(&mut self, words: &Words, gist: &Gist, lines: u64, place: String) {
        for (at, known) in self.words.iter_mut().enumerate().filter(|(at, known)| !known.covers(words, *at)) {
            *known = Word::new(common(&known.text, words.get(at)), Kind::Word);
        }
        self.lines += lines;
        self.last = place;
        add_apps(&mut self.apps, &gist.app);
    }

    pub(super) fn text(&self) -> String {
        words::text(self.words.iter().map(|word| &*word.text))
    }

    pub(super) fn template(&self, id: String, text: String) -> Template {
        let Self { lines, apps, first, last, sample, is_object, .. } = self;
        Template {
            id,
            text,
            lines: *lines,
            apps: apps.clone(),
            first: first.clone(),
            last: last.clone(),
            sample: sample.clone(),
            is_object: *is_object,
        }
    }

    /// For a group that has become the same as an older one.
    pub(super) fn add_to(&self, template: &mut Template) {
        template.lines += self.lines;
        add_apps(&mut template.apps, &self.apps);
    }
}

fn add_apps<'a>(known: &mut Vec<String>, others: impl IntoIterator<Item = &'a String>) {
    for app in others {
        if known.len() < APPS_MAX && !known.contains(app) {
            known.push(app.clone());
        }
    }
}

/// Whether these are `name=alpha` and `name=beta`.
fn has_same_key(known: &str, word: &str) -> bool {
    let key = |text: &str| text.find('=').filter(|at| *at > 0);
    key(known).is_some_and(|at| word.len() > at && word.as_bytes()[..=at] == known.as_bytes()[..=at])
}

/// What two words have in common: `name=` of `name=alpha` and `name=beta`, else nothing.
fn common(known: &str, word: &str) -> Box<str> {
    let key = |text: &str| text.find(['=', ':']).filter(|at| at + 1 < text.len()).map(|at| text[..=at].to_owned());
    match key(known) {
        Some(name) if word.starts_with(&name) => format!("{name}{ANYTHING}").into(),
        _ => ANYTHING.into(),
    }
}
