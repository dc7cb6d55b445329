//! What happens on the way to the broker.

use super::super::cluster::NOTICED;
use super::super::proxy::{Way, api};
use super::super::run::undone_while_leaving;
use super::*;

fn disturbed(test: &str, disturb: impl Fn(&Proxy), time: Duration) -> Vec<(Scene<'static>, f64)> {
    let mut scenes = Vec::new();
    for mode in BOTH {
        let Some(scene) = Scene::new(test, mode, 30_000) else { break };
        let mut feeder = scene.feeder();
        let mut daemon = scene.started();
        scene.flow(&feeder, scene.feed.lines / 3);
        let (before, busy) = (scene.door.disturbed(), processor_time(&daemon));
        disturb(scene.door);
        feeder.allow(u64::MAX);
        std::thread::sleep(time);
        let share = (processor_time(&daemon) - busy) / time.as_secs_f64();
        assert!(scene.door.disturbed() > before, "nothing was disturbed");
        scene.door.mend();
        scene.door.reset();
        feeder.finish();
        scene.drained_under(&mut daemon);
        daemon.stop();
        scene.verify_as(mode);
        scenes.push((scene, share));
    }
    scenes
}

#[test]
fn fault_11_a_blackhole_costs_nothing_but_time() {
    disturbed("f11", |door| door.pass(Way::Lost, Way::Lost), Duration::from_secs(4));
}

#[test]
fn fault_11_a_peer_that_reads_nothing() {
    disturbed("f11-stall", |door| door.pass(Way::Stalled, Way::Stalled), Duration::from_secs(4));
}

#[test]
fn fault_12_delay_and_jitter_make_it_slow_and_nothing_else() {
    let way = Way::Slow(Duration::from_millis(5), Duration::from_millis(120));
    disturbed("f12", |door| door.pass(way, way), Duration::from_secs(4));
}

#[test]
fn fault_13_a_storm_of_resets_is_no_reason_to_spin() {
    for (_, share) in disturbed("f13", |door| door.reset_after(20_000), Duration::from_secs(5)) {
        println!("{:.0} % of a processor", share * 100.0);
        assert!(share < 0.5, "it spins: {share}");
    }
}

/// Seconds of processor that a process has had.
fn processor_time(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let ticks = |index: usize| stat.rsplit(") ").next().unwrap().split(' ').nth(index).unwrap().parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
fn fault_16_a_storm_of_rebalances_does_not_stop_the_lines_cooperative() {
    storm_of_rebalances("cooperative-sticky");
}

#[test]
fn fault_16_a_storm_of_rebalances_does_not_stop_the_lines_range() {
    storm_of_rebalances("range");
}

#[test]
fn fault_16_a_storm_of_rebalances_does_not_stop_the_lines_consumer() {
    storm_of_rebalances("consumer");
}

fn storm_of_rebalances(assignor: &str) {
    let Some(mut scene) = Scene::new("f16", Mode::ExactlyOnce, 40_000) else { return };
    if assignor == "consumer" {
        let classic = ["\"session.timeout.ms\" = 2000\n", "\"heartbeat.interval.ms\" = 400\n"];
        classic.iter().for_each(|line| scene.stage.config = scene.stage.config.replace(line, ""));
        scene.stage = scene.stage.with("[input.options]", "[input.options]\n\"group.protocol\" = \"consumer\"");
    } else {
        let strategy = format!("[input.options]\n\"partition.assignment.strategy\" = \"{assignor}\"");
        scene.stage = scene.stage.with("[input.options]", &strategy);
    }
    let mut feeder = scene.feeder();
    let mut steady = scene.started();
    let mut undone = 0;
    for round in 1..=5 {
        let mut guest = scene.stage.start_as(&[("FINGERPOST_DELIVERY_INSTANCE", "guest")]);
        scene.flow(&feeder, scene.feed.lines * round / 5);
        guest.wait_ready();
        guest.signal("TERM");
        let status = guest.wait(Duration::from_secs(5));
        if status.code() == Some(75) && undone_while_leaving(&guest) {
            undone += 1;
        } else {
            assert_eq!(status.code(), Some(0), "{}", guest.log());
        }
    }
    assert!(undone <= 2, "{undone} of 5 guests did not get their last lines through");
    feeder.finish();
    scene.drained_under(&mut steady);
    steady.stop();
    scene.verify_as(Mode::ExactlyOnce);
}

#[test]
fn fault_31_a_slow_output_is_waited_for_in_bounded_memory() {
    let Some(scene) = Scene::new("f31", Mode::AtLeastOnce, 60_000).map(Scene::patient) else { return };
    scene.feed();
    let mut daemon = scene.started();
    let calm = daemon.peak_rss_kib();
    scene.door.pass(Way::Narrow(50_000), Way::Open);
    std::thread::sleep(Duration::from_secs(5));
    let most = daemon.peak_rss_kib();
    println!("{} MiB, of which {} MiB at the start", most / 1024, calm / 1024);
    assert!(most < 256 * 1024, "{most} KiB");
    scene.door.mend();
    scene.drained();
    daemon.stop();
    // Heartbeats had to wait as well, but not for as long as a session lasts.
    let repeats = scene.verify();
    assert_eq!(repeats, 0, "{}", daemon.log());
    assert!(scene.door.seen(api::PRODUCE) > 0);
}

#[test]
#[ignore = "three brokers: make chaos"]
fn fault_10_too_few_replicas_are_waited_for() {
    let Some(cluster) = Cluster::start(3, 1, NOTICED) else { return };
    let scene = Scene::on(&cluster, 0, "f10", Mode::AtLeastOnce, 60_000);
    let mut feeder = scene.feeder();
    let mut daemon = scene.started();
    scene.flow(&feeder, 20_000);
    cluster.nodes[1..].iter().for_each(|node| node.kill());
    feeder.allow(u64::MAX);
    std::thread::sleep(Duration::from_secs(15));
    let most = daemon.peak_rss_kib();
    println!("{} MiB", most / 1024);
    assert!(most < 256 * 1024 && daemon.ended().is_none(), "{most} KiB\n{}", daemon.log());
    std::thread::scope(|scope| {
        cluster.nodes[1..].iter().for_each(|node| drop(scope.spawn(|| node.up())));
    });
    feeder.finish();
    scene.drained();
    daemon.stop();
    scene.verify();
}
