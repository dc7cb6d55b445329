//! The table of all keys. What the file may hold, the names of the environment twins, the "did you mean" lists,
//! `config show`, `config keys` and the defaults all come from here; a new key is a new row and its use in `resolve`.
//!
//! ```
//! let key = fingerpost::config::keys::find("kafka.group_id").unwrap();
//! assert_eq!(key.variable(), "FINGERPOST_KAFKA_GROUP_ID");
//! ```

use std::time::Duration;

use super::value::Value;
use crate::engine::{DEFAULT_BASE_URL, Limits, Shape};

/// What every environment twin starts with.
pub const PREFIX: &str = "FINGERPOST_";

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Section and name, as in `kafka.group_id`.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds when nobody says anything.
    pub default: Standard,
    /// One line for the person who sets it.
    pub doc: &'static str,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Texts.
    List,
    /// `true` or `false`.
    Boolean,
    /// A whole number, from and to.
    Count(u64, u64),
    /// A size in bytes, from and to.
    Bytes(u64, u64),
    /// A length of time, from and to.
    Duration(Duration, Duration),
    /// The path of a file or directory.
    Path,
    /// The path of a file that holds a secret.
    SecretFile,
}

/// What holds when nobody says anything.
#[derive(Debug, Clone, Copy)]
pub enum Standard {
    /// This text, read as an environment variable would be.
    Is(&'static str),
    /// Nothing, which means this.
    Nothing(&'static str),
    /// The daemon does not start without it.
    Required,
    /// The engine's own bound.
    Limit(fn(&Limits) -> usize),
}

use Kind::{Boolean, Bytes, Choice, Count, List, Path, SecretFile, Text};
use Standard::{Is, Limit, Nothing, Required};

/// What it means that nobody says where a field is.
const ENVELOPE: &str = "where the line's envelope has it";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn key(name: &'static str, kind: Kind, default: Standard, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

/// Every key, in the order in which they are shown.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    key("kafka.bootstrap_servers", List, Required, "Brokers to start from, host:port."),
    key("kafka.group_id", Text, Is("fingerpost"), "Consumer group; daemons of one group share the partitions between them."),
    key("kafka.create_topics", Boolean, Is("true"), "Create the topics that are ours when they are missing."),
    key("kafka.security_protocol", Choice(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]), Is("plaintext"), "How the connection is protected."),
    key("kafka.sasl_mechanism", Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]), Is("PLAIN"), "How the password is proven; used with a sasl_… protocol only."),
    key("kafka.sasl_username", Text, Nothing("no sign-in"), "User name; for IBM Event Streams it is `token`."),
    key("kafka.sasl_password_file", SecretFile, Nothing("no sign-in"), "File that holds the password or API key."),
    key("kafka.ssl_ca_file", Path, Nothing("the system's authorities"), "PEM file of the authorities that may vouch for the brokers."),
    key("kafka.ssl_certificate_file", Path, Nothing("no client certificate"), "PEM file of our own certificate, where the brokers want one."),
    key("kafka.ssl_key_file", SecretFile, Nothing("no client certificate"), "PEM file of that certificate's private key."),
    key("kafka.ssl_key_password_file", SecretFile, Nothing("the key is not encrypted"), "File that holds the private key's password."),
    key("input.topics", List, Required, "Topics to read; a name that starts with ^ is a regular expression."),
    key("input.shape", Choice(&Shape::NAMES), Is("auto"), "Shape of the records; `auto` finds it for each one."),
    key("input.unjudged", List, Is(""), "Lines that go out without being judged, each as `topic:partition:offset`."),
    key("output.topic", Text, Required, "Topic to write."),
    key("output.lines", Choice(&["all", "matched"]), Is("all"), "Which lines are written: all, or only those that a rule matched."),
    key("output.where", Choice(&["value", "headers"]), Is("value"), "Where the finding goes: into the line's JSON, or into headers only."),
    key("output.refused_time", Choice(&["dead_letter", "now"]), Is("dead_letter"), "Lines whose timestamp the output topic refuses: dead letters, or published with the time of now."),
    key("output.source_header", Choice(&["matched", "all"]), Is("matched"), "Which records carry the header fingerpost-source."),
    key("delivery.mode", Choice(&["at_least_once", "exactly_once"]), Is("at_least_once"), "What is promised: no line is lost, and a crash repeats some or, with transactions, none."),
    key("delivery.roles", List, Is("classify,alert"), "What this daemon does: classify lines, count alerts, or both."),
    key("delivery.commit_interval", Kind::Duration(Duration::from_millis(10), Duration::from_secs(600)), Nothing("1s, or 100ms with exactly_once"), "How often settled offsets, or transactions, are committed."),
    key("delivery.shutdown_timeout", Kind::Duration(Duration::from_millis(100), Duration::from_secs(600)), Is("5s"), "How long a stop may take to settle what is under way."),
    key("delivery.workers", Count(1, 64), Is("1"), "Workers of this daemon; each has a thread, a consumer and a producer, or two with exactly_once."),
    key("delivery.in_flight", Count(100, 1_000_000), Nothing("30000, or 300000 with exactly_once"), "Lines of one worker that are published and not committed, at most: what a crash repeats, or one transaction holds."),
    key("delivery.instance", Text, Nothing("a random name at each start"), "Name of this process in its transactions; no two that run may share one."),
    key("state.topic", Text, Nothing("forgotten with the process"), "Topic that keeps what sources said earlier, so that restarts and other daemons know it."),
    key("dead_letter.topic", Text, Nothing("such a line ends the daemon"), "Topic for lines that the output refuses, or at which the classifier fails."),
    key("matches.topic", Text, Nothing("alerts are not counted"), "Topic of the matches that alerts count, so that all daemons count together."),
    key("alerts.topic", Text, Nothing("alerts are not counted"), "Topic of what is firing and what has been resolved."),
    key("alerts.alertmanager", List, Is(""), "Alertmanagers to tell, each with its http:// or https:// address; of a cluster, every one."),
    key("alerts.repeat_interval", Kind::Duration(Duration::from_secs(1), Duration::from_secs(3600)), Is("1m"), "How often an Alertmanager is told again what is firing."),
    key("alerts.lateness", Kind::Duration(Duration::from_secs(300), Duration::from_secs(7 * 24 * 3600)), Is("2h"), "A line so far behind its partition is still counted; what was told before is told otherwise then."),
    key("alerts.found_late", Kind::Duration(Duration::ZERO, Duration::from_secs(24 * 3600)), Is("10m"), "How long Alertmanagers are told that an alert fires which was over before it was found."),
    key("alerts.max_firing", Count(1, 1_000_000), Is("1000"), "Groups of one alert that Alertmanagers are told of; one alert says how many more fire."),
    key("alerts.username", Text, Nothing("no sign-in"), "User name for the Alertmanagers."),
    key("alerts.password_file", SecretFile, Nothing("no sign-in"), "File that holds the password for that user name."),
    key("alerts.token_file", SecretFile, Nothing("no sign-in"), "File that holds the bearer token for the Alertmanagers."),
    key("alerts.ssl_ca_file", Path, Nothing("the system's authorities"), "PEM file of the authorities that may vouch for the Alertmanagers."),
    key("packs.dir", Path, Nothing("the built-in packs"), "Directory of the rule packs (*.toml)."),
    key("packs.watch", Boolean, Is("true"), "Have the system tell at once when that directory changes."),
    key("packs.poll_interval", Kind::Duration(Duration::from_secs(1), Duration::from_secs(3600)), Is("10s"), "How often that directory is looked at all the same."),
    key("packs.load_timeout", Kind::Duration(Duration::from_secs(1), Duration::from_secs(600)), Is("1m"), "How long a reload may take until it is given up; the packs in use stay in use."),
    key("http.listen", Text, Is("127.0.0.1:9640"), "Address of probes, metrics and reload; `off` for none."),
    key("http.hosts", List, Is(""), "Names by which the server may be asked, besides localhost and, where it listens on more than loopback, IP addresses."),
    key("http.token_file", SecretFile, Nothing("reload from this machine only"), "File that holds the token which `POST /-/reload` must bring."),
    key("http.token_paths", List, Is(""), "Paths for which the token must be brought as well: /api, /metrics, or both."),
    key("coverage.lines_per_second", Count(0, 1_000_000), Is("1000"), "Lines of which each worker looks whether they are errors that no rule claims; 0 for none."),
    key("fields.app", List, Nothing(ENVELOPE), "Where a line names its app; the first path that fits is taken."),
    key("fields.source", List, Nothing(ENVELOPE), "Where a line names the process that wrote it."),
    key("fields.region", List, Nothing(ENVELOPE), "Where a line names its region."),
    key("fields.time", List, Nothing(ENVELOPE), "Where a line has its time."),
    key("fields.level", List, Nothing(ENVELOPE), "Where a line has its level."),
    key("levels.trace", List, Nothing("none"), "Words of your house for levels, beside those that everybody knows: here for TRACE."),
    key("levels.debug", List, Nothing("none"), "Words for DEBUG."),
    key("levels.info", List, Nothing("none"), "Words for INFO."),
    key("levels.warn", List, Nothing("none"), "Words for WARN."),
    key("levels.error", List, Nothing("none"), "Words for ERROR."),
    key("levels.fatal", List, Nothing("none"), "Words for FATAL."),
    key("levels.none", List, Nothing("none"), "Words that stand where a level stands and say none."),
    key("escalation.cie", Boolean, Is("false"), "A customer impacting event is on: the escalation lists of alerts go by that."),
    key("escalation.zone", Text, Is("Europe/London"), "Time zone of business hours."),
    key("escalation.days", Text, Is("Mon-Fri"), "Days on which somebody is at work, as in `Mon-Fri` or `Mon,Wed,Fri`."),
    key("escalation.hours", Text, Is("09:00-17:00"), "Hours at which somebody is at work, by the time of the line."),
    key("runbooks.base_url", Text, Is(DEFAULT_BASE_URL), "What the links to the runbooks start with."),
    key("limits.payload", Bytes(KIB, 1024 * MIB), Limit(|limits| limits.payload), "Largest line; a longer one is sent on unread."),
    key("limits.nesting", Count(1, 512), Limit(|limits| limits.nesting), "Levels of JSON, and of JSON inside strings; what lies deeper is not looked at."),
    key("limits.hits", Count(1, 1 << 20), Limit(|limits| limits.hits), "Phrases looked at in one line; further ones are not."),
    key("limits.capture", Bytes(16, 64 * KIB), Limit(|limits| limits.capture), "One captured fact; a longer one is cut."),
    key("limits.work", Count(1, 1 << 20), Limit(|limits| limits.work), "How many times its own length judging a line may cost; what would cost more is not looked at."),
    key("limits.sources", Count(1, 10_000_000), Limit(|limits| limits.sources), "Sources remembered for each partition; the one silent longest is forgotten."),
    key("limits.alert_groups", Count(100, 10_000_000), Is("25000"), "Groups of all alerts, for each partition of the matches topic; beyond it the one soonest over is forgotten."),
    key("limits.alert_memory", Bytes(MIB, 64 * 1024 * MIB), Is("32MiB"), "What those groups take in memory, for each partition of the matches topic."),
    key("limits.label", Bytes(64, 64 * KIB), Is("1KiB"), "One label of an alert; a longer one is cut, and ends in a digest of all of it. All labels of an alert have four times as much together."),
    key("limits.annotation", Bytes(64, MIB), Is("4KiB"), "One annotation of an alert; a longer one is cut. All annotations of an alert have four times as much together."),
    key("limits.memory", Bytes(16 * MIB, 1 << 50), Nothing("it starts whatever it may take"), "Memory above which it refuses to start, when what it may take at most is more."),
    key("limits.header", Bytes(256, MIB), Limit(|limits| limits.header), "The header `fingerpost`; a larger finding is shortened."),
    key("log.level", Text, Is("info"), "What is logged: error, warn, info, debug, trace, or per part as in `warn,fingerpost=debug`."),
    key("log.format", Choice(&["auto", "text", "json"]), Is("auto"), "How it is logged; `auto` is text on a terminal, else JSON."),
];

/// The flags of `run` and `demo` that stand for a key; `--set` reaches all of them.
pub const FLAGS: [(&str, &str); 6] = [
    ("--brokers", "kafka.bootstrap_servers"),
    ("--group", "kafka.group_id"),
    ("--input", "input.topics"),
    ("--output", "output.topic"),
    ("--packs", "packs.dir"),
    ("--roles", "delivery.roles"),
];

/// Tables that are handed to librdkafka.
pub const OPTION_TABLES: [&str; 3] = ["kafka.options", "input.options", "output.options"];

/// The key of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The names of the sections.
pub fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.chunk_by(|a, b| a.section() == b.section()).map(|keys| keys[0].section())
}

/// The key that this environment variable is the twin of.
#[must_use]
pub fn find_variable(variable: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.variable() == variable)
}

impl Key {
    /// What stands before the dot.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// What stands after the dot.
    #[must_use]
    pub fn leaf(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, leaf)| leaf)
    }

    /// The environment twin.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(self.name)
    }

    /// What it means that there is no value.
    #[must_use]
    pub fn absent(&self) -> &'static str {
        match self.default {
            Nothing(means) => means,
            Required => "required",
            Is(_) | Limit(_) => "",
        }
    }

    /// The default as it would stand in the file.
    #[must_use]
    pub fn default_text(&self) -> String {
        self.standard().map_or_else(String::new, |value| value.to_string())
    }

    /// What holds when nobody says anything.
    pub(crate) fn standard(&self) -> Option<Value> {
        match self.default {
            Is(text) => self.kind.parse(&[text.to_owned()]).ok(),
            Nothing(_) | Required => None,
            Limit(limit) => {
                let bound = limit(&Limits::default()) as u64;
                Some(if matches!(self.kind, Bytes(..)) { Value::Bytes(bound) } else { Value::Count(bound) })
            }
        }
    }
}

impl Kind {
    /// What else there is to choose from, for the reference: `; one of …` or `; from … to …`.
    #[must_use]
    pub fn says(self) -> String {
        match self {
            Choice(words) => format!("; one of {}", words.join(", ")),
            Count(..) | Bytes(..) | Kind::Duration(..) => {
                let (from, to) = self.range();
                format!("; from {from} to {to}")
            }
            List => "; in the environment with commas between".to_owned(),
            Text | Boolean | Path | SecretFile => String::new(),
        }
    }
}

/// The environment twin of a dotted name.
#[must_use]
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_its_own_key_takes() {
        for key in KEYS.iter().filter(|key| !matches!(key.default, Nothing(_) | Required)) {
            let value = key.standard().unwrap_or_else(|| panic!("{} has no default", key.name));
            assert!(key.kind.check(value).is_ok(), "{}: default is outside its range", key.name);
        }
    }

    #[test]
    fn the_prefix_is_the_name() {
        assert_eq!(PREFIX, format!("{}_", crate::NAME.to_uppercase()));
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), KEYS.len());
    }
}
