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
        for name in names() {
            assert_ne!(check(name, "0"), Err(Refusal::Unknown), "librdkafka has no {name}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        assert_eq!(check("linger.ms", "5"), Ok(()));
        assert_eq!(check("lingr.ms", "5"), Err(Refusal::Unknown));
        assert!(matches!(check("linger.ms", "soon"), Err(Refusal::Value(_))));
    }
}
