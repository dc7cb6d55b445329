//! What librdkafka can be asked and the safe binding does not ask without a detour by way of its own thread: where it stands.
//!
//! # Why `unsafe` is sound here
//! There is nothing beside what `raw` says: client and list are kept by whoever asks.
#![allow(unsafe_code, reason = "see above")]

use rdkafka::TopicPartitionList;
use rdkafka::bindings::rd_kafka_position;

use super::Native;

/// Fills in, for each partition of a list, the offset behind the last record that was taken of it, transactions' markers
/// included; no offset where none was taken since it was last said where to read. Waits for nothing.
pub(in crate::flow::kafka) fn positions(client: &dyn Native, list: &TopicPartitionList) {
    // SAFETY: client and list are valid. What fails is told for each partition, in the list.
    unsafe { rd_kafka_position(client.native(), list.ptr()) };
}
