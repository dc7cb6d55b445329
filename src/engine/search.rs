//! The exact search: every phrase that occurs in a text, overlapping ones too, in any ASCII case.
//!
//! Most long phrases are atoms of the filter, which tells where they stand; others are found in the same way, by grams. An
//! automaton over a hundred thousand phrases takes a second to build and a hundred megabytes: only short ones, and those of
//! which too many unlike ones share a window, have one.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, BuildError, MatchKind};

use super::filter::Filter;
use super::filter::grams::{Grams, LONG};

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Search {
    /// The phrases that are atoms of the filter, by their numbers there; [`NONE`] at others.
    atoms: Vec<u32>,
    grams: Grams,
    /// The phrases of `grams`, by their numbers there.
    long: Vec<u32>,
    rest: Option<Rest>,
}

/// No phrase.
const NONE: u32 = u32::MAX;

/// The phrases that are left: in lower case, to which texts are brought, as an automaton that knows both cases is three
/// times as large.
#[derive(Debug)]
struct Rest {
    automaton: AhoCorasick,
    phrases: Vec<u32>,
}

/// A phrase was found, and ends at this byte of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub(super) end: usize,
    pub(super) phrase: usize,
}

impl Search {
    /// Phrases are in lower case, and not there twice; of some the filter's number is known.
    ///
    /// # Errors
    /// When there are too many phrases for an automaton (beyond what memory addresses hold).
    pub(super) fn new(phrases: &[&str], known: &[Option<usize>]) -> Result<Self, BuildError> {
        let (mut atoms, mut long, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for (phrase, text) in phrases.iter().enumerate() {
            match known[phrase] {
                Some(number) => {
                    atoms.resize(atoms.len().max(number + 1), NONE);
                    atoms[number] = phrase as u32;
                }
                None if text.len() >= LONG => long.push(phrase as u32),
                None => rest.push(phrase as u32),
            }
        }
        let texts: Vec<&[u8]> = long.iter().map(|phrase| phrases[*phrase as usize].as_bytes()).collect();
        let (grams, untold) = Grams::new(&texts);
        rest.extend(untold.iter().map(|number| long[*number]));
        let texts = || rest.iter().map(|phrase| phrases[*phrase as usize]);
        let automaton = match rest.is_empty() {
            true => None,
            false => Some(AhoCorasickBuilder::new().match_kind(MatchKind::Standard).build(texts())?),
        };
        Ok(Self { atoms, grams, long, rest: automaton.map(|automaton| Rest { automaton, phrases: rest }) })
    }

    /// The first `limit` hits by their ends, in that order; of more than four times as many, some of the first. True when
    /// there were more. The filter is that by which the phrases' numbers are known.
    pub(super) fn hits(&self, filter: &Filter, text: &str, limit: usize, hits: &mut Vec<Hit>) -> bool {
        hits.clear();
        let most = limit.saturating_mul(4).saturating_add(1);
        filter.each(text.as_bytes(), |number, end| {
            if let Some(phrase) = self.atoms.get(number).filter(|phrase| **phrase != NONE) {
                hits.push(Hit { end, phrase: *phrase as usize });
            }
            hits.len() < most
        });
        self.grams.each(text.as_bytes(), |number, end| {
            hits.push(Hit { end, phrase: self.long[number] as usize });
            hits.len() < most
        });
        if let Some(Rest { automaton, phrases }) = &self.rest {
            let lower = text.to_ascii_lowercase();
            let found = automaton.find_overlapping_iter(&lower).take(most);
            hits.extend(found.map(|hit| Hit { end: hit.end(), phrase: phrases[hit.pattern()] as usize }));
        }
        hits.sort_unstable();
        let more = hits.len() > limit;
        hits.truncate(limit);
        more
    }

    /// Bytes that it takes.
    pub(super) fn memory_usage(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.automaton.memory_usage() + size_of_val(&*rest.phrases));
        self.grams.memory_usage() + size_of_val(&*self.atoms) + size_of_val(&*self.long) + rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(phrases: &[&str], text: &str) -> Vec<Hit> {
        let text = text.to_ascii_lowercase();
        let ends = |(phrase, of): (usize, &&str)| -> Vec<Hit> {
            let windows = text.as_bytes().windows(of.len()).enumerate();
            windows.filter(|(_, it)| *it == of.as_bytes()).map(|(at, _)| Hit { end: at + of.len(), phrase }).collect()
        };
        let mut hits: Vec<Hit> = phrases.iter().enumerate().flat_map(ends).collect();
        hits.sort_unstable();
        hits
    }

    /// A filter of every other phrase, and the search.
    fn search(phrases: &[&str]) -> (Filter, Search) {
        let atoms: Vec<&str> = phrases.iter().step_by(2).copied().collect();
        let (filter, numbers) = Filter::new(&atoms);
        let known = |phrase: usize| if phrase.is_multiple_of(2) { numbers[phrase / 2] } else { None };
        let known: Vec<Option<usize>> = (0..phrases.len()).map(known).collect();
        (filter, Search::new(phrases, &known).unwrap())
    }

    fn all((filter, search): &(Filter, Search), text: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        assert!(!search.hits(filter, text, 1 << 20, &mut hits));
        hits
    }

    #[test]
    fn phrases_that_all_share_a_window_are_found() {
        let owned: Vec<String> = (0..100).map(|n| format!("{n:03}the same in all of them{n:03}")).collect();
        // Too many lengths to be looked through.
        let crowd: Vec<String> = (1..800).map(|n| format!("{}a crowd of them", "e".repeat(n))).collect();
        let same: Vec<String> = (0..100).map(|n| format!("{}{}", "a".repeat(15), "b".repeat(n))).collect();
        let phrases: Vec<&str> = owned.iter().chain(&same).chain(&crowd).map(String::as_str).collect();
        let search = search(&phrases);
        // Half of the crowd is left over by each.
        assert_eq!(search.1.rest.as_ref().map(|rest| rest.phrases.len()), Some(crowd.len()));
        let text =
            format!("... {} ... {}{} ... {}", owned[77].to_uppercase(), "a".repeat(20), "b".repeat(99), crowd[6]);
        assert_eq!(all(&search, &text), naive(&phrases, &text));
        assert_eq!(all(&search, &text).len(), 1 + 100 + 5 + 7);
    }

    #[test]
    fn of_too_many_hits_the_first_are_told() {
        let (filter, search) = search(&["ab", "aaaaaaaaaaaaaaaa"]);
        let mut hits = Vec::new();
        assert!(search.hits(&filter, &"ab".repeat(10), 9, &mut hits));
        assert_eq!(hits.last(), Some(&Hit { end: 18, phrase: 0 }));
        assert!(!search.hits(&filter, &"ab".repeat(10), 10, &mut hits));
        assert!(search.hits(&filter, &"a".repeat(1000), 5, &mut hits));
        assert_eq!(hits.len(), 5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn finds_what_a_naive_search_finds(
            phrases in prop::collection::btree_set("[ab_ ]{1,30}|[a-zé ]{10,40}", 1..40),
            text in "[abAB_ é]{0,200}",
            put in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..8),
        ) {
            let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
            let mut text: Vec<char> = text.chars().collect();
            for (at, which) in put {
                let at = at.index(text.len() + 1);
                text.splice(at..at, which.get(&phrases).to_uppercase().replace('É', "é").chars());
            }
            let text: String = text.into_iter().collect();
            prop_assert_eq!(all(&search(&phrases), &text), naive(&phrases, &text));
        }
    }
}
