//! What a line means, and how that is written down: the added object.
//!
//! Flat, scalars of fixed types plus one array. The fixed members come first, in one order; then the captured facts, in
//! the order of their declaration; then the pack. An absent fact is absent: never null, never another type.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::decide::Match;
use crate::pack::{Packs, Severity, Value};

/// How much of the added object is written, when a record must not get too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing.
    None,
    /// Without the longer texts: what to search for and the link, not what to do.
    Short,
    /// All of it.
    Full,
}

/// Facts longer than this (in bytes) count among the longer texts.
const SHORT_FACT_MAX: usize = 64;
/// Room for an object as they mostly are, in bytes.
const OBJECT_USUAL: usize = 1024;

/// What a matching line means.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// All rules that matched, as indexes into [`super::Engine::reported`], the primary first.
    pub rules: Vec<usize>,
    /// The primary's severity.
    pub severity: Severity,
    /// The primary's link, with the section; empty when its pack has no page.
    pub runbook: String,
    /// Of a payload that is a list of records, the path of the primary's.
    pub record: Option<String>,
    /// The primary's pack, as [`Pack::edition`](crate::pack::Pack::edition) has it.
    pub pack: String,
    object: Object,
}

impl Verdict {
    /// The added object as JSON text.
    pub(super) fn object(&self, detail: Detail) -> Option<Cow<'_, str>> {
        match detail {
            Detail::None => None,
            Detail::Short => Some(Cow::Owned(self.object.short())),
            Detail::Full => Some(Cow::Borrowed(&self.object.text)),
        }
    }
}

/// The added object, and which parts of it may be left out.
#[derive(Debug, Clone, PartialEq, Default)]
struct Object {
    text: String,
    /// Members that are longer texts, with the comma before them; ascending.
    long: Vec<Range<usize>>,
}

impl Object {
    /// Adds a member. The first one must not be long.
    fn add(&mut self, name: &str, value: &impl Serialize, long: bool) {
        let start = self.text.len();
        self.text.push_str(if start == 0 { "{\"" } else { ",\"" });
        self.text.push_str(name);
        self.text.push_str("\":");
        // Texts, finite numbers and lists of them: nothing that JSON could not say.
        self.text.push_str(&serde_json::to_string(value).unwrap_or_default());
        if long {
            self.long.push(start..self.text.len());
        }
    }

    fn short(&self) -> String {
        let mut short = String::with_capacity(self.text.len());
        let mut from = 0;
        for long in &self.long {
            short.push_str(&self.text[from..long.start]);
            from = long.end;
        }
        short + &self.text[from..]
    }
}

/// Records whose paths are told.
pub(super) const PATHS_MAX: usize = 32;

/// What matched in a payload: in its only line, or in records of a list.
pub(super) struct Matched<'a, 'm> {
    /// Of the primary's record, the primary first. Not empty.
    pub(super) matches: &'a [Match<'m>],
    /// All that matched anywhere, as indexes into what is reported, the primary first.
    pub(super) rules: Vec<usize>,
    /// Their ids.
    pub(super) ids: Vec<&'m str>,
    /// Of records of a list, the path of the primary's.
    pub(super) path: Option<&'a str>,
    /// And of all that matched, in their order.
    pub(super) paths: Vec<&'a str>,
}

/// Puts the matches into words.
pub(super) fn write(matched: Matched<'_, '_>, packs: &Packs, base_url: &str) -> Option<Verdict> {
    let Matched { matches, rules, ids, path, mut paths } = matched;
    let primary = matches.first()?;
    let report = primary.report;
    let pack = &packs.packs[packs.rules[primary.rule].pack];
    let runbook = link(primary, packs, base_url);
    let edition = pack.edition();
    let mut object = Object { text: String::with_capacity(OBJECT_USUAL), long: Vec::new() };
    object.add("v", &1, false);
    object.add("rule", &report.id, false);
    object.add("rules", &ids, false);
    object.add("severity", &report.severity.as_str(), false);
    object.add("severity_number", &report.severity.number(), false);
    texts(&mut object, primary, &runbook);
    for (fact, value) in unite(matches) {
        let long = matches!(value, Value::String(text) if text.len() > SHORT_FACT_MAX);
        let name = &packs.facts[fact].name;
        match value {
            Value::String(text) => object.add(name, text, long),
            Value::Int(number) => object.add(name, number, long),
            // A fact that is a float is finite: `Kind::value_of` takes no other.
            Value::Float(number) => object.add(name, number, long),
            Value::Bool(flag) => object.add(name, flag, long),
        }
    }
    if let Some(path) = path {
        paths.truncate(PATHS_MAX);
        object.add("record", &path, false);
        object.add("records", &paths, true);
    }
    object.add("pack", &edition, false);
    object.text.push('}');
    Some(Verdict { rules, severity: report.severity, runbook, record: path.map(str::to_owned), pack: edition, object })
}

/// Link to the section of a match; empty when its pack has no page.
pub(super) fn link(found: &Match<'_>, packs: &Packs, base_url: &str) -> String {
    let link = packs.packs[packs.rules[found.rule].pack].link.as_ref();
    link.map(|link| format!("{base_url}{link}#{}", found.report.anchor)).unwrap_or_default()
}

fn texts(object: &mut Object, primary: &Match<'_>, runbook: &str) {
    let report = primary.report;
    let members = [
        ("title", Some(report.title.as_str()), true),
        ("section", Some(report.section.as_str()), true),
        ("runbook", Some(runbook), false),
        ("action", primary.action(), true),
        ("contact", primary.contact(), true),
        ("see", primary.see(), true),
        ("snooze", report.snooze.as_deref(), true),
    ];
    for (name, text, long) in members {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            object.add(name, &text, long);
        }
    }
}

/// The facts of all matches; the primary's win a clash. In the order of declaration.
pub(super) fn unite<'m>(matches: &'m [Match<'_>]) -> Vec<(usize, &'m Value)> {
    if let [only] = matches {
        let mut facts: Vec<(usize, &Value)> = only.facts.0.iter().map(|(fact, value)| (*fact, value)).collect();
        facts.sort_by_key(|(fact, _)| *fact);
        return facts;
    }
    let mut united: BTreeMap<usize, &Value> = BTreeMap::new();
    for (fact, value) in matches.iter().flat_map(|found| &found.facts.0) {
        united.entry(*fact).or_insert(value);
    }
    united.into_iter().collect()
}
