//! The only hand on the clock: how long passes over lines take, and how long one thing takes.
//!
//! A pass that would be over in no time is made of several rounds over the lines, so that the clock's own time vanishes in
//! it. Where single lines are timed the clock's own time is taken off.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::engine::{Detail, Engine};

/// A pass takes at least so long, or the clock would be a part of what is measured.
const PASS_MIN: Duration = Duration::from_millis(2);
/// Passes at least, however little time there is.
pub const PASSES_MIN: usize = 3;

/// Lines that are passed over again and again.
#[derive(Debug)]
pub struct Course<'s> {
    lines: &'s [&'s [u8]],
    source: &'s str,
    rounds: u32,
    /// Of each pass the nanoseconds per line.
    passes: Vec<f64>,
}

/// What the passes came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Nanoseconds per line: the median of the passes.
    pub median_ns: f64,
    /// Nanoseconds per line: the fastest pass.
    pub least_ns: f64,
}

impl<'s> Course<'s> {
    /// Makes the warm-up pass, which counts for nothing.
    #[must_use]
    pub fn new(engine: &Engine, lines: &'s [&'s [u8]], source: &'s str) -> Self {
        let mut course = Self { lines, source, rounds: 1, passes: Vec::new() };
        let took = course.time(engine).max(Duration::from_nanos(1));
        course.rounds = (PASS_MIN.as_nanos() / took.as_nanos() + 1) as u32;
        course
    }

    /// Makes a pass.
    pub fn pass(&mut self, engine: &Engine) {
        if !self.lines.is_empty() {
            let lines = self.lines.len() as f64 * f64::from(self.rounds);
            let took = self.time(engine);
            self.passes.push(took.as_nanos() as f64 / lines);
        }
    }

    fn time(&self, engine: &Engine) -> Duration {
        let mut memory = engine.memory();
        let all = || {
            for line in (0..self.rounds).flat_map(|_| self.lines) {
                let outcome = engine.classify(line, Some(self.source), &mut memory);
                black_box(outcome.value(line, Detail::Full));
            }
        };
        timed(all).0
    }

    /// What it came to; nothing without a line.
    #[must_use]
    pub fn figure(&self) -> Option<Figure> {
        let mut sorted = self.passes.clone();
        sorted.sort_by(f64::total_cmp);
        Some(Figure { median_ns: *sorted.get(sorted.len() / 2)?, least_ns: *sorted.first()? })
    }
}

/// How long something takes.
pub fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = what();
    (begun.elapsed(), done)
}

/// Repeats until the time is over, but at least [`PASSES_MIN`] times; how often it was.
pub fn repeat(time: Duration, mut what: impl FnMut()) -> usize {
    let begun = Instant::now();
    let mut times = 0;
    while times < PASSES_MIN || begun.elapsed() < time {
        what();
        times += 1;
    }
    times
}

/// Times single things.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    own_ns: f64,
}

impl Stopwatch {
    /// Measures the clock's own time.
    #[must_use]
    pub fn set() -> Self {
        let mut watch = Self { own_ns: 0.0 };
        watch.own_ns = (0..1000).map(|_| watch.time(|| ())).fold(f64::INFINITY, f64::min);
        watch
    }

    /// Nanoseconds that something takes, never below 0.
    pub fn time<T>(&self, what: impl FnOnce() -> T) -> f64 {
        let (took, _) = timed(|| black_box(what()));
        (took.as_nanos() as f64 - self.own_ns).max(0.0)
    }
}
