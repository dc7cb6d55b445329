//! What must be true of the topics before the first line is read: the inputs exist, the output exists or is created,
//! and how large its records may be is known.
//!
//! An input that is named and missing is an error, as a typing mistake would otherwise be a daemon that waits forever;
//! a regular expression may match nothing yet.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::{LastWord, clients};
use crate::flow::{Failure, Settings};
use crate::telemetry::foreign;

/// One request.
const PATIENCE: Duration = Duration::from_secs(5);
/// All attempts to reach the brokers, and to see a topic that was just created.
const START_PATIENCE: Duration = Duration::from_secs(15);
/// Kafka's default of `max.message.bytes`, taken where the broker does not say.
const DEFAULT_RECORD_LIMIT: usize = 1_048_588;

/// Where records go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// Partitions of the output topic.
    pub(crate) partitions: i32,
    /// Bytes of a record batch that it takes.
    pub(crate) record_limit: usize,
}

/// Looks the topics up, creates the output when it is missing, and waits for what it needs. Blocks for up to half a
/// minute; must not be called on a tokio thread.
pub(crate) fn prepare(settings: &Settings) -> Result<Route, Failure> {
    let inquirer = Inquirer::new(settings)?;
    let topics = inquirer.topics()?;
    check_inputs(&settings.input.topics, &topics)?;
    let output = &settings.output.topic;
    let partitions = match topics.iter().find(|topic| topic.name == *output) {
        Some(topic) => topic.partitions,
        None => inquirer.create_output(settings, input_partitions(&settings.input.topics, &topics))?,
    };
    let record_limit = settings.output.record_limit.unwrap_or_else(|| inquirer.record_limit(output));
    tracing::info!(topic = %output, partitions, record_limit, "output topic");
    Ok(Route { partitions, record_limit })
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
    let reads = |name: &str| {
        inputs.iter().any(|input| match is_regex(input) {
            true => regex::Regex::new(input).is_ok_and(|pattern| pattern.is_match(name)),
            false => input == name,
        })
    };
    // Kafka's own topics are never read, and so have no say, whatever a pattern matches.
    let inputs = topics.iter().filter(|topic| !topic.name.starts_with("__") && reads(&topic.name));
    inputs.map(|topic| topic.partitions).max()
}

struct Context(LastWord);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.say(&error, reason);
    }
}

impl ConsumerContext for Context {}

/// Asks the cluster.
pub(super) struct Inquirer<'s> {
    settings: &'s Settings,
    client: BaseConsumer<Context>,
    admin: AdminClient<Context>,
    last_word: LastWord,
    runtime: tokio::runtime::Runtime,
}

impl<'s> Inquirer<'s> {
    pub(super) fn new(settings: &'s Settings) -> Result<Self, Failure> {
        let last_word = LastWord::default();
        let refused = |error: KafkaError| clients::refused(settings, &error);
        let config = clients::inquirer(settings);
        Ok(Self {
            settings,
            client: config.create_with_context(Context(last_word.clone())).map_err(refused)?,
            admin: config.create_with_context(Context(last_word.clone())).map_err(refused)?,
            last_word,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .map_err(|error| Failure::software(format!("no runtime for the start: {error}")))?,
        })
    }

    /// All topics, tried for a while: whoever starts us may start the brokers at the same time.
    pub(super) fn topics(&self) -> Result<Vec<Topic>, Failure> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            // All of them, as asking for one by name may create it.
            let error = match self.client.fetch_metadata(None, PATIENCE) {
                Ok(metadata) => return Ok(topics(&metadata)),
                Err(error) => error,
            };
            // Errors and logs of the client come out of poll, one at a time.
            for _ in 0..100 {
                self.client.poll(Duration::ZERO);
            }
            let brokers = foreign(self.settings.kafka.bootstrap_servers.as_bytes());
            let reason = self.last_word.suffix();
            if Instant::now() >= deadline {
                return Err(Failure::unavailable(format!(
                    "no answer from the brokers {brokers} within {} s ({error}){reason}",
                    START_PATIENCE.as_secs()
                )));
            }
            tracing::warn!("no answer from the brokers {brokers} yet ({error}){reason}");
        }
    }

    /// Creates the output topic and waits until it can be seen. `None` partitions: as the broker has it by default.
    fn create_output(&self, settings: &Settings, partitions: Option<i32>) -> Result<i32, Failure> {
        let name = settings.output.topic.as_str();
        let count = partitions.unwrap_or(-1);
        let command = create_command(&settings.kafka.bootstrap_servers, name, partitions);
        if !settings.kafka.create_topics {
            return Err(Failure::unavailable(format!(
                "output topic {name} does not exist and kafka.create_topics is false; create it with: {command}"
            )));
        }
        let topic = NewTopic::new(name, count, TopicReplication::Fixed(-1));
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
                "output topic {name} does not exist and could not be created ({reason}); create it with: {command}"
            )));
        }
        let seen = self.wait_for(name)?;
        tracing::info!(topic = name, partitions = seen, "created the output topic");
        Ok(seen)
    }

    fn wait_for(&self, name: &str) -> Result<i32, Failure> {
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            if let Some(topic) = self.topics()?.into_iter().find(|topic| topic.name == name && topic.partitions > 0) {
                return Ok(topic.partitions);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(Failure::unavailable(format!(
            "output topic {name} was created, but could not be seen within {} s",
            START_PATIENCE.as_secs()
        )))
    }

    /// `max.message.bytes` of the output topic. Not being allowed to read it is no reason not to start.
    pub(super) fn record_limit(&self, topic: &str) -> usize {
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let answer = self.runtime.block_on(self.admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options));
        let found = match answer.map(|resources| resources.into_iter().next()) {
            Ok(Some(Ok(resource))) => {
                resource.get("max.message.bytes").and_then(|entry| entry.value.as_ref()?.parse().ok())
            }
            Ok(Some(Err(code))) => {
                tracing::warn!(topic, "max.message.bytes could not be read: {code}");
                None
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(topic, "max.message.bytes could not be read: {error}");
                None
            }
        };
        found.unwrap_or(DEFAULT_RECORD_LIMIT)
    }
}

fn topics(metadata: &Metadata) -> Vec<Topic> {
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
fn create_command(brokers: &str, topic: &str, partitions: Option<i32>) -> String {
    let partitions = partitions.map_or_else(String::new, |count| format!(" --partitions {count}"));
    format!("kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic}{partitions}")
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
    fn the_output_gets_the_partitions_of_the_widest_input() {
        assert_eq!(input_partitions(&["app-logs".into(), "metrics".into()], &cluster()), Some(6));
        assert_eq!(input_partitions(&["^app-.*".into()], &cluster()), Some(12));
        assert_eq!(input_partitions(&["^nothing".into()], &cluster()), None);
        assert_eq!(
            create_command("b:9092", "out", Some(6)),
            "kafka-topics.sh --bootstrap-server b:9092 --create --topic out --partitions 6"
        );
    }
}
