//! Everything the flow is told: the settings that this room defines, and `config` fills.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::alerts;
use super::credentials::Credentials;
use super::unjudged::LinePlace;
use crate::engine::Engine;

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
    /// Where what sources said is kept; kept nowhere when absent, and so forgotten with the process.
    pub state: Option<String>,
    /// Where lines go that cannot be published; such a line ends the flow when absent.
    pub dead_letter: Option<String>,
    /// How alerts are counted and told; not at all when absent.
    pub alerts: Option<alerts::Settings>,
    /// What of it this process does.
    pub roles: Roles,
    /// Lines per second of which each worker looks whether they are errors, for [`coverage`](super::coverage); none with 0.
    pub looked_at: u32,
    /// Bytes of memory above which it refuses to start, when what it may take is more.
    pub memory_limit: Option<usize>,
}

/// What a process does of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Judges lines and sends them on.
    pub classify: bool,
    /// Counts alerts, with [`Settings::alerts`].
    pub alert: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self { classify: true, alert: true }
    }
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
    /// Those of them that were read from files, which may change; with the files.
    pub secret_files: Vec<(String, PathBuf)>,
    /// Tells the clients of a password that has changed.
    pub credentials: Credentials,
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
    /// Lines that are not judged and go out as they came.
    pub unjudged: Vec<LinePlace>,
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

/// What becomes of a line whose timestamp the output topic refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedTime {
    /// It is a dead letter, like every line that is refused.
    DeadLetter,
    /// It is published with the time of now; the header `fingerpost-timestamp` tells its own.
    Now,
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
    /// Lines whose timestamp the topic refuses.
    pub refused_time: RefusedTime,
    /// Put `fingerpost-source` on every record, not only on matching ones.
    pub source_header_on_all: bool,
    /// Bytes of the header `fingerpost`; a larger object is stepped down. `engine::settings::Limits::header`.
    pub header_limit: usize,
    /// Bytes that a batch of records may have there (`max.message.bytes`); asked of the broker when absent.
    pub record_limit: Option<usize>,
    /// librdkafka settings for the producer only.
    pub options: Vec<(String, String)>,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No line is lost; a crash repeats at most [`Delivery::in_flight`] of them per worker.
    AtLeastOnce,
    /// No line is lost or repeated, for readers of committed records.
    ExactlyOnce,
}

impl Mode {
    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at least once",
            Self::ExactlyOnce => "exactly once",
        }
    }

    /// As the configuration has it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

/// Delivery guarantees and their clocks.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What is promised.
    pub mode: Mode,
    /// Names this process among those of its group, with transactions; no two that run may have the same.
    pub instance: String,
    /// Lines of one worker that are published and not committed, at most: what a crash repeats.
    pub in_flight: usize,
    /// How often settled offsets are committed, or a transaction is.
    pub commit_interval: Duration,
    /// How long a stop, or giving up partitions, may take to drain.
    pub shutdown_timeout: Duration,
    /// Members of the group in this process, each with a thread, a consumer, and a producer or two; at least one.
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

/// The rules in use: one engine at a time, swapped as a whole. A worker takes the newest between two batches, so that
/// each batch is judged by one.
pub type Rules = watch::Receiver<Arc<Engine>>;

/// Settings for unit tests, of this room and others.
#[cfg(test)]
pub(crate) fn test_settings() -> Settings {
    Settings {
        kafka: Kafka {
            bootstrap_servers: "127.0.0.1:9".into(),
            group_id: "test".into(),
            create_topics: true,
            options: Vec::new(),
            secret_options: Vec::new(),
            secret_files: Vec::new(),
            credentials: Credentials::default(),
        },
        input: Input { topics: vec!["in".into()], options: Vec::new(), unjudged: Vec::new() },
        output: Output {
            topic: "out".into(),
            lines: Lines::All,
            place: Place::Value,
            refused_time: RefusedTime::DeadLetter,
            source_header_on_all: false,
            header_limit: 16 << 10,
            record_limit: None,
            options: Vec::new(),
        },
        delivery: Delivery {
            mode: Mode::AtLeastOnce,
            instance: "test".into(),
            in_flight: 10_000,
            commit_interval: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(5),
            workers: 1,
        },
        state: None,
        dead_letter: None,
        alerts: None,
        roles: Roles::default(),
        looked_at: 1000,
        memory_limit: None,
    }
}

/// The shipped packs, compiled.
#[cfg(test)]
pub(crate) fn test_engine() -> Engine {
    let (packs, _) = crate::pack::parse(&crate::pack::builtin());
    Engine::new(packs.expect("the shipped packs are sound"), crate::engine::Settings::default()).expect("few phrases")
}
