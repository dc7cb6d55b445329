//! What librdkafka can be asked and the safe binding does not ask: which ids topics have (KIP-516), what their settings are
//! without a client made for that, and, without a detour by way of its own thread, where it stands.
//!
//! # Why `unsafe` is sound here
//! Beside what `raw` says: what is made here (queue, options, list of names) is given back here, by its owner's drop and
//! nowhere else; what the answer says lies in the answer, and is copied before that goes.
#![allow(unsafe_code, reason = "see above")]

use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{
    RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT, RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT, rd_kafka_AdminOptions_destroy,
    rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_t,
    rd_kafka_ConfigEntry_name, rd_kafka_ConfigEntry_value, rd_kafka_ConfigResource_configs,
    rd_kafka_ConfigResource_destroy, rd_kafka_ConfigResource_error, rd_kafka_ConfigResource_name,
    rd_kafka_ConfigResource_new, rd_kafka_ConfigResource_t, rd_kafka_DescribeConfigs,
    rd_kafka_DescribeConfigs_result_resources, rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics,
    rd_kafka_ResourceType_t, rd_kafka_TopicCollection_destroy, rd_kafka_TopicCollection_of_topic_names,
    rd_kafka_TopicCollection_t, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_name,
    rd_kafka_TopicDescription_t, rd_kafka_TopicDescription_topic_id, rd_kafka_Uuid_base64str, rd_kafka_admin_op_t,
    rd_kafka_error_code, rd_kafka_event_DescribeConfigs_result, rd_kafka_event_DescribeTopics_result,
    rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_error_string, rd_kafka_event_t, rd_kafka_event_type,
    rd_kafka_position, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_t,
};

use super::{Native, OK, millis, text};

/// The answer may take this much longer than the request is given.
const MARGIN: Duration = Duration::from_millis(200);

/// Fills in, for each partition of a list, the offset behind the last record that was taken of it, transactions' markers
/// included; no offset where none was taken since it was last said where to read. Waits for nothing.
pub(in crate::flow::kafka) fn positions(client: &dyn Native, list: &TopicPartitionList) {
    // SAFETY: client and list are valid. What fails is told for each partition, in the list.
    unsafe { rd_kafka_position(client.native(), list.ptr()) };
}

/// Asks for the ids of topics, which must be named once each: name and id in base64 of each that the brokers tell of. Waits
/// for the answer, a fifth of a second longer than `time` at most.
pub(in crate::flow::kafka) fn topic_ids(
    client: &dyn Native,
    topics: &[&str],
    time: Duration,
) -> Result<Vec<(String, String)>, String> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(*topic).ok()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let client = client.native();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let answer = ask(client, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, time, |options, queue| {
        // SAFETY: client, options and queue are valid, and so are the names, which are copied.
        unsafe {
            let topics = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let topics: Made<rd_kafka_TopicCollection_t> = Made::new(topics, rd_kafka_TopicCollection_destroy)?;
            rd_kafka_DescribeTopics(client, topics.as_ptr(), options, queue);
        }
        Some(())
    });
    answer.ok_or("no answer came")?.ids()
}

/// A topic, and its settings, name and value of each.
pub(in crate::flow::kafka) type Described = (String, Vec<(String, String)>);

/// Asks for all settings of topics: those of each topic that the brokers tell of. Waits as long as [`topic_ids`].
pub(in crate::flow::kafka) fn topic_settings(
    client: &dyn Native,
    topics: &[&str],
    time: Duration,
) -> Result<Vec<Described>, String> {
    let client = client.native();
    let names = topics.iter().filter_map(|topic| CString::new(*topic).ok());
    let resource = |name: CString| {
        // SAFETY: the name is valid, and copied.
        let made =
            unsafe { rd_kafka_ConfigResource_new(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr()) };
        Made::new(made, rd_kafka_ConfigResource_destroy)
    };
    let resources: Vec<Made<rd_kafka_ConfigResource_t>> = names.filter_map(resource).collect();
    if resources.is_empty() {
        return Ok(Vec::new());
    }
    let mut pointers: Vec<*mut rd_kafka_ConfigResource_t> = resources.iter().map(Made::as_ptr).collect();
    let answer = ask(client, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, time, |options, queue| {
        // SAFETY: client, options and queue are valid, and so are the resources, which are copied.
        unsafe { rd_kafka_DescribeConfigs(client, pointers.as_mut_ptr(), pointers.len(), options, queue) };
        Some(())
    });
    answer.ok_or("no answer came")?.settings()
}

/// What is made for a request, and given back by a call of its own.
struct Made<T> {
    it: NonNull<T>,
    give_back: unsafe extern "C" fn(*mut T),
}

impl<T> Made<T> {
    fn new(it: *mut T, give_back: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        Some(Self { it: NonNull::new(it)?, give_back })
    }

    fn as_ptr(&self) -> *mut T {
        self.it.as_ptr()
    }
}

impl<T> Drop for Made<T> {
    fn drop(&mut self) {
        // SAFETY: it is valid, and given back here and nowhere else, by the call that is for it.
        unsafe { (self.give_back)(self.as_ptr()) };
    }
}

/// Sends what `send` sends, and waits for the answer.
fn ask(
    client: *mut rd_kafka_t,
    what: rd_kafka_admin_op_t,
    time: Duration,
    send: impl FnOnce(*mut rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t) -> Option<()>,
) -> Option<Answer> {
    // SAFETY: the client is valid; the options are copied by the request, and the queue may go before an answer that comes too
    // late.
    unsafe {
        let queue: Made<rd_kafka_queue_t> = Made::new(rd_kafka_queue_new(client), rd_kafka_queue_destroy)?;
        let options = rd_kafka_AdminOptions_new(client, what);
        let options: Made<rd_kafka_AdminOptions_t> = Made::new(options, rd_kafka_AdminOptions_destroy)?;
        let mut why: [c_char; 128] = [0; 128];
        rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), millis(time), why.as_mut_ptr(), why.len());
        send(options.as_ptr(), queue.as_ptr())?;
        let event = rd_kafka_queue_poll(queue.as_ptr(), millis(time + MARGIN));
        Some(Answer(Made::new(event, rd_kafka_event_destroy)?))
    }
}

/// An event of ours.
struct Answer(Made<rd_kafka_event_t>);

impl Answer {
    /// The event, when it is of this kind.
    fn of(&self, kind: i32) -> Result<*mut rd_kafka_event_t, String> {
        let event = self.0.as_ptr();
        // SAFETY: the event is valid.
        unsafe {
            if rd_kafka_event_error(event) != OK {
                return Err(text(rd_kafka_event_error_string(event)));
            }
            let is_it = rd_kafka_event_type(event) == kind;
            is_it.then_some(event).ok_or_else(|| "something else was answered".to_owned())
        }
    }

    fn settings(&self) -> Result<Vec<Described>, String> {
        let event = self.of(RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)?;
        let mut count = 0;
        // SAFETY: the event tells of settings; what it tells is valid as long as it is.
        unsafe {
            let topics =
                rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &raw mut count);
            let all = (0..if topics.is_null() { 0 } else { count }).map(|at| *topics.add(at));
            Ok(all.filter_map(|topic| settings_of(topic)).collect())
        }
    }

    fn ids(&self) -> Result<Vec<(String, String)>, String> {
        let event = self.of(RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT)?;
        // SAFETY: the event tells of topics; what it tells is valid as long as it is.
        unsafe {
            let mut count = 0;
            let topics =
                rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &raw mut count);
            let all = (0..if topics.is_null() { 0 } else { count }).map(|at| *topics.add(at));
            Ok(all.filter_map(|topic| read(topic)).collect())
        }
    }
}

/// Nothing of a topic that is not there, or may not be asked about.
///
/// # Safety
/// The resource must be valid.
unsafe fn settings_of(topic: *const rd_kafka_ConfigResource_t) -> Option<Described> {
    // SAFETY: the resource is valid, and what it tells as long as it is. A value that is secret is none.
    unsafe {
        if rd_kafka_ConfigResource_error(topic) != OK {
            return None;
        }
        let mut count = 0;
        let entries = rd_kafka_ConfigResource_configs(topic, &raw mut count);
        let all = (0..if entries.is_null() { 0 } else { count }).map(|at| *entries.add(at));
        let one = |entry| {
            let value = rd_kafka_ConfigEntry_value(entry);
            (!value.is_null()).then(|| (text(rd_kafka_ConfigEntry_name(entry)), text(value)))
        };
        Some((text(rd_kafka_ConfigResource_name(topic)), all.filter_map(one).collect()))
    }
}

/// Name and id; nothing of a topic that is not there, or may not be seen.
///
/// # Safety
/// The description must be valid.
unsafe fn read(topic: *const rd_kafka_TopicDescription_t) -> Option<(String, String)> {
    // SAFETY: the description is valid, and what it tells as long as it is.
    unsafe {
        let error = rd_kafka_TopicDescription_error(topic);
        let id = rd_kafka_TopicDescription_topic_id(topic);
        let is_there = (error.is_null() || rd_kafka_error_code(error) == OK) && !id.is_null();
        is_there.then(|| (text(rd_kafka_TopicDescription_name(topic)), text(rd_kafka_Uuid_base64str(id))))
    }
}
