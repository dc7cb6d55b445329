//! Phrases one by one: too short for the scan, too common to mean anything, or copied from prose instead of a log.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::rivals::{alternatives, literal_parts};
use super::{Desk, Holder, Subject};
use crate::pack::{Condition, atom, triggers};

/// A trigger whose atom is shorter than this (in bytes) stops the scan at many lines in vain.
const SHORT: usize = 6;

/// Words that stand in the logs of any service, in lower case.
const COMMON: [&str; 96] = [
    "a",
    "an",
    "and",
    "are",
    "at",
    "attempt",
    "bad",
    "be",
    "been",
    "by",
    "call",
    "can",
    "cannot",
    "check",
    "client",
    "close",
    "closed",
    "code",
    "completed",
    "config",
    "configuration",
    "connect",
    "connecting",
    "connection",
    "could",
    "create",
    "data",
    "debug",
    "denied",
    "dial",
    "did",
    "does",
    "done",
    "error",
    "errors",
    "exception",
    "failed",
    "fail",
    "failure",
    "fatal",
    "file",
    "for",
    "found",
    "from",
    "get",
    "has",
    "in",
    "info",
    "internal",
    "invalid",
    "io",
    "is",
    "it",
    "key",
    "lost",
    "message",
    "missing",
    "name",
    "no",
    "not",
    "null",
    "of",
    "on",
    "or",
    "out",
    "panic",
    "read",
    "refused",
    "request",
    "reset",
    "response",
    "retry",
    "retrying",
    "server",
    "service",
    "start",
    "started",
    "state",
    "status",
    "stop",
    "stopped",
    "tcp",
    "the",
    "time",
    "timed",
    "timeout",
    "to",
    "unable",
    "unavailable",
    "unexpected",
    "unknown",
    "user",
    "was",
    "with",
    "write",
    "wrong",
];

/// What programs do not log, and what it is.
static PROSE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r",$", "it ends in the comma of a quotation"),
        (r"\bor\b.*[`”]|^or\b|\bor$", "`or` stands between two quotations, not inside one"),
        (r"\{\{|\}\}|\{%|%\}", "template braces are filled in before anybody reads them"),
        (r"[“”‘’]", "typographic quotes come from a text editor"),
        (r"`[^`]+`|\*\*[A-Za-z]|\]\(http", "it holds Markdown"),
        (r"&(?:lt|gt|amp|quot|nbsp|#[0-9]+);", "it holds an HTML entity"),
        (r"\*\*\*|…|\.\.\.$|<[a-z][a-z0-9 _-]*>|\bYOUR_|\b[A-Z]+_(?:ID|NAME)\b|\bXXX+", "it holds a placeholder"),
    ]
    .into_iter()
    .filter_map(|(pattern, why)| Some((Regex::new(pattern).ok()?, why)))
    .collect()
});

/// `","` and `":"`, as they stand between the members of a raw line.
static JOINT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""\s*[,:]\s*"|"\s*:\s*[\[{0-9]"#).ok());

pub(super) fn lint(desk: &mut Desk<'_>) {
    for holder in desk.holders() {
        for (list, conditions) in holder.lists() {
            for (nth, condition) in conditions.iter().enumerate() {
                wording(desk, holder.subject, condition, &holder.at(list, nth));
            }
        }
        short(desk, &holder);
    }
    for (index, rule) in desk.packs.rules.iter().enumerate() {
        for case in &rule.cases {
            for (nth, condition) in case.also.iter().enumerate() {
                let span = desk.index.in_case(rule, case, "also", nth);
                wording(desk, Subject::Rule(index), condition, &span);
            }
        }
        if !rule.app_required || rule.app.is_empty() {
            common(desk, index);
        }
    }
}

fn wording(desk: &mut Desk<'_>, subject: Subject, condition: &Condition, span: &Range<usize>) {
    for phrase in literal_parts(condition) {
        if let Some((_, why)) = PROSE.iter().find(|(pattern, _)| pattern.is_match(phrase)) {
            let message = format!("the phrase `{phrase}` reads like prose: {why}");
            let help = "end the phrase before it, or make two phrases of what stands around it";
            desk.report(subject, "L20", span.clone(), message, "no program logs this").help(help);
        } else if JOINT.as_ref().is_some_and(|joint| joint.is_match(phrase)) {
            let message = format!("the phrase `{phrase}` goes across two JSON members");
            let help = "a phrase is looked for inside one text value: make two phrases in `all` of it";
            desk.report(subject, "L21", span.clone(), message, "never inside one value").help(help);
        }
    }
}

/// The first trigger with a short atom.
fn short(desk: &mut Desk<'_>, holder: &Holder<'_>) {
    let triggers = triggers(holder.all, holder.any);
    let Some(phrase) = triggers.into_iter().find(|trigger| atom(trigger).len() < SHORT) else { return };
    let holds = |condition: &Condition| condition.literal() == Some(phrase);
    let place = |(list, conditions): (&'static str, &[Condition])| Some((list, conditions.iter().position(holds)?));
    let span = holder.lists().into_iter().find_map(place).map_or(0..0, |(list, nth)| holder.at(list, nth));
    let bare = atom(phrase);
    let message = format!("`{bare}` ({} bytes) is all that the scan can look for to find `{}`", bare.len(), holder.id);
    let help = format!("put a phrase with {SHORT} bytes in a row that no encoder escapes into `all`");
    desk.report(holder.subject, "L05", span, message, "short").help(help);
}

/// Alternatives of a rule that consist of everyday words only.
fn common(desk: &mut Desk<'_>, index: usize) {
    let rule = &desk.packs.rules[index];
    let everyday = |phrase: &str| {
        let mut words = phrase.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        phrase.is_ascii() && words.all(|word| COMMON.contains(&word.to_ascii_lowercase().as_str()))
    };
    for alternative in alternatives(rule) {
        let vague = |condition: &&Condition| match condition {
            Condition::LevelError => true,
            Condition::Regex(_) => false,
            literal => literal_parts(literal).all(everyday),
        };
        if !alternative.conditions.iter().all(vague) {
            continue;
        }
        let (list, nth) = alternative.last;
        let span = desk.index.in_rule(rule, list, nth);
        let message = format!("any service may log what `{}` looks for here", rule.report.id);
        let help = "add a phrase of this failure alone to `all`, or name the `app` and set `app_required = true`";
        desk.report(Subject::Rule(index), "L06", span, message, "everyday words only").help(help);
    }
}
