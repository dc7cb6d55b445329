//! Where the parts of a pack stand in its file.
//!
//! A rule as the engine uses it has forgotten where each of its phrases was written. A lint that has something to say
//! about one asks here: the file is read as TOML once more, and parts are found by the place of their table.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::document;
use crate::pack::{Case, Packs, Rule};

/// The tables of all packs.
pub(super) struct Places<'p> {
    trees: Vec<Spanned<DeTable<'p>>>,
}

/// The tables of rules by where their id stands, and of contexts by their id.
pub(super) struct Index<'t> {
    rules: HashMap<(usize, usize), &'t DeTable<'t>>,
    contexts: HashMap<&'t str, (usize, &'t DeTable<'t>)>,
}

impl<'p> Places<'p> {
    pub(super) fn of(packs: &'p Packs) -> Self {
        Self { trees: packs.packs.iter().map(|pack| document::parse(&pack.source.text).table).collect() }
    }

    /// The whole file of a pack.
    pub(super) fn tree(&self, pack: usize) -> &DeTable<'p> {
        self.trees[pack].get_ref()
    }

    pub(super) fn index(&self) -> Index<'_> {
        let mut index = Index { rules: HashMap::new(), contexts: HashMap::new() };
        for (pack, tree) in self.trees.iter().enumerate() {
            for rule in tables(tree.get_ref(), "rule") {
                if let Some(id) = rule.get("id") {
                    index.rules.insert((pack, id.span().start), rule);
                }
            }
            for context in tables(tree.get_ref(), "context") {
                if let Some(id) = context.get("id").and_then(|id| id.get_ref().as_str()) {
                    index.contexts.insert(id, (pack, context));
                }
            }
        }
        index
    }
}

impl<'t> Index<'t> {
    /// The table of a rule.
    pub(super) fn rule(&self, rule: &Rule) -> Option<&'t DeTable<'t>> {
        self.rules.get(&(rule.pack, rule.span.start)).copied()
    }

    /// The n-th element of a list of a rule; the rule's id when it cannot be told.
    pub(super) fn in_rule(&self, rule: &Rule, list: &str, nth: usize) -> Range<usize> {
        let found = self.rule(rule).and_then(|table| elements(table, list).nth(nth));
        found.map_or_else(|| rule.span.clone(), Spanned::span)
    }

    /// The n-th element of a list of a case.
    pub(super) fn in_case(&self, rule: &Rule, case: &Case, list: &str, nth: usize) -> Range<usize> {
        let at = rule.cases.iter().position(|other| other.span == case.span);
        let table = self.rule(rule).and_then(|table| tables(table, "case").nth(at?));
        let found = table.and_then(|table| elements(table, list).nth(nth));
        found.map_or_else(|| case.span.clone(), Spanned::span)
    }

    /// Pack and table of a context.
    pub(super) fn context(&self, id: &str) -> Option<(usize, &'t DeTable<'t>)> {
        self.contexts.get(id).copied()
    }
}

/// The tables of an array of tables, or the one table.
pub(super) fn tables<'t, 'p>(table: &'t DeTable<'p>, key: &str) -> impl Iterator<Item = &'t DeTable<'p>> {
    elements(table, key).filter_map(|value| value.get_ref().as_table())
}

/// The elements of an array, or the one value.
pub(super) fn elements<'t, 'p>(table: &'t DeTable<'p>, key: &str) -> impl Iterator<Item = &'t Spanned<DeValue<'p>>> {
    let value = table.get(key);
    let array = value.and_then(|value| value.get_ref().as_array());
    let single = if array.is_some() { None } else { value };
    array.into_iter().flat_map(|array| array.iter()).chain(single)
}
