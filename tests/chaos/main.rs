//! The daemon among faults, on real brokers: processes killed, frozen, rolled; connections cut, swallowed, delayed; and
//! every line accounted for at the end.
//!
//! `make test` plays the short form. `make chaos` plays the long ones, on three brokers and with the release build; what
//! they said on some machine stands in `tests/CHAOS.md`. Which fault of the matrix is proven where, `tests/FAULTS.md`
//! says.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says no; the lint spares only what is marked #[test]")]

use std::process::Command;
use std::time::Duration;

use feed::Feed;
use run::{Fault, Mode, Plan, mixed, play};

mod cluster;
mod feed;
mod proxy;
mod run;
mod tally;
mod verdict;

/// What the other integration tests bring.
#[path = "../it"]
#[allow(dead_code, reason = "each of the two uses its part")]
mod it {
    pub(crate) mod lines;
    pub(crate) mod oracle;
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
    let output = Command::new(env!("CARGO_BIN_EXE_fingerpost")).args(arguments).output().unwrap();
    if !output.status.success() {
        it::skip::skipped(&format!("chaos: this version does not have {}", mode.word()));
    }
    output.status.success()
}

fn short(name: &'static str, mode: Mode) {
    if !has(mode) {
        return;
    }
    use Fault::{BrokerKill, Join, Kill, Leave, Pause};
    let faults =
        vec![Kill, Join, Kill, Join, Kill, Pause, Kill, BrokerKill, Kill, Leave, Kill, Pause, Kill, Leave, Kill];
    let plan = Plan {
        name,
        mode,
        assignor: "cooperative-sticky",
        brokers: 1,
        feed: Feed { seed: 20_261_121, partitions: 6, lines: 200_000 },
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
