//! What a place in the input is worth: behind it stand transactions' markers and aborted records.

use std::collections::BTreeSet;

use rdkafka::producer::BaseProducer;

use super::super::proxy::api;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who writes in transactions.
struct Upstream(BaseProducer);

impl Upstream {
    fn new(scene: &Scene) -> Self {
        let mut config = scene.stage.client();
        config.set("transactional.id", format!("{}-upstream", scene.stage.name)).set("linger.ms", "0");
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        Self(producer)
    }

    /// One transaction, of lines of their own.
    fn write(&self, scene: &Scene, partition: i32, lines: std::ops::Range<usize>, commit: bool) {
        self.0.begin_transaction().unwrap();
        for line in lines {
            Record::plain(&format!("{{\"n\":{line}}}"), BASE).send(&self.0, &scene.stage.name, partition);
        }
        self.0.flush(PATIENCE).unwrap();
        match commit {
            true => self.0.commit_transaction(PATIENCE).unwrap(),
            false => self.0.abort_transaction(PATIENCE).unwrap(),
        }
    }
}

/// Where the input ends, and what the group has of it.
fn ends_and_committed(stage: &Stage, topic: &str) -> (Vec<i64>, Vec<Option<i64>>) {
    let ends: Vec<i64> = stage.ends(topic).iter().map(|(_, end)| *end).collect();
    let committed = stage.committed(topic, ends.len() as i32);
    (ends, committed)
}

/// Waits until lag, as tools compute it, is 0 in every partition.
fn no_lag(stage: &Stage, topic: &str, daemon: &Daemon) {
    let mut last = (Vec::new(), Vec::new());
    let found = within(Duration::from_secs(60), || {
        last = ends_and_committed(stage, topic);
        // Of a partition that never held anything, there is nothing to commit.
        last.0.iter().zip(&last.1).all(|(end, committed)| *end == committed.unwrap_or(0)).then_some(())
    });
    assert!(found.is_some(), "ends and committed are {last:?}\n{}", daemon.log());
}

/// The numbers of the lines on a topic, and how many lines there are.
fn numbers(stage: &Stage, topic: &str) -> (BTreeSet<usize>, usize) {
    let records = stage.read(topic).concat();
    let number = |record: &Record| {
        let line: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        usize::try_from(line["n"].as_u64().unwrap()).unwrap()
    };
    (records.iter().map(number).collect(), records.len())
}

#[test]
fn fault_59_the_place_behind_markers_is_committed_at_least_once() {
    behind_markers("f59-once", Mode::AtLeastOnce);
}

#[test]
fn fault_59_the_place_behind_markers_is_committed_exactly_once() {
    behind_markers("f59-exact", Mode::ExactlyOnce);
}

fn behind_markers(test: &str, mode: Mode) {
    let Some(scene) = Scene::new(test, mode, 0).map(Scene::patient) else { return };
    let input = scene.stage.name.clone();
    let upstream = Upstream::new(&scene);
    // Ten lines and an aborted tail; aborted records alone.
    upstream.write(&scene, 0, 0..10, true);
    upstream.write(&scene, 0, 1_000..1_005, false);
    upstream.write(&scene, 1, 1_000..1_005, false);
    let mut daemon = scene.started();
    no_lag(&scene.stage, &input, &daemon);
    // A line may come where the place is, whatever the group does meanwhile.
    let mut second = scene.stage.start();
    second.wait_ready();
    eventually("both to have a partition", Duration::from_secs(30), || {
        let own = |daemon: &Daemon| daemon.metric("fingerpost_assigned_partitions") == Some(1.0);
        (own(&daemon) && own(&second)).then_some(())
    });
    upstream.write(&scene, 0, 10..20, true);
    upstream.write(&scene, 1, 20..30, true);
    no_lag(&scene.stage, &input, &daemon);
    second.stop();
    upstream.write(&scene, 1, 30..40, true);
    no_lag(&scene.stage, &input, &daemon);
    daemon.stop();
    // Retention takes all, the markers too.
    let mut list = TopicPartitionList::new();
    for (partition, end) in (0..).zip(ends_and_committed(&scene.stage, &input).0) {
        list.add_partition_offset(&input, partition, Offset::Offset(end)).unwrap();
    }
    scene.administer(async |admin, options| admin.delete_records(&list, &options).await.unwrap());
    let mut daemon = scene.started();
    upstream.write(&scene, 0, 40..50, true);
    no_lag(&scene.stage, &input, &daemon);
    assert!(daemon.ended().is_none(), "{}", daemon.log());
    daemon.stop();
    assert_eq!(numbers(&scene.stage, &scene.stage.output()), ((0..50).collect(), 50), "every line once");
}

#[test]
fn fault_59_markers_alone_cause_no_storm_of_commits() {
    for mode in BOTH {
        let Some(scene) = Scene::new("f59-storm", mode, 0).map(Scene::patient) else { return };
        let input = scene.stage.name.clone();
        let upstream = Upstream::new(&scene);
        let mut daemon = scene.started();
        let commits = || scene.door.seen(api::OFFSET_COMMIT) + scene.door.seen(api::TXN_OFFSET_COMMIT);
        let (before, began) = (commits(), Instant::now());
        while began.elapsed() < Duration::from_secs(6) {
            upstream.write(&scene, 0, 0..1, false);
        }
        no_lag(&scene.stage, &input, &daemon);
        let (seconds, commits) = (began.elapsed().as_secs_f64(), commits() - before);
        println!("{mode:?}: {commits} commits in {seconds:.1} s, {:?}", ends_and_committed(&scene.stage, &input));
        assert!(commits as f64 <= seconds + 2.0, "{commits} commits in {seconds:.1} s");
        daemon.stop();
    }
}

#[test]
fn fault_59_the_output_of_another_that_delivers_exactly_once_is_read_to_its_end() {
    for mode in BOTH {
        let Some(scene) = Scene::new("f59-second", Mode::ExactlyOnce, 3_000).map(Scene::patient) else { return };
        let first = scene.stage.output();
        let mut stage = Stage::new(&scene.stage.broker, "f59-reads");
        stage.config += &format!("[delivery]\nmode = \"{}\"\n", mode.word());
        let stage = stage.with("topics = [\"NAME\"]", &format!("topics = [\"{first}\"]"));
        stage.create(&stage.output(), 2, &[]);
        let mut writes = scene.started();
        let mut reads = stage.start();
        reads.wait_ready();
        scene.feed();
        scene.drained();
        no_lag(&stage, &first, &reads);
        writes.stop();
        no_lag(&stage, &first, &reads);
        reads.stop();
        let lines = |stage: &Stage, topic: &str| stage.read(topic).iter().map(Vec::len).sum::<usize>();
        assert_eq!((lines(&stage, &first), lines(&stage, &stage.output())), (3_000, 3_000));
    }
}
