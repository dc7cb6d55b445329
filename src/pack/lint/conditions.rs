//! The conditions of one rule or context, held against each other: those that contradict, those that add nothing, and
//! those that take the scan's phrase away.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::rivals::{implied, literal_parts};
use super::{Desk, Holder};
use crate::pack::{Condition, atom};

/// Atoms of so many bytes cost the scan nothing, so a longer one would be no better.
const LONG: usize = 15;

/// A list of conditions that is longer than this is searched by an automaton.
const FEW: usize = 16;

pub(super) fn lint(desk: &mut Desk<'_>) {
    for holder in desk.holders() {
        contradictions(desk, &holder);
        redundant(desk, &holder);
        starved(desk, &holder);
    }
}

fn contradictions(desk: &mut Desk<'_>, holder: &Holder<'_>) {
    for (list, conditions) in [("all", holder.all), ("any", holder.any)] {
        for (nth, condition) in conditions.iter().enumerate() {
            let Some(at) = holder.none.iter().position(|none| implied(&[condition], none)) else { continue };
            let never = list == "all" || holder.any.len() == 1;
            let what = if never { "it can never match" } else { "this alternative can never match" };
            let message = format!("`{}` asks for what its `none` excludes: {what}", holder.id);
            let source = desk.source(holder.pack);
            desk.report(holder.subject, "L09", holder.at(list, nth), message, "asked for here")
                .help("drop one of the two, or make the excluded phrase longer")
                .and_at(source, holder.at("none", at), "excluded here");
        }
    }
}

/// Conditions of one list of which one contains the other.
fn redundant(desk: &mut Desk<'_>, holder: &Holder<'_>) {
    for (list, conditions) in holder.lists() {
        for (longer, shorter) in containing(conditions) {
            let (idle, other) = if list == "all" { (shorter, longer) } else { (longer, shorter) };
            let says = match list {
                "all" => "every line that has the other one has it, too",
                "any" => "a line that has it has the other one, too",
                _ => "a line that has it is excluded by the other one",
            };
            let message = format!("a condition of `{}` adds nothing: {says}", holder.id);
            let source = desk.source(holder.pack);
            desk.report(holder.subject, "L31", holder.at(list, idle), message, "drop this one")
                .help("of two phrases of which one contains the other, one list needs one")
                .and_at(source, holder.at(list, other), "the other one");
        }
    }
}

/// Pairs of plain phrases, the first of which contains the second; of two equal ones the later counts as the longer.
/// Each phrase is named once as the longer one.
fn containing(conditions: &[Condition]) -> Vec<(usize, usize)> {
    let texts: Vec<(usize, String)> = conditions
        .iter()
        .enumerate()
        .filter_map(|(nth, condition)| match condition {
            Condition::Phrase(phrase) => Some((nth, phrase.to_ascii_lowercase())),
            _ => None,
        })
        .collect();
    let counts = |longer: &(usize, String), shorter: &(usize, String)| {
        longer.0 != shorter.0 && longer.1.contains(&shorter.1) && (longer.1 != shorter.1 || longer.0 > shorter.0)
    };
    if texts.len() <= FEW {
        let first = |longer: &(usize, String)| texts.iter().find(|shorter| counts(longer, shorter)).map(|it| it.0);
        return texts.iter().filter_map(|longer| Some((longer.0, first(longer)?))).collect();
    }
    let Ok(automaton) =
        AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts.iter().map(|(_, text)| text))
    else {
        return Vec::new();
    };
    let mut pairs = HashMap::new();
    for longer in &texts {
        for hit in automaton.find_overlapping_iter(&longer.1) {
            let shorter = &texts[hit.pattern().as_usize()];
            if counts(longer, shorter) {
                pairs.entry(longer.0).or_insert(shorter.0);
            }
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    pairs
}

/// An alternative of `any` without a phrase, beside others whose phrases would have served the scan better than `all`.
fn starved(desk: &mut Desk<'_>, holder: &Holder<'_>) {
    let atoms = |conditions: &'_ [Condition]| -> Vec<usize> {
        conditions.iter().flat_map(literal_parts).map(|text| atom(text).len()).collect()
    };
    let Some(bare) = holder.any.iter().position(|condition| literal_parts(condition).next().is_none()) else { return };
    let others = atoms(holder.any).into_iter().min().unwrap_or(0);
    let left = atoms(holder.all).into_iter().max().unwrap_or(0);
    if left >= others.min(LONG) {
        return;
    }
    let id = holder.id;
    let message =
        format!("the scan is left with {left} bytes to look for, as this alternative of `{id}` has no phrase");
    desk.report(holder.subject, "L12", holder.at("any", bare), message, "no phrase")
        .help(format!("the other alternatives have {others} bytes: make two of it, or give `all` a longer phrase"));
}
