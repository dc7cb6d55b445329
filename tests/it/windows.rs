//! Alerts are exact: whatever is killed, moved and sent again, what fires from when until when is what the lines say.

mod boundaries;
mod brute;
mod fleet;
mod lines;
mod runbooks;

use std::collections::BTreeSet;
use std::fmt::Debug;

use fleet::{Fleet, Mode};

/// Generated runs of each mode; `FINGERPOST_ALERT_RUNS` says otherwise.
const RUNS: u64 = 500;
const LATENESS: i64 = 5 * 60_000;

#[test]
fn at_least_once_the_alerts_are_those_that_brute_force_finds() {
    runs(Mode::AtLeastOnce);
}

#[test]
fn exactly_once_the_alerts_are_those_that_brute_force_finds() {
    runs(Mode::ExactlyOnce);
}

fn runs(mode: Mode) {
    let runs = std::env::var("FINGERPOST_ALERT_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let engine = lines::engine();
    let mut seen = Seen::default();
    for seed in 0..runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let partitions = random.usize(1..=6);
        let input = lines::generate(&mut random, partitions, 120);
        let truth = brute::truth(&input);
        let mut fleet = Fleet::new(seed, mode, &engine, &input);
        fleet.run(300);
        fleet.finish(None);
        let clocks: Option<Vec<i64>> = truth.clocks.iter().copied().collect();
        let horizon = clocks.and_then(|clocks| clocks.into_iter().min()).map_or(i64::MIN, |least| least - LATENESS);
        let context = format!("seed {seed}, {mode:?}, horizon {horizon}");
        same(&fleet.over(), &truth.over(horizon), &format!("over, {context}"));
        same(&fleet.firing(), &truth.firing(horizon), &format!("firing, {context}"));
        // Ten days later all is over.
        fleet.finish(Some(lines::START + 10 * 24 * 3_600_000));
        same(&fleet.over(), &truth.stretches, &format!("in the end, {context}"));
        same(&fleet.firing(), &BTreeSet::new(), &format!("firing in the end, {context}"));
        assert_eq!(fleet.too_late.len(), truth.too_late, "too late, {context}");
        let (repeated, withdrawn) = fleet.repeated_and_withdrawn();
        assert!(mode == Mode::AtLeastOnce || repeated == 0, "told twice, {context}");
        seen.add(&truth, fleet.faults, withdrawn);
    }
    println!("{runs} runs: {seen:?}");
    let Seen { stretches, faults, late, too_late, leaps, withdrawn } = seen;
    for (many, of_ten) in [(stretches, 100), (faults, 50), (late, 100), (too_late, 10), (leaps, 10), (withdrawn, 2)] {
        assert!(10 * many as u64 > of_ten * runs, "too little happened: {seen:?}");
    }
}

/// What has happened in all runs.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    stretches: usize,
    faults: usize,
    late: usize,
    too_late: usize,
    leaps: usize,
    withdrawn: usize,
}

impl Seen {
    fn add(&mut self, truth: &brute::Truth, faults: usize, withdrawn: usize) {
        self.stretches += truth.stretches.len();
        self.faults += faults;
        self.late += truth.late;
        self.too_late += truth.too_late;
        self.leaps += truth.leaps;
        self.withdrawn += withdrawn;
    }
}

/// Shows only what is not in both.
fn same<T: Ord + Debug>(told: &BTreeSet<T>, truth: &BTreeSet<T>, context: &str) {
    let (wrong, missing): (Vec<&T>, Vec<&T>) = (told.difference(truth).collect(), truth.difference(told).collect());
    assert!(wrong.is_empty() && missing.is_empty(), "{context}: wrong {wrong:#?}, missing {missing:#?}");
}
