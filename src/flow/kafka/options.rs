//! librdkafka's own settings: which there are, whose they are, and what librdkafka says to a value.
//!
//! The names are needed for "did you mean" and to hand a setting to the side that knows it; whether a name or a value
//! is good is decided by librdkafka alone, so a newer one with more settings needs no change here.

use rdkafka::config::ClientConfig;
use rdkafka::error::{IsError as _, KafkaError};
use rdkafka::types::RDKafkaConfRes;

/// Who uses a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Consumer and producer.
    Both,
    /// The consumer only.
    Consumer,
    /// The producer only.
    Producer,
}

/// Why librdkafka does not take a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has no such setting.
    Unknown,
    /// It does not like the value; its own words.
    Value(String),
}

/// Settings that Fingerpost decides itself: the name, and the key that decides it or the reason why none does.
pub const OWNED_OPTIONS: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.bootstrap_servers"),
    ("metadata.broker.list", "kafka.bootstrap_servers"),
    ("group.id", "kafka.group_id"),
    ("security.protocol", "kafka.security_protocol"),
    ("sasl.mechanism", "kafka.sasl_mechanism"),
    ("sasl.mechanisms", "kafka.sasl_mechanism"),
    ("sasl.username", "kafka.sasl_username"),
    ("ssl.ca.location", "kafka.ssl_ca_file"),
    ("ssl.certificate.location", "kafka.ssl_certificate_file"),
    ("ssl.key.location", "kafka.ssl_key_file"),
    ("enable.auto.commit", "an offset is committed when its line is on the output, not when a timer says so"),
    ("auto.commit.enable", "an offset is committed when its line is on the output, not when a timer says so"),
    ("auto.commit.interval.ms", "delivery.commit_interval"),
    ("enable.auto.offset.store", "an offset is committed when its line is on the output, not when it was read"),
    ("auto.offset.reset", "lines must not be skipped: a group without offsets starts at the earliest line"),
    ("offset.store.method", "offsets are kept by the broker"),
    ("isolation.level", "lines of aborted transactions are never read"),
    ("enable.partition.eof", "the worker relies on its own value"),
    ("topic.blacklist", "it keeps a regular expression from reading what Fingerpost writes"),
    ("statistics.interval.ms", "lag is told from the statistics, once a second"),
    ("enable.idempotence", "the producer is always idempotent: without, retries would repeat and reorder lines"),
    ("enable.gapless.guarantee", "the worker relies on its own value"),
    ("acks", "every in-sync replica must have a line before its offset is committed"),
    ("request.required.acks", "every in-sync replica must have a line before its offset is committed"),
    ("message.timeout.ms", "a line is never given up"),
    ("delivery.timeout.ms", "a line is never given up"),
    ("retries", "a line is never given up"),
    ("message.send.max.retries", "a line is never given up"),
    ("message.max.bytes", "it follows max.message.bytes of the output topic"),
    ("queue.buffering.max.messages", "the worker bounds the lines in flight"),
    ("queue.buffering.max.kbytes", "the worker bounds the lines in flight"),
    ("partitioner", "a line keeps its partition number"),
    ("transactional.id", "this version does not use transactions"),
    ("transaction.timeout.ms", "this version does not use transactions"),
    ("delivery.report.only.error", "the worker waits for the report of every record"),
    ("allow.auto.create.topics", "kafka.create_topics"),
];

const CONSUMER: &[&str] = &[
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

const PRODUCER: &[&str] = &[
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "linger.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "partitioner",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

const BOTH: &[&str] = &[
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.ssl.certificate.verification",
    "log.connection.close",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.broker.list",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "security.protocol",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.blacklist",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// The names worth suggesting.
pub fn names() -> impl Iterator<Item = &'static str> {
    [CONSUMER, PRODUCER, BOTH].into_iter().flatten().copied()
}

/// True for a name that librdkafka has.
#[must_use]
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Who uses the setting; what is not listed is taken for common.
#[must_use]
pub fn side(name: &str) -> Side {
    if CONSUMER.contains(&name) {
        Side::Consumer
    } else if PRODUCER.contains(&name) {
        Side::Producer
    } else {
        Side::Both
    }
}

/// Asks librdkafka whether it takes the setting, alone. What settings mean together it says when a client is made.
///
/// # Errors
/// Its refusal.
pub fn check(name: &str, value: &str) -> Result<(), Refusal> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => Err(Refusal::Unknown),
        Err(KafkaError::ClientConfig(result, words, ..)) if result.is_error() => Err(Refusal::Value(words)),
        Err(error) => Err(Refusal::Value(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_has_every_listed_name() {
        let native = ClientConfig::new().create_native_config().expect("an empty configuration");
        for name in names() {
            assert!(native.get(name).is_ok(), "librdkafka has no {name}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        assert_eq!(check("linger.ms", "5"), Ok(()));
        assert_eq!(check("lingr.ms", "5"), Err(Refusal::Unknown));
        assert!(matches!(check("linger.ms", "soon"), Err(Refusal::Value(_))));
    }
}
