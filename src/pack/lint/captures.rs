//! Captures and expressions: what can never be captured, and how expressions are written.

use std::ops::Range;

use regex_syntax::ast::{self, Ast};
use toml::de::{DeTable, DeValue};

use super::places::{elements, tables};
use super::{Desk, Subject};
use crate::pack::{Origin, Packs};

pub(super) fn lint(desk: &mut Desk<'_>) {
    for index in 0..desk.packs.rules.len() {
        from_nothing(desk, index);
        inherited_from_nobody(desk, index);
    }
    expressions(desk);
}

/// `from` names a fact that no earlier entry has captured.
fn from_nothing(desk: &mut Desk<'_>, index: usize) {
    let rule = &desk.packs.rules[index];
    let Some(own) = rule.captures.first() else { return };
    for (nth, get) in own.get.iter().enumerate() {
        let Origin::Fact(from, _) = &get.from else { continue };
        if own.get[..nth].iter().any(|before| before.fact == *from) {
            continue;
        }
        let name = &desk.packs.facts[*from].name;
        let message = format!("`{}` captures from `{name}`, which nothing has captured before", rule.report.id);
        let span = desk.index.in_rule(rule, "get", nth);
        desk.report(Subject::Rule(index), "L11", span, message, "never captures anything")
            .help(format!("capture `{name}` in an earlier entry of `get`"));
    }
}

fn inherited_from_nobody(desk: &mut Desk<'_>, index: usize) {
    let rule = &desk.packs.rules[index];
    let Some(own) = rule.captures.first() else { return };
    for (nth, fact) in own.inherit.iter().enumerate() {
        if given_by_contexts(desk.packs, *fact) {
            continue;
        }
        let name = &desk.packs.facts[*fact].name;
        let message = format!("`{}` inherits `{name}`, which no context gives", rule.report.id);
        let span = desk.index.in_rule(rule, "inherit", nth);
        desk.report(Subject::Rule(index), "L15", span, message, "never there")
            .help("let a `[[context]]` set or capture it, or leave it out");
    }
}

/// Whether some context sets, captures or looks up this fact.
pub(super) fn given_by_contexts(packs: &Packs, fact: usize) -> bool {
    packs
        .contexts
        .iter()
        .any(|context| context.set.iter().any(|(set, _)| *set == fact) || super::unused::gives(&context.captures, fact))
}

/// Every expression of every file, wherever it stands.
fn expressions(desk: &mut Desk<'_>) {
    let places = desk.places;
    let (rules, contexts) = (desk.packs.rules.iter().enumerate(), desk.packs.contexts.iter().enumerate());
    let mut owned: Vec<(&DeTable<'_>, Subject)> = Vec::new();
    owned.extend(rules.filter_map(|(index, rule)| Some((desk.index.rule(rule)?, Subject::Rule(index)))));
    owned.extend(contexts.filter_map(|(index, it)| Some((desk.index.context(&it.id)?.1, Subject::Context(index)))));
    for pack in 0..desk.packs.packs.len() {
        owned.extend(tables(places.tree(pack), "facts").map(|table| (table, Subject::Pack(pack))));
    }
    for (table, subject) in owned {
        let mut found = Vec::new();
        collect(table, &mut found);
        for (text, span) in found {
            expression(desk, subject, text, span);
        }
    }
}

/// The values of all keys `re` in a table and below it.
fn collect<'t>(table: &'t DeTable<'_>, found: &mut Vec<(&'t str, Range<usize>)>) {
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        if let (DeValue::String(text), "re") = (value.get_ref(), key) {
            found.push((text, value.span()));
        }
        elements(table, key).filter_map(|value| value.get_ref().as_table()).for_each(|below| collect(below, found));
    }
}

fn expression(desk: &mut Desk<'_>, subject: Subject, text: &str, span: Range<usize>) {
    // What does not parse has been reported where it was read.
    let Ok(tree) = ast::parse::Parser::new().parse(text) else { return };
    if folds_beyond_ascii(&tree) {
        let message = "this expression folds more than ASCII letters".to_owned();
        desk.report(subject, "L32", span.clone(), message, "bare (?i)")
            .help("write (?i-u:…) around what may come in any ASCII case, as phrases do");
    }
    if begins_or_ends_with_anything(&tree) {
        let message = "this expression begins or ends with anything, which it may do without asking".to_owned();
        desk.report(subject, "L36", span, message, "`.*` at an end")
            .help("take the `.*` away: an expression is looked for anywhere in the text");
    }
}

/// Some part is case-insensitive while Unicode is on.
fn folds_beyond_ascii(tree: &Ast) -> bool {
    let bare = |flags: &ast::Flags| {
        flags.flag_state(ast::Flag::CaseInsensitive) == Some(true)
            && flags.flag_state(ast::Flag::Unicode) != Some(false)
    };
    match tree {
        Ast::Flags(set) => bare(&set.flags),
        Ast::Group(group) => group.flags().is_some_and(bare) || folds_beyond_ascii(&group.ast),
        Ast::Repetition(repetition) => folds_beyond_ascii(&repetition.ast),
        Ast::Concat(concat) => concat.asts.iter().any(folds_beyond_ascii),
        Ast::Alternation(alternation) => alternation.asts.iter().any(folds_beyond_ascii),
        _ => false,
    }
}

/// `.*` or `.*?` at an end, alone or beside the anchor that it makes idle; captured it has a use.
fn begins_or_ends_with_anything(tree: &Ast) -> bool {
    let Ast::Concat(concat) = tree else { return false };
    let idle = |ast: &Ast| {
        matches!(ast, Ast::Repetition(repetition)
            if matches!(*repetition.ast, Ast::Dot(_)) && repetition.op.kind == ast::RepetitionKind::ZeroOrMore)
    };
    let anchor = |ast: &Ast| matches!(ast, Ast::Assertion(_));
    let mut forwards = concat.asts.iter().skip_while(|ast| anchor(ast));
    let mut backwards = concat.asts.iter().rev().skip_while(|ast| anchor(ast));
    forwards.next().is_some_and(idle) || backwards.next().is_some_and(idle)
}
