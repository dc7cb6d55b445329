//! Size and time: a large backlog before a slow output, what exactly once costs, how long draining takes. `make chaos` does
//! not run them; `CHAOS=backlog`, `CHAOS=cost` and `CHAOS=drains` do. The long steady run is `tests/soak`.

use std::time::{Duration, Instant};

use rdkafka::producer::Producer;

use super::cluster::{Cluster, NEVER_KILLED};
use super::feed::{BASE, Feed, Feeder};
use super::it::records::Record;
use super::it::stage::{Daemon, Stage, eventually};
use super::proxy::Way;
use super::run::{Fault, Mode, Plan, play};
use super::{has, number};

/// `CHAOS_BACKLOG_LINES` on 48 partitions, and an output that takes 2 MB in a second.
#[test]
#[ignore = "long: make chaos CHAOS=backlog"]
fn backlog() {
    let Some(cluster) = Cluster::start(1, 1, NEVER_KILLED) else { return };
    let mut stage = Stage::new(&cluster.address(), "backlog");
    stage.config = stage.config.replace(&stage.broker, &cluster.door(0));
    let partitions = 48;
    for topic in [stage.name.clone(), stage.output()] {
        stage.create(&topic, partitions, &[]);
    }
    let lines = number("CHAOS_BACKLOG_LINES", 10_000_000);
    let producer = stage.producer();
    for n in 0..lines {
        let line =
            format!(r#"{{"time":"2026-11-21T10:00:00Z","level":"info","pod":"p{}","n":{n},"msg":"fine"}}"#, n % 500);
        Record::plain(&line, BASE + n as i64).send(&producer, &stage.name, (n % partitions as usize) as i32);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    cluster.pass(Way::Narrow(2_000_000), Way::Open);
    let mut daemon = stage.start();
    daemon.wait_ready();
    std::thread::sleep(Duration::from_secs(60));
    let slow = daemon.peak_rss_kib() / 1024;
    cluster.pass(Way::Open, Way::Open);
    let began = Instant::now();
    eventually("the backlog to be worked off", Duration::from_secs(1800), || {
        let committed: i64 = stage.committed(&stage.name, partitions).into_iter().flatten().sum();
        (committed == lines as i64).then_some(())
    });
    let most = daemon.peak_rss_kib() / 1024;
    println!("{lines} lines on {partitions} partitions: {slow} MiB while the output was slow, {most} MiB at most;");
    println!("the rest worked off in {:.0} s", began.elapsed().as_secs_f64());
    let bound = bound_mib(&daemon);
    println!("bound printed at the start: {bound:?} MiB");
    assert!(most <= bound.unwrap_or(400), "{most} MiB");
    daemon.stop();
}

/// The bound of memory that the daemon says at its start, where it says one.
fn bound_mib(daemon: &Daemon) -> Option<u64> {
    let log = daemon.log();
    let events = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.filter_map(|event| event["memory_bound_mib"].as_u64()).next()
}

/// The same backlog in both modes, by turns, `CHAOS_COST_ROUNDS` times each.
#[test]
#[ignore = "measures: make chaos CHAOS=cost"]
fn cost_of_exactly_once() {
    let Some(cluster) = has(Mode::ExactlyOnce).then(|| Cluster::start(1, 1, NEVER_KILLED)).flatten() else { return };
    let feed = Feed { seed: 10, partitions: 6, lines: number("CHAOS_COST_LINES", 500_000), refused: 0, wild: None };
    let mut rates = [(Mode::AtLeastOnce, Vec::new()), (Mode::ExactlyOnce, Vec::new())];
    let source = Stage::new(&cluster.address(), "cost");
    source.create(&source.name, feed.partitions as i32, &[]);
    let mut feeder = Feeder::start(feed, &source);
    feeder.allow(u64::MAX);
    feeder.finish();
    for round in 0..number("CHAOS_COST_ROUNDS", 5) {
        for (mode, rates) in &mut rates {
            let rate = rate(&cluster, &source, feed, *mode);
            println!("round {round}, {}: {rate:.0} lines/s", mode.word());
            rates.push(rate);
        }
    }
    let [once, exactly] = rates.map(|(_, mut rates)| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let cost = (1.0 - exactly / once) * 100.0;
    println!("median: at least once {once:.0} lines/s, exactly once {exactly:.0} lines/s, which costs {cost:.1} %");
}

/// Lines a second, from the first line on the output to the last offset committed.
fn rate(cluster: &Cluster, source: &Stage, feed: Feed, mode: Mode) -> f64 {
    let mut stage = Stage::new(&cluster.address(), "cost-run");
    stage.create(&stage.output(), feed.partitions as i32, &[]);
    let input = format!("topics = [\"{}\"]", source.name);
    stage = stage.with("topics = [\"NAME\"]", &input);
    stage.config += &format!("[delivery]\nmode = \"{}\"\n", mode.word());
    let mut daemon = stage.start();
    let some = || stage.ends(&stage.output()).iter().any(|(_, end)| *end > 0).then_some(());
    eventually("the first lines", Duration::from_secs(60), some);
    let began = Instant::now();
    let reader = stage.reader();
    eventually("the last lines", Duration::from_secs(600), || {
        let committed = super::it::stage::committed(&reader, &source.name, feed.partitions as i32)?;
        (committed.into_iter().flatten().sum::<i64>() == feed.lines as i64).then_some(())
    });
    let rate = feed.lines as f64 / began.elapsed().as_secs_f64();
    daemon.stop();
    rate
}

/// `CHAOS_DRAINS` times in each mode a daemon is told to end while lines flow, and another one begins.
#[test]
#[ignore = "measures: make chaos CHAOS=drains"]
fn drains() {
    for (name, mode) in [("drains-alo", Mode::AtLeastOnce), ("drains-eos", Mode::ExactlyOnce)] {
        let plan = Plan {
            name,
            mode,
            assignor: "cooperative-sticky",
            brokers: 1,
            feed: Feed { seed: 50, partitions: 6, lines: 500_000, refused: 0, wild: None },
            session: Duration::from_secs(10),
            faults: vec![Fault::Roll; number("CHAOS_DRAINS", 50)],
            every: Duration::ZERO,
        };
        if let Some(summary) = has(mode).then(|| play(&plan)).flatten() {
            summary.hold(true);
        }
    }
}
