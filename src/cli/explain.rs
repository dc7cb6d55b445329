//! `fingerpost explain`: why is a line tagged, or why not? The line comes from the command line, from stdin, or from a place
//! on Kafka, with all that its source said before it there. What is told is the engine's own account (`engine/explain.rs`);
//! here it is chosen what of it is worth showing (`near`), and written down (`text`, `json`).

pub mod json;
pub mod near;
pub mod text;

use std::io::{self, BufRead};

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use super::arguments::{ExplainArguments, Format};
use super::progress::bar;
use super::run::report_failure;
use super::{Exit, packs, print, print_json, show, usable};
use crate::config;
use crate::engine::explain::Explanation;
use crate::engine::{Engine, Writer};
use crate::flow::Settings;
use crate::flow::glance::{Place, glance};
use crate::telemetry;
use near::Near;

/// What the lines of stdin and of the command line are of, where they do not say.
const SOURCE: &str = "-";

/// What `--help` ends with: what can be explained, how it is told, exit codes.
pub const EXPLAIN_HELP: &str = "\
LINE is a log line, or `-` for all lines of stdin, one after the other, each with what those before it said; or a place on
Kafka, as topic:partition:offset or topic/partition/offset (as in the header fingerpost-source). For a place, the lines
before it in its partition are read too, up to --before of them, so that its source has said what it had said then; what
it said earlier than that is not known here. No group is joined and nothing is committed.

Told are: the fields that decide (app, level, source), the decoded text with what was found in it, what the source said,
each rule that matched, and each that came near: one of its phrases is there, or nearly so. For each rule its clauses: what
holds, what does not and what stands there instead; then its facts and where they came from, its cases and which was
chosen, and why the primary rule is primary.

JSON, one object per line: line, tagged, primary, why, scan_stops, app, level, source (name, path), texts, contexts (id,
seen, since, now), said, work_crossed and untold (rules whose clauses were too much work, and are empty) where that is so,
rules: rule, fate (primary, matched, pushed_aside, unmatched), by, standing, near, clauses (asks,
wants, holds, spots as [text, start, end] in bytes, instead), facts (name, value, from), cases (rule, holds, chosen,
clauses).

Exit codes:
   0  explained, whether or not the line is tagged
   2  the command line is wrong
  69  a broker, or the line on it, is not to be had
  74  the output cannot be written
  78  the configuration or a pack is wrong";

/// The verb.
///
/// # Errors
/// When stdin cannot be read or stdout not be written.
pub fn run(arguments: &ExplainArguments) -> Result<Exit> {
    let text = arguments.line.to_string_lossy();
    match Place::parse(&text).filter(|_| text != SOURCE) {
        Some(place) => {
            let Some(config) = usable(config::load(&arguments.daemon.layers())) else { return Ok(Exit::Config) };
            let log = telemetry::Log { level: "warn".to_owned(), ..config.log };
            telemetry::log(&log).map_err(anyhow::Error::msg)?;
            with_engine(packs::load(&config.packs, config.engine), |engine| {
                explain_place(engine, &config.flow, &place, arguments)
            })
        }
        None => {
            let Some(config) = usable(config::load_judging(&arguments.daemon.layers())) else {
                return Ok(Exit::Config);
            };
            with_engine(packs::load(&config.packs, config.engine), |engine| {
                if arguments.line.as_encoded_bytes() == SOURCE.as_bytes() {
                    return explain_stdin(engine, arguments);
                }
                let writer = Writer { source: Some(SOURCE), ..Writer::default() };
                let line = arguments.line.as_encoded_bytes();
                let told = engine.explain(line, writer, &mut engine.memory());
                tell(engine, None, line, &told, arguments)
            })
        }
    }
}

fn with_engine(
    loaded: Result<packs::Loaded, Vec<crate::diagnostic::Diagnostic>>,
    explain: impl FnOnce(&Engine) -> Result<Exit>,
) -> Result<Exit> {
    match loaded {
        Ok(loaded) => explain(&loaded.engine),
        Err(problems) => {
            show(&problems);
            Ok(Exit::Config)
        }
    }
}

fn explain_stdin(engine: &Engine, arguments: &ExplainArguments) -> Result<Exit> {
    let mut memory = engine.memory();
    for (at, line) in io::stdin().lock().split(b'\n').enumerate() {
        let line = line.context("stdin cannot be read")?;
        memory.turn_to(at as i64 + 1);
        let told = engine.explain(&line, Writer { source: Some(SOURCE), ..Writer::default() }, &mut memory);
        let heading = format!("line {}", at + 1);
        tell(engine, Some(&heading), &line, &told, arguments)?;
    }
    Ok(Exit::Fine)
}

fn explain_place(engine: &Engine, settings: &Settings, place: &Place, arguments: &ExplainArguments) -> Result<Exit> {
    let bar = bar_of_lines(arguments.before);
    let found = glance(engine, settings, place, arguments.before, &|records| bar.inc(records));
    bar.finish_and_clear();
    let mut glance = match found {
        Ok(glance) => glance,
        Err(failure) => return Ok(report_failure(&failure)),
    };
    let from = glance.from;
    let before = match place.offset - from {
        0 => "nothing before it was read".to_owned(),
        _ => format!("what its source said is known from offset {from} on"),
    };
    let heading = format!("{}/{}/{}, {before}", place.topic, place.partition, place.offset);
    let Some(line) = glance.value.take() else {
        print(&format!(
            "{heading}\n  a record without a value (a tombstone): it is passed on, and no rule looks at it\n"
        ))?;
        return Ok(Exit::Fine);
    };
    let writer = Writer { source: glance.source.as_deref(), ..Writer::default() };
    let told = engine.explain(&line, writer, &mut glance.memory);
    tell(engine, Some(&heading), &line, &told, arguments)
}

fn tell(
    engine: &Engine,
    heading: Option<&str>,
    line: &[u8],
    told: &Explanation<'_>,
    arguments: &ExplainArguments,
) -> Result<Exit> {
    let near = Near::of(told, arguments.all);
    match arguments.format {
        Format::Text => print(&text::explanation(engine, heading, line, told, &near))?,
        Format::Json => print_json(&format!("{}\n", json::explanation(line, told, &near)))?,
    }
    Ok(Exit::Fine)
}

/// For many lines.
fn bar_of_lines(lines: u64) -> ProgressBar {
    match lines {
        0..1_000 => ProgressBar::hidden(),
        _ => bar(lines, "{bar:40} {human_pos} of up to {human_len} lines before it"),
    }
}
