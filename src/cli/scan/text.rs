//! Findings on a terminal: place, rule and severity, the line with what was found underlined, what to do and where to read
//! on; at the end, a table.

use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};

use super::finding::{Finding, Group, Place, Tally};
use super::sections::Section;
use crate::cli::look::{Excerpt, block, ink};
use crate::flow::verify::grouped;
use crate::sanitize::dotted;

/// Facts longer than this are cut.
const FACT_MAX: usize = 60;

/// One finding, with a blank line behind it. `before`: the same advice was given there.
#[must_use]
pub fn finding(finding: &Finding, before: Option<&Place>, columns: usize) -> String {
    let severity = finding.severity.as_str();
    let (mark, ink, bold, dim) = (block(severity), ink(severity), Style::new().bold(), Style::new().dimmed());
    let Place { file, number } = &finding.place;
    let mut out = String::new();
    let others: String = finding.others().map(|rule| format!(" +{}", dotted(rule))).collect();
    let rule = finding.shown("rule");
    let _ = writeln!(
        out,
        "{bold}{}:{number}{bold:#}  {mark} {severity} {mark:#} {bold}{rule}{bold:#}{dim}{others}{}{dim:#}",
        dotted(file),
        under(&finding.section)
    );
    let excerpt = Excerpt::new(&finding.line, &finding.spans, columns.saturating_sub(2));
    let _ = writeln!(out, "  {}", excerpt.styled(ink));
    let marks = excerpt.marks();
    if !marks.is_empty() {
        let _ = writeln!(out, "  {ink}{marks}{ink:#}");
    }
    if let Some(place) = before {
        let again = if place.file == *file { format!("line {}", place.number) } else { shown(place) };
        let _ = writeln!(out, "  {ink}→{ink:#} {}, as at {again}", finding.shown("section"));
    } else {
        advice(&mut out, finding);
    }
    let facts: Vec<String> =
        finding.facts().map(|(name, value)| format!("{}={}", dotted(name), short(value))).collect();
    if !facts.is_empty() {
        let _ = writeln!(out, "    {dim}{}{dim:#}", facts.join("  "));
    }
    out.push('\n');
    out
}

fn advice(out: &mut String, finding: &Finding) {
    let severity = finding.severity.as_str();
    let (ink, dim) = (ink(severity), Style::new().dimmed());
    let (section, action) = (finding.shown("section"), finding.shown("action"));
    let between = if section.is_empty() || action.is_empty() { "" } else { ": " };
    let _ = writeln!(out, "  {ink}→{ink:#} {section}{between}{action}");
    let contact = finding.shown("contact");
    let between = if contact.is_empty() { "" } else { "  " };
    let _ = writeln!(out, "    {contact}{between}{dim}{}{dim:#}", finding.shown("runbook"));
    for (name, words) in [("see", "see"), ("snooze", "may be snoozed for")] {
        let text = finding.shown(name);
        if !text.is_empty() {
            let _ = writeln!(out, "    {words} {text}");
        }
    }
    if let Some(escalation) = &finding.escalation {
        let _ = writeln!(out, "    if unsolved: {}", dotted(escalation));
    }
}

fn short(value: &serde_json::Value) -> String {
    let text = dotted(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)).into_owned();
    match text.char_indices().nth(FACT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `, container kms`, where that is known.
fn under(section: &Section) -> String {
    match section {
        Section::Logs(Some(container)) => format!("  container {}", dotted(container)),
        Section::Webhooks => "  CLUSTER WEBHOOKS".to_owned(),
        Section::Logs(None) | Section::None => String::new(),
    }
}

fn shown(place: &Place) -> String {
    format!("{}:{}", dotted(&place.file), place.number)
}

/// `12 lines, a.log:3, a.log:7, …`; the file only where it changes.
#[must_use]
pub fn places(group: &Group) -> String {
    let one_file = group.places.iter().all(|place| place.file == group.first.place.file);
    let shown = |place: &Place| if one_file { place.number.to_string() } else { shown(place) };
    let list = group.places.iter().map(shown).collect::<Vec<_>>().join(", ");
    match group.count {
        1 => format!("line {list}"),
        count if count as usize > group.places.len() => format!("{} lines: {list}, …", grouped(count)),
        count => format!("{} lines: {list}", grouped(count)),
    }
}

/// How often each rule was found, and what was read.
#[must_use]
pub fn summary(tally: &Tally) -> String {
    let mut out = String::new();
    if tally.findings() > 0 {
        let mut table = Table::new();
        table.load_style(PLAIN).set_header(["lines", "severity", "rule", "first at"]);
        for group in tally.groups() {
            let finding = &group.first;
            let severity = finding.severity.as_str();
            let (count, place) = (grouped(group.count), shown(&finding.place));
            table.add_row([&count, severity, &finding.shown("rule"), &place]);
        }
        if let Some(lines) = table.column_mut(0) {
            lines.set_cell_alignment(CellAlignment::Right);
        }
        let _ = writeln!(out, "{}\n", table.trim_fmt());
    }
    let _ = writeln!(out, "{}", totals(tally));
    out
}

/// What was read and found, in a sentence.
#[must_use]
pub fn totals(tally: &Tally) -> String {
    let plural = |count: u64, noun: &str| format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" });
    let found = match tally.findings() {
        0 => "nothing that a rule knows".to_owned(),
        count => format!("{} found", plural(count, "line")),
    };
    let read = format!("{} of {} read", plural(tally.lines, "line"), plural(tally.files.len() as u64, "file"));
    let too_long = match tally.too_long {
        0 => String::new(),
        count => format!(", {} longer than limits.payload and not judged", plural(count, "line")),
    };
    let skipped = match tally.skipped.count {
        0 => String::new(),
        count => format!(", {} skipped", plural(count, "file")),
    };
    format!("{found}, {read}{skipped}{too_long}")
}
