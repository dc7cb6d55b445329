//! Finding phrases: the raw scan over payload bytes, and the exact search over decoded text.
//!
//! The scan may say "maybe" too often and never too rarely. It looks for *atoms*, the longest run of each trigger
//! phrase that no JSON encoder escapes, and for `\u` escapes of characters that atoms are made of. The search then finds
//! every phrase that occurs in a text value, overlapping ones too, in any ASCII case.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use aho_corasick::BuildError;

use super::filter::Filter;
use super::search::Search;
use crate::NAME;
use crate::pack::{Condition, Packs, atom, escapes, triggers};

/// The app of the line that LogDNA's streaming set-up sends to see whether anybody listens.
pub(super) const PROBE_APP: &str = "logdna-selfstream-config-validation";

/// Index of a phrase in [`Phrases`].
pub(super) type PhraseId = usize;

/// The filter, the search behind it, and which rules and contexts a phrase makes worth judging.
#[derive(Debug)]
pub(super) struct Phrases {
    scan: Filter,
    search: Search,
    /// Rules worth judging when a phrase was found.
    pub(super) rules: Worth,
    /// Contexts worth judging when a phrase was found.
    pub(super) contexts: Worth,
}

/// For each phrase, what it makes worth judging, as indexes.
#[derive(Debug)]
pub(super) struct Worth {
    /// Where those of each phrase begin; and one more, which says where the last one's end.
    starts: Vec<u32>,
    indexes: Vec<u32>,
}

impl Worth {
    /// Of pairs of a phrase and an index.
    fn new(mut pairs: Vec<(PhraseId, usize)>, phrases: usize) -> Self {
        pairs.sort_unstable();
        let (mut starts, mut indexes) = (Vec::with_capacity(phrases + 1), Vec::with_capacity(pairs.len()));
        for (phrase, index) in pairs {
            starts.resize(starts.len().max(phrase + 1), indexes.len() as u32);
            indexes.push(index as u32);
        }
        starts.resize(phrases + 1, indexes.len() as u32);
        Self { starts, indexes }
    }

    /// What a phrase makes worth judging, ascending.
    pub(super) fn of(&self, phrase: PhraseId) -> impl Iterator<Item = usize> {
        let range = self.starts[phrase] as usize..self.starts[phrase + 1] as usize;
        self.indexes[range].iter().map(|index| *index as usize)
    }
}

/// The numbers of phrases, which nobody asks for any more once the engine stands.
pub(super) struct Ids(HashMap<String, PhraseId>);

impl Ids {
    /// That of a phrase that was collected, in any ASCII case.
    pub(super) fn of(&self, phrase: &str) -> Option<PhraseId> {
        self.0.get(&phrase.to_ascii_lowercase()).copied()
    }

    fn enter(&mut self, phrase: &str) -> PhraseId {
        let next = self.0.len();
        *self.0.entry(phrase.to_ascii_lowercase()).or_insert(next)
    }
}

/// What the search found in a line.
pub(super) struct Found {
    /// Phrases that occur, ascending, each with the number of its last occurrence among all occurrences of the line.
    last: BTreeMap<PhraseId, usize>,
    /// There were more occurrences than the limit.
    pub(super) crossed: bool,
}

impl Found {
    pub(super) fn has(&self, phrase: PhraseId) -> bool {
        self.last.contains_key(&phrase)
    }

    /// The phrases found, ascending, each with a number that tells of two which was said last.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PhraseId, usize)> {
        self.last.iter().map(|(phrase, last)| (*phrase, *last))
    }
}

impl Phrases {
    /// Bytes of the filter and the automaton.
    pub(super) fn memory_usage(&self) -> usize {
        self.scan.memory_usage() + self.search.memory_usage()
    }

    /// Collects every phrase of the packs.
    ///
    /// # Errors
    /// When there are too many phrases for an automaton (beyond what memory addresses hold).
    pub(super) fn new(packs: &Packs) -> Result<(Self, Ids), BuildError> {
        let mut ids = Ids(HashMap::new());
        let (mut rules, mut contexts) = (Vec::new(), Vec::new());
        // Of which phrases, where in them.
        let mut atoms: Vec<(PhraseId, Range<usize>)> = Vec::new();
        let mut enter = |trigger: &str, ids: &mut Ids| -> PhraseId {
            let (id, atom) = (ids.enter(trigger), atom(trigger));
            let start = atom.as_ptr().addr() - trigger.as_ptr().addr();
            atoms.push((id, start..start + atom.len()));
            id
        };
        for (index, rule) in packs.rules.iter().enumerate() {
            let also = rule.cases.iter().flat_map(|case| &case.also);
            for phrase in literals([&rule.all, &rule.any, &rule.none].into_iter().flatten().chain(also)) {
                ids.enter(phrase);
            }
            for trigger in triggers(&rule.all, &rule.any) {
                rules.push((enter(trigger, &mut ids), index));
            }
        }
        for (index, context) in packs.contexts.iter().enumerate() {
            for phrase in literals([&context.all, &context.any, &context.none].into_iter().flatten()) {
                ids.enter(phrase);
            }
            for trigger in triggers(&context.all, &context.any) {
                contexts.push((enter(trigger, &mut ids), index));
            }
        }
        let mut by_id: Vec<&str> = vec![""; ids.0.len()];
        for (phrase, id) in &ids.0 {
            by_id[*id] = phrase;
        }
        let always: Vec<String> = escapes().chain([PROBE_APP.to_owned(), format!("\"{NAME}\"")]).collect();
        let of_phrases = atoms.iter().map(|(id, range)| &by_id[*id][range.clone()]);
        let (scan, numbers) = Filter::new(&of_phrases.chain(always.iter().map(String::as_str)).collect::<Vec<_>>());
        let mut known = vec![None; by_id.len()];
        for ((id, range), number) in atoms.iter().zip(numbers) {
            if range.len() == by_id[*id].len() {
                known[*id] = number;
            }
        }
        let phrases = Self {
            scan,
            search: Search::new(&by_id, &known)?,
            rules: Worth::new(rules, by_id.len()),
            contexts: Worth::new(contexts, by_id.len()),
        };
        Ok((phrases, ids))
    }

    /// Whether the payload may hold something for us.
    pub(super) fn scan(&self, payload: &[u8]) -> bool {
        self.scan.stops_at(payload)
    }

    /// Every phrase that occurs in one of the texts, looking at no more than `limit` occurrences.
    pub(super) fn search<'t>(&self, texts: impl Iterator<Item = &'t str>, limit: usize) -> Found {
        let mut found = Found { last: BTreeMap::new(), crossed: false };
        let (mut number, mut hits) = (0, Vec::new());
        for text in texts {
            let more = self.search.hits(&self.scan, text, limit - number, &mut hits);
            for hit in &hits {
                number += 1;
                found.last.insert(hit.phrase, number);
            }
            if more {
                found.crossed = true;
                break;
            }
        }
        found
    }
}

fn literals<'c>(conditions: impl Iterator<Item = &'c Condition>) -> impl Iterator<Item = &'c str> {
    conditions.flat_map(Condition::literals)
}
