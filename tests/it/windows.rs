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
    let (mut stretches, mut faults, mut late) = (0, 0, 0);
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
        same(&told(&fleet, mode, &context), &truth.over(horizon), &format!("over, {context}"));
        same(&fleet.firing(), &truth.firing(horizon), &format!("firing, {context}"));
        // Ten days later all is over.
        fleet.finish(Some(lines::START + 10 * 24 * 3_600_000));
        same(&told(&fleet, mode, &context), &truth.stretches, &format!("in the end, {context}"));
        same(&fleet.firing(), &BTreeSet::new(), &format!("firing in the end, {context}"));
        assert_eq!(fleet.late.len(), truth.late, "late, {context}");
        stretches += truth.stretches.len();
        faults += fleet.faults;
        late += truth.late;
    }
    println!("{runs} runs: {stretches} times an alert fired, {faults} faults, {late} matches late");
    assert!(stretches as u64 > 10 * runs && faults as u64 > 5 * runs && late as u64 > 10 * runs, "too little happened");
}

/// Shows only what is not in both.
fn same<T: Ord + Debug>(told: &BTreeSet<T>, truth: &BTreeSet<T>, context: &str) {
    let (wrong, missing): (Vec<&T>, Vec<&T>) = (told.difference(truth).collect(), truth.difference(told).collect());
    assert!(wrong.is_empty() && missing.is_empty(), "{context}: wrong {wrong:#?}, missing {missing:#?}");
}

/// What was told to be over; exactly once, each once.
fn told(fleet: &Fleet<'_>, mode: Mode, context: &str) -> BTreeSet<brute::Stretch> {
    let over = fleet.over();
    let told: BTreeSet<brute::Stretch> = over.iter().cloned().collect();
    assert!(mode == Mode::AtLeastOnce || told.len() == over.len(), "told twice, {context}");
    told
}
