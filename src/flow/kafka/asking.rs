//! What clients say beside the stream: those that only ask, and the one that sends dead letters again. It is logged, and limited
//! in rate.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::Code;

/// See the top of the file.
pub(super) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Where a partition ends is what it is asked for.
        if error.rdkafka_error_code() != Some(Code::PartitionEOF) {
            super::complain("beside the stream", error.rdkafka_error_code(), reason);
        }
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    /// Whoever ends the transaction hears of what was not delivered.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
