//! Rules that claim each other's lines: by the same phrases, by phrases that contain each other, or wholly.
//!
//! A rule is taken apart into *alternatives*: all of `all` with one of `any`. Where every condition of one alternative
//! follows from those of another, each line that fulfils the other is claimed by both rules. Which alternatives can
//! follow from which is found by one automaton over all phrases, never by comparing pairs: each alternative is entered
//! by its rarest phrase, and only those whose rarest phrase stands in a text are looked at.

use std::collections::{BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Desk, Subject};
use crate::pack::{Condition, Packs, Rule};

/// One way to fulfil a rule's conditions.
pub(super) struct Alternative<'p> {
    pub(super) conditions: Vec<&'p Condition>,
    /// List and place of the condition that tells it from the rule's other alternatives.
    pub(super) last: (&'static str, usize),
}

/// All ways to fulfil a rule's conditions.
pub(super) fn alternatives(rule: &Rule) -> Vec<Alternative<'_>> {
    let all: Vec<&Condition> = rule.all.iter().collect();
    if rule.any.is_empty() {
        return vec![Alternative { conditions: all, last: ("all", 0) }];
    }
    let with = |(nth, condition)| Alternative {
        conditions: all.iter().copied().chain(std::iter::once(condition)).collect(),
        last: ("any", nth),
    };
    rule.any.iter().enumerate().map(with).collect()
}

/// The literal texts in a condition, of which all must be there.
pub(super) fn literal_parts(condition: &Condition) -> impl Iterator<Item = &str> {
    let texts: &[String] = match condition {
        Condition::Phrase(phrase) | Condition::PhraseThen { phrase, .. } => std::slice::from_ref(phrase),
        Condition::Words(words) => words,
        Condition::Regex(_) | Condition::LevelError => &[],
    };
    texts.iter().map(String::as_str)
}

/// Whether every line that fulfils `conditions` fulfils `wanted`, as far as the phrases tell.
pub(super) fn implied(conditions: &[&Condition], wanted: &Condition) -> bool {
    conditions.iter().any(|condition| implies(condition, wanted))
}

fn implies(condition: &Condition, wanted: &Condition) -> bool {
    match wanted {
        Condition::Phrase(part) => literal_parts(condition).any(|text| contains(text, part)),
        Condition::PhraseThen { phrase: part, then } => match condition {
            Condition::PhraseThen { phrase, then: mine } => {
                let follows = |text: &String| then.iter().any(|wanted| starts(text, wanted));
                phrase.to_ascii_lowercase().ends_with(&part.to_ascii_lowercase()) && mine.iter().all(follows)
            }
            _ => false,
        },
        Condition::Words(words) => match condition {
            Condition::Words(mine) => {
                words.iter().all(|word| mine.iter().any(|other| other.eq_ignore_ascii_case(word)))
            }
            _ => false,
        },
        Condition::Regex(wanted) => matches!(condition, Condition::Regex(regex) if regex.as_str() == wanted.as_str()),
        Condition::LevelError => matches!(condition, Condition::LevelError),
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

fn starts(text: &str, start: &str) -> bool {
    text.to_ascii_lowercase().starts_with(&start.to_ascii_lowercase())
}

/// Lines of one alternative that another rule claims as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contained {
    /// The rule with the longer phrases.
    pub inner: usize,
    /// List and place of the condition in it.
    pub at: (&'static str, usize),
    /// The rule that claims all its lines.
    pub outer: usize,
    /// List and place of the condition in that one.
    pub outer_at: (&'static str, usize),
    /// The other one claims no more by it: both ask for the same.
    pub same: bool,
}

/// All pairs of alternatives of different rules, of apps that overlap, where one follows from the other, and nothing
/// else keeps the other rule from the line.
#[must_use]
pub fn contained(packs: &Packs) -> Vec<Contained> {
    let ways: Vec<(usize, Alternative<'_>)> = packs
        .rules
        .iter()
        .enumerate()
        .flat_map(|(rule, it)| alternatives(it).into_iter().map(move |way| (rule, way)))
        .collect();
    let Some(rarest) = Rarest::of(&ways) else { return Vec::new() };
    let mut found = Vec::new();
    for (index, (inner, way)) in ways.iter().enumerate() {
        for other in rarest.in_texts_of(way) {
            let (outer, wider) = &ways[other];
            let (a, b) = (&packs.rules[*inner], &packs.rules[*outer]);
            if inner == outer || !overlap(a, b) || !as_free(a, b) {
                continue;
            }
            if wider.conditions.iter().all(|wanted| implied(&way.conditions, wanted)) {
                let same = way.conditions.iter().all(|wanted| implied(&wider.conditions, wanted)) && as_free(b, a);
                // Of two that are the same, one telling is enough.
                if !same || index < other {
                    found.push(Contained { inner: *inner, at: way.last, outer: *outer, outer_at: wider.last, same });
                }
            }
        }
    }
    found
}

/// The rarest phrase of each alternative, and an automaton that finds them all.
struct Rarest {
    automaton: AhoCorasick,
    /// Alternatives, by the pattern that is their rarest phrase.
    entered: Vec<Vec<usize>>,
}

impl Rarest {
    fn of(ways: &[(usize, Alternative<'_>)]) -> Option<Self> {
        let lower = |way: &Alternative<'_>| -> Vec<String> {
            way.conditions.iter().flat_map(|condition| literal_parts(condition)).map(str::to_ascii_lowercase).collect()
        };
        let mut uses: HashMap<String, usize> = HashMap::new();
        for (_, way) in ways {
            lower(way).into_iter().for_each(|text| *uses.entry(text).or_default() += 1);
        }
        let (mut patterns, mut entered, mut ids) = (Vec::new(), Vec::<Vec<usize>>::new(), HashMap::new());
        for (index, (_, way)) in ways.iter().enumerate() {
            let Some(text) = lower(way).into_iter().min_by_key(|text| (uses[text], usize::MAX - text.len())) else {
                continue;
            };
            let id = *ids.entry(text.clone()).or_insert_with(|| {
                patterns.push(text);
                entered.push(Vec::new());
                entered.len() - 1
            });
            entered[id].push(index);
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns).ok()?;
        Some(Self { automaton, entered })
    }

    /// Alternatives whose rarest phrase stands in a text of this one, itself among them.
    fn in_texts_of(&self, way: &Alternative<'_>) -> BTreeSet<usize> {
        let texts = way.conditions.iter().flat_map(|condition| literal_parts(condition));
        let mut found = BTreeSet::new();
        for text in texts {
            for hit in self.automaton.find_overlapping_iter(&text.to_ascii_lowercase()) {
                found.extend(&self.entered[hit.pattern().as_usize()]);
            }
        }
        found
    }
}

/// Some app is in the scope of both.
fn overlap(a: &Rule, b: &Rule) -> bool {
    a.app.is_empty() || b.app.is_empty() || a.app.iter().any(|app| b.app.contains(app))
}

/// Every line in the scope of `a` is in that of `b`.
fn within(a: &Rule, b: &Rule) -> bool {
    let named = b.app.is_empty() || (!a.app.is_empty() && a.app.iter().all(|app| b.app.contains(app)));
    named && (a.app_required || !b.app_required)
}

/// Beyond its phrases and apps, `b` asks for nothing that `a` does not ask for.
fn as_free(a: &Rule, b: &Rule) -> bool {
    let same = |excluded: &Condition| a.none.iter().any(|mine| implies(excluded, mine));
    let required = b.captures.iter().flat_map(|captures| &captures.get).any(|get| get.required);
    b.none.iter().all(same) && (a.level_error || !b.level_error) && !required
}

pub(super) fn lint(desk: &mut Desk<'_>) {
    let pairs = contained(desk.packs);
    same_phrases(desk, &pairs);
    shadowed(desk, &pairs);
}

/// Which of the two is primary on such a line was decided: by severity, by priority, or by `unless`.
#[must_use]
pub fn decided(packs: &Packs, pair: &Contained) -> bool {
    let (a, b) = (&packs.rules[pair.inner], &packs.rules[pair.outer]);
    settled_by_unless(a, b) || always_above(a, b) || always_above(b, a)
}

/// One of them pushes the other aside, so it has been thought of.
fn settled_by_unless(a: &Rule, b: &Rule) -> bool {
    let pushes = |a: &Rule, b: &Rule| b.unless.iter().any(|pattern| a.ids().any(|id| pattern.names(id)));
    pushes(a, b) || pushes(b, a)
}

fn same_phrases(desk: &mut Desk<'_>, pairs: &[Contained]) {
    for pair in pairs.iter().filter(|pair| pair.same) {
        let (a, b) = (&desk.packs.rules[pair.inner], &desk.packs.rules[pair.outer]);
        if settled_by_unless(a, b) {
            continue;
        }
        let message = format!("`{}` and `{}` claim a line for the same phrases", a.report.id, b.report.id);
        let here = desk.index.in_rule(b, pair.outer_at.0, pair.outer_at.1);
        let there = desk.index.in_rule(a, pair.at.0, pair.at.1);
        let source = desk.source(a.pack);
        desk.report(Subject::Rule(pair.outer), "L03", here, message, "the same as there")
            .help("make one rule of them, give one a further phrase, or let one push the other aside with `unless`")
            .and_at(source, there, "and here");
    }
}

/// Rules all of whose alternatives follow from one other rule that always wins.
fn shadowed(desk: &mut Desk<'_>, pairs: &[Contained]) {
    let mut covered: HashMap<(usize, usize), BTreeSet<(&str, usize)>> = HashMap::new();
    for pair in pairs {
        covered.entry((pair.inner, pair.outer)).or_default().insert(pair.at);
        if pair.same {
            covered.entry((pair.outer, pair.inner)).or_default().insert(pair.outer_at);
        }
    }
    let mut shadows: Vec<(usize, usize)> = covered
        .iter()
        .filter(|((inner, _), ways)| ways.len() == alternatives(&desk.packs.rules[*inner]).len())
        .map(|(pair, _)| *pair)
        .collect();
    shadows.sort_unstable();
    for (inner, outer) in shadows {
        let (a, b) = (&desk.packs.rules[inner], &desk.packs.rules[outer]);
        let dropped = b.ids().all(|id| a.unless.iter().any(|pattern| pattern.names(id)));
        if !within(a, b) || !(dropped || always_above(b, a)) {
            continue;
        }
        let how = if dropped { "pushes it aside (`unless`)" } else { "is more severe or has the higher `priority`" };
        let message = format!(
            "`{}` is never primary: `{}` claims every line that it claims, and {how}",
            a.report.id, b.report.id
        );
        let source = desk.source(b.pack);
        desk.report(Subject::Rule(inner), "L07", a.span.clone(), message, "nobody ever reads this one's action")
            .help("give it the higher severity or `priority`, make it a case of the other, or drop it")
            .and_at(source, b.span.clone(), "this one wins");
    }
}

/// Whatever their cases say, `b` is primary over `a`.
fn always_above(b: &Rule, a: &Rule) -> bool {
    let rank =
        |rule: &Rule| -> Vec<_> { rule.reports().map(|(report, _)| (report.severity, report.priority)).collect() };
    rank(b).into_iter().min() > rank(a).into_iter().max()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::{Source, draw};

    /// Phrases of a few letters, so that many contain each other.
    fn phrase(rng: &mut fastrand::Rng) -> String {
        (0..rng.usize(3..7)).map(|_| rng.choice(['a', 'b', 'B']).unwrap_or('a')).collect()
    }

    fn some_rules(rng: &mut fastrand::Rng) -> Packs {
        let mut text = String::from("[sections]\ns = \"S\"\n");
        for n in 0..12 {
            let mut list = |from: usize| -> Vec<String> { (0..rng.usize(from..3)).map(|_| phrase(rng)).collect() };
            let (all, any) = (list(1), list(0));
            text += &format!("[[rule]]\nid = \"r.r{n}\"\ntitle = \"R\"\nseverity = \"info\"\nsection = \"s\"\n");
            text += &format!("all = {all:?}\nany = {any:?}\n");
        }
        let (packs, problems) = crate::pack::parse(&[Arc::new(Source { name: "r.toml".into(), text })]);
        packs.unwrap_or_else(|| panic!("{}", draw(&problems, false)))
    }

    #[test]
    fn what_the_automaton_finds_is_what_comparing_all_pairs_finds() {
        let (mut pairs, mut same) = (0, 0);
        for seed in 0..200 {
            let packs = some_rules(&mut fastrand::Rng::with_seed(seed));
            let ways: Vec<_> = packs
                .rules
                .iter()
                .enumerate()
                .flat_map(|(n, it)| alternatives(it).into_iter().map(move |way| (n, way)))
                .collect();
            let follows =
                |a: &Alternative<'_>, b: &Alternative<'_>| b.conditions.iter().all(|it| implied(&a.conditions, it));
            let mut naive = BTreeSet::new();
            for (at, (inner, a)) in ways.iter().enumerate() {
                for (other, (outer, b)) in ways.iter().enumerate() {
                    if inner != outer && follows(a, b) && (at < other || !follows(b, a)) {
                        naive.insert((*inner, a.last, *outer, b.last, follows(b, a)));
                    }
                }
            }
            let found = contained(&packs);
            let found_set: BTreeSet<_> =
                found.iter().map(|it| (it.inner, it.at, it.outer, it.outer_at, it.same)).collect();
            assert_eq!(found_set, naive, "seed {seed}");
            assert_eq!(found.len(), naive.len(), "seed {seed}: each once");
            pairs += naive.len();
            same += naive.iter().filter(|pair| pair.4).count();
        }
        assert!(pairs > 1000 && same > 20, "{pairs} pairs, {same} the same");
    }
}
