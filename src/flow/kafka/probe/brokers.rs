//! A connected client, and what the cluster said of itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};

use super::causes::{explain, offered};
use super::finding::{Finding, Mark, counted};
use crate::flow::Settings;
use crate::flow::kafka::topic_settings::TopicSettings;

/// Hears what librdkafka says while it connects.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    heard: Mutex<Vec<String>>,
}

impl Ears {
    fn hear(&self, words: &str) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(words.to_owned());
    }

    /// The most telling of what was heard so far: a cause that [`explain`] knows, else the last words.
    fn cause(&self) -> Option<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().find(|words| explain(words).is_some()).or_else(|| heard.last()).cloned()
    }
}

impl ClientContext for Ears {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            self.hear(message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers down" follows the cause and explains nothing.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.hear(reason);
        }
    }
}

impl ConsumerContext for Ears {}

/// See the top of the file.
pub(crate) struct Brokers<'a> {
    pub(crate) settings: &'a Settings,
    /// How long each step may take.
    pub(crate) timeout: Duration,
    pub(crate) client: BaseConsumer<Ears>,
    cluster: Metadata,
}

impl<'a> Brokers<'a> {
    pub(crate) fn connect(settings: &'a Settings, timeout: Duration) -> Result<(Self, Finding), Finding> {
        let config = client_config(settings, timeout);
        let client: BaseConsumer<Ears> = config.create_with_context(Ears::default()).map_err(|error| {
            Finding::new(Mark::Bad, "client", error.to_string()).fix("librdkafka refuses these settings together")
        })?;
        let cluster = fetch(&client, timeout).map_err(|error| failure(&client, &error, settings))?;
        let protocol = option(settings, "security.protocol").unwrap_or("plaintext").to_owned();
        let how = option(settings, "sasl.mechanisms").map_or(protocol.clone(), |name| format!("{protocol}, {name}"));
        let says = format!("{} answered ({how})", counted(cluster.brokers().len(), "broker"));
        let finding = Finding::new(Mark::Good, "cluster", says);
        Ok((Self { settings, timeout, client, cluster }, finding))
    }

    /// A topic that is there, and may be seen.
    pub(crate) fn topic(&self, name: &str) -> Option<&MetadataTopic> {
        self.topics().find(|topic| topic.name() == name)
    }

    /// All topics that may be seen.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &MetadataTopic> {
        self.cluster.topics().iter().filter(|topic| topic.error().is_none())
    }

    /// The addresses that the brokers give out as their own, but for those that are configured.
    pub(crate) fn other_addresses(&self) -> Vec<String> {
        let configured: Vec<&str> = self.settings.kafka.bootstrap_servers.split(',').collect();
        let all = self.cluster.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port()));
        all.filter(|address| !configured.contains(&address.as_str())).collect()
    }

    /// The settings of topics, as far as they are told.
    pub(crate) fn topic_settings(&self, topics: &[&str]) -> TopicSettings {
        TopicSettings::ask(&self.client, topics, self.timeout).unwrap_or_default()
    }

    pub(crate) fn admin(&self) -> KafkaResult<AdminClient<DefaultClientContext>> {
        let mut config = client_config(self.settings, self.timeout);
        // An admin client would warn of what only consumers know.
        config.remove("group.id").remove("enable.partition.eof").remove("enable.auto.commit");
        self.settings.input.options.iter().for_each(|(name, _)| {
            config.remove(name);
        });
        config.create()
    }

    /// Of several brokers, one is as good as the other for a command line.
    pub(crate) fn first_address(&self) -> &str {
        self.settings.kafka.bootstrap_servers.split(',').next().unwrap_or_default()
    }
}

/// As the daemon's consumer, but alone: nothing is committed, and the end of a partition is told.
fn client_config(settings: &Settings, timeout: Duration) -> ClientConfig {
    let mut config = plain_config(settings, timeout);
    for (name, value) in &settings.input.options {
        config.set(name, value);
    }
    config
        .set("group.id", &settings.kafka.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true");
    config
}

/// What all clients of a probe have.
pub(crate) fn plain_config(settings: &Settings, timeout: Duration) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in &settings.kafka.options {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &settings.kafka.bootstrap_servers)
        .set("socket.connection.setup.timeout.ms", timeout.as_millis().clamp(1000, 30_000).to_string());
    // That a broker hangs up, and at which moment, is told no louder than this.
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// Asks for the cluster's description until it comes, the cause why it will not is known, or the time is over.
fn fetch(client: &BaseConsumer<Ears>, timeout: Duration) -> KafkaResult<Metadata> {
    let end = Instant::now() + timeout;
    loop {
        let answer = client.fetch_metadata(None, Duration::from_secs(1).min(timeout));
        // Errors are told to whoever polls.
        while client.poll(Duration::from_millis(50)).is_some() {}
        let is_known = |words: String| explain(&words).is_some();
        let told = answer.as_ref().err().is_some_and(|error| is_known(error.to_string()));
        let hopeless = told || client.context().cause().is_some_and(is_known);
        match answer {
            Err(error) if !hopeless && Instant::now() < end => drop(error),
            answer => return answer,
        }
    }
}

fn failure(client: &BaseConsumer<Ears>, error: &KafkaError, settings: &Settings) -> Finding {
    let protocol = option(settings, "security.protocol").unwrap_or("plaintext");
    let subject = format!("cluster ({protocol})");
    let told = error.to_string();
    let cause = client.context().cause().filter(|_| explain(&told).is_none()).unwrap_or(told);
    match explain(&cause) {
        Some((says, fix)) => Finding::new(Mark::Bad, subject, format!("{says}{}", offered(&cause))).fix(fix),
        None => Finding::new(Mark::Bad, subject, cause)
            .fix("the port is open, but no Kafka answers there as configured; see kafka.security_protocol"),
    }
}

/// A librdkafka setting of both sides.
pub(crate) fn option<'s>(settings: &'s Settings, name: &str) -> Option<&'s str> {
    settings.kafka.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
}

/// Whether connections are to have TLS.
pub(crate) fn has_tls(settings: &Settings) -> bool {
    option(settings, "security.protocol").is_some_and(|protocol| protocol.ends_with("ssl"))
}

/// What is wrong, in a word for what is merely not allowed.
pub(crate) fn refused(subject: String, error: &KafkaError, fix: &str) -> Finding {
    let says = match code(error) {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => "not allowed".to_owned(),
        Some(code) => code.to_string(),
        None => error.to_string(),
    };
    Finding::new(Mark::Bad, subject, says).fix(fix)
}

pub(crate) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    }
}

/// The admin client answers through a future; a check has nothing else to do meanwhile.
pub(crate) fn wait<T>(answer: impl Future<Output = KafkaResult<T>>) -> KafkaResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| KafkaError::AdminOpCreation(error.to_string()))?;
    runtime.block_on(answer)
}
