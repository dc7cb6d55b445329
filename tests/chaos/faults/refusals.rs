//! Records that brokers refuse for what they are: one that is refused costs its neighbours nothing.
//!
//! Kafka 4 refuses what is more than an hour ahead, topic by topic, and the whole batch with it; whose fault it is, it does
//! not say. An input that allows more is all that it takes.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::it::records::MATCHING;
use super::*;

/// Lines of a test.
const LINES: i64 = 1_000;
/// Which of them is odd.
const ODD: i64 = 500;
const TWO_DAYS_MS: i64 = 2 * 24 * 60 * 60 * 1000;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// One partition, an input that takes any time, and every topic that a daemon can write, with Kafka's own limits.
fn scene(test: &str, mode: Mode, output: &[(&str, &str)]) -> Option<Scene<'static>> {
    let mut scene = Scene::new(test, mode, 0)?.patient();
    let name = scene.stage.name.clone();
    let free = [("message.timestamp.after.max.ms", "9223372036854775807"), ("max.message.bytes", "3000000")];
    scene.stage.create(&format!("{name}.any"), 1, &free);
    scene.stage.create(&format!("{name}.once"), 1, output);
    for topic in ["dead", "matches", "alerts"] {
        scene.stage.create(&format!("{name}.{topic}"), 1, &[]);
    }
    scene.stage = scene.stage.with("topics = [\"NAME\"]", "topics = [\"NAME.any\"]");
    scene.stage = scene.stage.with("[output]\ntopic = \"NAME.out\"", "[output]\ntopic = \"NAME.once\"");
    scene.stage.config += &format!(
        "[dead_letter]\ntopic = \"{name}.dead\"\n[matches]\ntopic = \"{name}.matches\"\n[alerts]\ntopic = \"{name}.alerts\"\n"
    );
    Some(scene)
}

impl Scene<'_> {
    fn topic(&self, last: &str) -> String {
        format!("{}.{last}", self.stage.name)
    }

    /// Sends these lines in one batch, as far as that goes.
    fn send_all(&self, records: &[Record]) {
        let mut config = self.stage.client();
        config.set("enable.idempotence", "true").set("linger.ms", "500").set("message.max.bytes", "3000000");
        let producer: rdkafka::producer::BaseProducer = config.create().unwrap();
        records.iter().for_each(|record| record.send(&producer, &self.topic("any"), 0));
        producer.flush(Duration::from_secs(120)).unwrap();
    }

    /// Sends these lines, and runs a daemon until all of them are committed.
    fn pass(&self, records: &[Record]) {
        self.send_all(records);
        self.settle(self.started(), records);
    }

    /// Waits until all of these lines are committed.
    fn settle(&self, mut daemon: Daemon, records: &[Record]) {
        let began = Instant::now();
        let all = [Some(records.len() as i64)];
        let committed = || (self.stage.committed(&self.topic("any"), 1) == all).then_some(());
        let done = within(PATIENCE, committed);
        assert!(done.is_some(), "{:?} of {all:?}\n{}", self.stage.committed(&self.topic("any"), 1), daemon.log());
        let (lines, time) = (records.len() as f64, began.elapsed().as_secs_f64());
        println!("{lines} lines in {time:.1} s, {:.0}/s", lines / time);
        assert_eq!(daemon.get("/livez").0, 200);
        let letters = daemon.metric("fingerpost_dead_letters_total").unwrap_or(0.0);
        assert_eq!(letters as usize, self.letters().len(), "counted as they are taken");
        daemon.stop();
    }

    fn outputs(&self) -> Vec<Record> {
        self.stage.read(&self.topic("once")).concat()
    }

    fn letters(&self) -> Vec<Record> {
        self.stage.read(&self.topic("dead")).concat()
    }

    /// Exit code and what it says.
    fn verb(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let config = self.stage.dir.join("verb.toml");
        std::fs::write(&config, &self.stage.config).unwrap();
        let output = super::super::it::program::fingerpost().args(arguments).arg("-c").arg(config).output().unwrap();
        let words = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&words).into_owned())
    }
}

/// A line of now that says which it is; the odd one also says something about its source, and is counted by an alert.
fn line(n: i64, now: i64) -> Record {
    let msg = if n == ODD { "Service to service authentication will be used" } else { MATCHING };
    let timestamp = if n == ODD { now + TWO_DAYS_MS } else { now - LINES + n };
    Record { key: Some(b"pod".to_vec()), ..Record::plain(&format!(r#"{{"n":{n},"msg":"{msg}"}}"#), timestamp) }
}

/// Which line it is.
fn number(record: &Record) -> i64 {
    let value: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
    value["n"].as_i64().unwrap()
}

fn numbers(records: &[Record]) -> Vec<i64> {
    records.iter().map(number).collect()
}

#[test]
fn fault_49_one_line_from_the_future_costs_the_others_nothing() {
    for mode in BOTH {
        let Some(scene) = scene("f49-future", mode, &[]) else { return };
        let now = now_ms();
        let records: Vec<Record> = (0..LINES).map(|n| line(n, now)).collect();
        scene.pass(&records);
        let others: Vec<i64> = (0..LINES).filter(|n| *n != ODD).collect();
        assert_eq!(numbers(&scene.outputs()), others, "{mode:?}: all others, in their order, once");
        let letters = scene.letters();
        assert_eq!(letters.len(), 1, "{mode:?}");
        let letter = &letters[0];
        assert_eq!((&letter.key, &letter.value), (&records[ODD as usize].key, &records[ODD as usize].value));
        assert_eq!(letter.header("fingerpost-dead-letter-reason").as_deref(), Some("refused: InvalidTimestamp"));
        let own = records[ODD as usize].timestamp;
        assert_eq!(letter.header("fingerpost-timestamp"), Some(own.to_string()));
        assert!((letter.timestamp - now_ms()).abs() < 3_600_000, "{}", letter.timestamp);
        for topic in ["state", "matches"] {
            let records = scene.stage.read(&scene.topic(topic)).concat();
            assert!(!records.is_empty(), "{topic}");
            assert!(records.iter().all(|record| (record.timestamp - now_ms()).abs() < 3_600_000), "{topic}");
        }
        let (_, listed) = scene.verb(&["dead-letter", "list", "--json"]);
        assert!(listed.contains(&format!("\"timestamp_ms\":{own}")), "{listed}");

        let (code, words) = scene.verb(&["dead-letter", "replay", "--to", &scene.topic("once")]);
        assert_eq!(code, Some(69), "the topic refuses its own time: {words}");
        let now = ["dead-letter", "replay", "--timestamp", "now", "--to", &scene.topic("once")];
        assert_eq!(scene.verb(&now).1, "1 sent again\n");
        assert_eq!(numbers(&scene.outputs()).last(), Some(&ODD));
    }
}

#[test]
fn fault_49_a_refused_time_can_be_replaced_by_now() {
    for mode in BOTH {
        let Some(mut scene) = scene("f49-now", mode, &[]) else { return };
        scene.stage = scene.stage.with("[output]\n", "[output]\nrefused_time = \"now\"\n");
        let now = now_ms();
        let records: Vec<Record> = (0..LINES).map(|n| line(n, now)).collect();
        scene.pass(&records);
        let outputs = scene.outputs();
        assert_eq!(numbers(&outputs), (0..LINES).collect::<Vec<_>>(), "{mode:?}: all of them, in their order");
        assert!(scene.letters().is_empty(), "{mode:?}");
        for (n, output) in outputs.iter().enumerate() {
            let own = records[n].timestamp;
            let told = (n as i64 == ODD).then(|| own.to_string());
            assert_eq!(output.header("fingerpost-timestamp"), told, "{mode:?}: {n}");
            assert!(told.is_some() || output.timestamp == own, "{mode:?}: {n}");
        }
        let (code, words) = scene.verb(&["verify"]);
        assert_eq!(code, Some(0), "{words}");
    }
}

#[test]
fn fault_49_many_lines_from_the_past_and_the_future_are_told_apart_from_their_neighbours() {
    for mode in BOTH {
        let limit = [("message.timestamp.before.max.ms", "86400000")];
        let Some(scene) = scene("f49-many", mode, &limit) else { return };
        let now = now_ms();
        let odd = |n: i64| match n {
            _ if n % 97 == 13 => Some(now + TWO_DAYS_MS + n),
            _ if n % 97 == 14 => Some(now - TWO_DAYS_MS + n),
            _ => None,
        };
        let one = |n: i64| Record::plain(&format!(r#"{{"n":{n}}}"#), odd(n).unwrap_or(now - LINES + n));
        scene.pass(&(0..LINES).map(one).collect::<Vec<_>>());
        let healthy: Vec<i64> = (0..LINES).filter(|n| odd(*n).is_none()).collect();
        assert_eq!(numbers(&scene.outputs()), healthy, "{mode:?}");
        let mut dead = numbers(&scene.letters());
        dead.sort_unstable();
        assert_eq!(dead, (0..LINES).filter(|n| odd(*n).is_some()).collect::<Vec<_>>(), "{mode:?}");
    }
}

/// Of 10,000 lines every so-manieth is from two days ahead, and is known to be refused before it is sent.
fn ten_thousand_lines(test: &str, every: i64) {
    const LINES: i64 = 10_000;
    for mode in BOTH {
        let Some(scene) = scene(test, mode, &[]) else { return };
        let now = now_ms();
        let is_odd = |n: i64| n % every == 1;
        let one = |n: i64| {
            let time = if is_odd(n) { now + TWO_DAYS_MS + n } else { now - LINES + n };
            Record::plain(&format!(r#"{{"n":{n}}}"#), time)
        };
        scene.pass(&(0..LINES).map(one).collect::<Vec<_>>());
        let healthy: Vec<i64> = (0..LINES).filter(|n| !is_odd(*n)).collect();
        assert!(numbers(&scene.outputs()) == healthy, "{mode:?}: all others, in their order, once");
        let mut dead = numbers(&scene.letters());
        dead.sort_unstable();
        assert!(dead == (0..LINES).filter(|n| is_odd(*n)).collect::<Vec<_>>(), "{mode:?}");
    }
}

#[test]
fn fault_49_of_ten_thousand_lines_one_in_a_hundred_is_from_the_future() {
    ten_thousand_lines("f49-hundredth", 100);
}

#[test]
fn fault_49_of_ten_thousand_lines_every_second_is_from_the_future() {
    ten_thousand_lines("f49-second", 2);
}

#[test]
fn fault_49_a_line_without_a_key_is_all_that_a_compacted_output_refuses() {
    for mode in BOTH {
        let Some(scene) = scene("f49-keyless", mode, &[("cleanup.policy", "compact")]) else { return };
        let is_keyless = |n: i64| n % 333 == 7;
        let one = |n: i64| {
            let key = (!is_keyless(n)).then(|| n.to_string().into_bytes());
            Record { key, ..Record::plain(&format!(r#"{{"n":{n}}}"#), now_ms()) }
        };
        scene.pass(&(0..LINES).map(one).collect::<Vec<_>>());
        let keyed: Vec<i64> = (0..LINES).filter(|n| !is_keyless(*n)).collect();
        assert_eq!(numbers(&scene.outputs()), keyed, "{mode:?}");
        let letters = scene.letters();
        assert_eq!(numbers(&letters), (0..LINES).filter(|n| is_keyless(*n)).collect::<Vec<_>>(), "{mode:?}");
        let reason = letters[0].header("fingerpost-dead-letter-reason");
        assert_eq!(reason.as_deref(), Some("refused: InvalidRecord"), "{mode:?}");
    }
}

#[test]
fn fault_49_what_a_topic_refuses_since_a_moment_ago_is_found_out() {
    for mode in BOTH {
        let Some(scene) = scene("f49-since", mode, &[]) else { return };
        let daemon = scene.started();
        scene.administer(async |admin, options| {
            use rdkafka::admin::{AlterConfig, ResourceSpecifier};
            let topic = scene.topic("once");
            let compacted = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("cleanup.policy", "compact");
            admin.alter_configs([&compacted], &options).await.unwrap().remove(0).unwrap();
        });
        let is_keyless = |n: i64| n % 10 == 1;
        let one = |n: i64| {
            let key = (!is_keyless(n)).then(|| n.to_string().into_bytes());
            Record { key, ..Record::plain(&format!(r#"{{"n":{n}}}"#), now_ms()) }
        };
        let records: Vec<Record> = (0..LINES).map(one).collect();
        scene.send_all(&records);
        scene.settle(daemon, &records);
        let keyed: Vec<i64> = (0..LINES).filter(|n| !is_keyless(*n)).collect();
        assert!(numbers(&scene.outputs()) == keyed, "{mode:?}: all others, in their order, once");
        let mut dead = numbers(&scene.letters());
        dead.sort_unstable();
        assert!(dead == (0..LINES).filter(|n| is_keyless(*n)).collect::<Vec<_>>(), "{mode:?}");
    }
}

#[test]
fn fault_49_a_line_larger_than_a_segment_is_the_only_one_refused() {
    for mode in BOTH {
        let output = [("max.message.bytes", "3000000"), ("segment.bytes", "1048576")];
        let Some(scene) = scene("f49-segment", mode, &output) else { return };
        let mut random = fastrand::Rng::with_seed(49);
        let mut one = |n: i64| {
            let pad: String = (0..if n == 50 { 2_000_000 } else { 10 }).map(|_| random.alphanumeric()).collect();
            Record::plain(&format!(r#"{{"n":{n},"pad":"{pad}"}}"#), now_ms())
        };
        scene.pass(&(0..100).map(&mut one).collect::<Vec<_>>());
        let others: Vec<i64> = (0..100).filter(|n| *n != 50).collect();
        assert_eq!(numbers(&scene.outputs()), others, "{mode:?}");
        let letters = scene.letters();
        assert_eq!(letters.len(), 1, "{mode:?}");
        assert_eq!(letters[0].header("fingerpost-source"), Some(format!("{}/0/50", scene.topic("any"))));
    }
}

#[test]
fn fault_49_a_small_state_topic_is_no_reason_to_stop() {
    for mode in BOTH {
        let Some(scene) = scene("f49-small", mode, &[]) else { return };
        scene.stage.create(&scene.topic("state"), 1, &[("max.message.bytes", "400"), ("cleanup.policy", "compact")]);
        let one = |n: i64| {
            let line = format!(r#"{{"n":{n},"pod":"p{n}","msg":"Service to service authentication will be used"}}"#);
            Record::plain(&line, now_ms())
        };
        scene.pass(&(0..200).map(one).collect::<Vec<_>>());
        assert_eq!(numbers(&scene.outputs()), (0..200).collect::<Vec<_>>(), "{mode:?}");
        assert!(scene.stage.read(&scene.topic("state")).concat().len() >= 200, "{mode:?}: all of it is told");
        assert!(scene.letters().is_empty(), "{mode:?}");
    }
}
