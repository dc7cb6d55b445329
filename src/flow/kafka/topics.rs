//! What must be true before the first line is read: the inputs exist; the topics that we write exist, or are created,
//! with enough partitions; how large their records may be is known; and the brokers can keep what was promised.
//!
//! An input that is named and missing is an error, as a typing mistake would otherwise be a daemon that waits forever;
//! a regular expression may match nothing yet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::topic_settings::TopicSettings;
use super::{LastWord, clients, inputs};
use crate::flow::alerts::Settings as Alerts;
use crate::flow::takes::Told;
use crate::flow::{Failure, Mode, Settings};
use crate::telemetry::foreign;

/// One request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// All attempts to reach the brokers, and to see a topic that was just created.
const START_PATIENCE: Duration = Duration::from_secs(15);
/// Kafka's default of `max.message.bytes`, taken where the broker does not say.
const DEFAULT_RECORD_LIMIT: usize = 1_048_588;

/// Where records go to, as of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// Partitions of the output topic.
    pub(crate) partitions: i32,
    /// Bytes of a record batch that it takes.
    pub(crate) record_limit: usize,
    /// Partitions of the dead-letter topic.
    pub(crate) dead_letter_partitions: i32,
    /// Bytes of a record batch that the state topic takes.
    pub(crate) state_limit: usize,
    /// Partitions of the matches topic; none without one.
    pub(crate) matches_partitions: i32,
    /// Bytes of a record batch that the matches topic takes.
    pub(crate) matches_limit: usize,
    /// Bytes of a record batch that the alerts topic takes.
    pub(crate) alerts_limit: usize,
    /// Brokers of the cluster.
    pub(crate) brokers: usize,
}

/// Partitions of a matches topic that we make: so many members can share the counting. They must never become more,
/// as an alert's group is counted where its key says.
pub(super) const MATCHES_PARTITIONS: i32 = 12;
/// What is kept by key: the latest record of each, for ever.
const COMPACTED: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.2"), ("segment.bytes", "67108864")];

/// Room for what a dead letter's headers add to the line.
const DEAD_LETTER_HEADERS: usize = 16 << 10;

/// The inputs that there are, each with its number of partitions.
type Inputs = Vec<(String, i32)>;

/// Looks the topics up, creates the output when it is missing, and waits for what it needs. Returns what the topics take, and
/// the inputs, too. Blocks for up to half a minute; must not be called on a tokio thread.
pub(crate) fn prepare(settings: &Settings) -> Result<(Route, Told, Inputs), Failure> {
    let inquirer = Inquirer::new(settings)?;
    let (topics, brokers) = inquirer.cluster()?;
    check_inputs(&settings.input.topics, &topics)?;
    let written = clients::written(settings);
    let readable: Vec<Topic> = topics.iter().filter(|topic| !written.contains(&&*topic.name)).cloned().collect();
    let widest = input_partitions(&settings.input.topics, &readable);
    let output = &settings.output.topic;
    let mut route = Route {
        partitions: inquirer.ensure("output", output, widest, &[], &topics)?,
        record_limit: DEFAULT_RECORD_LIMIT,
        dead_letter_partitions: 1,
        state_limit: DEFAULT_RECORD_LIMIT,
        matches_partitions: 0,
        matches_limit: DEFAULT_RECORD_LIMIT,
        alerts_limit: DEFAULT_RECORD_LIMIT,
        brokers,
    };
    if let Some(name) = &settings.state {
        let partitions = inquirer.ensure("state", name, widest, &COMPACTED, &topics)?;
        if let Some(wanted) = widest.filter(|widest| *widest > partitions) {
            inquirer.grow_state(name, partitions, wanted)?;
        }
    }
    if let Some(name) = &settings.dead_letter {
        let largest = inquirer.largest(read_by_name(&settings.input.topics).collect());
        let limit = (largest + DEAD_LETTER_HEADERS).to_string();
        route.dead_letter_partitions =
            inquirer.ensure("dead-letter", name, widest, &[("max.message.bytes", &limit)], &topics)?;
    }
    if let Some(alerts) = &settings.alerts {
        route.matches_partitions = inquirer.ensure_alerts(alerts, &topics)?;
    }
    let found = inquirer.settings_of(&clients::asked_about(settings));
    let told = found.told(settings, Told::default());
    route.limit(settings, told);
    tracing::info!(topic = %output, partitions = route.partitions, record_limit = route.record_limit, "output topic");
    if let Some(alerts) = &settings.alerts {
        warn_of_alerts(alerts, &found);
    }
    if settings.delivery.mode == Mode::ExactlyOnce {
        inquirer.can_keep_exactly_once()?;
    }
    Ok((route, told, inputs::read_of(settings, &topics)))
}

impl Route {
    /// Records may be as large as the topics tell; what they do not tell stays as it is.
    pub(crate) fn limit(&mut self, settings: &Settings, told: Told) {
        self.record_limit = settings.output.record_limit.or(told.output.bytes).unwrap_or(self.record_limit);
        self.state_limit = told.state.bytes.unwrap_or(self.state_limit);
        self.matches_limit = told.matches.bytes.unwrap_or(self.matches_limit);
        self.alerts_limit = told.alerts.bytes.unwrap_or(self.alerts_limit);
    }
}

/// What alerts rest on must be kept, and each record of it be taken.
fn warn_of_alerts(alerts: &Alerts, found: &TopicSettings) {
    let Alerts { matches, topic, .. } = alerts;
    let wanted =
        [(matches, "retention.ms", "-1"), (matches, "cleanup.policy", "delete"), (topic, "cleanup.policy", "compact")];
    for (name, key, wanted) in wanted {
        if let Some(value) = found.text(name, key).filter(|value| *value != wanted) {
            tracing::warn!(topic = %name, "{key} is {value} and should be {wanted}: what alerts rest on may be deleted");
        }
    }
}

fn read_by_name(inputs: &[String]) -> impl Iterator<Item = &str> {
    inputs.iter().map(String::as_str).filter(|input| !is_regex(input))
}

/// Each input partition keeps its state in the state partition of the same number.
pub(super) fn state_too_narrow(topic: &str, partitions: &str, wanted: i32) -> Failure {
    Failure::unavailable(format!(
        "state topic {topic} has {partitions} partitions and the input has {wanted}; it must have as many. With \
         kafka.create_topics the next start sees to it, else give it more with kafka-topics.sh --alter --topic {topic} \
         --partitions {wanted}"
    ))
}

/// A topic that the cluster has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) partitions: i32,
}

/// Every input that is named, not matched, must be there.
pub(super) fn check_inputs(inputs: &[String], topics: &[Topic]) -> Result<(), Failure> {
    let missing = inputs.iter().find(|input| !is_regex(input) && !topics.iter().any(|topic| topic.name == **input));
    let Some(missing) = missing else { return Ok(()) };
    let mut near: Vec<(f64, &str)> = topics
        .iter()
        .filter(|topic| !topic.name.starts_with("__"))
        .map(|topic| (strsim::jaro_winkler(missing, &topic.name), topic.name.as_str()))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    let hint = match near.as_slice() {
        [] => "create it, or name another in input.topics".to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    };
    Err(Failure::unavailable(format!(
        "input topic {missing} does not exist, or may not be seen with these credentials; {hint}"
    )))
}

pub(super) fn is_regex(input: &str) -> bool {
    input.starts_with('^')
}

/// The most partitions that an input has, `None` when there is no input yet.
fn input_partitions(inputs: &[String], topics: &[Topic]) -> Option<i32> {
    // Kafka's own topics are never read, and so have no say, whatever a pattern matches.
    let inputs = topics.iter().filter(|topic| !topic.name.starts_with("__") && reads(inputs, &topic.name));
    inputs.map(|topic| topic.partitions).max()
}

/// Whether one of the inputs means this topic.
pub(super) fn reads(inputs: &[String], name: &str) -> bool {
    inputs.iter().any(|input| match is_regex(input) {
        true => regex::Regex::new(input).is_ok_and(|pattern| pattern.is_match(name)),
        false => input == name,
    })
}

/// What the client says while it is asked.
#[derive(Clone, Default)]
struct Context {
    last_word: LastWord,
    /// Highest version of `TxnOffsetCommit` that a broker speaks; the client tells it in its log only.
    offset_commit: Arc<Mutex<Option<i16>>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some(version) = offset_commit_version(message) {
            *self.offset_commit.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        }
        // Asked to, the client tells everything about the brokers' features; nobody else wants to know.
        if !matches!(level, RDKafkaLogLevel::Debug) {
            super::log(level, facility, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.last_word.say(error.rdkafka_error_code(), reason);
    }
}

/// From `… ApiKey TxnOffsetCommit (28) Versions 0..5`.
fn offset_commit_version(message: &str) -> Option<i16> {
    let (_, versions) = message.split_once("ApiKey TxnOffsetCommit (28) Versions ")?;
    versions.trim().rsplit_once("..")?.1.parse().ok()
}

impl ConsumerContext for Context {}

/// Asks the cluster.
pub(super) struct Inquirer<'s> {
    settings: &'s Settings,
    client: BaseConsumer<Context>,
    admin: AdminClient<Context>,
    context: Context,
    runtime: tokio::runtime::Runtime,
}

impl<'s> Inquirer<'s> {
    pub(super) fn new(settings: &'s Settings) -> Result<Self, Failure> {
        let context = Context::default();
        let refused = |error: KafkaError| clients::refused(settings, &error);
        let config = clients::inquirer(settings);
        let mut talkative = config.clone();
        if settings.delivery.mode == Mode::ExactlyOnce {
            talkative.set("debug", "feature").set_log_level(RDKafkaLogLevel::Debug);
        }
        Ok(Self {
            settings,
            client: talkative.create_with_context(context.clone()).map_err(refused)?,
            admin: config.create_with_context(context.clone()).map_err(refused)?,
            context,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .map_err(|error| Failure::software(format!("no runtime for the start: {error}")))?,
        })
    }

    /// All topics, tried for a while: whoever starts us may start the brokers at the same time.
    pub(super) fn topics(&self) -> Result<Vec<Topic>, Failure> {
        self.cluster().map(|(topics, _)| topics)
    }

    /// All topics, and how many brokers there are.
    fn cluster(&self) -> Result<(Vec<Topic>, usize), Failure> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            // All of them, as asking for one by name may create it.
            let error = match self.client.fetch_metadata(None, PATIENCE) {
                Ok(metadata) => return Ok((topics(&metadata), metadata.brokers().len().max(1))),
                Err(error) => error,
            };
            // Errors and logs of the client come out of poll, one at a time.
            self.listen();
            let brokers = foreign(self.settings.kafka.bootstrap_servers.as_bytes());
            let reason = self.context.last_word.suffix();
            if Instant::now() >= deadline {
                return Err(Failure::unavailable(format!(
                    "no answer from the brokers {brokers} within {} s ({error}){reason}",
                    START_PATIENCE.as_secs()
                )));
            }
            tracing::warn!("no answer from the brokers {brokers} yet ({error}){reason}");
            // An error may come at once, as from a controller's port.
            std::thread::sleep(PAUSE);
        }
    }

    /// Errors and logs of the client come out of poll, one at a time.
    fn listen(&self) {
        for _ in 0..1000 {
            self.client.poll(Duration::ZERO);
        }
    }

    /// The partitions of a topic that we write, which is created when it is missing.
    fn ensure(
        &self,
        what: &str,
        name: &str,
        partitions: Option<i32>,
        config: &[(&str, &str)],
        topics: &[Topic],
    ) -> Result<i32, Failure> {
        match topics.iter().find(|topic| topic.name == name) {
            Some(topic) => Ok(topic.partitions),
            None => self.create(what, name, partitions, config),
        }
    }

    /// The two topics of the alerts; returns the partitions of the matches. What fires is kept in the alerts partition of
    /// the same number.
    fn ensure_alerts(&self, alerts: &Alerts, topics: &[Topic]) -> Result<i32, Failure> {
        let Alerts { matches, topic, .. } = alerts;
        // The times of what is counted may be years old, and must not be a reason to delete it.
        // Only whole segments are removed of what nobody needs.
        let kept = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("segment.bytes", "67108864")];
        let partitions = self.ensure("matches", matches, Some(MATCHES_PARTITIONS), &kept, topics)?;
        let found = self.ensure("alerts", topic, Some(partitions), &COMPACTED, topics)?;
        if found < partitions {
            return Err(Failure::unavailable(format!(
                "alerts topic {topic} has {found} partitions and matches topic {matches} has {partitions}; it must have \
                 as many: give it more with kafka-topics.sh --alter --topic {topic} --partitions {partitions}"
            )));
        }
        Ok(partitions)
    }

    /// Creates a topic and waits until it can be seen. `None` partitions: as the broker has it by default.
    fn create(&self, what: &str, name: &str, partitions: Option<i32>, config: &[(&str, &str)]) -> Result<i32, Failure> {
        let settings = self.settings;
        let command = create_command(&settings.kafka.bootstrap_servers, name, partitions, config);
        if !settings.kafka.create_topics {
            return Err(Failure::unavailable(format!(
                "{what} topic {name} does not exist and kafka.create_topics is false; create it with: {command}"
            )));
        }
        let topic = NewTopic::new(name, partitions.unwrap_or(-1), TopicReplication::Fixed(-1));
        let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(2 * PATIENCE));
        let answer = self.runtime.block_on(self.admin.create_topics([&topic], &options));
        let refused = match answer.map(|results| results.into_iter().next()) {
            Ok(Some(Ok(_)) | None) => None,
            // Another member of the group was quicker.
            Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => None,
            Ok(Some(Err((_, code)))) => Some(code.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = refused {
            return Err(Failure::unavailable(format!(
                "{what} topic {name} does not exist and could not be created ({reason}); create it with: {command}"
            )));
        }
        let seen = self.wait_for(what, name)?;
        tracing::info!(topic = name, partitions = seen, "created the {what} topic");
        Ok(seen)
    }

    /// The input is read and the output written by different clients: they must have found the same brokers. And these
    /// must refuse the offsets of a member that the group has left behind, which they do since 2.5 (KIP-447).
    fn can_keep_exactly_once(&self) -> Result<(), Failure> {
        let cannot = |why: String| {
            Failure::config(format!("delivery.mode = \"exactly_once\" cannot be kept: {why}; use \"at_least_once\""))
        };
        let found = (self.client.client().fetch_cluster_id(PATIENCE), self.admin.inner().fetch_cluster_id(PATIENCE));
        if let (Some(one), Some(other)) = found
            && one != other
        {
            return Err(cannot(format!(
                "kafka.bootstrap_servers names brokers of two clusters ({one} and {other}), and a transaction lives in one"
            )));
        }
        self.listen();
        match *self.context.offset_commit.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(version) if version < 3 => Err(cannot(format!(
                "the brokers speak TxnOffsetCommit {version}, and 3 is needed (Apache Kafka 2.5 or newer)"
            ))),
            Some(_) => Ok(()),
            None => {
                tracing::warn!(
                    "the brokers did not say which version of TxnOffsetCommit they speak; 3 or newer is needed"
                );
                Ok(())
            }
        }
    }

    /// Gives the state topic more partitions, as the input has got more.
    fn grow_state(&self, name: &str, partitions: i32, wanted: i32) -> Result<(), Failure> {
        let narrow = || state_too_narrow(name, &partitions.to_string(), wanted);
        if !self.settings.kafka.create_topics {
            return Err(narrow());
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(2 * PATIENCE));
        let more = NewPartitions::new(name, usize::try_from(wanted).unwrap_or_default());
        let answer = self.runtime.block_on(self.admin.create_partitions([&more], &options));
        if let Err(error) = answer {
            tracing::warn!(topic = name, "more partitions were refused: {error}");
        }
        // Whoever was quicker, and whatever was answered: what counts is what is there.
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            if self.topics()?.iter().any(|topic| topic.name == name && topic.partitions >= wanted) {
                tracing::info!(topic = name, partitions = wanted, "gave the state topic more partitions");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(narrow())
    }

    fn wait_for(&self, what: &str, name: &str) -> Result<i32, Failure> {
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            if let Some(topic) = self.topics()?.into_iter().find(|topic| topic.name == name && topic.partitions > 0) {
                return Ok(topic.partitions);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(Failure::unavailable(format!(
            "{what} topic {name} was created, but could not be seen within {} s",
            START_PATIENCE.as_secs()
        )))
    }

    /// Bytes of a record batch that a topic takes; Kafka's default where it does not tell.
    pub(super) fn record_limit(&self, topic: &str) -> usize {
        self.settings_of(&[topic]).takes(topic).bytes.unwrap_or(DEFAULT_RECORD_LIMIT)
    }

    /// The same of whichever of these takes most.
    fn largest(&self, topics: Vec<&str>) -> usize {
        let found = self.settings_of(&topics);
        topics.iter().filter_map(|topic| found.takes(topic).bytes).max().unwrap_or(DEFAULT_RECORD_LIMIT)
    }

    /// The settings of topics, where they may be read. Not being allowed to is no reason not to start.
    fn settings_of(&self, topics: &[&str]) -> TopicSettings {
        let found = TopicSettings::ask(&self.client, topics, PATIENCE).unwrap_or_else(|error| {
            tracing::warn!("the settings of topics could not be read: {error}");
            TopicSettings::default()
        });
        let missing: Vec<&str> = topics.iter().copied().filter(|topic| !found.tells(topic)).collect();
        if !missing.is_empty() {
            tracing::warn!(
                topics = missing.join(" "),
                "these topics do not tell what they refuse, so it is found out line by line; grant DESCRIBE_CONFIGS on them"
            );
        }
        found
    }
}

pub(super) fn topics(metadata: &Metadata) -> Vec<Topic> {
    metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(|topic| Topic {
            name: topic.name().to_owned(),
            partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
        })
        .collect()
}

/// What to type when the topic may not be created by us.
fn create_command(brokers: &str, topic: &str, partitions: Option<i32>, config: &[(&str, &str)]) -> String {
    let partitions = partitions.map_or_else(String::new, |count| format!(" --partitions {count}"));
    let config: String = config.iter().map(|(key, value)| format!(" --config {key}={value}")).collect();
    format!("kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}{partitions}{config}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Vec<Topic> {
        [("app-logs", 6), ("app-logs.eu", 12), ("metrics", 1), ("__consumer_offsets", 50)]
            .map(|(name, partitions)| Topic { name: name.into(), partitions })
            .to_vec()
    }

    #[test]
    fn a_missing_input_is_named_with_what_is_near() {
        let failure = check_inputs(&["app-log".into()], &cluster()).unwrap_err();
        assert_eq!(
            failure.message,
            "input topic app-log does not exist, or may not be seen with these credentials; \
             did you mean app-logs or app-logs.eu?"
        );
        assert!(check_inputs(&["zzz".into()], &cluster()).unwrap_err().message.contains("create it"));
        assert!(check_inputs(&["^nothing-yet".into(), "metrics".into()], &cluster()).is_ok());
    }

    #[test]
    fn the_version_is_read_from_what_the_client_logs() {
        let line = "[thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/1:   ApiKey TxnOffsetCommit (28) Versions 0..5";
        assert_eq!(offset_commit_version(line), Some(5));
        assert_eq!(offset_commit_version("ApiKey OffsetCommit (8) Versions 2..9"), None);
    }

    #[test]
    fn the_output_gets_the_partitions_of_the_widest_input() {
        assert_eq!(input_partitions(&["app-logs".into(), "metrics".into()], &cluster()), Some(6));
        assert_eq!(input_partitions(&["^app-.*".into()], &cluster()), Some(12));
        assert_eq!(input_partitions(&["^nothing".into()], &cluster()), None);
        assert_eq!(
            create_command("b:9092", "out", Some(6), &[("cleanup.policy", "compact")]),
            "kafka-topics.sh --bootstrap-server b:9092 --create --topic out --partitions 6 --config cleanup.policy=compact"
        );
    }
}
