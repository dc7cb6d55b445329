//! What is written and used by nobody: contexts, facts, sections, tables.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::places::tables;
use super::{Desk, Subject};
use crate::pack::Captures;

pub(super) fn lint(desk: &mut Desk<'_>) {
    contexts(desk);
    for pack in 0..desk.packs.packs.len() {
        facts(desk, pack);
        sections(desk, pack);
        lookups(desk, pack);
    }
}

/// Whether a capture or a table row gives this fact.
pub(super) fn gives(captures: &Captures, fact: usize) -> bool {
    let row = |row: &crate::pack::Row| row.facts.iter().any(|(given, _)| *given == fact);
    captures.get.iter().any(|get| get.fact == fact) || captures.lookup.iter().any(|it| it.rows.iter().any(row))
}

fn contexts(desk: &mut Desk<'_>) {
    let packs = desk.packs;
    let named: BTreeSet<usize> =
        packs.rules.iter().flat_map(|rule| &rule.cases).flat_map(|case| &case.earlier).copied().collect();
    let inherited: BTreeSet<usize> =
        packs.rules.iter().flat_map(|rule| &rule.captures).flat_map(|captures| &captures.inherit).copied().collect();
    for (index, context) in packs.contexts.iter().enumerate() {
        let given = |fact: &usize| context.set.iter().any(|(set, _)| set == fact) || gives(&context.captures, *fact);
        if named.contains(&index) || inherited.iter().any(given) {
            continue;
        }
        let Some((_, table)) = desk.index.context(&context.id) else { continue };
        let span = table.get("id").map_or(0..0, toml::Spanned::span);
        let message = format!("nobody uses the context `{}`", context.id);
        desk.report(Subject::Context(index), "L13", span, message, "remembered for nobody")
            .help("name it in the `earlier` of a case, inherit a fact that it gives, or drop it");
    }
}

fn facts(desk: &mut Desk<'_>, pack: usize) {
    let packs = desk.packs;
    let Some(declared) = desk.places.tree(pack).get("capture").and_then(|value| value.get_ref().as_table()) else {
        return;
    };
    for (name, _) in declared {
        let Some(fact) = packs.facts.iter().position(|fact| fact.name == name.get_ref().as_ref()) else { continue };
        let in_rules = packs.rules.iter().flat_map(|rule| &rule.captures).any(|captures| gives(captures, fact));
        // Facts shared by `[[facts]]` are attached to rules; beside none of them they are seen in the file only.
        if in_rules || super::captures::given_by_contexts(packs, fact) || shared(desk, pack, name.get_ref().as_ref()) {
            continue;
        }
        let message = format!("nothing gives the fact `{}`", name.get_ref());
        desk.report(Subject::Pack(pack), "L37", name.span(), message, "declared for nobody")
            .help("capture it with `get`, give it in a table row or a context, or drop it");
    }
}

fn shared(desk: &Desk<'_>, pack: usize, fact: &str) -> bool {
    let named = |get: &DeTable<'_>| get.get("name").and_then(|name| name.get_ref().as_str()) == Some(fact);
    let mut groups = tables(desk.places.tree(pack), "facts");
    groups.any(|group| tables(group, "get").any(named) || group.contains_key("lookup"))
}

fn sections(desk: &mut Desk<'_>, pack: usize) {
    let packs = desk.packs;
    let Some(declared) = desk.places.tree(pack).get("sections").and_then(|value| value.get_ref().as_table()) else {
        return;
    };
    let rules = packs.rules.iter().filter(|rule| rule.pack == pack);
    let used: BTreeSet<&str> =
        rules.flat_map(|rule| rule.reports()).map(|(report, _)| report.anchor.as_str()).collect();
    for (anchor, _) in declared {
        if !used.contains(anchor.get_ref().as_ref()) {
            let message = format!("no rule names the section `{}`", anchor.get_ref());
            desk.report(Subject::Pack(pack), "L38", anchor.span(), message, "linked by nobody")
                .help("write its rule, or drop the line");
        }
    }
}

fn lookups(desk: &mut Desk<'_>, pack: usize) {
    let tree = desk.places.tree(pack);
    let Some(declared) = tree.get("table").and_then(|value| value.get_ref().as_table()) else { return };
    let holders = ["rule", "context", "facts"].into_iter().flat_map(|key| tables(tree, key));
    let used: BTreeSet<&str> = holders
        .flat_map(|holder| tables(holder, "lookup"))
        .filter_map(|lookup| lookup.get("table").and_then(|name| name.get_ref().as_str()))
        .collect();
    for (name, _) in declared {
        if !used.contains(name.get_ref().as_ref()) {
            let message = format!("nobody looks into the table `{}`", name.get_ref());
            desk.report(Subject::Pack(pack), "L39", name.span(), message, "no `lookup` names it")
                .help("name it in the `lookup` of a rule, a context or `[[facts]]`, or drop it");
        }
    }
}
