//! What comes in from a client: what it has to say (`Queue`), and records, many at a time (`Records`).
//!
//! Records have a queue of their own, to which that of each partition is led: out of the one that the group's events come
//! through, librdkafka gives records only singly, and looks at the clock three times for each.
#![allow(unsafe_code, reason = "see `raw`")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_int};
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::bindings::{
    RD_KAFKA_EVENT_DR, RD_KAFKA_EVENT_ERROR, RD_KAFKA_EVENT_LOG, RD_KAFKA_EVENT_REBALANCE, RD_KAFKA_EVENT_STATS,
    rd_kafka_consume_batch_queue, rd_kafka_consume_queue, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_event_error_is_fatal, rd_kafka_event_error_string, rd_kafka_event_log, rd_kafka_event_message_next,
    rd_kafka_event_stats, rd_kafka_event_t, rd_kafka_event_topic_partition_list, rd_kafka_event_type,
    rd_kafka_message_destroy, rd_kafka_message_detach_headers, rd_kafka_message_headers, rd_kafka_message_set_headers,
    rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_queue_destroy, rd_kafka_queue_forward,
    rd_kafka_queue_get_consumer, rd_kafka_queue_get_main, rd_kafka_queue_get_partition, rd_kafka_queue_new,
    rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_resp_err_t, rd_kafka_timestamp_type_t, rd_kafka_topic_name,
    rd_kafka_topic_t,
};
use rdkafka::config::RDKafkaLogLevel;

use super::outlet::Headers;
use super::{Native, OK, bytes, each, millis, text};
use crate::flow::kafka::Code;
use crate::flow::record::{self, Line, Seen};
use crate::flow::returned::Header;
use crate::flow::transport::Partition;

/// What comes out of a consumer's queue.
pub(in crate::flow::kafka) enum Polled {
    /// The group gives these partitions, or takes them.
    Rebalance { gives: bool, partitions: Vec<Partition> },
    /// Something failed.
    Error { code: Code, fatal: bool, reason: String },
    /// librdkafka's statistics, as JSON.
    Statistics(Vec<u8>),
    /// librdkafka says something.
    Log { level: RDKafkaLogLevel, facility: String, message: String },
    /// What became of records: the number of each, and why the broker does not have it.
    Reports(Reports),
    /// Nothing that matters here.
    Other,
}

/// What a client has to say to us.
pub(in crate::flow::kafka) struct Queue {
    queue: NonNull<rd_kafka_queue_t>,
    client: Arc<dyn Native>,
}

// SAFETY: librdkafka's queues may be polled from any thread.
unsafe impl Send for Queue {}

impl Queue {
    /// Of a consumer: what the group does. `None` where it is none.
    pub(in crate::flow::kafka) fn of_consumer(client: Arc<dyn Native>) -> Option<Self> {
        // SAFETY: the client is valid.
        let queue = NonNull::new(unsafe { rd_kafka_queue_get_consumer(client.native()) })?;
        Some(Self { queue, client })
    }

    /// Of a producer: reports.
    pub(in crate::flow::kafka) fn of_producer(client: Arc<dyn Native>) -> Option<Self> {
        // SAFETY: the client is valid.
        let queue = NonNull::new(unsafe { rd_kafka_queue_get_main(client.native()) })?;
        Some(Self { queue, client })
    }

    /// The next event, waiting at most `time`, in milliseconds rounded down.
    pub(in crate::flow::kafka) fn poll(&self, time: Duration) -> Option<Polled> {
        // SAFETY: the queue is valid, and the event that comes out is ours.
        let event = NonNull::new(unsafe { rd_kafka_queue_poll(self.queue.as_ptr(), millis(time)) })?;
        let event = Event { event, _client: self.client.clone() };
        // SAFETY: the event is valid.
        let kind = unsafe { rd_kafka_event_type(event.event.as_ptr()) };
        Some(if kind == RD_KAFKA_EVENT_DR { Polled::Reports(Reports(event)) } else { event.read(kind) })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is ours, and the client is still there.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// Records that are taken out of a queue at once.
const BATCH: usize = 64;

/// Why there is no record where one could be.
pub(in crate::flow::kafka) struct Broken {
    pub(in crate::flow::kafka) code: Code,
    pub(in crate::flow::kafka) reason: String,
    /// Where it would be, unless it is of no partition.
    pub(in crate::flow::kafka) place: Option<(Partition, i64)>,
}

/// What was taken out of a queue of records.
pub(in crate::flow::kafka) type Taken = Result<Fetched, Broken>;

/// A queue of records.
pub(in crate::flow::kafka) struct Records {
    /// Taken out of the queue, and not yet handed over.
    taken: RefCell<VecDeque<Fetched>>,
    queue: NonNull<rd_kafka_queue_t>,
    client: Arc<dyn Native>,
}

// SAFETY: librdkafka's queues may be polled from any thread.
unsafe impl Send for Records {}

impl Records {
    /// What a consumer reads that belongs to no group.
    pub(in crate::flow::kafka) fn of_consumer(client: Arc<dyn Native>) -> Option<Self> {
        // SAFETY: the client is valid.
        let queue = NonNull::new(unsafe { rd_kafka_queue_get_consumer(client.native()) })?;
        Some(Self { taken: RefCell::default(), queue, client })
    }

    /// What is read of the partitions that are led here.
    pub(in crate::flow::kafka) fn apart(client: Arc<dyn Native>) -> Option<Self> {
        // SAFETY: the client is valid.
        let queue = NonNull::new(unsafe { rd_kafka_queue_new(client.native()) })?;
        Some(Self { taken: RefCell::default(), queue, client })
    }

    /// What is read of a partition, once it is assigned, comes here. False where that cannot be.
    pub(in crate::flow::kafka) fn lead_here(&self, partition: &Partition) -> bool {
        let Ok(topic) = CString::new(&*partition.topic) else { return false };
        // SAFETY: client, name and queue are valid; the partition's queue is ours until it is given back, which does not
        // change where it leads.
        unsafe {
            let queue = rd_kafka_queue_get_partition(self.client.native(), topic.as_ptr(), partition.number);
            if queue.is_null() {
                return false;
            }
            rd_kafka_queue_forward(queue, self.queue.as_ptr());
            rd_kafka_queue_destroy(queue);
        }
        true
    }

    /// The next of those that are here: a record of a partition that is not paused, or why there is none; the others stay.
    pub(in crate::flow::kafka) fn take(&self, paused: &[Partition]) -> Option<Taken> {
        let mut taken = self.taken.borrow_mut();
        let next = match paused {
            // Nearly always; and what a partition is called is looked up for each.
            [] => taken.pop_front(),
            paused => {
                let may_come = |fetched: &Fetched| fetched.is_broken() || !fetched.is_of_any(paused);
                taken.iter().position(may_come).and_then(|next| taken.remove(next))
            }
        };
        Some(next?.checked())
    }

    /// Nothing is here that was not handed over.
    pub(in crate::flow::kafka) fn is_empty(&self) -> bool {
        self.taken.borrow().is_empty()
    }

    /// Takes more out of the queue, waiting at most `time`, in milliseconds rounded down. False when there is nothing.
    pub(in crate::flow::kafka) fn fill(&self, time: Duration) -> bool {
        let mut messages = [null_mut(); BATCH];
        // SAFETY: the queue is valid, and there is room for as many messages as are asked for; they are ours.
        let count = unsafe {
            if time.is_zero() {
                rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, messages.as_mut_ptr(), BATCH)
            } else {
                // A batch would be waited for until it is full.
                messages[0] = rd_kafka_consume_queue(self.queue.as_ptr(), millis(time));
                isize::from(!messages[0].is_null())
            }
        };
        let messages = &messages[..usize::try_from(count).unwrap_or(0)];
        let mut taken = self.taken.borrow_mut();
        // One partition that stands still keeps nothing of others.
        // SAFETY: they are valid.
        for haul in messages.chunk_by(|message, next| unsafe { origin(*message) == origin(*next) }) {
            // SAFETY: they are valid, of this client, ours, and given away here.
            taken.extend(unsafe { Haul::of(haul, &self.client) }.records());
        }
        !messages.is_empty()
    }

    /// Drops what was taken out of the queue of these partitions; it is to be read again, or is another's.
    pub(in crate::flow::kafka) fn forget<'p>(&self, partitions: impl Iterator<Item = &'p Partition> + Clone) {
        let stays = |fetched: &Fetched| fetched.is_broken() || !fetched.is_of_any(partitions.clone());
        self.taken.borrow_mut().retain(stays);
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // SAFETY: the queue is ours, and the client is still there.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// What became of a batch of records.
pub(in crate::flow::kafka) struct Reports(Event);

/// Why the broker does not have a record.
pub(in crate::flow::kafka) struct Refused {
    pub(in crate::flow::kafka) code: Code,
    /// What it was.
    pub(in crate::flow::kafka) record: Option<Copied>,
}

/// A record that the client gives back, without what it does not tell.
pub(in crate::flow::kafka) struct Copied {
    pub(in crate::flow::kafka) partition: i32,
    pub(in crate::flow::kafka) key: Option<Vec<u8>>,
    pub(in crate::flow::kafka) value: Option<Vec<u8>>,
    pub(in crate::flow::kafka) headers: Vec<Header>,
}

impl Iterator for Reports {
    type Item = (usize, Option<Refused>);

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the event is valid; so is the message until the event is destroyed.
        let report = unsafe { rd_kafka_event_message_next(self.0.event.as_ptr()).as_ref() }?;
        let refused = (report.err != OK).then(|| {
            // SAFETY: the message is valid. What was lent to it is kept until it is reported, which is what happens here.
            let record = unsafe { copy(report) };
            Refused { code: report.err.into(), record: Some(record) }
        });
        Some((report._private as usize, refused))
    }
}

/// # Safety
/// The message must be valid, and what it points to.
unsafe fn copy(message: &rd_kafka_message_t) -> Copied {
    // SAFETY: so the caller says.
    let (key, value, headers) = unsafe {
        let key = bytes(message, message.key, message.key_len);
        (key, bytes(message, message.payload, message.len), headers_of(message))
    };
    let [key, value] = [key, value].map(|bytes| bytes.map(<[u8]>::to_vec));
    Copied { partition: message.partition, key, value, headers }
}

/// Copies of all headers.
///
/// # Safety
/// The message must be valid.
unsafe fn headers_of(message: *const rd_kafka_message_t) -> Vec<Header> {
    let (mut headers, mut copies) = (null_mut(), Vec::new());
    // SAFETY: the message is valid, and so are its headers.
    unsafe {
        if rd_kafka_message_headers(message, &raw mut headers) == OK {
            each(headers, |name, value| copies.push((name.to_bytes().to_vec(), value.map(<[u8]>::to_vec))));
        }
    }
    copies
}

/// An event of ours.
struct Event {
    event: NonNull<rd_kafka_event_t>,
    /// Let go after the event, however long somebody keeps that.
    _client: Arc<dyn Native>,
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is destroyed here and nowhere else, and the client is still there.
        unsafe { rd_kafka_event_destroy(self.event.as_ptr()) };
    }
}

impl Event {
    /// What an event says that is no record.
    fn read(&self, kind: i32) -> Polled {
        let event = self.event.as_ptr();
        // SAFETY: the event is valid for all of these, and each is asked only what its kind can say.
        unsafe {
            match kind {
                RD_KAFKA_EVENT_REBALANCE => Polled::Rebalance {
                    gives: rd_kafka_event_error(event) == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
                    partitions: self.partitions(),
                },
                RD_KAFKA_EVENT_ERROR => Polled::Error {
                    code: rd_kafka_event_error(event).into(),
                    fatal: rd_kafka_event_error_is_fatal(event) != 0,
                    reason: text(rd_kafka_event_error_string(event)),
                },
                RD_KAFKA_EVENT_STATS => {
                    Polled::Statistics(CStr::from_ptr(rd_kafka_event_stats(event)).to_bytes().into())
                }
                RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut message, mut level) = (null(), null(), 0);
                    match rd_kafka_event_log(event, &raw mut facility, &raw mut message, &raw mut level) {
                        0 => Polled::Log { level: named(level), facility: text(facility), message: text(message) },
                        _ => Polled::Other,
                    }
                }
                _ => Polled::Other,
            }
        }
    }

    /// Those of a rebalance.
    ///
    /// # Safety
    /// The event must be one.
    unsafe fn partitions(&self) -> Vec<Partition> {
        // SAFETY: the list is the event's own, and has as many elements as it says.
        unsafe {
            let Some(list) = rd_kafka_event_topic_partition_list(self.event.as_ptr()).as_ref() else {
                return Vec::new();
            };
            let elements = (0..usize::try_from(list.cnt).unwrap_or(0)).map(|at| &*list.elems.add(at));
            elements.map(|e| Partition { topic: text(e.topic).into(), number: e.partition }).collect()
        }
    }
}

/// One of syslog's levels.
fn named(level: c_int) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 | 6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}

/// What came out of a queue of records: ours until it goes.
struct Message {
    message: NonNull<rd_kafka_message_t>,
    /// What its headers are, once somebody asked.
    headers: OnceLock<record::Headers>,
    /// Somebody took them.
    headers_are_gone: AtomicBool,
}

impl Message {
    fn new(message: NonNull<rd_kafka_message_t>) -> Self {
        Self { message, headers: OnceLock::new(), headers_are_gone: AtomicBool::new(false) }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: it is destroyed here and nowhere else, and whoever holds it holds the client longer.
        unsafe { rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}

/// Topic and partition that a message is of; no topic for an error that is of none.
///
/// # Safety
/// The message must be valid.
unsafe fn origin(message: *const rd_kafka_message_t) -> (*mut rd_kafka_topic_t, i32) {
    // SAFETY: so the caller says.
    unsafe { ((*message).rkt, (*message).partition) }
}

/// What a topic is called; empty for none.
///
/// # Safety
/// The topic must be valid, or null.
unsafe fn name_of(topic: *mut rd_kafka_topic_t) -> NonNull<str> {
    // SAFETY: the topic is valid; a name ends with a zero byte.
    let name = (!topic.is_null()).then(|| unsafe { CStr::from_ptr(rd_kafka_topic_name(topic)) });
    // A broker takes only names in ASCII.
    NonNull::from(name.and_then(|name| name.to_str().ok()).unwrap_or_default())
}

/// Messages of one partition that were taken out of a queue at once: allocated together, and let go together.
struct Haul {
    messages: Vec<Message>,
    /// The partition's topic, or nothing. Messages keep their topic, and so its name stays where it is.
    topic: NonNull<str>,
    /// Let go after the messages.
    _client: Arc<dyn Native>,
}

// SAFETY: librdkafka's messages belong to no thread. What may change, the headers, only one may take at a time.
unsafe impl Send for Haul {}
// SAFETY: as above.
unsafe impl Sync for Haul {}

impl Haul {
    /// # Safety
    /// The messages must be valid, of this client and of one partition, and nobody else's.
    unsafe fn of(messages: &[*mut rd_kafka_message_t], client: &Arc<dyn Native>) -> Arc<Self> {
        // SAFETY: the first message is valid, and so is its topic.
        let topic = messages.first().map_or(null_mut(), |first| unsafe { origin(*first) }.0);
        Arc::new(Self {
            // SAFETY: valid messages are somewhere.
            messages: messages.iter().map(|it| Message::new(unsafe { NonNull::new_unchecked(*it) })).collect(),
            // SAFETY: as above.
            topic: unsafe { name_of(topic) },
            _client: client.clone(),
        })
    }

    fn records(self: &Arc<Self>) -> impl Iterator<Item = Fetched> {
        (0..self.messages.len()).map(|at| Fetched { haul: self.clone(), at })
    }
}

/// A record in the client's memory, which is there as long as this or a clone of it.
#[derive(Clone)]
pub(crate) struct Fetched {
    haul: Arc<Haul>,
    at: usize,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.message();
        write!(formatter, "a record of partition {} at {}", message.partition, message.offset)
    }
}

impl Fetched {
    fn own(&self) -> &Message {
        &self.haul.messages[self.at]
    }

    pub(super) fn message(&self) -> &rd_kafka_message_t {
        // SAFETY: it is valid as long as `self`, and its fields do not change.
        unsafe { self.own().message.as_ref() }
    }

    /// Its value; of one that says why there is no record, the reason.
    fn payload(&self) -> Option<&[u8]> {
        let message = self.message();
        // SAFETY: they are the message's own, which is there as long as `self`.
        unsafe { bytes(self, message.payload, message.len) }
    }

    fn key(&self) -> Option<&[u8]> {
        let message = self.message();
        // SAFETY: as above.
        unsafe { bytes(self, message.key, message.key_len) }
    }

    fn topic(&self) -> &str {
        // SAFETY: the name is valid as long as the haul's messages.
        unsafe { self.haul.topic.as_ref() }
    }

    fn is_of_any<'p>(&self, partitions: impl IntoIterator<Item = &'p Partition>) -> bool {
        let (topic, number) = (self.topic(), self.message().partition);
        partitions.into_iter().any(|partition| partition.is(topic, number))
    }

    /// It says why there is no record.
    fn is_broken(&self) -> bool {
        self.message().err != OK
    }

    fn checked(self) -> Taken {
        if !self.is_broken() {
            return Ok(self);
        }
        let message = self.message();
        let reason = self.payload().map(String::from_utf8_lossy).unwrap_or_default();
        let partition = Partition { topic: self.topic().into(), number: message.partition };
        let place = (!message.rkt.is_null()).then_some((partition, message.offset));
        Err(Broken { code: message.err.into(), reason: reason.into_owned(), place })
    }

    /// What it says.
    pub(in crate::flow::kafka) fn line(&self) -> Line<'_> {
        let message = self.message();
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid as long as `self`.
        let timestamp_ms = unsafe { rd_kafka_message_timestamp(self.own().message.as_ptr(), &raw mut kind) };
        let has_time = kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        Line {
            topic: self.topic(),
            partition: message.partition,
            offset: message.offset,
            key: self.key(),
            value: self.payload(),
            timestamp_ms: if has_time { timestamp_ms } else { -1 },
            headers: Seen::Of(self),
        }
    }

    /// What its headers are, as they came.
    pub(in crate::flow) fn headers(&self) -> record::Headers {
        *self.own().headers.get_or_init(|| {
            let (mut headers, mut seen) = (null_mut(), record::Headers::default());
            // SAFETY: the message is valid.
            if unsafe { rd_kafka_message_headers(self.own().message.as_ptr(), &raw mut headers) } == OK {
                // SAFETY: so are the headers.
                unsafe { each(headers, |name, value| seen.see(&name.to_string_lossy(), value)) };
            }
            seen
        })
    }

    /// Copies of the headers that are not ours. Nobody may have taken them.
    pub(in crate::flow) fn copied_headers(&self) -> Vec<Header> {
        // SAFETY: the message is valid as long as `self`.
        let mut headers = unsafe { headers_of(self.own().message.as_ptr()) };
        headers.retain(|(name, _)| std::str::from_utf8(name).map_or(true, |name| !record::is_ours(name)));
        headers
    }

    /// Takes its headers off; `None` when it has none, or somebody took them.
    pub(super) fn take_headers(&self) -> Option<Headers> {
        // Once it is known what they are, nobody looks at the message's own again.
        self.headers();
        if self.own().headers_are_gone.swap(true, Ordering::AcqRel) {
            return None;
        }
        let mut headers = null_mut();
        // SAFETY: the message is valid, and nobody else takes its headers.
        let taken = unsafe { rd_kafka_message_detach_headers(self.own().message.as_ptr(), &raw mut headers) };
        // SAFETY: they are valid, and were taken off the message for us.
        NonNull::new(headers).filter(|_| taken == OK).map(|headers| unsafe { Headers::new(headers) })
    }

    /// Gives back what was taken.
    pub(super) fn put_headers_back(&self, headers: Headers) {
        // SAFETY: the message is valid and has no headers; it owns these from now on.
        unsafe { rd_kafka_message_set_headers(self.own().message.as_ptr(), headers.into_raw()) };
        self.own().headers_are_gone.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::producer::BaseRecord;

    use super::super::{Context, Writing};
    use super::*;

    #[test]
    fn reports_keep_their_client() {
        let mut config = ClientConfig::new();
        // Nobody answers at this port.
        config.set("bootstrap.servers", "127.0.0.1:9").set("message.timeout.ms", "10");
        let client: Arc<Writing> = Arc::new(config.create_with_context(Context::default()).unwrap());
        let queue = Queue::of_producer(client.clone()).unwrap();
        client.send(BaseRecord::with_opaque_to("logs", 7).payload("line").key("")).map_err(|(error, _)| error).unwrap();
        let polled = (0..100).find_map(|_| match queue.poll(Duration::from_secs(1)) {
            Some(Polled::Reports(reports)) => Some(reports),
            _ => None,
        });
        let mut reports = polled.unwrap();
        let known = Arc::downgrade(&client);
        drop((queue, client));
        assert!(known.upgrade().is_some(), "the client is there as long as its reports");
        let (number, refused) = reports.next().unwrap();
        assert_eq!((number, refused.map(|refused| refused.code)), (7, Some(Code::MessageTimedOut)));
        drop(reports);
        assert!(known.upgrade().is_none());
    }
}
