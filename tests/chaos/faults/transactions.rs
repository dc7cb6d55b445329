//! What can go wrong with transactions, and with nothing else.

use rdkafka::producer::{BaseProducer, BaseRecord};

use super::super::proxy::api;
use super::*;

/// The hole that KIP-890 closes: the end of one transaction arrives so late that it would end the next one. A producer
/// that was used again after the unknown outcome would commit half a batch without its offsets; a renewed one has a
/// higher epoch, and the late request is refused.
#[test]
fn fault_14_the_end_of_a_transaction_that_comes_late_ends_no_other() {
    ends_that_come_late("f14", 3, |scene, daemon, round| {
        // The client gives up by itself; the connection goes with it, the request stays.
        eventually("the client to give up, or to ask again", Duration::from_secs(60), || {
            let unknown = daemon.log().matches("it is not known how a transaction ended").count() as u64;
            (unknown > round || scene.door.held() > 1).then_some(())
        });
        scene.door.hold(&[]);
    });
}

/// The same hole, opened by the client: a connection breaks while the end of a transaction is under way, the client asks
/// again over another, is answered, and the next transaction is begun before the first request arrives.
#[test]
fn fault_14_an_end_that_was_asked_for_twice_ends_one_transaction() {
    ends_that_come_late("f14-twice", 5, |scene, _, _| {
        let ended = scene.door.seen(api::END_TXN);
        scene.door.hold(&[]);
        scene.door.hang_up();
        let again = || (scene.door.seen(api::END_TXN) > ended).then_some(());
        eventually("it to be asked for again", Duration::from_secs(30), again);
    });
}

/// In each round the end of a transaction is held; `meanwhile` the client is brought to go on without it; and it is let
/// go in the midst of the next one of the same name. Two producers take turns, so one of the other name comes between.
fn ends_that_come_late(test: &str, rounds: u64, meanwhile: impl Fn(&Scene, &Daemon, u64)) {
    const LINES: u64 = 10_000;
    let Some(scene) = Scene::new(test, Mode::ExactlyOnce, (LINES * (rounds + 1)) as usize) else { return };
    let mut feeder = scene.feeder();
    let mut daemon = scene.started();
    scene.flow(&feeder, LINES as usize);
    for round in 0..rounds {
        scene.door.hold(&[api::END_TXN]);
        feeder.allow(LINES + round * LINES + LINES / 2);
        eventually("an EndTxn to hold", Duration::from_secs(30), || (scene.door.held() > 0).then_some(()));
        meanwhile(&scene, &daemon, round);
        let ended = scene.door.seen(api::END_TXN);
        feeder.allow(LINES + round * LINES + 3 * LINES / 4);
        let ends = || (scene.door.seen(api::END_TXN) > ended).then_some(());
        eventually("the other producer's transaction", Duration::from_secs(60), ends);
        let added = scene.door.seen(api::ADD_PARTITIONS_TO_TXN);
        // Bit by bit: had it begun a moment before, all lines at once would be in it, and no other would begin.
        let (mut allowed, all) = (LINES + round * LINES + 3 * LINES / 4, LINES + (round + 1) * LINES);
        let begins = || {
            allowed = (allowed + 50).min(all);
            feeder.allow(allowed);
            (scene.door.seen(api::ADD_PARTITIONS_TO_TXN) > added).then_some(())
        };
        eventually("the next transaction", Duration::from_secs(60), begins);
        feeder.allow(all);
        println!("released {} requests", scene.door.release());
    }
    feeder.finish();
    scene.drained();
    assert!(daemon.ended().is_none(), "{}", daemon.log());
    daemon.stop();
    scene.verify_as(Mode::ExactlyOnce);
}

/// The group's coordinator answers, the transactions' does not.
#[test]
fn fault_15_a_transaction_coordinator_out_of_reach_hangs_nothing() {
    let kinds = [api::END_TXN, api::ADD_PARTITIONS_TO_TXN, api::INIT_PRODUCER_ID, api::ADD_OFFSETS_TO_TXN];
    out_of_reach("f15", &kinds);
}

/// The transactions' coordinator answers, the group's takes no offsets: a call that librdkafka never comes back from.
#[test]
fn fault_30_offsets_that_are_never_taken_end_in_the_watchdog() {
    out_of_reach("f30", &[api::TXN_OFFSET_COMMIT]);
}

fn out_of_reach(test: &str, kinds: &[i16]) {
    let Some(scene) = Scene::new(test, Mode::ExactlyOnce, 20_000) else { return };
    let mut feeder = scene.feeder();
    let mut daemon = scene.started();
    scene.flow(&feeder, 5_000);
    scene.door.hold(kinds);
    feeder.allow(10_000);
    eventually("a request to hold", Duration::from_secs(30), || (scene.door.held() > 0).then_some(()));
    // It may end itself, with the code that says so, or keep trying; both within twice the transaction's time.
    let (held, longest) = (Instant::now(), SESSION * 2 + Duration::from_secs(6));
    while daemon.ended().is_none() && held.elapsed() < longest {
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{:?} after {:.1} s", daemon.ended(), held.elapsed().as_secs_f64());
    scene.door.mend();
    match daemon.ended() {
        Some(status) => {
            assert_eq!(status.code(), Some(70), "{}", daemon.log());
            daemon = scene.start();
        }
        None => scene.door.reset(),
    }
    feeder.allow(u64::MAX);
    feeder.finish();
    scene.drained();
    scene.door.release();
    daemon.stop();
    scene.verify_as(Mode::ExactlyOnce);
}

/// What stands open on the state topic may belong to what was read; it is waited for, and then said what to do.
#[test]
fn fault_58_a_transaction_that_nobody_ends_is_told_with_what_to_do() {
    let Some(scene) = Scene::new("f58", Mode::ExactlyOnce, 2_000) else { return };
    let state = format!("{}.state", scene.stage.name);
    scene.stage.create(&state, 2, &[("cleanup.policy", "compact")]);
    let mut client = scene.stage.client();
    let forgotten: BaseProducer =
        client.set("transactional.id", "forgotten").set("transaction.timeout.ms", "600000").create().unwrap();
    let patience = Duration::from_secs(20);
    forgotten.init_transactions(patience).unwrap();
    forgotten.begin_transaction().unwrap();
    forgotten.send(BaseRecord::to(&state).partition(1).key("k").payload("{}")).unwrap();
    forgotten.flush(patience).unwrap();
    scene.feed();
    let mut daemon = scene.start();
    let status = daemon.wait(Duration::from_secs(80));
    assert_eq!(status.code(), Some(69), "{}", daemon.log());
    let remedy = format!("abort --topic {state} --partition 1 --start-offset 0 ends it");
    assert!(daemon.log().contains(&remedy), "{}", daemon.log());
    forgotten.abort_transaction(patience).unwrap();
    let mut daemon = scene.started();
    scene.drained();
    daemon.stop();
    scene.verify_as(Mode::ExactlyOnce);
}

#[test]
fn fault_29_two_of_one_name_fight_until_one_gives_up() {
    // A rival that the group has thrown out holds no partition, and fights for nothing.
    let Some(scene) = Scene::new("f29", Mode::ExactlyOnce, 40_000).map(Scene::patient) else { return };
    let mut feeder = scene.feeder();
    let mut rivals = [scene.start(), scene.start()];
    let began = Instant::now();
    let mut allowed = 0;
    let loser = loop {
        assert!(began.elapsed() < Duration::from_secs(120), "neither gave up\n{}", scene.stage.logs());
        allowed += 60;
        feeder.allow(allowed);
        if let Some(loser) = (0..2).find(|rival| rivals[*rival].ended().is_some()) {
            break loser;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(rivals[loser].ended().unwrap().code(), Some(78), "{}", rivals[loser].log());
    assert!(rivals[loser].log().contains("give each its own"), "{}", rivals[loser].log());
    feeder.allow(u64::MAX);
    feeder.finish();
    scene.drained();
    assert!(rivals[1 - loser].ended().is_none(), "{}", rivals[1 - loser].log());
    rivals[1 - loser].stop();
    scene.verify_as(Mode::ExactlyOnce);
}
