//! The findings as Markdown, for an issue: a table, then each advice with its first line.

use std::fmt::Write as _;

use super::finding::{Group, Tally};
use super::text::{places, totals};
use crate::cli::look::Excerpt;
use crate::sanitize::{dot, dotted};

/// Columns of a line in an issue.
const COLUMNS: usize = 120;

/// The whole report.
#[must_use]
pub fn report(tally: &Tally) -> String {
    let groups = tally.groups();
    let mut out = format!("**{}**\n", escaped(&totals(tally)));
    if groups.is_empty() {
        return out;
    }
    let _ = writeln!(out, "\n| lines | severity | rule | section | first at |\n|--:|---|---|---|---|");
    for Group { first, count, .. } in &groups {
        let place = format!("{}:{}", first.place.file, first.place.number);
        let (severity, section) = (first.severity.as_str(), link(first.member("section"), first.member("runbook")));
        let _ = writeln!(out, "| {count} | {severity} | `{}` | {section} | {} |", first.shown("rule"), escaped(&place));
    }
    for group in groups {
        out += &advice(group);
    }
    out
}

fn advice(group: &Group) -> String {
    let first = &group.first;
    let mut out = format!("\n### {}\n\n", escaped(first.member("title")));
    let words = if group.count > 1 { "the first in container" } else { "container" };
    let _ = writeln!(
        out,
        "**{}** `{}`, {}{}\n",
        first.severity.as_str(),
        first.shown("rule"),
        escaped(&places(group)),
        first
            .section
            .container()
            .map(|name| format!(", {words} `{}`", dotted(name).replace('`', "'")))
            .unwrap_or_default()
    );
    let excerpt = Excerpt::new(&first.line, &first.spans, COLUMNS);
    let text = excerpt.text();
    let fence = fence(&text);
    let _ = writeln!(out, "{fence}text\n{text}\n{}\n{fence}\n", excerpt.marks());
    let rows = [
        ("Section", link(first.member("section"), first.member("runbook"))),
        ("Action", escaped(first.member("action"))),
        ("Contact", escaped(first.member("contact"))),
        ("See", first.shown("see").into_owned()),
        ("Snooze", escaped(first.member("snooze"))),
        ("Escalation", escaped(first.escalation.as_deref().unwrap_or_default())),
    ];
    for (name, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = writeln!(out, "- **{name}**: {text}");
    }
    out
}

fn link(text: &str, url: &str) -> String {
    let text = escaped(text);
    if url.is_empty() { text } else { format!("[{text}](<{}>)", dotted(url).replace(['<', '>'], "")) }
}

/// Longer than any run of backticks in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Plain text in Markdown; code spans that a pack's author wrote stay.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        in_code ^= c == '`';
        match dot(c) {
            '|' => out.push_str("\\|"),
            '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' | '&' if !in_code => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // Without its partner a backtick is one.
    if in_code { out.replace('`', "\\`") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markdown_would_take_for_its_own_is_escaped() {
        assert_eq!(escaped("run `a_b | c` for *x*, #chan\n<b>"), "run `a_b \\| c` for \\*x\\*, \\#chan \\<b\\>");
        assert_eq!(escaped("a ` b"), "a \\` b");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
