//! What librdkafka itself costs: a program that only moves records, and one that only reads them, in plain calls of
//! librdkafka's C interface. Nobody who builds on librdkafka can be cheaper, so this is what the daemon is held against.
//!
//! The pass-through reads in batches and hands each record on as it is: no byte of it is copied by the program, the
//! headers change their owner, and the record that was read is given back when its copy is acknowledged. It promises the
//! same as the daemon: an offset is stored, and so committed, only when its record and all before it are acknowledged. The
//! producer is idempotent, so the reports of a partition come in order.
//!
//! # Why `unsafe`
//! The safe binding copies every record that it produces. All pointers here come from librdkafka and follow its rules:
//! a record read is ours until `rd_kafka_message_destroy`, which happens once: here when it carries an error or is not
//! passed on, else in its delivery report. A record's payload and key stay where they are until then. Headers that were
//! detached belong to `rd_kafka_producev` once it took the record. Clients, queue and topic live until the process ends.
#![allow(unsafe_code, reason = "see above; it is the one file of the benches that may")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::hint::black_box;
use std::ptr::null_mut;
use std::slice::from_raw_parts;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::bindings::*;

use crate::candidate::{Job, when_stdin_ends};
use crate::settings::{self, Setting};

/// Records taken from the queue at once.
pub(crate) const BATCH: usize = 1000;
/// Milliseconds to wait for records.
const WAIT_MS: i32 = 20;
/// How often what was acknowledged is stored, to be committed.
const STORE_EVERY: Duration = Duration::from_millis(200);
/// More partitions than any cell has.
const PARTITIONS: usize = 64;

/// For each partition, the offset after the newest acknowledged record.
static ACKNOWLEDGED: [AtomicI64; PARTITIONS] = [const { AtomicI64::new(-1) }; PARTITIONS];
static REFUSED: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

/// Passes every record of the input on to the output, until stdin ends.
pub(crate) fn pass_through(job: &Job) -> Result<()> {
    when_stdin_ends(|| STOP.store(true, Relaxed));
    let reader = Reader::open(job)?;
    let writer = Writer::open(job)?;
    let mut stored = Instant::now();
    while !STOP.load(Relaxed) {
        reader.batch(BATCH, |message| writer.pass_on(message))?;
        writer.poll(0);
        ensure!(!REFUSED.load(Relaxed), "a record was refused");
        if stored.elapsed() > STORE_EVERY {
            stored = Instant::now();
            reader.store(|partition| ACKNOWLEDGED[partition].load(Relaxed));
        }
    }
    writer.flush();
    reader.store(|partition| ACKNOWLEDGED[partition].load(Relaxed));
    reader.close();
    Ok(())
}

/// Reads every record of the input, so many at a time, has a look at its value, and drops it, until stdin ends.
pub(crate) fn consume(job: &Job, at_once: usize, look: impl Fn(&[u8]) -> u64) -> Result<()> {
    when_stdin_ends(|| STOP.store(true, Relaxed));
    let reader = Reader::open(job)?;
    let mut next = [-1; PARTITIONS];
    let mut stored = Instant::now();
    while !STOP.load(Relaxed) {
        reader.batch(at_once, |message| {
            // SAFETY: `batch` hands over a record that is ours, and this is the one place where it is given back.
            unsafe {
                next[(*message).partition as usize] = (*message).offset + 1;
                if !(*message).payload.is_null() {
                    black_box(look(from_raw_parts((*message).payload.cast_const().cast(), (*message).len)));
                }
                rd_kafka_message_destroy(message);
            }
            Ok(())
        })?;
        if stored.elapsed() > STORE_EVERY {
            stored = Instant::now();
            reader.store(|partition| next[partition]);
        }
    }
    reader.close();
    Ok(())
}

struct Reader {
    client: *mut rd_kafka_t,
    queue: *mut rd_kafka_queue_t,
    topic: CString,
}

impl Reader {
    fn open(job: &Job) -> Result<Self> {
        let own = [("bootstrap.servers", job.broker.as_str()), ("group.id", job.group.as_str())];
        let settings = [settings::COMMON, settings::CONSUMER, settings::COMMITS].concat();
        let client = open(rd_kafka_type_t::RD_KAFKA_CONSUMER, &own, &settings, None)?;
        let topic = CString::new(job.input.as_str())?;
        // SAFETY: the client and the list are valid, and the list is given back by the one who made it.
        let (queue, error) = unsafe {
            rd_kafka_poll_set_consumer(client);
            let topics = rd_kafka_topic_partition_list_new(1);
            rd_kafka_topic_partition_list_add(topics, topic.as_ptr(), -1);
            let error = rd_kafka_subscribe(client, topics);
            rd_kafka_topic_partition_list_destroy(topics);
            (rd_kafka_queue_get_consumer(client), error)
        };
        ensure!(error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, "cannot subscribe: {error:?}");
        Ok(Self { client, queue, topic })
    }

    /// Hands the next records to `take`, which gives them back to librdkafka sooner or later.
    ///
    /// # Panics
    /// When more than [`BATCH`] are wanted at once.
    fn batch(&self, at_once: usize, mut take: impl FnMut(*mut rd_kafka_message_t) -> Result<()>) -> Result<()> {
        assert!(at_once <= BATCH, "there is no room for {at_once}");
        let mut messages = [null_mut(); BATCH];
        // SAFETY: client and queue are valid, and there is room for as many records as are asked for.
        let count = unsafe {
            if at_once == 1 {
                messages[0] = rd_kafka_consumer_poll(self.client, WAIT_MS);
                isize::from(!messages[0].is_null())
            } else {
                rd_kafka_consume_batch_queue(self.queue, WAIT_MS, messages.as_mut_ptr(), at_once)
            }
        };
        for &message in &messages[..usize::try_from(count).unwrap_or(0)] {
            // SAFETY: the first `count` pointers are records of ours. One with an error in it goes no further than here.
            unsafe {
                if (*message).err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    rd_kafka_message_destroy(message);
                    continue;
                }
            }
            take(message)?;
        }
        Ok(())
    }

    /// Stores the offset of each partition that has one, for the next commit.
    fn store(&self, next: impl Fn(usize) -> i64) {
        // SAFETY: the list is ours from its making to its end, an added entry is valid until then.
        unsafe {
            let list = rd_kafka_topic_partition_list_new(PARTITIONS as i32);
            for partition in (0..PARTITIONS).filter(|partition| next(*partition) >= 0) {
                let entry = rd_kafka_topic_partition_list_add(list, self.topic.as_ptr(), partition as i32);
                (*entry).offset = next(partition);
            }
            rd_kafka_offsets_store(self.client, list);
            rd_kafka_topic_partition_list_destroy(list);
        }
    }

    /// Commits what was stored and leaves the group.
    fn close(&self) {
        // SAFETY: the client is valid. It is not destroyed: records may be held, and the process ends.
        unsafe {
            rd_kafka_consumer_close(self.client);
        }
    }
}

struct Writer {
    client: *mut rd_kafka_t,
    topic: *mut rd_kafka_topic_t,
}

impl Writer {
    fn open(job: &Job) -> Result<Self> {
        let own = [("bootstrap.servers", job.broker.as_str())];
        let settings = [settings::COMMON, settings::PRODUCER, settings::WINDOW].concat();
        let client = open(rd_kafka_type_t::RD_KAFKA_PRODUCER, &own, &settings, Some(delivered))?;
        let name = CString::new(job.output.as_str())?;
        // SAFETY: the client is valid; without a configuration the topic has the client's.
        let topic = unsafe { rd_kafka_topic_new(client, name.as_ptr(), null_mut()) };
        ensure!(!topic.is_null(), "no topic");
        Ok(Self { client, topic })
    }

    /// Produces a record that was read into the same partition, without copying it.
    fn pass_on(&self, message: *mut rd_kafka_message_t) -> Result<()> {
        let mut headers = null_mut();
        // SAFETY: the record is ours, so it and what it points to are valid until its delivery report. The arguments are
        // pairs of a type and what that type asks for, a zero at their end; without RD_KAFKA_MSG_F_COPY and
        // RD_KAFKA_MSG_F_FREE the payload stays the owner's. A record without headers leaves the pointer null, which
        // stands behind the end of the list then.
        unsafe {
            rd_kafka_message_detach_headers(message, &raw mut headers);
            let headers_tag = if headers.is_null() { END } else { rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS as i32 };
            loop {
                let error = rd_kafka_producev(
                    self.client,
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT as i32,
                    self.topic,
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION as i32,
                    (*message).partition,
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS as i32,
                    0i32,
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE as i32,
                    (*message).payload,
                    (*message).len,
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY as i32,
                    (*message).key,
                    (*message).key_len,
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP as i32,
                    rd_kafka_message_timestamp(message, null_mut()),
                    rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE as i32,
                    message.cast::<c_void>(),
                    headers_tag,
                    headers,
                    END,
                );
                match error {
                    rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => return Ok(()),
                    rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL => self.poll(WAIT_MS),
                    other => bail!("cannot produce: {other:?}"),
                }
            }
        }
    }

    fn poll(&self, wait_ms: i32) {
        // SAFETY: the client is valid; delivery reports are served on this thread.
        unsafe {
            rd_kafka_poll(self.client, wait_ms);
        }
    }

    fn flush(&self) {
        // SAFETY: as above.
        unsafe {
            rd_kafka_flush(self.client, 10_000);
        }
    }
}

/// What ends the arguments of `rd_kafka_producev`.
const END: i32 = rd_kafka_vtype_t::RD_KAFKA_VTYPE_END as i32;

/// The delivery report: notes how far all is acknowledged, and gives the record that was read back.
unsafe extern "C" fn delivered(_: *mut rd_kafka_t, report: *const rd_kafka_message_t, _: *mut c_void) {
    // SAFETY: the opaque pointer is the record that `pass_on` was given, which nobody else gives back.
    unsafe {
        if (*report).err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            REFUSED.store(true, Relaxed);
        }
        let read = (*report)._private.cast::<rd_kafka_message_t>();
        ACKNOWLEDGED[(*read).partition as usize].store((*read).offset + 1, Relaxed);
        rd_kafka_message_destroy(read);
    }
}

type Report = unsafe extern "C" fn(*mut rd_kafka_t, *const rd_kafka_message_t, *mut c_void);

/// A client with these settings.
fn open(
    kind: rd_kafka_type_t,
    own: &[(&str, &str)],
    settings: &[Setting],
    report: Option<Report>,
) -> Result<*mut rd_kafka_t> {
    let mut reason = [0 as c_char; 512];
    // SAFETY: librdkafka copies names and values; `reason` has the size that is told; the configuration belongs to the
    // client once that is made, and a process that cannot make it ends.
    unsafe {
        let config = rd_kafka_conf_new();
        for (key, value) in own.iter().chain(settings) {
            let (name, text) = (CString::new(*key)?, CString::new(*value)?);
            let set = rd_kafka_conf_set(config, name.as_ptr(), text.as_ptr(), reason.as_mut_ptr(), reason.len());
            ensure!(set == rd_kafka_conf_res_t::RD_KAFKA_CONF_OK, "{key}: {:?}", CStr::from_ptr(reason.as_ptr()));
        }
        if report.is_some() {
            rd_kafka_conf_set_dr_msg_cb(config, report);
        }
        let client = rd_kafka_new(kind, config, reason.as_mut_ptr(), reason.len());
        (!client.is_null())
            .then_some(client)
            .with_context(|| format!("no client: {:?}", CStr::from_ptr(reason.as_ptr())))
    }
}
