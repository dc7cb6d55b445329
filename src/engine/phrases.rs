//! Finding phrases: the raw scan over payload bytes, and the exact search over decoded text.
//!
//! The scan may say "maybe" too often and never too rarely. It looks for *atoms*, the longest run of each trigger
//! phrase that no JSON encoder escapes, and for `\u` escapes of characters that atoms are made of. The search then finds
//! every phrase that occurs in a text value, overlapping ones too, in any ASCII case.

use std::collections::BTreeMap;

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
    /// Phrases in lower case.
    ids: BTreeMap<String, PhraseId>,
    /// Lengths in bytes.
    pub(super) lengths: Vec<usize>,
    /// Rules worth judging when this phrase was found.
    pub(super) rules: Vec<Vec<usize>>,
    /// Contexts worth judging when this phrase was found.
    pub(super) contexts: Vec<Vec<usize>>,
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
    pub(super) fn new(packs: &Packs) -> Result<Self, BuildError> {
        let mut atoms: Vec<String> = vec![PROBE_APP.to_owned(), format!("\"{NAME}\"")];
        atoms.extend(escapes());
        let mut ids = BTreeMap::new();
        let mut rules: Vec<Vec<usize>> = Vec::new();
        let mut contexts: Vec<Vec<usize>> = Vec::new();
        let mut enter = |phrase: &str| -> PhraseId {
            let next = ids.len();
            *ids.entry(phrase.to_ascii_lowercase()).or_insert_with(|| {
                rules.push(Vec::new());
                contexts.push(Vec::new());
                next
            })
        };
        let mut marks = Vec::new();
        for (index, rule) in packs.rules.iter().enumerate() {
            let conditions = [&rule.all, &rule.any, &rule.none].into_iter().flatten();
            let also = rule.cases.iter().flat_map(|case| &case.also);
            conditions.chain(also).flat_map(Condition::literals).for_each(|phrase| {
                enter(phrase);
            });
            for trigger in triggers(&rule.all, &rule.any) {
                atoms.push(atom(trigger).to_owned());
                marks.push((enter(trigger), index, true));
            }
        }
        for (index, context) in packs.contexts.iter().enumerate() {
            let conditions = [&context.all, &context.any, &context.none].into_iter().flatten();
            conditions.flat_map(Condition::literals).for_each(|phrase| {
                enter(phrase);
            });
            for trigger in triggers(&context.all, &context.any) {
                atoms.push(atom(trigger).to_owned());
                marks.push((enter(trigger), index, false));
            }
        }
        for (phrase, index, is_rule) in marks {
            if is_rule { rules[phrase].push(index) } else { contexts[phrase].push(index) }
        }
        let mut by_id: Vec<&str> = vec![""; ids.len()];
        for (phrase, id) in &ids {
            by_id[*id] = phrase;
        }
        Ok(Self {
            scan: Filter::new(atoms.iter().map(String::as_str)),
            search: Search::new(&by_id)?,
            lengths: by_id.iter().map(|phrase| phrase.len()).collect(),
            ids,
            rules,
            contexts,
        })
    }

    /// Whether the payload may hold something for us.
    pub(super) fn scan(&self, payload: &[u8]) -> bool {
        self.scan.stops_at(payload)
    }

    /// The id of a phrase that was collected.
    pub(super) fn id(&self, phrase: &str) -> Option<PhraseId> {
        self.ids.get(&phrase.to_ascii_lowercase()).copied()
    }

    /// Every phrase that occurs in one of the texts, looking at no more than `limit` occurrences.
    pub(super) fn search<'t>(&self, texts: impl Iterator<Item = &'t str>, limit: usize) -> Found {
        let mut found = Found { last: BTreeMap::new(), crossed: false };
        let (mut number, mut hits) = (0, Vec::new());
        for text in texts {
            let more = self.search.hits(text, limit - number, &mut hits);
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
