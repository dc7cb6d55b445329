//! Records out: how they are handed to a producer, and what is kept until it has reported them.
#![allow(unsafe_code, reason = "see `raw`")]

use std::ffi::{CString, c_void};
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::bindings::{
    RD_KAFKA_MSG_F_COPY, rd_kafka_flush, rd_kafka_header_add, rd_kafka_header_remove, rd_kafka_headers_destroy,
    rd_kafka_headers_new, rd_kafka_headers_t, rd_kafka_producev, rd_kafka_resp_err_t, rd_kafka_topic_destroy,
    rd_kafka_topic_new, rd_kafka_topic_t, rd_kafka_vtype_t,
};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};
use slab::Slab;

use super::inlet::{Copied, Fetched, Polled, Refused};
use super::{Native, OK, each, millis};
use crate::flow::kafka::statistics::Statistics;
use crate::flow::kafka::{Code, LastWord, complain, log};
use crate::flow::record::{Record, is_ours};
use crate::flow::returned::Returned;
use crate::flow::throttle;
use crate::flow::transport::{Ack, To};
use crate::telemetry::foreign;

/// What is known of a record in flight.
struct Sent {
    /// Packed [`Ticket`].
    ticket: usize,
    weight: usize,
    to: To,
    /// The client does not tell them of a record that it gives back.
    timestamp_ms: i64,
    sequence: u64,
    /// Where its value lies, unless it was copied.
    _lent: Option<Fetched>,
}

/// What a client of ours has beside it.
#[derive(Default)]
pub(in crate::flow::kafka) struct Context {
    pub(in crate::flow::kafka) last_word: LastWord,
    denied: Mutex<Option<String>>,
    /// What was in flight when its [`InFlight`] went.
    abandoned: Mutex<Vec<Slab<Sent>>>,
    /// Reports that the binding took, where it flushes by itself: before a commit, and when the client goes.
    strays: Mutex<Vec<(usize, Option<Code>)>>,
    any_strays: AtomicBool,
}

/// A producer ends so with a batch that is refused, as it is told to; of that telling the client warns each time that one is
/// made, as it calls it experimental.
const GAPLESS: [&str; 2] = ["unable to satisfy gap-less guarantee", "enable.gapless.guarantee is experimental"];

fn is_gapless(words: &str) -> bool {
    GAPLESS.iter().any(|known| words.contains(known))
}

/// From `… Failed to add partition "logs" [0] to transaction: Broker: Topic authorization failed`; no other word of the
/// client names the topic.
fn denied_by(message: &str) -> Option<&str> {
    let (_, named) = message.split_once("Failed to add partition \"")?;
    let (topic, why) = named.split_once("\" [")?;
    why.contains("Topic authorization failed").then_some(topic)
}

impl Context {
    fn failed(&self, code: Option<Code>, reason: &str) {
        if is_gapless(reason) {
            return tracing::debug!("a producer came to its end: {}", foreign(reason.as_bytes()));
        }
        complain("output", code, reason);
        self.last_word.say(code, reason);
    }

    fn logs(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some(topic) = denied_by(message) {
            *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(topic.to_owned());
        }
        log(if is_gapless(message) { RDKafkaLogLevel::Debug } else { level }, facility, message);
    }

    /// A topic that may not be written in a transaction.
    pub(in crate::flow::kafka) fn denied(&self) -> Option<String> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn strays(&self) -> Vec<(usize, Option<Code>)> {
        if !self.any_strays.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.strays.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.logs(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.failed(error.rdkafka_error_code(), reason);
    }

    fn stats_raw(&self, json: &[u8]) {
        if let Ok(statistics) = serde_json::from_slice::<Statistics>(json) {
            let (answers, longest) = statistics.throttled();
            throttle::OUTPUT.hear(answers, longest, Instant::now());
        }
    }
}

impl ProducerContext for Context {
    /// Of a record in [`InFlight`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let refused = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        self.strays.lock().unwrap_or_else(PoisonError::into_inner).push((number, refused));
        self.any_strays.store(true, Ordering::Release);
    }
}

/// A producer whose records are in an [`InFlight`] until they are reported.
pub(in crate::flow::kafka) type Writing = BaseProducer<Context, NoCustomPartitioner>;

/// Records of one producer that are not reported yet, and acknowledgements that nobody looked at yet. It is its worker's
/// own, so nothing here is locked. What is lent outlives it: it becomes the client's, which may still look at it.
pub(in crate::flow::kafka) struct InFlight {
    sent: Slab<Sent>,
    /// Records sent so far.
    sequence: u64,
    acks: Vec<Ack>,
    client: Arc<Writing>,
}

impl InFlight {
    /// Nothing, of this client.
    pub(in crate::flow::kafka) fn new(client: Arc<Writing>) -> Self {
        Self { sent: Slab::new(), sequence: 0, acks: Vec::new(), client }
    }

    /// Takes in what the client says.
    pub(in crate::flow::kafka) fn hear(&mut self, polled: Polled) {
        match polled {
            Polled::Reports(reports) => reports.for_each(|(number, refused)| self.report(number, refused)),
            Polled::Error { code, reason, .. } => self.client.context().failed(Some(code), &reason),
            Polled::Log { level, facility, message } => self.client.context().logs(level, &facility, &message),
            Polled::Statistics(json) => self.client.context().stats_raw(&json),
            Polled::Rebalance { .. } | Polled::Other => {}
        }
    }

    fn report(&mut self, number: usize, refused: Option<Refused>) {
        if let Some(Sent { ticket, weight, to, timestamp_ms, sequence, .. }) = self.sent.try_remove(number) {
            let code = refused.as_ref().map(|refused| refused.code);
            let returned =
                refused.and_then(|refused| refused.record).map(|Copied { partition, key, value, headers }| {
                    Box::new(Returned { sequence, to, partition, key, value, timestamp_ms, headers, added: Vec::new() })
                });
            self.acks.push(Ack { ticket, weight, to, refused: code, returned });
        }
    }

    /// Moves the acknowledgements that are here into `into`.
    pub(in crate::flow::kafka) fn take(&mut self, into: &mut Vec<Ack>) {
        for (number, refused) in self.client.context().strays() {
            self.report(number, refused.map(|code| Refused { code, record: None }));
        }
        into.append(&mut self.acks);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let abandoned = &self.client.context().abandoned;
        abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.sent));
    }
}

/// Headers of ours, until a record takes them.
pub(super) struct Headers(NonNull<rd_kafka_headers_t>);

impl Headers {
    /// # Safety
    /// They must be valid, and nobody else's.
    pub(super) unsafe fn new(headers: NonNull<rd_kafka_headers_t>) -> Self {
        Self(headers)
    }

    fn with_room_for(count: usize) -> Option<Self> {
        // SAFETY: they are ours.
        NonNull::new(unsafe { rd_kafka_headers_new(count) }).map(Self)
    }

    fn add(&self, name: &[u8], value: Option<&[u8]>) {
        let name_length = name.len() as isize;
        let (value, length) = raw(value);
        // SAFETY: they are valid; name and value are copied. It can only fail for lack of memory.
        unsafe {
            rd_kafka_header_add(self.0.as_ptr(), name.as_ptr().cast(), name_length, value, length as isize);
        }
    }

    /// Takes ours away.
    fn strip(&self) {
        let mut ours: Vec<CString> = Vec::new();
        // SAFETY: they are valid.
        unsafe {
            each(self.0.as_ptr(), |name, _| {
                if name.to_str().is_ok_and(is_ours) {
                    ours.push(name.to_owned());
                }
            });
            for name in ours {
                rd_kafka_header_remove(self.0.as_ptr(), name.as_ptr());
            }
        }
    }

    pub(super) fn into_raw(self) -> *mut rd_kafka_headers_t {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: they are destroyed here, unless a record took them.
        unsafe { rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

/// Waits for at most `time`, in milliseconds rounded down, until all is acknowledged. Nothing lingers as long as that. The
/// reports stay in their queue.
pub(in crate::flow::kafka) fn flush(client: &Writing, time: Duration) {
    // SAFETY: the client is valid. That it is a producer whose reports are events is why nothing is polled in there. What
    // it returns, that there is something left, the reports tell.
    unsafe { rd_kafka_flush(client.native(), millis(time)) };
}

/// A topic, as a producer writes it.
pub(in crate::flow::kafka) struct Outlet {
    topic: NonNull<rd_kafka_topic_t>,
    client: Arc<Writing>,
}

// SAFETY: librdkafka's topics may be used from any thread.
unsafe impl Send for Outlet {}

impl Outlet {
    /// `None` where the name cannot be one.
    pub(in crate::flow::kafka) fn new(client: Arc<Writing>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: client and name are valid; no configuration is librdkafka's own.
        let topic = NonNull::new(unsafe { rd_kafka_topic_new(client.native(), name.as_ptr(), null_mut()) })?;
        Some(Self { topic, client })
    }

    /// Sends; what is in flight must be of the same client. The headers of `of`, but ours of an earlier run, go first, and
    /// then the record's own. The value is copied unless it is that of `of`, and `lends`: a record that is kept keeps all
    /// that was fetched with it, and its haul, so only whoever sends on all of that should lend.
    ///
    /// # Errors
    /// Why it was not taken; nothing has changed then, and it may be sent again.
    pub(in crate::flow::kafka) fn send(
        &self,
        record: &Record<'_>,
        of: Option<&Fetched>,
        lends: bool,
        (ticket, in_flight): (usize, &mut InFlight),
    ) -> Result<(), Code> {
        if !Arc::ptr_eq(&self.client, &in_flight.client) {
            return Err(Code::InvalidArgument);
        }
        let lent = of.filter(|of| lends && is_same(record, of));
        let (sequence, timestamp_ms) = (in_flight.sequence, record.timestamp_ms);
        let sent =
            Sent { ticket, weight: record.weight(), to: record.to, timestamp_ms, sequence, _lent: lent.cloned() };
        in_flight.sequence += 1;
        let number = in_flight.sent.insert(sent);
        let taken = of.and_then(|of| of.take_headers());
        let headers = with_added(taken.as_ref(), record, of.is_some_and(|of| of.headers().stale));
        let all = taken.as_ref().or(headers.as_ref());
        let result = self.produce(record, lent.is_some(), all, number);
        if result == OK {
            // They are librdkafka's now.
            taken.or(headers).map(Headers::into_raw);
            return Ok(());
        }
        in_flight.sent.try_remove(number);
        if let (Some(taken), Some(of)) = (taken, of) {
            taken.strip();
            of.put_headers_back(taken);
        }
        Err(result.into())
    }

    fn produce(
        &self,
        record: &Record<'_>,
        is_lent: bool,
        headers: Option<&Headers>,
        number: usize,
    ) -> rd_kafka_resp_err_t {
        use rd_kafka_vtype_t as part;
        let (value, length) = raw(record.value.as_deref());
        let (key, key_length) = raw(record.key);
        // librdkafka takes 0 for "now"; a millisecond after 1970 is closer to the truth than today.
        let timestamp_ms = if record.timestamp_ms == 0 { 1 } else { record.timestamp_ms };
        // SAFETY: each part is followed by what librdkafka expects there. Everything is valid for the time of the call;
        // a value that is not copied, for as long as what lies in `InFlight`. Headers are taken only with success.
        unsafe {
            rd_kafka_producev(
                self.client.native(),
                part::RD_KAFKA_VTYPE_RKT,
                self.topic.as_ptr(),
                part::RD_KAFKA_VTYPE_PARTITION,
                record.partition,
                part::RD_KAFKA_VTYPE_MSGFLAGS,
                if is_lent { 0 } else { RD_KAFKA_MSG_F_COPY },
                part::RD_KAFKA_VTYPE_VALUE,
                value,
                length,
                part::RD_KAFKA_VTYPE_KEY,
                key,
                key_length,
                part::RD_KAFKA_VTYPE_OPAQUE,
                number as *mut c_void,
                part::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp_ms,
                part::RD_KAFKA_VTYPE_HEADERS,
                headers.map_or(null_mut(), |headers| headers.0.as_ptr()),
                part::RD_KAFKA_VTYPE_END,
            )
        }
    }
}

/// Puts the record's headers behind those that were taken, or, where there are none, into new ones.
fn with_added(taken: Option<&Headers>, record: &Record<'_>, has_stale: bool) -> Option<Headers> {
    if let Some(taken) = taken.filter(|_| has_stale) {
        taken.strip();
    }
    let count = record.own.len() + record.added.len();
    let made = (taken.is_none() && count > 0).then(|| Headers::with_room_for(count)).flatten();
    if let Some(headers) = taken.or(made.as_ref()) {
        record.own.iter().for_each(|(name, value)| headers.add(name, value.as_deref()));
        record.added.iter().for_each(|(name, value)| headers.add(name.text().as_bytes(), Some(value)));
    }
    made
}

/// Whether a record's value is, byte for byte, the fetched one's.
fn is_same(record: &Record<'_>, of: &Fetched) -> bool {
    let message = of.message();
    record.value.as_deref().is_some_and(|value| {
        std::ptr::eq(value.as_ptr().cast(), message.payload.cast_const()) && value.len() == message.len
    })
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // SAFETY: the topic is ours, and the client is still there.
        unsafe { rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

fn raw(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_names_a_topic_that_may_not_be_written_in_its_log_only() {
        let said = "[thrd:TxnCoordinator]: TxnCoordinator/1: Failed to add partition \"logs.out\" [3] to transaction: \
                    Broker: Topic authorization failed";
        assert_eq!(denied_by(said), Some("logs.out"));
        assert_eq!(denied_by("Failed to add partition \"logs.out\" [3] to transaction: Broker: Invalid topic"), None);
    }
}
