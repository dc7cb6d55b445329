//! Examples as text: those that are missing, and those that hold what must not be written down.

use std::sync::LazyLock;

use regex::Regex;

use super::{Desk, Subject};

/// Formats of secrets, as their makers publish them, and of account numbers.
static SECRETS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"-----BEGIN [A-Z ]*PRIVATE KEY", "a private key"),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "a signed token (JWT)"),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "an access key of AWS"),
        (r"\bgh[pousr]_[A-Za-z0-9]{36}", "a token of GitHub"),
        (r"\bxox[abeprs]-[A-Za-z0-9-]{10,}", "a token of Slack"),
        (r"(?i-u:\bbearer)\s+[A-Za-z0-9._~+/-]{20,}", "a bearer token"),
        (r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@]{3,}@", "a password in an address"),
        (r"\ba/[0-9a-f]{32}\b", "an account number"),
    ]
    .into_iter()
    .filter_map(|(pattern, what)| Some((Regex::new(pattern).ok()?, what)))
    .collect()
});

/// `password = …` and its like; the value stands in the group.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"\b(?:password|passwd|secret|api[_-]?key|access[_-]?token)";
    Regex::new(&format!(r#"(?i-u:{name})[\\"']*\s*[:=]\s*[\\"']*([^\s"',;\\]{{8,}})"#)).ok()
});

pub(super) fn lint(desk: &mut Desk<'_>) {
    for index in 0..desk.packs.rules.len() {
        missing(desk, index);
        secrets(desk, index);
    }
}

fn missing(desk: &mut Desk<'_>, index: usize) {
    let rule = &desk.packs.rules[index];
    let (what, help) = match (rule.examples.yes.is_empty(), rule.examples.no.is_empty()) {
        (true, _) => ("`match` line", "paste a real line that this rule must claim: match = ['''…''']"),
        (_, true) => ("`no_match` line", "paste a line that looks alike and must not be claimed: no_match = ['''…''']"),
        _ => return,
    };
    let message = format!("the rule `{}` has no {what}", rule.report.id);
    desk.report(Subject::Rule(index), "L28", rule.span.clone(), message, "not proven").help(help);
}

fn secrets(desk: &mut Desk<'_>, index: usize) {
    for (_, examples) in desk.packs.rules[index].reports() {
        for example in examples.yes.iter().chain(&examples.no) {
            let Some(what) = example.lines.iter().find_map(|line| secret(line)) else { continue };
            let message = format!("this example seems to hold {what}");
            desk.report(Subject::Rule(index), "L29", example.span.clone(), message, "do not write it down")
                .help("put `example` in its place; if it was real, have it replaced");
        }
    }
}

/// What the line seems to hold.
fn secret(line: &str) -> Option<&'static str> {
    if let Some((_, what)) = SECRETS.iter().find(|(pattern, _)| pattern.is_match(line)) {
        return Some(what);
    }
    // A word is no password: those have digits and letters, and are not called an example.
    let real = |value: &str| {
        value.bytes().any(|byte| byte.is_ascii_digit())
            && value.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !value.to_ascii_lowercase().contains("example")
    };
    let named = NAMED.as_ref()?.captures_iter(line).any(|found| found.get(1).is_some_and(|value| real(value.as_str())));
    named.then_some("a password or key")
}
