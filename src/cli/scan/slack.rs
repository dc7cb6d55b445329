//! The findings as one message in Slack's mrkdwn, ready to be posted as a reply in a thread.
//!
//! `&`, `<` and `>` are escaped, so nothing that a log says can become a link or call somebody; asterisks, tildes and
//! backticks that would change how text looks are written as characters that look alike. A message has at most 4,000
//! characters, the length that Slack recommends (`chat.postMessage`); advice that finds no room is named.

use std::fmt::Write as _;

use super::finding::{Group, Tally};
use super::text::{places, totals};
use crate::cli::look::Excerpt;
use crate::pack::Severity;
use crate::sanitize::dotted;

/// Characters of a message.
const MESSAGE_MAX: usize = 4000;
/// Columns of a line in a thread.
const COLUMNS: usize = 76;
/// Rules named of which there is no room for more.
const NAMED_MAX: usize = 8;

/// The message.
#[must_use]
pub fn message(tally: &Tally) -> String {
    let groups = tally.groups();
    let mut out = format!("*{}*{}\n", escaped(&totals(tally)), files(tally));
    for (at, group) in groups.iter().enumerate() {
        let advice = advice(group);
        // What is left out is told of, and that needs room too, unless this is the last.
        let room = if at + 1 == groups.len() { 0 } else { left_out(&groups[at + 1..]).chars().count() };
        if out.chars().count() + advice.chars().count() + room > MESSAGE_MAX {
            out += &left_out(&groups[at..]);
            return out;
        }
        out += &advice;
    }
    out
}

fn files(tally: &Tally) -> String {
    match tally.files.as_slice() {
        [file] => format!(" in {}", code(file)),
        _ => String::new(),
    }
}

fn advice(group: &Group) -> String {
    let first = &group.first;
    let sign = match first.severity {
        Severity::Critical => ":red_circle:",
        Severity::Error => ":large_orange_circle:",
        Severity::Warning => ":large_yellow_circle:",
        Severity::Info => ":large_blue_circle:",
    };
    let words = if group.count > 1 { "the first in container" } else { "container" };
    let container = first.section.container().map(|name| format!(", {words} {}", code(name))).unwrap_or_default();
    let mut out = format!(
        "\n{sign} *{}* {}, {}{container}\n",
        escaped(first.member("title")),
        code(first.member("rule")),
        escaped(&places(group))
    );
    let excerpt = Excerpt::new(&first.line, &first.spans, COLUMNS);
    let _ = writeln!(out, "```{}\n{}```", verbatim(&excerpt.text()), excerpt.marks());
    let (section, runbook) = (first.member("section"), first.member("runbook"));
    let action = escaped(first.member("action"));
    let link = if runbook.is_empty() { escaped(section) } else { link(runbook, section) };
    let _ = writeln!(out, "{link}{}{action}", if action.is_empty() { "" } else { ": " });
    let mut last = Vec::new();
    for (words, name) in [("Ask", "contact"), ("See", "see"), ("May be snoozed for", "snooze")] {
        let text = first.member(name);
        if !text.is_empty() {
            last.push(format!("{words} {}", if name == "see" { link_only(text) } else { escaped(text) }));
        }
    }
    if !last.is_empty() {
        let _ = writeln!(out, "{}", last.join(" · "));
    }
    if let Some(escalation) = &first.escalation {
        let _ = writeln!(out, "Escalation: {}", escaped(escalation));
    }
    out
}

fn left_out(groups: &[&Group]) -> String {
    let names: Vec<String> = groups.iter().take(NAMED_MAX).map(|group| code(group.first.member("rule"))).collect();
    let more = if groups.len() > NAMED_MAX { ", …" } else { "" };
    format!("\n… and {} more: {}{more}\n", groups.len(), names.join(", "))
}

fn link(url: &str, text: &str) -> String {
    // A bar would end the address.
    format!("<{}|{}>", entities(url).replace('|', "%7C"), escaped(text).replace('|', "¦"))
}

fn link_only(url: &str) -> String {
    format!("<{}>", entities(url).replace('|', "%7C"))
}

fn code(text: &str) -> String {
    format!("`{}`", verbatim(text))
}

/// In code, where only the end of it matters.
fn verbatim(text: &str) -> String {
    entities(text).replace('`', "ˋ")
}

/// Text; code that a pack's author wrote stays code.
fn escaped(text: &str) -> String {
    let balanced = text.matches('`').count().is_multiple_of(2);
    let text = entities(text);
    let plain = |part: &str| part.replace('*', "∗").replace('~', "∼");
    let parts = text.split('`').enumerate();
    let parts: Vec<String> = parts.map(|(at, part)| if at % 2 == 0 { plain(part) } else { part.to_owned() }).collect();
    parts.join(if balanced { "`" } else { "ˋ" })
}

fn entities(text: &str) -> String {
    dotted(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::{Finding, Place};
    use super::super::sections::Section;
    use super::*;

    fn tally(rules: usize) -> Tally {
        let mut tally = Tally::default();
        (tally.lines, tally.files) = (10, vec!["a`b.log".into()]);
        for rule in 0..rules {
            let added = json!({
                "rule": format!("disk.full-{rule}"), "rules": [], "title": "A *volume* is <full> & broken",
                "section": "Disk | full", "runbook": "https://r/s.html#disk-full", "contact": "#storage",
                "action": format!("Run `df *` {}", "and think ".repeat(20)),
            });
            let serde_json::Value::Object(added) = added else { unreachable!() };
            let line = b"<!channel> ```no space``` left".to_vec();
            let place = Place { file: "a`b.log".into(), number: 7 };
            tally.count(&Finding::new(
                place,
                Section::None,
                &line,
                std::slice::from_ref(&(14..22)),
                Severity::Critical,
                added,
            ));
        }
        tally
    }

    #[test]
    fn nothing_in_a_log_can_call_or_link() {
        let message = message(&tally(1));
        assert_eq!(
            message.lines().take(6).collect::<Vec<_>>(),
            [
                "*1 line found, 10 lines of 1 file read* in `aˋb.log`",
                "",
                ":red_circle: *A ∗volume∗ is &lt;full&gt; &amp; broken* `disk.full-0`, line 7",
                "```&lt;!channel&gt; ˋˋˋno spaceˋˋˋ left",
                "              ^^^^^^^^```",
                "<https://r/s.html#disk-full|Disk ¦ full>: Run `df *` and think and think and think and think and think and \
                 think and think and think and think and think and think and think and think and think and think and think \
                 and think and think and think and think ",
            ]
        );
    }

    #[test]
    fn a_message_has_no_more_characters_than_slack_takes() {
        for rules in [1, 5, 8, 9, 10, 100] {
            let message = message(&tally(rules));
            let told = message.matches(":red_circle:").count();
            assert!(message.chars().count() <= MESSAGE_MAX, "{rules}: {}", message.chars().count());
            assert!(told >= rules.min(6), "{rules}: only {told} told");
            assert_eq!(message.contains("more: "), told < rules, "{rules}");
        }
    }
}
