//! How a tagged record looks on the demo's screen: severity, rule and source, the line, then what to do and where to
//! read on. Colours are codes that the stream leaves out when it is no terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use crate::cli::look::block;
use crate::sanitize::dot;

/// Columns that a line of the log may take.
const LINE_MAX: usize = 104;

/// A record read from the output topic.
#[derive(Debug, Clone, Default)]
pub struct Tagged {
    /// `topic/partition/offset` of the input record.
    pub source: String,
    /// The record's value.
    pub payload: Vec<u8>,
    /// The added object, from the value or the header.
    pub added: Value,
}

impl Tagged {
    /// A member of the added object as text; empty when it is absent.
    #[must_use]
    pub fn member(&self, name: &str) -> &str {
        self.added.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// All rules, the primary first.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.added.get("rules").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

/// Draws a tagged record.
#[must_use]
pub fn draw(tagged: &Tagged) -> String {
    let severity = tagged.member("severity");
    let (mark, dim, bold) = (block(severity), Style::new().dimmed(), Style::new().bold());
    let mut out = String::new();
    let others: String = tagged.rules().skip(1).map(|rule| format!(" +{rule}")).collect();
    let _ = writeln!(
        out,
        "{mark} {severity:<8} {mark:#} {bold}{}{bold:#}{dim}{others}  {}{dim:#}",
        tagged.member("rule"),
        tagged.source
    );
    let _ = writeln!(out, "   {}", shortened(&text(&tagged.payload)));
    let _ = writeln!(out, "   {mark}→{mark:#} {}: {}", tagged.member("section"), tagged.member("action"));
    let contact = tagged.member("contact");
    let between = if contact.is_empty() { "" } else { "  " };
    let _ = writeln!(out, "     {contact}{between}{dim}{}{dim:#}", tagged.member("runbook"));
    out
}

/// How often each rule was seen, most often first.
#[must_use]
pub fn summary(seen: &BTreeMap<String, (u64, String)>) -> String {
    let mut rows: Vec<_> = seen.iter().collect();
    rows.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
    let mut table = Table::new();
    table.load_style(PLAIN).set_header(["lines", "severity", "rule"]);
    for (rule, (count, severity)) in rows {
        table.add_row([&count.to_string(), severity, rule]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// The message of a line, where the shape has one; else the line.
fn text(payload: &[u8]) -> String {
    let whole = String::from_utf8_lossy(payload).into_owned();
    let Ok(Value::Object(members)) = serde_json::from_str(&whole) else { return whole };
    let wrapper = members.get("_source").and_then(Value::as_object).unwrap_or(&members);
    let message =
        ["msg", "_line", "log", "line", "text", "message", "error"].iter().find_map(|name| wrapper.get(*name));
    match message {
        Some(Value::String(inner)) if inner.starts_with('{') => text(inner.as_bytes()),
        Some(Value::String(message)) => match wrapper.get("error").and_then(Value::as_str) {
            Some(error) if error != message => format!("{message}  {error}"),
            _ => message.clone(),
        },
        _ => whole,
    }
}

/// One line of printable characters, cut with an ellipsis.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().map(dot).take(LINE_MAX).collect();
    if text.chars().nth(LINE_MAX).is_some() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_drawn_in_four_lines_without_control_characters() {
        let added = serde_json::json!({"rule":"a.b","rules":["a.b","c.d"],"severity":"critical","section":"S","action":"Do it.","runbook":"https://r#s"});
        let payload = format!("{{\"log\":\"{{\\\"msg\\\":\\\"x\\\\u001b[31m{}\\\"}}\"}}", "y".repeat(200)).into_bytes();
        let drawn = draw(&Tagged { source: "logs/1/2".into(), payload, added });
        let plain = anstream::adapter::strip_str(&drawn).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines[0], " critical  a.b +c.d  logs/1/2");
        assert!(
            lines[1].starts_with("   x·[31myyy")
                && lines[1].ends_with("y…")
                && lines[1].chars().count() == LINE_MAX + 3
        );
        assert_eq!((lines[2], lines[3]), ("   → S: Do it.", "     https://r#s"));
    }
}
