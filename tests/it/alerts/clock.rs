//! What a daemon's wrong clock does, on a real broker: nothing that others would have to live with.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::exact::now_ms;
use super::replay::{Alert, Line};
use super::{stage, told};
use crate::broker::broker;
use crate::records::Record;
use crate::stage::{PATIENCE, Stage, eventually};

const HOUR: i64 = 3_600_000;
const ALERT: Alert =
    Alert { id: "failed", from: &[0], unless: &[], by_cluster: true, distinct_jobs: false, window_ms: 2_000, least: 1 };

fn say(producer: &BaseProducer, stage: &Stage, cluster: &str, at: i64) {
    Record::plain(&Line::failure(at, Some(cluster)).json(), at).send(producer, &stage.name, 0);
    producer.flush(Duration::from_secs(120)).unwrap();
}

fn fires(stage: &Stage, cluster: &str) {
    eventually("it fires", Duration::from_secs(20), || {
        told(stage).iter().any(|record| record["fingerpost"]["group"]["cluster"] == cluster).then_some(())
    });
}

/// The clock that is committed with the offset of the only partition.
fn committed_clock(stage: &Stage) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(&stage.name, 0);
    let found = stage.reader().committed_offsets(list, Duration::from_secs(10)).ok()?;
    let note = found.elements().first()?.metadata().to_owned();
    note.split(' ').find_map(|word| word.strip_prefix("clock=")?.parse().ok())
}

#[test]
fn a_clock_that_jumps_is_not_committed_and_silences_nothing() {
    let Some(broker) = broker() else { return };
    let stage = stage(&broker, "jump", &ALERT.toml());
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    let mut daemon = stage.start();
    daemon.wait_ready();
    (0..2).for_each(|_| say(&producer, &stage, "begins", now_ms()));
    fires(&stage, "begins");
    for (jumps, jump, cluster) in [(1, 3 * HOUR, "ahead"), (2, -3 * HOUR, "back")] {
        stage.shift_clock(jump);
        eventually("it has seen the jump", Duration::from_secs(20), || {
            (daemon.log().matches("wall clock of this machine has jumped").count() == jumps).then_some(())
        });
        // In silence, when the clock of the partition follows that of the world.
        std::thread::sleep(Duration::from_secs(4));
        let clock = eventually("what is committed", PATIENCE, || committed_clock(&stage));
        assert!((clock - now_ms()).abs() < 120_000, "{cluster}: {clock} is committed, at {}", now_ms());
        say(&producer, &stage, cluster, now_ms());
        fires(&stage, cluster);
    }
    let late = "fingerpost_alert_matches_total{alert=\"failed\",result=\"late\"}";
    assert_eq!(daemon.metric(late), Some(0.0));
    daemon.stop();
}

/// One record an hour ahead, which Kafka takes by default, and lines behind it that are as they should be.
#[test]
fn a_record_ahead_of_the_world_makes_no_other_late() {
    let Some(broker) = broker() else { return };
    let stage = stage(&broker, "leap", &ALERT.toml());
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    let mut daemon = stage.start();
    daemon.wait_ready();
    (0..2).for_each(|_| say(&producer, &stage, "begins", now_ms()));
    // However many say so.
    (0..3).for_each(|_| Record::plain("{}", now_ms() + HOUR - 60_000).send(&producer, &stage.name, 0));
    say(&producer, &stage, "honest", now_ms());
    fires(&stage, "honest");
    for (metric, expected) in [
        ("fingerpost_alert_matches_total{alert=\"failed\",result=\"late\"}", 0.0),
        ("fingerpost_timestamps_not_believed_total{reason=\"future\"}", 3.0),
    ] {
        assert_eq!(daemon.metric(metric), Some(expected), "{metric}");
    }
    assert!(daemon.log().contains("is ahead of now"), "{}", daemon.log());
    eventually("it is committed", Duration::from_secs(20), || {
        committed_clock(&stage).filter(|clock| *clock < now_ms() + 60_000)
    });
    daemon.stop();
}
