//! Tries the way to the brokers step by step and says of each step how it went, and what to do where it went wrong.
//!
//! Nothing is written, no group is joined, no topic is created: a probe may run beside the daemon. Each step tells one
//! or more [`Finding`]s as soon as it knows; a step that the others stand on ends the walk when it fails.
//! librdkafka tells why a connection failed in words only, so `explain` knows those words; what it does not know it
//! hands on as it came.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;

use super::topics::MATCHES_PARTITIONS;
use crate::flow::Settings;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should.
    Good,
    /// Cannot be told, or not yet.
    Untried,
    /// Worth a look; the daemon works.
    Doubt,
    /// The daemon would not work.
    Bad,
}

/// What a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it went.
    pub mark: Mark,
    /// What was tried: `broker one:9092`, `topic logs`.
    pub subject: String,
    /// What came of it.
    pub says: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding without a remedy.
    #[must_use]
    pub fn new(mark: Mark, subject: impl Into<String>, says: impl Into<String>) -> Self {
        Self { mark, subject: subject.into(), says: says.into(), fix: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// Walks the way; each step may take this long.
pub fn probe(settings: &Settings, timeout: Duration, report: &mut dyn FnMut(Finding)) {
    let mut reached = false;
    for address in settings.kafka.bootstrap_servers.split(',') {
        let finding = connect(address, timeout);
        reached |= finding.mark == Mark::Good;
        report(finding);
    }
    if !reached {
        return;
    }
    match Prober::connect(settings, timeout) {
        Ok((prober, finding)) => {
            report(finding);
            prober.walk(report);
        }
        Err(finding) => report(finding),
    }
}

fn connect(address: &str, timeout: Duration) -> Finding {
    let subject = format!("broker {address}");
    let resolved: Vec<_> = match address.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Finding::new(Mark::Bad, subject, format!("its name does not resolve: {error}"))
                .fix("mend the host in kafka.bootstrap_servers, or the name service of this machine");
        }
    };
    let mut last = None;
    for socket in &resolved {
        match TcpStream::connect_timeout(socket, timeout) {
            Ok(_) => return Finding::new(Mark::Good, subject, format!("accepts connections ({})", socket.ip())),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
    Finding::new(Mark::Bad, subject, format!("no connection: {why}"))
        .fix("is it the right port, is the broker running, is there a firewall between?")
}

/// Hears what librdkafka says while it connects.
#[derive(Debug, Default)]
struct Ears {
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

/// A connected client and what the cluster said of itself.
struct Prober<'a> {
    settings: &'a Settings,
    timeout: Duration,
    client: BaseConsumer<Ears>,
    cluster: Metadata,
}

impl<'a> Prober<'a> {
    fn connect(settings: &'a Settings, timeout: Duration) -> Result<(Self, Finding), Finding> {
        let config = client_config(settings, timeout);
        let client: BaseConsumer<Ears> = config.create_with_context(Ears::default()).map_err(|error| {
            Finding::new(Mark::Bad, "client", error.to_string()).fix("librdkafka refuses these settings together")
        })?;
        let cluster = fetch(&client, timeout).map_err(|error| failure(&client, &error, settings, timeout))?;
        let protocol = option(settings, "security.protocol").unwrap_or("plaintext").to_owned();
        let how = option(settings, "sasl.mechanisms").map_or(protocol.clone(), |name| format!("{protocol}, {name}"));
        let brokers = cluster.brokers().len();
        let says = format!("{brokers} broker{} answered ({how})", if brokers == 1 { "" } else { "s" });
        let finding = Finding::new(Mark::Good, "cluster", says);
        Ok((Self { settings, timeout, client, cluster }, finding))
    }

    fn walk(&self, report: &mut dyn FnMut(Finding)) {
        let inputs = self.inputs(report);
        for topic in &inputs {
            report(self.readable(topic));
        }
        self.output(&inputs, report);
        let kept = [("state", &self.settings.state), ("dead letters", &self.settings.dead_letter)];
        for (what, name) in kept.into_iter().filter_map(|(what, name)| Some((what, name.as_deref()?))) {
            report(self.kept(what, name, &inputs));
        }
        if let Some(alerts) = &self.settings.alerts {
            let counted =
                self.topic(&alerts.matches).map_or(MATCHES_PARTITIONS as usize, |topic| topic.partitions().len());
            report(self.counted("matches", &alerts.matches, counted));
            report(self.counted("alerts", &alerts.topic, counted));
        }
        report(self.group(&inputs));
    }

    fn topic(&self, name: &str) -> Option<&MetadataTopic> {
        self.cluster.topics().iter().find(|topic| topic.name() == name && topic.error().is_none())
    }

    /// The input topics that there are.
    fn inputs(&self, report: &mut dyn FnMut(Finding)) -> Vec<&MetadataTopic> {
        let mut inputs: Vec<&MetadataTopic> = Vec::new();
        for wanted in &self.settings.input.topics {
            let (found, finding) = if wanted.starts_with('^') { self.fitting(wanted) } else { self.named(wanted) };
            report(finding);
            inputs.extend(found);
        }
        inputs.sort_by_key(|topic| topic.name());
        inputs.dedup_by_key(|topic| topic.name());
        inputs
    }

    fn named(&self, name: &str) -> (Vec<&MetadataTopic>, Finding) {
        let subject = format!("input {name}");
        match self.topic(name) {
            Some(topic) => (vec![topic], Finding::new(Mark::Good, subject, partitions(topic))),
            None => (
                Vec::new(),
                Finding::new(Mark::Bad, subject, "does not exist, or the right Describe on it is missing").fix(
                    format!(
                        "mend input.topics, or allow Describe on {name}, or: {}",
                        create_command(self.settings, name, 6)
                    ),
                ),
            ),
        }
    }

    /// What a pattern finds. The output is left out, as the daemon leaves it out.
    fn fitting(&self, pattern: &str) -> (Vec<&MetadataTopic>, Finding) {
        let subject = format!("input {pattern}");
        let Ok(regex) = Regex::new(pattern) else {
            return (Vec::new(), Finding::new(Mark::Bad, subject, "is no regular expression"));
        };
        let fits = |topic: &&MetadataTopic| regex.is_match(topic.name()) && topic.error().is_none();
        let (own, found): (Vec<_>, Vec<_>) =
            self.cluster.topics().iter().filter(fits).partition(|topic| topic.name() == self.settings.output.topic);
        let left_out = own.first().map_or(String::new(), |topic| format!("; {} is ours and left out", topic.name()));
        if found.is_empty() {
            let says = format!("fits no topic{left_out}");
            let fix = "topics that appear later are found by themselves; if there should be some now, mend the pattern";
            return (found, Finding::new(Mark::Doubt, subject, says).fix(fix));
        }
        let mut names: Vec<_> = found.iter().take(5).map(|topic| topic.name()).collect();
        if found.len() > names.len() {
            names.push("…");
        }
        let says = format!("fits {} ({}){left_out}", counted(found.len(), "topic"), names.join(", "));
        (found, Finding::new(Mark::Good, subject, says))
    }

    /// Reads at the end of a partition, where the broker has nothing to give but its permission.
    fn readable(&self, topic: &MetadataTopic) -> Finding {
        let subject = format!("read {}", topic.name());
        let Some(partition) = topic.partitions().first() else {
            return Finding::new(Mark::Bad, subject, "the topic has no partition");
        };
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(topic.name(), partition.id(), Offset::End)
            .and_then(|()| self.client.assign(&list))
            .and_then(|()| self.read_once(topic.name()));
        let _ = self.client.unassign();
        match assigned {
            Ok(()) => Finding::new(Mark::Good, subject, "allowed"),
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) => {
                Finding::new(Mark::Bad, subject, format!("no answer within {:?}", self.timeout)).fix(self.reach())
            }
            Err(error) => refused(subject, &error, &format!("allow Read on topic {}", topic.name())),
        }
    }

    /// Brokers hand out addresses of their own; that those can be reached is a matter apart from the first connection.
    fn reach(&self) -> String {
        let brokers: Vec<_> =
            self.cluster.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
        format!(
            "the cluster gives {} as its brokers' addresses (advertised.listeners): can they be reached from here?",
            brokers.join(", ")
        )
    }

    /// A record or the end of the partition are equally good news.
    fn read_once(&self, topic: &str) -> KafkaResult<()> {
        let end = Instant::now() + self.timeout;
        while Instant::now() < end {
            match self.client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if rdkafka::Message::topic(&message) == topic => return Ok(()),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if is_refusal(&error) => return Err(error),
                _ => {}
            }
        }
        Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut))
    }

    fn output(&self, inputs: &[&MetadataTopic], report: &mut dyn FnMut(Finding)) {
        let name = &self.settings.output.topic;
        let most = inputs.iter().map(|topic| topic.partitions().len()).max().unwrap_or(1);
        let Some(topic) = self.topic(name) else { return report(self.creatable("output", name, most)) };
        let count = topic.partitions().len();
        let other = inputs.iter().find(|input| input.partitions().len() != count);
        report(match other {
            None => Finding::new(Mark::Good, format!("output {name}"), partitions(topic)),
            Some(input) => {
                let says = format!("{}, but {} has {}", partitions(topic), input.name(), input.partitions().len());
                Finding::new(Mark::Doubt, format!("output {name}"), says).fix(format!(
                    "lines of one partition stay together, at its number modulo {count}; equal counts keep the numbers"
                ))
            }
        });
        self.sizes(inputs, name, report);
        let says = "not tried, as a check writes nothing; the daemon needs the right Write on it";
        report(Finding::new(Mark::Untried, format!("write {name}"), says));
    }

    /// A topic in which something is kept beside the output.
    fn kept(&self, what: &str, name: &str, inputs: &[&MetadataTopic]) -> Finding {
        let most = inputs.iter().map(|topic| topic.partitions().len()).max().unwrap_or(1);
        let Some(topic) = self.topic(name) else { return self.creatable(what, name, most) };
        let (subject, says) = (format!("{what} {name}"), partitions(topic));
        if what != "state" || topic.partitions().len() >= most {
            return Finding::new(Mark::Good, subject, says);
        }
        let says = format!("{says}, and the input has {most}: each keeps its state in the one of its number");
        let (mark, fix) = match self.settings.kafka.create_topics {
            true => (Mark::Doubt, "`run` gives it more at its start".to_owned()),
            false => (Mark::Bad, format!("kafka-topics.sh --alter --topic {name} --partitions {most}")),
        };
        Finding::new(mark, subject, says).fix(fix)
    }

    /// A topic of the alerts, which needs so many partitions.
    fn counted(&self, what: &str, name: &str, partitions_needed: usize) -> Finding {
        let Some(topic) = self.topic(name) else { return self.creatable(what, name, partitions_needed) };
        let (subject, says) = (format!("{what} {name}"), partitions(topic));
        if topic.partitions().len() >= partitions_needed {
            return Finding::new(Mark::Good, subject, says);
        }
        let says = format!(
            "{says}, and the matches topic has {partitions_needed}: what fires is kept in the one of its number"
        );
        let fix = format!("kafka-topics.sh --alter --topic {name} --partitions {partitions_needed}");
        Finding::new(Mark::Bad, subject, says).fix(fix)
    }

    /// Asks the controller whether it would create the topic, without doing it.
    fn creatable(&self, what: &str, name: &str, partitions: usize) -> Finding {
        let subject = format!("{what} {name}");
        let command = create_command(self.settings, name, partitions);
        if !self.settings.kafka.create_topics {
            return Finding::new(Mark::Bad, subject, "does not exist, and kafka.create_topics is false").fix(command);
        }
        let count = i32::try_from(partitions).unwrap_or(1);
        let topic = NewTopic::new(name, count, TopicReplication::Fixed(-1));
        let options = AdminOptions::new().validate_only(true).request_timeout(Some(self.timeout));
        let asked = self
            .admin()
            .and_then(|admin| wait(admin.create_topics([&topic], &options)))
            .map(|mut answers| answers.pop());
        match asked {
            Ok(Some(Ok(_))) => {
                let says = format!("does not exist; `run` would create it with {}", counted(partitions, "partition"));
                Finding::new(Mark::Good, subject, says)
            }
            Ok(Some(Err((_, code)))) => refused(
                subject,
                &KafkaError::AdminOp(code),
                &format!("it does not exist: allow Create on topic {name}, or: {command}"),
            ),
            Ok(None) => Finding::new(
                Mark::Doubt,
                subject,
                "does not exist, and the broker did not say whether it may be created",
            ),
            Err(error) => refused(subject, &error, &command),
        }
    }

    /// A line that fits the input must fit the output, with some room for what is added.
    fn sizes(&self, inputs: &[&MetadataTopic], output: &str, report: &mut dyn FnMut(Finding)) {
        let subject = format!("size {output}");
        let room = self.largest_record(output).ok().flatten();
        let larger = inputs.iter().find_map(|input| {
            let size = self.largest_record(input.name()).ok().flatten()?;
            (Some(size) > room && room.is_some()).then_some((input.name(), size))
        });
        report(match (room, larger) {
            (Some(room), Some((name, size))) => {
                let says = format!("max.message.bytes is {room}, but {name} takes {size}");
                Finding::new(Mark::Doubt, subject, says)
                    .fix(format!("raise max.message.bytes of {output} to {}", size + (16 << 10)))
            }
            (Some(room), None) => Finding::new(Mark::Good, subject, format!("takes records up to {room} bytes")),
            // Without the right DescribeConfigs there is no error, only no answer.
            (None, _) => {
                Finding::new(Mark::Untried, subject, "not told without DescribeConfigs; the daemon does without")
            }
        });
    }

    fn largest_record(&self, topic: &str) -> KafkaResult<Option<u64>> {
        let options = AdminOptions::new().request_timeout(Some(self.timeout));
        let what = [ResourceSpecifier::Topic(topic)];
        let answers = self.admin().and_then(|admin| wait(admin.describe_configs(&what, &options)))?;
        let Some(answer) = answers.into_iter().next() else { return Ok(None) };
        let resource: ConfigResource = answer.map_err(KafkaError::AdminOp)?;
        let text = resource.get("max.message.bytes").and_then(|entry| entry.value.as_deref());
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Asks for the group's offsets, which needs the right to read with it, and joins nothing.
    fn group(&self, inputs: &[&MetadataTopic]) -> Finding {
        let name = &self.settings.kafka.group_id;
        let subject = format!("group {name}");
        let mut list = TopicPartitionList::new();
        for topic in inputs {
            for partition in topic.partitions() {
                list.add_partition(topic.name(), partition.id());
            }
        }
        if list.count() == 0 {
            return Finding::new(Mark::Untried, subject, "not tried: there is no input topic yet");
        }
        match self.client.committed_offsets(list, self.timeout) {
            Ok(offsets) => {
                let all = offsets.count();
                let known =
                    offsets.elements().iter().filter(|element| matches!(element.offset(), Offset::Offset(_))).count();
                let says = match known {
                    0 => "allowed; it has not read anything yet and will start at the earliest line".to_owned(),
                    _ => format!("allowed; has its place in {known} of {}", counted(all, "partition")),
                };
                Finding::new(Mark::Good, subject, says)
            }
            // librdkafka does not tell that a group may not be seen: it goes on asking for the coordinator.
            Err(error) if code(&error) == Some(RDKafkaErrorCode::OperationTimedOut) => {
                Finding::new(Mark::Bad, subject, format!("no answer within {:?}, or not allowed", self.timeout))
                    .fix(format!("allow Read on group {name}"))
            }
            Err(error) => refused(subject, &error, &format!("allow Read on group {name}")),
        }
    }

    fn admin(&self) -> KafkaResult<AdminClient<DefaultClientContext>> {
        let mut config = client_config(self.settings, self.timeout);
        // An admin client would warn of what only consumers know.
        config.remove("group.id").remove("enable.partition.eof").remove("enable.auto.commit");
        self.settings.input.options.iter().for_each(|(name, _)| {
            config.remove(name);
        });
        config.create()
    }
}

/// As the daemon's consumer, but alone: nothing is committed, and the end of a partition is told.
fn client_config(settings: &Settings, timeout: Duration) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in settings.kafka.options.iter().chain(&settings.input.options) {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &settings.kafka.bootstrap_servers)
        .set("group.id", &settings.kafka.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
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
        let hopeless = client.context().cause().is_some_and(|cause| explain(&cause).is_some());
        match answer {
            Err(error) if !hopeless && Instant::now() < end => drop(error),
            answer => return answer,
        }
    }
}

fn failure(client: &BaseConsumer<Ears>, error: &KafkaError, settings: &Settings, timeout: Duration) -> Finding {
    let protocol = option(settings, "security.protocol").unwrap_or("plaintext");
    let subject = format!("cluster ({protocol})");
    let mut cause = client.context().cause().unwrap_or_else(|| error.to_string());
    if cause.contains(UNTRUSTED) && other_name(settings, timeout) {
        cause = OTHER_NAME.to_owned();
    }
    match explain(&cause) {
        Some((says, fix)) => Finding::new(Mark::Bad, subject, format!("{says}{}", offered(&cause))).fix(fix),
        None => Finding::new(Mark::Bad, subject, cause)
            .fix("the port is open, but no Kafka answers there as configured; see kafka.security_protocol"),
    }
}

/// The ways to sign in that the broker named instead, if it named any.
fn offered(cause: &str) -> String {
    let list = cause.split_once("supported mechanisms: ").map_or("", |(_, rest)| rest);
    let list = list.split("(after").next().unwrap_or(list).trim();
    if list.is_empty() { String::new() } else { format!(", only {list}") }
}

/// librdkafka's words for why a connection failed, what they mean, and what to do. The first row whose words all occur
/// counts.
#[rustfmt::skip]
const CAUSES: &[(&[&str], &str, &str)] = &[
    (&[OTHER_NAME], "the broker's certificate is for another host name",
        "use the name that the certificate has in kafka.bootstrap_servers (and in the broker's advertised.listeners)"),
    (&["certificate has expired"], "the broker's certificate has expired", "have it renewed"),
    (&[UNTRUSTED], "nobody whom we trust vouches for the broker's certificate",
        "set kafka.ssl_ca_file to the PEM file of the authority that signed it"),
    (&["bad certificate"], "the broker does not take our certificate",
        "set kafka.ssl_certificate_file and kafka.ssl_key_file to a pair that the broker's authority signed"),
    (&["certificate required"], "the broker wants a certificate of ours", "set kafka.ssl_certificate_file and kafka.ssl_key_file"),
    (&["connecting to a PLAINTEXT broker listener"], NO_TLS, LEAVE_TLS),
    (&["wrong version number"], NO_TLS, LEAVE_TLS),
    (&["packet length too long"], NO_TLS, LEAVE_TLS),
    (&["connecting to a SSL listener"], HANGS_UP, TRY_TLS),
    (&["Disconnected", "in state APIVERSION_QUERY"], HANGS_UP, TRY_TLS),
    (&["Disconnected", "in state UP"], "the broker hangs up after the greeting: most likely it wants a sign-in",
        "set kafka.security_protocol to its sasl_ form, with kafka.sasl_username and kafka.sasl_password_file"),
    (&["supported mechanisms:  ("], "the port wants no sign-in",
        "set kafka.security_protocol to its form without sasl_, and take the kafka.sasl_ keys out"),
    (&["supported mechanisms: "], "the broker does not offer this way to sign in", "set kafka.sasl_mechanism to one that it offers"),
    (&["uthentication fail"], WRONG_PASSWORD, LOOK_AT_PASSWORD),
    (&["SASL authentication error"], WRONG_PASSWORD, LOOK_AT_PASSWORD),
];

const UNTRUSTED: &str = "certificate verify failed";
/// Said by [`other_name`], as librdkafka does not tell it from the former.
const OTHER_NAME: &str = "certificate of another name";
const NO_TLS: &str = "we speak TLS, and the port does not";
const LEAVE_TLS: &str =
    "set kafka.security_protocol to \"plaintext\" (\"sasl_plaintext\" with a sign-in), or use the broker's TLS port";
const HANGS_UP: &str = "the port hangs up at the first word: most likely it speaks TLS, and we do not";
const TRY_TLS: &str =
    "set kafka.security_protocol to \"ssl\" (\"sasl_ssl\" with a sign-in), or use the broker's plaintext port";
const WRONG_PASSWORD: &str = "the broker refuses the user name or the password";
const LOOK_AT_PASSWORD: &str =
    "look at kafka.sasl_username, at the file of kafka.sasl_password_file, and at kafka.sasl_mechanism";

fn explain(words: &str) -> Option<(&'static str, &'static str)> {
    let fits = |parts: &[&str]| parts.iter().all(|part| words.contains(part));
    CAUSES.iter().find(|(parts, ..)| fits(parts)).map(|(_, says, fix)| (*says, *fix))
}

/// Whether the certificate is good but for its name: tried without the look at the name, and without signing in, so that
/// nothing is told to one who might not be ours.
fn other_name(settings: &Settings, timeout: Duration) -> bool {
    let mut config = client_config(settings, timeout);
    for (name, _) in settings.kafka.options.iter().filter(|(name, _)| name.starts_with("sasl.")) {
        config.remove(name);
    }
    config.set("security.protocol", "ssl").set("ssl.endpoint.identification.algorithm", "none");
    let Ok(client) = config.create_with_context::<_, BaseConsumer<Ears>>(Ears::default()) else { return false };
    let answer = fetch(&client, timeout);
    answer.is_ok() || client.context().cause().is_some_and(|cause| !cause.contains(UNTRUSTED))
}

fn refused(subject: String, error: &KafkaError, fix: &str) -> Finding {
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

fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    }
}

fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        code(error),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

fn option<'s>(settings: &'s Settings, name: &str) -> Option<&'s str> {
    settings.kafka.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
}

fn partitions(topic: &MetadataTopic) -> String {
    counted(topic.partitions().len(), "partition")
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn create_command(settings: &Settings, topic: &str, partitions: usize) -> String {
    let server = settings.kafka.bootstrap_servers.split(',').next().unwrap_or_default();
    format!("kafka-topics.sh --bootstrap-server {server} --create --topic {topic} --partitions {partitions}")
}

/// The admin client answers through a future; a check has nothing else to do meanwhile.
fn wait<T>(answer: impl Future<Output = KafkaResult<T>>) -> KafkaResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| KafkaError::AdminOpCreation(error.to_string()))?;
    runtime.block_on(answer)
}
