//! What librdkafka is told: what delivery rests on, which nobody may change; defaults, which anybody may; and what the
//! configuration adds, common options first, then those of the one side.
//!
//! The defaults keep memory small: librdkafka's own would hold 64 MiB of lines per worker before us and 1 GiB behind.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::topics::Route;
use crate::NAME;
use crate::flow::{Failure, Mode, Settings};

/// Bytes of key and value in flight of one worker, above which nothing more is read.
pub(crate) const WINDOW_BYTES: usize = 16 << 20;
/// The same while brokers hold answers back for long, as quotas have it: what is on its way must come to its end within the
/// time of a transaction.
pub(crate) const THROTTLED_WINDOW_BYTES: usize = 256 << 10;
/// Lines that the ledger of one partition holds, at most, from the oldest unsettled one on. Lines that are left out of
/// the output never enter the window, so while one line waits for the output any number of them could pile up behind it.
pub(crate) const LEDGER_LINES: usize = 1 << 18;
/// `max.poll.interval.ms` unless configured.
const MAX_POLL_INTERVAL_MS: u64 = 60_000;
/// `session.timeout.ms` where the brokers decide it.
const SESSION_TIMEOUT_MS: u64 = 10_000;

/// Bytes of a record batch, where the output topic takes as many: librdkafka's own default.
pub(super) const BATCH_BYTES: usize = 1_000_000;

/// Lines of one worker in flight, at most, however many a transaction may hold: what counts is bytes, unless lines are
/// very short.
pub(crate) const WINDOW_LINES: usize = 100_000;
/// What the client and the ledger keep of a record in flight besides its bytes.
const RECORD_BYTES: usize = 512;
/// `max.in.flight.requests.per.connection` of an idempotent producer.
const REQUESTS_IN_FLIGHT: usize = 5;
/// `fetch.max.bytes` of [`LOOKUP`].
const STATE_FETCH_BYTES: usize = 4 << 20;

/// Changeable, for both sides.
const COMMON: &[(&str, &str)] = &[
    ("client.id", NAME),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.timeout.ms", "30000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("log.connection.close", "false"),
];

/// Changeable, for the consumer.
const CONSUMER: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "3000"),
    ("max.poll.interval.ms", "60000"),
    ("check.crcs", "true"),
    ("queued.min.messages", "5000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.max.bytes", "4194304"),
    // A fetch comes on top of what the queue holds already, and opened it is four or five times as large.
    ("fetch.message.max.bytes", "262144"),
    // Going back, the client first waits for the fetch that is out.
    ("fetch.wait.max.ms", "100"),
    // With a queue this small, librdkafka's full second of waiting when it is full would be most of the time.
    ("fetch.queue.backoff.ms", "5"),
];

/// Changeable, for a consumer beside the stream.
const LOOKUP: &[(&str, &str)] = &[
    ("check.crcs", "true"),
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.max.bytes", "4194304"),
    ("fetch.wait.max.ms", "10"),
    ("fetch.queue.backoff.ms", "5"),
];

/// With `group.protocol=consumer` the broker decides these, and librdkafka refuses them.
const CLASSIC_ONLY: [&str; 3] = ["partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"];

/// Changeable, for the producer.
const PRODUCER: &[(&str, &str)] = &[("compression.type", "lz4"), ("linger.ms", "25")];
/// What `linger.ms` is where the worker itself has records sent, after the time that it would be else.
const LONG_LINGER_MS: &str = "100";
const LINGER: Duration = Duration::from_millis(25);

/// Options of ours that librdkafka knows by another name as well.
const ALIASES: [[&str; 2]; 2] = [["linger.ms", "queue.buffering.max.ms"], ["compression.type", "compression.codec"]];

/// What is common to all clients of `settings`, the configuration's own options of one side on top.
fn client(settings: &Settings, side: &[(&str, &str)], own: &[(String, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    let configured = || settings.kafka.options.iter().chain(own);
    let new_protocol = configured().any(|(key, value)| key == "group.protocol" && value == "consumer");
    for (key, value) in COMMON.iter().chain(side) {
        if !(new_protocol && CLASSIC_ONLY.contains(key)) {
            config.set(*key, *value);
        }
    }
    for (key, value) in configured() {
        // Two names of one option would be set in any order.
        for names in ALIASES.iter().filter(|names| names.contains(&key.as_str())) {
            names.iter().for_each(|name| _ = config.remove(name));
        }
        config.set(key, value);
    }
    config.set("bootstrap.servers", &settings.kafka.bootstrap_servers);
    config.set("allow.auto.create.topics", "false");
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// The effective `max.poll.interval.ms`: a worker that does not ask for lines for longer loses its partitions.
pub(crate) fn max_poll_interval(settings: &Settings) -> Duration {
    let configured = consumer(settings).get("max.poll.interval.ms").and_then(|value| value.parse().ok());
    Duration::from_millis(configured.unwrap_or(MAX_POLL_INTERVAL_MS))
}

/// `transaction.timeout.ms`: the group's session timeout. A worker that is gone for longer has lost its partitions, and
/// what it left open must not keep readers waiting.
pub(crate) fn transaction_timeout(settings: &Settings) -> Duration {
    let session = consumer(settings).get("session.timeout.ms").and_then(|value| value.parse().ok());
    Duration::from_millis(session.unwrap_or(SESSION_TIMEOUT_MS))
}

/// A producer with transactions asks again for what was not answered, but never sooner than this: it waits for
/// `retry.backoff.ms`, give or take a fifth.
pub(crate) const ASKED_TWICE: Duration = Duration::from_millis(RETRY_BACKOFF_MS * 4 / 5);
const RETRY_BACKOFF_MS: u64 = 400;

/// A consumer beside the stream, which is told where to read, joins no group and commits nothing.
pub(crate) fn lookup(settings: &Settings, isolation: &str) -> ClientConfig {
    let mut config = client(settings, LOOKUP, &settings.input.options);
    config
        // From the leader: a copy nearby may not have all of it yet.
        .set("client.rack", "")
        // Without a name of a group the client refuses to be told where to read.
        .set("group.id", &settings.kafka.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true");
    config
}

/// The producer that sends dead letters again for `group`. There is one at a time: a second one stops the first.
pub(crate) fn replayer(settings: &Settings, group: &str) -> ClientConfig {
    let mut config = client(settings, PRODUCER, &settings.output.options);
    config
        .set("transactional.id", group)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.max.bytes", "1000000000");
    config
}

/// A client that only asks: metadata, configurations, watermarks.
pub(crate) fn inquirer(settings: &Settings) -> ClientConfig {
    client(settings, &[], &[])
}

/// One member of the group.
pub(crate) fn consumer(settings: &Settings) -> ClientConfig {
    let mut config = client(settings, CONSUMER, &settings.input.options);
    config
        .set("group.id", &settings.kafka.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "false")
        .set("statistics.interval.ms", "1000")
        .set("topic.blacklist", never_read(&written(settings)));
    config
}

/// The topics that we write.
pub(crate) fn written(settings: &Settings) -> Vec<&str> {
    let others = [&settings.state, &settings.dead_letter].into_iter().flatten();
    let alerts = settings.alerts.iter().flat_map(|alerts| [&alerts.matches, &alerts.topic]);
    std::iter::once(&settings.output.topic).chain(others).chain(alerts).map(String::as_str).collect()
}

/// The topics that are written, and are to be asked about: of an output whose limit is configured nothing is asked.
pub(super) fn asked_about(settings: &Settings) -> Vec<&str> {
    let is_known = |topic: &&str| settings.output.record_limit.is_some() && *topic == settings.output.topic;
    written(settings).into_iter().filter(|topic| !is_known(topic)).collect()
}

/// A reader of any topic, outside of every group: it is given partitions by hand, and commits nothing.
pub(crate) fn reader(settings: &Settings) -> ClientConfig {
    let mut config = consumer(settings);
    for membership in ["topic.blacklist", "group.instance.id", "group.protocol", "group.remote.assignor"] {
        config.remove(membership);
    }
    config.set("enable.partition.eof", "true").set("statistics.interval.ms", "0");
    config
}

/// Topics that a regular expression among the inputs must not match: ours, and Kafka's internal ones.
fn never_read(own: &[&str]) -> String {
    let mut patterns = vec!["^__(consumer_offsets|transaction_state|share_group_state|cluster_metadata)$".to_owned()];
    // Of the characters that a topic name may have, only the dot means something in a regular expression.
    patterns.extend(own.iter().map(|topic| format!("^{}$", topic.replace('.', "[.]"))));
    patterns.join(",")
}

/// The producer of a worker, or one of two that take `turn`s.
pub(crate) fn producer(settings: &Settings, route: &Route, worker: usize, turn: Option<usize>) -> ClientConfig {
    let record_limit = route.record_limit;
    let mut config = client(settings, PRODUCER, &settings.output.options);
    if linger(settings, route).is_some() {
        config.set("linger.ms", LONG_LINGER_MS);
    }
    // One record larger than the limit may still fit once compressed, so the client lets it through and the broker
    // decides; batches of several records always fit, on whichever topic.
    let record_max = record_limit.max(WINDOW_BYTES);
    let queue_kbytes = memory_of_queue(record_limit) / 1024;
    let batch = record_limit.min(route.state_limit).min(route.matches_limit).min(route.alerts_limit).min(BATCH_BYTES);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Whether brokers throttle it is told there alone.
        .set("statistics.interval.ms", "5000")
        .set("message.max.bytes", record_max.min(1_000_000_000).to_string())
        .set("batch.size", batch.to_string())
        .set("queue.buffering.max.kbytes", queue_kbytes.min(2_147_483_647).to_string())
        .set("queue.buffering.max.messages", (4 * settings.delivery.in_flight).to_string());
    match settings.delivery.mode {
        // With a batch that the brokers refuse it ends, so that nothing overtakes what is in there.
        Mode::AtLeastOnce => config.set("message.timeout.ms", "0").set("enable.gapless.guarantee", "true"),
        Mode::ExactlyOnce => {
            let Settings { kafka, delivery, .. } = settings;
            let timeout_ms = transaction_timeout(settings).as_millis().to_string();
            // librdkafka insists that no request outlasts the transaction.
            let socket = config.get("socket.timeout.ms").and_then(|value| value.parse::<u128>().ok());
            if socket.is_none_or(|socket| socket > transaction_timeout(settings).as_millis()) {
                config.set("socket.timeout.ms", &timeout_ms);
            }
            let name = format!("{}/{}/{worker}", kafka.group_id, delivery.instance);
            config
                .set("transactional.id", turn.map_or(name.clone(), |turn| format!("{name}/{turn}")))
                .set("transaction.timeout.ms", &timeout_ms)
                .set("retry.backoff.ms", RETRY_BACKOFF_MS.to_string())
                .set("retry.backoff.max.ms", "1000")
                .set("message.timeout.ms", &timeout_ms)
        }
    };
    config
}

/// Whether what is sent is not compressed.
pub(crate) fn is_plain(settings: &Settings) -> bool {
    let config = client(settings, PRODUCER, &settings.output.options);
    ALIASES[1].iter().filter_map(|name| config.get(name)).any(|codec| codec == "none")
}

/// How long a record lingers in the producer before the worker has it sent. `None` where librdkafka does so by itself: as
/// configured, or because the output has more partitions than requests can be on their way.
pub(crate) fn linger(settings: &Settings, route: &Route) -> Option<Duration> {
    let mut configured = settings.kafka.options.iter().chain(&settings.output.options);
    let is_configured = configured.any(|(key, _)| key == "linger.ms" || key == "queue.buffering.max.ms");
    let requests = REQUESTS_IN_FLIGHT * route.brokers * settings.delivery.workers;
    (!is_configured && route.partitions as usize <= requests).then_some(LINGER)
}

/// Bytes of records that may wait in a producer for who does not bound them himself.
pub(crate) fn memory_of_queue(record_limit: usize) -> usize {
    2 * record_limit.max(WINDOW_BYTES) + WINDOW_BYTES
}

/// Bytes that a worker holds at most, whatever the lag: lines fetched, responses on their way and opened, records in
/// flight and what the client keeps of each, requests being sent, and the reader of the state. A batch that the broker
/// sends is taken whole, and grows when it is opened: one far larger than `fetch.max.bytes` adds itself.
pub(crate) fn memory_of_worker(settings: &Settings, record_limit: usize, brokers: usize) -> usize {
    let consumer = consumer(settings);
    let option = |name: &str| consumer.get(name).and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    let fetched = option("queued.max.messages.kbytes") << 10;
    let fetching = 2 * brokers * option("fetch.max.bytes");
    let window = WINDOW_BYTES + settings.delivery.in_flight.min(WINDOW_LINES) * RECORD_BYTES;
    let sending = brokers * REQUESTS_IN_FLIGHT * record_limit.min(BATCH_BYTES);
    // Records are on their way of one producer at a time, but the allocator keeps for a while what the other one had.
    let other = if settings.delivery.mode == Mode::ExactlyOnce { WINDOW_BYTES + sending } else { 0 };
    let state = if settings.state.is_some() { 2 * STATE_FETCH_BYTES } else { 0 };
    fetched + fetching + window + sending + other + state
}

/// Makes a client as they are now, and lets it go: librdkafka reads certificates and keys when a client is made.
pub(crate) fn try_out(settings: &Settings) -> Result<(), Failure> {
    let made: rdkafka::error::KafkaResult<rdkafka::consumer::BaseConsumer> = inquirer(settings).create();
    made.map(drop).map_err(|error| refused(settings, &error))
}

/// A client that could not be made: an option that librdkafka does not take.
pub(crate) fn refused(settings: &Settings, error: &rdkafka::error::KafkaError) -> Failure {
    use rdkafka::error::KafkaError;
    match error {
        KafkaError::ClientConfig(_, _, key, _) if settings.kafka.secret_options.contains(key) => {
            Failure::config(format!("librdkafka does not take the value given for `{key}`"))
        }
        KafkaError::ClientConfig(_, reason, key, _) => {
            Failure::config(format!("librdkafka does not take the option `{key}`: {}", reason.trim()))
        }
        other => Failure::config(format!("no Kafka client could be made: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::kafka::options;

    fn route(record_limit: usize) -> Route {
        Route {
            partitions: 6,
            record_limit,
            dead_letter_partitions: 1,
            state_limit: 1 << 20,
            matches_partitions: 0,
            matches_limit: 1 << 20,
            alerts_limit: 1 << 20,
            brokers: 1,
        }
    }

    #[test]
    fn what_lingers_is_sent_by_the_worker_where_partitions_are_few() {
        let mut settings = crate::flow::test_settings();
        let told = |settings: &Settings, partitions, brokers| {
            let route = Route { partitions, brokers, ..route(1 << 20) };
            let config = producer(settings, &route, 0, None);
            (linger(settings, &route), config.get("linger.ms").unwrap_or_default().to_owned())
        };
        assert_eq!(told(&settings, 5, 1), (Some(LINGER), "100".to_owned()));
        assert_eq!(told(&settings, 6, 1), (None, "25".to_owned()));
        assert_eq!(told(&settings, 15, 3), (Some(LINGER), "100".to_owned()));
        settings.delivery.workers = 2;
        assert_eq!(told(&settings, 10, 1), (Some(LINGER), "100".to_owned()));
        settings.kafka.options = vec![("queue.buffering.max.ms".into(), "40".into())];
        assert_eq!(told(&settings, 1, 1), (None, String::new()));
        settings.output.options = vec![("linger.ms".into(), "30".into())];
        assert_eq!(told(&settings, 1, 1), (None, "30".to_owned()));
        assert_eq!(producer(&settings, &route(1 << 20), 0, None).get("queue.buffering.max.ms"), None);
    }

    #[test]
    fn what_we_write_is_never_read() {
        let list = never_read(&["logs.enriched"]);
        assert!(list.ends_with(",^logs[.]enriched$"), "{list}");
        assert_eq!(list.split(',').count(), 2);
    }

    #[test]
    fn own_options_are_on_top_but_never_over_ours() {
        let mut settings = crate::flow::test_settings();
        settings.kafka.options = vec![("linger.ms".into(), "50".into())];
        settings.output.options = vec![("linger.ms".into(), "7".into()), ("compression.type".into(), "zstd".into())];
        let config = producer(&settings, &route(1_048_588), 0, None);
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("compression.type"), Some("zstd"));
        assert_eq!(config.get("enable.idempotence"), Some("true"));
        assert_eq!(consumer(&settings).get("linger.ms"), Some("50"));
    }

    #[test]
    fn every_option_we_set_for_good_is_owned() {
        let settings = crate::flow::test_settings();
        let transactional = {
            let mut settings = settings.clone();
            settings.delivery.mode = Mode::ExactlyOnce;
            producer(&settings, &route(1 << 20), 0, None)
        };
        let changeable =
            |key: &str| COMMON.iter().chain(CONSUMER).chain(PRODUCER).chain(LOOKUP).any(|(name, _)| *name == key);
        for config in [consumer(&settings), producer(&settings, &route(1 << 20), 0, None), transactional] {
            for (key, _) in config.config_map() {
                let owned = options::OWNED_OPTIONS.iter().any(|(name, _)| *name == key);
                assert!(owned != changeable(key), "{key}");
            }
        }
    }

    #[test]
    fn batches_fit_the_output_topic() {
        let settings = crate::flow::test_settings();
        assert_eq!(producer(&settings, &route(3000), 0, None).get("batch.size"), Some("3000"));
        assert_eq!(producer(&settings, &route(5 << 20), 0, None).get("batch.size"), Some("1000000"));
    }

    #[test]
    fn the_new_group_protocol_can_be_chosen() {
        let mut settings = crate::flow::test_settings();
        settings.input.options = vec![("group.protocol".into(), "consumer".into())];
        let consumer: Result<rdkafka::consumer::BaseConsumer, _> = consumer(&settings).create();
        assert!(consumer.is_ok(), "{:?}", consumer.err());
    }

    #[test]
    fn librdkafka_takes_all_of_it() {
        let settings = crate::flow::test_settings();
        let mut transactional = settings.clone();
        transactional.delivery.mode = Mode::ExactlyOnce;
        let made: Result<rdkafka::producer::BaseProducer, _> =
            producer(&transactional, &route(1 << 20), 3, None).create();
        assert!(made.is_ok(), "{:?}", made.err());
        for (turn, name) in [(None, "test/test/3"), (Some(1), "test/test/3/1")] {
            assert_eq!(producer(&transactional, &route(1 << 20), 3, turn).get("transactional.id"), Some(name));
        }
        assert!(consumer(&settings).create_native_config().is_ok());
        assert!(lookup(&settings, "read_committed").create_native_config().is_ok());
        assert!(producer(&settings, &route(1 << 20), 0, None).create_native_config().is_ok());
        let mut wrong = settings.clone();
        wrong.kafka.options = vec![("no.such.option".into(), "1".into())];
        let error = consumer(&wrong).create_native_config().err().unwrap();
        assert!(refused(&wrong, &error).message.contains("no.such.option"));
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let mut settings = crate::flow::test_settings();
        settings.kafka.options = vec![("security.protocol".into(), "hunter2".into())];
        let error = consumer(&settings).create_native_config().err().unwrap();
        assert!(refused(&settings, &error).message.contains("hunter2"));
        settings.kafka.secret_options = vec!["security.protocol".into()];
        assert!(!refused(&settings, &error).message.contains("hunter2"));
    }
}
