//! One idempotent producer: records out, acknowledgements back.
//!
//! Nothing here waits except [`Sink::wait`], for a given time. `flush` is never called: in this client it cannot take
//! less than 100 ms, and the acknowledgements say the same thing sooner.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer, ProducerContext};

use super::source::Delivery;
use super::{Code, LastWord, clients};
use crate::flow::ledger::Ticket;
use crate::flow::record::{Record, is_ours};
use crate::flow::{Failure, Settings};
use crate::telemetry::foreign;

/// What became of one record.
#[derive(Debug)]
pub(crate) struct Ack {
    /// Packed [`Ticket`] of its line.
    pub(crate) ticket: usize,
    /// Its [`Record::weight`].
    pub(crate) weight: usize,
    /// Why the broker does not have it.
    pub(crate) refused: Option<Code>,
}

/// What comes back with the acknowledgement of a record.
pub(crate) struct Sent {
    /// Packed [`Ticket`].
    ticket: usize,
    weight: usize,
}

/// Why a record was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The queue is full: wait, and send the same record again.
    Full,
    /// It will never be taken.
    Refused(Code),
}

/// The acknowledgements not yet looked at. They are pushed by `poll`, on the worker's own thread, so the lock is never
/// waited for; it is there because the client library wants its context to be shareable.
#[derive(Default)]
struct Acks {
    pending: Mutex<Vec<Ack>>,
    last_word: LastWord,
}

impl ClientContext for Acks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", code = ?error.rdkafka_error_code(), "output: {}", foreign(reason.as_bytes()));
        self.last_word.say(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let refused = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        let Sent { ticket, weight } = *sent;
        let ack = Ack { ticket, weight, refused };
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(ack);
    }
}

/// Where records go.
pub(crate) struct Sink {
    producer: BaseProducer<Acks, NoCustomPartitioner>,
    topic: String,
}

impl Sink {
    /// Connects in the background.
    pub(crate) fn new(settings: &Settings, record_limit: usize) -> Result<Self, Failure> {
        let producer = clients::producer(settings, record_limit)
            .create_with_context(Acks::default())
            .map_err(|error| clients::refused(settings, &error))?;
        Ok(Self { producer, topic: settings.output.topic.clone() })
    }

    /// Hands a record over; an [`Ack`] will come. `delivery` is the line it was made from, whose headers it keeps. The
    /// ticket comes back when the record was not taken.
    pub(crate) fn send(
        &self,
        record: &Record<'_>,
        delivery: &Delivery<'_>,
        ticket: Ticket,
    ) -> Result<(), (Unsent, Ticket)> {
        let mut out =
            BaseRecord::with_opaque_to(&self.topic, Box::new(Sent { ticket: ticket.pack(), weight: record.weight() }))
                .partition(record.partition);
        out.key = record.key;
        out.payload = record.value.as_deref();
        // librdkafka takes 0 for "now"; a millisecond after 1970 is closer to the truth than today.
        out.timestamp = Some(if record.timestamp_ms == 0 { 1 } else { record.timestamp_ms });
        out.headers = headers(record, delivery);
        self.producer.send(out).map_err(|(error, back)| {
            let why = match error.rdkafka_error_code() {
                Some(Code::QueueFull) => Unsent::Full,
                code => Unsent::Refused(code.unwrap_or(Code::Unknown)),
            };
            (why, Ticket::unpack(back.delivery_opaque.ticket))
        })
    }

    /// Moves the acknowledgements that are here into `into`.
    pub(crate) fn acks(&self, into: &mut Vec<Ack>) {
        loop {
            let before = into.len();
            // Serves one event, which carries the reports of a whole batch.
            self.producer.poll(Duration::ZERO);
            into.append(&mut self.producer.context().pending.lock().unwrap_or_else(PoisonError::into_inner));
            if into.len() == before {
                return;
            }
        }
    }

    /// Gives acknowledgements `time` to arrive; always takes that long.
    pub(crate) fn wait(&self, time: Duration) {
        self.producer.poll(time);
    }

    /// What the producer last said about its connections, as the end of a sentence.
    pub(crate) fn last_word(&self) -> String {
        self.producer.context().last_word.suffix()
    }
}

/// The line's own headers but ours of an earlier run, then the added ones.
fn headers(record: &Record<'_>, delivery: &Delivery<'_>) -> Option<OwnedHeaders> {
    let kept = match delivery.message().headers() {
        None if record.added.is_empty() => return None,
        None => OwnedHeaders::new_with_capacity(record.added.len()),
        // The copy that the library makes keeps names that are not UTF-8, which it cannot show us.
        Some(theirs) if !delivery.headers_stale() => theirs.detach(),
        Some(theirs) => theirs
            .iter()
            .filter(|header| !is_ours(header.key))
            .fold(OwnedHeaders::new_with_capacity(theirs.count()), |headers, header| headers.insert(header)),
    };
    Some(record.added.iter().fold(kept, |headers, (name, value)| {
        headers.insert(Header { key: name.text(), value: Some(value.as_slice()) })
    }))
}
