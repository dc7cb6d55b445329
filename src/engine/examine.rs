//! A line held open, so that its rules can be judged one by one: for whoever measures what they cost, or shows where in
//! the line they found what they look for.
//!
//! [`Engine::classify`] does not come by here. What is told here of one rule is told by the same judge, but without what
//! the source said earlier (which decides only about cases) and before `unless` pushes rules aside.

use super::context::Said;
use super::decide::Judge;
use super::line::Line;
use super::phrases::Found;
use super::spots::{Spot, spots};
use super::work::Work;
use super::{Engine, Writer};

/// A line that was parsed and searched, whether or not the scan stops at it.
pub struct Examined<'a> {
    engine: &'a Engine,
    /// Each record, and what was found in it.
    lines: Vec<(Line<'a>, Found)>,
}

impl Engine {
    /// Opens a line, of any length.
    #[must_use]
    pub fn examine<'a>(&'a self, payload: &'a [u8]) -> Examined<'a> {
        self.examine_by(payload, Writer::default())
    }

    /// The same for a line of which more is known.
    #[must_use]
    pub fn examine_by<'a>(&'a self, payload: &'a [u8], writer: Writer<'_>) -> Examined<'a> {
        let lines = self.open(payload, writer).lines.into_iter();
        let search = |line: Line<'a>| {
            let found = self.phrases.search(&line, self.settings.limits.hits);
            (line, found)
        };
        Examined { engine: self, lines: lines.map(search).collect() }
    }
}

impl Examined<'_> {
    /// The rules one of whose trigger phrases is in the line's text, ascending: indexes into [`crate::pack::Packs::rules`].
    #[must_use]
    pub fn candidates(&self) -> Vec<usize> {
        let mut candidates: Vec<usize> = self.judges().flat_map(|judge| judge.candidates()).collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// Whether this rule's app, level, conditions and required captures fit the line.
    ///
    /// # Panics
    /// When there is no rule of this index.
    #[must_use]
    pub fn fits(&self, rule: usize) -> bool {
        self.judges().any(|mut judge| judge.rule(rule, &Said::default()).is_some())
    }

    /// Where a rule's conditions are met that make it report this id, in the order of the text; places that overlap are one.
    ///
    /// # Panics
    /// When there is no rule of this index.
    #[must_use]
    pub fn spots(&self, rule: usize, id: &str) -> Vec<Spot> {
        let mut all: Vec<Spot> = Vec::new();
        let mut before = 0;
        for judge in self.judges() {
            let texts = || judge.line.texts.iter().map(AsRef::as_ref);
            let rule_of = &self.engine.packs.rules[rule];
            let (checks, also) = &self.engine.decider.rules[rule];
            let cases = rule_of.cases.iter().zip(also).filter(|(case, _)| case.report.id == id);
            let of_cases = cases.flat_map(|(case, also)| case.also.iter().zip(also));
            let of_rule = rule_of.all.iter().zip(&checks.all).chain(rule_of.any.iter().zip(&checks.any));
            let met = of_rule.chain(of_cases).filter(|(_, check)| judge.check(check).is_some());
            let spots = met.flat_map(|(condition, _)| spots(condition, texts()));
            all.extend(spots.map(|spot| Spot { text: spot.text + before, ..spot }));
            before += judge.line.texts.len();
        }
        all.sort_by_key(|spot| (spot.text, spot.span.start));
        let mut apart: Vec<Spot> = Vec::new();
        for spot in all {
            match apart.last_mut() {
                Some(last) if last.text == spot.text && spot.span.start <= last.span.end => {
                    last.span.end = last.span.end.max(spot.span.end);
                }
                _ => apart.push(spot),
            }
        }
        apart
    }

    /// The text values, record by record in document order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flat_map(|(line, _)| &line.texts).map(AsRef::as_ref)
    }

    fn judges(&self) -> impl Iterator<Item = Judge<'_>> {
        self.lines.iter().map(|(line, found)| Judge::new(self.engine.bench(), line, found, Work::unlimited()))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Engine, Settings};
    use crate::pack::{builtin, parse};

    #[test]
    fn some_rule_fits_exactly_where_a_line_is_tagged() {
        let engine = Engine::new(parse(&builtin()).0.expect("packs"), Settings::default()).expect("builds");
        let examples = engine.packs().rules.iter().flat_map(|rule| rule.reports()).map(|(_, examples)| examples);
        let (mut tagged, mut not) = (0, 0);
        for line in examples.flat_map(|examples| examples.yes.iter().chain(&examples.no)).flat_map(|it| &it.lines) {
            let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
            let examined = engine.examine(line.as_bytes());
            let fits = !outcome.probe && examined.candidates().into_iter().any(|rule| examined.fits(rule));
            assert_eq!(fits, outcome.verdict.is_some(), "{line}");
            *(if fits { &mut tagged } else { &mut not }) += 1;
        }
        assert!(tagged > 100 && not > 50, "{tagged} tagged, {not} not");
    }
}
