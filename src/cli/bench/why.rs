//! Why something is dear, in words that the author of a rule can act on.
//!
//! Whichever part of a bill is largest is the reason: lines read in vain are a matter of phrases, judging one of
//! expressions, tagging one of how much the rule is meant to match.

use regex::Regex;

use super::causes::{Causes, Party};
use super::clock::Stopwatch;
use super::cost::{Bill, Costs, Stop};
use super::report::{nanoseconds, percent};
use crate::engine::{ATOM_LONG, Engine};
use crate::pack::{Condition, Origin, Rule};

/// Lines on which expressions are timed.
const LINES_MAX: usize = 100;
/// Tries for each; the fastest counts.
const TRIES: usize = 5;
/// An expression that takes more than this part of judging the rule is named as the reason.
const SHARE_LARGE: f64 = 1.0 / 3.0;

/// Why something is dear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One word for programs.
    pub kind: &'static str,
    /// One sentence.
    pub text: String,
}

/// What there is to reason from.
#[derive(Debug)]
pub struct Evidence<'e, 's> {
    /// The engine that was measured.
    pub engine: &'e Engine,
    /// What the scan looks for.
    pub causes: &'e Causes,
    /// What all cost.
    pub costs: &'e Costs<'s>,
    /// Lines of the sample.
    pub lines: usize,
}

impl Evidence<'_, '_> {
    /// The reason for one party's bill.
    #[must_use]
    pub fn reason(&self, party: Party, bill: &Bill) -> Reason {
        match party {
            Party::Rule(rule) if bill.judging_ns > bill.reading_ns.max(bill.tagging_ns) => self.judging(rule),
            Party::Rule(_) if bill.tagging_ns > bill.reading_ns => self.tagging(bill),
            Party::Rule(_) => {
                let matches = format!("the rule matches {}", percent(bill.fits, self.lines));
                let advice = "a longer phrase, or a longer second one in `all`, would let the scan pass";
                self.phrase(party, &matches, advice)
            }
            Party::Context(_) => {
                let advice = "a longer phrase would let the scan pass";
                let vain = percent(bill.in_vain, bill.stops);
                self.phrase(party, &format!("no rule matches {vain} of those"), advice)
            }
            Party::Escape => Reason {
                kind: "escape",
                text: format!(
                    "{} of the lines hold a `\\u00…` escape of a letter or the like, behind which any phrase can hide: \
                     whoever writes them should escape only what JSON wants escaped",
                    percent(bill.stops, self.lines)
                ),
            },
            Party::Ours => Reason {
                kind: "ours",
                text: "lines that were tagged before: they are read to take the old object out".into(),
            },
            Party::Probe => Reason { kind: "probe", text: "LogDNA's set-up probe: passed on, never tagged".into() },
            Party::Doubt => Reason {
                kind: "doubt",
                text:
                    "the scan stopped although no phrase is there: it gives up on lines in which too much nearly is one"
                        .into(),
            },
        }
    }

    /// The phrase of this party that stops the scan in vain most often.
    fn phrase(&self, party: Party, but: &str, advice: &str) -> Reason {
        let wanted = self.causes.runs.iter().zip(&self.costs.seen).filter_map(|(run, seen)| {
            let (_, phrase) = run.wanted_by.iter().find(|(by, _)| *by == party)?;
            Some((run.text.as_str(), phrase.as_str(), seen))
        });
        let Some((run, phrase, seen)) = wanted.max_by_key(|(run, _, seen)| (seen.in_vain, run.len())) else {
            return Reason { kind: "phrase", text: "its phrases stop the scan in vain".into() };
        };
        let what = if run.len() == phrase.len() {
            format!("its phrase `{phrase}`")
        } else {
            format!("`{run}`, the longest run of its phrase `{phrase}` that no encoder escapes,")
        };
        let short = if run.len() < ATOM_LONG {
            format!(" (it has {} bytes; runs of {ATOM_LONG} and more are found for nothing)", run.len())
        } else {
            String::new()
        };
        let share = percent(seen.lines, self.lines);
        Reason { kind: "phrase", text: format!("{what} is in {share} of the lines, and {but}: {advice}{short}") }
    }

    fn tagging(&self, bill: &Bill) -> Reason {
        let each = nanoseconds((bill.tagging_ns + bill.judging_ns) / bill.fits.max(1) as f64);
        let share = percent(bill.fits, self.lines);
        Reason {
            kind: "matches",
            text: format!("it matches {share} of the lines, and reading, judging and tagging one takes {each}"),
        }
    }

    /// The expression that takes longest, or, when none stands out, judging as a whole.
    fn judging(&self, index: usize) -> Reason {
        let rule = &self.engine.packs().rules[index];
        let tries = self.costs.stops.iter().flat_map(|stop| &stop.tries).filter(|one| one.rule == index);
        let of = |fits: bool| tries.clone().filter(move |one| one.fits == fits).map(|one| one.ns).sum::<f64>();
        let fits = of(true) > of(false);
        let whole = of(fits) / tries.filter(|one| one.fits == fits).count().max(1) as f64;
        let lines = if fits { "matches" } else { "is tried on in vain" };
        let number = expressions(rule, fits).count();
        let slowest = expressions(rule, fits)
            .map(|(expression, captures)| (expression, self.time_of(expression, captures, index, fits).min(whole)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let all = nanoseconds(whole);
        let (kind, text) = match slowest {
            Some((expression, ns)) if ns > whole * SHARE_LARGE => (
                "expression",
                format!(
                    "its expression `{expression}` takes {} on each line that the rule {lines}, of {all} for all of judging it",
                    nanoseconds(ns)
                ),
            ),
            Some((expression, ns)) => (
                "judging",
                format!(
                    "judging it takes {all} on each line that it {lines}, spread over {number} expressions; the slowest, \
                     `{expression}`, takes {}",
                    nanoseconds(ns)
                ),
            ),
            None => (
                "judging",
                format!("judging it takes {all} on each line that it {lines}: its phrases are many, or its lines long"),
            ),
        };
        Reason { kind, text }
    }

    /// Nanoseconds that an expression takes on a line at which the rule is tried, on average.
    fn time_of(&self, expression: &Regex, captures: bool, rule: usize, fits: bool) -> f64 {
        let watch = Stopwatch::set();
        let tried = |stop: &&Stop<'_>| stop.tries.iter().any(|one| one.rule == rule && one.fits == fits);
        let times = self.costs.stops.iter().filter(tried).take(LINES_MAX).map(|stop| {
            let examined = self.engine.examine(stop.line);
            let search = || {
                if captures {
                    examined.texts().find_map(|text| expression.captures(text)).is_some()
                } else {
                    examined.texts().any(|text| expression.is_match(text))
                }
            };
            (0..TRIES).map(|_| watch.time(search)).fold(f64::INFINITY, f64::min)
        });
        let times: Vec<f64> = times.collect();
        times.iter().sum::<f64>() / times.len().max(1) as f64
    }
}

/// The expressions that run over the text, and whether they capture. Where the rule does not fit, cases and lookups are
/// not come to, and captures only when one of them is required.
fn expressions(rule: &Rule, fits: bool) -> impl Iterator<Item = (&Regex, bool)> {
    let conditions = [&rule.all, &rule.any, &rule.none].into_iter().flatten();
    let cases = rule.cases.iter().flat_map(|case| &case.also).filter(move |_| fits);
    let conditions = conditions.chain(cases).filter_map(|condition| match condition {
        Condition::Regex(regex) => Some((&**regex, false)),
        _ => None,
    });
    let gets = rule.captures.iter().flat_map(|captures| &captures.get);
    let captured = fits || gets.clone().any(|get| get.required);
    let gets = gets.filter(move |_| captured).filter_map(|get| match &get.from {
        Origin::Text(regex) => Some((&**regex, true)),
        Origin::Path(_) | Origin::Fact(..) => None,
    });
    let lookups = rule.captures.iter().filter(move |_| fits);
    let lookups = lookups.filter_map(|captures| Some((captures.lookup.as_ref()?.re.as_deref()?, true)));
    conditions.chain(gets).chain(lookups)
}
