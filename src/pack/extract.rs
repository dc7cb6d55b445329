//! A draft of a pack from a runbook: rules for what reads like log lines, the sections they stand in, and the alerts of "Example
//! Alerts" blocks with all their labels.
//!
//! What a runbook cannot tell (how bad is it, whose lines are they, what is a near miss?) is filled in so that the pack loads,
//! and named in `todo`, which `check` reports (L45) until a person has decided.

mod alert;
mod phrases;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml_writer::{ToTomlKey as _, ToTomlValue as _};

use super::Severity;
use crate::runbook::alerts::{self, Shown};
use crate::runbook::{Kind, Runbook};

pub use phrases::{Candidate, candidates};

/// What is said of a phrase that is not taken: the reason, by [`Candidate::key`].
pub type LeftOut = BTreeMap<String, String>;

/// A draft.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The pack's text.
    pub text: String,
    /// The rules in it: id, and the candidate's key.
    pub rules: Vec<(String, String)>,
}

/// Drafts a pack; `file` is the runbook's file name. What is left out is told in comments.
///
/// ```
/// # use std::sync::Arc;
/// # use fingerpost::{diagnostic::Source, pack::extract, runbook::Runbook};
/// let text = "## Error messages\n\n* `lease of the volume was lost` - Restart the writer.\n";
/// let runbook = Runbook::read(&Arc::new(Source { name: "volumes.md".into(), text: text.into() }));
/// let draft = extract::draft(&runbook, "volumes.md", &extract::LeftOut::new());
/// assert!(draft.text.contains("all = [\"lease of the volume was lost\"]"));
/// ```
#[must_use]
pub fn draft(runbook: &Runbook, file: &str, left_out: &LeftOut) -> Draft {
    let family = family(file);
    let shown = alerts::shown(runbook);
    let severity = shown.iter().find_map(severity_of).unwrap_or(Severity::Warning);
    let taken: Vec<Candidate> =
        candidates(runbook).into_iter().filter(|candidate| !left_out.contains_key(&candidate.key())).collect();
    let mut writer =
        Writer { runbook, severity, text: String::new(), rules: Vec::new(), sections: Vec::new(), uncounted: false };
    writer.uncounted = taken.is_empty() && !shown.is_empty();
    let mut rules = String::new();
    for candidate in &taken {
        let rule = writer.rule(&family, candidate);
        rules.push_str(&rule);
    }
    writer.head(file);
    writer.text.push_str(&rules);
    let first = taken.first().map(phrases::example);
    for shown in &shown {
        let block = alert::written(shown, &family, first.as_deref());
        writer.text.push_str(&block);
    }
    if !left_out.is_empty() {
        writer.text.push_str("\n# Not taken:\n");
    }
    for (key, why) in left_out {
        let _ = writeln!(writer.text, "#   {} ({why})", phrases::one_line(key));
    }
    Draft { text: writer.text, rules: writer.rules }
}

fn severity_of(shown: &Shown) -> Option<Severity> {
    let word = shown.label("severity")?;
    Severity::ALL.into_iter().find(|severity| severity.as_str() == word)
}

/// The first part of the ids: the file's name, shortened.
fn family(file: &str) -> String {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".md");
    let family = phrases::slug(stem, 32);
    if family.is_empty() { "draft".to_owned() } else { family }
}

struct Writer<'r> {
    runbook: &'r Runbook,
    severity: Severity,
    text: String,
    rules: Vec<(String, String)>,
    /// Anchor and heading.
    sections: Vec<(String, String)>,
    /// An alert is shown, and there is no phrase that it could count: it is only a comment.
    uncounted: bool,
}

impl Writer<'_> {
    fn head(&mut self, file: &str) {
        let front =
            |key: &str| self.runbook.front.get(key).filter(|link| link.starts_with('/') && !link.contains(['#', ' ']));
        let link = front("link").or_else(|| front("permalink")).cloned();
        let mut todo = Vec::new();
        if link.is_none() {
            todo.push("link: the path of the page");
        }
        if self.sections.iter().any(|(anchor, _)| anchor == phrases::NO_ANCHOR) {
            todo.push("sections: the page has no heading above some phrase, so there is nothing to link to");
        }
        if self.uncounted {
            todo.push("alerts: the runbook shows one, and no phrase that it could count; it stands below as a comment");
        }
        let name = file.rsplit('/').next().unwrap_or(file);
        let link = link.unwrap_or_else(|| format!("/{}.html", phrases::slug(name.trim_end_matches(".md"), 80)));
        let _ = writeln!(
            self.text,
            "# A draft from the runbook {}. `fingerpost check` names what is left to decide.\n",
            phrases::one_line(name)
        );
        let _ = writeln!(self.text, "[pack]\nrunbook = {}\nlink = {}", name.to_toml_value(), link.to_toml_value());
        if !todo.is_empty() {
            let _ = writeln!(self.text, "todo = {}", list(todo.iter().copied()));
        }
        self.text.push_str("\n[sections]\n");
        for (anchor, heading) in &self.sections {
            let _ = writeln!(self.text, "{} = {}", anchor.as_str().to_toml_key(), heading.as_str().to_toml_value());
        }
    }

    fn rule(&mut self, family: &str, candidate: &Candidate) -> String {
        let (anchor, heading) = phrases::section(self.runbook, candidate);
        if !self.sections.iter().any(|(known, _)| *known == anchor) {
            self.sections.push((anchor.clone(), heading));
        }
        let id = self.id(family, candidate);
        let action = phrases::action(self.runbook, candidate);
        let mut todo = vec![
            format!("severity: is `{}` right?", self.severity.as_str()),
            "app: whose lines are they?".to_owned(),
            "match, no_match: lines of the log instead of these".to_owned(),
        ];
        if action.is_none() {
            todo.push("action: what is to be done".to_owned());
        } else {
            todo.push("action: in a few words of your own".to_owned());
        }
        if candidate.kind == Kind::Item {
            todo.push("phrases: the runbook does not mark them as text of a log".to_owned());
        }
        let mut text = format!("\n[[rule]]\nid = {}\n", id.as_str().to_toml_value());
        let list_of = |phrases: &[String]| list(phrases.iter().map(String::as_str));
        let _ = writeln!(text, "title = {}", phrases::title(candidate).as_str().to_toml_value());
        match &candidate.alternatives[..] {
            [phrases] => {
                let _ = writeln!(text, "all = {}", list_of(phrases));
            }
            several => {
                let longest = several.iter().map(|phrases| phrases::longest(phrases));
                let _ = writeln!(text, "any = {}", list(longest));
            }
        }
        let action = action.unwrap_or_else(|| "Read the section.".to_owned());
        let _ =
            writeln!(text, "severity = \"{}\"\nsection = {}", self.severity.as_str(), anchor.as_str().to_toml_value());
        let _ = writeln!(text, "action = {}", action.as_str().to_toml_value());
        let _ = writeln!(text, "todo = {}", list_of(&todo));
        let _ = writeln!(text, "match = {}", list_of(&phrases::examples(candidate)));
        let _ = writeln!(text, "no_match = {}", list_of(&[phrases::near_miss(candidate)]));
        self.rules.push((id, candidate.key()));
        text
    }

    fn id(&self, family: &str, candidate: &Candidate) -> String {
        let name = phrases::slug(candidate.first(), 40);
        let base = format!("{family}.{}", if name.is_empty() { "phrase" } else { &name });
        let taken = |id: &str| self.rules.iter().any(|(known, _)| known == id);
        let mut id = base.clone();
        for number in 2.. {
            if !taken(&id) {
                break;
            }
            id = format!("{base}-{number}");
        }
        id
    }
}

/// An array of strings.
fn list<'s>(texts: impl Iterator<Item = &'s str>) -> String {
    format!("[{}]", texts.map(|text| text.to_toml_value()).collect::<Vec<_>>().join(", "))
}
