//! The daemon among faults, on real brokers: processes killed, frozen, rolled; connections cut, swallowed, delayed; and
//! every line accounted for at the end.
//!
//! `make test` plays the short form. `make chaos` plays the long ones, on three brokers and with the release build; what
//! they said on some machine stands in `tests/CHAOS.md`. Which fault of the matrix is proven where, `tests/FAULTS.md`
//! says.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says no; the lint spares only what is marked #[test]")]

use std::time::Duration;

use feed::Feed;
use proxy::api;
use run::{Fault, Mode, Plan, mixed, play};

mod access;
mod brief;
mod cluster;
mod counted;
mod endurance;
mod faults;
mod feed;
mod proxy;
mod run;
mod tally;
mod verdict;

/// What the other integration tests bring.
#[path = "../it"]
#[allow(dead_code, reason = "each of the two uses its part")]
mod it {
    pub(crate) mod alerts {
        pub(crate) mod replay;
        pub(crate) mod told;
    }
    pub(crate) mod lines;
    pub(crate) mod oracle;
    pub(crate) mod program;
    pub(crate) mod records;
    pub(crate) mod skip;
    pub(crate) mod stage;
}

/// Whether the configuration has this key.
fn knows(key: &str) -> bool {
    fingerpost::config::keys::find(key).is_some()
}

/// Whether this mode is to be had; says so when it is not.
fn has(mode: Mode) -> bool {
    let set = format!("delivery.mode={}", mode.word());
    let arguments = ["config", "show", "--set", &set, "--brokers", "b:1", "--input", "i", "--output", "o"];
    let output = it::program::fingerpost().args(arguments).output().unwrap();
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("does not have"), "{words}");
        it::skip::skipped(&format!("chaos: this version does not have {}", mode.word()));
    }
    output.status.success()
}

/// Every kind of fault, on three brokers. `CHAOS=long` makes it five times as long.
fn long(name: &'static str, mode: Mode, assignor: &'static str) {
    use Fault::{
        Blackhole, Blink, BrokerFreeze, BrokerKill, BrokerRoll, Join, Kill, KillAt, Leave, Pause, Resets, Rights, Roll,
        Slow,
    };
    if !has(mode) {
        return;
    }
    let times = if setting("CHAOS") == Some("long".to_owned()) { 5 } else { 1 };
    let at = match mode {
        Mode::AtLeastOnce => vec![KillAt(api::PRODUCE), KillAt(api::OFFSET_COMMIT)],
        Mode::ExactlyOnce => vec![
            KillAt(api::ADD_PARTITIONS_TO_TXN),
            KillAt(api::ADD_OFFSETS_TO_TXN),
            KillAt(api::TXN_OFFSET_COMMIT),
            KillAt(api::END_TXN),
        ],
    };
    let others =
        [Kill, Join, Pause, Blink, Roll, Leave, BrokerKill, BrokerRoll, BrokerFreeze, Resets, Blackhole, Slow, Rights];
    let kinds: Vec<Fault> = others.into_iter().chain(at).collect();
    let seed = setting("CHAOS_SEED").map_or(1, |seed| seed.parse().unwrap());
    let plan = Plan {
        name,
        mode,
        assignor,
        brokers: 3,
        feed: Feed {
            seed,
            partitions: 12,
            lines: times * number("CHAOS_LINES", 500_000),
            refused: 10_000,
            wild: Feed::wild(),
        },
        session: Duration::from_secs(6),
        faults: mixed(seed, times * number("CHAOS_FAULTS", 32), &kinds),
        every: Duration::ZERO,
    };
    if let Some(summary) = play(&plan) {
        summary.hold(true);
    }
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str, default: usize) -> usize {
    setting(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
#[ignore = "long: make chaos"]
fn long_at_least_once_cooperative() {
    long("long-alo-coop", Mode::AtLeastOnce, "cooperative-sticky");
}

#[test]
#[ignore = "long: make chaos"]
fn long_at_least_once_range() {
    long("long-alo-range", Mode::AtLeastOnce, "range");
}

#[test]
#[ignore = "long: make chaos"]
fn long_exactly_once_cooperative() {
    long("long-eos-coop", Mode::ExactlyOnce, "cooperative-sticky");
}

#[test]
#[ignore = "long: make chaos"]
fn long_exactly_once_range() {
    long("long-eos-range", Mode::ExactlyOnce, "range");
}
