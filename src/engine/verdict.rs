//! What a line means, and how that is written down: the added object.
//!
//! Flat, scalars of fixed types plus one array. The fixed members come first, in one order; then the captured facts, in
//! the order of their declaration; then the pack. An absent fact is absent: never null, never another type.

use serde_json::{Map, Number, Value as Json};

use super::decide::Match;
use crate::pack::{Packs, Report, Severity, Value};

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

/// What a matching line means.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// All rules that matched, as indexes into [`super::Engine::reported`], the primary first.
    pub rules: Vec<usize>,
    /// The primary's severity.
    pub severity: Severity,
    /// The primary's link, with the section; empty when its pack has no page.
    pub runbook: String,
    /// The primary's pack, as [`Pack::edition`](crate::pack::Pack::edition) has it.
    pub pack: String,
    /// The added object, complete.
    pub(super) full: String,
    /// The added object without the longer texts.
    pub(super) short: String,
}

/// Puts the matches into words. `matches` is not empty, the primary is first.
pub(super) fn write(matches: &[Match<'_>], rules: Vec<usize>, packs: &Packs, base_url: &str) -> Option<Verdict> {
    let primary = matches.first()?;
    let report = primary.report;
    let pack = &packs.packs[packs.rules[primary.rule].pack];
    let runbook = link(primary, packs, base_url);
    let ids: Vec<Json> = matches.iter().map(|found| Json::from(found.report.id.as_str())).collect();
    let facts = unite(matches);
    let edition = pack.edition();
    let object = |detail: Detail| {
        let mut object = Map::new();
        object.insert("v".into(), 1.into());
        object.insert("rule".into(), report.id.as_str().into());
        object.insert("rules".into(), Json::Array(ids.clone()));
        object.insert("severity".into(), report.severity.as_str().into());
        object.insert("severity_number".into(), report.severity.number().into());
        texts(&mut object, primary, report, &runbook, detail);
        for (fact, value) in &facts {
            let long = matches!(value, Value::String(text) if text.len() > SHORT_FACT_MAX);
            if detail == Detail::Full || !long {
                object.insert(packs.facts[*fact].name.clone(), json(value));
            }
        }
        object.insert("pack".into(), edition.as_str().into());
        Json::Object(object).to_string()
    };
    Some(Verdict {
        rules,
        severity: report.severity,
        full: object(Detail::Full),
        short: object(Detail::Short),
        runbook: runbook.clone(),
        pack: edition.clone(),
    })
}

/// Link to the section of a match; empty when its pack has no page.
pub(super) fn link(found: &Match<'_>, packs: &Packs, base_url: &str) -> String {
    let link = packs.packs[packs.rules[found.rule].pack].link.as_ref();
    link.map(|link| format!("{base_url}{link}#{}", found.report.anchor)).unwrap_or_default()
}

fn texts(object: &mut Map<String, Json>, primary: &Match<'_>, report: &Report, runbook: &str, detail: Detail) {
    let full = detail == Detail::Full;
    let members = [
        ("title", Some(report.title.as_str()), full),
        ("section", Some(report.section.as_str()), full),
        ("runbook", Some(runbook), true),
        ("action", primary.action(), full),
        ("contact", primary.contact(), full),
        ("see", primary.see(), full),
        ("snooze", report.snooze.as_deref(), full),
    ];
    for (name, text, wanted) in members {
        if let (Some(text), true) = (text.filter(|text| !text.is_empty()), wanted) {
            object.insert(name.into(), text.into());
        }
    }
}

/// The facts of all matches; the primary's win a clash. In the order of declaration.
pub(super) fn unite(matches: &[Match<'_>]) -> Vec<(usize, Value)> {
    let mut united = super::decide::Facts::default();
    for (fact, value) in matches.iter().flat_map(|found| &found.facts.0) {
        united.offer(*fact, value.clone());
    }
    united.0.sort_by_key(|(fact, _)| *fact);
    united.0
}

fn json(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Int(number) => Json::from(*number),
        // A fact that is a float is finite: `Kind::value_of` takes no other.
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Bool(flag) => Json::from(*flag),
    }
}
