//! Why a line is, or is not, tagged: what the judge found of every rule, clause by clause.
//!
//! Nothing is decided here. Whether a clause, a case or a rule holds is what the judge says of it when asked, the order of
//! what matched is the judge's, and the outcome is [`Engine::classify_by`]'s own. What is added is where: the places in the
//! text at which clauses are met and from which facts were taken. `tests/it/explain.rs` holds all of that together: the
//! clauses told of a rule hold exactly where the rule matches.

use super::context::Said;
use super::decide::{Check, Gain, Judge, Match, groups, is_one_of, rank, required};
use super::envelope::Fact;
use super::line::{self, Line};
use super::spots::{Spot, spots};
use super::work::Work;
use super::{Engine, Limits, Memory, Outcome, Writer, is_probe};
use crate::level::Level;
use crate::pack::{Condition, Fits, Get, Origin, Report, Rule, Severity, Value};

/// So many times what judging a line may cost is telling why it comes out so: the judge leaves off where the first clause does
/// not hold, and here all are told, of all rules.
const TELLING: usize = 20;

/// Why a line is, or is not, tagged.
#[derive(Debug, Default)]
pub struct Explanation<'e> {
    /// What `classify` makes of the line.
    pub outcome: Outcome,
    /// The scan stops at the line, so that it is judged at all.
    pub scan_stops: bool,
    /// What stands around it: the envelopes' ids, the outermost first.
    pub layers: Vec<&'static str>,
    /// Of a payload that is a list of records, the path of the one that is told of: the primary's, else the first.
    pub record: Option<String>,
    /// How many records there are.
    pub records: usize,
    /// The app it is of.
    pub app: Option<Named>,
    /// Its level, as it is written.
    pub level: Option<Named>,
    /// What that is on the one scale; none when nobody understands it.
    pub level_means: Option<Level>,
    /// A collector gave it that level.
    pub level_is_stamp: bool,
    /// What its memory is kept by.
    pub source: Option<Named>,
    /// The region.
    pub region: Option<Named>,
    /// Its time, as it is written.
    pub time: Option<Named>,
    /// What it says, without what stands around that.
    pub message: Option<String>,
    /// The text values, decoded, in document order.
    pub texts: Vec<String>,
    /// Every context of the packs.
    pub contexts: Vec<Remembered<'e>>,
    /// What the source said last of each fact, on this line or before.
    pub said: Vec<(String, Value)>,
    /// Every rule: those that matched as they are reported, the primary first; then the others as the packs have them.
    /// None where the line is not judged: too long, or LogDNA's probe.
    pub trials: Vec<Trial<'e>>,
}

/// What a line says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Path of the member it stands in, or id of the text that states it; none when it was told with the line.
    pub path: Option<String>,
    /// Of which layer, the outermost being 0; none when the configuration says where it stands.
    pub layer: Option<usize>,
}

/// A context, and whether it holds for the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered<'e> {
    /// Its id.
    pub id: &'e str,
    /// Offset of the line at which the source said it first; none when that is not known.
    pub since: Option<i64>,
    /// The line itself says so.
    pub now: bool,
}

/// A rule tried on a line.
#[derive(Debug)]
pub struct Trial<'e> {
    /// The rule.
    pub rule: &'e Rule,
    /// What is reported of it, or would be without a case.
    pub report: &'e Report,
    /// What came of it.
    pub fate: Fate<'e>,
    /// One of the phrases that make it worth judging is there.
    pub is_candidate: bool,
    /// What follows was looked at; not where that, with the rules before it, would be more work than a line is worth.
    pub is_told: bool,
    /// Its clauses, in the order in which they are written about in `patterns/README.md`.
    pub clauses: Vec<Clause<'e>>,
    /// What it captured, if app, level and conditions hold.
    pub facts: Vec<Learned<'e>>,
    /// Its cases, if it matches.
    pub cases: Vec<CaseTrial<'e>>,
}

/// What came of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate<'e> {
    /// It matched and is reported.
    Matched(Standing),
    /// It matched, and is not reported since this one matched too.
    PushedAside(&'e str),
    /// It did not match.
    Unmatched,
}

/// What decides who is primary, the first counting most; among equals the smallest id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// After cases.
    pub severity: Severity,
    /// The rule's `priority`.
    pub priority: i64,
    /// Bytes of the longest phrase found.
    pub phrase_bytes: usize,
}

/// A part of a rule or case.
#[derive(Debug, Clone)]
pub struct Clause<'e> {
    /// What it asks for.
    pub asks: Asks<'e>,
    /// Whether it holds; for [`Asks::None`], that the condition is not met.
    pub holds: bool,
    /// Where it is met.
    pub spots: Vec<Spot>,
    /// What stands there instead, where there is one such thing.
    pub instead: Option<String>,
}

/// What a clause asks for.
#[derive(Debug, Clone, Copy)]
pub enum Asks<'e> {
    /// One of these apps; none when any will do and one is required.
    App(&'e [String]),
    /// No level, or an error.
    Level,
    /// This condition.
    All(&'e Condition),
    /// This condition or another one of `any`.
    Any(&'e Condition),
    /// Not this condition.
    None(&'e Condition),
    /// This fact.
    Required(&'e str),
    /// In a case: the fact has one of these values.
    When(&'e str, &'e [Value]),
    /// In a case: the source has said this.
    Earlier(&'e str),
}

impl Asks<'_> {
    /// The key of a pack by which it is asked.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::App(_) => "app",
            Self::Level => "level",
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::None(_) => "none",
            Self::Required(_) => "required",
            Self::When(..) => "when",
            Self::Earlier(_) => "earlier",
        }
    }
}

/// A fact, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned<'e> {
    /// Its name.
    pub fact: &'e str,
    /// Its value.
    pub value: Value,
    /// Where from.
    pub from: Source<'e>,
}

/// Where a fact came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'e> {
    /// The member at this path.
    Member(&'e str),
    /// The text, here.
    Text(Option<Spot>),
    /// Another fact.
    Fact(&'e str),
    /// The row of a lookup table that fits so.
    Row(&'e Fits),
    /// What the source said earlier.
    Earlier,
}

/// A case tried on a line.
#[derive(Debug)]
pub struct CaseTrial<'e> {
    /// What it reports.
    pub report: &'e Report,
    /// Its clauses.
    pub clauses: Vec<Clause<'e>>,
    /// All hold.
    pub holds: bool,
    /// It is the first that holds.
    pub is_chosen: bool,
}

impl Explanation<'_> {
    /// The rule whose words are on the line.
    #[must_use]
    pub fn primary(&self) -> Option<&Trial<'_>> {
        self.trials.first().filter(|trial| matches!(trial.fate, Fate::Matched(_)))
    }

    /// Rules of which only what came of them is told.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.trials.iter().filter(|trial| !trial.is_told).count()
    }
}

impl Engine {
    /// Classifies a line and tells why it comes out so. The memory goes on as with [`Engine::classify_by`].
    pub fn explain(&self, payload: &[u8], writer: Writer<'_>, memory: &mut Memory) -> Explanation<'_> {
        let lines = self.open(payload, writer).lines;
        let mut before: Vec<Said> = lines.iter().map(|line| memory.said(line.source().or(writer.source))).collect();
        let outcome = self.classify_by(payload, writer, memory);
        let wanted = outcome.verdict.as_ref().and_then(|verdict| verdict.record.as_deref());
        let of_primary = lines.iter().position(|line| line.path.as_deref() == wanted).unwrap_or_default();
        let Some(line) = lines.get(of_primary) else {
            return Explanation { outcome, scan_stops: self.may_concern(payload), ..Explanation::default() };
        };
        let found = self.phrases.search(line, self.settings.limits.hits);
        let before = before.swap_remove(of_primary);
        let mut said = before.clone();
        let packs = &self.packs;
        let mut judge = Judge::new(self.bench(), line, &found, Work::of(&self.settings.limits, payload.len()));
        judge.contexts(&mut said);
        let is_judged = !is_probe(line) && !outcome.crossed.payload;
        let contexts = packs.contexts.iter().map(|context| {
            let since = said.since(&context.id);
            Remembered { id: &context.id, since, now: since.is_some() && !before.has(&context.id) }
        });
        let level = line.level.as_ref().map(|fact| &fact.value);
        Explanation {
            outcome,
            scan_stops: self.may_concern(payload),
            layers: line.said.layers.clone(),
            record: line.path.clone(),
            records: lines.len(),
            app: line.app.as_ref().map(|fact| self.named(fact, &fact.value, &self.settings.fields.app, line)),
            level: line
                .level
                .as_ref()
                .map(|fact| self.named(fact, &fact.value.written, &self.settings.fields.level, line)),
            level_means: level.and_then(|stated| stated.level),
            level_is_stamp: level.is_some_and(|stated| stated.is_stamp),
            source: match &line.source {
                Some(fact) => Some(self.named(fact, &fact.value, &self.settings.fields.source, line)),
                None => writer.source.map(|name| Named { name: name.to_owned(), path: None, layer: None }),
            },
            region: line.region.as_ref().map(|fact| self.named(fact, &fact.value, &self.settings.fields.region, line)),
            time: line.time.as_ref().map(|fact| self.named(fact, &fact.value, &self.settings.fields.time, line)),
            message: line.message().map(str::to_owned),
            texts: line.texts.iter().map(|text| text.clone().into_owned()).collect(),
            contexts: contexts.collect(),
            said: said.facts().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            trials: if is_judged {
                Teller { engine: self, judge, said: &said }.trials(payload.len())
            } else {
                Vec::new()
            },
        }
    }

    /// A fact, with where it stands: where the configuration says, else where its layer says.
    fn named<T>(&self, fact: &Fact<T>, name: &str, configured: &[String], line: &Line<'_>) -> Named {
        let name = name.to_owned();
        match fact.path {
            line::WRITER => Named { name, path: None, layer: None },
            line::CONFIGURED => {
                let path = configured.iter().find(|path| line.member(path).is_some()).cloned();
                Named { name, path, layer: None }
            }
            path => Named { name, path: Some(path.to_owned()), layer: Some(fact.layer) },
        }
    }
}

/// Asks the judge and writes down what it says. The judge's packs are the engine's.
struct Teller<'e, 'l> {
    engine: &'e Engine,
    judge: Judge<'l>,
    said: &'l Said,
}

impl<'e: 'l, 'l> Teller<'e, 'l> {
    /// For a line of so many bytes.
    fn trials(mut self, bytes: usize) -> Vec<Trial<'e>> {
        let matching = self.judge.matching(self.said);
        let order: Vec<usize> = self.judge.reported(matching.clone()).iter().map(|found| found.rule).collect();
        // What came of each is known. The clauses are told also where they were too much work for the line, but not for ever.
        let limits = &self.engine.settings.limits;
        let limits = Limits { work: limits.work.saturating_mul(TELLING), ..*limits };
        self.judge.looks.work = Work::of(&limits, bytes);
        self.judge.looks.work.turn_to_rules();
        let candidates = self.judge.candidates();
        let mut rules: Vec<(usize, bool, bool, usize)> = (0..self.engine.packs.rules.len())
            .map(|rule| {
                let place = order.iter().position(|other| *other == rule).unwrap_or(order.len());
                let is_unmatched = !matching.iter().any(|found| found.rule == rule);
                (place, is_unmatched, candidates.binary_search(&rule).is_err(), rule)
            })
            .collect();
        // What is most worth knowing comes first, as there may not be enough for all.
        rules.sort_unstable();
        let mut trials: Vec<(usize, bool, usize, Trial<'e>)> = rules
            .into_iter()
            .map(|(place, is_unmatched, is_none, rule)| {
                let found = matching.iter().find(|found| found.rule == rule);
                (place, is_unmatched, rule, self.trial(rule, found, &matching, !is_none))
            })
            .collect();
        trials.sort_by_key(|(place, is_unmatched, rule, _)| (*place, *is_unmatched, *rule));
        trials.into_iter().map(|(.., trial)| trial).collect()
    }

    fn trial(&mut self, index: usize, found: Option<&Match<'l>>, all: &[Match<'l>], is_candidate: bool) -> Trial<'e> {
        let engine = self.engine;
        let rule = &engine.packs.rules[index];
        let (checks, _) = &engine.decider.rules[index];
        let (mut clauses, mut facts, mut cases) = (Vec::new(), Vec::new(), Vec::new());
        if !self.judge.looks.work.is_used_up() {
            clauses = self.clauses(index);
            if self.judge.in_scope(rule) && self.judge.level_fits(rule) && self.judge.holds(checks).is_some() {
                facts = self.facts(rule);
                clauses.extend(self.required(rule, &facts));
            }
            cases = found.map(|found| self.cases(index, found)).unwrap_or_default();
        }
        // What was not looked at would look like what does not hold.
        let is_told = !self.judge.looks.work.is_used_up();
        if !is_told {
            (clauses, facts, cases) = (Vec::new(), Vec::new(), Vec::new());
        }
        let case = |found: &Match<'_>| {
            rule.cases
                .iter()
                .position(|case| std::ptr::eq(&raw const case.report, found.report))
                .map(|at| &rule.cases[at])
        };
        let chosen = found.and_then(case);
        Trial {
            rule,
            report: chosen.map_or(&rule.report, |case| &case.report),
            fate: found.map_or(Fate::Unmatched, |found| self.fate(found, all)),
            is_candidate,
            is_told,
            clauses,
            facts,
            cases,
        }
    }

    fn fate(&self, found: &Match<'_>, all: &[Match<'_>]) -> Fate<'e> {
        let ids = self.judge.ids(all);
        if let Some(by) = self.judge.pushed_aside(found, &ids) {
            let pusher = all.iter().find(|other| other.report.id == by);
            let id = pusher.map(|pusher| self.engine.reported[self.engine.index(pusher)].id.as_str());
            return Fate::PushedAside(id.unwrap_or_default());
        }
        let (severity, priority, phrase_bytes) = rank(found);
        Fate::Matched(Standing { severity, priority, phrase_bytes })
    }

    fn clauses(&self, index: usize) -> Vec<Clause<'e>> {
        let rule = &self.engine.packs.rules[index];
        let (checks, _) = &self.engine.decider.rules[index];
        let mut clauses = Vec::new();
        if !rule.app.is_empty() || rule.app_required {
            let asks = Asks::App(&rule.app);
            clauses.push(named(asks, self.judge.in_scope(rule), self.judge.line.app()));
        }
        if rule.level_error {
            clauses.push(named(Asks::Level, self.judge.level_fits(rule), self.judge.line.level_written()));
        }
        clauses.extend(rule.all.iter().zip(&checks.all).map(|(it, check)| self.met(Asks::All(it), it, check)));
        clauses.extend(rule.any.iter().zip(&checks.any).map(|(it, check)| self.met(Asks::Any(it), it, check)));
        clauses.extend(rule.none.iter().zip(&checks.none).map(|(it, check)| {
            let met = self.met(Asks::None(it), it, check);
            Clause { holds: !met.holds, ..met }
        }));
        clauses
    }

    /// A condition, as the judge finds it.
    fn met(&self, asks: Asks<'e>, condition: &Condition, check: &Check) -> Clause<'e> {
        let holds = self.judge.check(check).is_some();
        let instead = match condition {
            Condition::LevelError => self.judge.line.level_written().map(str::to_owned),
            _ => None,
        };
        let is_shown = holds && self.judge.looks.pay_for_all(1);
        let spots = if is_shown { spots(condition, self.judge.looks.texts()) } else { Vec::new() };
        Clause { asks, holds, spots, instead }
    }

    /// What the rule captures, also when that is too little.
    fn facts(&mut self, rule: &'e Rule) -> Vec<Learned<'e>> {
        let mut gains: Vec<(usize, Value, Gain<'e>)> = Vec::new();
        self.judge.facts(rule, self.said, &mut |fact, value, gain| gains.push((fact, value.clone(), gain)));
        let learned = gains.into_iter().map(|(fact, value, gain)| Learned {
            fact: &self.engine.packs.facts[fact].name,
            value,
            from: self.origin(gain),
        });
        learned.collect()
    }

    fn origin(&self, gain: Gain<'e>) -> Source<'e> {
        match gain {
            Gain::Said => Source::Earlier,
            Gain::Row(row) => Source::Row(&row.fits),
            Gain::Get(Get { from, fact, .. }) => match from {
                Origin::Path(path) => Source::Member(path),
                Origin::Fact(other, _) => Source::Fact(&self.engine.packs.facts[*other].name),
                Origin::Text(_) if !self.judge.looks.pay_for_all(1) => Source::Text(None),
                Origin::Text(regex) => {
                    let kind = self.engine.packs.facts[*fact].kind;
                    let fits = |text: &str| groups(regex, text).is_some_and(|found| kind.value_of(&found).is_some());
                    let mut texts = self.judge.line.texts.iter().enumerate();
                    Source::Text(texts.find(|(_, text)| fits(text)).and_then(|(at, text)| {
                        let captures = regex.captures(text)?;
                        let mut groups = captures.iter().skip(usize::from(captures.len() > 1)).flatten();
                        let first = groups.next()?;
                        let end = groups.last().unwrap_or(first).end();
                        Some(Spot { text: at, span: first.start()..end })
                    }))
                }
            },
        }
    }

    fn required(&self, rule: &'e Rule, told: &[Learned<'_>]) -> Vec<Clause<'e>> {
        let mut names: Vec<&'e str> =
            required(rule).map(|get| self.engine.packs.facts[get.fact].name.as_str()).collect();
        // Several ways to one fact need one success.
        names.sort_unstable();
        names.dedup();
        let clause = |fact| named(Asks::Required(fact), told.iter().any(|learned| learned.fact == fact), None);
        names.into_iter().map(clause).collect()
    }

    fn cases(&self, index: usize, found: &Match<'_>) -> Vec<CaseTrial<'e>> {
        let rule = &self.engine.packs.rules[index];
        let (_, also) = &self.engine.decider.rules[index];
        let packs = &self.engine.packs;
        let tried = rule.cases.iter().zip(also).map(|(case, also)| {
            let mut clauses = Vec::new();
            for (fact, values) in &case.when {
                let asks = Asks::When(&packs.facts[*fact].name, values);
                let instead = found.facts.get(*fact).map(written);
                clauses.push(named(asks, is_one_of(&found.facts, *fact, values), instead.as_deref()));
            }
            for context in &case.earlier {
                let id = packs.contexts[*context].id.as_str();
                clauses.push(named(Asks::Earlier(id), self.said.has(id), None));
            }
            clauses.extend(case.also.iter().zip(also).map(|(it, check)| self.met(Asks::All(it), it, check)));
            CaseTrial {
                report: &case.report,
                clauses,
                holds: self.judge.case_holds(case, also, &found.facts, self.said),
                is_chosen: std::ptr::eq(&raw const case.report, found.report),
            }
        });
        tried.collect()
    }
}

fn named<'e>(asks: Asks<'e>, holds: bool, instead: Option<&str>) -> Clause<'e> {
    Clause { asks, holds, spots: Vec::new(), instead: instead.map(str::to_owned) }
}

/// A value as text.
#[must_use]
pub fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
    }
}
