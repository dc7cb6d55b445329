//! Cases: those that can never be reached, and rules that say what to do in their cases only.

use super::rivals::implied;
use super::{Desk, Subject};
use crate::pack::{Captures, Case, Condition, Packs, Rule, Value};

pub(super) fn lint(desk: &mut Desk<'_>) {
    for index in 0..desk.packs.rules.len() {
        for case in 0..desk.packs.rules[index].cases.len() {
            unreachable(desk, index, case);
        }
        without_action(desk, index);
    }
}

fn unreachable(desk: &mut Desk<'_>, index: usize, nth: usize) {
    let packs = desk.packs;
    let rule = &packs.rules[index];
    let case = &rule.cases[nth];
    let (subject, source) = (Subject::Rule(index), desk.source(rule.pack));
    if let Some(earlier) = rule.cases[..nth].iter().find(|earlier| holds_whenever(earlier, case, rule)) {
        let message =
            format!("this case of `{}` is never reached: an earlier one holds whenever it does", rule.report.id);
        desk.report(subject, "L08", case.span.clone(), message, "never reached")
            .help("put the narrower case first")
            .and_at(source, earlier.span.clone(), "this one holds first");
        return;
    }
    for (fact, values) in &case.when {
        let name = &packs.facts[*fact].name;
        let why = match possible(packs, rule, *fact) {
            Possible::Anything => continue,
            Possible::Only(known) if known.is_empty() => format!("the rule captures no `{name}`"),
            Possible::Only(known) if values.iter().any(|value| known.contains(value)) => continue,
            Possible::Only(known) => {
                let known: Vec<String> = known.iter().map(written).collect();
                format!("`{name}` can only be {}", known.join(" or "))
            }
        };
        let message = format!("this case of `{}` can never hold: {why}", rule.report.id);
        let help = format!("capture `{name}` with `get`, `lookup` or `inherit`, or ask for a value that it can have");
        desk.report(subject, "L08", case.span.clone(), message, "never holds").help(help);
        return;
    }
    if let Some(also) = case.also.iter().position(|also| rule.none.iter().any(|none| implied(&[also], none))) {
        let message = format!("this case of `{}` can never hold: the rule's `none` excludes it", rule.report.id);
        let span = desk.index.in_case(rule, case, "also", also);
        desk.report(subject, "L08", span, message, "excluded by `none`").help("drop the case, or the exclusion");
    }
}

/// Whether `first` holds on every line on which `then` does.
fn holds_whenever(first: &Case, then: &Case, rule: &Rule) -> bool {
    let facts = first.when.iter().all(|(fact, values)| {
        then.when.iter().any(|(other, asked)| other == fact && asked.iter().all(|value| values.contains(value)))
    });
    let known: Vec<&Condition> = rule.all.iter().chain(&then.also).collect();
    let phrases = first.also.iter().all(|also| implied(&known, also));
    facts && phrases && first.earlier.iter().all(|context| then.earlier.contains(context))
}

/// The values that a fact can have on a line of a rule.
enum Possible {
    Anything,
    Only(Vec<Value>),
}

fn possible(packs: &Packs, rule: &Rule, fact: usize) -> Possible {
    let mut known = Vec::new();
    let inherited = rule.captures.iter().any(|captures| captures.inherit.contains(&fact));
    let contexts = packs.contexts.iter().filter(|_| inherited);
    let set = contexts.clone().flat_map(|context| &context.set).filter(|(set, _)| *set == fact);
    known.extend(set.map(|(_, value)| value.clone()));
    for captures in rule.captures.iter().chain(contexts.map(|context| &context.captures)) {
        if captures.get.iter().any(|get| get.fact == fact) {
            return Possible::Anything;
        }
        let rows = captures.lookup.iter().flat_map(|lookup| lookup.rows.iter()).flat_map(|row| &row.facts);
        known.extend(rows.filter(|(given, _)| *given == fact).map(|(_, value)| value.clone()));
    }
    // A few, and a float has no order.
    let mut distinct: Vec<Value> = Vec::new();
    for value in known {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    Possible::Only(distinct)
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
    }
}

/// Rules of which a line may tell nobody what to do.
fn without_action(desk: &mut Desk<'_>, index: usize) {
    let rule = &desk.packs.rules[index];
    let report = &rule.report;
    let rows = || rule.captures.iter().flat_map(|captures: &Captures| &captures.lookup).flat_map(|it| it.rows.iter());
    if report.action.is_some() || rows().any(|row| row.action.is_some()) {
        return;
    }
    if rule.cases.iter().any(|case| case.report.action.is_some()) {
        let message = format!("when no case of `{}` holds, it says not what to do", report.id);
        desk.report(Subject::Rule(index), "L10", rule.span.clone(), message, "no `action` of its own")
            .help("give the rule the action that is right when nothing more is known");
        return;
    }
    let other = rows().any(|row| row.contact.is_some() || row.see.is_some());
    if report.contact.is_none() && report.see.is_none() && !other {
        let message = format!("`{}` tells nobody what to do", report.id);
        desk.report(Subject::Rule(index), "L30", rule.span.clone(), message, "no `action`, `contact` or `see`")
            .help("say in one sentence what the runbook's section asks for first");
    }
}
