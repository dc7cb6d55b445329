//! Lines that cannot go the usual way: the output refuses their record, or the classifier fails at them.
//!
//! What the output will refuse is mostly known before it is sent (`wary`). Its line becomes a dead letter (the original bytes,
//! with headers that say where it came from and why), or, where only its timestamp is wrong and `output.refused_time` says so,
//! goes out with the time of now.
//!
//! What is not known is refused with its whole batch, and mostly for one record in it that nobody names (`whose`). So what came
//! back is sent again, in its order and before anything behind it: those that may be the culprit in groups, half as many when
//! a group is refused, twice as many when it is taken; the others as usual (`again`). A record that is refused when it is
//! alone will never be taken.
//!
//! At least once, a refusal brings the producer to its end: what is behind the batch comes back, too, and a new producer
//! sends all of it again. In a transaction a refusal spoils the whole batch. It is aborted and read again, and the lines are
//! remembered: those that may be the culprit, which come in batches of as many as a group, and those that were.

use std::time::Instant;

use super::Worker;
use super::again::Again;
use super::wary::is_too_large;
use super::whose::{Whose, ends_the_producer, is_fencing, whose};
use crate::flow::kafka::Code;
use crate::flow::ledger::Ticket;
use crate::flow::record::{Line, Name};
use crate::flow::returned::Returned;
use crate::flow::status::now_ms;
use crate::flow::transport::{Ack, Delivery, Sink, To};
use crate::flow::{Failure, Mode, RefusedTime};
use crate::telemetry::foreign;

/// More recent panics of the classifier than this are no longer single lines.
const PANICS_MAX: usize = 100;
/// Watermarks may be refused so often in a row; each time the next ones say more.
const WATERMARKS_MAX: u32 = 5;
/// So many batches in a row may be refused for something that nobody knows; it might have passed.
const STRANGE_MAX: u32 = 10;

/// Where a line goes that cannot go as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    reason: String,
    pub(super) way: Way,
}

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the output, with the time of now.
    AtNow,
    /// To the dead-letter topic.
    DeadLetter,
    /// The dead-letter topic does not take the line either: it is only told where it is.
    Reference,
}

impl Refused {
    /// By the broker, which calls its reason so.
    fn by_broker(code: Code, way: Way) -> Self {
        Self { reason: format!("refused: {code:?}"), way }
    }

    /// The classifier failed at it.
    pub(super) fn judging(panic: &str) -> Self {
        Self { reason: format!("classifier failed: {panic}"), way: Way::DeadLetter }
    }

    /// For the metric.
    fn kind(&self) -> &'static str {
        match (self.way, self.reason.starts_with("refused")) {
            (Way::Reference, _) => "reference",
            (_, true) => "refused",
            (_, false) => "classifier",
        }
    }
}

/// A record that was not taken.
pub(super) struct Refusal {
    pub(super) to: To,
    pub(super) ticket: Ticket,
    pub(super) bytes: usize,
    pub(super) code: Code,
    pub(super) record: Option<Box<Returned>>,
    /// Nothing else was in its batch.
    pub(super) alone: bool,
    /// The client itself did not take it, and has nothing of it.
    pub(super) at_once: bool,
}

impl<K: Sink> Worker<K> {
    /// A record came back. The ticket stays open until the line is elsewhere.
    pub(super) fn came_back(&mut self, ack: Ack, ticket: Ticket, code: Code) -> Result<(), Failure> {
        let alone = self.trouble.is_alone() || self.batch.is_for_one_line();
        let Ack { weight: bytes, to, returned: record, .. } = ack;
        self.refused(Refusal { to, ticket, bytes, code, record, alone, at_once: false })
    }

    pub(super) fn refused(&mut self, refusal: Refusal) -> Result<(), Failure> {
        match self.settings.delivery.mode {
            Mode::AtLeastOnce => self.refused_in_the_stream(refusal),
            Mode::ExactlyOnce => self.refused_in_a_batch(refusal),
        }
    }

    fn refused_in_the_stream(&mut self, refusal: Refusal) -> Result<(), Failure> {
        let (code, whose) = (refusal.code, whose(refusal.code));
        self.meters.refused(code);
        self.written.ask_soon();
        if matches!(whose, Whose::Everybody | Whose::Denied | Whose::Unknown) {
            // Nothing behind it may go out: it would again after the next start.
            self.trouble.forget();
            return Err(self.undeliverable(&refusal));
        }
        let is_culprit = whose == Whose::Record && refusal.alone;
        if !(is_culprit && refusal.at_once) {
            self.trouble.halt(code, refusal.to, whose == Whose::Passing, ends_the_producer(code));
        }
        if refusal.ticket.is_nobodys() {
            return self.watermark_refused(&refusal, whose);
        }
        if is_culprit {
            let taken_care_of = self.will_never_be_taken(refusal);
            if taken_care_of.is_err() {
                // Nothing behind it may go out: it would again after the next start.
                self.trouble.forget();
            }
            return taken_care_of;
        }
        let Some(record) = refusal.record else {
            return Err(Failure::software(format!("a record came back without what it was: {code}")));
        };
        self.trouble.keep(refusal.ticket, record, whose == Whose::Record);
        Ok(())
    }

    /// What it told, the next one tells; and sent again it might claim what a new owner has not done. Where none is ever
    /// taken, though, no alert fires.
    fn watermark_refused(&mut self, refusal: &Refusal, whose: Whose) -> Result<(), Failure> {
        self.trouble.watermarks_refused += u32::from(whose == Whose::Record);
        if self.trouble.watermarks_refused > WATERMARKS_MAX { Err(self.undeliverable(refusal)) } else { Ok(()) }
    }

    /// A record that was refused when it was alone.
    fn will_never_be_taken(&mut self, refusal: Refusal) -> Result<(), Failure> {
        let Some(way) = self.divert(&refusal)? else { return Ok(()) };
        let again = match (way, refusal.record) {
            (Way::AtNow, Some(mut record)) => {
                record.added.push((Name::Timestamp, record.timestamp_ms.to_string().into_bytes()));
                record.timestamp_ms = now_ms();
                Again::Record { ticket: refusal.ticket, record, is_suspect: true }
            }
            _ => Again::Line(refusal.ticket),
        };
        self.trouble.goes_first(again);
        Ok(())
    }

    /// Where the line of a record goes that will never be taken, from now on; nothing when its partition was given up.
    fn divert(&mut self, refusal: &Refusal) -> Result<Option<Way>, Failure> {
        let Refusal { to, code, ref record, .. } = *refusal;
        let found = self.lanes.of(&refusal.ticket).and_then(|lane| {
            let entry = lane.ledger.entry(&refusal.ticket)?;
            Some((entry, lane.poison(entry.offset).map(|refused| refused.way)))
        });
        let Some((entry, known)) = found else { return Ok(None) };
        let way = match to {
            To::Output => self.way(code, known),
            To::DeadLetter if known != Some(Way::Reference) => Some(Way::Reference),
            _ => None,
        };
        let Some(way) = way else { return Err(self.undeliverable(refusal)) };
        if to == To::Output && known.is_none() {
            let has_key = record.as_ref().is_none_or(|record| record.key.is_some());
            self.trouble.wary.learn(code, entry.timestamp_ms, has_key, now_ms());
        }
        if let Some(lane) = self.lanes.of(&refusal.ticket) {
            lane.condemn(entry.offset, Refused::by_broker(code, way));
        }
        Ok(Some(way))
    }

    /// Where a line goes that the output refuses so, and that went this way before; nothing where there is nowhere.
    fn way(&self, code: Code, known: Option<Way>) -> Option<Way> {
        let takes_now = self.settings.output.refused_time == RefusedTime::Now && code == Code::InvalidTimestamp;
        match known {
            None if takes_now => Some(Way::AtNow),
            _ => self.settings.dead_letter.is_some().then_some(Way::DeadLetter),
        }
    }

    /// The output would refuse a line so: it goes another way, from now on. Nothing where there is none; then the output has
    /// to say it.
    pub(super) fn foresee(&mut self, code: Code, line: &Line<'_>, ticket: &Ticket) -> Option<Refused> {
        let dead_letter = self.written.told().dead_letter;
        let is_too_large = |bytes| is_too_large(line, bytes, self.is_plain);
        let way = match self.way(code, None)? {
            Way::DeadLetter if dead_letter.bytes.is_some_and(is_too_large) => Way::Reference,
            way => way,
        };
        let refused = Refused::by_broker(code, way);
        self.lanes.of(ticket)?.condemn(line.offset, refused.clone());
        Some(refused)
    }

    fn refused_in_a_batch(&mut self, refusal: Refusal) -> Result<(), Failure> {
        let (code, whose) = (refusal.code, whose(refusal.code));
        if is_the_brokers(code) {
            self.batch.misses_a_number();
        }
        // Records of a batch that is aborted come back as refused, which says nothing about them. Yet the refusal that
        // spoiled it may well come last: the client takes nothing more as soon as it knows, and tells why afterwards.
        if self.batch.is_ending() && !matches!(whose, Whose::Record | Whose::Denied) {
            return Ok(());
        }
        self.meters.refused(code);
        self.written.ask_soon();
        let is_of_a_line = !refusal.ticket.is_nobodys();
        let is_strange = whose == Whose::Unknown && !is_fencing(code);
        // Once for each batch.
        self.trouble.strange += u32::from(is_strange && !self.batch.is_spoiled());
        // Whoever hears of the failure may have something to do first; of this batch nothing may count.
        let why = format!("{} refused a record ({code})", self.topic(refusal.to));
        self.batch.spoil(why, whose == Whose::Record && is_of_a_line);
        if matches!(whose, Whose::Everybody | Whose::Denied) || is_strange && self.trouble.strange > STRANGE_MAX {
            return Err(self.undeliverable(&refusal));
        }
        match whose {
            _ if !is_of_a_line => self.watermark_refused(&refusal, whose),
            Whose::Record if refusal.alone => self.divert(&refusal).map(|_| ()),
            Whose::Record => {
                if let Some(lane) = self.lanes.of(&refusal.ticket)
                    && let Some(entry) = lane.ledger.entry(&refusal.ticket)
                {
                    lane.suspect(entry.offset);
                    self.trouble.blame();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes a dead letter of a line.
    pub(super) fn bury(&mut self, delivery: &impl Delivery, ticket: Ticket, refused: &Refused) -> Result<(), Failure> {
        let line = delivery.line();
        let Line { topic, partition, offset, .. } = line;
        if let Some(kept_back) = self.trouble.buried.say(self.last_ack) {
            tracing::warn!(topic, partition, offset, kept_back, "dead letter: {}", refused.reason);
        }
        let is_reference = refused.way == Way::Reference;
        let record = match is_reference {
            true => self.writer.reference(&line, &refused.reason, now_ms()),
            false => self.writer.dead_letter(&line, &refused.reason, now_ms()),
        };
        self.dispatch(&record, delivery.fetched().filter(|_| !is_reference), ticket)
    }

    /// A record was taken that might have been refused.
    pub(super) fn was_taken(&mut self, ticket: &Ticket) {
        let own = self.lanes.of(ticket).and_then(|lane| {
            let entry = lane.ledger.entry(ticket)?;
            // With the time of now it says nothing about its own.
            lane.poison(entry.offset).is_none().then_some(entry.timestamp_ms)
        });
        if let Some(timestamp_ms) = own.filter(|own| *own >= 0) {
            self.trouble.wary.is_taken(timestamp_ms, self.now_ms);
        }
    }

    /// A dead letter was taken.
    pub(super) fn buried(&mut self, ticket: &Ticket) {
        let refused = self.lanes.of(ticket).and_then(|lane| {
            let entry = lane.ledger.entry(ticket)?;
            lane.poison(entry.offset)
        });
        // Of a partition given up since, the new owner counts it.
        if let Some(refused) = refused.filter(|refused| self.batch.buried(refused.kind())) {
            self.meters.dead_letter(refused.kind());
        }
    }

    /// The classifier failed at a line. One line is an accident; many are a fault of the program.
    pub(super) fn panicked(&mut self, line: &Line<'_>, panic: &str, now: Instant) -> Result<(), Failure> {
        self.meters.panics.increment(1);
        let Line { topic, partition, offset, .. } = *line;
        tracing::error!(topic, partition, offset, "the classifier failed at a line: {panic}");
        if self.trouble.panics.again(now) > PANICS_MAX {
            return Err(Failure::software(format!(
                "the classifier failed at more than {PANICS_MAX} lines within a minute, last at topic {topic} partition \
                 {partition} offset {offset}: {panic}"
            )));
        }
        Ok(())
    }

    /// What it is for, and its name.
    pub(super) fn topic(&self, to: To) -> String {
        let (what, topic) = match to {
            To::Output => ("output", Some(&self.settings.output.topic)),
            To::DeadLetter => ("dead-letter", self.settings.dead_letter.as_ref()),
            To::State => ("state", self.settings.state.as_ref()),
            To::Matches => ("matches", self.settings.alerts.as_ref().map(|alerts| &alerts.matches)),
        };
        format!("{what} topic {}", topic.map_or("", String::as_str))
    }

    /// The brokers will never take this record, and there is nowhere else to put the line.
    fn undeliverable(&mut self, refusal: &Refusal) -> Failure {
        let Refusal { to, ref ticket, bytes, code, .. } = *refusal;
        let place = self.lanes.of(ticket).and_then(|lane| {
            let entry = lane.ledger.entry(ticket)?;
            Some(format!("topic {} partition {} offset {}", lane.partition.topic, lane.partition.number, entry.offset))
        });
        let place = match place {
            Some(place) => place,
            None if ticket.is_nobodys() => "how far the input is".to_owned(),
            None => "a line of a partition given up since".to_owned(),
        };
        let topic = self.topic(to);
        let (limit, reason) = (self.route.record_limit, foreign(self.sink.last_word().as_bytes()));
        Failure::unavailable(match code {
            Code::MessageSizeTooLarge | Code::InvalidMessageSize if to == To::Output => format!(
                "{place}: its record of {bytes} bytes is larger than {topic} takes, \
                 max.message.bytes={limit}; raise it to that of the input topic, or name a dead_letter.topic for such \
                 lines. The line is not committed"
            ),
            Code::InvalidTimestamp if to == To::Output => format!(
                "{place}: {topic} refuses its timestamp; give the topic the message.timestamp.before.max.ms \
                 and message.timestamp.after.max.ms of the input topic, name a dead_letter.topic for such lines, or send \
                 them with the time of now, output.refused_time = \"now\". The line is not committed"
            ),
            code if whose(code) == Whose::Denied => {
                format!("{place}: writing to {topic} is not allowed; grant WRITE on it. The line is not committed")
            }
            code => {
                format!("{place}: {topic} refused its record ({code}){reason}. The line is not committed")
            }
        })
    }
}

/// Not the client's own word, whose codes are negative.
fn is_the_brokers(code: Code) -> bool {
    code as i32 > 0
}
