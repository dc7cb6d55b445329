//! What was measured, cell by cell and round by round, and what it says about the promises: each is held or it is not.
//!
//! A shared machine is now faster and now slower, by a fifth within a minute. So of two cells that are compared one runs
//! just before and just after the other ([`schedule`]), a ratio is that of a run to the mean of the two beside it, and the
//! median of the rounds counts.

use std::collections::BTreeMap;

use crate::cells::{Cell, SIZES};
use crate::live::Seen;
use crate::measure::Figures;

/// All rounds.
#[derive(Default)]
pub(crate) struct Results {
    /// What the cells with a corpus cost, run by run.
    pub(crate) figures: BTreeMap<String, Vec<Run>>,
    /// What was seen of the live ones.
    pub(crate) seen: BTreeMap<String, Vec<Seen>>,
    /// Cells that could not be run, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// How often a cell failed.
    pub(crate) failed: usize,
}

/// One run of a cell.
pub(crate) struct Run {
    round: usize,
    /// The runs before it, in all rounds.
    at: usize,
    /// What it cost.
    pub(crate) figures: Figures,
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
    /// Notes what a cell cost in a round, after so many runs.
    pub(crate) fn note(&mut self, round: usize, at: usize, cell: &str, figures: Figures) {
        self.figures.entry(cell.to_owned()).or_default().push(Run { round, at, figures });
    }

    /// Notes what was seen in a round.
    pub(crate) fn note_seen(&mut self, cell: &str, seen: Seen) {
        self.seen.entry(cell.to_owned()).or_default().push(seen);
    }

    /// Some figure of a cell.
    pub(crate) fn spread(&self, cell: &str, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.figures.get(cell)?.iter().filter_map(|run| figure(&run.figures)))
    }

    /// One cell's figure over another's. The one that ran less often is held against the runs of the other beside it.
    pub(crate) fn ratio(&self, one: &str, other: &str, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
        let (one, other) = (self.figures.get(one)?, self.figures.get(other)?);
        let of = |run: &Run| figure(&run.figures);
        if one.len() <= other.len() {
            Spread::of(one.iter().filter_map(|run| Some(of(run)? / run.beside(other, of)?)))
        } else {
            Spread::of(other.iter().filter_map(|run| Some(run.beside(one, of)? / of(run)?)))
        }
    }
}

impl Run {
    /// The mean of a figure of the runs of another cell that were next to this one, in the same round.
    fn beside(&self, others: &[Self], figure: impl Fn(&Self) -> Option<f64>) -> Option<f64> {
        let distance = |run: &Self| run.at.abs_diff(self.at);
        let round: Vec<&Self> = others.iter().filter(|run| run.round == self.round).collect();
        let nearest = round.iter().map(|run| distance(run)).min()?;
        let figures: Vec<f64> = round.into_iter().filter(|run| distance(run) == nearest).filter_map(figure).collect();
        (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
    }
}

/// What is compared: the one with the other.
fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    let costs = COSTS.into_iter().map(|(one, other, _)| (one, other));
    costs.chain(PARTITIONS.map(|(_, cell)| (cell, SIX)))
}

/// The order of a round: every one between two runs of the other with which it is compared.
pub(crate) fn schedule(cells: &[Cell]) -> Vec<&Cell> {
    let find = |name: &str| cells.iter().find(|cell| cell.name == name);
    let pairs: Vec<(&Cell, &Cell)> = pairs().filter_map(|(one, other)| Some((find(one)?, find(other)?))).collect();
    let mut order: Vec<&Cell> = Vec::new();
    for cell in cells {
        let mut ones = pairs.iter().filter(|(_, other)| other.name == cell.name).map(|(one, _)| *one).peekable();
        let has_a_place = pairs.iter().any(|(one, _)| one.name == cell.name);
        if ones.peek().is_some() || !has_a_place {
            order.push(cell);
        }
        ones.for_each(|one| order.extend([one, cell]));
    }
    order
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

/// The cell with which those of other partitions are compared.
const SIX: &str = "run/40/1%";
/// Those, by how many partitions they have.
const PARTITIONS: [(usize, &str); 2] = [(1, "partitions/1"), (48, "partitions/48")];

/// So many times the other's processor time may the one take, at most.
const COSTS: [(&str, &str, f64); 14] = [
    (SIX, "passthrough/1%", 1.15),
    ("run/40/none", "passthrough/none", 1.08),
    ("run/4000/1%", SIX, 1.10),
    ("run/100000/1%", SIX, 1.25),
    ("run/4000/0.1%", "run/40/0.1%", 1.10),
    ("run/100000/0.1%", "run/40/0.1%", 1.25),
    ("run/4000/none", "run/40/none", 1.10),
    ("run/100000/none", "run/40/none", 1.25),
    ("near-miss/4000", SIX, 1.5),
    ("exactly-once/40/1%", SIX, 1.15),
    ("exactly-once/4000/1%", "run/4000/1%", 1.15),
    ("exactly-once/100000/1%", "run/100000/1%", 1.15),
    ("matched/40", "consumer", 1.1),
    ("matched/40", "polled", 1.1),
];

/// All promises.
pub(crate) fn proofs(results: &Results) -> Vec<Proof> {
    let mut proofs = Vec::new();
    // With start-up, which weighs less the more lines there are, and without it.
    for (one, other, most) in COSTS {
        let promise = format!("CPU of {one} at most {most} x {other}");
        let measured = results.ratio(one, other, |figures| Some(figures.cpu));
        proofs.push(Proof { promise: promise.clone(), measured, allowed: (0.0, most), unit: "" });
        let measured = results.ratio(one, other, |figures| figures.steady_cpu);
        proofs.push(Proof { promise: promise + ", after the first fifth", measured, allowed: (0.0, most), unit: "" });
    }
    proofs.extend(SIZES.map(|phrases| exactly_once_rate(results, phrases)));
    proofs.extend(PARTITIONS.map(|(partitions, cell)| same_cost(results, partitions, cell)));
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

fn same_cost(results: &Results, partitions: usize, cell: &str) -> Proof {
    Proof {
        promise: format!("CPU with {partitions} partitions within 10 % of that with 6"),
        measured: results.ratio(cell, SIX, |figures| Some(figures.cpu)),
        allowed: (0.9, 1.1),
        unit: "",
    }
}

/// Peak memory is what it was in the worst round of the worst cell.
fn memory(results: &Results) -> Proof {
    let daemons = ["run/", "exactly-once/", "near-miss/", "partitions/", "matched/"];
    let cells = results.figures.iter().filter(|(cell, _)| daemons.iter().any(|daemon| cell.starts_with(daemon)));
    let peaks = cells.flat_map(|(_, runs)| runs.iter().map(|run| run.figures.peak_mib));
    let measured = Spread::of(peaks).map(|spread| Spread { median: spread.max, ..spread });
    Proof {
        promise: "peak resident memory of a daemon, all cells and rounds, at most 128 MiB".into(),
        measured,
        allowed: (0.0, 128.0),
        unit: " MiB",
    }
}

fn live(results: &Results) -> [Proof; 2] {
    let seen = |figure: fn(&Seen) -> f64| Spread::of(results.seen.get("live/100000").into_iter().flatten().map(figure));
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
