//! The Kafka client.
//!
//! (being written)

pub mod known;
pub(crate) mod options;
pub mod probe;

pub use options::OWNED_OPTIONS;
