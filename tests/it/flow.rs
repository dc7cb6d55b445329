//! The flow on the Kafka client's own mock cluster: what can be shown without a broker, refusals above all, which a real
//! broker does not make on demand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost::cli::packs;
use fingerpost::engine::{Engine, Settings as Judging};
use fingerpost::flow::{self, End, Failure, FailureKind, Flow, PacksFrom, Status};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use crate::stage::PATIENCE;

struct Mock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    address: String,
}

impl Mock {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let address = cluster.bootstrap_servers();
        for topic in ["in", "out"] {
            cluster.create_topic(topic, 2, 1).unwrap();
        }
        Self { cluster, address }
    }

    fn settings(&self) -> flow::Settings {
        flow::Settings {
            kafka: flow::Kafka {
                bootstrap_servers: self.address.clone(),
                group_id: "group".into(),
                create_topics: false,
                options: Vec::new(),
                secret_options: Vec::new(),
                secret_files: Vec::new(),
                credentials: fingerpost::flow::Credentials::default(),
            },
            input: flow::Input { topics: vec!["in".into()], options: Vec::new(), unjudged: Vec::new() },
            output: flow::Output {
                topic: "out".into(),
                lines: flow::Lines::All,
                place: flow::Place::Value,
                refused_time: flow::RefusedTime::DeadLetter,
                source_header_on_all: false,
                header_limit: 16 << 10,
                // The mock cluster knows no topic configuration; asking for it would take a while.
                record_limit: Some(1_048_588),
                options: Vec::new(),
            },
            delivery: flow::Delivery {
                mode: flow::Mode::AtLeastOnce,
                instance: "test".into(),
                in_flight: 10_000,
                commit_interval: Duration::from_millis(100),
                // On a busy machine the five seconds of the default are soon over.
                shutdown_timeout: Duration::from_secs(30),
                workers: 1,
            },
            state: None,
            dead_letter: None,
            alerts: None,
            roles: flow::Roles::default(),
            looked_at: 1000,
            memory_limit: None,
        }
    }

    fn start(&self, settings: &flow::Settings) -> Result<Flow, Failure> {
        let (_, rules) = tokio::sync::watch::channel(engine());
        flow::start(&rules, settings, Arc::new(Status::default()))
    }

    /// `count` lines, on the two partitions in turn.
    fn produce(&self, count: usize) {
        let producer: BaseProducer = self.client().create().unwrap();
        for n in 0..count {
            let line = format!(r#"{{"n":{n}}}"#);
            let record = BaseRecord::<str, str>::to("in").partition((n % 2) as i32).payload(&line);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(120)).unwrap();
    }

    fn output(&self, count: usize) -> Vec<Vec<String>> {
        let consumer: BaseConsumer = self.client().set("group.id", "reader").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..2 {
            list.add_partition_offset("out", partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut lines = vec![Vec::new(); 2];
        let deadline = Instant::now() + PATIENCE;
        while lines.iter().map(Vec::len).sum::<usize>() < count {
            assert!(Instant::now() < deadline, "{lines:?}");
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.unwrap();
                let text = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                lines[message.partition() as usize].push(text);
            }
        }
        lines
    }

    /// What the group has committed, for each partition of the input.
    fn committed(&self, group: &str) -> Vec<Option<i64>> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_range("in", 0, 1);
        let Ok(found) = consumer.committed_offsets(list, PATIENCE) else { return Vec::new() };
        let offset = |partition| match found.find_partition("in", partition)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        vec![offset(0), offset(1)]
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }
}

fn engine() -> Arc<Engine> {
    Arc::new(packs::load(&PacksFrom::Builtin, Judging::default()).unwrap().engine)
}

fn wait_published(flow: &Flow, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while flow.status().counts().published < count {
        assert!(Instant::now() < deadline, "{:?}", flow.status().counts());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn expected(count: usize) -> Vec<Vec<String>> {
    let own = |partition| (partition..count).step_by(2).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    vec![own(0), own(1)]
}

#[test]
fn lines_pass_in_order_and_a_stop_drains() {
    let mock = Mock::new();
    mock.produce(500);
    let flow = mock.start(&mock.settings()).unwrap();
    wait_published(&flow, 500);
    assert_eq!(flow.status().unready(), None);
    flow.stopper().stop();
    let status = flow.status().clone();
    assert!(matches!(flow.wait(), End::Drained));
    assert_eq!((status.counts().read, status.counts().matched), (500, 0));
    assert_eq!(mock.output(500), expected(500));

    // The group goes on where it was, in another process or this one.
    mock.produce(10);
    let flow = mock.start(&mock.settings()).unwrap();
    wait_published(&flow, 10);
    flow.stopper().stop();
    assert!(matches!(flow.wait(), End::Drained));
    assert_eq!(mock.output(510).concat().len(), 510);
}

#[test]
fn passing_troubles_of_the_output_cost_nothing() {
    let mock = Mock::new();
    let trouble = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    ];
    mock.produce(500);
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &trouble);
    let flow = mock.start(&mock.settings()).unwrap();
    wait_published(&flow, 500);
    flow.stopper().stop();
    assert!(matches!(flow.wait(), End::Drained));
    assert_eq!(mock.output(500), expected(500));
}

#[test]
fn a_commit_that_the_group_refuses_is_made_good() {
    let mock = Mock::new();
    mock.produce(100);
    mock.cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        ],
    );
    let settings = mock.settings();
    let flow = mock.start(&settings).unwrap();
    // The client gives everything up at such an answer and joins anew; lines may be done again, and none is left out.
    let deadline = Instant::now() + PATIENCE;
    while mock.committed(&settings.kafka.group_id) != [Some(50), Some(50)] {
        assert!(Instant::now() < deadline, "{:?}", mock.committed(&settings.kafka.group_id));
        std::thread::sleep(Duration::from_millis(100));
    }
    flow.stopper().stop();
    let published = flow.status().counts().published;
    assert!(!matches!(flow.wait(), End::Failed(_)));
    let lines = mock.output(usize::try_from(published).unwrap());
    for (lines, expected) in lines.iter().zip(expected(100)) {
        let again = lines.len() / expected.len();
        assert_eq!(*lines, vec![expected.clone(); again].concat(), "in order, once or as a whole again");
        assert!(again >= 1);
    }
}

#[test]
fn a_record_that_the_output_refuses_ends_the_flow_and_is_not_passed_over() {
    let mock = Mock::new();
    mock.produce(2);
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 4]);
    let End::Failed(failure) = mock.start(&mock.settings()).unwrap().wait() else { panic!("it went on") };
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.starts_with("topic in partition "), "{}", failure.message);
    assert!(failure.message.contains(" offset 0: its record of 7 bytes is larger"), "{}", failure.message);
    // Nothing was committed: when the output takes it, it comes.
    mock.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    let flow = mock.start(&mock.settings()).unwrap();
    wait_published(&flow, 2);
    flow.stopper().stop();
    assert!(matches!(flow.wait(), End::Drained));
}

#[test]
fn an_option_that_is_none_is_the_configurations_fault() {
    let mock = Mock::new();
    let mut settings = mock.settings();
    settings.kafka.options = vec![("no.such.option".into(), "1".into())];
    let failure = mock.start(&settings).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Config);
    assert!(failure.message.contains("`no.such.option`"), "{}", failure.message);
}

#[test]
fn exactly_once_is_refused_where_the_brokers_are_too_old() {
    let mock = Mock::new();
    // The version in which a member that the group left behind is told from a living one (KIP-447).
    mock.cluster.apiversion(RDKafkaApiKey::TxnOffsetCommit, Some(0), Some(2)).unwrap();
    let mut settings = mock.settings();
    settings.delivery.mode = flow::Mode::ExactlyOnce;
    let failure = mock.start(&settings).expect_err("refused");
    assert!(failure.message.contains("TxnOffsetCommit 2, and 3 is needed (Apache Kafka 2.5"), "{}", failure.message);
    assert_eq!(failure.kind.exit_code(), 78);
    settings.delivery.mode = flow::Mode::AtLeastOnce;
    assert!(mock.start(&settings).is_ok());
}
