//! The short form of the runs, which `make test` plays. They take the longest, so by their name they come before nearly all
//! others, which fill the time beside them.

use std::time::Duration;

use super::feed::Feed;
use super::has;
use super::run::{Fault, Mode, Plan, play};

fn short(name: &'static str, mode: Mode) {
    use Fault::{BrokerKill, Join, Kill, Leave, Pause, Rights};
    if !has(mode) {
        return;
    }
    let faults = vec![
        Kill, Join, Kill, Join, Kill, Pause, Kill, BrokerKill, Kill, Rights, Leave, Kill, Pause, Kill, Leave, Kill,
    ];
    let plan = Plan {
        name,
        mode,
        assignor: "cooperative-sticky",
        brokers: 1,
        feed: Feed { seed: 20_261_121, partitions: 6, lines: 200_000, refused: 10_000, wild: Feed::wild() },
        session: Duration::from_secs(3),
        faults,
        every: Duration::ZERO,
    };
    if let Some(summary) = play(&plan) {
        summary.hold(false);
    }
}

#[test]
fn short_at_least_once() {
    short("chaos-alo", Mode::AtLeastOnce);
}

#[test]
fn short_exactly_once() {
    short("chaos-eos", Mode::ExactlyOnce);
}
