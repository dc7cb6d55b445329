//! Rights that are not there, or are taken away: on a broker of its own, with an authorizer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::cluster::has_broker;
use super::*;

/// A broker that asks an authorizer. Whoever comes is allowed everything, until something is said about a topic.
struct Guarded {
    dir: PathBuf,
    address: String,
}

impl Guarded {
    /// `None`, after having said so, where no broker can run.
    fn start(test: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !has_broker(root) {
            super::super::it::skip::skipped(
                "chaos: no broker can be started (Java 17, and tests/kafka/kafka-up --libs-only once)",
            );
            return None;
        }
        let dir = root.join(".tools").join(format!("run.{}-{test}", std::process::id()));
        let extra = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                     allow.everyone.if.no.acl.found=true\n";
        let output = Command::new(root.join("tests/kafka/kafka-up"))
            .arg("--dir")
            .arg(&dir)
            .args(["--while", &std::process::id().to_string()])
            .env("KAFKA_EXTRA", extra)
            .env("KAFKA_HEAP", "320m")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { dir, address: String::from_utf8(output.stdout).unwrap().trim().to_owned() })
    }

    /// From now on a topic may not be written; all else is as before.
    fn forbid_writing(&self, topic: &str) {
        let (is_topic, is_literal) = (2_u8, 3_u8);
        let (all, write, deny, allow) = (2_u8, 4_u8, 2_u8, 3_u8);
        let text = |text: &str| [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat();
        let rule = |operation: u8, permission: u8| {
            let who = [text("User:ANONYMOUS"), text("*")].concat();
            [vec![is_topic], text(topic), vec![is_literal], who, vec![operation, permission]].concat()
        };
        // CreateAcls, version 1, with two rules.
        let head = [&30_i16.to_be_bytes()[..], &1_i16.to_be_bytes(), &7_i32.to_be_bytes(), &text("test")].concat();
        let request = [head, 2_i32.to_be_bytes().to_vec(), rule(all, allow), rule(write, deny)].concat();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(&[&(request.len() as i32).to_be_bytes()[..], &request].concat()).unwrap();
        // Length, correlation, throttling, how many; and of each an error and a message, which is null or empty without one.
        let mut answer = [0; 4 + 4 + 4 + 4 + 2 * 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!([&answer[16..18], &answer[20..22]], [[0, 0], [0, 0]], "{answer:?}");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/kafka-down");
        let _ = Command::new(script).arg("--dir").arg(&self.dir).status();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn stage(guarded: &Guarded, test: &str, mode: Mode) -> Stage {
    let mut stage = Stage::new(&guarded.address, test);
    let name = stage.name.clone();
    stage.config += &format!("[delivery]\nmode = \"{}\"\n[state]\ntopic = \"{name}.state\"\n", mode.word());
    for topic in [&name, &stage.output()] {
        stage.create(topic, 1, &[]);
    }
    stage.create(&format!("{name}.state"), 1, &[("cleanup.policy", "compact")]);
    stage
}

fn feed(stage: &Stage, lines: std::ops::Range<i64>) {
    let producer = stage.producer();
    for n in lines {
        let line = format!(r#"{{"n":{n},"pod":"p{n}","msg":"Service to service authentication will be used"}}"#);
        Record::plain(&line, BASE + n).send(&producer, &stage.name, 0);
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

fn is_told(daemon: &mut Daemon, topic: &str, what: &str) {
    let status = daemon.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(69), "{what}: {}", daemon.log());
    let (log, said) = (daemon.log(), format!("topic {topic} is not allowed; grant WRITE on it"));
    assert!(log.contains(&said), "{what}: {log}");
    assert!(log.lines().count() < 100, "{what}: {log}");
}

#[test]
fn fault_22_a_topic_that_may_not_be_written_ends_it_with_the_grant_to_make() {
    let Some(guarded) = Guarded::start("rights") else { return };
    for mode in BOTH {
        for written in ["out", "state"] {
            let what = format!("{mode:?}, {written}");
            let stage = stage(&guarded, "f22", mode);
            let topic = format!("{}.{written}", stage.name);
            feed(&stage, 0..100);
            let mut daemon = stage.start();
            eventually("the first lines", Duration::from_secs(60), || {
                (stage.committed(&stage.name, 1) == [Some(100)]).then_some(())
            });
            guarded.forbid_writing(&topic);
            feed(&stage, 100..200);
            is_told(&mut daemon, &topic, &format!("taken away: {what}"));
            let mut daemon = stage.start();
            is_told(&mut daemon, &topic, &format!("not there: {what}"));
            assert_eq!(stage.committed(&stage.name, 1), [Some(100)], "{what}: nothing is committed that is nowhere");
        }
    }
}
