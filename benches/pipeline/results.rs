//! What was measured, cell by cell and round by round, and what it says about the promises: each is held or it is not.
//!
//! A ratio is taken inside each round, where both sides had the same machine, and the median of the rounds counts.

use std::collections::BTreeMap;

use crate::cells::SIZES;
use crate::live::Seen;
use crate::measure::Figures;

/// All rounds. A round in which a cell was not run, or failed, is `None`.
#[derive(Default)]
pub(crate) struct Results {
    /// What the cells with a corpus cost.
    pub(crate) figures: BTreeMap<String, Vec<Option<Figures>>>,
    /// What was seen of the live ones.
    pub(crate) seen: BTreeMap<String, Vec<Option<Seen>>>,
    /// Cells that could not be run, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// How often a cell failed.
    pub(crate) failed: usize,
}

/// The minimum, the median and the maximum of some rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    /// The smallest.
    pub(crate) min: f64,
    /// The one in the middle, or the mean of the two there.
    pub(crate) median: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of these, if there are any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { min, median, max })
    }
}

impl Results {
    /// Notes what a cell cost in a round.
    pub(crate) fn note(&mut self, round: usize, cell: &str, figures: Figures) {
        put(self.figures.entry(cell.to_owned()).or_default(), round, figures);
    }

    /// Notes what was seen in a round.
    pub(crate) fn note_seen(&mut self, round: usize, cell: &str, seen: Seen) {
        put(self.seen.entry(cell.to_owned()).or_default(), round, seen);
    }

    /// Some figure of a cell.
    pub(crate) fn spread(&self, cell: &str, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.figures.get(cell)?.iter().flatten().filter_map(figure))
    }

    /// One cell's figure over another's, in the rounds that have both.
    pub(crate) fn ratio(&self, one: &str, other: &str, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
        let rounds = self.figures.get(one)?.iter().zip(self.figures.get(other)?);
        let ratio = |(one, other): (&Option<Figures>, &Option<Figures>)| {
            Some(figure(one.as_ref()?)? / figure(other.as_ref()?)?)
        };
        Spread::of(rounds.filter_map(ratio))
    }
}

fn put<T>(rounds: &mut Vec<Option<T>>, round: usize, value: T) {
    rounds.resize_with(rounds.len().max(round + 1), || None);
    rounds[round] = Some(value);
}

/// A promise and what was measured of it.
pub(crate) struct Proof {
    /// What is promised.
    pub(crate) promise: String,
    /// What was measured; none where the cells did not run.
    pub(crate) measured: Option<Spread>,
    /// The values that hold it.
    pub(crate) allowed: (f64, f64),
    /// The unit of the value, with a space before it; empty for ratios.
    pub(crate) unit: &'static str,
}

impl Proof {
    /// Whether the median is allowed.
    pub(crate) fn holds(&self) -> Option<bool> {
        let (least, most) = self.allowed;
        self.measured.map(|spread| spread.median >= least && spread.median <= most)
    }
}

/// All promises.
pub(crate) fn proofs(results: &Results) -> Vec<Proof> {
    let mut proofs = Vec::new();
    // With start-up, which weighs less the more lines there are, and without it.
    let mut cost = |one: &str, other: &str, most: f64| {
        let promise = format!("CPU of {one} at most {most} x {other}");
        let measured = results.ratio(one, other, |figures| Some(figures.cpu));
        proofs.push(Proof { promise: promise.clone(), measured, allowed: (0.0, most), unit: "" });
        let measured = results.ratio(one, other, |figures| figures.steady_cpu);
        proofs.push(Proof { promise: promise + ", after the first fifth", measured, allowed: (0.0, most), unit: "" });
    };
    cost("run/40/1%", "passthrough/1%", 1.15);
    cost("run/40/none", "passthrough/none", 1.08);
    for rate in ["1%", "0.1%", "none"] {
        cost(&format!("run/4000/{rate}"), &format!("run/40/{rate}"), 1.10);
        cost(&format!("run/100000/{rate}"), &format!("run/40/{rate}"), 1.25);
    }
    cost("near-miss/4000", "run/40/1%", 1.5);
    for phrases in SIZES {
        cost(&format!("exactly-once/{phrases}/1%"), &format!("run/{phrases}/1%"), 1.15);
    }
    cost("matched/40", "consumer", 1.1);
    cost("matched/40", "polled", 1.1);
    proofs.extend(SIZES.map(|phrases| exactly_once_rate(results, phrases)));
    proofs.extend([1, 48].map(|partitions| same_cost(results, partitions)));
    proofs.push(memory(results));
    proofs.extend(live(results));
    proofs
}

fn exactly_once_rate(results: &Results, phrases: usize) -> Proof {
    let (one, other) = (format!("exactly-once/{phrases}/1%"), format!("run/{phrases}/1%"));
    Proof {
        promise: format!("lines a second of {one}, after the first fifth, at least 0.9 x {other}"),
        measured: results.ratio(&one, &other, |figures| figures.steady_rate),
        allowed: (0.9, f64::INFINITY),
        unit: "",
    }
}

fn same_cost(results: &Results, partitions: usize) -> Proof {
    Proof {
        promise: format!("CPU with {partitions} partitions within 10 % of that with 6"),
        measured: results.ratio(&format!("partitions/{partitions}"), "run/40/1%", |figures| Some(figures.cpu)),
        allowed: (0.9, 1.1),
        unit: "",
    }
}

/// Peak memory is what it was in the worst round of the worst cell.
fn memory(results: &Results) -> Proof {
    let daemons = ["run/", "exactly-once/", "near-miss/", "partitions/", "matched/"];
    let cells = results.figures.iter().filter(|(cell, _)| daemons.iter().any(|daemon| cell.starts_with(daemon)));
    let peaks = cells.flat_map(|(_, rounds)| rounds.iter().flatten().map(|figures| figures.peak_mib));
    let measured = Spread::of(peaks).map(|spread| Spread { median: spread.max, ..spread });
    Proof {
        promise: "peak resident memory of a daemon, all cells and rounds, at most 128 MiB".into(),
        measured,
        allowed: (0.0, 128.0),
        unit: " MiB",
    }
}

fn live(results: &Results) -> [Proof; 2] {
    let seen = |figure: fn(&Seen) -> f64| {
        Spread::of(results.seen.get("live/100000").into_iter().flatten().flatten().map(figure))
    };
    [
        Proof {
            promise: "100,000 phrases: ready less than 2 s after the start".into(),
            measured: seen(|seen| seen.start),
            allowed: (0.0, 2.0),
            unit: " s",
        },
        Proof {
            promise: "100,000 phrases: the worst second of a reload at least 0.95 x the worst one before".into(),
            measured: seen(|seen| seen.during / seen.before),
            allowed: (0.95, f64::INFINITY),
            unit: "",
        },
    ]
}
