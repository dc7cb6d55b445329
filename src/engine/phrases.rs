//! Finding phrases: the raw scan over payload bytes, and the exact search over decoded text.
//!
//! The scan may say "maybe" too often and never too rarely. It looks for *atoms*, the longest run of each trigger
//! phrase that no JSON encoder escapes, and for `\u` escapes of characters that atoms are made of. The search then finds
//! every phrase that occurs in a text value, overlapping ones too, in any ASCII case.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::BuildError;

use super::envelope::lists;
use super::filter::Filter;
use super::line::Line;
use super::search::{Hit, Search};
use crate::NAME;
use crate::pack::{Condition, Context, Packs, Rule, atom, escapes, trigger_places};

/// The app of the line that LogDNA's streaming set-up sends to see whether anybody listens.
pub(super) const PROBE_APP: &str = "logdna-selfstream-config-validation";

/// Index of a phrase in [`Phrases`].
pub(super) type PhraseId = usize;

/// The filter, the search behind it, and which rules and contexts a phrase makes worth judging.
#[derive(Debug)]
pub(super) struct Phrases {
    scan: Filter,
    search: Search,
    /// No phrase has a line feed in it, so none can reach from one text into the next where they are joined.
    are_of_one_line: bool,
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
    fn new(mut pairs: Vec<(u32, u32)>, phrases: usize) -> Self {
        pairs.sort_unstable();
        let (mut starts, mut indexes) = (Vec::with_capacity(phrases + 1), Vec::with_capacity(pairs.len()));
        for (phrase, index) in pairs {
            starts.resize(starts.len().max(phrase as usize + 1), indexes.len() as u32);
            indexes.push(index);
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

/// For each condition of the packs, as [`of_rule`] and then [`of_context`] tell them, the number of its literal; another
/// number where it has none. Nobody asks for them any more once the engine stands.
pub(super) type Ids = Vec<u32>;

/// The conditions of a rule.
fn of_rule(rule: &Rule) -> impl Iterator<Item = &Condition> {
    let also = rule.cases.iter().flat_map(|case| &case.also);
    [&rule.all, &rule.any, &rule.none].into_iter().flatten().chain(also)
}

/// The conditions of a context.
fn of_context(context: &Context) -> impl Iterator<Item = &Condition> {
    [&context.all, &context.any, &context.none].into_iter().flatten()
}

/// What the search found in a line.
pub(super) struct Found {
    /// How many occurrences were looked at.
    occurrences: usize,
    /// Phrases that occur, ascending, each with the number of its last occurrence among all occurrences of the line.
    last: BTreeMap<PhraseId, usize>,
    /// There were more occurrences than the limit.
    pub(super) crossed: bool,
}

impl Found {
    /// How many occurrences were looked at.
    pub(super) fn occurrences(&self) -> usize {
        self.occurrences
    }

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
        let conditions = packs.rules.iter().flat_map(of_rule).chain(packs.contexts.iter().flat_map(of_context));
        let literals: Vec<Option<&str>> = conditions.map(Condition::literal).collect();
        // One after the other, in lower case.
        let mut text = String::with_capacity(literals.iter().flatten().map(|literal| literal.len()).sum());
        literals.iter().flatten().for_each(|literal| text.push_str(literal));
        text.make_ascii_lowercase();
        let (mut ids, mut by_id) = (Ids::with_capacity(literals.len()), Vec::with_capacity(literals.len()));
        let (mut numbers, mut rest) = (HashMap::with_capacity(literals.len()), text.as_str());
        for literal in literals {
            let Some(literal) = literal else {
                ids.push(u32::MAX);
                continue;
            };
            let (phrase, after) = rest.split_at(literal.len());
            rest = after;
            ids.push(*numbers.entry(phrase).or_insert_with(|| {
                by_id.push(phrase);
                by_id.len() as u32 - 1
            }));
        }
        drop(numbers);
        let (mut rules, mut contexts) = (Vec::with_capacity(by_id.len()), Vec::new());
        // Of which phrases.
        let mut atoms: Vec<(PhraseId, &str)> = Vec::with_capacity(by_id.len());
        let mut enter = |triggers: &[u32], of: usize, pairs: &mut Vec<(u32, u32)>| {
            for id in triggers {
                atoms.push((*id as PhraseId, atom(by_id[*id as usize])));
                pairs.push((*id, of as u32));
            }
        };
        let mut rest = ids.as_slice();
        for (index, rule) in packs.rules.iter().enumerate() {
            enter(&rest[trigger_places(&rule.all, &rule.any)], index, &mut rules);
            rest = &rest[of_rule(rule).count()..];
        }
        for (index, context) in packs.contexts.iter().enumerate() {
            enter(&rest[trigger_places(&context.all, &context.any)], index, &mut contexts);
            rest = &rest[of_context(context).count()..];
        }
        // Behind a colour code the rest of a phrase can hide.
        let colours = ["\\u001b[".to_owned()];
        let ours = [PROBE_APP.to_owned(), format!("\"{NAME}\""), lists::BYTES_MARKER.to_owned()];
        let always: Vec<String> = escapes().chain(colours).chain(ours).collect();
        let of_phrases = atoms.iter().map(|(_, atom)| *atom);
        let (mut scan, numbers) = Filter::new(&of_phrases.chain(always.iter().map(String::as_str)).collect::<Vec<_>>());
        if let Some(marker) = numbers.last().copied().flatten() {
            scan.mark(marker, lists::may_hold_bytes);
        }
        let mut known = vec![None; by_id.len()];
        for ((id, atom), number) in atoms.iter().zip(numbers) {
            if atom.len() == by_id[*id].len() {
                known[*id] = number;
            }
        }
        let phrases = Self {
            scan,
            search: Search::new(&by_id, &known)?,
            are_of_one_line: by_id.iter().all(|phrase| !phrase.contains('\n')),
            rules: Worth::new(rules, by_id.len()),
            contexts: Worth::new(contexts, by_id.len()),
        };
        Ok((phrases, ids))
    }

    /// Whether the payload may hold something for us.
    pub(super) fn scan(&self, payload: &[u8]) -> bool {
        self.scan.stops_at(payload) || may_be_coloured(payload)
    }

    /// Every phrase that occurs in one of a line's texts, looking at no more than `limit` occurrences.
    pub(super) fn search(&self, line: &Line<'_>, limit: usize) -> Found {
        let mut found = Found { occurrences: 0, last: BTreeMap::new(), crossed: false };
        if line.has_many_texts() && self.are_of_one_line {
            self.search_text(&line.joined().text, limit, &mut Vec::new(), &mut found);
            return found;
        }
        let mut hits = Vec::new();
        for text in &line.texts {
            self.search_text(text, limit, &mut hits, &mut found);
            if found.crossed {
                break;
            }
        }
        found
    }

    /// Adds what is found in one text.
    fn search_text(&self, text: &str, limit: usize, hits: &mut Vec<Hit>, found: &mut Found) {
        let limit = limit - found.occurrences;
        found.crossed = self.search.hits(&self.scan, text, limit, hits);
        for hit in hits.iter() {
            found.occurrences += 1;
            found.last.insert(hit.phrase, found.occurrences);
        }
    }
}

/// Whether a colour code may cut a phrase in two: in plain text it is the escape itself, which stands in no JSON object.
fn may_be_coloured(payload: &[u8]) -> bool {
    let inside = payload.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    let may_be_object = inside.is_some_and(|inside| matches!(inside.trim_ascii_start().first(), None | Some(b'"')));
    !may_be_object && memchr::memchr(0x1b, payload).is_some()
}
