//! The daemon on a real broker: the binary, as a process, from config file to exit code.
//!
//! The broker's address comes from `FINGERPOST_TEST_KAFKA`; without it these tests skip, and say so in the file that
//! `FINGERPOST_SKIPPED` names. Every test has topics and a group of its own, so they may run side by side.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use crate::oracle::{self, Expected, Oracle};
use crate::records::{MATCHING, Record, check_value, make};
use crate::skip::skipped;
use crate::stage::{Stage, eventually};

/// The broker's address, or `None` after having said that the test is skipped.
pub(crate) fn broker() -> Option<String> {
    let address = std::env::var("FINGERPOST_TEST_KAFKA").ok().filter(|address| !address.is_empty());
    if address.is_none() {
        skipped("broker: FINGERPOST_TEST_KAFKA is not set");
    }
    address
}

// ---------------------------------------------------------------------------------------------------------------------
// The proof.

const LINES: usize = 200_000;
const PARTITIONS: usize = 6;

#[test]
fn two_daemons_carry_200_000_odd_lines() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "proof");
    stage.create(&stage.name, PARTITIONS as i32, &[]);
    let mut first = stage.start();
    let base = 1_790_000_000_000;
    let mut random = fastrand::Rng::with_seed(20_261_121);
    let producer = stage.producer();
    let mut inputs: Vec<Vec<Record>> = vec![Vec::new(); PARTITIONS];
    let mut second = None;
    for n in 0..LINES {
        let partition = n % PARTITIONS;
        let record = make(&mut random, partition, inputs[partition].len(), base);
        record.send(&producer, &stage.name, partition as i32);
        inputs[partition].push(record);
        // The second one joins while the first is in full flow.
        if n == LINES / 2 {
            first.wait_ready();
            eventually("the first lines", Duration::from_secs(30), || {
                first.metric("fingerpost_lines_total").filter(|n| *n > 0.0)
            });
            second = Some(stage.start());
        }
        // And must not come too late to have its share.
        if let Some(second) = second.as_ref().filter(|_| n == LINES * 3 / 4) {
            second.wait_ready();
        }
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut second = second.unwrap();
    second.wait_ready();

    let ends: Vec<Option<i64>> = inputs.iter().map(|records| Some(records.len() as i64)).collect();
    eventually("all offsets committed", Duration::from_secs(120), || {
        (stage.committed(&stage.name, PARTITIONS as i32) == ends).then_some(())
    });
    for daemon in [&first, &second] {
        assert_eq!(daemon.get("/livez"), (200, "ok\n".to_owned()));
        eventually("no lag", Duration::from_secs(10), || {
            (daemon.metric("fingerpost_consumer_lag_records") == Some(0.0)).then_some(())
        });
        assert_eq!(daemon.metric("fingerpost_oldest_unprocessed_age_seconds"), Some(0.0));
        assert_eq!(daemon.metric("fingerpost_assigned_partitions"), Some(3.0), "shared fairly");
        assert!(daemon.metric("fingerpost_lines_total").unwrap() > 1000.0, "both did some of it");
        promtool(&daemon.get("/metrics").1);
        let peak = daemon.peak_rss_kib();
        println!("peak resident memory: {} MiB", peak / 1024);
        assert!(peak < 256 * 1024, "{peak} KiB");
    }
    first.stop();
    second.stop();

    let outputs = stage.read(&stage.output());
    assert_eq!(outputs.len(), PARTITIONS);
    let logs = first.log() + &second.log();
    let check = &|partition: usize| {
        let (inputs, outputs) = (&inputs[partition], &outputs[partition]);
        let expected = judge(inputs, &taken_over(&logs, partition));
        check_partition(&stage.name, partition, base, &expected, inputs, outputs)
    };
    let repeats: usize = std::thread::scope(|scope| {
        let checks: Vec<_> = (0..PARTITIONS).map(|partition| scope.spawn(move || check(partition))).collect();
        checks.into_iter().map(|check| check.join().unwrap()).sum()
    });
    println!("repeated: {repeats}");
    assert_eq!(repeats, 0, "joining and stopping in good order repeat nothing");

    let before = stage.ends(&stage.output());
    let mut third = stage.start();
    third.wait_ready();
    eventually("no lag after a restart", Duration::from_secs(10), || {
        (third.metric("fingerpost_consumer_lag_records") == Some(0.0)).then_some(())
    });
    third.stop();
    assert_eq!(stage.ends(&stage.output()), before, "a restart repeats nothing");
    kcat(&stage, outputs.concat().len());
}

/// Offsets at which a partition changed hands, from the daemons' logs.
fn taken_over(logs: &str, partition: usize) -> Vec<usize> {
    let events = logs.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let own = events.filter(|event| event["message"] == "took over" && event["partition"] == partition);
    own.map(|event| event["start"].as_u64().unwrap_or(0) as usize).collect()
}

/// What the oracle says of every line of a partition. `fresh`: offsets at which somebody took the partition over, with
/// an empty memory of what its sources said earlier.
fn judge(inputs: &[Record], fresh: &[usize]) -> Vec<Expected> {
    let mut oracle = Oracle::default();
    let judged = inputs.iter().enumerate().map(|(offset, input)| {
        if fresh.contains(&offset) {
            oracle = Oracle::default();
        }
        let key = input.key.as_deref().filter(|key| !key.is_empty()).map(String::from_utf8_lossy);
        input.value.as_deref().map_or_else(Expected::default, |line| oracle.classify(line, key.as_deref()))
    });
    judged.collect()
}

/// Coverage, order, and every record; the number of repeats.
fn check_partition(
    topic: &str,
    partition: usize,
    base: i64,
    expected: &[Expected],
    inputs: &[Record],
    outputs: &[Record],
) -> usize {
    let mut seen = 0;
    for output in outputs {
        let sequence = usize::try_from(output.timestamp - base).unwrap();
        assert!(sequence <= seen, "partition {partition}: {sequence} came when {seen} was due");
        seen = seen.max(sequence + 1);
        let input = &inputs[sequence];
        assert_eq!(output.key, input.key, "partition {partition} offset {sequence}");
        check_value(&expected[sequence], input, output, &format!("{topic}/{partition}/{sequence}"));
    }
    assert_eq!(seen, inputs.len(), "partition {partition}: the last ones are missing");
    outputs.len() - inputs.len()
}

/// The metrics as Prometheus' own checker sees them.
fn promtool(metrics: &str) {
    let spawned =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else { return skipped("broker: promtool is not installed") };
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A client of another make reads the same records, headers and all.
fn kcat(stage: &Stage, records: usize) {
    let output = stage.output();
    let arguments = ["-C", "-e", "-q", "-b", &stage.broker, "-t", &output, "-f", "%p/%o %h\n"];
    let Ok(result) = Command::new("kcat").args(arguments).output() else {
        return skipped("broker: kcat is not installed");
    };
    let text = String::from_utf8_lossy(&result.stdout);
    assert_eq!(text.lines().count(), records);
    let tagged = text.lines().filter(|line| line.contains("fingerpost-rule=")).count();
    assert!(tagged > records / 50, "{tagged}");
}

// ---------------------------------------------------------------------------------------------------------------------
// One behaviour each.

#[test]
fn an_offset_out_of_range_is_an_error_to_act_on() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "range");
    stage.create(&stage.name, 1, &[]);
    let producer = stage.producer();
    Record::plain("{}", 1).send(&producer, &stage.name, 0);
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&stage.name, 0, Offset::Offset(1000)).unwrap();
    stage.reader().commit(&list, CommitMode::Sync).unwrap();
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let sentence = format!(
        "topic {name} partition 0: group {name} was to read offset 1000 next, but the broker has 0 to 1",
        name = stage.name
    );
    assert!(log.contains(&sentence) && log.contains("--reset-offsets"), "{log}");
    assert_eq!(stage.committed(&stage.name, 1), [Some(1000)], "nothing was skipped silently");
}

#[test]
fn missing_topics_are_told_with_their_remedy() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "missing");
    stage.create(&format!("{}s", stage.name), 1, &[]);
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains(&format!("input topic {n} does not exist", n = stage.name)), "{log}");
    assert!(log.contains(&format!("did you mean {}s", stage.name)), "{log}");

    let stage =
        stage.with("topics = [\"NAME\"]", "topics = [\"NAMEs\"]").with("[kafka]", "[kafka]\ncreate_topics = false");
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let command = format!("--create --topic {} --partitions 1", stage.output());
    assert!(log.contains(&command), "{log}");
}

#[test]
fn a_pattern_never_reads_what_we_write() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "pattern").with("topics = [\"NAME\"]", "topics = [\"^NAME.*\"]");
    stage.create(&stage.name, 2, &[]);
    let producer = stage.producer();
    for n in 0..100 {
        Record::plain(&format!(r#"{{"n":{n},"msg":"{MATCHING}"}}"#), n).send(&producer, &stage.name, 1);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines", Duration::from_secs(30), || {
        (stage.committed(&stage.name, 2)[1] == Some(100)).then_some(())
    });
    assert_eq!(daemon.metric("fingerpost_assigned_partitions"), Some(2.0));
    daemon.stop();
    let ends = stage.ends(&stage.output());
    assert_eq!(ends, [(0, 0), (0, 100)]);
}

#[test]
fn fewer_output_partitions_take_the_number_modulo_theirs() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "modulo").with("[output]", "[output]\nlines = \"matched\"\nwhere = \"headers\"");
    stage.create(&stage.name, 5, &[]);
    stage.create(&stage.output(), 2, &[]);
    let producer = stage.producer();
    for partition in 0..5 {
        Record::plain(&format!(r#"{{"msg":"{MATCHING}"}}"#), 1).send(&producer, &stage.name, partition);
        Record::plain(r#"{"msg":"fine"}"#, 2).send(&producer, &stage.name, partition);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines", Duration::from_secs(30), || {
        (stage.committed(&stage.name, 5) == [Some(2); 5]).then_some(())
    });
    daemon.stop();
    let outputs = stage.read(&stage.output());
    assert_eq!((outputs[0].len(), outputs[1].len()), (3, 2), "only what matches");
    let mut sources: Vec<_> = outputs[1].iter().map(|record| record.header("fingerpost-source").unwrap()).collect();
    sources.sort();
    assert_eq!(sources, [format!("{}/1/0", stage.name), format!("{}/3/0", stage.name)]);
    for record in outputs.concat() {
        assert_eq!(record.value.as_deref(), Some(format!(r#"{{"msg":"{MATCHING}"}}"#).as_bytes()));
        assert!(record.header("fingerpost").unwrap().starts_with('{'));
    }
}

#[test]
fn every_limit_crossed_is_counted_and_the_line_goes_out() {
    let Some(broker) = broker() else { return };
    let limits = "[limits]\npayload = 2000\nnesting = 4\nhits = 3\ncapture = 16\nwork = 1\nsources = 1\nheader = 256\n";
    let mut stage = Stage::new(&broker, "limits");
    stage.config += limits;
    stage.create(&stage.name, 1, &[]);
    let long_url = format!("Post https://{}.example.net/x", "h".repeat(40));
    let lines = [
        format!(r#"{{"msg":"{MATCHING}","pad":"{}"}}"#, "x".repeat(2000)),
        format!(r#"{{"a":{{"b":{{"c":{{"d":["{MATCHING}"]}}}}}}}}"#),
        format!(r#"{{"msg":"{MATCHING}","more":"{}"}}"#, "failed to unwrap: error, unable, error, ".repeat(4)),
        format!(r#"{{"msg":"{MATCHING} {long_url}"}}"#),
        format!(r#"{{"msg":"{MATCHING} {}"}}"#, "x".repeat(1900)),
        r#"{"pod":"p1","msg":"Service to service authentication will be used"}"#.to_owned(),
        r#"{"pod":"p2","msg":"Service to service authentication will be used"}"#.to_owned(),
        // No object, so what was found goes into the header, which is too small for it.
        format!("{MATCHING} in plain text"),
    ];
    let producer = stage.producer();
    for (n, line) in lines.iter().enumerate() {
        Record::plain(line, n as i64 + 1).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines on the output", Duration::from_secs(30), || {
        (daemon.metric("fingerpost_lines_total") == Some(8.0)).then_some(())
    });
    for limit in ["payload", "nesting", "hits", "capture", "work", "sources", "header"] {
        let labelled = format!("fingerpost_limit_crossed_total{{limit=\"{limit}\"}}");
        let counted = eventually(&labelled, Duration::from_secs(5), || {
            let body = daemon.get("/metrics").1;
            let line = body.lines().find(|line| line.starts_with(&labelled))?.to_owned();
            line.rsplit(' ').next().unwrap().parse::<f64>().ok()
        });
        assert!(counted >= 1.0, "{limit} was not counted");
    }
    daemon.stop();
    let outputs = stage.read(&stage.output()).remove(0);
    assert_eq!(outputs.len(), lines.len(), "every line goes out");
    for (record, line) in outputs.iter().zip(&lines) {
        let value = record.value.as_deref().unwrap();
        assert_eq!(oracle::strip(value), line.as_bytes(), "and nothing of it is changed");
    }
}

#[test]
fn a_line_that_is_not_to_be_judged_goes_out_as_it_came() {
    let Some(broker) = broker() else { return };
    let mut stage = Stage::new(&broker, "unjudged");
    stage.create(&stage.name, 1, &[]);
    stage.config = stage.config.replacen("[input]\n", &format!("[input]\nunjudged = [\"{}:0:1\"]\n", stage.name), 1);
    let line = format!(r#"{{"msg":"{MATCHING}"}}"#);
    let producer = stage.producer();
    (0..3).for_each(|n| Record::plain(&line, n + 1).send(&producer, &stage.name, 0));
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    eventually("all lines on the output", Duration::from_secs(30), || {
        (daemon.metric("fingerpost_lines_total") == Some(3.0)).then_some(())
    });
    daemon.stop();
    let outputs = stage.read(&stage.output()).remove(0);
    let is_bare = |record: &Record| record.value.as_deref() == Some(line.as_bytes());
    assert_eq!(outputs.iter().map(is_bare).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn a_record_too_large_is_stepped_down_and_in_the_end_an_error() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "size");
    stage.create(&stage.name, 1, &[]);
    stage.create(&stage.output(), 1, &[("max.message.bytes", "3000")]);
    let mut random = fastrand::Rng::with_seed(3);
    let mut line = |pad: usize| -> String {
        let pad: String = (0..pad).map(|_| random.alphanumeric()).collect();
        format!(r#"{{"msg":"{MATCHING}","pad":"{pad}"}}"#)
    };
    // From room for everything to room for nothing, and then one that does not even fit as it came.
    let mut lines: Vec<String> = (0..280).map(|n| line(n * 10)).collect();
    lines.extend([line(9000), line(100)]);
    let producer = stage.producer();
    for (n, line) in lines.iter().enumerate() {
        Record::plain(line, n as i64 + 1).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    let place = format!("topic {} partition 0 offset 280", stage.name);
    assert!(log.contains(&place) && log.contains("max.message.bytes=3000"), "{log}");
    assert_eq!(stage.committed(&stage.name, 1), [Some(280)], "nothing is committed past it");

    let outputs = stage.read(&stage.output()).remove(0);
    assert!(outputs.iter().all(|record| record.timestamp != 281));
    let mut steps: Vec<&str> = Vec::new();
    for (record, line) in outputs.iter().zip(&lines[..280]) {
        let tagged = record.value.as_deref() != Some(line.as_bytes());
        let step = match (tagged, record.header("fingerpost-rule").is_some()) {
            (true, true) => "object and headers",
            (false, true) => "headers",
            (false, false) => "as it came",
            (true, false) => panic!("an object without its headers: {record:?}"),
        };
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    assert_eq!(steps, ["object and headers", "headers", "as it came"]);
}

#[test]
fn a_signal_during_the_start_is_not_kept_waiting() {
    let stage = Stage::new("127.0.0.1:1", "impatient");
    let mut daemon = stage.start();
    eventually("its start", Duration::from_secs(20), || {
        daemon.log().contains("no answer from the brokers").then_some(())
    });
    daemon.stop();
}

#[test]
fn brokers_that_do_not_answer_are_told() {
    let stage = Stage::new("127.0.0.1:1", "nobody");
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("no answer from the brokers 127.0.0.1:1 within 15 s"), "{log}");
    assert!(log.contains("Connection refused"), "{log}");
}
