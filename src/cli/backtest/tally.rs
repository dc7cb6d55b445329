//! Counting while lines go by: how many each rule claims, how many errors no rule claims, what is different.

use fastrand::Rng;

use super::difference::{Differences, difference};
use super::judge::Judge;
use super::sample::Samples;
use crate::alert;
use crate::cli::feed::Fed;
use crate::engine::{Engine, Outcome};

/// What an id was put on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Lines that have it, and some of them.
    pub samples: Samples,
    /// Of these, those of which it is the primary.
    pub primary: u64,
}

/// Error lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// All.
    pub errors: u64,
    /// Those that a rule claims.
    pub claimed: u64,
}

impl Coverage {
    /// From 0 to 1; nothing when there is no error line.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.errors > 0).then(|| self.claimed as f64 / self.errors as f64)
    }
}

/// How many lines went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All lines and records.
    pub lines: u64,
    /// Those that some rule claims.
    pub tagged: u64,
    /// Records without a value.
    pub tombstones: u64,
    /// Longer than `limits.payload`: not judged.
    pub too_long: u64,
    /// Lines at which the engine failed.
    pub failed: u64,
}

/// See the top of the file.
pub struct Tally<'e> {
    /// The packs in question.
    pub judge: Judge<'e>,
    /// Those to compare with.
    pub against: Option<Judge<'e>>,
    /// Lines.
    pub counts: Counts,
    /// By index into [`Engine::reported`].
    pub claimed: Vec<Claimed>,
    /// Error lines.
    pub coverage: Coverage,
    /// Against the others.
    pub differences: Differences,
    samples: usize,
    random: Rng,
}

impl<'e> Tally<'e> {
    /// Nothing yet.
    #[must_use]
    pub fn new(
        engine: &'e Engine,
        against: Option<&'e Engine>,
        escalation: &alert::Settings,
        samples: usize,
        seed: u64,
    ) -> Self {
        Self {
            judge: Judge::new(engine, escalation),
            against: against.map(|engine| Judge::new(engine, escalation)),
            counts: Counts::default(),
            claimed: vec![Claimed::default(); engine.reported().len()],
            coverage: Coverage::default(),
            differences: Differences::new(),
            samples,
            random: Rng::with_seed(seed),
        }
    }

    /// Takes in a line.
    pub fn line(&mut self, line: &Fed<'_>) {
        self.counts.lines += 1;
        for judge in [Some(&mut self.judge), self.against.as_mut()].into_iter().flatten() {
            judge.counting.see(&line.spot);
        }
        let Some(bytes) = line.bytes else {
            self.counts.tombstones += 1;
            return;
        };
        let outcome = self.judge.judge(line);
        self.counts.failed += u64::from(outcome.is_none());
        self.counts.too_long += u64::from(outcome.as_ref().is_some_and(|outcome| outcome.crossed.payload));
        if let Some(outcome) = &outcome {
            self.claimed(line, outcome);
        }
        let is_error = self.judge.engine.gist_of_error(bytes, line.writer).is_some();
        let is_claimed = outcome.as_ref().is_some_and(|outcome| outcome.verdict.is_some());
        self.coverage.errors += u64::from(is_error);
        self.coverage.claimed += u64::from(is_error && is_claimed);
        if let Some(against) = &mut self.against {
            let other = against.judge(line);
            for countable in other.iter().flat_map(|outcome| &outcome.countable) {
                against.counting.count(countable, &line.spot);
            }
            let found = difference((against.engine, other.as_ref()), (self.judge.engine, outcome.as_ref()));
            if let Some(found) = found {
                let samples = self.differences.entry(found).or_default();
                samples.see(line, self.counts.lines, self.samples, &mut self.random);
            }
        }
    }

    fn claimed(&mut self, line: &Fed<'_>, outcome: &Outcome) {
        let Some(verdict) = &outcome.verdict else { return };
        self.counts.tagged += 1;
        for (at, rule) in verdict.rules.iter().enumerate() {
            let claimed = &mut self.claimed[*rule];
            claimed.primary += u64::from(at == 0);
            claimed.samples.see(line, self.counts.lines, self.samples, &mut self.random);
        }
        for countable in &outcome.countable {
            self.judge.counting.count(countable, &line.spot);
        }
    }
}
