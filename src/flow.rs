//! How lines move: consumer group in, engine, producer out, offsets committed when all before them is settled.
//!
//! (being written)

mod kafka;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use kafka::OWNED_OPTIONS;
pub use kafka::{known, probe};

/// Everything the flow is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Broker connection.
    pub kafka: Kafka,
    /// What to read.
    pub input: Input,
    /// What to write.
    pub output: Output,
    /// How it is made sure that nothing is lost.
    pub delivery: Delivery,
}

/// How to reach the brokers.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port,…`
    pub bootstrap_servers: String,
    /// Consumer group.
    pub group_id: String,
    /// Create the topics that are ours when they are missing.
    pub create_topics: bool,
    /// librdkafka settings for both sides, typed ones included (security.protocol, sasl.*), secrets already read.
    pub options: Vec<(String, String)>,
    /// Names in `options` whose values must never be shown.
    pub secret_options: Vec<String>,
}

/// Written by hand so that no log can show a password.
impl fmt::Debug for Kafka {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |name: &String| self.secret_options.contains(name);
        let shown = |(name, value): &(String, String)| {
            (name.clone(), if hidden(name) { "<secret>".into() } else { value.clone() })
        };
        out.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("create_topics", &self.create_topics)
            .field("options", &self.options.iter().map(shown).collect::<Vec<_>>())
            .finish()
    }
}

/// Input topics.
#[derive(Debug, Clone)]
pub struct Input {
    /// Topic names, or one regular expression starting with `^` per entry.
    pub topics: Vec<String>,
    /// librdkafka settings for the consumer only.
    pub options: Vec<(String, String)>,
}

/// Which lines are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Every line.
    All,
    /// Only those that a rule matched.
    Matched,
}

/// Where the added object goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the value, where it is a JSON object; else into the header.
    Value,
    /// Always into the header `fingerpost`; values are never touched.
    Headers,
}

/// Output topic.
#[derive(Debug, Clone)]
pub struct Output {
    /// Topic name.
    pub topic: String,
    /// Which lines.
    pub lines: Lines,
    /// Where the object goes.
    pub place: Place,
    /// Put `fingerpost-source` on every record, not only on matching ones.
    pub source_header_on_all: bool,
    /// Bytes of the header `fingerpost`; a larger object is stepped down. `engine::settings::Limits::header`.
    pub header_limit: usize,
    /// librdkafka settings for the producer only.
    pub options: Vec<(String, String)>,
}

/// Delivery guarantees and their clocks.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How often settled offsets are committed.
    pub commit_interval: Duration,
    /// How long a stop, or giving up partitions, may take to drain.
    pub shutdown_timeout: Duration,
    /// Members of the group in this process, each with a thread, a consumer and a producer; at least one.
    pub workers: usize,
}

/// Where the packs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacksFrom {
    /// Those compiled in.
    Builtin,
    /// The `*.toml` files of a directory.
    Directory(PathBuf),
}
