//! What the two librdkafka candidates and the feed tell librdkafka.
//!
//! The pass-through and the bare consumer are set exactly as the daemon sets its own clients, down to queue and fetch
//! sizes: the ratio should tell what the daemon's own work costs, not who chose the better numbers. [`check`] reads the
//! daemon's source to see that this is still so.

use anyhow::{Result, ensure};

/// The daemon's own file.
const DAEMON: &str = include_str!("../../src/flow/kafka/clients.rs");

/// An option of librdkafka and its value.
pub(crate) type Setting = (&'static str, &'static str);

/// The daemon's defaults for both sides.
pub(crate) const COMMON: &[Setting] = &[
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.timeout.ms", "30000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("log.connection.close", "false"),
];

/// The daemon's defaults for its consumer.
pub(crate) const CONSUMER: &[Setting] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "3000"),
    ("max.poll.interval.ms", "60000"),
    ("check.crcs", "true"),
    ("queued.min.messages", "5000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.max.bytes", "4194304"),
    ("fetch.message.max.bytes", "262144"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.queue.backoff.ms", "5"),
    ("isolation.level", "read_committed"),
    ("enable.auto.offset.store", "false"),
];

/// The daemon's defaults for its producer.
pub(crate) const PRODUCER: &[Setting] =
    &[("compression.type", "lz4"), ("linger.ms", "25"), ("enable.idempotence", "true"), ("acks", "all")];

/// What the daemon's producer works out from its window of 16 MiB and 10,000 lines in flight, at least once, where the
/// output takes record batches of Kafka's usual megabyte.
pub(crate) const WINDOW: &[Setting] = &[
    ("message.timeout.ms", "0"),
    ("message.max.bytes", "16777216"),
    ("batch.size", "1000000"),
    ("queue.buffering.max.kbytes", "49152"),
    ("queue.buffering.max.messages", "40000"),
];

/// How the two commit: once a second like the daemon, from the earliest record on.
pub(crate) const COMMITS: &[Setting] =
    &[("enable.auto.commit", "true"), ("auto.commit.interval.ms", "1000"), ("auto.offset.reset", "earliest")];

/// How the input is written: batches of about 300 lines, as collectors on many nodes make them. They linger until they
/// are full, so that they are as large with 48 partitions as with one.
pub(crate) const FEED: &[Setting] = &[
    ("compression.type", "lz4"),
    ("linger.ms", "500"),
    ("batch.size", "131072"),
    ("enable.idempotence", "true"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "200000"),
];

/// Whether the daemon still has the settings that are written down here.
///
/// # Errors
/// Names the first one that it has no longer.
pub(crate) fn check() -> Result<()> {
    for (key, value) in [COMMON, CONSUMER, PRODUCER].concat() {
        let row = format!("(\"{key}\", \"{value}\")");
        ensure!(
            DAEMON.contains(&row),
            "the daemon sets {key} to something else than {value}: change it in benches/pipeline/settings.rs as well"
        );
    }
    for (key, value) in WINDOW {
        ensure!(DAEMON.contains(&format!("\"{key}\"")), "the daemon no longer sets {key}, the bench says {value}");
    }
    Ok(())
}
