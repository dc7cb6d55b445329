//! Rights that are not there, or are taken away.

use super::super::access::admin;
use super::*;

fn stage(cluster: &Cluster, test: &str, mode: Mode) -> Stage {
    let mut stage = Stage::new(&cluster.address(), test);
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
    producer.flush(Duration::from_secs(120)).unwrap();
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
    let Some(cluster) = cluster() else { return };
    for mode in BOTH {
        for written in ["out", "state"] {
            let what = format!("{mode:?}, {written}");
            let stage = stage(cluster, "f22", mode);
            let topic = format!("{}.{written}", stage.name);
            feed(&stage, 0..100);
            let mut daemon = stage.start();
            eventually("the first lines", Duration::from_secs(60), || {
                (stage.committed(&stage.name, 1) == [Some(100)]).then_some(())
            });
            admin::forbid_writing(&cluster.address(), &topic);
            feed(&stage, 100..200);
            is_told(&mut daemon, &topic, &format!("taken away: {what}"));
            let mut daemon = stage.start();
            is_told(&mut daemon, &topic, &format!("not there: {what}"));
            assert_eq!(stage.committed(&stage.name, 1), [Some(100)], "{what}: nothing is committed that is nowhere");
        }
    }
}
