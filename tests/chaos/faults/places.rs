//! What a place in the input is worth: behind it stand transactions' markers and aborted records, or it is one of a topic
//! that is there no more.

use std::collections::BTreeSet;

use rdkafka::consumer::CommitMode;
use rdkafka::producer::BaseProducer;

use super::super::counted::{self, Alerted};
use super::super::proxy::api;
use super::super::run::lay_out_packs;
use super::*;

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

    /// One transaction, of lines of their own; back when its marker is there, behind which the input then ends.
    fn write(&self, scene: &Scene, partition: i32, lines: std::ops::Range<usize>, commit: bool) {
        let end = || scene.stage.ends(&scene.stage.name)[partition as usize].1;
        let behind = end() + lines.len() as i64 + 1;
        self.0.begin_transaction().unwrap();
        for line in lines {
            Record::plain(&format!("{{\"n\":{line}}}"), BASE).send(&self.0, &scene.stage.name, partition);
        }
        self.0.flush(PATIENCE).unwrap();
        match commit {
            true => self.0.commit_transaction(PATIENCE).unwrap(),
            false => self.0.abort_transaction(PATIENCE).unwrap(),
        }
        eventually("its marker", PATIENCE, || (end() >= behind).then_some(()));
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
    let found = within(PATIENCE, || {
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
        while began.elapsed() < Duration::from_secs(4) {
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

#[test]
fn fault_20_an_input_topic_made_anew_and_longer_is_an_error_to_act_on_at_least_once() {
    made_anew_and_longer("f20-once", Mode::AtLeastOnce);
}

#[test]
fn fault_20_an_input_topic_made_anew_and_longer_is_an_error_to_act_on_exactly_once() {
    made_anew_and_longer("f20-exact", Mode::ExactlyOnce);
}

/// Under two daemons, one of which stands still meanwhile, and which count what alerts want counted.
fn made_anew_and_longer(test: &str, mode: Mode) {
    let Some(mut scene) = Scene::new(test, mode, 2_000).map(Scene::patient) else { return };
    lay_out_packs(&mut scene.stage);
    counted::turn_on(&mut scene.stage);
    let input = scene.stage.name.clone();
    let start = |name: &str| scene.stage.start_as(&[("FINGERPOST_DELIVERY_INSTANCE", name)]);
    let mut daemons = ["first", "second"].map(start);
    daemons.iter().for_each(Daemon::wait_ready);
    scene.feed();
    scene.drained();
    let before = daemons.each_ref().map(taken);
    daemons[0].signal("STOP");
    let anew = make_anew(&scene);
    daemons[0].signal("CONT");
    eventually("both to end, or all to be read", PATIENCE, || {
        let ended = daemons.iter_mut().all(|daemon| daemon.ended().is_some());
        let (ends, committed) = ends_and_committed(&scene.stage, &input);
        (ended || ends.iter().zip(&committed).all(|(end, committed)| Some(*end) == *committed)).then_some(())
    });
    for (daemon, before) in daemons.iter_mut().zip(before) {
        println!("{}", daemon.log().lines().last().unwrap_or_default());
        match daemon.ended() {
            // Whoever saw it gone had lost what it read of it; given the new one, it begins at its beginning.
            None => assert!(taken(daemon) > before, "it reads on as if nothing were\n{}", daemon.log()),
            Some(status) => {
                assert_eq!(status.code(), Some(69), "{}", daemon.log());
                assert!(daemon.log().contains("was deleted and made anew"), "{}", daemon.log());
            }
        }
    }
    let all_ended = daemons.iter_mut().all(|daemon| daemon.ended().is_some());
    let committed = scene.stage.committed(&input, 2);
    if !all_ended {
        for daemon in &mut daemons {
            if daemon.ended().is_none() {
                daemon.stop();
            }
        }
    } else if committed.iter().any(Option::is_some) {
        // What was committed in between is named, and is no place to go on without a word.
        let (code, log) = scene.stage.run_to_end();
        assert_eq!(code, Some(69), "{log}");
        for offset in committed.iter().flatten() {
            assert!(log.contains(&format!("offset {offset} of partition")), "{log}");
        }
        assert!(log.contains("--reset-offsets --to-earliest"), "{log}");
        to_earliest(&scene);
    } else {
        let logs = scene.stage.logs();
        assert!(logs.contains("has no committed offset"), "{logs}");
    }
    drop(daemons);
    let mut daemons = ["first", "second"].map(start);
    no_lag(&scene.stage, &input, &daemons[0]);
    let alerted = Alerted::on(&scene.stage, anew.partitions);
    assert_eq!(alerted.wrong, None, "{mode:?}: every alert that was due, and no other");
    daemons.iter_mut().for_each(Daemon::stop);
    println!("{mode:?}: {} stretches; committed in between: {committed:?}", alerted.due);
    // A look that was not answered in time keeps no commit waiting.
    let is_exact = mode == Mode::ExactlyOnce && (!all_ended || committed.iter().all(Option::is_none));
    for (partition, made) in made(&scene, anew).iter().enumerate() {
        let held: Vec<i64> = (0..anew.length(partition)).map(|sequence| anew.timestamp(sequence)).collect();
        println!("partition {partition}: {} lines for {}", made.len(), held.len());
        assert!(made.ends_with(&held), "{mode:?}: all that the new topic holds, in its order");
        assert!(!is_exact || made.len() == held.len(), "{mode:?}: some of it twice");
    }
}

/// How often a daemon has taken over a partition.
fn taken(daemon: &Daemon) -> usize {
    daemon.log().matches(r#""message":"took over","topic""#).count()
}

/// The lines of the new topic on the output, by their timestamps, partition by partition.
fn made(scene: &Scene, anew: Feed) -> Vec<Vec<i64>> {
    let outputs = scene.stage.read(&scene.stage.output());
    let timestamps = |records: &Vec<Record>| -> Vec<i64> {
        records.iter().map(|record| record.timestamp).filter(|timestamp| *timestamp >= anew.base()).collect()
    };
    outputs.iter().map(timestamps).collect()
}

/// What is found at a start when the topic was made anew, somebody had read on and committed, and then came the end.
#[test]
fn fault_20_what_was_committed_of_another_topic_of_that_name_is_no_place_to_begin() {
    for mode in BOTH {
        let Some(scene) = Scene::new("f20-start", mode, 2_000).map(Scene::patient) else { return };
        let mut daemon = scene.started();
        scene.feed();
        scene.drained();
        let (input, mut found) = (scene.stage.name.clone(), TopicPartitionList::new());
        found.add_partition_range(&input, 0, 1);
        let found = scene.stage.reader().committed_offsets(found, PATIENCE).unwrap();
        let note = found.elements()[0].metadata().to_owned();
        assert!(note.starts_with("topic_id="), "{note}");
        daemon.stop();
        let anew = make_anew(&scene);
        commit_with(&scene, &note);
        let (code, log) = scene.stage.run_to_end();
        assert_eq!(code, Some(69), "{log}");
        assert!(log.contains("was deleted and made anew: its id was "), "{log}");
        assert!(log.contains(&format!("{note} and is ").replace("topic_id=", "")), "{log}");
        assert!(log.contains("offset 1000 of partition 0, offset 1000 of partition 1"), "{log}");
        let advice = format!("--reset-offsets --to-earliest --execute --group {0} --topic {0}", scene.stage.name);
        assert!(log.contains(&advice), "{log}");
        to_earliest(&scene);
        let mut daemon = scene.started();
        no_lag(&scene.stage, &input, &daemon);
        daemon.stop();
        for (partition, made) in made(&scene, anew).iter().enumerate() {
            let held: Vec<i64> = (0..anew.length(partition)).map(|sequence| anew.timestamp(sequence)).collect();
            assert!(*made == held, "all that the new topic holds, once, in its order");
        }
    }
}

/// Commits the old place, as it was committed.
fn commit_with(scene: &Scene, note: &str) {
    let mut list = TopicPartitionList::new();
    for number in 0..2 {
        let mut partition = list.add_partition(&scene.stage.name, number);
        partition.set_offset(Offset::Offset(1_000)).unwrap();
        partition.set_metadata(note);
    }
    scene.stage.reader().commit(&list, CommitMode::Sync).unwrap();
}

/// The topic is deleted and made anew, and holds more than was read of the old one: of a thousand lines in each partition.
fn make_anew(scene: &Scene) -> Feed {
    let input = &scene.stage.name;
    scene.delete(input);
    scene.stage.create(input, 2, &[]);
    let anew = Feed { seed: 20, lines: 10_000, wild: Feed::wild(), ..scene.feed };
    Feeder::start(anew, &scene.stage).finish();
    anew
}

/// As `kafka-consumer-groups.sh --reset-offsets --to-earliest` does.
fn to_earliest(scene: &Scene) {
    let mut list = TopicPartitionList::new();
    for (partition, (first, _)) in (0..).zip(scene.stage.ends(&scene.stage.name)) {
        list.add_partition_offset(&scene.stage.name, partition, Offset::Offset(first)).unwrap();
    }
    scene.stage.reader().commit(&list, CommitMode::Sync).unwrap();
}
