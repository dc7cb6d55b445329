//! Asks the brokers which rights we have on topics and on a group (KIP-430). Asking writes nothing.
//!
//! The safe binding does not have these requests. What an answer says is copied out of it before it is let go, so nothing
//! of librdkafka's outlives a call.
//!
//! # Why `unsafe` is sound here
//! - A queue, options and an event are ours until they are destroyed, which happens once, when their owner is dropped.
//! - The client outlives all of it: it is borrowed for the whole call.
//! - A description, and the list of operations in it, lives as long as the event that it stands in. Operations are read as
//!   the numbers that they are in C, as a number that the binding does not know must not become a value of its enum.
#![allow(unsafe_code, reason = "see above")]

use std::ffi::{CString, c_char, c_int};
use std::ptr::{NonNull, null_mut};
use std::time::{Duration, Instant};

use rdkafka::bindings::{
    self as native, rd_kafka_AclOperation_t as AclOperation, rd_kafka_AdminOptions_t, rd_kafka_admin_op_t as AdminOp,
    rd_kafka_error_t, rd_kafka_event_t, rd_kafka_queue_t, rd_kafka_t,
};

use super::millis;
use super::{Native, text};
use crate::flow::kafka::Code;

/// What one may do with a topic or a group, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::flow::kafka) enum Operation {
    Read,
    Write,
    Create,
    Delete,
    Describe,
    DescribeConfigs,
}

impl Operation {
    const ALL: [(AclOperation, Self); 6] = [
        (AclOperation::RD_KAFKA_ACL_OPERATION_READ, Self::Read),
        (AclOperation::RD_KAFKA_ACL_OPERATION_WRITE, Self::Write),
        (AclOperation::RD_KAFKA_ACL_OPERATION_CREATE, Self::Create),
        (AclOperation::RD_KAFKA_ACL_OPERATION_DELETE, Self::Delete),
        (AclOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE, Self::Describe),
        (AclOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, Self::DescribeConfigs),
    ];

    fn of(number: c_int) -> Option<Self> {
        Self::ALL.iter().find(|(native, _)| *native as c_int == number).map(|(_, operation)| *operation)
    }
}

/// The rights that one has; `None` where the brokers do not tell (before Apache Kafka 2.3).
pub(in crate::flow::kafka) type Rights = Option<Vec<Operation>>;

/// The rights on each of these topics, in their order. Asking for one that is not there does not create it.
///
/// # Errors
/// Why the brokers did not answer; within, what they say of one topic: that it may not be seen, or is not there.
pub(in crate::flow::kafka) fn of_topics(
    client: &dyn Native,
    names: &[&str],
    timeout: Duration,
) -> Result<Vec<Result<Rights, Code>>, Code> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let question = Question::new(client.native(), AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout)?;
    let texts = c_strings(names)?;
    let mut pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    // SAFETY: the names are valid during the call, which copies them; so are client, options and queue. The collection is
    // ours, and destroyed once.
    unsafe {
        let topics = native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        native::rd_kafka_DescribeTopics(question.client, topics, question.options.as_ptr(), question.queue.as_ptr());
        native::rd_kafka_TopicCollection_destroy(topics);
    }
    let answer = question.answer(native::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT, timeout)?;
    let mut count = 0;
    // SAFETY: the event is a result of this kind, and its descriptions live as long as it does.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(answer.0.as_ptr());
        let all = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let described = |name: &&str| {
            let own = (0..count)
                .map(|number| *all.add(number))
                .find(|topic| text(native::rd_kafka_TopicDescription_name(*topic)) == **name);
            let topic = own.ok_or(Code::UnknownTopic)?;
            code(native::rd_kafka_TopicDescription_error(topic))?;
            Ok(rights(|length| native::rd_kafka_TopicDescription_authorized_operations(topic, length)))
        };
        Ok(names.iter().map(described).collect())
    }
}

/// The rights on a group, whether or not it is there.
///
/// # Errors
/// What the brokers say instead. A group that may not be seen is not told apart from brokers that do not answer: the
/// client goes on asking for its coordinator until the time is over.
pub(in crate::flow::kafka) fn of_group(client: &dyn Native, name: &str, timeout: Duration) -> Result<Rights, Code> {
    let question = Question::new(client.native(), AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout)?;
    let texts = c_strings(&[name])?;
    let mut pointers = [texts[0].as_ptr()];
    // SAFETY: as for topics.
    unsafe {
        let (options, queue) = (question.options.as_ptr(), question.queue.as_ptr());
        native::rd_kafka_DescribeConsumerGroups(question.client, pointers.as_mut_ptr(), 1, options, queue);
    }
    let answer = question.answer(native::RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT, timeout)?;
    let mut count = 0;
    // SAFETY: as for topics.
    unsafe {
        let result = native::rd_kafka_event_DescribeConsumerGroups_result(answer.0.as_ptr());
        let all = native::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if count == 0 {
            return Ok(None);
        }
        let group = *all;
        code(native::rd_kafka_ConsumerGroupDescription_error(group))?;
        Ok(rights(|length| native::rd_kafka_ConsumerGroupDescription_authorized_operations(group, length)))
    }
}

/// What an admin request needs beside its arguments.
struct Question {
    client: *mut rd_kafka_t,
    queue: NonNull<rd_kafka_queue_t>,
    options: NonNull<rd_kafka_AdminOptions_t>,
}

impl Question {
    fn new(client: *mut rd_kafka_t, what: AdminOp, timeout: Duration) -> Result<Self, Code> {
        // SAFETY: the client is valid; queue and options are ours.
        unsafe {
            let queue = NonNull::new(native::rd_kafka_queue_new(client)).ok_or(Code::Fail)?;
            let Some(options) = NonNull::new(native::rd_kafka_AdminOptions_new(client, what)) else {
                native::rd_kafka_queue_destroy(queue.as_ptr());
                return Err(Code::Fail);
            };
            let question = Self { client, queue, options };
            native::rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), millis(timeout), null_mut(), 0);
            let refused = native::rd_kafka_AdminOptions_set_include_authorized_operations(options.as_ptr(), 1);
            let told = code(refused);
            if !refused.is_null() {
                native::rd_kafka_error_destroy(refused);
            }
            told.map(|()| question)
        }
    }

    /// Waits for the answer of this kind, a little longer than the client itself does.
    fn answer(&self, kind: c_int, timeout: Duration) -> Result<Answer, Code> {
        let deadline = Instant::now() + timeout + Duration::from_secs(1);
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            // SAFETY: the queue is valid; an event is ours once it is here.
            let event = unsafe { native::rd_kafka_queue_poll(self.queue.as_ptr(), millis(left).max(1)) };
            let Some(answer) = NonNull::new(event).map(Answer) else { continue };
            // SAFETY: the event is valid.
            let (own, refused) =
                unsafe { (native::rd_kafka_event_type(event), Code::from(native::rd_kafka_event_error(event))) };
            if own == kind {
                return if refused == Code::NoError { Ok(answer) } else { Err(refused) };
            }
        }
        Err(Code::OperationTimedOut)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // SAFETY: both are ours, and destroyed here only.
        unsafe {
            native::rd_kafka_AdminOptions_destroy(self.options.as_ptr());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

struct Answer(NonNull<rd_kafka_event_t>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: it is ours, and destroyed here only.
        unsafe { native::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// Names with a zero byte are none of Kafka's.
fn c_strings(names: &[&str]) -> Result<Vec<CString>, Code> {
    names.iter().map(|name| CString::new(*name).map_err(|_| Code::InvalidArgument)).collect()
}

/// Nothing, or what is wrong.
///
/// # Safety
/// The error must be valid, or none.
unsafe fn code(error: *const rd_kafka_error_t) -> Result<(), Code> {
    // SAFETY: so the caller says.
    let code = if error.is_null() { Code::NoError } else { unsafe { native::rd_kafka_error_code(error) }.into() };
    if code == Code::NoError { Ok(()) } else { Err(code) }
}

/// Reads a list whose length is told beside it.
///
/// # Safety
/// The list must hold as many operations as it says, or be none.
unsafe fn rights(list: impl FnOnce(*mut usize) -> *const AclOperation) -> Rights {
    let mut length = 0;
    let list = list(&raw mut length).cast::<c_int>();
    if list.is_null() {
        return None;
    }
    // SAFETY: so the caller says; an enum of C's is as large as its `int`.
    Some((0..length).filter_map(|number| Operation::of(unsafe { *list.add(number) })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_nobody_knows_is_no_right() {
        let numbers: [c_int; 4] = [3, 4, 12, 99];
        let list = |length: *mut usize| {
            // SAFETY: it is where `rights` wants to know it.
            unsafe { *length = numbers.len() };
            numbers.as_ptr().cast()
        };
        // SAFETY: the list is as long as it says.
        let found = unsafe { rights(list) };
        assert_eq!(found, Some(vec![Operation::Read, Operation::Write]));
        // SAFETY: there is no list.
        assert_eq!(unsafe { rights(|_| std::ptr::null()) }, None);
    }

    #[test]
    fn brokers_that_do_not_answer_are_given_up_in_time() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1").set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        let client: rdkafka::consumer::BaseConsumer = config.create().unwrap();
        let timeout = Duration::from_millis(200);
        assert!(of_topics(&client, &["a"], timeout).is_err());
        assert_eq!(of_topics(&client, &["with\0zero"], timeout), Err(Code::InvalidArgument));
        assert!(of_group(&client, "g", timeout).is_err());
    }
}
