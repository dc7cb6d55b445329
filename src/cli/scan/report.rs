//! How findings are written down: one by one for people and programs, all at the end for Markdown and Slack.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::finding::{Finding, Place, Tally};
use super::sections::Section;
use super::{markdown, slack, text};
use crate::cli::arguments::ScanFormat;
use crate::cli::look;
use crate::sanitize;

/// See the top of the file.
#[derive(Debug)]
pub struct Report {
    format: ScanFormat,
    columns: usize,
}

impl Report {
    /// A report in this format, as wide as the terminal.
    #[must_use]
    pub fn new(format: ScanFormat) -> Self {
        Self { format, columns: look::columns() }
    }

    /// Writes a finding, if it is written by itself. `before`: the same advice was given there.
    ///
    /// # Errors
    /// An output that cannot be written.
    pub fn finding(&self, finding: &Finding, before: Option<&Place>, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            ScanFormat::Text => out.write_all(text::finding(finding, before, self.columns).as_bytes()),
            ScanFormat::Json => writeln!(out, "{}", json_line(&finding_json(finding))),
            ScanFormat::Markdown | ScanFormat::Slack => Ok(()),
        }
    }

    /// Writes that a file was not read to its end, where no stderr tells of it.
    ///
    /// # Errors
    /// An output that cannot be written.
    pub fn trouble(&self, file: &str, lines: Option<u64>, what: &str, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            ScanFormat::Json => {
                let trouble = json!({ "type": "trouble", "file": file, "lines": lines, "what": what });
                writeln!(out, "{}", json_line(&trouble))
            }
            ScanFormat::Text | ScanFormat::Markdown | ScanFormat::Slack => Ok(()),
        }
    }

    /// Writes what is written at the end.
    ///
    /// # Errors
    /// An output that cannot be written.
    pub fn end(&self, tally: &Tally, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            ScanFormat::Text => out.write_all(text::summary(tally).as_bytes()),
            ScanFormat::Json => writeln!(out, "{}", json_line(&summary_json(tally))),
            ScanFormat::Markdown => out.write_all(markdown::report(tally).as_bytes()),
            ScanFormat::Slack => out.write_all(slack::message(tally).as_bytes()),
        }
    }
}

fn json_line(value: &Value) -> String {
    sanitize::json(&value.to_string()).into_owned()
}

fn finding_json(finding: &Finding) -> Value {
    let spans: Vec<[usize; 2]> = text_spans(finding);
    let mut value = json!({
        "type": "finding",
        "file": finding.place.file,
        "line": finding.place.number,
        "text": String::from_utf8_lossy(&finding.line),
        "part": finding.is_part,
        "spans": spans,
        "fingerpost": finding.added,
    });
    if let Some(container) = finding.section.container() {
        value["container"] = container.into();
    }
    if let Some(escalation) = &finding.escalation {
        value["escalation"] = escalation.as_str().into();
    }
    if finding.section == Section::Webhooks {
        value["section"] = "webhooks".into();
    }
    value
}

/// The spans in bytes of the text as it is written, where bytes that are not UTF-8 are replaced by longer ones.
fn text_spans(finding: &Finding) -> Vec<[usize; 2]> {
    let at = |offset: usize| String::from_utf8_lossy(&finding.line[..offset]).len();
    finding.spans.iter().map(|span| [at(span.start), at(span.end)]).collect()
}

fn summary_json(tally: &Tally) -> Value {
    let rules: Vec<Value> = tally
        .groups()
        .into_iter()
        .map(|group| {
            json!({
                "rule": group.first.member("rule"), "severity": group.first.severity.as_str(), "count": group.count,
                "file": group.first.place.file, "line": group.first.place.number,
            })
        })
        .collect();
    json!({
        "type": "summary", "files": tally.files, "skipped": tally.skipped.count, "lines": tally.lines, "bytes": tally.bytes,
        "findings": tally.findings(), "too_long": tally.too_long, "rules": rules,
    })
}
