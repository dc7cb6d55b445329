//! What is sent again: records that came back, in the order in which they went out, and before anything else.
//!
//! ```text
//!     in flight   a b c d e f      the batch of b, c and d is refused; the producer ends, and e and f come back
//!     taken       a                when nothing is on its way any more, a new producer takes the place
//!     again       [b] c d e f      half of those that may be the culprit, with nothing else on its way: b is taken
//!                 [c d] e f        twice as many: refused
//!                 [c] d e f        half as many: refused, and so the culprit; its dead letter goes first
//!                 [c'] [d] e f
//! ```
//!
//! Nothing is read meanwhile, so nothing new comes between, and what is taken is settled and committed. Everything that goes
//! through here is a copy of what was sent. In a transaction nothing is sent again: there, the lines of a batch that was
//! refused are read again, in batches of as many (`batch`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Worker;
use super::trouble::{Refusal, Way};
use super::wary::Wary;
use crate::flow::Failure;
use crate::flow::kafka::Code;
use crate::flow::ledger::Ticket;
use crate::flow::recent::Recent;
use crate::flow::record::Record;
use crate::flow::returned::Returned;
use crate::flow::transport::{Fetched, Sink, Source, To, Unsent};
use crate::telemetry::{Seldom, foreign};

/// Between two attempts to publish what was refused for something that may pass.
const PAUSE: Duration = Duration::from_secs(1);
/// At most this long at a time.
const TIME: Duration = Duration::from_millis(100);

/// Something to be sent again, or behind what is.
pub(super) enum Again {
    /// As it was. A suspect may be a culprit: it goes with other suspects, or alone.
    Record { ticket: Ticket, record: Box<Returned>, is_suspect: bool },
    /// A line that is to become a dead letter, once it was read again.
    Line(Ticket),
}

/// A record that came back since the producer was halted.
struct Back {
    ticket: Ticket,
    record: Box<Returned>,
    is_suspect: bool,
}

/// What became of a record that was handed over.
pub(super) enum Handed {
    /// An acknowledgement will come.
    Sent,
    /// It waits for others that are sent again, or is dealt with otherwise.
    Waits,
    /// There is no room for it now.
    Full(Ticket),
}

/// See the top of the file.
pub(super) struct Trouble {
    again: VecDeque<Again>,
    /// In any order.
    back: Vec<Back>,
    /// Nothing is sent until everything on its way has come back or was taken. The reason, and where to it was sent.
    halted: Option<(Code, To)>,
    /// It may pass.
    must_pause: bool,
    must_renew: bool,
    not_before: Option<Instant>,
    /// So many suspects go together, or in one batch: half as many when they are refused, twice as many when they are taken.
    pub(super) group: usize,
    /// Those on their way, with nothing else.
    out: usize,
    /// Those refused since the last time that this was settled; each may be the culprit.
    blamed: usize,
    /// The records of the line at hand may be refused.
    pub(super) is_doubtful: bool,
    pub(super) panics: Recent,
    warnings: Seldom,
    /// Of dead letters.
    pub(super) buried: Seldom,
    /// In a row.
    pub(super) watermarks_refused: u32,
    /// Batches in a row that were refused for something that is not in the table.
    pub(super) strange: u32,
    pub(super) wary: Wary,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            again: VecDeque::new(),
            back: Vec::new(),
            halted: None,
            must_pause: false,
            must_renew: false,
            not_before: None,
            group: 1,
            out: 0,
            blamed: 0,
            is_doubtful: false,
            panics: Recent::default(),
            warnings: Seldom::default(),
            buried: Seldom::default(),
            watermarks_refused: 0,
            strange: 0,
            wary: Wary::default(),
        }
    }
}

impl Trouble {
    /// No line waits for another attempt. While some do, reading on would only add to them.
    pub(super) fn is_empty(&self) -> bool {
        self.again.is_empty() && self.halted.is_none() && self.out == 0
    }

    /// Whether a record that comes back now was alone on its way.
    pub(super) fn is_alone(&self) -> bool {
        self.out == 1
    }

    /// One that is refused may be the culprit.
    pub(super) fn blame(&mut self) {
        self.blamed += 1;
    }

    /// A group of suspects was taken.
    pub(super) fn is_cleared(&mut self) {
        self.group = self.group.saturating_mul(2);
    }

    /// All that was refused is known: of so many suspects half go the next time.
    fn halve(&mut self) {
        if self.blamed > 0 {
            self.group = (self.blamed / 2).max(1);
        }
        self.blamed = 0;
    }

    /// What is on its way is waited for until there is nothing.
    pub(super) fn halt(&mut self, code: Code, to: To, must_pause: bool, must_renew: bool) {
        self.halted.get_or_insert((code, to));
        self.must_pause |= must_pause;
        self.must_renew |= must_renew;
    }

    /// It came back, and is sent again.
    pub(super) fn keep(&mut self, ticket: Ticket, record: Box<Returned>, is_suspect: bool) {
        self.blamed += usize::from(is_suspect);
        self.back.push(Back { ticket, record, is_suspect });
    }

    pub(super) fn goes_first(&mut self, again: Again) {
        self.again.push_front(again);
    }

    /// The batch is done again from its input.
    pub(super) fn forget(&mut self) {
        self.again.clear();
        self.back.clear();
        self.halve();
        (self.halted, self.must_pause, self.must_renew, self.out) = (None, false, false, 0);
    }

    /// Everything is here again: it goes before what was to go behind it.
    fn line_up(&mut self) {
        let mut back = std::mem::take(&mut self.back);
        back.sort_by_key(|back| back.record.sequence);
        for Back { ticket, record, is_suspect } in back.into_iter().rev() {
            self.again.push_front(Again::Record { ticket, record, is_suspect });
        }
        self.halve();
        (self.halted, self.out) = (None, 0);
    }

    /// The next one, where it need not wait. `is_clear`: nothing is on its way but suspects.
    fn next(&mut self, is_clear: bool) -> Option<Again> {
        match self.again.front()? {
            Again::Record { is_suspect: true, .. } if !is_clear || self.out >= self.group => None,
            Again::Record { is_suspect: false, .. } | Again::Line(_) if self.out > 0 => None,
            _ => self.again.pop_front(),
        }
    }
}

impl<K: Sink> Worker<K> {
    /// Hands a record over; what waits to be sent again goes first.
    pub(super) fn hand(
        &mut self,
        record: &Record<'_>,
        of: Option<&Fetched>,
        ticket: Ticket,
    ) -> Result<Handed, Failure> {
        let copy = || Box::new(Returned::of(record, of.map(Fetched::copied_headers).unwrap_or_default()));
        let is_suspect = self.trouble.is_doubtful && record.to == To::Output;
        if self.trouble.is_doubtful || !self.trouble.is_empty() {
            // A watermark says less than the next one, and may say too much when it comes late.
            if !ticket.is_nobodys() {
                self.trouble.again.push_back(Again::Record { ticket, record: copy(), is_suspect });
            }
            return Ok(Handed::Waits);
        }
        match self.sink.send(record, of, ticket) {
            Ok(()) => Ok(Handed::Sent),
            Err((Unsent::Full, ticket)) => Ok(Handed::Full(ticket)),
            Err((Unsent::Refused(code), ticket)) => {
                self.not_taken(copy(), ticket, code)?;
                Ok(Handed::Waits)
            }
        }
    }

    /// The client does not take it, and says so of nothing else.
    fn not_taken(&mut self, record: Box<Returned>, ticket: Ticket, code: Code) -> Result<(), Failure> {
        let (to, bytes) = (record.to, record.record().weight());
        self.refused(Refusal { to, ticket, bytes, code, record: Some(record), alone: true, at_once: true })
    }

    /// Sends again what came back, as far as that goes now.
    pub(super) fn send_again<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        if self.batch.is_ending() {
            // What is undone is read again.
            return Ok(());
        }
        if self.window.records == 0 && self.trouble.halted.is_none() && std::mem::take(&mut self.trouble.out) > 0 {
            self.trouble.is_cleared();
        }
        if self.trouble.halted.is_some() && !self.are_back(now)? {
            return Ok(());
        }
        if self.trouble.not_before.is_some_and(|time| now < time) {
            return Ok(());
        }
        self.trouble.not_before = None;
        // After a while, the group wants to hear of us, and so does the watchdog.
        while self.trouble.halted.is_none()
            && source.now().duration_since(now) < TIME
            && let Some(next) = self.trouble.next(self.window.records == self.trouble.out)
        {
            match next {
                Again::Line(ticket) => self.bury_again(source, ticket)?,
                Again::Record { ticket, record, is_suspect } => {
                    if !self.record_again(record, ticket, is_suspect)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether everything that was on its way is here again, or was taken.
    fn are_back(&mut self, now: Instant) -> Result<bool, Failure> {
        if self.window.records > 0 {
            self.sink.halt();
            return Ok(false);
        }
        if let Some((code, to)) = self.trouble.halted.filter(|_| self.trouble.must_pause)
            && let Some(kept_back) = self.trouble.warnings.say(now)
        {
            let (topic, reason) = (self.topic(to), foreign(self.sink.last_word().as_bytes()));
            tracing::warn!(kept_back, "{topic} refused records ({code}), trying again{reason}");
        }
        if std::mem::take(&mut self.trouble.must_pause) {
            self.trouble.not_before = Some(now + PAUSE);
        }
        if std::mem::take(&mut self.trouble.must_renew) {
            self.sink.renew()?;
        }
        self.linger.forget();
        self.trouble.line_up();
        Ok(true)
    }

    /// False when nothing more can be sent now.
    fn record_again(&mut self, record: Box<Returned>, ticket: Ticket, is_suspect: bool) -> Result<bool, Failure> {
        if self.lanes.of(&ticket).is_none() {
            // Its partition was given up: it is its new owner's.
            return Ok(true);
        }
        match self.sink.send(&record.record(), None, ticket) {
            Ok(()) => {
                self.window.records += 1;
                self.window.bytes += record.record().weight();
                self.trouble.out += usize::from(is_suspect);
                Ok(true)
            }
            Err((Unsent::Full, ticket)) => {
                self.trouble.goes_first(Again::Record { ticket, record, is_suspect });
                Ok(false)
            }
            Err((Unsent::Refused(code), ticket)) => {
                // It is behind all that the producer took.
                let record = Box::new(Returned { sequence: u64::MAX, ..*record });
                self.not_taken(record, ticket, code)?;
                Ok(false)
            }
        }
    }

    fn bury_again<S: Source>(&mut self, source: &S, ticket: Ticket) -> Result<(), Failure> {
        let Some(lane) = self.lanes.of(&ticket) else { return Ok(()) };
        let Some(entry) = lane.ledger.entry(&ticket) else { return Ok(()) };
        let Some(refused) = lane.poison(entry.offset).filter(|refused| refused.way != Way::AtNow) else {
            // Left as it is, the line would never be settled.
            return Err(Failure::software(format!("line {} is to go again, and nobody knows as what", entry.offset)));
        };
        let delivery = source.again(&lane.partition, entry.offset)?;
        // Offsets wait for it, and it for nothing.
        let others = std::mem::take(&mut self.trouble.again);
        let done = self.bury(&delivery, ticket, &refused);
        self.trouble.again.extend(others);
        done
    }
}
