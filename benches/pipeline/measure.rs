//! One cell: a candidate from its start to the last line, what it cost, and whether its output is right.
//!
//! The end is when the last line's output can be read; where lines are dropped or transactions are used, when the offset
//! of the last line is committed. Everything counts from the start of the process, so joining the group and loading rules
//! do, too. What comes after the first fifth of the lines is told apart, for what has to warm up.
//!
//! CPU time is user and system time of all threads, from the clock that the kernel keeps for each process.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::broker::{Broker, Commits};
use crate::candidate::{Job, Program, Promise, Running, Tag};
use crate::feed::Corpus;
use crate::verify;

/// The longest that a cell may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a candidate cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// CPU seconds for each million lines, all of it.
    pub(crate) cpu: f64,
    /// The same, without the first fifth of the lines; none where it could not be seen when that was done.
    pub(crate) steady_cpu: Option<f64>,
    /// Lines a second, from the start of the process on.
    pub(crate) rate: f64,
    /// The same, without the first fifth of the lines.
    pub(crate) steady_rate: Option<f64>,
    /// MiB of resident memory, the most it ever had.
    pub(crate) peak_mib: f64,
}

/// What a cell is made of.
pub(crate) struct Setup<'a> {
    /// The program.
    pub(crate) program: Program,
    /// Its input.
    pub(crate) corpus: &'a Corpus,
    /// What its phrases stand for.
    pub(crate) tags: &'a [Tag],
    /// From where to where.
    pub(crate) job: Job,
    /// A directory to write into.
    pub(crate) dir: &'a Path,
    /// The directory with the daemon's rules.
    pub(crate) packs: &'a Path,
}

/// Runs it.
///
/// # Errors
/// When the candidate ended, was too slow, or did anything else than its job.
pub(crate) fn run(broker: &Broker, setup: &Setup<'_>) -> Result<Figures> {
    let Setup { corpus, job, .. } = setup;
    broker.create(&job.output, corpus.recipe.partitions)?;
    let outcome = drain(broker, setup).and_then(|figures| verify::check(broker, setup).map(|()| figures));
    broker.delete(&job.output)?;
    broker.forget(&job.group);
    outcome
}

/// From the start of the process to the last line.
fn drain(broker: &Broker, setup: &Setup<'_>) -> Result<Figures> {
    let progress = Progress::of(broker, setup)?;
    let start = Instant::now();
    let mut running = Running::start(setup.program, &setup.job, setup.dir, setup.packs)?;
    let followed = follow(&progress, setup.corpus.lines, start, &mut running);
    let figures = followed.with_context(|| format!("its last words:\n{}", running.last_words()))?;
    running.stop()?;
    Ok(figures)
}

/// How far a candidate is.
struct Progress<'a> {
    broker: &'a Broker,
    output: &'a str,
    partitions: usize,
    /// Where it is told by the offsets that the group committed.
    commits: Option<Commits>,
}

impl<'a> Progress<'a> {
    fn of(broker: &'a Broker, setup: &'a Setup<'_>) -> Result<Self> {
        let Setup { program, corpus, job, .. } = setup;
        let partitions = corpus.recipe.partitions;
        let by_commits = program.drops_others() || *program == Program::Daemon(Promise::ExactlyOnce);
        let commits = by_commits.then(|| Commits::of(broker, &job.group, &job.input, partitions)).transpose()?;
        Ok(Self { broker, output: &job.output, partitions, commits })
    }

    /// Lines that are done.
    fn lines(&self) -> Result<usize> {
        match &self.commits {
            Some(commits) => commits.read(),
            None => self.broker.ends(self.output, self.partitions),
        }
    }

    /// Lines that are done or at least written: offsets are committed in large steps. Beside lines the output has some
    /// marks of where transactions end, which do not matter here.
    fn written(&self, done: usize) -> Result<usize> {
        Ok(done.max(self.broker.ends(self.output, self.partitions)?))
    }
}

/// What it had cost at some point.
#[derive(Clone, Copy)]
struct Point {
    lines: usize,
    cpu: Duration,
    at: Duration,
}

fn follow(progress: &Progress<'_>, lines: usize, start: Instant, running: &mut Running) -> Result<Figures> {
    let pid = running.pid()?;
    let clock = clock_getcpuclockid(pid)?;
    let mut fifth = None;
    loop {
        let done = progress.lines()?;
        if running.has_ended()? {
            bail!("it ended after {done} of {lines} lines");
        }
        let point = Point { lines: done, cpu: cpu(clock)?, at: start.elapsed() };
        if done >= lines {
            return Ok(figures(fifth, point, peak_mib(pid)?));
        }
        if fifth.is_none() {
            let written = progress.written(done)?;
            fifth = (written * 5 >= lines).then_some(Point { lines: written, ..point });
        }
        if start.elapsed() > PATIENCE {
            bail!("only {done} of {lines} lines after {PATIENCE:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^52")]
fn figures(fifth: Option<Point>, end: Point, peak_mib: f64) -> Figures {
    let millions = |lines: usize| lines as f64 / 1e6;
    let rest = |fifth: Point| (end.lines - fifth.lines, end.cpu - fifth.cpu, end.at - fifth.at);
    // Where progress shows in a few large steps, what is left after the first one may be too little to tell anything.
    let rest = fifth.map(rest).filter(|(lines, ..)| *lines * 2 > end.lines);
    Figures {
        cpu: end.cpu.as_secs_f64() / millions(end.lines),
        steady_cpu: rest.map(|(lines, cpu, _)| cpu.as_secs_f64() / millions(lines)),
        rate: end.lines as f64 / end.at.as_secs_f64(),
        steady_rate: rest.map(|(lines, _, time)| lines as f64 / time.as_secs_f64()),
        peak_mib,
    }
}

fn cpu(clock: ClockId) -> Result<Duration> {
    Ok(clock.now()?.into())
}

/// The most resident memory that a process ever had.
pub(crate) fn peak_mib(pid: Pid) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
