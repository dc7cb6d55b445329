//! Fault 22: rights that are not there.

use super::*;

/// With all of it, nothing is wrong.
#[test]
fn fault_22_a_check_with_all_rights_finds_nothing_missing() {
    let Some(secure) = secure() else { return };
    let user = secure.signed_in("allowed", PASSWORD).exactly_once();
    user.may_all();
    let (code, text) = check(&user.stage);
    assert_eq!(code, Some(0), "{text}");
    assert!(line(&text, " rights ").contains("all that are needed on 3 topics"), "{text}");
    assert!(line(&text, " transactions ").contains("allowed"), "{text}");
    assert!(!text.contains('✗'), "{text}");
}

#[test]
fn fault_22_a_check_names_each_missing_right_with_its_grant() {
    let Some(secure) = secure() else { return };
    let user = secure.signed_in("denied", PASSWORD).exactly_once();
    let name = user.stage.name.clone();
    // It sees its topics, and may do nothing with them.
    for topic in [&name, &user.stage.output(), &format!("{name}.state")] {
        user.may(On::Topic, topic, &[May::Describe]);
    }
    user.may(On::Group, &name, &[May::Describe]);
    let (code, text) = check(&user.stage);
    assert_eq!(code, Some(69), "{text}");
    let grants = [
        format!("--add --allow-principal User:{} --operation Read --topic {name}", user.name),
        format!("--operation Write --topic {name}.out"),
        format!("--operation Read --operation Write --topic {name}.state"),
        format!("--operation Read --group {name}"),
        format!("--operation Write --operation Describe --transactional-id {name}/ --resource-pattern-type prefixed"),
    ];
    for grant in grants {
        assert!(text.lines().any(|line| line.contains("→ kafka-acls.sh") && line.ends_with(&grant)), "{grant}\n{text}");
    }
    // What it says is all that it takes.
    user.may_all();
    let (code, text) = check(&user.stage);
    assert_eq!(code, Some(0), "{text}");
}

/// A topic that may not be seen is told apart from one that is not there, and so is the group.
#[test]
fn fault_22_a_check_tells_what_is_hidden_from_what_is_not_there() {
    let Some(secure) = secure() else { return };
    let user = secure.signed_in("hidden", PASSWORD);
    let name = user.stage.name.clone();
    let (code, text) = check(&user.stage);
    assert_eq!(code, Some(69), "{text}");
    assert!(line(&text, &format!("rights {name} ")).contains("may not be seen"), "{text}");
    assert!(!text.contains("does not exist\n"), "{text}");
    assert!(text.contains(&format!("--operation Read --group {name}")), "{text}");
    let gone = user.stage.with("topics = [\"NAME\"]", "topics = [\"NAME.gone\"]");
    admin::allow(&secure.open(), &user.name, On::Topic, &format!("{name}.*"), &[May::Describe]);
    let (_, text) = check(&gone);
    assert!(line(&text, &format!("input {name}.gone")).contains("does not exist"), "{text}");
}

/// What a check says beforehand, the daemon says when it comes to it: what is denied, and the grant.
#[test]
fn fault_22_a_denied_input_or_group_ends_the_daemon() {
    let Some(secure) = secure() else { return };
    for (test, without, words) in [
        ("no-read", On::Topic, "grant READ and DESCRIBE on the input topics"),
        ("no-group", On::Group, "grant READ on the group"),
    ] {
        let user = secure.signed_in(test, PASSWORD);
        let name = user.stage.name.clone();
        user.may_all();
        user.may(On::Topic, &name, &[May::Describe]);
        let literal = May::Read;
        admin::take_away(&secure.open(), &user.name, without, &name, literal);
        let (code, log) = user.stage.run_to_end();
        assert_eq!(code, Some(69), "{test}: {log}");
        assert!(log.contains(words), "{test}: {log}");
    }
}

#[test]
fn fault_22_a_denied_transactional_id_ends_the_daemon() {
    let Some(secure) = secure() else { return };
    let user = secure.signed_in("no-id", PASSWORD).exactly_once();
    let name = user.stage.name.clone();
    user.may(On::Topic, &name, &[May::Read]);
    user.may(On::Topic, &format!("{name}.*"), &[May::Read, May::Write]);
    user.may(On::Group, &name, &[May::Read]);
    let (code, log) = user.stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("grant WRITE and DESCRIBE on the transactional id"), "{log}");
}

/// An offset that the brokers have no longer is told before the daemon ends over it.
#[test]
fn a_check_holds_committed_offsets_against_what_is_there() {
    let Some(secure) = secure() else { return };
    let stage = secure.stage("places", "PLAIN", "");
    let producer = stage.producer();
    for n in 0..10 {
        Record::plain("{}", n + 1).send(&producer, &stage.name, 1);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let commit = |partition: i32, offset: i64| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&stage.name, partition, Offset::Offset(offset)).unwrap();
        stage.reader().commit(&list, CommitMode::Sync).unwrap();
    };
    commit(1, 10);
    let (code, text) = check(&stage);
    assert_eq!(code, Some(0), "{text}");
    commit(0, 5);
    let (code, text) = check(&stage);
    assert_eq!(code, Some(69), "{text}");
    let name = &stage.name;
    assert!(
        text.contains(&format!("topic {name} partition 0: it was to read offset 5 next, but the brokers have 0 to 0")),
        "{text}"
    );
    assert!(
        text.contains(&format!("--reset-offsets --to-earliest --execute --group {name} --topic {name}:0")),
        "{text}"
    );
}

#[test]
fn a_check_holds_the_timestamps_of_topics_against_each_other() {
    let Some(secure) = secure() else { return };
    let mut stage = secure.stage("times", "PLAIN", "");
    let (code, text) = check(&stage);
    assert_eq!(code, Some(0), "{text}");
    assert!(line(&text, " times ").contains("takes whatever the input takes"), "{text}");
    let narrow = format!("{}.narrow", stage.name);
    stage.create(&narrow, 2, &[("message.timestamp.before.max.ms", "3600000")]);
    stage = stage.with("topic = \"NAME.out\"", "topic = \"NAME.narrow\"");
    let (code, text) = check(&stage);
    assert_eq!(code, Some(0), "it is a warning: {text}");
    assert!(line(&text, " times ").contains("refuses lines more than 3600s old"), "{text}");
    assert!(text.contains("output.refused_time"), "{text}");
}
