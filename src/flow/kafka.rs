//! The only place that names the Kafka client: a source of lines, a sink for records, and the topics they need.
//!
//! `source` is one member of the consumer group (its commits run in `committer`, what it reads beside the lines in
//! `lookup`), `sink` one idempotent producer (its transactions run in `transactor`), `topics` what is looked up and
//! created before the first line, `clients` what librdkafka is told; `options` knows its settings, `probe` tries the
//! way to the brokers for `config check`; `topic_ids` sees a topic that was made anew under its name (`readings`,
//! `recreated`), which is told by what was committed (`topic_id`); `topic_settings` asks which records a topic takes, `limits` does so again and again; `reader` and `survey` read topics from end to end
//! for `verify`, `letters` reads dead letters and sends them again. Each worker owns one source, and one sink or two,
//! and is the only thread that calls them.

mod asking;
pub(crate) mod clients;
mod committer;
pub(crate) mod inputs;
pub mod known;
pub(crate) mod letters;
pub(crate) mod limits;
pub(crate) mod lookup;
pub(crate) mod options;
mod positions;
pub mod probe;
pub(crate) mod raw;
pub(crate) mod reader;
mod readings;
mod recreated;
pub(crate) mod sink;
pub(crate) mod source;
mod statistics;
pub(crate) mod survey;
mod topic_id;
pub(crate) mod topic_ids;
mod topic_settings;
pub(crate) mod topics;
mod transactor;
mod trimmer;

pub use options::OWNED_OPTIONS;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rdkafka::config::RDKafkaLogLevel;
/// What a broker, or the client itself, says is wrong.
pub(crate) use rdkafka::error::RDKafkaErrorCode as Code;

use crate::telemetry::{Seldom, foreign};

/// Version of the C library underneath.
pub(crate) fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// Whether a refused commit says that the group has gone on without us. An illegal generation does not: the next one
/// may be on its way.
pub(crate) fn means_lost(code: Code) -> bool {
    matches!(code, Code::UnknownMemberId | Code::FencedInstanceId | Code::FencedMemberEpoch | Code::StaleMemberEpoch)
}

/// The last thing that a client said about its connections: what turns "timed out" into a sentence that helps.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastWord(Arc<Mutex<String>>);

impl LastWord {
    fn say(&self, code: Option<Code>, reason: &str) {
        // "All brokers down" follows the reason and explains nothing.
        if code != Some(Code::AllBrokersDown) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = foreign(reason.as_bytes());
        }
    }

    /// `: reason`, or nothing.
    pub(crate) fn suffix(&self) -> String {
        let word = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if word.is_empty() { String::new() } else { format!(": {word}") }
    }
}

/// An error that a client tells beside its calls.
fn complain(what: &str, code: Option<Code>, reason: &str) {
    let code = code.map_or_else(|| "none".to_owned(), |code| format!("{code:?}"));
    if let Some(kept_back) = again(&format!("{what}/{code}")) {
        tracing::warn!(target: "librdkafka", code, kept_back, "{what}: {}", foreign(reason.as_bytes()));
    }
}

/// How often complaints of this kind were kept back, when one is to be made now. Kinds are few: facilities and error codes.
fn again(kind: &str) -> Option<u64> {
    static KINDS: Mutex<BTreeMap<String, Seldom>> = Mutex::new(BTreeMap::new());
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    kinds.entry(kind.to_owned()).or_default().say(Instant::now())
}

/// What librdkafka logs, into our log. What it complains of again and again is counted.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let message = foreign(message.as_bytes());
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            if let Some(kept_back) = again(facility) {
                tracing::error!(target: "librdkafka", facility, kept_back, "{message}");
            }
        }
        RDKafkaLogLevel::Warning => {
            if let Some(kept_back) = again(facility) {
                tracing::warn!(target: "librdkafka", facility, kept_back, "{message}");
            }
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
