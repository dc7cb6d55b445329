//! The Kafka client.
//!
//! (being written)

pub mod options;
