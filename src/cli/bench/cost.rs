//! Which rule costs how much: the time of every line that the scan stops at, put on a bill.
//!
//! ```text
//! a line's time = judging rule A + judging rule B + … + the rest (reading, searching, tagging)
//!                 └ on A's bill    └ on B's bill        └ matched: shared by the rules that fit
//!                                                       └ in vain: shared by all whose phrases stopped the scan
//! ```
//!
//! So a rule that is left out saves about its bill, unless it shares its phrase with others. Single lines are timed by the
//! fastest of several tries, and the bills are then stretched to add up to what the passes over whole classes of lines took.

use std::collections::BTreeMap;
use std::time::Duration;

use super::causes::{Causes, Party};
use super::clock::{Stopwatch, repeat};
use crate::engine::{Detail, Engine, Memory};

/// About so many lines of a class are timed one by one; of more, some are drawn by lot.
const TIMED_MAX: usize = 10_000;

/// Lines by what becomes of them.
#[derive(Debug, Default)]
pub struct Classes<'s> {
    /// The scan does not stop.
    pub passed: Vec<&'s [u8]>,
    /// The scan stops and no rule matches.
    pub in_vain: Vec<&'s [u8]>,
    /// Some rule matches.
    pub matched: Vec<&'s [u8]>,
    /// Of those passed: longer than `limits.payload`, so not even looked at.
    pub too_long: usize,
}

impl<'s> Classes<'s> {
    /// Sorts lines, in their order.
    #[must_use]
    pub fn of(engine: &Engine, lines: &[&'s [u8]], source: &str) -> Self {
        let mut classes = Self::default();
        let mut memory = engine.memory();
        for line in lines {
            let outcome = engine.classify(line, Some(source), &mut memory);
            classes.too_long += usize::from(outcome.crossed.payload);
            let class = match outcome.verdict {
                Some(_) => &mut classes.matched,
                None if !outcome.crossed.payload && engine.may_concern(line) => &mut classes.in_vain,
                None => &mut classes.passed,
            };
            class.push(line);
        }
        classes
    }
}

/// What one party costs. Nanoseconds are for the whole sample.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bill {
    /// Lines that hold what it makes the scan look for.
    pub stops: usize,
    /// Of these, lines that no rule matches.
    pub in_vain: usize,
    /// Lines that it fits, whatever `unless` says; only rules fit.
    pub fits: usize,
    /// Its share of reading lines that no rule matches.
    pub reading_ns: f64,
    /// Trying its conditions and captures.
    pub judging_ns: f64,
    /// Its share of reading and tagging lines that match.
    pub tagging_ns: f64,
}

impl Bill {
    /// All in all, for the whole sample.
    #[must_use]
    pub fn total_ns(&self) -> f64 {
        self.reading_ns + self.judging_ns + self.tagging_ns
    }
}

/// In how many lines a run of bytes is that the scan looks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Lines, of those that the scan stops at.
    pub lines: usize,
    /// Of these, lines that no rule matches.
    pub in_vain: usize,
}

/// A rule's try at a line.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    /// The rule.
    pub rule: usize,
    /// It fits.
    pub fits: bool,
    /// Nanoseconds of the fastest time.
    pub ns: f64,
}

/// A line that the scan stops at, timed by itself.
#[derive(Debug)]
pub struct Stop<'s> {
    /// The line.
    pub line: &'s [u8],
    /// Each rule that is tried at it.
    pub tries: Vec<Try>,
    tagged: bool,
    parties: Vec<Party>,
    ns: f64,
}

/// The bills of all.
#[derive(Debug)]
pub struct Costs<'s> {
    /// By party.
    pub bills: BTreeMap<Party, Bill>,
    /// By run, as in [`Causes::runs`].
    pub seen: Vec<Seen>,
    /// The lines that were timed by themselves.
    pub stops: Vec<Stop<'s>>,
}

impl<'s> Costs<'s> {
    /// Counts who stops the scan and who fits, over all lines; nothing is timed yet.
    #[must_use]
    pub fn count(engine: &Engine, causes: &Causes, classes: &Classes<'s>, source: &str) -> Self {
        let mut costs =
            Self { bills: BTreeMap::new(), seen: vec![Seen::default(); causes.runs.len()], stops: Vec::new() };
        for (lines, tagged) in [(&classes.in_vain, false), (&classes.matched, true)] {
            // By lot, as lines come in turns; with a seed, so that it is always the same lot.
            let mut lot = fastrand::Rng::with_seed(1);
            let every = lines.len().div_ceil(TIMED_MAX).max(1);
            for line in lines {
                let stop = costs.enter(engine, causes, line, tagged, source);
                if lot.usize(..every) == 0 {
                    costs.stops.push(stop);
                }
            }
        }
        costs
    }

    fn enter(&mut self, engine: &Engine, causes: &Causes, line: &'s [u8], tagged: bool, source: &str) -> Stop<'s> {
        let runs = causes.find(line);
        for run in &runs {
            self.seen[*run].lines += 1;
            self.seen[*run].in_vain += usize::from(!tagged);
        }
        let probe = engine.classify(line, Some(source), &mut engine.memory()).probe;
        let mut parties = if probe { vec![Party::Probe] } else { causes.parties(&runs) };
        if parties.is_empty() {
            parties.push(Party::Doubt);
        }
        for party in &parties {
            let bill = self.bills.entry(*party).or_default();
            bill.stops += 1;
            bill.in_vain += usize::from(!tagged);
        }
        let examined = engine.examine(line);
        let candidates = if probe { Vec::new() } else { examined.candidates() };
        let a_try = |rule| Try { rule, fits: examined.fits(rule), ns: f64::INFINITY };
        let tries: Vec<Try> = candidates.into_iter().map(a_try).collect();
        for fit in tries.iter().filter(|it| it.fits) {
            self.bills.entry(Party::Rule(fit.rule)).or_default().fits += 1;
        }
        Stop { line, tries, tagged, parties, ns: f64::INFINITY }
    }

    /// Times the lines one by one, again and again for this time.
    pub fn time(&mut self, engine: &Engine, source: &str, time: Duration) {
        let watch = Stopwatch::set();
        repeat(time, || {
            let mut memory = engine.memory();
            self.stops.iter_mut().for_each(|stop| stop.time(engine, watch, source, &mut memory));
        });
    }

    /// Writes the bills, so that they add up to what all lines in vain and all that match take, in nanoseconds.
    pub fn write(&mut self, in_vain_ns: f64, matched_ns: f64) {
        for (tagged, whole_ns) in [(false, in_vain_ns), (true, matched_ns)] {
            let stops = self.stops.iter().filter(|stop| stop.tagged == tagged);
            let timed: f64 = stops.clone().map(|stop| stop.ns).sum();
            let stretch = if timed > 0.0 { whole_ns / timed } else { 0.0 };
            stops.for_each(|stop| stop.put_on(&mut self.bills, stretch));
        }
    }
}

impl Stop<'_> {
    fn time(&mut self, engine: &Engine, watch: Stopwatch, source: &str, memory: &mut Memory) {
        let whole = watch.time(|| {
            let outcome = engine.classify(self.line, Some(source), memory);
            outcome.value(self.line, Detail::Full).len()
        });
        self.ns = self.ns.min(whole);
        let examined = engine.examine(self.line);
        for one in &mut self.tries {
            one.ns = one.ns.min(watch.time(|| examined.fits(one.rule)));
        }
    }

    fn put_on(&self, bills: &mut BTreeMap<Party, Bill>, stretch: f64) {
        let tried: f64 = self.tries.iter().map(|one| one.ns).sum();
        // Tries are timed apart, so by chance they may come out longer than the line they are a part of.
        let share = if tried > self.ns { self.ns / tried } else { 1.0 };
        for one in &self.tries {
            bills.entry(Party::Rule(one.rule)).or_default().judging_ns += one.ns * share * stretch;
        }
        let rest = (self.ns - tried).max(0.0) * stretch;
        let fitting: Vec<Party> = self.tries.iter().filter(|one| one.fits).map(|one| Party::Rule(one.rule)).collect();
        let payers = if fitting.is_empty() { &self.parties } else { &fitting };
        for payer in payers {
            let bill = bills.entry(*payer).or_default();
            let part = if fitting.is_empty() { &mut bill.reading_ns } else { &mut bill.tagging_ns };
            *part += rest / payers.len() as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(tagged: bool, parties: &[Party], tries: &[(usize, bool, f64)], ns: f64) -> Stop<'static> {
        let tries = tries.iter().map(|(rule, fits, ns)| Try { rule: *rule, fits: *fits, ns: *ns }).collect();
        Stop { line: b"", tries, tagged, parties: parties.to_vec(), ns }
    }

    #[test]
    fn bills_add_up_to_what_the_passes_took() {
        let (a, b) = (Party::Rule(0), Party::Rule(1));
        let stops = vec![
            stop(false, &[a, b], &[(0, false, 30.0)], 130.0),
            stop(true, &[a, b], &[(0, false, 20.0), (1, true, 80.0)], 500.0),
            // Tries that seem to take longer than the line.
            stop(true, &[b], &[(1, true, 1000.0)], 500.0),
        ];
        let mut costs = Costs { bills: BTreeMap::new(), seen: Vec::new(), stops };
        costs.write(1300.0, 2000.0);
        let bill = |party| costs.bills[&party];
        assert_eq!((bill(a).reading_ns, bill(a).judging_ns, bill(a).tagging_ns), (500.0, 300.0 + 40.0, 0.0));
        assert_eq!((bill(b).reading_ns, bill(b).judging_ns, bill(b).tagging_ns), (500.0, 160.0 + 1000.0, 800.0));
        assert_eq!(costs.bills.values().map(Bill::total_ns).sum::<f64>(), 3300.0);
    }
}
