//! `fingerpost verify` on a real broker: what the daemon writes passes, what faulty copiers write does not.
//!
//! A copier here is a small program over the Kafka client that does what the daemon does, but for one mistake of the
//! kinds that such programs are known for. So that nothing but the mistake is wrong, it publishes for each line the
//! record that the daemon published.

use std::fs;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value as Json;

use crate::broker::broker;
use crate::program;
use crate::records::{Record, make};
use crate::stage::{PATIENCE, Stage, eventually};

const PARTITIONS: i32 = 2;
const LINES: usize = 1500;
/// Lines between two commits of a copier.
const BATCH: i64 = 100;

/// The input, and what the daemon made of it.
struct Base {
    stage: Stage,
    records: Vec<Vec<Record>>,
}

impl Base {
    /// `source_header`: on which records the daemon puts `fingerpost-source`.
    fn new(broker: &str, source_header: &str) -> Self {
        let line = "topic = \"NAME.out\"\n";
        let stage = Stage::new(broker, "verify").with(line, &format!("{line}source_header = \"{source_header}\"\n"));
        stage.create(&stage.name, PARTITIONS, &[]);
        let producer = stage.producer();
        let mut random = fastrand::Rng::with_seed(7);
        for partition in 0..PARTITIONS {
            // Sequence numbers from 8 on leave out the lines of a megabyte.
            for sequence in 8..LINES + 8 {
                make(&mut random, partition as usize, sequence, 1_700_000_000_000).send(
                    &producer,
                    &stage.name,
                    partition,
                );
            }
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        let mut daemon = stage.start();
        eventually("all lines committed", Duration::from_secs(60), || {
            let committed = stage.committed(&stage.name, PARTITIONS);
            committed.iter().all(|offset| *offset == Some(LINES as i64)).then_some(())
        });
        daemon.stop();
        let records = stage.read(&stage.output());
        assert!(records.iter().all(|records| records.len() == LINES));
        Self { stage, records }
    }

    fn verify(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let config = self.stage.dir.join("verify.toml");
        fs::write(&config, &self.stage.config).unwrap();
        let output = program::fingerpost().args(["verify", "-c"]).arg(config).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    }

    /// Lets a copier work, and gives the report on what it wrote.
    fn refused(&self, name: &str, mode: &str, work: impl FnOnce(&Copier<'_>)) -> Json {
        let copier = Copier::new(self, name);
        work(&copier);
        let arguments = ["-o", &copier.output, "-g", &copier.group, "--mode", mode];
        let (code, text) = self.verify(&arguments);
        assert_eq!(code, Some(1), "{name}: {text}");
        assert!(text.contains("NOT "), "{name}: {text}");
        let (code, text) = self.verify(&[&arguments[..], &["--format", "json"]].concat());
        assert_eq!(code, Some(1), "{name}: {text}");
        let report: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(report["clean"], false);
        report
    }

    fn place(&self, partition: i32, offset: i64) -> String {
        format!("{}/{partition}/{offset}", self.stage.name)
    }
}

/// What was found, by kind, and where first.
fn found(report: &Json) -> Vec<(&str, u64, &str)> {
    let findings = report["findings"].as_object().unwrap();
    let told = findings.iter().map(|(kind, group)| {
        (kind.as_str(), group["count"].as_u64().unwrap(), group["examples"][0]["place"].as_str().unwrap())
    });
    told.collect()
}

/// A consumer with a group of its own, a producer, and the records to publish.
struct Copier<'b> {
    base: &'b Base,
    producer: BaseProducer,
    group: String,
    output: String,
}

impl<'b> Copier<'b> {
    fn new(base: &'b Base, name: &str) -> Self {
        let output = format!("{}.{name}", base.stage.name);
        base.stage.create(&output, PARTITIONS, &[]);
        Self { producer: base.stage.producer(), group: output.clone(), output, base }
    }

    /// A member that begins where the group left off.
    fn join(&self, partition: i32) -> (BaseConsumer, i64) {
        let mut config = self.base.stage.client();
        let consumer: BaseConsumer =
            config.set("group.id", &self.group).set("enable.auto.commit", "false").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.base.stage.name, partition);
        let found = consumer.committed_offsets(list, PATIENCE).unwrap();
        let start = match found.elements()[0].offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.base.stage.name, partition, Offset::Offset(start)).unwrap();
        consumer.assign(&list).unwrap();
        (consumer, start)
    }

    /// The offsets of the next lines, at the end fewer than a batch.
    fn read(&self, consumer: &BaseConsumer, from: i64) -> Vec<i64> {
        let wanted = BATCH.min(LINES as i64 - from);
        (0..wanted)
            .map(|_| eventually("a line", Duration::from_secs(30), || consumer.poll(Duration::from_millis(200))))
            .map(|message| message.unwrap().offset())
            .collect()
    }

    fn send(&self, partition: i32, offset: i64) {
        self.record(partition, offset).send(&self.producer, &self.output, partition);
    }

    fn record(&self, partition: i32, offset: i64) -> &Record {
        &self.base.records[partition as usize][offset as usize]
    }

    fn acked(&self) {
        self.producer.flush(Duration::from_secs(120)).unwrap();
    }

    fn commit(&self, consumer: &BaseConsumer, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.base.stage.name, partition, Offset::Offset(offset)).unwrap();
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }

    /// Copies a partition from where the group left off to its end, batch by batch; `publish` gets each.
    fn copy(&self, partition: i32, publish: impl Fn(&[i64])) {
        let (consumer, mut at) = self.join(partition);
        while at < LINES as i64 {
            let batch = self.read(&consumer, at);
            at += batch.len() as i64;
            publish(&batch);
            self.acked();
            self.commit(&consumer, partition, at);
        }
    }

    fn copy_well(&self, partition: i32) {
        self.copy(partition, |batch| batch.iter().for_each(|offset| self.send(partition, *offset)));
    }

    /// Copies everything, but for what `instead` does with one line.
    fn copy_but(&self, partition: i32, line: i64, instead: impl Fn()) {
        self.copy_well(1 - partition);
        self.copy(partition, |batch| {
            for offset in batch {
                if *offset == line { instead() } else { self.send(partition, *offset) }
            }
        });
    }
}

fn faulty_copiers_are_refused(source_header: &str) {
    let Some(broker) = broker() else { return };
    let base = Base::new(&broker, source_header);
    let at = |offset| base.place(0, offset);

    let report = base.refused("skips", "at-least-once", |copier| copier.copy_but(0, 737, || {}));
    assert_eq!(found(&report), [("lost", 1, &*at(737)), ("committed_past", 1, &*at(737))]);
    assert_eq!(report["partitions"][0]["lost"], 1);

    let report = base.refused("doubles", "exactly-once", |copier| {
        copier.copy_but(0, 737, || (0..2).for_each(|_| copier.send(0, 737)));
    });
    assert_eq!(found(&report), [("repeated", 1, &*at(737))]);

    let report = base.refused("swaps", "at-least-once", |copier| {
        copier.copy_well(1);
        copier.copy(0, |batch| {
            let mut batch = batch.to_vec();
            if let Some(first) = batch.iter().position(|offset| *offset == 737) {
                batch.swap(first, first + 1);
            }
            batch.iter().for_each(|offset| copier.send(0, *offset));
        });
    });
    assert_eq!(found(&report), [("out_of_order", 1, &*at(737))]);

    // Commits what it has only handed to the producer, and dies.
    let report = base.refused("commits-before-ack", "at-least-once", |copier| {
        copier.copy_well(1);
        let (consumer, start) = copier.join(0);
        let batch = copier.read(&consumer, start);
        copier.commit(&consumer, 0, start + batch.len() as i64);
        batch.iter().take(40).for_each(|offset| copier.send(0, *offset));
        copier.acked();
        drop(consumer);
        copier.copy_well(0);
    });
    let run = format!("{}–99", at(40));
    assert_eq!(found(&report), [("lost", 60, &*run), ("committed_past", 1, &*at(40))]);

    // Commits behind the last acknowledgement while one before it is still out, and dies.
    let report = base.refused("commits-last-acked", "at-least-once", |copier| {
        copier.copy_well(1);
        let (consumer, start) = copier.join(0);
        let batch = copier.read(&consumer, start);
        batch.iter().filter(|offset| **offset != 37).for_each(|offset| copier.send(0, *offset));
        copier.acked();
        copier.commit(&consumer, 0, start + batch.len() as i64);
        drop(consumer);
        copier.copy_well(0);
    });
    assert_eq!(found(&report), [("lost", 1, &*at(37)), ("committed_past", 1, &*at(37))]);

    // Commits the position to which it has read when the partition is taken away, and forgets what it holds.
    let report = base.refused("drops-on-revoke", "at-least-once", |copier| {
        copier.copy_well(1);
        let (consumer, start) = copier.join(0);
        let batch = copier.read(&consumer, start);
        batch.iter().take(90).for_each(|offset| copier.send(0, *offset));
        copier.acked();
        consumer.unassign().unwrap();
        copier.commit(&consumer, 0, start + batch.len() as i64);
        copier.copy_well(0);
    });
    let run = format!("{}–99", at(90));
    assert_eq!(found(&report), [("lost", 10, &*run), ("committed_past", 1, &*at(90))]);
}

#[test]
fn faulty_copiers_are_refused_by_source() {
    faulty_copiers_are_refused("all");
}

#[test]
fn faulty_copiers_are_refused_by_content() {
    faulty_copiers_are_refused("matched");
}

#[test]
fn what_the_daemon_writes_passes() {
    let Some(broker) = broker() else { return };
    for source_header in ["all", "matched"] {
        let base = Base::new(&broker, source_header);
        for mode in ["at-least-once", "exactly-once"] {
            let (code, text) = base.verify(&["--mode", mode, "--drained"]);
            assert_eq!(code, Some(0), "{text}");
            let verdict = "once: 3,000 lines, 0 lost, 0 repeated, 0 out of order, 0 changed\n";
            assert!(text.ends_with(verdict) && !text.contains("NOT") && !text.contains('\u{1b}'), "{text}");
        }
        let (code, text) = base.verify(&["--format", "json", "--max-repeats", "0"]);
        let report: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (code, &report["clean"], &report["total"]["lines"]),
            (Some(0), &true.into(), &3000.into()),
            "{text}"
        );
        assert!(
            report["total"]["tagged"].as_u64().unwrap() > 100 && report["partitions"].as_array().unwrap().len() == 2
        );
        let part = ["--partition", "1", "--from", "1000", "--to", "1200", "--format", "json"];
        let (code, text) = base.verify(&part);
        let report: Json = serde_json::from_str(&text).unwrap();
        let total = &report["total"];
        assert_eq!((code, &total["lines"], &total["published"]), (Some(0), &200.into(), &200.into()), "{text}");
        assert_eq!(total["outside"], 1300, "{text}");
    }
}

#[test]
fn a_record_that_is_not_as_it_must_be_is_named() {
    let Some(broker) = broker() else { return };
    for source_header in ["all", "matched"] {
        let base = Base::new(&broker, source_header);
        let tagged = |record: &Record| record.header("fingerpost-rule").is_some() && record.value.is_some();
        let line = 500 + base.records[0][500..].iter().position(tagged).unwrap() as i64;
        let change = |name: &str, change: &dyn Fn(&mut Record)| {
            let report = base.refused(name, "exactly-once", |copier| {
                copier.copy_but(0, line, || {
                    let mut record = copier.record(0, line).clone();
                    change(&mut record);
                    record.send(&copier.producer, &copier.output, 0);
                });
            });
            let told =
                found(&report).into_iter().map(|(kind, count, place)| (kind.to_owned(), count, place.to_owned()));
            told.collect::<Vec<_>>()
        };
        let only = |kind: &str| vec![(kind.to_owned(), 1, base.place(0, line))];
        let set = |record: &mut Record, name: &str, value: &str| {
            let header = record.headers.iter_mut().find(|(key, _)| key == name).unwrap();
            header.1 = Some(value.into());
        };
        assert_eq!(change("wrong-label", &|record| set(record, "fingerpost-rule", "no.such")), only("mislabelled"));
        assert_eq!(
            change("lost-header", &|record| record.headers.retain(|(name, _)| name != "fingerpost-source")),
            only("mislabelled")
        );
        assert_eq!(change("changed-byte", &|record| record.value.as_mut().unwrap().insert(0, b' ')), only("changed"));
        let report = base.refused("wrong-partition", "exactly-once", |copier| {
            copier.copy_but(0, line, || copier.record(0, line).send(&copier.producer, &copier.output, 1));
        });
        assert_eq!(found(&report), [("wrong_partition", 1, &*base.place(0, line))]);
        assert_eq!(report["total"]["lost"], 0);
    }
}

/// A line is on the output or in the dead-letter topic, never in both or in none.
#[test]
fn dead_letters_stand_for_their_lines() {
    let Some(broker) = broker() else { return };
    let base = Base::new(&broker, "all");
    let copier = Copier::new(&base, "dead-letters");
    let input = base.stage.read(&base.stage.name);
    let dead = format!("{}.dead", base.stage.name);
    base.stage.create(&dead, PARTITIONS, &[]);
    let bury = |offset: i64, value: Option<Vec<u8>>, size: bool| {
        let mut record = input[0][offset as usize].clone();
        record.headers = vec![("fingerpost-source".into(), Some(base.place(0, offset).into()))];
        if size {
            record.headers.push(("fingerpost-dead-letter-size".into(), Some(b"2000000".to_vec())));
        }
        record.value = value;
        record.send(&copier.producer, &dead, 0);
    };
    copier.copy_but(0, 737, || bury(737, input[0][737].value.clone(), false));
    let arguments = ["-o", &copier.output, "-g", &copier.group, "--mode", "exactly-once", "--format", "json"];
    let with = |more: &[&str]| {
        let (code, text) = base.verify(&[&arguments[..], more].concat());
        (code, serde_json::from_str::<Json>(&text).unwrap())
    };
    let (code, report) = with(&["--dead-letter", &dead]);
    assert_eq!((code, &report["total"]["dead_letters"]), (Some(0), &1.into()), "{report:#}");
    assert_eq!(with(&[]).0, Some(1), "without the dead letter the line is lost");
    bury(11, None, true);
    bury(737, Some(b"another".to_vec()), false);
    copier.acked();
    let (code, report) = with(&["--dead-letter", &dead]);
    assert_eq!(code, Some(1));
    assert_eq!(
        found(&report),
        [
            ("repeated", 1, &*base.place(0, 737)),
            ("settled_twice", 1, &*base.place(0, 11)),
            ("dead_letter", 1, &*base.place(0, 737))
        ]
    );
}

/// Several inputs in one output partition: told apart by the header, and by nothing else.
#[test]
fn many_to_one_needs_the_header() {
    let Some(broker) = broker() else { return };
    let base = Base::new(&broker, "all");
    let output = format!("{}.one", base.stage.name);
    base.stage.create(&output, 1, &[]);
    let producer = base.stage.producer();
    for (left, right) in base.records[0].iter().zip(&base.records[1]) {
        left.send(&producer, &output, 0);
        right.send(&producer, &output, 0);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let (code, text) = base.verify(&["-o", &output, "--mode", "exactly-once"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = base.verify(&["-o", &output, "--set", "output.source_header=matched"]);
    assert!(code == Some(2) && text.contains("output.source_header"), "{text}");
}

#[test]
fn what_cannot_be_told_is_said() {
    let Some(broker) = broker() else { return };
    let base = Base::new(&broker, "all");
    let (code, text) = base.verify(&["-o", "no-such-topic"]);
    assert!(code == Some(69) && text.contains("no-such-topic does not exist"), "{text}");
    let (code, text) = base.verify(&["--drained", "--no-group"]);
    assert!(code == Some(2) && text.contains("--no-group"), "{text}");
    let (code, text) = base.verify(&["--no-labels", "--set", "output.lines=matched"]);
    assert!(code == Some(2) && text.contains("--no-labels"), "{text}");
    let (code, text) = base.verify(&["--set", "output.lines=some"]);
    assert!(code == Some(78), "{text}");
}
