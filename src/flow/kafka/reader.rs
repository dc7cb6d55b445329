//! One partition of a topic, from offset to offset, as an iterator over its records. It belongs to no group: nothing is
//! joined, nothing is committed. Records of aborted transactions are left out.

use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message, Timestamp};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::{Code, LastWord, clients};
use crate::flow::verify::Stored;
use crate::flow::{Failure, Settings};
use crate::telemetry::caught;

/// How long a broker may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// One look.
const LOOK: Duration = Duration::from_millis(500);
/// Records between two words about progress.
const PER_WORD: u64 = 1000;

#[derive(Default)]
pub(super) struct Context(pub(super) LastWord);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.say(error.rdkafka_error_code(), reason);
    }
}

impl ConsumerContext for Context {}

/// See the top of the file.
pub(crate) struct Reader<'p> {
    consumer: BaseConsumer<Context>,
    /// `topic/partition`
    place: String,
    end: i64,
    done: bool,
    progress: &'p dyn Fn(u64),
    untold: u64,
}

impl<'p> Reader<'p> {
    /// Reads from `from` to before `end`. Connects in the background.
    pub(crate) fn new(
        settings: &Settings,
        (topic, partition): (&str, i32),
        (from, end): (i64, i64),
        progress: &'p dyn Fn(u64),
    ) -> Result<Self, Failure> {
        let place = format!("{topic}/{partition}");
        let consumer: BaseConsumer<Context> = clients::reader(settings)
            .create_with_context(Context::default())
            .map_err(|error| clients::refused(settings, &error))?;
        let done = from >= end;
        if !done {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, Offset::Offset(from))
                .and_then(|()| consumer.assign(&list))
                .map_err(|error| Failure::software(format!("{place} could not be opened at {from}: {error}")))?;
        }
        Ok(Self { consumer, place, end, done, progress, untold: 0 })
    }

    fn read(&mut self) -> Result<Option<Stored>, Failure> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.consumer.poll(LOOK) {
                None => {}
                Some(Ok(message)) if message.offset() >= self.end => return Ok(None),
                Some(Ok(message)) => return Ok(Some(stored(&message))),
                // What is not yet committed at the end, or only a marker of a transaction, never comes as a record.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) => self.check(&error)?,
            }
        }
        let (place, reason) = (&self.place, self.consumer.context().0.suffix());
        Err(Failure::unavailable(format!("{place}: nothing more came within {} s{reason}", PATIENCE.as_secs())))
    }

    /// Most errors the client deals with itself.
    fn check(&self, error: &KafkaError) -> Result<(), Failure> {
        let (place, reason) = (&self.place, self.consumer.context().0.suffix());
        let what = match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset) => "records were deleted while they were being read; start again",
            Some(Code::TopicAuthorizationFailed) => "may not be read; grant READ and DESCRIBE on the topic",
            Some(Code::GroupAuthorizationFailed) => "may not be read in this group; grant READ on the group",
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => "the client cannot go on",
            _ => return Ok(()),
        };
        Err(Failure::unavailable(format!("{place}: {what} ({error}){reason}")))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Stored, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        match &read {
            Some(Ok(record)) => {
                self.untold += 1;
                self.done = record.offset + 1 >= self.end;
            }
            Some(Err(_)) | None => self.done = true,
        }
        if self.done || self.untold >= PER_WORD {
            (self.progress)(std::mem::take(&mut self.untold));
        }
        read
    }
}

fn stored(message: &BorrowedMessage<'_>) -> Stored {
    let headers = message.headers().map_or(Some(Vec::new()), |headers| {
        let all = || headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect();
        // The client library panics at a header name that is not UTF-8.
        caught(std::panic::AssertUnwindSafe(all)).ok()
    });
    Stored {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        appended: matches!(message.timestamp(), Timestamp::LogAppendTime(_)),
        headers,
    }
}
