//! `fingerpost backtest`: what would these packs have done with those lines? Lines come from files or from a range of
//! topics (`feed`); each goes through the engine as in the daemon, beside it through that of the packs to compare with
//! (`judge`). What came of it is counted (`tally`, `difference`), alerts are replayed (`alerts`), and all of it is told as
//! a `report` in one of three forms.

pub mod alerts;
pub mod difference;
pub mod judge;
pub mod junit;
pub mod report;
pub mod sample;
pub mod tally;
pub mod text;

use anyhow::Result;

use super::arguments::{BacktestArguments, BacktestFormat};
use super::output::print_xml;
use super::verify::refuse;
use super::{Exit, feed, packs, print, print_json, show, usable};
use crate::config;
use crate::engine::{self, Engine};
use crate::flow::verify::Trouble;
use crate::flow::{self, PacksFrom};
use crate::{alert, telemetry};
use report::Report;
use tally::Tally;

/// What `--help` ends with: what is read and how it is judged, the JSON report, exit codes.
pub const BACKTEST_HELP: &str = "\
Topics are read partition by partition in the order of offsets, each with a memory of its own that begins empty at --from:
what a source said before that is not known, as for a daemon without a state topic. Files share one memory, as for `scan`.
Alerts are counted over all partitions together, as the daemons of a group count them; in files a line happens when it
says, and one that tells no time is not counted. An alert that holds at the end of the range is told as open.

Coverage: the share of error lines that a rule claims. An error line is one whose level stands for an error; of lines
without a level, one that writes such a level among its first words or, when it writes none, has a word such as `failed`.

JSON: digest, from, to, read, lines, tagged, tombstones, too_long, failed, rules (rule, severity, lines, primary,
samples), never, coverage (error_lines, claimed, share), alerts (alert, labels, starts_at, ends_at, open, count, lines), late,
untimed, dropped, against: digest, clean, lines, differences (kind, before, after, members, lines, samples), alerts (kind, and
as above). Kinds are new, lost and otherwise. Samples have place and line.

Exit codes:
   0  read to the end; with --against, no difference
   1  with --against: some line would be tagged otherwise, or some alert would
   2  the command line is wrong, or names a file that cannot be read
  69  a broker, or a topic on it, is not to be had
  74  the output cannot be written
  78  the configuration or a pack is wrong";

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &BacktestArguments) -> Result<Exit> {
    let range = &arguments.range;
    let Some(told) = settings(range)? else { return Ok(Exit::Config) };
    let load = |from: &PacksFrom| packs::load(from, told.engine.clone()).map_err(|problems| show(&problems)).ok();
    let Some(loaded) = load(&told.packs) else { return Ok(Exit::Config) };
    let against = match (&arguments.against, arguments.against_builtin) {
        (None, false) => None,
        (directory, _) => {
            let from = directory.clone().map_or(PacksFrom::Builtin, PacksFrom::Directory);
            let Some(other) = load(&from) else { return Ok(Exit::Config) };
            Some(other.engine)
        }
    };
    match backtest(&loaded.engine, against.as_ref(), &told, arguments) {
        Ok(report) => {
            match arguments.format {
                BacktestFormat::Text => print(&text::text(&report))?,
                BacktestFormat::Json => print_json(&format!("{:#}\n", report.json()))?,
                BacktestFormat::Junit => print_xml(&junit::junit(&report)?)?,
            }
            Ok(if report.is_clean() { Exit::Fine } else { Exit::Findings })
        }
        Err(trouble) => Ok(refuse(&trouble)),
    }
}

/// What looking at many lines takes of the configuration.
pub(super) struct Told {
    pub(super) engine: engine::Settings,
    pub(super) packs: PacksFrom,
    escalation: alert::Settings,
    /// Only for topics.
    pub(super) flow: Option<flow::Settings>,
}

/// Loads the configuration, and begins logging where brokers are talked to.
pub(super) fn settings(range: &super::arguments::RangeArguments) -> Result<Option<Told>> {
    if range.topic.is_empty() {
        let judging = usable(config::load_judging(&range.layers()));
        return Ok(judging.map(|config| Told {
            engine: config.engine,
            packs: config.packs,
            escalation: config.escalation,
            flow: None,
        }));
    }
    let Some(config) = usable(config::load(&range.layers())) else { return Ok(None) };
    let config::Config { engine, packs, escalation, flow, log, .. } = config;
    let log = telemetry::Log { level: "warn".to_owned(), ..log };
    telemetry::log(&log).map_err(anyhow::Error::msg)?;
    Ok(Some(Told { engine, packs, escalation, flow: Some(flow) }))
}

fn backtest(
    engine: &Engine,
    against: Option<&Engine>,
    told: &Told,
    arguments: &BacktestArguments,
) -> Result<Report, Trouble> {
    let mut tally = Tally::new(engine, against, &told.escalation, usize::from(arguments.samples), arguments.seed);
    let mut each = |line: &feed::Fed<'_>| tally.line(line);
    let read = match &told.flow {
        Some(flow) => feed::topics(flow, &arguments.range, &mut each)?,
        None => feed::files(engine, &arguments.range, "backtest", &mut each)?,
    };
    Ok(Report::of(tally, read))
}
