//! What each source said earlier: the memory of one input partition.
//!
//! A context is *seen* or *unknown*; nothing is ever concluded from its absence. The memory is bounded: beyond the
//! limit the source not heard of for longest is forgotten, and that is counted.
//!
//! Everything remembered carries the offset of the line that said it, and holds for that line and later ones only. So a
//! line that is done again after a crash is judged as the first time, although the memory may by then know what came
//! after it. What an offset replaced is kept until no line before it can be done again:
//!
//! ```text
//! committed 150    kms_version = [(100, "1.0"), (200, "2.0")]     line 160 sees 1.0, line 210 sees 2.0
//! committed 250    kms_version = [(200, "2.0")]                   (pruned the next time something is remembered)
//! ```
//!
//! Contexts and facts are known by their names and not by numbers, so that a memory outlives a reload of the packs and a
//! restart.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use lru::LruCache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::pack::{Value, hex};

/// Values kept of one fact while lines that need the older ones may still be done again. A source that changes its mind
/// more often than that within the lines in flight is judged by newer values when they are done again.
const VERSIONS_MAX: usize = 16;

/// What one source said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Said {
    /// Contexts, each with the offset at which it was first seen.
    #[serde(default)]
    seen: Vec<(String, i64)>,
    /// Facts, each with its values and the offsets from which they hold, in order.
    #[serde(default)]
    facts: Vec<(String, Vec<(i64, Value)>)>,
    /// Offset of the line being judged: what was said later does not hold for it.
    #[serde(skip)]
    at: i64,
    /// Something was learned since it was taken out of the memory.
    #[serde(skip)]
    changed: bool,
}

impl Said {
    pub(super) fn has(&self, context: &str) -> bool {
        self.seen.iter().any(|(name, since)| name == context && *since <= self.at)
    }

    /// Offset of the line that said it first.
    pub(super) fn since(&self, context: &str) -> Option<i64> {
        self.seen.iter().find(|(name, since)| name == context && *since <= self.at).map(|(_, since)| *since)
    }

    /// All facts that hold for the line at hand.
    pub(super) fn facts(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.facts.iter().filter_map(|(name, _)| Some((name.as_str(), self.fact(name)?)))
    }

    pub(super) fn fact(&self, fact: &str) -> Option<&Value> {
        let (_, values) = self.facts.iter().find(|(name, _)| name == fact)?;
        values.iter().rev().find(|(since, _)| *since <= self.at).map(|(_, value)| value)
    }

    pub(super) fn see(&mut self, context: &str) {
        if self.has(context) {
            return;
        }
        match self.seen.iter_mut().find(|(name, _)| name == context) {
            Some((_, since)) => *since = self.at,
            None => self.seen.push((context.to_owned(), self.at)),
        }
        self.changed = true;
    }

    pub(super) fn set(&mut self, fact: &str, value: Value) {
        if self.fact(fact) == Some(&value) {
            return;
        }
        let at = self.at;
        let index = self.facts.iter().position(|(name, _)| name == fact).unwrap_or_else(|| {
            self.facts.push((fact.to_owned(), Vec::new()));
            self.facts.len() - 1
        });
        enter(&mut self.facts[index].1, at, value);
        self.changed = true;
    }

    /// Drops values that no line from `settled` on can see.
    fn prune(&mut self, settled: i64) {
        for (_, values) in &mut self.facts {
            let hidden = values.iter().skip(1).take_while(|(since, _)| *since <= settled).count();
            let over = values.len().saturating_sub(VERSIONS_MAX);
            values.drain(..hidden.max(over));
        }
    }

    /// Takes over what the other knows and this does not; where both have a value from the same offset, the other's.
    fn unite(&mut self, other: Self) {
        for (context, since) in other.seen {
            match self.seen.iter_mut().find(|(name, _)| *name == context) {
                Some((_, own)) => *own = since.min(*own),
                None => self.seen.push((context, since)),
            }
        }
        for (fact, values) in other.facts {
            match self.facts.iter_mut().find(|(name, _)| *name == fact) {
                Some((_, own)) => values.into_iter().for_each(|(since, value)| enter(own, since, value)),
                None => self.facts.push((fact, values)),
            }
        }
    }

    /// The last offset at which something was learned.
    fn last(&self) -> i64 {
        let values = self.facts.iter().flat_map(|(_, values)| values).map(|(since, _)| *since);
        self.seen.iter().map(|(_, since)| *since).chain(values).max().unwrap_or(0)
    }
}

/// Enters a value from an offset on, in order.
fn enter(values: &mut Vec<(i64, Value)>, at: i64, value: Value) {
    match values.binary_search_by_key(&at, |(since, _)| *since) {
        Ok(same) => values[same].1 = value,
        Err(place) => values.insert(place, (at, value)),
    }
}

/// What was learned about a source, for whoever keeps memories beyond a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The source's name, or the digest of a long one.
    pub source: String,
    /// Everything known of it, as JSON text for [`Memory::restore`]; `None` when it was forgotten.
    pub said: Option<String>,
}

/// The memory of one input topic-partition, made by [`super::Engine::memory`] and handed to
/// [`super::Engine::classify`] with each line, in order.
#[derive(Debug, Clone)]
pub struct Memory {
    sources: LruCache<String, Said>,
    evicted: u64,
    /// Offset of the line being judged.
    at: i64,
    /// Lines before this offset are never done again.
    settled: i64,
    /// Sources about which something was learned since it was last told; `None` while nobody wants to know.
    news: Option<Vec<String>>,
    /// Sources that were told of, each with the line at which, as long as that line may be done again.
    told: Vec<(i64, String)>,
    /// Outcomes carry what alerts count.
    counting: bool,
}

impl Memory {
    pub(super) fn new(sources: usize) -> Self {
        let bound = NonZeroUsize::new(sources).unwrap_or(NonZeroUsize::MIN);
        Self {
            sources: LruCache::sparse(bound),
            evicted: 0,
            at: 0,
            settled: 0,
            news: None,
            told: Vec::new(),
            counting: false,
        }
    }

    /// Sources remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// True when nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Sources forgotten because the bound was reached.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The next line to be judged is the one at `offset`. Needed only where lines may be done again; without it every
    /// line stands at offset 0 and sees all that was remembered.
    pub fn turn_to(&mut self, offset: i64) {
        self.at = offset;
    }

    /// Lines before `offset` are never done again.
    pub fn settle(&mut self, offset: i64) {
        self.settled = offset;
        self.told.retain(|(at, _)| *at >= offset);
    }

    /// What was told at lines that are not settled has come to nothing: it is news once more.
    pub fn tell_again(&mut self) {
        let told = self.told.drain(..).map(|(_, source)| source);
        if let Some(news) = &mut self.news {
            news.extend(told);
        }
    }

    /// From now on the outcomes of lines judged with this memory carry what alerts count: [`super::Outcome::countable`].
    /// Without it nothing is spent on that.
    pub fn count_for_alerts(&mut self) {
        self.counting = true;
    }

    /// Whether [`Memory::count_for_alerts`] was called.
    pub(super) fn counts_for_alerts(&self) -> bool {
        self.counting
    }

    /// From now on [`Memory::news`] tells what is learned.
    pub fn keep_news(&mut self) {
        self.news.get_or_insert_default();
    }

    /// True when [`Memory::news`] has something to tell.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.news.as_ref().is_some_and(|news| !news.is_empty())
    }

    /// What was learned since the last time, each source once. Empty unless [`Memory::keep_news`] was called.
    pub fn news(&mut self) -> Vec<News> {
        let mut names = self.news.as_mut().map(std::mem::take).unwrap_or_default();
        names.sort_unstable();
        names.dedup();
        self.told.extend(names.iter().map(|source| (self.at, source.clone())));
        let said = |source: &String| {
            // Names, numbers and texts: nothing that JSON could not say.
            self.sources.peek(source).and_then(|said| serde_json::to_string(said).ok())
        };
        names.into_iter().map(|source| News { said: said(&source), source }).collect()
    }

    /// Takes in what another memory of the same partition told as [`News`], oldest first. `None`: it forgot the source.
    ///
    /// # Errors
    /// When the text is none that [`Memory::news`] writes. The memory is as before.
    pub fn restore(&mut self, source: &str, said: Option<&[u8]>) -> Result<(), String> {
        let Some(text) = said else {
            self.sources.pop(source);
            return Ok(());
        };
        let told: Said = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let mut known = self.sources.pop(source).unwrap_or_default();
        known.unite(told);
        known.prune(self.settled);
        self.put(source.to_owned(), known);
        Ok(())
    }

    /// After the last [`Memory::restore`]: the sources of which something was learned latest are kept longest.
    pub fn restored(&mut self) {
        let mut all: Vec<(i64, String)> = self.sources.iter().map(|(name, said)| (said.last(), name.clone())).collect();
        all.sort_unstable();
        for (_, name) in &all {
            self.sources.promote(name);
        }
    }

    /// What the source said so far, for the line at hand; nothing for a line that has no source.
    pub(super) fn said(&mut self, source: Option<&str>) -> Said {
        let known = source.and_then(|source| self.sources.get(key(source).as_ref())).cloned();
        Said { at: self.at, changed: false, ..known.unwrap_or_default() }
    }

    pub(super) fn remember(&mut self, source: &str, said: &Said) {
        let key = key(source);
        if !said.changed && self.sources.contains(key.as_ref()) {
            return;
        }
        let mut said = said.clone();
        said.prune(self.settled);
        if let Some(news) = &mut self.news {
            news.push(key.clone().into_owned());
        }
        self.put(key.into_owned(), said);
    }

    fn put(&mut self, key: String, said: Said) {
        if self.sources.len() == self.sources.cap().get() && !self.sources.contains(&key) {
            self.evicted += 1;
            if let (Some((forgotten, _)), Some(news)) = (self.sources.pop_lru(), &mut self.news) {
                news.push(forgotten);
            }
        }
        self.sources.put(key, said);
    }
}

/// Bytes of a source's name that are kept as they are.
const KEY_MAX: usize = 256;

/// A source's name, or its digest when the name is so long that the memory's bound would mean nothing.
fn key(source: &str) -> Cow<'_, str> {
    if source.len() <= KEY_MAX {
        return Cow::Borrowed(source);
    }
    let digest = Sha256::digest(source.as_bytes());
    Cow::Owned(hex(&digest, digest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::String(value.to_owned())
    }

    /// Says something at an offset, and shows what a line there sees.
    fn say(memory: &mut Memory, at: i64, value: &str) {
        memory.turn_to(at);
        let mut said = memory.said(Some("pod"));
        said.set("version", text(value));
        said.see("started");
        memory.remember("pod", &said);
    }

    fn sees(memory: &mut Memory, at: i64) -> (bool, Option<Value>) {
        memory.turn_to(at);
        let said = memory.said(Some("pod"));
        (said.has("started"), said.fact("version").cloned())
    }

    #[test]
    fn what_was_said_holds_for_later_lines_only() {
        let mut memory = Memory::new(8);
        say(&mut memory, 100, "1.0");
        say(&mut memory, 200, "2.0");
        assert_eq!(sees(&mut memory, 99), (false, None));
        assert_eq!(sees(&mut memory, 100), (true, Some(text("1.0"))));
        assert_eq!(sees(&mut memory, 199), (true, Some(text("1.0"))));
        assert_eq!(sees(&mut memory, 200), (true, Some(text("2.0"))));
    }

    #[test]
    fn doing_lines_again_changes_nothing() {
        let mut memory = Memory::new(8);
        for (at, value) in [(100, "1.0"), (200, "2.0"), (300, "1.0")] {
            say(&mut memory, at, value);
        }
        memory.keep_news();
        let before = memory.said(Some("pod"));
        for (at, value) in [(200, "2.0"), (300, "1.0")] {
            say(&mut memory, at, value);
            assert_eq!(sees(&mut memory, at).1, Some(text(value)));
        }
        assert_eq!(memory.said(Some("pod")).facts, before.facts);
        assert!(!memory.has_news());
    }

    #[test]
    fn what_no_line_can_see_any_more_is_dropped_and_no_more() {
        let mut memory = Memory::new(8);
        say(&mut memory, 100, "1.0");
        say(&mut memory, 200, "2.0");
        memory.settle(199);
        say(&mut memory, 300, "3.0");
        assert_eq!(sees(&mut memory, 199).1, Some(text("1.0")));
        memory.settle(200);
        say(&mut memory, 400, "4.0");
        assert_eq!(sees(&mut memory, 199).1, None);
        assert_eq!(sees(&mut memory, 200).1, Some(text("2.0")));
        for at in 500..600 {
            say(&mut memory, at, &at.to_string());
        }
        assert!(memory.said(Some("pod")).facts[0].1.len() <= VERSIONS_MAX);
    }

    #[test]
    fn a_memory_is_restored_from_what_it_told() {
        let mut memory = Memory::new(2);
        memory.keep_news();
        say(&mut memory, 100, "1.0");
        let mut log = memory.news();
        say(&mut memory, 200, "2.0");
        log.extend(memory.news());
        let mut other = Memory::new(2);
        for News { source, said } in &log {
            other.restore(source, said.as_deref().map(str::as_bytes)).unwrap();
        }
        for at in [99, 100, 150, 200, 300] {
            assert_eq!(sees(&mut other, at), sees(&mut memory, at), "{at}");
        }
        // Beyond the bound the oldest goes, and its going is news too.
        for source in ["a", "b"] {
            memory.turn_to(300);
            let mut said = memory.said(Some(source));
            said.see("started");
            memory.remember(source, &said);
        }
        let forgotten: Vec<News> = memory.news().into_iter().filter(|news| news.said.is_none()).collect();
        assert_eq!(forgotten, [News { source: "pod".into(), said: None }]);
        other.restore("pod", None).unwrap();
        assert_eq!(sees(&mut other, 300), (false, None));
        assert!(other.restore("pod", Some(b"{")).is_err());
    }

    #[test]
    fn what_was_told_in_vain_is_told_again() {
        let mut memory = Memory::new(8);
        memory.keep_news();
        say(&mut memory, 100, "1.0");
        assert_eq!(memory.news().len(), 1);
        memory.settle(101);
        memory.tell_again();
        assert!(!memory.has_news());
        say(&mut memory, 200, "2.0");
        let first = memory.news();
        memory.settle(101);
        memory.tell_again();
        say(&mut memory, 200, "2.0");
        assert_eq!(memory.news(), first);
    }

    #[test]
    fn after_a_restart_the_one_silent_longest_still_goes_first() {
        let mut memory = Memory::new(2);
        memory.restore("late", Some(br#"{"seen":[["x",9]]}"#)).unwrap();
        memory.restore("early", Some(br#"{"seen":[["x",3]]}"#)).unwrap();
        memory.restored();
        memory.turn_to(10);
        let mut said = memory.said(Some("new"));
        said.see("x");
        memory.remember("new", &said);
        assert!(memory.said(Some("late")).has("x") && !memory.said(Some("early")).has("x"));
    }
}
