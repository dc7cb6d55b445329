//! What stands where in a file, in large: which table a place belongs to. By it a report is sorted under rules, and
//! rules that could not be understood are kept away from the lints, which would only echo what is wrong with them.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::Finding;
use super::places::tables;
use crate::diagnostic::{Diagnostic, Grade, Source};
use crate::document;
use crate::pack::{Packs, Rule};

/// A table of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `rule`, `context`, …: the key at the top of the file.
    pub kind: String,
    /// Its id, or its name; empty when it has none.
    pub id: String,
    /// Where its first line begins.
    pub start: usize,
    /// Where its id stands, if it has one.
    pub id_at: Option<usize>,
}

/// The tables of one file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline(pub Vec<Item>);

impl Outline {
    /// Of a file, as far as it can be read.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        let tree = document::parse(&source.text).table;
        let mut items = Vec::new();
        for (key, value) in tree.get_ref() {
            let kind = key.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Array(array) => {
                    let starts = array.iter().map(|element| element.span().start);
                    items.extend(
                        starts.zip(tables(tree.get_ref(), kind)).map(|(start, table)| item(kind, start, table)),
                    );
                }
                DeValue::Table(table) => items.push(item(kind, value.span().start, table)),
                _ => {}
            }
        }
        items.sort_by_key(|item| item.start);
        Self(items)
    }

    /// The table in which a place stands: the last that begins before it.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Item> {
        let after = self.0.partition_point(|item| item.start <= place);
        self.0[..after].last()
    }
}

fn item(kind: &str, start: usize, table: &DeTable<'_>) -> Item {
    let id = table.get("id");
    let text = id.and_then(|id| id.get_ref().as_str()).unwrap_or_default();
    Item { kind: kind.to_owned(), id: text.to_owned(), start, id_at: id.map(|id| id.span().start) }
}

/// What is found when a rule is missing, and only then: not told while some are.
const ECHOES: [&str; 4] = ["L13", "L37", "L38", "L39"];

/// The findings without those that only echo that rules were left out ([`sound`]).
#[must_use]
pub fn without_echoes(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| !ECHOES.contains(&finding.diagnostic.code)).collect()
}

/// The packs without the rules that an error stands in, so that those which were understood can be looked at further.
///
/// A rule that `unless` ties to one of those is left out as well: its examples may count on it.
#[must_use]
pub fn sound(mut packs: Packs, problems: &[Diagnostic]) -> Packs {
    let errors: Vec<_> = problems.iter().filter(|problem| problem.grade == Grade::Error).collect();
    if errors.is_empty() {
        return packs;
    }
    let mut broken: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (index, pack) in packs.packs.iter().enumerate() {
        let outline = Outline::of(&pack.source);
        let places = errors.iter().flat_map(|error| {
            let also = error.also.iter().map(|(source, span, _)| (source, span));
            error.place.iter().map(|(source, span)| (source, span)).chain(also)
        });
        let here = places.filter(|(source, _)| ***source == *pack.source);
        let items = here.filter_map(|(_, span)| outline.at(span.start)).filter(|item| item.kind == "rule");
        broken.extend(items.filter_map(|item| Some((index, item.id_at?))));
    }
    let is_broken = |rule: &Rule| broken.contains(&(rule.pack, rule.span.start)) || rule.report.id.is_empty();
    let gone: Vec<String> =
        packs.rules.iter().filter(|rule| is_broken(rule)).flat_map(Rule::ids).map(str::to_owned).collect();
    let tied = |rule: &Rule| rule.unless.iter().any(|pattern| gone.iter().any(|id| pattern.names(id)));
    packs.rules.retain(|rule| !is_broken(rule) && !tied(rule));
    packs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const FILE: &str =
        "[pack]\nlink = \"/a.html\"\n[[rule]]\nid = \"a.one\"\n[[rule.case]]\nalso = []\n[[rule]]\nid = \"a.two\"\n";

    #[test]
    fn a_place_belongs_to_the_table_above_it() {
        let outline = Outline::of(&Source { name: "a.toml".into(), text: FILE.into() });
        let at = |text: &str| outline.at(FILE.find(text).unwrap()).map(|item| (item.kind.as_str(), item.id.as_str()));
        assert_eq!(at("link"), Some(("pack", "")));
        assert_eq!(at("id = \"a.one\""), Some(("rule", "a.one")));
        assert_eq!(at("also"), Some(("rule", "a.one")));
        assert_eq!(at("[[rule]]\nid = \"a.two\""), Some(("rule", "a.two")));
    }

    #[test]
    fn only_what_was_understood_is_looked_at_further() {
        let source = Arc::new(Source { name: "a.toml".into(), text: FILE.into() });
        let (packs, problems) = crate::pack::read(&[Arc::clone(&source)]);
        assert!(sound(packs.clone(), &problems).rules.is_empty(), "both lack nearly everything");
        assert_eq!(sound(packs, &[]).rules.len(), 2);
    }
}
