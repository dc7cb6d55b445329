//! Which error lines has no rule claimed, among those that go by? And which rules has no line met?
//!
//! To tell an error a line must be parsed, and most lines never are. So a sample is taken, within a bound of lines per
//! second that hold for any load: while few lines come, all of them are looked at, and the more there are, the fewer
//! of them, each standing for as many as were passed over. Claimed or not, every line is as likely to be taken, so the
//! shares are right; the numbers are an estimate once lines stand for others.
//!
//! A worker never waits for whoever reads this: a line that comes while somebody does is passed over.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::meters::Meters;
use super::record::{self, Line};
use crate::engine::{Engine, Outcome};
use crate::gaps::{Census, Limits};
use crate::telemetry::caught;

/// How often in a second a worker looks whether it takes too many, or too few.
const STRETCHES: u32 = 10;
/// At most one line in so many is taken, however many come.
const EVERY_MAX: u64 = 1 << 16;

/// What all workers have found.
#[derive(Debug)]
pub struct Coverage {
    held: Mutex<Held>,
    /// How many ids no line was tagged with: asked for with every scrape, and so apart.
    unseen: AtomicUsize,
}

#[derive(Debug)]
struct Held {
    /// By which lines were judged; nothing before the first.
    engine: Option<Arc<Engine>>,
    since: Timestamp,
    census: Census,
    /// Some line stood for several.
    is_estimate: bool,
    /// Ids of which a line was tagged, since the start of the process.
    seen: BTreeSet<String>,
}

/// What is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The packs, by their digest; since they came into use: with others, other lines are claimed.
    pub packs: Option<String>,
    /// Since when lines are counted.
    pub since: Timestamp,
    /// Some line stood for several.
    pub is_estimate: bool,
    /// Ids with which no line was tagged since the process started.
    pub unseen: Vec<String>,
    /// As [`Census::json`] tells it, without samples: whoever may ask need not be one who may read the log.
    pub census: Json,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { held: Mutex::new(Held::new(None, BTreeSet::new())), unseen: AtomicUsize::new(0) }
    }
}

impl Held {
    fn new(engine: Option<Arc<Engine>>, seen: BTreeSet<String>) -> Self {
        let census = Census::new(Limits::default(), false);
        Self { engine, since: Timestamp::now(), census, is_estimate: false, seen }
    }

    fn unseen(&self) -> Vec<String> {
        let ids = self.engine.iter().flat_map(|engine| engine.reported()).map(|reported| &reported.id);
        ids.filter(|id| !self.seen.contains(*id)).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn is_of(&self, engine: &Arc<Engine>) -> bool {
        self.engine.as_ref().is_some_and(|known| Arc::ptr_eq(known, engine))
    }
}

impl Coverage {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, with so many templates; all with 0.
    #[must_use]
    pub fn report(&self, top: usize) -> Report {
        let held = self.held();
        Report {
            packs: held.engine.as_ref().map(|engine| engine.digest().to_owned()),
            since: held.since,
            is_estimate: held.is_estimate,
            unseen: held.unseen(),
            census: held.census.json(top, false),
        }
    }

    /// Draft rules for so many templates; for all with 0.
    #[must_use]
    pub fn drafts(&self, top: usize) -> String {
        self.held().census.drafts(top)
    }

    /// How many ids no line was tagged with.
    #[must_use]
    pub fn unseen(&self) -> usize {
        self.unseen.load(Relaxed)
    }

    /// What was found by other packs is past.
    fn turn_to(&self, engine: &Arc<Engine>) {
        let mut held = self.held();
        if !held.is_of(engine) {
            let seen = std::mem::take(&mut held.seen);
            *held = Held::new(Some(engine.clone()), seen);
            self.unseen.store(held.unseen().len(), Relaxed);
        }
    }
}

/// One worker's eye for it.
pub(crate) struct Sampler {
    coverage: Arc<Coverage>,
    /// Lines that may be taken in a stretch, on average; none are with 0.
    budget: u32,
    /// One line in so many is taken: a power of two.
    every: u64,
    /// Lines that may be taken still: what was left over, of a second at most, since lines come in bursts.
    left: u32,
    /// By index into [`Engine::reported`].
    seen: Vec<bool>,
    /// Some of these are not told yet.
    news: Vec<usize>,
}

impl Sampler {
    /// To take so many lines a second; none with 0.
    pub(crate) fn new(coverage: Arc<Coverage>, lines_per_second: u32, engine: &Arc<Engine>) -> Self {
        let budget = lines_per_second.div_ceil(STRETCHES);
        let mut sampler = Self { coverage, budget, every: 1, left: budget, seen: Vec::new(), news: Vec::new() };
        sampler.exchange(engine);
        sampler
    }

    /// Lines are judged by others from now on.
    pub(crate) fn exchange(&mut self, engine: &Arc<Engine>) {
        self.coverage.turn_to(engine);
        self.seen = vec![false; engine.reported().len()];
        self.news.clear();
    }

    /// Whether a line is to be looked at. By its offset, so that what comes in a rhythm is not always taken or never.
    pub(crate) fn wants(&self, offset: i64) -> bool {
        // The golden ratio's multiplier, whose upper bits are well mixed: Knuth, The Art of Computer Programming, 6.4.
        let mixed = (offset as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        self.budget > 0 && mixed & (self.every - 1) == 0
    }

    /// Looks at a line that was judged.
    pub(crate) fn look(&mut self, engine: &Arc<Engine>, line: &Line<'_>, outcome: &Outcome, meters: &Meters) {
        let every = self.every;
        if self.left == 0 {
            // A step costs a budget, and there are many of them to where a backlog is.
            self.every = (every * 4).min(EVERY_MAX);
            self.left = self.budget;
        }
        self.left -= 1;
        let Ok(mut held) = self.coverage.held.try_lock() else { return };
        if !held.is_of(engine) {
            return;
        }
        // What panics here has judged the line all the same.
        let Ok(gist) = caught(AssertUnwindSafe(|| record::gist(engine, line))) else { return };
        let is_claimed = outcome.verdict.is_some();
        let place = || format!("{}/{}/{}", line.topic, line.partition, line.offset);
        if held.census.take(gist.as_ref(), is_claimed, every, place) {
            let counter = if is_claimed { &meters.errors_matched } else { &meters.errors_unmatched };
            counter.increment(every);
        }
        held.is_estimate |= every > 1;
    }

    /// A line was tagged with these, by index into [`Engine::reported`].
    pub(crate) fn saw(&mut self, rules: &[usize]) {
        for rule in rules {
            if let Some(seen @ false) = self.seen.get_mut(*rule) {
                *seen = true;
                self.news.push(*rule);
            }
        }
    }

    /// A stretch is over: takes more of the lines if there was room for them, and tells what was seen.
    pub(crate) fn rest(&mut self, engine: &Arc<Engine>) {
        self.left = (self.left + self.budget).min(STRETCHES * self.budget);
        if self.left == STRETCHES * self.budget {
            self.every = (self.every / 2).max(1);
        }
        if self.news.is_empty() {
            return;
        }
        let Ok(mut held) = self.coverage.held.try_lock() else { return };
        let ids = self.news.drain(..).map(|rule| &engine.reported()[rule].id);
        let new = ids.filter(|id| held.seen.insert((*id).clone())).count();
        // With others in use meanwhile they are counted anew, and these may be none of them.
        if held.is_of(engine) {
            self.coverage.unseen.fetch_sub(new, Relaxed);
        } else {
            self.coverage.unseen.store(held.unseen().len(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_engine;

    const ERROR: &str = r#"{"level":"error","msg":"the lamp went out"}"#;
    const CLAIMED: &str = r#"{"level":"error","msg":"error during request to KeyProtect: connection refused"}"#;

    struct Bench {
        engine: Arc<Engine>,
        coverage: Arc<Coverage>,
        sampler: Sampler,
        meters: Meters,
        offset: i64,
    }

    impl Bench {
        fn new(lines_per_second: u32) -> Self {
            let engine = Arc::new(test_engine());
            let coverage = Arc::<Coverage>::default();
            let sampler = Sampler::new(coverage.clone(), lines_per_second, &engine);
            Self { meters: Meters::new(&engine), engine, coverage, sampler, offset: 0 }
        }

        fn line(&mut self, text: &'static str) {
            let line = record::test_line(self.offset, Some(text.as_bytes()));
            self.offset += 1;
            if !self.sampler.wants(line.offset) {
                return;
            }
            let outcome = self.engine.classify(text.as_bytes(), None, &mut self.engine.memory());
            self.sampler.look(&self.engine, &line, &outcome, &self.meters);
            if let Some(verdict) = &outcome.verdict {
                self.sampler.saw(&verdict.rules);
            }
        }
    }

    #[test]
    fn while_there_are_few_lines_every_one_is_counted() {
        let mut bench = Bench::new(60);
        // In a burst, too, when none came for a second.
        (0..10).for_each(|_| bench.sampler.rest(&bench.engine.clone()));
        for _ in 0..20 {
            bench.line(ERROR);
            bench.line(CLAIMED);
            bench.line(r#"{"level":"info","msg":"all is well"}"#);
        }
        (0..10).for_each(|_| bench.sampler.rest(&bench.engine.clone()));
        for _ in 0..10 {
            bench.line(ERROR);
            bench.line(CLAIMED);
            bench.line(r#"{"level":"info","msg":"all is well"}"#);
            bench.sampler.rest(&bench.engine.clone());
        }
        let report = bench.coverage.report(0);
        assert!(!report.is_estimate);
        let census = report.census;
        assert_eq!(
            [&census["lines"], &census["error_lines"], &census["claimed"]],
            [90, 60, 30].map(Json::from).each_ref()
        );
        assert_eq!(census["templates"][0]["text"], "the lamp went out");
        assert_eq!(census["templates"][0]["last"], "in/8/87");
        assert_eq!(census["templates"][0].get("sample"), None);
        let ids = bench.engine.reported().iter().map(|reported| &reported.id).collect::<BTreeSet<_>>().len();
        assert!(report.unseen.len() < ids && bench.coverage.unseen() == report.unseen.len());
        assert!(bench.coverage.drafts(0).contains("the lamp went out"));
    }

    #[test]
    fn of_many_lines_few_are_taken_and_the_shares_stay_right() {
        let mut bench = Bench::new(1000);
        let mut taken = 0;
        for stretch in 0..40 {
            let before = bench.sampler.every;
            for n in 0..20_000 {
                let wants = bench.sampler.wants(bench.offset);
                taken += u32::from(wants && stretch >= 20);
                bench.line(if n % 4 == 0 { CLAIMED } else { ERROR });
            }
            bench.sampler.rest(&bench.engine.clone());
            assert!(stretch < 20 || before.max(bench.sampler.every) >= 64, "{}", bench.sampler.every);
        }
        // A hundred a stretch are wanted; the way up to fewer costs at most as many again.
        assert!((20 * 50..20 * 300).contains(&taken), "{taken} lines in 20 stretches");
        let report = bench.coverage.report(0);
        let number = |key: &str| report.census[key].as_f64().expect("a number");
        assert!(report.is_estimate);
        assert!((number("lines") / 800_000.0 - 1.0).abs() < 0.1, "{}", number("lines"));
        assert!((number("claimed") / number("error_lines") - 0.25).abs() < 0.05, "{}", number("claimed"));
    }

    #[test]
    fn nobody_waits_and_other_packs_begin_anew() {
        let mut bench = Bench::new(1000);
        let coverage = bench.coverage.clone();
        let reader = coverage.held();
        bench.line(ERROR);
        drop(reader);
        assert_eq!(coverage.report(0).census["lines"], 0);
        bench.line(CLAIMED);
        bench.sampler.rest(&bench.engine.clone());
        let unseen = coverage.unseen();
        let other = Arc::new(test_engine());
        bench.sampler.exchange(&other);
        assert_eq!((coverage.report(0).census["lines"].clone(), coverage.unseen()), (0.into(), unseen));
        // A worker that has not heard of it yet tells nothing.
        bench.line(ERROR);
        assert_eq!(coverage.report(0).census["lines"], 0);
    }

    #[test]
    fn it_can_be_left_alone() {
        let mut bench = Bench::new(0);
        bench.line(ERROR);
        assert_eq!(bench.coverage.report(0).census["lines"], 0);
    }
}
