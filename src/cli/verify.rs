//! `verify`: holds the output of a daemon against its input and tells what is wrong, for people or for programs.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;

use super::arguments::{Format, VerifyArguments, VerifyMode};
use super::progress::{RECORDS, bar};
use super::{Exit, output, packs, print, print_json, show, usable};
use crate::config;
use crate::flow::verify::{Numbers, Progress, Question, Report, Trouble, grouped, verify};
use crate::flow::{self, Mode};
use crate::flow::{Failure, FailureKind};
use crate::telemetry;

/// What `--help` ends with: what must hold, the JSON report, exit codes.
pub const VERIFY_HELP: &str = "\
What must hold, for each line of the input in the range:
  coverage    it is on the output; once, or at least once (--mode); or it is a dead letter, or rightly left out
  order       first records come in the order of the lines; a repeat begins a run that goes on line by line
  partition   the input's number modulo the output's count
  bytes       key, value without our object, headers that are not ours, and timestamp are the input's
  labels      object and headers are what the rules say, with all that the line's source said earlier. A daemon that
              began later, without that knowledge, tags the plain case: counted as `forgetful`, and no finding
  offsets     the group committed nothing past a line that is nowhere
Records are matched with lines by the header fingerpost-source. Where only matching lines have it, the others are
matched by content and order; that takes one input partition for each partition of the output, and cannot tell which of
several identical lines is missing. Nothing is written and no group is joined.

JSON: clean, verdict, mode, output, dead_letter, group, labels; total and each of partitions (topic, partition, from, to,
committed): lines, published, tagged, filtered, dead_letters, repeats, lost, pending, out_of_order, wrong, forgetful,
outside; findings: for each kind found its count and up to ten examples (place, what). Kinds: lost, repeated,
out_of_order, changed, mislabelled, wrong_partition, settled_twice, dead_letter, committed_past, not_drained, unknown,
unchecked.

Exit codes:
   0  nothing is wrong
   1  findings
   2  the command line is wrong, or asks for what cannot be told
  69  a broker, or a topic on it, is not to be had
  78  the configuration or a pack is wrong";

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &VerifyArguments) -> anyhow::Result<Exit> {
    let loaded = config::load(&arguments.daemon.layers());
    let Some(config) = usable(loaded) else { return Ok(Exit::Config) };
    let engine = match packs::load(&config.packs, config.engine.clone()) {
        Ok(loaded) => loaded.engine,
        Err(problems) => {
            show(&problems);
            return Ok(Exit::Config);
        }
    };
    // The report is the result; of the client, only what is wrong is worth a line.
    let log = telemetry::Log { level: "warn".to_owned(), ..config.log };
    telemetry::log(&log).map_err(anyhow::Error::msg)?;
    let bar = match arguments.format {
        Format::Text => bar(0, RECORDS),
        Format::Json => ProgressBar::hidden(),
    };
    let answer = verify(&engine, &config.flow, &question(arguments, &config.flow), &|word| match word {
        Progress::Total(records) => bar.set_length(records),
        Progress::Read(records) => bar.inc(records),
    });
    bar.finish_and_clear();
    match answer {
        Ok(report) => {
            match arguments.format {
                Format::Text => print(&text(&report))?,
                Format::Json => print_json(&format!("{:#}\n", report.json()))?,
            }
            Ok(if report.is_clean() { Exit::Fine } else { Exit::Findings })
        }
        Err(trouble) => Ok(refuse(&trouble)),
    }
}

fn question(arguments: &VerifyArguments, settings: &flow::Settings) -> Question {
    Question {
        from: arguments.from,
        to: arguments.to,
        partitions: arguments.partition.clone(),
        mode: arguments.mode.map_or(settings.delivery.mode, mode),
        repeats_max: arguments.max_repeats,
        dead_letter: arguments.dead_letter.clone().or_else(|| settings.dead_letter.clone()),
        group: !arguments.no_group,
        drained: arguments.drained,
        labels: !arguments.no_labels,
        warm: !arguments.no_warm,
        window: arguments.window as usize,
    }
}

fn mode(mode: VerifyMode) -> Mode {
    match mode {
        VerifyMode::ExactlyOnce => Mode::ExactlyOnce,
        VerifyMode::AtLeastOnce => Mode::AtLeastOnce,
    }
}

/// Tells why there is no answer.
pub(super) fn refuse(trouble: &Trouble) -> Exit {
    let (exit, message) = match trouble {
        Trouble::Usage(message) => (Exit::Usage, message),
        Trouble::Failed(Failure { kind, message }) => {
            let exit = match kind {
                FailureKind::Unavailable => Exit::Unavailable,
                FailureKind::Software => Exit::Software,
                FailureKind::Config => Exit::Config,
            };
            (exit, message)
        }
    };
    output::complain(message);
    exit
}

fn text(report: &Report) -> String {
    let mut out = table(report);
    for (kind, group) in report.findings.iter() {
        let bold = Style::new().bold();
        let _ = writeln!(out, "\n{bold}{}{bold:#}: {}", kind.title(), grouped(group.count));
        for finding in &group.examples {
            let _ = writeln!(out, "  {}  {}", finding.place, finding.what);
        }
        let told = group.examples.len() as u64;
        if group.count > told && told >= 10 {
            let _ = writeln!(out, "  … the first {told} are shown");
        }
    }
    let sign: Style = if report.is_clean() { AnsiColor::Green } else { AnsiColor::Red }.on_default().bold();
    let _ = writeln!(out, "\n{sign}{}{sign:#}", report.verdict());
    out
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    let columns = [
        "partition",
        "lines",
        "published",
        "tagged",
        "filtered",
        "dead",
        "repeats",
        "lost",
        "pending",
        "disorder",
        "wrong",
        "forgetful",
        "committed",
        "end",
    ];
    table.load_style(PLAIN).set_header(columns);
    for row in &report.rows {
        let committed = row.committed.map_or_else(|| "–".to_owned(), |offset| offset.to_string());
        table.add_row(cells(format!("{}/{}", row.topic, row.partition), &row.numbers, committed, row.to.to_string()));
    }
    if report.rows.len() > 1 {
        table.add_row(cells("all".to_owned(), &report.total(), String::new(), String::new()));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt() + "\n"
}

fn cells(name: String, numbers: &Numbers, committed: String, end: String) -> Vec<String> {
    let n = numbers;
    let counted = [
        n.lines,
        n.published,
        n.tagged,
        n.filtered,
        n.dead_letters,
        n.repeats,
        n.lost,
        n.pending,
        n.out_of_order,
        n.wrong,
        n.forgetful,
    ];
    let counted = counted.into_iter().map(grouped);
    [name].into_iter().chain(counted).chain([committed, end]).collect()
}
