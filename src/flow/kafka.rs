//! The Kafka client.
//!
//! (being written)

pub mod options;
pub mod probe;
