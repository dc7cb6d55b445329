//! What is different between two sets of packs, told by the ids that lines are tagged with and those of alerts: the one line
//! that a person wants to read after a reload.
//!
//! A rule has changed when it may tag other lines, or tag them otherwise. Where it stands, how it is laid out and by
//! which examples it proves itself does not count; what its facts are called and where its pack's page is does.

use std::collections::{BTreeMap, BTreeSet};

use super::{Alert, Captures, Case, Examples, Get, Lookup, Name, Origin, Packs, Piece, Rule};

/// Ids, each list in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Only the new packs have them.
    pub added: Vec<String>,
    /// Only the old packs had them.
    pub removed: Vec<String>,
    /// Both have them, in rules that are not the same.
    pub changed: Vec<String>,
}

/// What became of `before`.
#[must_use]
pub fn changes(before: &Packs, after: &Packs) -> Changes {
    let (before, after) = (meanings(before), meanings(after));
    let missing_in = |other: &Meanings, ids: &Meanings| -> Vec<String> {
        ids.keys().filter(|id| !other.contains_key(*id)).cloned().collect()
    };
    let differs = |(id, meaning): &(&String, &BTreeSet<String>)| before.get(*id).is_some_and(|old| old != *meaning);
    Changes {
        added: missing_in(&before, &after),
        removed: missing_in(&after, &before),
        changed: after.iter().filter(differs).map(|(id, _)| id.clone()).collect(),
    }
}

/// For each id, what the rules that can report it mean.
type Meanings = BTreeMap<String, BTreeSet<String>>;

fn meanings(packs: &Packs) -> Meanings {
    let mut meanings = Meanings::new();
    for rule in &packs.rules {
        let meaning = meaning(packs, rule);
        for id in rule.ids() {
            meanings.entry(id.to_owned()).or_default().insert(meaning.clone());
        }
    }
    for alert in &packs.alerts {
        meanings.entry(alert.id.clone()).or_default().insert(alert_meaning(packs, alert));
    }
    meanings
}

/// The alert as text, likewise; what its sequences show does not count.
fn alert_meaning(packs: &Packs, alert: &Alert) -> String {
    let link = &packs.packs[alert.pack].link;
    let mut alert = Alert { pack: 0, span: 0..0, ..alert.clone() };
    let mut facts = Names::default();
    let templates = alert.labels.iter_mut().chain(&mut alert.annotations).flat_map(|(_, template)| &mut template.0);
    let in_templates = templates.filter_map(|piece| match piece {
        Piece::Value(name, _) => Some(name),
        Piece::Text(_) | Piece::Count => None,
    });
    for name in alert.group_by.iter_mut().chain(&mut alert.distinct).chain(in_templates) {
        match name {
            Name::Fact(fact) | Name::Region(Some(fact)) => facts.renumber(fact),
            Name::Region(None) | Name::App | Name::Member(_) => {}
        }
    }
    alert.escalate.iter_mut().flat_map(|row| &mut row.when).for_each(|(fact, _)| facts.renumber(fact));
    let facts: Vec<_> = facts.0.iter().map(|fact| &packs.facts[*fact]).collect();
    format!("{link:?} {facts:?} {alert:?}")
}

/// The rule as text that is the same wherever it stands, its conditions as a hash. Numbers of facts and contexts depend on
/// all packs, so they are replaced by numbers of the rule's own, whose names are told beside it.
fn meaning(packs: &Packs, rule: &Rule) -> String {
    let link = &packs.packs[rule.pack].link;
    let (all, any, none) = (Vec::new(), Vec::new(), Vec::new());
    let (asked, examples, waivers) = (Some(rule.asks()), Examples::default(), Vec::new());
    let mut rule = Rule { pack: 0, span: 0..0, all, any, none, asked, examples, waivers, ..rule.clone() };
    for case in &mut rule.cases {
        (case.span, case.also, case.examples) = (0..0, Vec::new(), Examples::default());
    }
    let mut facts = Names::default();
    rule.captures.iter_mut().for_each(|captures| captures_facts(captures, &mut |fact| facts.renumber(fact)));
    rule.cases.iter_mut().flat_map(|case| &mut case.when).for_each(|(fact, _)| facts.renumber(fact));
    let mut contexts = Names::default();
    rule.cases.iter_mut().flat_map(|case: &mut Case| &mut case.earlier).for_each(|context| contexts.renumber(context));
    let facts: Vec<_> = facts.0.iter().map(|fact| &packs.facts[*fact]).collect();
    let contexts: Vec<_> = contexts.0.iter().map(|context| &packs.contexts[*context].id).collect();
    format!("{link:?} {facts:?} {contexts:?} {rule:?}")
}

/// Numbers as they first occur; the place in the list is the new number.
#[derive(Default)]
struct Names(Vec<usize>);

impl Names {
    fn renumber(&mut self, number: &mut usize) {
        let known = self.0.iter().position(|known| known == number);
        *number = known.unwrap_or_else(|| {
            self.0.push(*number);
            self.0.len() - 1
        });
    }
}

/// Every number of a fact in it.
fn captures_facts(captures: &mut Captures, see: &mut impl FnMut(&mut usize)) {
    for Get { fact, from, every_except, .. } in &mut captures.get {
        see(fact);
        if let Origin::Fact(other, _) = from {
            see(other);
        }
        every_except.iter_mut().for_each(&mut *see);
    }
    captures.inherit.iter_mut().for_each(&mut *see);
    if let Some(Lookup { by, rows, .. }) = &mut captures.lookup {
        by.iter_mut().for_each(&mut *see);
        // The table is shared with other rules, whose numbers are others.
        let rows = std::sync::Arc::make_mut(rows);
        rows.iter_mut().flat_map(|row| &mut row.facts).for_each(|(fact, _)| see(fact));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::Source;

    fn packs(files: &[(&str, &str)]) -> Packs {
        let source = |(name, text): &(&str, &str)| Arc::new(Source { name: (*name).into(), text: (*text).into() });
        let (packs, problems) = crate::pack::parse(&files.iter().map(source).collect::<Vec<_>>());
        packs.unwrap_or_else(|| panic!("{problems:#?}"))
    }

    const DISK: &str = r#"
[pack]
link = "/storage.html"
[sections]
full = "Full"
[capture]
volume = "string"
[[rule]]
id = "disk.full"
title = "A volume is full"
any = ["no space left"]
get = [{ name = "volume", re = 'volume (\w+)' }]
severity = "critical"
section = "full"
match = ['no space left on volume a']
no_match = ['space']
[[rule.case]]
id = "disk.system-full"
when = { volume = "root" }
match = ['no space left on volume root']
"#;

    fn told(before: &str, after: &str) -> Changes {
        let (mut before, after) = (packs(&[("storage.toml", before)]), packs(&[("storage.toml", after)]));
        let told = changes(&before, &after);
        before.let_go();
        assert_eq!(changes(&before, &after), told, "what is let go of is still told apart");
        told
    }

    #[test]
    fn ids_that_come_and_go_are_named() {
        let other = DISK.replace("disk.system-full", "disk.root-full");
        let changes = told(DISK, &other);
        assert_eq!((changes.added, changes.removed), (vec!["disk.root-full".into()], vec!["disk.system-full".into()]));
        // The rule that both ids are of is another one, too.
        assert_eq!(changes.changed, ["disk.full"]);
    }

    #[test]
    fn what_lines_are_tagged_with_counts() {
        for (old, new) in [
            ("critical", "error"),
            ("no space left\"]", "space left\"]"),
            ("/storage.html", "/disks.html"),
            ("volume = \"root\"", "volume = \"boot\""),
            ("volume (\\w+)", "(?:volume) (\\w+)"),
        ] {
            let other = DISK
                .replace(old, new)
                .replace("volume root'", if new.contains("boot") { "volume boot'" } else { "volume root'" });
            assert_ne!(other, DISK, "{old}");
            assert_eq!(told(DISK, &other).changed, ["disk.full", "disk.system-full"], "{old}");
        }
    }

    const ALERT: &str = r#"
[[alert]]
id = "disks_full"
from = ["disk.*"]
group_by = ["volume"]
window = "15m"
count = ">= 3"
severity = "critical"
labels = { volume = "{volume}" }
[[test]]
name = "three are enough"
alert = "disks_full"
lines = ["0m x3 no space left on volume a"]
fires = "0m"
"#;

    #[test]
    fn an_alert_is_told_of_as_a_rule_is() {
        let with = format!("{DISK}{ALERT}");
        assert_eq!(told(DISK, &with).added, ["disks_full"]);
        assert_eq!(told(&with, &with.replace(">= 3", ">= 2")).changed, ["disks_full"]);
        let summary = "labels = { volume = \"{volume}\", shelf = \"{volume:0}\" }";
        assert_eq!(told(&with, &with.replace("labels = { volume = \"{volume}\" }", summary)).changed, ["disks_full"]);
        assert_eq!(told(&with, &with.replace("three are", "3 is")), Changes::default());
        let first = "[capture]\nabove = \"int\"\n";
        let both = packs(&[("above.toml", first), ("storage.toml", &with)]);
        assert_eq!(changes(&packs(&[("storage.toml", &with)]), &both), Changes::default());
    }

    #[test]
    fn where_a_rule_stands_and_how_it_is_proven_does_not() {
        let other = format!("# A comment.\n{}", DISK.replace("volume a'", "volume b'"));
        assert_eq!(told(DISK, &other), Changes::default());
        // A pack before it shifts the numbers of everything.
        let first = "[capture]\nabove = \"int\"\n[[context]]\nid = \"above\"\nany = [\"something above\"]\n";
        let both = packs(&[("above.toml", first), ("storage.toml", DISK)]);
        assert_eq!(changes(&packs(&[("storage.toml", DISK)]), &both), Changes::default());
    }

    #[test]
    fn the_shipped_packs_are_the_same_as_themselves() {
        let (Some(packs), _) = crate::pack::parse(&crate::pack::builtin()) else { panic!("they are sound") };
        assert_eq!(changes(&packs, &packs.clone()), Changes::default());
        let nothing = changes(&packs, &Packs::default());
        assert!(nothing.removed.len() > 30 && nothing.added.is_empty());
    }
}
