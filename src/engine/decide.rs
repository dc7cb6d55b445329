//! Judging a line that hit: which contexts it sets, which rules it fulfils, which case holds, and who is primary.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound::{Included, Unbounded};
use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use regex::Regex;

use super::context::Said;
use super::line::Line;
use super::looks::{Captured, Looks};
use super::phrases::{Found, Ids, Phrases};
use super::settings::Limits;
use super::spots::{has_word, occurrences, then_follows};
use super::work::{LOOK, Work};
use crate::pack::{Captures, Case, Condition, Get, Origin, Packs, Report, Row, Rule, Severity, Value};
use crate::sanitize::remove_controls;

/// A condition with its phrases looked up.
#[derive(Debug)]
pub(super) enum Check {
    Phrase { id: u32, length: u32 },
    PhraseThen(Box<PhraseThen>),
    Words(Box<Words>),
    Regex(Arc<Regex>),
    LevelError,
}

/// See [`Condition::PhraseThen`].
#[derive(Debug)]
pub(super) struct PhraseThen {
    id: u32,
    phrase: String,
    then: Vec<String>,
}

/// See [`Condition::Words`].
#[derive(Debug)]
pub(super) struct Words {
    /// The number of the longest.
    id: u32,
    words: Vec<String>,
    length: usize,
}

/// The conditions of a rule or a context.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) all: Vec<Check>,
    pub(super) any: Vec<Check>,
    pub(super) none: Vec<Check>,
}

/// What judging needs to know of the packs, made once.
#[derive(Debug)]
pub(super) struct Decider {
    /// Conditions, and those in `also` of each case, as the pack has them in order.
    pub(super) rules: Vec<(Checks, Vec<Vec<Check>>)>,
    contexts: Vec<Checks>,
}

/// A rule that matched.
#[derive(Clone)]
pub(super) struct Match<'p> {
    pub(super) rule: usize,
    /// Which of the rule's reports: 0 for its own, from 1 on its cases'.
    pub(super) case: usize,
    pub(super) report: &'p Report,
    pub(super) facts: Facts,
    row: Option<&'p Row>,
    /// Bytes of the longest phrase found.
    pub(super) length: usize,
}

impl Match<'_> {
    pub(super) fn action(&self) -> Option<&str> {
        self.report.action.as_deref().or_else(|| self.row?.action.as_deref())
    }

    pub(super) fn contact(&self) -> Option<&str> {
        self.report.contact.as_deref().or_else(|| self.row?.contact.as_deref())
    }

    pub(super) fn see(&self) -> Option<&str> {
        self.report.see.as_deref().or_else(|| self.row?.see.as_deref())
    }
}

/// Captured facts, by index; at most one value each.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts(pub(super) Vec<(usize, Value)>);

impl Facts {
    pub(super) fn get(&self, fact: usize) -> Option<&Value> {
        self.0.iter().find(|(index, _)| *index == fact).map(|(_, value)| value)
    }

    /// Enters a value unless the fact has one; true when it was entered.
    pub(super) fn offer(&mut self, fact: usize, value: Value) -> bool {
        let is_new = self.get(fact).is_none();
        if is_new {
            self.0.push((fact, value));
        }
        is_new
    }
}

/// Where a fact came from, for whoever wants to know.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gain<'p> {
    /// This capture gave it.
    Get(&'p Get),
    /// It stands in this row of a table.
    Row(&'p Row),
    /// Its source said it before.
    Said,
}

/// For judging, where nobody wants to know.
fn unheard(_: usize, _: &Value, _: Gain<'_>) {}

impl Decider {
    pub(super) fn new(packs: &Packs, ids: &Ids) -> Self {
        // The same order as theirs.
        let mut rest = ids.as_slice();
        let mut list = |conditions: &[Condition]| -> Vec<Check> {
            let (own, after) = rest.split_at(conditions.len());
            rest = after;
            conditions.iter().zip(own).map(|(condition, id)| check(condition, *id)).collect()
        };
        let mut checks = |all: &[Condition], any: &[Condition], none: &[Condition], cases: &[Case]| {
            let checks = Checks { all: list(all), any: list(any), none: list(none) };
            (checks, cases.iter().map(|case| list(&case.also)).collect())
        };
        let rules = packs.rules.iter().map(|rule| checks(&rule.all, &rule.any, &rule.none, &rule.cases)).collect();
        let contexts = packs.contexts.iter().map(|context| checks(&context.all, &context.any, &context.none, &[]).0);
        Self { rules, contexts: contexts.collect() }
    }
}

/// Of a condition whose literal, if it has one, has this number.
fn check(condition: &Condition, id: u32) -> Check {
    let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    match condition {
        Condition::Phrase(phrase) => Check::Phrase { id, length: phrase.len() as u32 },
        Condition::PhraseThen { phrase, then } => {
            Check::PhraseThen(Box::new(PhraseThen { id, phrase: phrase.to_ascii_lowercase(), then: lower(then) }))
        }
        Condition::Words(words) => {
            let length = words.iter().map(String::len).max().unwrap_or(0);
            Check::Words(Box::new(Words { id, words: lower(words), length }))
        }
        Condition::Regex(regex) => Check::Regex(Arc::clone(regex)),
        Condition::LevelError => Check::LevelError,
    }
}

/// What a line is judged by.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) packs: &'a Packs,
    pub(super) phrases: &'a Phrases,
    pub(super) decider: &'a Decider,
    pub(super) limits: &'a Limits,
}

/// One line being judged.
pub(super) struct Judge<'a> {
    by: Bench<'a>,
    pub(super) line: &'a Line<'a>,
    found: &'a Found,
    pub(super) looks: Looks<'a>,
    /// Something was asked that would have been too much work.
    denied: Cell<bool>,
    /// A captured fact was longer than the limit and has been cut.
    pub(super) cut: bool,
}

/// A rule whose app, level and conditions fit.
struct Standing {
    rule: usize,
    /// Bytes of the longest phrase found.
    length: usize,
}

impl<'a> Judge<'a> {
    pub(super) fn new(by: Bench<'a>, line: &'a Line<'a>, found: &'a Found, work: Work) -> Self {
        Self { by, line, found, looks: Looks::new(line, work), denied: Cell::new(false), cut: false }
    }

    /// Adds what the line itself says to what its source said before. True when it said anything.
    pub(super) fn contexts(&mut self, said: &mut Said) -> bool {
        // What was said last wins, so contexts are taken in the order of their last occurrences.
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        for (id, at) in self.found.iter() {
            for context in self.by.phrases.contexts.of(id) {
                let known = last.entry(context).or_default();
                *known = at.max(*known);
            }
        }
        let mut candidates: Vec<usize> = last.keys().copied().collect();
        candidates.sort_by_key(|context| last[context]);
        let mut any = false;
        for index in candidates {
            let context = &self.by.packs.contexts[index];
            if self.holds(&self.by.decider.contexts[index]).is_none() {
                continue;
            }
            let mut facts = Facts(context.set.clone());
            self.get(&context.captures.get, &mut facts, &mut unheard);
            self.lookup(&context.captures, &mut facts, &mut unheard);
            // What is known in part is not remembered: it would stand in for what the line said.
            if self.looks.work.is_used_up() {
                break;
            }
            said.see(&context.id);
            facts.0.into_iter().for_each(|(fact, value)| said.set(&self.by.packs.facts[fact].name, value));
            any = true;
        }
        self.looks.work.turn_to_rules();
        any
    }

    /// Every rule that matches, the primary first, equal ids merged.
    pub(super) fn rules(&mut self, said: &Said) -> Vec<Match<'a>> {
        let matches = self.matching(said);
        self.reported(matches)
    }

    /// Of all that matched, what is reported: the primary first, equal ids merged.
    pub(super) fn reported(&self, mut matches: Vec<Match<'a>>) -> Vec<Match<'a>> {
        // Nobody pushes himself aside.
        if matches.len() < 2 {
            return matches;
        }
        // Whether a rule is pushed aside is told from all that matched, so that the order of rules never matters.
        let ids = self.ids(&matches);
        matches.retain(|found| self.pushed_aside(found, &ids).is_none());
        matches.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| a.report.id.cmp(&b.report.id)));
        merge_equal_ids(matches)
    }

    /// The ids that matched.
    pub(super) fn ids(&self, matches: &[Match<'a>]) -> BTreeSet<&'a str> {
        matches.iter().map(|found| found.report.id.as_str()).collect()
    }

    /// Every rule that matches, before any is pushed aside, ascending.
    pub(super) fn matching(&mut self, said: &Said) -> Vec<Match<'a>> {
        let candidates = self.candidates();
        self.looks.shares.set(candidates.len() > 1);
        let mut standing: Vec<Standing> = candidates.into_iter().filter_map(|index| self.stands(index)).collect();
        // Should there be more to look for than a line may cost, the worst come first.
        standing.sort_by_key(|standing| Reverse(self.by.packs.rules[standing.rule].report.severity));
        let mut matches: Vec<Match<'a>> =
            standing.into_iter().filter_map(|standing| self.settle(&standing, said)).collect();
        matches.sort_by_key(|found| found.rule);
        matches
    }

    /// Which of the ids that matched pushes this match aside; of several, the smallest that the first pattern names.
    pub(super) fn pushed_aside<'i>(&self, found: &Match<'_>, ids: &BTreeSet<&'i str>) -> Option<&'i str> {
        let unless = &self.by.packs.rules[found.rule].unless;
        // Ids of one beginning stand together, and only one of them is its own.
        unless.iter().find_map(|pattern| {
            let from = ids.range::<str, _>((Included(pattern.begins()), Unbounded));
            let mut named = from.copied().take_while(|id| pattern.names(id));
            named.find(|id| *id != found.report.id)
        })
    }

    /// Rules worth judging, ascending.
    pub(super) fn candidates(&self) -> Vec<usize> {
        let mut candidates: Vec<usize> = self.found.iter().flat_map(|(id, _)| self.by.phrases.rules.of(id)).collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    pub(super) fn rule(&mut self, index: usize, said: &Said) -> Option<Match<'a>> {
        let standing = self.stands(index)?;
        self.settle(&standing, said)
    }

    /// Whether a rule's app, level and conditions fit.
    fn stands(&self, rule: usize) -> Option<Standing> {
        let (of, (checks, _)) = (&self.by.packs.rules[rule], &self.by.decider.rules[rule]);
        let length = (self.in_scope(of) && self.level_fits(of)).then(|| self.holds(checks))??;
        Some(Standing { rule, length })
    }

    /// What a rule captures, and the case that holds; nothing when a required capture is missing.
    fn settle(&mut self, standing: &Standing, said: &Said) -> Option<Match<'a>> {
        let Standing { rule: index, length } = *standing;
        let (rule, (_, also)) = (&self.by.packs.rules[index], &self.by.decider.rules[index]);
        let (facts, row) = self.facts(rule, said, &mut unheard)?;
        let holds = |(case, also): &(&Case, &Vec<Check>)| self.case_holds(case, also, &facts, said);
        let case = rule.cases.iter().zip(also).position(|case| holds(&case));
        // A case is chosen by facts, and by those before it not holding: not when some of it is unknown.
        let case = case.filter(|_| !self.looks.work.is_used_up());
        let report = case.map_or(&rule.report, |case| &rule.cases[case].report);
        Some(Match { rule: index, case: case.map_or(0, |case| case + 1), report, facts, row, length })
    }

    pub(super) fn in_scope(&self, rule: &Rule) -> bool {
        match self.line.app() {
            Some(app) => rule.app.is_empty() || rule.app.iter().any(|one| one == app),
            None => !rule.app_required,
        }
    }

    pub(super) fn level_fits(&self, rule: &Rule) -> bool {
        !rule.level_error || !self.line.is_below_error()
    }

    /// What the rule captures, and the table row that it finds; nothing when a required capture is missing. `tell` hears of
    /// every fact where it came from, also when that is so.
    pub(super) fn facts<'p>(
        &mut self,
        rule: &'p Rule,
        said: &Said,
        tell: &mut impl FnMut(usize, &Value, Gain<'p>),
    ) -> Option<(Facts, Option<&'p Row>)> {
        let mut facts = Facts::default();
        for captures in &rule.captures {
            self.get(&captures.get, &mut facts, tell);
        }
        if required(rule).any(|get| facts.get(get.fact).is_none()) {
            return None;
        }
        let mut row = None;
        if self.looks.work.is_used_up() {
            return Some((facts, row));
        }
        for captures in &rule.captures {
            row = row.or(self.lookup(captures, &mut facts, tell));
        }
        for fact in rule.captures.iter().flat_map(|captures| &captures.inherit) {
            let declared = &self.by.packs.facts[*fact];
            // Other packs, before a reload, may have given the name to another type.
            if let Some(value) = said.fact(&declared.name).filter(|value| value.kind() == declared.kind)
                && facts.offer(*fact, value.clone())
            {
                tell(*fact, value, Gain::Said);
            }
        }
        Some((facts, row))
    }

    pub(super) fn case_holds(&self, case: &Case, also: &[Check], facts: &Facts, said: &Said) -> bool {
        case.when.iter().all(|(fact, values)| is_one_of(facts, *fact, values))
            && case.earlier.iter().all(|context| said.has(&self.by.packs.contexts[*context].id))
            && also.iter().all(|check| self.check(check).is_some())
    }

    /// Whether the conditions hold, and the bytes of the longest phrase found. Conditions of which some would be too much
    /// work do not.
    pub(super) fn holds(&self, checks: &Checks) -> Option<usize> {
        self.denied.set(false);
        self.all_hold(checks).filter(|_| !self.denied.get())
    }

    fn all_hold(&self, checks: &Checks) -> Option<usize> {
        if checks.none.iter().any(|check| self.check(check).is_some()) {
            return None;
        }
        let mut longest = 0;
        for check in &checks.all {
            longest = longest.max(self.check(check)?);
        }
        if !checks.any.is_empty() {
            longest = longest.max(checks.any.iter().filter_map(|check| self.check(check)).max()?);
        }
        Some(longest)
    }

    /// The bytes of the phrase when the condition holds (0 where it has none).
    pub(super) fn check(&self, check: &Check) -> Option<usize> {
        let has = |id: u32| self.found.has(id as usize);
        match check {
            Check::Phrase { id, length } => has(*id).then_some(*length as usize),
            Check::PhraseThen(check) => {
                let PhraseThen { id, phrase, then } = &**check;
                let follows = |text: &str| occurrences(text, phrase).any(|end| then_follows(&text[end..], then));
                (has(*id) && self.any_text(1, follows)).then_some(phrase.len())
            }
            Check::Words(check) => {
                let Words { id, words, length } = &**check;
                let all_in = |text: &str| words.iter().all(|word| has_word(text, word));
                // The longest word is a phrase, too. Beyond the limit of phrases it may be there and not be found.
                let may = has(*id) || self.found.crossed;
                (may && self.any_text(words.len(), all_in)).then_some(*length)
            }
            Check::Regex(regex) => {
                let matches = self.looks.matches(regex);
                self.denied.set(self.denied.get() || self.looks.work.is_used_up());
                matches.then_some(0)
            }
            Check::LevelError => self.line.is_error().then_some(0),
        }
    }

    /// Whether something holds of some text, for which it is gone over so many times.
    fn any_text(&self, times: usize, holds: impl Fn(&str) -> bool) -> bool {
        let paid = self.looks.pay_for_all(times);
        self.denied.set(self.denied.get() || !paid);
        paid && self.looks.texts().any(holds)
    }

    /// Tries captures in order; the first success per fact wins.
    fn get<'p>(&mut self, gets: &'p [Get], facts: &mut Facts, tell: &mut impl FnMut(usize, &Value, Gain<'p>)) {
        for get in gets {
            if facts.get(get.fact).is_some() {
                continue;
            }
            let captured = self.captured(get, facts);
            // What another way to the fact gave would not be what this one might have given.
            if self.looks.work.is_used_up() {
                return;
            }
            let Some(Captured { text, cut }) = captured else { continue };
            let text = if get.upper { text.to_ascii_uppercase() } else { text };
            self.cut |= cut;
            if let Some(value) = self.by.packs.facts[get.fact].kind.value_of(&text) {
                tell(get.fact, &value, Gain::Get(get));
                facts.0.push((get.fact, value));
            }
        }
    }

    fn captured(&self, get: &Get, facts: &Facts) -> Option<Captured> {
        let kind = self.by.packs.facts[get.fact].kind;
        let fits = |text: &String| kind.value_of(text).is_some();
        let most = self.by.limits.capture;
        let within_limit = |text: String| within(text, most);
        match (&get.from, get.every_except) {
            (Origin::Path(path), _) => {
                let found = self.looks.member(path).map(without_controls);
                found.filter(|text| !text.is_empty()).map(within_limit)
            }
            (Origin::Text(regex), None) => {
                let take = |text| groups(regex, text).filter(fits).map(within_limit);
                self.looks.captured(regex, kind, take)
            }
            (Origin::Text(regex), Some(except)) => {
                let other = facts.get(except);
                let is_other = |text: &str| matches!(other, Some(Value::String(other)) if other == text);
                self.every(regex, is_other).map(within_limit)
            }
            (Origin::Fact(fact, regex), _) => match facts.get(*fact)? {
                Value::String(text) => groups(regex, text).filter(fits).map(within_limit),
                _ => None,
            },
        }
    }

    /// Every distinct text that an expression captures, in order, but those that are left out.
    fn every(&self, regex: &Regex, is_left_out: impl Fn(&str) -> bool) -> Option<String> {
        let (mut all, mut seen): (Vec<String>, HashSet<String>) = (Vec::new(), HashSet::new());
        self.looks.each(regex, |text| {
            for captures in regex.captures_iter(text) {
                // Taking one out costs more than going over it.
                if !self.looks.work.pay(LOOK) {
                    return Break(());
                }
                let text = joined(&captures);
                if !text.is_empty() && !is_left_out(&text) && seen.insert(text.clone()) {
                    all.push(text);
                }
            }
            Continue(())
        });
        (!all.is_empty()).then(|| all.join(" "))
    }

    /// Finds the row and takes its facts.
    fn lookup<'p>(
        &self,
        captures: &'p Captures,
        facts: &mut Facts,
        tell: &mut impl FnMut(usize, &Value, Gain<'p>),
    ) -> Option<&'p Row> {
        let lookup = captures.lookup.as_ref()?;
        let key = match (&lookup.re, lookup.by) {
            (Some(regex), _) => self.looks.find(regex, |text| groups(regex, text))?,
            (None, Some(fact)) => match facts.get(fact)? {
                Value::String(text) => text.clone(),
                _ => return None,
            },
            (None, None) => return None,
        };
        if !self.looks.work.pay((LOOK + key.len() as u64).saturating_mul(lookup.rows.len() as u64)) {
            return None;
        }
        let row = lookup.rows.iter().find(|row| row.fits.fits(&key))?;
        for (fact, value) in &row.facts {
            if facts.offer(*fact, value.clone()) {
                tell(*fact, value, Gain::Row(row));
            }
        }
        Some(row)
    }
}

/// Captures without which a rule does not match.
pub(super) fn required(rule: &Rule) -> impl Iterator<Item = &Get> {
    rule.captures.iter().flat_map(|captures| &captures.get).filter(|get| get.required)
}

/// Whether a fact has one of these values.
pub(super) fn is_one_of(facts: &Facts, fact: usize, values: &[Value]) -> bool {
    facts.get(fact).is_some_and(|value| values.contains(value))
}

/// The greatest is primary; among equals, the smallest id.
pub(super) fn rank(found: &Match<'_>) -> (Severity, i64, usize) {
    (found.report.severity, found.report.priority, found.length)
}

/// The first of equal ids stays and takes the facts that only the others have.
fn merge_equal_ids(sorted: Vec<Match<'_>>) -> Vec<Match<'_>> {
    let mut merged: Vec<Match<'_>> = Vec::with_capacity(sorted.len());
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for found in sorted {
        match by_id.get(found.report.id.as_str()) {
            Some(first) => {
                for (fact, value) in found.facts.0 {
                    merged[*first].facts.offer(fact, value);
                }
            }
            None => {
                by_id.insert(&found.report.id, merged.len());
                merged.push(found);
            }
        }
    }
    merged
}

/// A text as a fact may be, cut where it is too long.
fn within(mut text: String, most: usize) -> Captured {
    let cut = text.len() > most;
    if cut {
        text.truncate(text.floor_char_boundary(most));
    }
    Captured { text, cut }
}

/// What an expression captures: its groups joined, or the whole match when it has none. Nothing when that is empty. What is
/// captured loses its control characters, as it goes where they would be obeyed: terminals, labels, commands to paste.
pub(super) fn groups(regex: &Regex, text: &str) -> Option<String> {
    regex.captures(text).map(|captures| joined(&captures)).filter(|text| !text.is_empty())
}

fn joined(captures: &regex::Captures<'_>) -> String {
    without_controls(match captures.len() {
        1 => captures[0].to_owned(),
        _ => captures.iter().skip(1).flatten().map(|group| group.as_str()).collect(),
    })
}

/// See [`groups`].
pub(super) fn without_controls(mut text: String) -> String {
    remove_controls(&mut text);
    text
}
