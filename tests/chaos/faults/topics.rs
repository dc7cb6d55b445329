//! What happens to the topics under it.

use rdkafka::admin::NewPartitions;

use super::*;

#[test]
fn fault_18_a_partition_that_is_added_is_read() {
    let Some(mut scene) = Scene::new("f18", Mode::AtLeastOnce, 9_000).map(Scene::patient) else { return };
    let mut daemon = scene.started();
    for topic in [scene.stage.output(), scene.stage.name.clone()] {
        scene.administer(async |admin, options| {
            let more = NewPartitions::new(&topic, 3);
            admin.create_partitions([&more], &options).await.unwrap().remove(0).unwrap();
        });
    }
    // There is no place yet for what is said on the third. It says so, and the next start makes one.
    if knows("state.topic") {
        let status = daemon.wait(Duration::from_secs(60));
        assert_eq!(status.code(), Some(69), "{}", daemon.log());
        assert!(daemon.log().contains("--partitions 3"), "{}", daemon.log());
        daemon = scene.started();
    }
    scene.feed.partitions = 3;
    scene.feed();
    eventually("the third partition", Duration::from_secs(60), || {
        (daemon.metric("fingerpost_assigned_partitions") == Some(3.0)).then_some(())
    });
    scene.drained();
    daemon.stop();
    let total: i64 = scene.out();
    assert_eq!(total, 9_000, "every line once");
}

#[test]
fn fault_19_an_output_topic_deleted_under_it_is_waited_for() {
    let Some(scene) = Scene::new("f19", Mode::AtLeastOnce, 6_000) else { return };
    let mut daemon = scene.started();
    let output = scene.stage.output();
    scene.delete(&output);
    scene.feed();
    // Its client asks for the topic each second.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(scene.committed(), 0, "nothing is committed that is nowhere");
    assert!(daemon.ended().is_none(), "{}", daemon.log());
    scene.stage.create(&output, 2, &[]);
    scene.drained();
    daemon.stop();
    scene.verify();
}

#[test]
fn fault_20_an_input_topic_made_anew_is_an_error_to_act_on() {
    let Some(scene) = Scene::new("f20", Mode::AtLeastOnce, 4_000) else { return };
    let mut daemon = scene.started();
    scene.feed();
    scene.drained();
    let input = scene.stage.name.clone();
    scene.delete(&input);
    scene.stage.create(&input, 2, &[]);
    scene.send(&[Record::plain("{}", BASE)]);
    let status = daemon.wait(PATIENCE);
    assert_eq!(status.code(), Some(69), "{}", daemon.log());
    assert!(daemon.log().contains("was deleted and made anew"), "{}", daemon.log());
    assert!(daemon.log().contains("a new start reads it from its beginning"), "{}", daemon.log());
    let mut daemon = scene.started();
    let is_done = || (scene.stage.committed(&input, 2)[0] == Some(1)).then_some(());
    eventually("the new one's line", PATIENCE, is_done);
    daemon.stop();
}

#[test]
fn fault_21_lines_deleted_before_they_were_read_are_told() {
    let Some(scene) = Scene::new("f21", Mode::AtLeastOnce, 4_000) else { return };
    let mut daemon = scene.started();
    scene.feed();
    scene.drained();
    daemon.stop();
    scene.feed();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&scene.stage.name, 0, Offset::Offset(3_000)).unwrap();
    scene.administer(async |admin, options| admin.delete_records(&list, &options).await.unwrap());
    let (code, log) = scene.stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("1000 lines were deleted before they were read"), "{log}");
    assert_eq!(scene.stage.committed(&scene.stage.name, 2)[0], Some(2_000), "nothing was skipped silently");
}
