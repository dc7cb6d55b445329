//! Whose is the line in the end? A rule's own example should be primarily its own, and where one rule's phrase contains
//! another's, some example should show who wins.

use super::ids;
use crate::engine::{Engine, examples};
use crate::pack::Rule;
use crate::pack::lint::{Contained, Finding, Spots, about_rule, contained, decided};

pub(super) fn lint(engine: &Engine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for index in 0..engine.packs().rules.len() {
        lost(engine, index, &mut findings);
    }
    undecided(engine, &mut findings);
    findings
}

/// Examples on which another rule is primary.
fn lost(engine: &Engine, index: usize, findings: &mut Vec<Finding>) {
    let packs = engine.packs();
    let rule = &packs.rules[index];
    for (report, examples) in rule.reports() {
        for example in &examples.yes {
            let outcome = examples::classify(engine, example);
            let Some(primary) = ids(engine, &outcome).first().copied() else { continue };
            if rule.ids().any(|id| id == primary) {
                continue;
            }
            let message = format!("this example of `{}` goes to `{primary}`", report.id);
            let label = format!("`{primary}` is primary");
            let mut finding = about_rule(packs, index, "L27", example.span.clone(), message, &label);
            finding.diagnostic.help =
                Some("let the rule win by severity or `priority`, or take the other one off this line".into());
            findings.push(finding);
        }
    }
}

fn undecided(engine: &Engine, findings: &mut Vec<Finding>) {
    let packs = engine.packs();
    let spots = Spots::of(packs);
    let look = spots.look();
    for pair in contained(packs) {
        if pair.same || decided(packs, &pair) || shown(engine, &pair) {
            continue;
        }
        let (inner, outer) = (&packs.rules[pair.inner], &packs.rules[pair.outer]);
        let (id, other) = (&inner.report.id, &outer.report.id);
        let message = format!("every line that `{id}` claims by this is claimed by `{other}` as well");
        let span = look.condition(pair.inner, None, pair.at.0, pair.at.1);
        let there = look.condition(pair.outer, None, pair.outer_at.0, pair.outer_at.1);
        let label = format!("contains the phrase of `{other}`");
        let mut finding = about_rule(packs, pair.inner, "L04", span, message, &label);
        let help = format!(
            "the longer phrase wins, so `{id}` would be primary; say so by a `match` line of it with this phrase, by `priority`, or by `unless`"
        );
        let source = &packs.packs[outer.pack].source;
        finding.diagnostic = finding.diagnostic.and_at(source, there, "contained there").help(help);
        findings.push(finding);
    }
}

/// Some example of the rule with the longer phrase is claimed by both, and the rule is above the other.
fn shown(engine: &Engine, pair: &Contained) -> bool {
    let packs = engine.packs();
    let (inner, outer) = (&packs.rules[pair.inner], &packs.rules[pair.outer]);
    let place = |ids: &[&str], rule: &Rule| ids.iter().position(|id| rule.ids().any(|own| own == *id));
    inner.reports().flat_map(|(_, examples)| &examples.yes).any(|example| {
        let outcome = examples::classify(engine, example);
        let ids = ids(engine, &outcome);
        matches!((place(&ids, inner), place(&ids, outer)), (Some(a), Some(b)) if a < b)
    })
}
