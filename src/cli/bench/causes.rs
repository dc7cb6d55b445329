//! Whom a stop of the scan is for: the rules and contexts whose trigger phrases it took the line to hold, or what else
//! it stops at.
//!
//! The scan itself only says "maybe". Here the raw bytes are looked through once more, outside any timing, for what it
//! looks for: the longest run of each trigger phrase that no JSON encoder escapes, escapes of characters that such runs
//! are made of, and our own member.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, BuildError};

use crate::NAME;
use crate::pack::{Packs, atom, escapes, triggers};

/// Who makes the scan stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A rule, by its index in [`Packs::rules`].
    Rule(usize),
    /// A context, by its index in [`Packs::contexts`].
    Context(usize),
    /// An escape of a character that runs are made of, behind which any phrase can hide.
    Escape,
    /// The member that an earlier pass added.
    Ours,
    /// LogDNA's set-up probe.
    Probe,
    /// Nothing that it looks for is in the line.
    Doubt,
}

/// A run of bytes that the scan looks for.
#[derive(Debug)]
pub struct Run {
    /// The run, in lower case.
    pub text: String,
    /// Who wants it, each with the phrase that it is the longest run of.
    pub wanted_by: Vec<(Party, String)>,
}

/// Finds the runs in a line.
#[derive(Debug)]
pub struct Causes {
    automaton: AhoCorasick,
    /// All runs; what [`Causes::find`] gives are indexes into it.
    pub runs: Vec<Run>,
}

impl Causes {
    /// Collects what the scan looks for in these packs.
    ///
    /// # Errors
    /// When there are too many phrases for an automaton.
    pub fn new(packs: &Packs) -> Result<Self, BuildError> {
        let mut runs: BTreeMap<String, Vec<(Party, String)>> = BTreeMap::new();
        let mut want = |run: String, party, phrase: &str| {
            runs.entry(run.to_ascii_lowercase()).or_default().push((party, phrase.to_owned()));
        };
        escapes().for_each(|escape| want(escape, Party::Escape, "\\u00"));
        want(format!("\"{NAME}\""), Party::Ours, NAME);
        for (index, rule) in packs.rules.iter().enumerate() {
            triggers(&rule.all, &rule.any).iter().for_each(|it| want(atom(it).to_owned(), Party::Rule(index), it));
        }
        for (index, context) in packs.contexts.iter().enumerate() {
            let found = triggers(&context.all, &context.any);
            found.iter().for_each(|it| want(atom(it).to_owned(), Party::Context(index), it));
        }
        let automaton = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(runs.keys())?;
        let runs = runs.into_iter().map(|(text, wanted_by)| Run { text, wanted_by }).collect();
        Ok(Self { automaton, runs })
    }

    /// The runs in a line, ascending, each once.
    #[must_use]
    pub fn find(&self, line: &[u8]) -> Vec<usize> {
        let hits = self.automaton.find_overlapping_iter(line);
        let mut found: Vec<usize> = hits.map(|hit| hit.pattern().as_usize()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Who wants these runs, ascending, each once.
    #[must_use]
    pub fn parties(&self, runs: &[usize]) -> Vec<Party> {
        let wanted = runs.iter().flat_map(|run| &self.runs[*run].wanted_by);
        let mut parties: Vec<Party> = wanted.map(|(party, _)| *party).collect();
        parties.sort_unstable();
        parties.dedup();
        parties
    }
}
