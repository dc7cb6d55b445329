//! Lines that cannot go the usual way: the output refuses their record, or the classifier fails at them.
//!
//! A line that will never be taken becomes a dead letter: the original bytes, with headers that say where it came from
//! and why. A line that was refused for another's sake, or for lack of a topic, is sent again. In both cases the line
//! itself is gone from memory by the time the refusal is known, so it is read from the input once more; its ticket stays
//! open all the while, and its offset uncommitted.
//!
//! In a transaction a refusal spoils the whole batch. The batch is aborted and read again, and the line is remembered as
//! one that is to become a dead letter; for a while, lines as large have a transaction each.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Worker, judge};
use crate::flow::kafka::Code;
use crate::flow::ledger::Ticket;
use crate::flow::recent::Recent;
use crate::flow::record::{Line, Notes};
use crate::flow::transport::{Delivery, Sink, Source, To};
use crate::flow::{Failure, Mode};
use crate::telemetry::foreign;

/// Between two attempts to publish what was refused for lack of a topic.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);
/// At most this long at a time.
const REDO_TIME: Duration = Duration::from_millis(100);
/// More recent panics of the classifier than this are no longer single lines.
const PANICS_MAX: usize = 100;

/// Why a line is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    reason: String,
    /// The dead-letter topic does not take the line either: only say where it is.
    reference: bool,
}

impl Refused {
    /// By the broker, which calls its reason so.
    fn by_broker(code: Code, reference: bool) -> Self {
        Self { reason: format!("refused: {code:?}"), reference }
    }

    /// The classifier failed at it.
    pub(super) fn judging(panic: &str) -> Self {
        Self { reason: format!("classifier failed: {panic}"), reference: false }
    }

    /// For the metric.
    fn kind(&self) -> &'static str {
        match (self.reference, self.reason.starts_with("refused")) {
            (true, _) => "reference",
            (false, true) => "refused",
            (false, false) => "classifier",
        }
    }
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// This record will never be taken.
    Poison,
    /// It was refused for another's sake, or for something that may pass.
    Passing,
    /// Nothing will be taken until somebody does something.
    Final,
}

fn meaning(code: Code) -> Meaning {
    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidMessage
        | Code::InvalidRecord
        | Code::InvalidTimestamp => Meaning::Poison,
        Code::InvalidDifferentRecord
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::MessageTimedOut => Meaning::Passing,
        _ => Meaning::Final,
    }
}

struct Redo {
    ticket: Ticket,
    to: To,
    code: Code,
}

/// Lines that wait for another attempt.
#[derive(Default)]
pub(super) struct Trouble {
    redo: VecDeque<Redo>,
    /// The output lacks something that others have to mend.
    not_before: Option<Instant>,
    panics: Recent,
    /// So many lines that may be too large have a transaction each, so that one which is spoils no more than that.
    wary: u32,
}

/// See [`Trouble::wary`]; as many after each refusal.
const WARY_LINES: u32 = 100;

impl Trouble {
    /// Whether a line that the output may refuse for its size should be alone in its transaction.
    pub(super) fn is_wary(&self) -> bool {
        self.wary > 0
    }

    /// A transaction was committed.
    pub(super) fn accepted(&mut self, alone: bool) {
        self.wary = self.wary.saturating_sub(u32::from(alone));
    }

    /// No line waits for another attempt. While some do, reading on would only add to them.
    pub(super) fn is_empty(&self) -> bool {
        self.redo.is_empty()
    }
}

impl<K: Sink> Worker<K> {
    /// A record was not taken. The ticket stays open until the line is elsewhere.
    pub(super) fn refused(&mut self, to: To, ticket: Ticket, bytes: usize, code: Code) -> Result<(), Failure> {
        let exactly_once = self.settings.delivery.mode == Mode::ExactlyOnce;
        let meaning = meaning(code);
        if exactly_once && is_the_brokers(code) {
            self.batch.misses_a_number();
        }
        // Records of a batch that is aborted come back as refused, which says nothing about them. Yet the refusal that
        // spoiled it may well come last: the client takes nothing more as soon as it knows, and tells why afterwards.
        if exactly_once && self.batch.is_ending() && meaning != Meaning::Poison {
            return Ok(());
        }
        self.meters.refused(code);
        if ticket.is_nobodys() && exactly_once {
            self.batch.spoil(format!("{code}"), false);
        }
        let Some((offset, reference)) = self.lanes.of(&ticket).and_then(|lane| {
            let offset = lane.ledger.entry(&ticket)?.offset;
            Some((offset, lane.poison(offset).is_some_and(|refused| refused.reference)))
        }) else {
            return Ok(());
        };
        let is_beside = matches!(to, To::State | To::Matches);
        let hopeless = is_beside || self.settings.dead_letter.is_none() || reference;
        match (meaning, exactly_once) {
            // What a source said cannot be read again from its line, which it no longer changes; and what is counted must
            // stand before the watermarks that are on their way.
            (_, false) if is_beside => return Err(self.undeliverable(to, &ticket, bytes, code)),
            (Meaning::Poison, _) if hopeless => return Err(self.undeliverable(to, &ticket, bytes, code)),
            (Meaning::Poison, true) => {
                self.trouble.wary = WARY_LINES;
                if let Some(lane) = self.lanes.of(&ticket) {
                    lane.condemn(offset, Refused::by_broker(code, to == To::DeadLetter));
                }
            }
            (Meaning::Final, false) => return Err(self.undeliverable(to, &ticket, bytes, code)),
            (Meaning::Final, true) if is_denied(code) => return Err(self.undeliverable(to, &ticket, bytes, code)),
            _ => {}
        }
        if exactly_once {
            self.batch.spoil(format!("{code}"), meaning == Meaning::Poison);
        } else {
            self.trouble.redo.push_back(Redo { ticket, to, code });
        }
        Ok(())
    }

    /// Sends again what was refused.
    pub(super) fn redo<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        if self.trouble.redo.is_empty() || self.trouble.not_before.is_some_and(|time| now < time) {
            return Ok(());
        }
        self.trouble.not_before = None;
        // Each is read from the input again: after a while, the group wants to hear of us, and so does the watchdog.
        while let Some(Redo { ticket, to, code }) = self.trouble.redo.pop_front() {
            self.redo_one(source, ticket, to, code, now)?;
            if self.trouble.not_before.is_some() || source.now().duration_since(now) >= REDO_TIME {
                break;
            }
        }
        Ok(())
    }

    fn redo_one<S: Source>(
        &mut self,
        source: &S,
        ticket: Ticket,
        to: To,
        code: Code,
        now: Instant,
    ) -> Result<(), Failure> {
        let Some(lane) = self.lanes.of(&ticket) else { return Ok(()) };
        let Some(entry) = lane.ledger.entry(&ticket) else { return Ok(()) };
        let delivery = source.again(&lane.partition, entry.offset)?;
        if meaning(code) == Meaning::Poison {
            let refused = Refused::by_broker(code, to == To::DeadLetter);
            if let Some(lane) = self.lanes.of(&ticket) {
                lane.condemn(entry.offset, refused.clone());
            }
            return self.bury(&delivery, ticket, &refused);
        }
        if code != Code::InvalidDifferentRecord {
            let reason = self.sink.last_word();
            tracing::warn!("a record was refused ({code}), trying again{reason}");
            self.trouble.not_before = Some(now + AGAIN_PAUSE);
        }
        let line = delivery.line();
        let Some(lane) = self.lanes.of(&ticket) else { return Ok(()) };
        let known = lane.poison(line.offset);
        // A line at which the classifier fails is no longer here: it was a dead letter, or went out unjudged.
        let outcome = judge(&self.engine, &self.meters, &line, lane, &self.settings, false).unwrap_or_default();
        match known {
            Some(refused) => self.bury(&delivery, ticket, &refused),
            None => {
                let record = self.writer.write(&self.engine, &line, outcome.as_ref(), &mut Notes::default());
                self.publish(record, &delivery, ticket)
            }
        }
    }

    /// Makes a dead letter of a line.
    pub(super) fn bury(&mut self, delivery: &impl Delivery, ticket: Ticket, refused: &Refused) -> Result<(), Failure> {
        let line = delivery.line();
        let Line { topic, partition, offset, .. } = line;
        tracing::warn!(topic, partition, offset, "dead letter: {}", refused.reason);
        if self.batch.buried(refused.kind()) {
            self.meters.dead_letter(refused.kind());
        }
        let record = match refused.reference {
            true => self.writer.reference(&line, &refused.reason),
            false => self.writer.dead_letter(&line, &refused.reason),
        };
        self.dispatch(&record, delivery.fetched().filter(|_| !refused.reference), ticket)
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

    /// The brokers will never take this record, and there is nowhere else to put the line.
    fn undeliverable(&mut self, to: To, ticket: &Ticket, bytes: usize, code: Code) -> Failure {
        let place = self.lanes.of(ticket).and_then(|lane| {
            let entry = lane.ledger.entry(ticket)?;
            Some(format!("topic {} partition {} offset {}", lane.partition.topic, lane.partition.number, entry.offset))
        });
        let place = place.unwrap_or_else(|| "a line of a partition given up since".to_owned());
        let (what, topic) = match to {
            To::Output => ("output", Some(&self.settings.output.topic)),
            To::DeadLetter => ("dead-letter", self.settings.dead_letter.as_ref()),
            To::State => ("state", self.settings.state.as_ref()),
            To::Matches => ("matches", self.settings.alerts.as_ref().map(|alerts| &alerts.matches)),
        };
        let topic = topic.map_or("", String::as_str);
        let (limit, reason) = (self.route.record_limit, foreign(self.sink.last_word().as_bytes()));
        Failure::unavailable(match code {
            Code::MessageSizeTooLarge | Code::InvalidMessageSize if to == To::Output => format!(
                "{place}: its record of {bytes} bytes is larger than output topic {topic} takes, \
                 max.message.bytes={limit}; raise it to that of the input topic, or name a dead_letter.topic for such \
                 lines. The line is not committed"
            ),
            Code::TopicAuthorizationFailed => format!(
                "{place}: writing to {what} topic {topic} is not allowed; grant WRITE on it. The line is not committed"
            ),
            code => {
                format!("{place}: {what} topic {topic} refused its record ({code}){reason}. The line is not committed")
            }
        })
    }
}

/// Not the client's own word, whose codes are negative.
fn is_the_brokers(code: Code) -> bool {
    code as i32 > 0
}

fn is_denied(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed
    )
}
