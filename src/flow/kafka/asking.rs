//! What clients say that only ask: it is logged, and limited in rate.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

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
            super::complain("looking something up", error.rdkafka_error_code(), reason);
        }
    }
}

impl ConsumerContext for Context {}
