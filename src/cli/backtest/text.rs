//! A backtest for people: a table of the rules, a timeline of the alerts, what is different from other packs.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};

use super::alerts::{Fired, Replayed};
use super::difference::{Difference, Kind};
use super::report::{Against, Report};
use super::sample::Samples;
use crate::cli::feed::Read;
use crate::cli::look::{Excerpt, columns, ink};
use crate::flow::verify::grouped;
use crate::sanitize::dotted;

/// Columns of the timeline.
const TIMELINE: usize = 48;
/// Alerts shown.
const ALERTS_MAX: usize = 40;
/// Differences shown.
const DIFFERENCES_MAX: usize = 40;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The whole report.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = head(report);
    if !report.rows.is_empty() {
        let _ = write!(out, "\n{}", rules(report));
        samples_of_rules(report, &mut out);
    }
    if !report.never.is_empty() {
        let never = report.never.len();
        let _ = writeln!(out, "\n{BOLD}never seen{BOLD:#} ({never}): {}", report.never.join(", "));
    }
    if report.has_alerts {
        alerts(&report.alerts, &mut out);
    }
    if let Some(against) = &report.against {
        compared(report, against, &mut out);
    }
    out
}

fn head(report: &Report) -> String {
    let counts = &report.counts;
    let from = match &report.read {
        Read::Files(names) if names.len() == 1 => dotted(&names[0]).into_owned(),
        Read::Files(names) => format!("{} files", names.len()),
        Read::Parts(parts) => {
            let mut topics: Vec<&str> = parts.iter().map(|part| part.topic.as_str()).collect();
            topics.dedup();
            format!("{} ({} partitions)", topics.join(", "), parts.len())
        }
    };
    let mut out = format!(
        "{BOLD}{}{BOLD:#} lines of {from}, {BOLD}{}{BOLD:#} tagged by packs {}\n",
        grouped(counts.lines),
        grouped(counts.tagged),
        report.digest
    );
    for (number, what) in [
        (counts.tombstones, "without a value"),
        (counts.too_long, "longer than limits.payload, not judged"),
        (counts.failed, "at which the engine failed: please report it"),
    ] {
        if number > 0 {
            let _ = writeln!(out, "  {} {what}", grouped(number));
        }
    }
    let _ = match report.coverage.share() {
        Some(share) => writeln!(
            out,
            "coverage: {} of {} error lines have a rule ({:.1} %); `fingerpost gaps` groups the others",
            grouped(report.coverage.claimed),
            grouped(report.coverage.errors),
            100.0 * share
        ),
        None => writeln!(out, "coverage: there is no error line"),
    };
    out
}

fn rules(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(PLAIN).set_header(["rule", "severity", "lines", "primary"]);
    for row in &report.rows {
        let (lines, primary) = (grouped(row.claimed.samples.lines), grouped(row.claimed.primary));
        table.add_row([row.id.clone(), row.severity.as_str().to_owned(), lines, primary]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt() + "\n"
}

fn samples_of_rules(report: &Report, out: &mut String) {
    for row in &report.rows {
        let style = ink(row.severity.as_str());
        let kept = row.claimed.samples.kept();
        if !kept.is_empty() {
            let _ = writeln!(out, "\n{style}{}{style:#}", row.id);
        }
        shown(&row.claimed.samples, out);
    }
}

fn shown(samples: &Samples, out: &mut String) {
    for sample in samples.kept() {
        let room = columns().saturating_sub(sample.place.len() + 6);
        let (place, line) = (dotted(&sample.place), Excerpt::new(&sample.line, &[], room.max(20)).text());
        let _ = writeln!(out, "  {DIM}{place}{DIM:#}  {line}");
    }
}

fn alerts(replayed: &Replayed, out: &mut String) {
    let number = replayed.fired.len();
    let _ = match number {
        0 => writeln!(out, "\n{BOLD}alerts{BOLD:#}: none would have fired"),
        _ => writeln!(out, "\n{BOLD}alerts{BOLD:#}: {} would have fired", grouped(number as u64)),
    };
    for fired in replayed.fired.iter().take(ALERTS_MAX) {
        let _ = writeln!(out, "  {}", row(fired, replayed.range));
    }
    if number > ALERTS_MAX {
        let _ = writeln!(out, "  … the first {ALERTS_MAX} are shown");
    }
    for (number, what) in [
        (replayed.late, "matching lines came later than alerts.lateness and were not counted"),
        (replayed.untimed, "matching lines tell no time and were not counted"),
        (replayed.dropped, "matches or groups found no room: alerts may be missing; take a shorter range"),
    ] {
        if number > 0 {
            let _ = writeln!(out, "  {} {what}", grouped(number));
        }
    }
}

/// `|    ████      | 2026-11-21 10:02:00 – 10:17:00  alert  name=value`
fn row(Fired { change, open }: &Fired, range: Option<(i64, i64)>) -> String {
    let style = ink(change.labels.iter().find(|(name, _)| name == "severity").map_or("", |(_, value)| value));
    let ends_at = change.ends_at.unwrap_or(change.starts_at);
    let labels: Vec<String> = change.group.iter().map(|(name, value)| format!("{name}={}", dotted(value))).collect();
    let end = if *open { "open".to_owned() } else { seconds(ends_at) };
    format!(
        "│{style}{}{style:#}│ {} – {end}  {BOLD}{}{BOLD:#}  {} lines  {}",
        bar((change.starts_at, ends_at), range.unwrap_or((change.starts_at, ends_at))),
        seconds(change.starts_at),
        change.alert,
        change.count,
        labels.join(" "),
    )
    .trim_end()
    .to_owned()
}

/// When it holds, on a line from the first to the last time of the range.
fn bar((start, end): (i64, i64), (first, last): (i64, i64)) -> String {
    let width = last.saturating_sub(first).max(1) as f64;
    let place = |time: i64| ((time - first) as f64 / width * TIMELINE as f64).clamp(0.0, TIMELINE as f64);
    let from = (place(start).floor() as usize).min(TIMELINE - 1);
    let to = (place(end).ceil() as usize).clamp(from + 1, TIMELINE);
    format!("{}{}{}", " ".repeat(from), "█".repeat(to - from), " ".repeat(TIMELINE - to))
}

fn seconds(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.strftime("%F %T").to_string())
}

fn compared(report: &Report, against: &Against, out: &mut String) {
    let digest = &against.digest;
    if report.is_clean() {
        let green: Style = AnsiColor::Green.on_default().bold();
        let _ = writeln!(out, "\n{green}no difference{green:#} from packs {digest}");
        return;
    }
    let red: Style = AnsiColor::Red.on_default().bold();
    let _ = writeln!(out, "\n{red}{} lines differ{red:#} from packs {digest}", grouped(against.lines()));
    for (difference, samples) in against.differences.iter().take(DIFFERENCES_MAX) {
        let _ = writeln!(out, "{}", heading(difference, samples.lines));
        shown(samples, out);
    }
    if against.differences.len() > DIFFERENCES_MAX {
        let _ = writeln!(out, "… the first {DIFFERENCES_MAX} kinds of {} are shown", against.differences.len());
    }
    for (kind, fired) in against.alerts.iter().take(ALERTS_MAX) {
        let sign = if *kind == Kind::New { "+" } else { "-" };
        let _ = writeln!(out, "{sign} alert {}", row(fired, report.alerts.range));
    }
    if against.alerts.len() > ALERTS_MAX {
        let _ = writeln!(out, "… the first {ALERTS_MAX} alerts of {} are shown", against.alerts.len());
    }
}

fn heading(Difference { kind, before, after, members }: &Difference, lines: u64) -> String {
    let (before, after, lines) = (before.join(", "), after.join(", "), grouped(lines));
    match kind {
        Kind::New => format!("+ {lines} newly tagged {BOLD}{after}{BOLD:#}"),
        Kind::Lost => format!("- {lines} no longer tagged {BOLD}{before}{BOLD:#}"),
        Kind::Otherwise if before == after => {
            format!("~ {lines} of {BOLD}{after}{BOLD:#} with other {}", members.join(", "))
        }
        Kind::Otherwise => format!("~ {lines} tagged {BOLD}{after}{BOLD:#} instead of {BOLD}{before}{BOLD:#}"),
    }
}
