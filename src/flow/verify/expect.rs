//! What an input line must become: the daemon's own engine and writer, run over the input in order, with a memory for
//! the partition.
//!
//! A daemon that took the partition over in the middle, and has no state to read, does not know what a source said
//! before. Its tag is then the plain case of the rule, so for a line whose tag depends on what was said earlier there
//! are two answers: with all of it, and with none of it.

use std::sync::Arc;

use super::stored::{Digest, Parts, Stored, digest, header_digest, whole};
use crate::engine::{Engine, Memory, Outcome};
use crate::flow::record::{self, Name, Notes, Record, Writer};
use crate::flow::unjudged::Beside;
use crate::flow::{LinePlace, Lines, Output, Place};

/// Whether a line is on the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It must be.
    Published,
    /// It must not be: no rule matches it, and only matching lines are published.
    LeftOut,
    /// It depends on what was known when it was judged.
    Either,
}

/// What is to be found of one input line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expectation {
    /// Its offset.
    pub(super) offset: i64,
    /// What must stay as it is.
    pub(super) parts: Parts,
    /// Key and value, untouched, as a dead letter has them.
    pub(super) raw: Digest,
    /// Whether it is on the output.
    pub(super) fate: Fate,
    /// The record with all that we add; `None` when labels are not looked at.
    pub(super) full: Option<Digest>,
    /// The same, when nothing was known of earlier lines, and that makes a difference.
    pub(super) forgetful: Option<Digest>,
    /// The primary rule, as an index into [`Engine::reported`].
    pub(super) rule: Option<usize>,
    /// It carries the header `fingerpost-source`.
    pub(super) sourced: bool,
}

/// Judges the lines of one partition.
pub(super) struct Expecter<'e> {
    engine: &'e Engine,
    writer: Writer,
    topic: Arc<str>,
    lines: Lines,
    place: Place,
    labels: bool,
    /// Whether a daemon may begin without knowing what was said before.
    forgets: bool,
    memory: Memory,
    unjudged: &'e [LinePlace],
}

impl<'e> Expecter<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        output: &Output,
        writer: Writer,
        topic: Arc<str>,
        labels: bool,
        forgets: bool,
    ) -> Self {
        let (lines, place, memory) = (output.lines, output.place, engine.memory());
        Self { engine, writer, topic, lines, place, labels, forgets, memory, unjudged: &[] }
    }

    /// Lines that the daemon does not judge.
    pub(super) fn leaving(self, unjudged: &'e [LinePlace]) -> Self {
        Self { unjudged, ..self }
    }

    /// The next line of the partition.
    pub(super) fn expect(&mut self, stored: &Stored) -> Expectation {
        let mut expectation = Expectation {
            offset: stored.offset,
            parts: Parts::of(stored, self.engine, self.place),
            raw: digest([stored.key.as_deref(), stored.value.as_deref()]),
            fate: Fate::Published,
            full: None,
            forgetful: None,
            rule: None,
            sourced: false,
        };
        if self.labels {
            self.label(stored, &mut expectation);
        }
        expectation
    }

    fn label(&mut self, stored: &Stored, expectation: &mut Expectation) {
        let line = stored.line(&self.topic);
        let beside = Beside { unjudged: self.unjudged, at_hand: None };
        let judged = record::judge(self.engine, &line, &mut self.memory, beside).and_then(Result::ok);
        let record = self.record(stored, judged.as_ref());
        expectation.full = record.as_ref().map(|record| digest_of(record, stored));
        expectation.sourced = record.is_some_and(|record| record.added.iter().any(|(name, _)| *name == Name::Source));
        let verdict = judged.as_ref().and_then(|outcome| outcome.verdict.as_ref());
        expectation.rule = verdict.and_then(|verdict| verdict.rules.first().copied());
        let mut fate = if expectation.full.is_some() { Fate::Published } else { Fate::LeftOut };
        if verdict.is_some() && self.forgets {
            let forgetful = record::judge(self.engine, &line, &mut self.engine.memory(), beside).and_then(Result::ok);
            let record = self.record(stored, forgetful.as_ref());
            if record.is_none() && self.lines == Lines::Matched {
                fate = Fate::Either;
            }
            let digest = record.map(|record| digest_of(&record, stored));
            expectation.forgetful = digest.filter(|digest| Some(*digest) != expectation.full);
        }
        expectation.fate = fate;
    }

    fn record<'s>(&'s self, stored: &'s Stored, judged: Option<&Outcome>) -> Option<Record<'s>> {
        self.writer.write(self.engine, &stored.line(&self.topic), judged, &mut Notes::default())
    }
}

/// Digest of the record that goes out: the line's own headers, then the added ones.
fn digest_of(record: &Record<'_>, stored: &Stored) -> Digest {
    let added = record.added.iter().map(|(name, value)| (name.text(), Some(value.as_slice())));
    let headers = stored.headers.is_some().then(|| stored.kept().chain(added));
    whole(record.value.as_deref(), header_digest(headers))
}
