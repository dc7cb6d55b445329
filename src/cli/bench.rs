//! `fingerpost bench`: what do my packs cost on my lines? One thread, the clock, and the function that the daemon calls.
//!
//! The lines are sorted by what becomes of them ([`cost::Classes`]), then passed over again and again, each class by
//! itself and all in their order: what a line takes that the scan passes by, that is judged in vain, that matches. Then
//! the lines that the scan stops at are timed one by one, and each time is put on the bills of the rules that it is due to.
//! The clock is read here only (`clock.rs`); what is looked at is told by the engine.

pub mod causes;
pub mod clock;
pub mod cost;
pub mod report;
pub mod sample;
pub mod why;

use std::time::Duration;

use anyhow::{Context, Result};

use super::arguments::BenchArguments;
use super::{Exit, check, packs, print, print_json, show, usable};
use crate::config;
use crate::engine::Engine;
use causes::{Causes, Party};
use clock::{Course, repeat, timed};
use cost::{Classes, Costs};
use report::{Class, Dear, Report};
use sample::Sample;
use why::Evidence;

/// Bills that are shown.
const DEAREST_MAX: usize = 10;
/// How often the engine is built.
const BUILDS: usize = 5;
/// After so long it has been built often enough.
const BUILDS_LONG: Duration = Duration::from_secs(1);

/// What `--help` ends with: how it is measured, the JSON report, exit codes.
pub const BENCH_HELP: &str = "\
How it is measured: one thread calls what the daemon calls (judge the line, put the object in), without Kafka. After a
warm-up pass come passes over the lines that the scan passes by, over those judged in vain, over those that match, and
over all in their order, in turn, for the time of --for: the median and the fastest pass are shown. Then the lines that
the scan stops at are timed one by one, for about half that time. Trying a rule is on its own bill; the rest of a line that
matches is shared by the rules that fit, the rest of a line in vain by all whose phrases made the scan stop: rules,
contexts, or what else it stops at. Of FILE the first 64 MiB or 2,000,000 lines are read.

JSON: sample (name, lines, bytes, mean_bytes, cut, too_long), packs (digest), engine (build_ns, load_ns, memory_bytes),
passes; passed, in_vain, matched, all: lines and, in nanoseconds per line, median_ns and least_ns, null without lines;
lines_per_second, bytes_per_second; dearest: up to ten of name, lines, in_vain, matches, ms_per_million_lines and its parts
reading_ms, judging_ms, tagging_ms, reason (phrase, expression, judging, matches, escape, ours, probe, doubt), why.

Exit codes:
   0  fine
   2  the command line is wrong, or names a file that cannot be read or holds no lines
  78  the configuration or a pack is wrong";

/// The verb.
///
/// # Errors
/// A sample that cannot be read; an output that cannot be written.
pub fn run(arguments: &BenchArguments) -> Result<Exit> {
    let Some(config) = usable(config::load_judging(&arguments.judging.layers())) else { return Ok(Exit::Config) };
    let (load, loaded) = timed(|| packs::load(&config.packs, config.engine));
    let engine = match loaded {
        Ok(loaded) => loaded.engine,
        Err(problems) => {
            show(&problems);
            return Ok(Exit::Config);
        }
    };
    let sample = Sample::take(arguments.file.as_deref(), &engine)?;
    let report = bench(&engine, load, &sample, arguments.time)?;
    if arguments.json {
        print_json(&format!("{:#}\n", report.json()))?
    } else {
        print(&report.text())?
    }
    Ok(Exit::Fine)
}

/// Measures an engine on a sample for about one and a half times this time. `load` is how long loading it took.
///
/// # Errors
/// When the packs' phrases do not fit an automaton.
pub fn bench(engine: &Engine, load: Duration, sample: &Sample, time: Duration) -> Result<Report> {
    let lines = sample.lines();
    let classes = Classes::of(engine, &lines, &sample.name);
    let causes = Causes::new(engine.packs()).context("the phrases do not fit one automaton")?;
    let mut costs = Costs::count(engine, &causes, &classes, &sample.name);
    let mut courses = [&classes.passed, &classes.in_vain, &classes.matched, &lines]
        .map(|lines| Course::new(engine, lines, &sample.name));
    let passes = repeat(time, || courses.iter_mut().for_each(|course| course.pass(engine)));
    let class = |index: usize, lines: usize| Class { lines, figure: courses[index].figure() };
    let mut report = Report {
        sample: sample.name.clone(),
        cut: sample.cut,
        bytes: lines.iter().map(|line| line.len()).sum(),
        too_long: classes.too_long,
        packs: check::contents(engine),
        digest: engine.digest().to_owned(),
        build: build_time(engine)?,
        load,
        memory: engine.memory_usage(),
        passes,
        passed: class(0, classes.passed.len()),
        in_vain: class(1, classes.in_vain.len()),
        matched: class(2, classes.matched.len()),
        all: class(3, lines.len()),
        dearest: Vec::new(),
    };
    costs.time(engine, &sample.name, time / 2);
    costs.write(report.in_vain.whole_ns(), report.matched.whole_ns());
    report.dearest = dearest(&Evidence { engine, causes: &causes, costs: &costs, lines: lines.len() });
    Ok(report)
}

fn build_time(engine: &Engine) -> Result<Duration> {
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < BUILDS && times.iter().sum::<Duration>() < BUILDS_LONG {
        let (packs, settings) = (engine.packs().clone(), engine.settings().clone());
        let (took, built) = timed(|| Engine::new(packs, settings));
        built.context("the phrases do not fit one automaton")?;
        times.push(took);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn dearest(evidence: &Evidence<'_, '_>) -> Vec<Dear> {
    let mut bills: Vec<_> = evidence.costs.bills.iter().collect();
    bills.sort_by(|a, b| b.1.total_ns().total_cmp(&a.1.total_ns()).then_with(|| a.0.cmp(b.0)));
    let dear = |(party, bill): (&Party, &cost::Bill)| Dear {
        name: name(evidence.engine, *party),
        bill: *bill,
        reason: evidence.reason(*party, bill),
    };
    bills.into_iter().take(DEAREST_MAX).map(dear).collect()
}

fn name(engine: &Engine, party: Party) -> String {
    match party {
        Party::Rule(rule) => engine.packs().rules[rule].report.id.clone(),
        Party::Context(context) => format!("context {}", engine.packs().contexts[context].id),
        Party::Escape => "(escapes)".into(),
        Party::Ours => "(tagged before)".into(),
        Party::Probe => "(LogDNA's probe)".into(),
        Party::Doubt => "(the scan's doubt)".into(),
    }
}
