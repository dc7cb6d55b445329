//! The alert of an "Example Alerts" block: every label, every annotation but those that alerts have by themselves, and a test
//! that it fires. The window and how many are enough are read from the description, where it tells them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;
use toml_writer::{ToTomlKey as _, ToTomlValue as _};

use super::{list, severity_of};
use crate::pack::Severity;
use crate::pack::parse::ANNOTATIONS;
use crate::runbook::alerts::Shown;

/// `in the last 5 mins`, `over the past 15 minutes`, `within an hour`.
static WINDOW: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:last|past|within|in)\s+(?:the\s+)?(\d+|an?)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b",
    )
    .ok()
});

/// `experienced 5 failures`.
static COUNT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(\d+)(\.\d+)?\s+(?:\S+\s+){0,3}?(?:fail|error|occurrence|time)").ok());

/// The alert as TOML; `line` is an example of a rule of the family, without which there is nothing to count.
pub(super) fn written(shown: &Shown, family: &str, line: Option<&str>) -> String {
    let named = shown.label("alertname").map(alert_id).filter(|id| !id.is_empty());
    let id = named.unwrap_or_else(|| format!("{family}/alert"));
    let told: Vec<&str> = shown.annotations.iter().map(|(_, text)| text.as_str()).collect();
    let window = told.iter().find_map(|text| window(text));
    let count = told.iter().find_map(|text| count(text));
    let severity = severity_of(shown);
    let todo = todo(shown, window.is_some(), count.is_some(), severity.is_some(), &id);

    let least = count.unwrap_or(1);
    let mut text = format!("\n[[alert]]\nid = {}\nfrom = [\"{family}.*\"]\n", id.as_str().to_toml_value());
    let _ = writeln!(text, "window = \"{}\"\ncount = \">= {least}\"", window.as_deref().unwrap_or("15m"));
    let _ = writeln!(text, "severity = \"{}\"", severity.unwrap_or(Severity::Warning).as_str());
    let _ = writeln!(text, "todo = {}", list(todo.iter().map(String::as_str)));
    let labels = shown.labels.iter().filter(|(name, _)| !["alertname", "severity"].contains(&name.as_str()));
    let labels = labels.filter(|(name, _)| !name.starts_with("__"));
    table(&mut text, "labels", labels);
    table(&mut text, "annotations", shown.annotations.iter().filter(|(name, _)| !ANNOTATIONS.contains(&name.as_str())));
    match line {
        Some(line) => {
            let step = format!("0m x{least} {line}");
            let _ = writeln!(
                text,
                "\n[[test]]\nname = \"so many lines at once fire\"\nalert = {}",
                id.as_str().to_toml_value()
            );
            let _ = writeln!(text, "lines = {}\nfires = \"0m\"", list(std::iter::once(step.as_str())));
            text
        }
        None => text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect(),
    }
}

fn table<'s>(text: &mut String, key: &str, pairs: impl Iterator<Item = &'s (String, String)>) {
    let mut pairs = pairs.peekable();
    if pairs.peek().is_some() {
        let _ = writeln!(text, "  [alert.{key}]");
    }
    for (name, value) in pairs {
        // Braces of a template are doubled: these are texts as they were received.
        let value = value.replace('{', "{{").replace('}', "}}");
        let _ = writeln!(text, "  {} = {}", name.as_str().to_toml_key(), value.as_str().to_toml_value());
    }
}

fn todo(shown: &Shown, window: bool, count: bool, severity: bool, id: &str) -> Vec<String> {
    let mut todo = vec!["from: which of these rules count?".to_owned()];
    if shown.label("alertname").is_none_or(|name| name != id) {
        todo.push("id: the name of the alert".to_owned());
    }
    if !window {
        todo.push("window: how long a line counts".to_owned());
    }
    if !count {
        todo.push("count: how many are enough".to_owned());
    }
    if !severity {
        todo.push("severity: how bad it is".to_owned());
    }
    if shown.labels.iter().any(|(_, value)| value.contains(':') && value.len() > 20) {
        todo.push("group_by, labels: which values are those of the line, as in \"{crn}\"?".to_owned());
    }
    todo.push("annotations: which numbers and names are those of the line, as in \"{count}\"?".to_owned());
    todo
}

fn alert_id(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "_-./:".contains(*c);
    name.chars().map(|c| if fits(&c) { c } else { '-' }).collect()
}

fn window(text: &str) -> Option<String> {
    let found = WINDOW.as_ref()?.captures(text)?;
    let number: u32 = if found[1].starts_with(['a', 'A']) { 1 } else { found[1].parse().ok()? };
    let unit = found[2].to_ascii_lowercase().chars().next()?;
    let seconds = u64::from(number)
        * match unit {
            's' => 1,
            'm' => 60,
            _ => 3600,
        };
    // What is longer than a week is no window.
    (1..=7 * 24 * 3600).contains(&seconds).then(|| format!("{number}{unit}"))
}

fn count(text: &str) -> Option<u32> {
    let found = COUNT.as_ref()?.captures(text)?;
    // A fraction comes from an extrapolating counter and tells nothing.
    found.get(2).is_none().then(|| found[1].parse().ok()).flatten().filter(|count| (1..=10_000).contains(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_counts_are_read_where_they_are_told() {
        assert_eq!(window("seen 5 failures over the past 15 minutes").as_deref(), Some("15m"));
        assert_eq!(window("in the last 5 mins").as_deref(), Some("5m"));
        assert_eq!(window("more than 50 within an hour").as_deref(), Some("1h"));
        assert_eq!(window("in the last 900 hours"), None);
        assert_eq!(count("has experienced 5 failures processing"), Some(5));
        assert_eq!(count("has experienced 2.24 event processing failures"), None);
        assert_eq!(count("keeps failing"), None);
    }
}
