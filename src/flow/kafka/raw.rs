//! The road of a record through librdkafka's own interface: taken from a consumer, many at once (`inlet`), and handed to
//! a producer without a copy (`outlet`). The safe binding allocates for each record it polls and looks at the clock twice,
//! copies each payload it sends, and copies headers once more to hand them on. Beside that road, `ask` puts questions that the
//! binding does not put.
//!
//! # Why `unsafe` is sound here
//! Five things are promised to the compiler in this file and the two below it, and nowhere else:
//! - An event or a message that was taken from a queue is ours until it is destroyed, which happens once, when its owner
//!   is dropped. What it says (payload, key, topic name) stays where it is until then, and is lent only by its owner.
//! - Whatever came of a client keeps that client: librdkafka demands that events, messages, queues and topics go first.
//!   Each of these types has the client as its last field, so that none can be had without.
//! - A payload is lent to a producer only when it is, byte for byte, that of the message which is kept until the record is
//!   reported, or until the producer is gone. The client reports each record once, and nobody else does.
//! - Headers that were taken off a message are ours until a record takes them. Only one can take them off.
//! - Strings that librdkafka gives out end with a zero byte and live as long as what they were asked of.
#![allow(unsafe_code, reason = "see above")]

mod ask;
mod credentials;
mod inlet;
mod outlet;
pub(super) mod rights;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_resp_err_t, rd_kafka_t};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};

pub(super) use ask::{positions, topic_ids, topic_settings};
pub(crate) use inlet::Fetched;
pub(super) use inlet::{Broken, Polled, Queue, Records};
pub(super) use outlet::{Context, InFlight, Outlet, Writing, flush};

const OK: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Something that owns a native client, and so keeps it alive.
pub(super) trait Native: Send + Sync {
    /// The client; valid as long as `self`.
    fn native(&self) -> *mut rd_kafka_t;
}

impl<C: ConsumerContext> Native for BaseConsumer<C> {
    fn native(&self) -> *mut rd_kafka_t {
        self.client().native_ptr()
    }
}

impl<C: ClientContext> Native for AdminClient<C> {
    fn native(&self) -> *mut rd_kafka_t {
        self.inner().native_ptr()
    }
}

impl<C: ProducerContext> Native for BaseProducer<C, NoCustomPartitioner> {
    fn native(&self) -> *mut rd_kafka_t {
        self.client().native_ptr()
    }
}

/// As librdkafka counts time.
fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

/// A string of librdkafka's, which may be none.
///
/// # Safety
/// It must end with a zero byte.
unsafe fn text(chars: *const c_char) -> String {
    // SAFETY: so the caller says.
    if chars.is_null() { String::new() } else { unsafe { CStr::from_ptr(chars).to_string_lossy().trim().to_owned() } }
}

/// What lies at an address, for as long as what it belongs to is borrowed; none where the address is none.
///
/// # Safety
/// So many bytes must lie there, and stay as they are, as long as the owner is there.
unsafe fn bytes<O: ?Sized>(_owner: &O, start: *const c_void, length: usize) -> Option<&[u8]> {
    // SAFETY: so the caller says, and the borrow of the owner is that of the bytes.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

/// Shows each header.
///
/// # Safety
/// The headers must be valid.
unsafe fn each(headers: *const rd_kafka_headers_t, mut see: impl FnMut(&CStr, Option<&[u8]>)) {
    for number in 0.. {
        let (mut name, mut value, mut size) = (null(), null(), 0);
        // SAFETY: the headers are valid, and so are name and value as long as they are.
        unsafe {
            if rd_kafka_header_get_all(headers, number, &raw mut name, &raw mut value, &raw mut size) != OK {
                return;
            }
            see(CStr::from_ptr(name), bytes(&*headers, value, size));
        }
    }
}
