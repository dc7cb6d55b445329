//! What is promised besides the road of a line, on the real broker: dead letters and their way back, what sources said
//! over restarts and changes of owner.

use std::fs;
use std::time::Duration;

use rdkafka::producer::Producer;

use crate::broker::broker;
use crate::program;
use crate::records::{MATCHING, Record};
use crate::stage::{Stage, eventually};

const MODES: [&str; 2] = ["at_least_once", "exactly_once"];

fn stage(broker: &str, test: &str, mode: &str) -> Stage {
    let mut stage = Stage::new(broker, test);
    let name = stage.name.clone();
    stage.config += &format!(
        "[delivery]\nmode = \"{mode}\"\n[state]\ntopic = \"{name}.state\"\n[dead_letter]\ntopic = \"{name}.dead\"\n"
    );
    stage
}

/// The verb with the stage's configuration; exit code, stdout.
fn fingerpost(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program::fingerpost();
    let config = stage.dir.join("verb.toml");
    fs::write(&config, &stage.config).unwrap();
    let output = command.args(arguments).arg("-c").arg(config).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// A line of random letters, which no compression makes small.
fn padded(random: &mut fastrand::Rng, message: &str, bytes: usize) -> String {
    let pad: String = (0..bytes).map(|_| random.alphanumeric()).collect();
    format!(r#"{{"msg":"{message}","pad":"{pad}"}}"#)
}

#[test]
fn a_record_that_is_refused_becomes_a_dead_letter_and_can_be_sent_again() {
    let Some(broker) = broker() else { return };
    for mode in MODES {
        let stage = stage(&broker, "dead", mode);
        stage.create(&stage.name, 2, &[]);
        stage.create(&stage.output(), 2, &[("max.message.bytes", "3000")]);
        let mut random = fastrand::Rng::with_seed(5);
        let producer = stage.producer();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for n in 0..400 {
            let is_large = n % 40 == 7;
            let line = padded(&mut random, MATCHING, if is_large { 9000 } else { 20 });
            let mut record = Record::plain(&line, n + 1);
            record.key = Some(b"key".to_vec());
            record.headers =
                vec![("own".into(), Some(b"1".to_vec())), ("fingerpost-rule".into(), Some(b"forged".to_vec()))];
            record.send(&producer, &stage.name, (n % 2) as i32);
            if is_large { large.push(record) } else { small.push(record) }
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        let mut daemon = stage.start();
        eventually("all offsets committed", Duration::from_secs(60), || {
            (stage.committed(&stage.name, 2) == [Some(200); 2]).then_some(())
        });
        assert_eq!(daemon.metric("fingerpost_dead_letters_total"), Some(10.0), "{mode}");
        daemon.stop();

        let dead = stage.read(&format!("{}.dead", stage.name));
        assert_eq!(dead.len(), 2, "as many partitions as the input");
        assert_eq!(stage.read(&stage.output()).concat().len(), 390, "{mode}");
        for letter in &dead[1] {
            // Its own is when it became one.
            let timestamp: i64 = letter.header("fingerpost-timestamp").unwrap().parse().unwrap();
            let offset = (timestamp - 2) / 2;
            let input = large.iter().find(|record| record.timestamp == timestamp).expect("a large one");
            assert_eq!((&letter.key, &letter.value), (&input.key, &input.value), "byte for byte");
            assert_eq!(letter.split_headers().0, input.split_headers().0);
            assert_eq!(letter.header("fingerpost-source"), Some(format!("{}/1/{offset}", stage.name)));
            assert_eq!(letter.header("fingerpost-dead-letter-reason").as_deref(), Some("refused: MessageSizeTooLarge"));
            assert_eq!(letter.header("fingerpost-rule"), None);
        }

        let (_, listed) = fingerpost(&stage, &["dead-letter", "list"]);
        assert!(listed.contains("10 dead letters") && listed.contains("refused: MessageSizeTooLarge"), "{listed}");
        let again = format!("{}.again", stage.name);
        stage.create(&again, 2, &[]);
        let replay = |more: &[&str]| fingerpost(&stage, &[&["dead-letter", "replay", "--to", &again], more].concat()).1;
        assert_eq!(replay(&[]), "10 sent again\n");
        assert_eq!(replay(&[]), "0 sent again\n", "each once");
        let sent = stage.read(&again);
        assert_eq!(sent.concat().len(), 10);
        for record in sent.concat() {
            let input = large.iter().find(|input| input.timestamp == record.timestamp).expect("a large one");
            let forged_gone = input.split_headers().0;
            assert_eq!(record, Record { headers: forged_gone, ..input.clone() }, "as it was");
        }
        assert_eq!(replay(&["--all"]), "10 sent again\n");
    }
}

#[test]
fn what_the_dead_letter_topic_does_not_take_is_left_there_by_reference() {
    let Some(broker) = broker() else { return };
    for mode in MODES {
        let stage = stage(&broker, "reference", mode);
        let dead = format!("{}.dead", stage.name);
        stage.create(&stage.name, 1, &[]);
        stage.create(&stage.output(), 1, &[("max.message.bytes", "3000")]);
        stage.create(&dead, 1, &[("max.message.bytes", "4000")]);
        let producer = stage.producer();
        let line = padded(&mut fastrand::Rng::with_seed(6), MATCHING, 9000);
        for (n, line) in [r#"{"n":1}"#, &line, r#"{"n":2}"#].iter().enumerate() {
            Record::plain(line, n as i64 + 1).send(&producer, &stage.name, 0);
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        let mut daemon = stage.start();
        eventually("all offsets committed", Duration::from_secs(60), || {
            (stage.committed(&stage.name, 1) == [Some(3)]).then_some(())
        });
        daemon.stop();
        let letters = stage.read(&dead).concat();
        assert_eq!((letters.len(), &letters[0].value), (1, &None), "{mode}");
        assert_eq!(letters[0].header("fingerpost-dead-letter-size"), Some(line.len().to_string()));
        assert_eq!(stage.read(&stage.output()).concat().len(), 2);
        // The line itself is still in the input.
        let again = format!("{}.again", stage.name);
        stage.create(&again, 1, &[]);
        assert_eq!(fingerpost(&stage, &["dead-letter", "replay", "--to", &again]).1, "1 sent again\n");
        assert_eq!(stage.read(&again).concat()[0].value.as_deref(), Some(line.as_bytes()));
    }
}

#[test]
fn what_a_source_said_is_known_after_a_restart_and_to_the_next_owner() {
    let Some(broker) = broker() else { return };
    for mode in MODES {
        let stage = stage(&broker, "state", mode);
        stage.create(&stage.name, 4, &[]);
        // Made when the input had fewer partitions: the start sees to it.
        stage.create(&format!("{}.state", stage.name), 1, &[("cleanup.policy", "compact")]);
        let producer = stage.producer();
        let send = |partition: i32, pod: &str, message: &str| {
            let line = format!(r#"{{"pod":"{pod}","msg":"{message}"}}"#);
            Record::plain(&line, 1).send(&producer, &stage.name, partition);
        };
        const VERSION: &str = "KMS V2.0 path, WDEK will be loaded from mounted secret file";
        for partition in 0..4 {
            send(partition, "one", VERSION);
            send(partition, "two", "nothing special");
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        let done = |lines: i64| {
            eventually("all offsets committed", Duration::from_secs(60), || {
                (stage.committed(&stage.name, 4) == [Some(lines); 4]).then_some(())
            });
        };
        let mut first = stage.start();
        done(2);
        first.stop();
        // Another process, and then a third one that takes half of the partitions over while it runs.
        let mut second = stage.start();
        second.wait_ready();
        let promise = mode.replace('_', " ");
        assert_eq!(second.get("/readyz"), (200, format!("ok: delivering {promise}\n")));
        let mut third = stage.start();
        eventually("two partitions each", Duration::from_secs(30), || {
            (third.metric("fingerpost_assigned_partitions") == Some(2.0)).then_some(())
        });
        for partition in 0..4 {
            send(partition, "one", MATCHING);
            send(partition, "two", MATCHING);
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        done(4);
        second.stop();
        third.stop();
        for (partition, records) in stage.read(&stage.output()).iter().enumerate() {
            let version = |record: &Record| {
                let value: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
                value["fingerpost"]["kms_version"].as_str().map(str::to_owned)
            };
            assert_eq!(records.len(), 4);
            assert_eq!(version(&records[2]).as_deref(), Some("2.0"), "{mode}, partition {partition}");
            assert_eq!(version(&records[3]), None, "{mode}, partition {partition}: another source");
        }
    }
}
