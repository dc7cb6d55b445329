//! Does any example notice when a phrase is spoilt? One character of it is dropped, the packs are compiled anew, and some
//! example of the rule must come out otherwise; else none of them proves that the phrase is right.
//!
//! Rules are spoilt side by side: the n-th mutant holds all rules that have an n-th phrase, each without that one
//! character. So that they do not disturb each other, nobody pushes anybody aside in a mutant, and every case has an id
//! of its own, by which it is seen which case held.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::ids;
use crate::engine::{Engine, Settings, examples};
use crate::pack::lint::{Finding, Spots, Subject, about_rule};
use crate::pack::{Condition, Example, Packs, Rule};

/// A phrase of a rule: where it stands among its conditions.
#[derive(Clone, Copy)]
struct Slot {
    /// The case, when it is one of `also`.
    case: Option<usize>,
    list: &'static str,
    nth: usize,
    /// Which text of the condition.
    part: usize,
}

pub(super) fn lint(engine: &Engine, known: &[Finding]) -> Vec<Finding> {
    let Some(whole) = compiled(alone(engine.packs(), |_| true), engine.settings()) else { return Vec::new() };
    let told: Vec<Vec<Option<usize>>> =
        engine.packs().rules.iter().enumerate().map(|(index, rule)| told(&whole, index, rule)).collect();
    let known = idle(known);
    let mut findings = unreached(engine.packs(), &told, &known);
    findings.extend(spoilt_rules(engine, &told, &known));
    findings.extend(spoilt_contexts(engine, &told, &known));
    findings
}

/// Rules each by itself. The id of the n-th rule is `n/0`, of its first case `n/1`.
fn alone(packs: &Packs, wanted: impl Fn(usize) -> bool) -> Packs {
    let mut packs = packs.clone();
    for (index, rule) in packs.rules.iter_mut().enumerate() {
        rule.unless.clear();
        rule.report.id = format!("{index}/0");
        for (case, changed) in rule.cases.iter_mut().enumerate() {
            changed.report.id = format!("{index}/{}", case + 1);
        }
    }
    let mut index = 0..;
    packs.rules.retain(|_| index.next().is_some_and(&wanted));
    packs
}

/// A mutant has fewer phrases than packs that were compiled already, so this does not fail.
fn compiled(packs: Packs, settings: &Settings) -> Option<Engine> {
    Engine::new(packs, settings.clone()).ok()
}

fn examples_of(rule: &Rule) -> impl Iterator<Item = &Example> {
    rule.reports().flat_map(|(_, examples)| examples.yes.iter().chain(&examples.no))
}

/// What each example of a rule comes to: nothing, 0 for the rule itself, n for its n-th case.
fn told(engine: &Engine, index: usize, rule: &Rule) -> Vec<Option<usize>> {
    examples_of(rule).map(|example| comes_to(engine, index, example)).collect()
}

fn comes_to(engine: &Engine, index: usize, example: &Example) -> Option<usize> {
    let outcome = examples::classify(engine, example);
    let own = format!("{index}/");
    ids(engine, &outcome).into_iter().find_map(|id| id.strip_prefix(&own)?.parse().ok())
}

/// Places that are known to decide nothing: cases that are never reached, phrases that contradict or add nothing.
type Idle = HashSet<(Subject, usize)>;

fn idle(known: &[Finding]) -> Idle {
    let codes = ["L08", "L09", "L31"];
    let place = |finding: &Finding| Some((finding.subject, finding.diagnostic.place.as_ref()?.1.start));
    known.iter().filter(|finding| codes.contains(&finding.diagnostic.code)).filter_map(place).collect()
}

/// Cases that no example of their rule comes to.
fn unreached(packs: &Packs, told: &[Vec<Option<usize>>], idle: &Idle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, rule) in packs.rules.iter().enumerate() {
        for (nth, case) in rule.cases.iter().enumerate() {
            if told[index].contains(&Some(nth + 1)) || idle.contains(&(Subject::Rule(index), case.span.start)) {
                continue;
            }
            let message = format!("no example of `{}` reaches this case", rule.report.id);
            let mut finding = about_rule(packs, index, "L42", case.span.clone(), message, "not proven");
            finding.diagnostic.help = Some("give it a `match` line on which it holds".into());
            findings.push(finding);
        }
    }
    findings
}

fn spoilt_rules(engine: &Engine, told: &[Vec<Option<usize>>], idle: &Idle) -> Vec<Finding> {
    let packs = engine.packs();
    let slots: Vec<Vec<Slot>> = packs.rules.iter().map(slots).collect();
    let spots = Spots::of(packs);
    let look = spots.look();
    let mut findings = Vec::new();
    for round in 0..slots.iter().map(Vec::len).max().unwrap_or(0) {
        let mut mutant = alone(packs, |rule| slots[rule].len() > round);
        let spoilt: Vec<usize> = (0..packs.rules.len()).filter(|rule| slots[*rule].len() > round).collect();
        for (rule, original) in mutant.rules.iter_mut().zip(&spoilt) {
            spoil_slot(rule, slots[*original][round]);
        }
        let Some(mutant) = compiled(mutant, engine.settings()) else { break };
        for index in spoilt {
            let rule = &packs.rules[index];
            let noticed =
                examples_of(rule).zip(&told[index]).any(|(it, before)| comes_to(&mutant, index, it) != *before);
            // A rule without any example is told of elsewhere.
            if noticed || told[index].is_empty() {
                continue;
            }
            let slot = slots[index][round];
            let span = look.condition(index, slot.case, slot.list, slot.nth);
            if !idle.contains(&(Subject::Rule(index), span.start)) {
                findings.push(unnoticed(packs, index, slot, span));
            }
        }
    }
    findings
}

fn unnoticed(packs: &Packs, index: usize, slot: Slot, span: std::ops::Range<usize>) -> Finding {
    let rule = &packs.rules[index];
    let conditions = match slot.case {
        Some(case) => &rule.cases[case].also,
        None => list(rule, slot.list),
    };
    let text = part(&conditions[slot.nth], slot.part).map_or("", String::as_str);
    let message = format!("no example of `{}` depends on `{text}`", rule.report.id);
    let help = match slot.list {
        "none" => "add a `no_match` line that only this phrase keeps out",
        "also" => "add a `match` line to the case that has this phrase",
        "any" => "add a `match` line that has this phrase and no other alternative",
        _ => "add a `match` line, or let no other condition stand for it",
    };
    let mut finding = about_rule(packs, index, "L35", span, message, "could be misspelt, and all examples would hold");
    finding.diagnostic.help = Some(help.into());
    finding
}

/// Contexts that cases name: with a phrase spoilt, some example of those cases' rules must come out otherwise.
fn spoilt_contexts(engine: &Engine, told: &[Vec<Option<usize>>], idle: &Idle) -> Vec<Finding> {
    let packs = engine.packs();
    let spots = Spots::of(packs);
    let look = spots.look();
    let mut users: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, rule) in packs.rules.iter().enumerate() {
        let named: BTreeSet<usize> = rule.cases.iter().flat_map(|case| &case.earlier).copied().collect();
        named.into_iter().for_each(|context| users.entry(context).or_default().push(index));
    }
    let mut findings = Vec::new();
    for (index, context) in packs.contexts.iter().enumerate() {
        let Some(users) = users.get(&index) else { continue };
        for (list, nth, part_nth) in context_slots(context) {
            let mut mutant = alone(packs, |rule| users.contains(&rule));
            let spoilt = &mut mutant.contexts[index];
            let conditions = match list {
                "all" => &mut spoilt.all,
                "any" => &mut spoilt.any,
                _ => &mut spoilt.none,
            };
            spoil(&mut conditions[nth], part_nth);
            let Some(mutant) = compiled(mutant, engine.settings()) else { return findings };
            let noticed = |rule: &usize| {
                let before = &told[*rule];
                examples_of(&packs.rules[*rule]).zip(before).any(|(it, before)| comes_to(&mutant, *rule, it) != *before)
            };
            if users.iter().any(noticed) {
                continue;
            }
            let message = format!("no example depends on what the context `{}` looks for here", context.id);
            let mut finding =
                look.about_context(index, list, nth, "L43", message, "could be misspelt, and all would hold");
            finding.diagnostic.help =
                Some("add a sequence to a case that names it: match = [['''what was said''', '''the line''']]".into());
            let place = finding.diagnostic.place.as_ref().map_or(0, |(_, span)| span.start);
            if !idle.contains(&(Subject::Context(index), place)) {
                findings.push(finding);
            }
        }
    }
    findings
}

fn context_slots(context: &crate::pack::Context) -> Vec<(&'static str, usize, usize)> {
    let mut slots = Vec::new();
    for (list, conditions) in [("all", &context.all), ("any", &context.any), ("none", &context.none)] {
        for (nth, condition) in conditions.iter().enumerate() {
            slots.extend((0..parts(condition)).map(|part| (list, nth, part)));
        }
    }
    slots
}

fn slots(rule: &Rule) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut add = |case, list, conditions: &[Condition]| {
        for (nth, condition) in conditions.iter().enumerate() {
            slots.extend((0..parts(condition)).map(|part| Slot { case, list, nth, part }));
        }
    };
    for name in ["all", "any", "none"] {
        add(None, name, list(rule, name));
    }
    for (case, changed) in rule.cases.iter().enumerate() {
        add(Some(case), "also", &changed.also);
    }
    slots
}

fn list<'r>(rule: &'r Rule, name: &str) -> &'r [Condition] {
    match name {
        "all" => &rule.all,
        "any" => &rule.any,
        _ => &rule.none,
    }
}

/// How many texts a condition has.
fn parts(condition: &Condition) -> usize {
    match condition {
        Condition::Phrase(_) => 1,
        Condition::PhraseThen { then, .. } => 1 + then.len(),
        Condition::Words(words) => words.len(),
        Condition::Regex(_) | Condition::LevelError => 0,
    }
}

fn part(condition: &Condition, nth: usize) -> Option<&String> {
    match condition {
        Condition::Phrase(phrase) => Some(phrase),
        Condition::PhraseThen { phrase, then } => {
            if nth == 0 {
                Some(phrase)
            } else {
                then.get(nth - 1)
            }
        }
        Condition::Words(words) => words.get(nth),
        Condition::Regex(_) | Condition::LevelError => None,
    }
}

fn spoil_slot(rule: &mut Rule, slot: Slot) {
    let conditions = match (slot.case, slot.list) {
        (Some(case), _) => &mut rule.cases[case].also,
        (None, "all") => &mut rule.all,
        (None, "any") => &mut rule.any,
        (None, _) => &mut rule.none,
    };
    spoil(&mut conditions[slot.nth], slot.part);
}

fn spoil(condition: &mut Condition, nth: usize) {
    let text = match condition {
        Condition::Phrase(phrase) => phrase,
        Condition::PhraseThen { phrase, .. } if nth == 0 => phrase,
        Condition::PhraseThen { then, .. } => &mut then[nth - 1],
        Condition::Words(words) => &mut words[nth],
        Condition::Regex(_) | Condition::LevelError => return,
    };
    *text = without_one(text);
}

/// The text without one character, as near to its middle as it can be so that what is left is no part of the text: what
/// holds the text then does not hold what is left by that alone.
fn without_one(text: &str) -> String {
    let mut places: Vec<(usize, char)> = text.char_indices().collect();
    places.sort_by_key(|(at, _)| (at * 2).abs_diff(text.len()));
    let dropped = |(at, c): &(usize, char)| format!("{}{}", &text[..*at], &text[at + c.len_utf8()..]);
    let lower = text.to_ascii_lowercase();
    places
        .iter()
        .map(dropped)
        .find(|left| !lower.contains(&left.to_ascii_lowercase()))
        .unwrap_or_else(|| format!("{text}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_phrase_is_no_part_of_it() {
        assert_eq!(without_one("key deleted"), "key dleted");
        assert_eq!(without_one("etcd"), "etd");
        for phrase in ["abb", "aaaa", "see", "no  space", "éa é"] {
            assert!(!phrase.contains(&without_one(phrase)), "{phrase}");
        }
    }
}
