//! Which line a record comes from that does not say so: told by its content and by the records around it.
//!
//! Between one input and one output partition a daemon copies in order, so the record is nearly always that of the next
//! line. If not, it is a line that was passed over, a repeat of one before, or the sign that lines were passed over;
//! then what follows decides which reading is likely. Log lines are often identical, so each step takes the reading
//! that can never make trouble of an honest copy: whoever is told to be further on than they are can still go back,
//! since going back is free where lines may be repeated. Where they may not, each record more or less than the lines
//! shows in the count.

use super::expect::{Expectation, Fate};
use super::lane::{Lane, bit};
use super::stored::{Arrived, Parts};
use crate::flow::Failure;
use crate::flow::Mode;

/// Records that are looked at beyond the one in question.
pub(super) const UPCOMING: usize = 16;
/// Later lines with its content that a record is tried on.
const TRIES: usize = 16;
/// What it counts that the content is right, in records that follow.
const CONTENT: usize = 2;
/// Identical lines before a missing one that are looked at.
const ALIKE: usize = 10_000;

/// Where a record belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Located {
    /// The line at this offset, changed perhaps.
    At(i64),
    /// A line before the first that the input still has.
    Before,
    /// No line.
    Nowhere,
}

impl<I: Iterator<Item = Result<Expectation, Failure>>> Lane<I> {
    /// The line that a record without source comes from, seen with those that follow it.
    pub(super) fn locate<'a>(
        &mut self,
        parts: &Parts,
        upcoming: impl Iterator<Item = &'a Arrived> + Clone,
    ) -> Result<Located, Failure> {
        if let Some(offset) = self.follows(parts)? {
            return Ok(Located::At(offset));
        }
        let (missed, repeated) = (self.missed(parts), self.repeated(parts));
        // Where lines may be repeated, a line that was there before is no sign of trouble.
        if self.mode() == Mode::AtLeastOnce
            && let Some(offset) = missed.or(repeated)
        {
            return Ok(Located::At(offset));
        }
        self.resume(parts, repeated, missed, upcoming)
    }

    /// The line after the furthest, or after the last record, if it is just so. The furthest first: with two daemons
    /// at work, the record may be of either.
    pub(super) fn follows(&mut self, parts: &Parts) -> Result<Option<i64>, Failure> {
        while self.successor(self.front).is_none() && self.read()? {}
        Ok(self.next(self.front, parts).or_else(|| self.next(self.last, parts)))
    }

    /// A line that was passed over.
    fn missed(&self, parts: &Parts) -> Option<i64> {
        let front = self.front?;
        self.window.like(parts).take_while(|offset| *offset < front).find(|offset| self.open.contains(bit(*offset)))
    }

    /// A line that was there before: the nearest behind the last record, else any.
    fn repeated(&self, parts: &Parts) -> Option<i64> {
        let (last, front) = (self.last?, self.front?);
        let behind = self.window.like(parts).rev().find(|offset| *offset <= last && !self.is_dead(*offset));
        behind.or_else(|| self.window.like_after(parts, Some(last)).find(|o| *o <= front && !self.is_dead(*o)))
    }

    /// Something is wrong here: the likeliest way to go on.
    fn resume<'a>(
        &mut self,
        parts: &Parts,
        repeated: Option<i64>,
        missed: Option<i64>,
        upcoming: impl Iterator<Item = &'a Arrived> + Clone,
    ) -> Result<Located, Failure> {
        self.look_ahead(parts, UPCOMING)?;
        let ahead: Vec<i64> = self.window.like_after(parts, self.front).take(TRIES).collect();
        let mut best = (self.score(self.last, upcoming.clone()), Located::Nowhere);
        let changed = self.successor(self.front).map(|offset| (offset, Some(offset), 0));
        let alike = repeated.into_iter().chain(ahead.iter().rev().copied());
        let alike = alike.map(|offset| (offset, Some(offset), CONTENT));
        // Once a line that was passed over is there, it goes on where it was.
        let missed = missed.map(|offset| (offset, self.front, CONTENT));
        // The later wins a tie.
        for (offset, from, content) in changed.into_iter().chain(alike).chain(missed) {
            let score = self.score(from, upcoming.clone()) + content;
            if score >= best.0 {
                best = (score, Located::At(offset));
            }
        }
        if self.last.is_none() && self.whole.start > 0 && ahead.is_empty() {
            return Ok(Located::Before);
        }
        Ok(best.1)
    }

    /// Reads on until the content is found, or as far as the window allows; and some lines more, to try what follows on.
    fn look_ahead(&mut self, parts: &Parts, more: usize) -> Result<(), Failure> {
        let mut room = self.window.reach().saturating_sub(self.window.after(self.front).count());
        while room > 0 && self.window.like_after(parts, self.front).next().is_none() && self.read()? {
            room -= 1;
        }
        for _ in 0..more.min(room) {
            self.read()?;
        }
        Ok(())
    }

    /// How many of the records that follow go on from this line.
    fn score<'a>(&self, from: Option<i64>, upcoming: impl Iterator<Item = &'a Arrived>) -> usize {
        let mut at = from;
        let mut score = 0;
        for record in upcoming {
            if let Some(offset) = self.next(at, &record.parts) {
                at = Some(offset);
                score += 1;
            }
        }
        score
    }

    /// The next line that must be on the output.
    fn successor(&self, offset: Option<i64>) -> Option<i64> {
        let must = |entry: &&Expectation| entry.fate == Fate::Published && !self.is_dead(entry.offset);
        self.window.after(offset).find(must).map(|entry| entry.offset)
    }

    /// The next line that must be on the output, or one before it that may be, if it is just so.
    fn next(&self, offset: Option<i64>, parts: &Parts) -> Option<i64> {
        for entry in self.window.after(offset).filter(|entry| !self.is_dead(entry.offset)) {
            if entry.fate != Fate::LeftOut && self.window.same(&entry.parts, parts) {
                return Some(entry.offset);
            }
            if entry.fate == Fate::Published {
                return None;
            }
        }
        None
    }

    /// Lines before `offset` are missing. If the first of them is the same as the one before it, nobody can tell which.
    pub(super) fn note_alike(&mut self, offset: i64) {
        let Some(missing) = self.successor(self.front).filter(|first| *first < offset) else { return };
        let Some(entry) = self.window.get(missing) else { return };
        let alike = |other: &&Expectation| self.window.same(&other.parts, &entry.parts);
        let earliest = self.window.before(missing).take(ALIKE).take_while(alike).last().map(|other| other.offset);
        if let Some(earliest) = earliest {
            self.vague.insert(missing, earliest);
        }
    }
}
