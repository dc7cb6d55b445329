//! Broker quotas: a daemon that is throttled is slow, not dead, and says so.

use super::*;

/// Bytes of a line that do not compress.
const LINE: usize = 1000;
const LINES: usize = 4_000;
/// Bytes per second that the daemon may write: less than a tenth of what is in flight at once.
const RATE: f64 = 100_000.0;

fn slow_and_alive(mode: Mode) {
    let Some(secure) = secure() else { return };
    let mut stage = secure.stage("quota", "PLAIN", "");
    let client = format!("{}-client", stage.name);
    admin::throttle(&secure.open(), &client, RATE, 10_000_000.0);
    stage.config += &format!("[delivery]\nmode = \"{}\"\n[kafka.options]\n\"client.id\" = \"{client}\"\n", mode.word());
    let producer = stage.producer();
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..LINES {
        let pad: String = (0..LINE).map(|_| random.alphanumeric()).collect();
        Record::plain(&pad, n as i64 + 1).send(&producer, &stage.name, (n % 2) as i32);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    let all = vec![Some(LINES as i64 / 2); 2];
    let mut was_dead = 0;
    eventually("all lines", Duration::from_secs(180), || {
        assert!(daemon.ended().is_none(), "{}", daemon.log());
        was_dead += usize::from(daemon.get("/livez").0 != 200);
        (stage.committed(&stage.name, 2) == all).then_some(())
    });
    assert_eq!(was_dead, 0, "{}", daemon.log());
    assert!(daemon.log().contains("the brokers throttle the output"), "{}", daemon.log());
    assert!(daemon.metric("fingerpost_throttled_requests_total").is_some_and(|count| count > 0.0));
    daemon.stop();
    let lines: usize = stage.read(&stage.output()).iter().map(Vec::len).sum();
    assert_eq!(lines, LINES, "every line once");
}

#[test]
fn a_throttled_daemon_is_slow_and_says_so_at_least_once() {
    slow_and_alive(Mode::AtLeastOnce);
}

#[test]
fn a_throttled_daemon_is_slow_and_says_so_exactly_once() {
    slow_and_alive(Mode::ExactlyOnce);
}

/// A controller answers a question for topics with an error, at once.
#[test]
fn a_controllers_port_is_told_without_a_flood_of_lines() {
    let Some(secure) = secure() else { return };
    let mut stage = secure.stage("controller", "PLAIN", "");
    stage.config = stage.config.replace(&secure.open(), &secure.at("CONTROLLER"));
    let (code, text) = check(&stage);
    assert_eq!(code, Some(69), "{text}");
    assert!(line(&text, "cluster").contains("a controller of the cluster"), "{text}");
    let (code, log) = stage.run_to_end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.lines().count() < 200, "{} lines\n{}", log.lines().count(), &log[..log.len().min(4000)]);
}
