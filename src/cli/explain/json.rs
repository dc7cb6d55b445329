//! An explanation for programs: one JSON object.

use serde_json::{Map, Value, json};

use super::near::Near;
use super::text::{wants, why};
use crate::engine::Spot;
use crate::engine::explain::{CaseTrial, Clause, Explanation, Fate, Learned, Named, Source, Trial, written};

/// The object.
#[must_use]
pub fn explanation(line: &[u8], told: &Explanation<'_>, near: &Near) -> Value {
    let matched = told.trials.iter().filter(|trial| trial.fate != Fate::Unmatched);
    let near_ones = near.trials.iter().map(|at| &told.trials[*at]);
    let primary = told.primary().map(|trial| trial.report.id.as_str());
    let rules: Vec<Value> = matched.chain(near_ones).map(|one| trial(one, primary, near)).collect();
    let contexts: Vec<Value> = told
        .contexts
        .iter()
        .map(|context| {
            json!({ "id": context.id, "seen": context.since.is_some(), "since": context.since, "now": context.now })
        })
        .collect();
    let said: Map<String, Value> = told.said.iter().map(|(name, value)| (name.clone(), fact(value))).collect();
    let mut object = json!({
        "line": String::from_utf8_lossy(line),
        "tagged": told.outcome.verdict.is_some(),
        "primary": primary,
        "why": why(told),
        "scan_stops": told.scan_stops,
        "layers": told.layers,
        "record": told.record,
        "app": named(told.app.as_ref()),
        "level": level(told),
        "source": named(told.source.as_ref()),
        "region": named(told.region.as_ref()),
        "time": named(told.time.as_ref()),
        "message": told.message,
        "texts": told.texts,
        "contexts": contexts,
        "said": said,
        "rules": rules,
    });
    // Told where it is so only: it is a line of a kind that hardly anybody ever sees.
    if told.outcome.crossed.work {
        object["work_crossed"] = true.into();
    }
    if told.untold() > 0 {
        object["untold"] = told.untold().into();
    }
    object
}

fn named(named: Option<&Named>) -> Value {
    named.map_or(Value::Null, |named| json!({ "name": named.name, "path": named.path, "layer": named.layer }))
}

/// The level as it is written, what it means, and whether a collector gave it.
fn level(told: &Explanation<'_>) -> Value {
    let mut level = named(told.level.as_ref());
    if let Some(members) = level.as_object_mut() {
        members.insert("means".to_owned(), json!(told.level_means.map(|level| level.word())));
        members.insert("number".to_owned(), json!(told.level_means.map(|level| level.number())));
        members.insert("stamp".to_owned(), told.level_is_stamp.into());
    }
    level
}

fn trial(trial: &Trial<'_>, primary: Option<&str>, near: &Near) -> Value {
    let id = trial.report.id.as_str();
    let (fate, by, standing) = match trial.fate {
        Fate::Matched(standing) => (if primary == Some(id) { "primary" } else { "matched" }, None, Some(standing)),
        Fate::PushedAside(by) => ("pushed_aside", Some(by), None),
        Fate::Unmatched => ("unmatched", None, None),
    };
    let standing = standing.map(|standing| {
        json!({
            "severity": standing.severity.as_str(), "priority": standing.priority, "phrase_bytes": standing.phrase_bytes,
        })
    });
    json!({
        "rule": id, "fate": fate, "by": by, "standing": standing,
        "clauses": trial.clauses.iter().map(|one| clause(one, near)).collect::<Vec<_>>(),
        "facts": trial.facts.iter().map(learned).collect::<Vec<_>>(),
        "cases": trial.cases.iter().map(|one| case(one, near)).collect::<Vec<_>>(),
    })
}

fn clause(clause: &Clause<'_>, near: &Near) -> Value {
    let almost = near.almost(clause).map(|almost| json!({ "at": spot(&almost.spot), "share": almost.share }));
    json!({
        "asks": clause.asks.word(), "wants": wants(clause), "holds": clause.holds,
        "spots": clause.spots.iter().map(spot).collect::<Vec<_>>(), "instead": clause.instead, "almost": almost,
    })
}

fn spot(spot: &Spot) -> Value {
    json!([spot.text, spot.span.start, spot.span.end])
}

fn learned(learned: &Learned<'_>) -> Value {
    let from = match &learned.from {
        Source::Member(path) => json!({ "member": path }),
        Source::Text(place) => json!({ "text": place.as_ref().map(spot) }),
        Source::Fact(name) => json!({ "fact": name }),
        Source::Row(_) => json!("table"),
        Source::Earlier => json!("earlier"),
    };
    json!({ "name": learned.fact, "value": fact(&learned.value), "from": from })
}

fn case(case: &CaseTrial<'_>, near: &Near) -> Value {
    let clauses: Vec<Value> = case.clauses.iter().map(|one| clause(one, near)).collect();
    json!({ "rule": case.report.id, "holds": case.holds, "chosen": case.is_chosen, "clauses": clauses })
}

fn fact(value: &crate::pack::Value) -> Value {
    match value {
        crate::pack::Value::Int(number) => json!(number),
        crate::pack::Value::Float(number) => json!(number),
        crate::pack::Value::Bool(flag) => json!(flag),
        crate::pack::Value::String(_) => json!(written(value)),
    }
}
