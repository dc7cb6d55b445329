//! One input partition under judgement: its lines on one side, the records that claim to come from them on the other.
//!
//! It is fed with the records of the output in their order and reads its input only as far as they need it. Which lines
//! are still missing is a set that nearly always is nearly empty, so that nothing grows with the topic: a run of lost
//! lines costs a bit for each of them.
//!
//! Order: a line's first record must come after those of all lines before it. A repeat may go back, as a daemon that
//! starts again does, and must then go on line by line; two daemons that overlap write two such runs, mixed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::expect::{Expectation, Fate};
use super::finding::{Findings, Kind};
use super::stored::{Arrived, Digest, Source};
use super::window::Window;
use crate::flow::Failure;
use crate::flow::Mode;

/// Runs of repeats that may be under way at once.
const HEADS: usize = 8;

/// What all lanes of an output partition have in common.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What was promised.
    pub(super) mode: Mode,
    /// Lines held in memory.
    pub(super) window: usize,
    /// Records are to be found by content, where they do not say where they come from.
    pub(super) aligned: bool,
    /// The output has the input's timestamps.
    pub(super) stamped: bool,
    /// `topic/partition` of the output.
    pub(super) output: Arc<str>,
    /// Names of the rules, by their index.
    pub(super) rules: Arc<[String]>,
}

/// A record of the dead-letter topic.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    /// Digest of key and value; `None`: the line was too large, and only its place is there.
    pub(super) raw: Option<Digest>,
    /// `topic/partition/offset` there.
    pub(super) place: String,
}

/// What was counted in the range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(super) lines: u64,
    pub(super) published: u64,
    pub(super) tagged: u64,
    pub(super) left_out: u64,
    pub(super) dead_letters: u64,
    pub(super) repeats: u64,
    pub(super) forgetful: u64,
    /// Records of lines outside the range.
    pub(super) outside: u64,
    /// The last line of the range.
    pub(super) last: Option<i64>,
}

/// See the top of the file.
pub(crate) struct Lane<I> {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// Offsets that are judged.
    range: Range<i64>,
    /// All offsets of the partition when the work began.
    pub(super) whole: Range<i64>,
    input: I,
    pub(super) window: Window,
    /// Lines read that must be on the output and are not yet.
    pub(super) open: RoaringTreemap,
    /// Lines read that may be on the output and are not yet.
    maybe: RoaringTreemap,
    dead: HashMap<i64, DeadLetter>,
    /// The furthest line on the output.
    pub(super) front: Option<i64>,
    /// The line of the last record.
    pub(super) last: Option<i64>,
    /// Where the runs of repeats are.
    heads: VecDeque<i64>,
    /// First missing lines that may as well be an earlier, identical one: that one.
    pub(super) vague: BTreeMap<i64, i64>,
    counts: Counts,
    findings: Findings,
    terms: Terms,
}

/// What is left of a lane when all was read.
pub(crate) struct Judged {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) range: Range<i64>,
    pub(super) missing: RoaringTreemap,
    pub(super) front: Option<i64>,
    pub(super) vague: BTreeMap<i64, i64>,
    pub(super) counts: Counts,
    pub(super) findings: Findings,
}

impl<I: Iterator<Item = Result<Expectation, Failure>>> Lane<I> {
    pub(super) fn new(
        (topic, partition): (Arc<str>, i32),
        range: Range<i64>,
        whole: Range<i64>,
        dead: HashMap<i64, DeadLetter>,
        input: I,
        terms: Terms,
    ) -> Self {
        Self {
            topic,
            partition,
            range,
            whole,
            input,
            window: Window::new(terms.window, terms.aligned, terms.stamped),
            open: RoaringTreemap::new(),
            maybe: RoaringTreemap::new(),
            dead,
            front: None,
            last: None,
            heads: VecDeque::new(),
            vague: BTreeMap::new(),
            counts: Counts::default(),
            findings: Findings::default(),
            terms,
        }
    }

    /// Takes a record that comes from the line at `offset`, by its own word or by its content.
    pub(super) fn settle(&mut self, arrived: &Arrived, offset: i64) -> Result<(), Failure> {
        if offset < 0 || offset >= self.whole.end {
            let high = self.whole.end;
            self.unknown(arrived, || format!("says that it comes from offset {offset}, but the input ends at {high}"));
            return Ok(());
        }
        if !self.range.contains(&offset) {
            self.counts.outside += 1;
            self.last = Some(offset);
            self.front = self.front.max(Some(offset));
            return Ok(());
        }
        self.read_to(offset)?;
        if self.terms.aligned && self.front < Some(offset) {
            self.note_alike(offset);
        }
        match self.window.get(offset).copied() {
            Some(expected) => self.judge(arrived, &expected),
            None if self.window.first().is_some_and(|first| offset < first) => self.too_late(arrived, offset),
            None => self.unknown(arrived, || {
                format!("says that it comes from offset {offset}, where the input has no record (compacted, or forged)")
            }),
        }
        Ok(())
    }

    fn judge(&mut self, arrived: &Arrived, expected: &Expectation) {
        let offset = expected.offset;
        if let Some(dead) = self.dead.get(&offset) {
            let what = format!("is on the output ({}) and a dead letter ({})", self.output(arrived), dead.place);
            self.find(Kind::SettledTwice, offset, || what);
        } else if expected.fate == Fate::LeftOut {
            let output = self.output(arrived);
            self.find(Kind::Mislabelled, offset, || {
                format!("is on the output ({output}), but no rule matches it and output.lines leaves it out")
            });
        } else {
            self.place(arrived, offset);
        }
        self.last = Some(offset);
        self.compare(arrived, expected);
    }

    /// Is it the first record of its line, and does it come in order?
    fn place(&mut self, arrived: &Arrived, offset: i64) {
        if !(self.open.remove(bit(offset)) || self.maybe.remove(bit(offset))) {
            return self.repeat(arrived, offset);
        }
        self.counts.published += 1;
        self.counts.tagged += u64::from(arrived.tag.is_some());
        match self.front {
            Some(front) if front > offset => {
                let output = self.output(arrived);
                self.find(Kind::OutOfOrder, offset, || format!("comes ({output}) after offset {front}"));
            }
            _ => self.front = Some(offset),
        }
        self.follow(offset);
    }

    fn repeat(&mut self, arrived: &Arrived, offset: i64) {
        self.counts.repeats += 1;
        let output = self.output(arrived);
        let follows = self.follow(offset);
        if self.terms.mode == Mode::ExactlyOnce {
            self.find(Kind::Repeated, offset, || format!("is on the output again ({output})"));
        } else if !follows && arrived.source != Source::Absent && self.last.is_some_and(|last| offset > last) {
            self.find(Kind::OutOfOrder, offset, || {
                format!("is repeated ({output}) without the lines before it, in the middle of a run of repeats")
            });
        }
    }

    /// Goes on with the run that the line is next of, or begins one; tells which.
    fn follow(&mut self, offset: i64) -> bool {
        let follows = self.heads.iter().position(|head| self.is_next(*head, offset));
        if let Some(run) = follows {
            self.heads.remove(run);
        } else if self.heads.len() == HEADS {
            self.heads.pop_front();
        }
        self.heads.push_back(offset);
        follows.is_some()
    }

    /// Nothing that must be on the output lies between.
    fn is_next(&self, head: i64, offset: i64) -> bool {
        let must = |entry: &&Expectation| entry.fate == Fate::Published && !self.dead.contains_key(&entry.offset);
        head < offset && self.window.after(Some(head)).find(must).is_none_or(|next| next.offset >= offset)
    }

    fn compare(&mut self, arrived: &Arrived, expected: &Expectation) {
        let differences = expected.parts.differences(&arrived.parts, !arrived.appended);
        let output = self.output(arrived);
        if !differences.is_empty() {
            self.find(Kind::Changed, expected.offset, || {
                format!("is not as it came ({output}): another {}", differences.join(", another "))
            });
        } else if expected.full.is_some_and(|full| full != arrived.whole) {
            if expected.forgetful == Some(arrived.whole) {
                self.counts.forgetful += 1;
                return;
            }
            let what = self.mislabelled(arrived, expected);
            self.find(Kind::Mislabelled, expected.offset, || format!("{what} ({output})"));
        }
    }

    fn mislabelled(&self, arrived: &Arrived, expected: &Expectation) -> String {
        let rule = expected.rule.and_then(|rule| self.terms.rules.get(rule));
        match (&arrived.tag, rule) {
            (None, Some(rule)) => format!("is not tagged; the rules say {rule}"),
            (Some(tag), None) => format!("is tagged {tag}; no rule matches it"),
            (Some(tag), Some(rule)) if tag != rule => format!("is tagged {tag}; the rules say {rule}"),
            _ if expected.sourced && arrived.source == Source::Absent => "has no header fingerpost-source".to_owned(),
            (Some(tag), _) => format!("is tagged {tag}, but object or headers are not as these rules write them"),
            (None, None) => "has an object or headers of ours that no rule gives it".to_owned(),
        }
    }

    /// Behind the window: whether it is a repeat is known, whether it is right is not.
    fn too_late(&mut self, arrived: &Arrived, offset: i64) {
        let (output, window) = (self.output(arrived), self.terms.window);
        self.place(arrived, offset);
        self.last = Some(offset);
        self.find(Kind::Unchecked, offset, || {
            format!("lies ({output}) more than {window} lines behind; a larger --window compares it")
        });
    }

    pub(super) fn unknown(&mut self, arrived: &Arrived, what: impl FnOnce() -> String) {
        let output = self.output(arrived);
        self.findings.add(Kind::Unknown, 1, || (output, what()));
    }

    /// A record from before the first line that the input still has.
    pub(super) fn skip(&mut self) {
        self.counts.outside += 1;
    }

    fn find(&mut self, kind: Kind, offset: i64, what: impl FnOnce() -> String) {
        let place = (&self.topic, self.partition);
        self.findings.add(kind, 1, || (format!("{}/{}/{offset}", place.0, place.1), what()));
    }

    fn output(&self, arrived: &Arrived) -> String {
        format!("{}/{}", self.terms.output, arrived.offset)
    }

    pub(super) fn read_to(&mut self, offset: i64) -> Result<(), Failure> {
        while self.window.last().is_none_or(|last| last < offset) && self.read()? {}
        Ok(())
    }

    /// Reads a line; false at the end.
    pub(super) fn read(&mut self) -> Result<bool, Failure> {
        let Some(expected) = self.input.next().transpose()? else { return Ok(false) };
        if self.range.contains(&expected.offset) {
            self.count(&expected);
        }
        self.window.push(expected);
        Ok(true)
    }

    fn count(&mut self, expected: &Expectation) {
        self.counts.lines += 1;
        self.counts.last = Some(expected.offset);
        if let Some(dead) = self.dead.get(&expected.offset) {
            self.counts.dead_letters += 1;
            if dead.raw.is_some_and(|raw| raw != expected.raw) {
                let what = format!("its dead letter ({}) has another key or value", dead.place);
                self.find(Kind::DeadLetter, expected.offset, || what);
            }
            return;
        }
        match expected.fate {
            Fate::Published => drop(self.open.insert(bit(expected.offset))),
            Fate::Either => drop(self.maybe.insert(bit(expected.offset))),
            Fate::LeftOut => self.counts.left_out += 1,
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.terms.mode
    }

    pub(super) fn is_dead(&self, offset: i64) -> bool {
        self.dead.contains_key(&offset)
    }

    /// Reads what is left of the input and tells what was found.
    pub(super) fn finish(mut self) -> Result<Judged, Failure> {
        // Before the window moves on.
        if self.terms.aligned {
            self.read_to(self.front.map_or(0, |front| front + 1))?;
            self.note_alike(i64::MAX);
        }
        while self.read()? {}
        // Left out by somebody who did not know what the source had said.
        self.counts.left_out += self.maybe.len();
        self.counts.forgetful += self.maybe.len();
        for (offset, dead) in &self.dead {
            let place = (&self.topic, self.partition);
            if *offset >= self.whole.end || *offset < 0 {
                self.findings.add(Kind::Unknown, 1, || {
                    (
                        dead.place.clone(),
                        format!("a dead letter of {}/{}/{offset}, beyond the input's end", place.0, place.1),
                    )
                });
            }
        }
        Ok(Judged {
            topic: self.topic,
            partition: self.partition,
            range: self.range,
            missing: self.open,
            front: self.front,
            vague: self.vague,
            counts: self.counts,
            findings: self.findings,
        })
    }
}

/// Offsets are never negative.
pub(super) fn bit(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default()
}
