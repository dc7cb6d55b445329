//! One alert from its lines to all who ask about it: the topics, HTTP, the metrics, the verb, and roles apart.

use std::time::Duration;

use rdkafka::producer::Producer as _;
use serde_json::Value as Json;

use super::exact::now_ms;
use super::replay::{Alert, Line};
use super::{stage, told};
use crate::broker::broker;
use crate::program;
use crate::records::Record;
use crate::stage::{Stage, eventually};

const ALERT: Alert = Alert {
    id: "failed",
    from: &[0],
    unless: &[],
    by_cluster: true,
    distinct_jobs: false,
    window_ms: 60_000,
    least: 3,
};

fn verb(stage: &Stage, arguments: &[&str]) -> String {
    let config = stage.dir.join("verb.toml");
    std::fs::write(&config, &stage.config).unwrap();
    let output = program::fingerpost().arg("alerts").arg("-c").arg(&config).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_alert_is_seen_by_all_who_ask() {
    let Some(broker) = broker() else { return };
    let stage = stage(&broker, "story", &ALERT.toml());
    stage.create(&stage.name, 2, &[]);
    // Who classifies does not count, and the other way round.
    let mut classifier = stage.start_with(&["--roles", "classify"]);
    let mut counter = stage.start_with(&["--roles", "alert"]);
    classifier.wait_ready();
    counter.wait_ready();
    assert_eq!(verb(&stage, &[]), "nothing fires\n");
    let producer = stage.producer();
    let began = now_ms();
    for n in 0..4 {
        let at = began + n;
        Record::plain(&Line::failure(at, Some("c1")).json(), at).send(&producer, &stage.name, (n % 2) as i32);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let firing = eventually("it fires", Duration::from_secs(20), || {
        let answer: Json = serde_json::from_str(&counter.get("/api/v1/alerts").1).unwrap();
        assert_eq!(answer["partitions"].as_array().unwrap().len(), 12, "one counts all there is");
        let firing = answer["alerts"].as_array()?.first().cloned();
        // The third line may be counted after the fourth, of the other partition: then the start moves back to it.
        firing.filter(|alert| alert["fingerpost"]["starts_at"] == began + 2)
    });
    assert_eq!(firing["labels"]["cluster"], "c1");
    assert_eq!(firing["fingerpost"]["state"], "firing");
    assert_eq!(firing["fingerpost"]["lines"].as_array().unwrap().len(), 3);
    assert_eq!(classifier.get("/api/v1/alerts"), (200, r#"{"partitions":[],"alerts":[]}"#.to_owned()));
    assert_eq!(counter.metric("fingerpost_alerts_firing"), Some(1.0));
    assert_eq!(counter.metric("fingerpost_lines_total"), None, "it reads no line");
    eventually("all is counted", Duration::from_secs(10), || {
        let written = classifier.metric("fingerpost_alert_matches_total{alert=\"failed\",result=\"written\"}");
        let counted = counter.metric("fingerpost_alert_matches_read_total{result=\"counted\"}");
        (written == Some(4.0) && counted == Some(4.0)).then_some(())
    });

    let listed = verb(&stage, &["--lines"]);
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    let first = format!("{}/0/0", stage.name);
    assert_eq!(row[1..], ["fires", "failed", "cluster=c1", "3", first.as_str()], "{listed}");
    assert_eq!(listed.matches("the job has failed").count(), 3, "{listed}");
    let json: Json = serde_json::from_str(&verb(&stage, &["--json", "--alert", "fail"])).unwrap();
    // It was told once more where its start moved back.
    assert_eq!(json, *told(&stage).last().unwrap(), "as it stands on the topic");
    counter.stop();
    classifier.stop();
    for (topic, partitions) in [("matches", 12), ("alerts", 12)] {
        assert_eq!(stage.ends(&format!("{}.{topic}", stage.name)).len(), partitions);
    }
}

/// Neither topic grows for ever: what nobody will count again is deleted, and what is over since a day is taken away.
#[test]
fn what_nobody_needs_any_more_is_deleted() {
    let Some(broker) = broker() else { return };
    let stage = stage(&broker, "trimmed", &ALERT.toml());
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    let old = now_ms() - 3 * 24 * 3_600_000;
    for n in 0..800 {
        let line = Line::failure(old + n, Some("c1"));
        Record::plain(&line.json(), old + n).send(&producer, &stage.name, 0);
    }
    Record::plain("{}", now_ms()).send(&producer, &stage.name, 0);
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    let matches = format!("{}.matches", stage.name);
    eventually("they are deleted", Duration::from_secs(60), || {
        stage.ends(&matches).iter().any(|(first, _)| *first >= 800).then_some(())
    });
    let alerts = format!("{}.alerts", stage.name);
    eventually("it is taken away", Duration::from_secs(20), || {
        let records = stage.read(&alerts).concat();
        let values: Vec<bool> = records.iter().map(|record| record.value.is_some()).collect();
        (values == [true, true, false]).then_some(())
    });
    daemon.stop();
    let (fired, killed) = (told(&stage), stage.read(&alerts).concat().len());
    assert_eq!((fired.len(), killed), (2, 3), "it fired, was over, and is forgotten");
    // Whoever comes next finds everything where it has to begin.
    let mut next = stage.start();
    next.wait_ready();
    next.stop();
    assert_eq!(stage.read(&alerts).concat().len(), 3);
}

#[test]
fn topics_that_may_not_be_created_are_told_with_their_remedy() {
    let Some(broker) = broker() else { return };
    let stage = stage(&broker, "alertless", &ALERT.toml()).with("[kafka]", "[kafka]\ncreate_topics = false");
    stage.create(&stage.name, 1, &[]);
    stage.create(&stage.output(), 1, &[]);
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let command = format!(
        "--create --topic {}.matches --partitions 12 --config cleanup.policy=delete --config retention.ms=-1 \
         --config segment.bytes=67108864",
        stage.name
    );
    assert!(log.contains(&command), "{log}");

    // What fires is kept beside what is counted, partition by partition.
    stage.create(&format!("{}.matches", stage.name), 12, &[("retention.ms", "-1")]);
    stage.create(&format!("{}.alerts", stage.name), 3, &[("cleanup.policy", "compact")]);
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let command = format!("kafka-topics.sh --alter --topic {}.alerts --partitions 12", stage.name);
    assert!(log.contains(&command), "{log}");
}
