//! From files as read to packs as used: every name looked up, over all files, and every name that leads nowhere told.

mod alert;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::parse::{self, RawCaptures, RawCase, RawContext, RawPack, RawReport, RawRow, RawRule, RawValue, Scalar};
use super::{
    Captures, Case, Context, Fact, Fits, Get, IdPattern, Kind, Lookup, Origin, Packs, Report, Row, Rule, Severity,
    Value,
};
use crate::diagnostic::{self, Diagnostic, Source};
use crate::document::{Placed, did_you_mean};

/// Reads packs. The packs are there when nothing is wrong that forbids using them; warnings may stand beside them.
///
/// ```
/// # use std::sync::Arc;
/// let text = "[[rule]]\nid = \"kms.key-deleted\"\ntitel = \"Key deleted\"\n";
/// let source = fingerpost::diagnostic::Source { name: "kms.toml".into(), text: text.into() };
/// let (packs, problems) = fingerpost::pack::parse(&[Arc::new(source)]);
/// assert!(packs.is_none());
/// assert!(problems.iter().any(|problem| problem.help.as_deref() == Some("did you mean `title`?")));
/// ```
#[must_use]
pub fn parse(sources: &[Arc<Source>]) -> (Option<Packs>, Vec<Diagnostic>) {
    let (packs, problems) = read(sources);
    (if diagnostic::any_error(&problems) { None } else { Some(packs) }, problems)
}

/// Reads packs as far as they can be understood, for whoever looks for more that is wrong with them. With an error among
/// the problems they are not to be used: what was not understood is not in them.
#[must_use]
pub fn read(sources: &[Arc<Source>]) -> (Packs, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut raws = Vec::new();
    for source in sources {
        let (raw, found) = parse::read(source);
        raws.push(raw);
        problems.extend(found);
    }
    raws.sort_by(|a, b| a.pack.name.cmp(&b.pack.name));
    let mut resolver = Resolver { problems, packs: Packs::default(), tables: Vec::new() };
    resolver.run(raws);
    let Resolver { mut problems, packs, .. } = resolver;
    diagnostic::sort(&mut problems);
    (packs, problems)
}

/// A value of this type, as one writes it.
fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "text in quotes",
        Kind::Int => "a number as in 500",
        Kind::Float => "a number as in 0.5",
        Kind::Bool => "true or false",
    }
}

struct Resolver {
    problems: Vec<Diagnostic>,
    packs: Packs,
    /// Rows of each table, by pack and name; what a row compares is known only from the lookup.
    tables: Vec<(usize, String, Vec<RawRow>)>,
}

/// What resolving within one pack needs.
struct Scope {
    pack: usize,
    source: Arc<Source>,
    sections: BTreeMap<String, String>,
    /// Facts this pack declares: name to index.
    facts: BTreeMap<String, usize>,
}

impl Resolver {
    fn run(&mut self, raws: Vec<RawPack>) {
        let texts = raws.iter().map(|raw| (raw.pack.name.as_str(), raw.pack.source.text.as_str()));
        self.packs.digest = super::digest::of_texts(texts.collect());
        self.unique_pack_names(&raws);
        let declared: Vec<BTreeMap<String, usize>> = raws.iter().map(|raw| self.declare(raw)).collect();
        let mut shared = Vec::new();
        let mut scopes = Vec::new();
        let mut waiting = Vec::new();
        let mut alerts = Vec::new();
        for (index, (raw, facts)) in raws.into_iter().zip(declared).enumerate() {
            let sections = raw.sections.into_iter().collect();
            let scope = Scope { pack: index, source: Arc::clone(&raw.pack.source), sections, facts };
            self.packs.packs.push(raw.pack);
            self.tables.extend(raw.tables.into_iter().map(|(name, rows)| (index, name, rows)));
            for context in raw.contexts {
                self.context(&scope, context);
            }
            for facts in raw.shared {
                let captures = self.captures(&scope, facts.captures);
                shared.push((facts.rules, captures, Arc::clone(&scope.source)));
            }
            for rule in raw.rules {
                let (rule, unless, cases) = self.rule(&scope, rule);
                self.packs.rules.push(rule);
                waiting.push((unless, cases));
            }
            alerts.push((raw.alerts, raw.sequences));
            scopes.push(scope);
        }
        // Cases name contexts and `unless` names rules of any pack, so both wait until all files are through.
        let mut unless_names = Vec::new();
        for (index, (unless, cases)) in waiting.into_iter().enumerate() {
            let scope = &scopes[self.packs.rules[index].pack];
            let base = self.packs.rules[index].report.clone();
            self.packs.rules[index].cases = cases.into_iter().map(|case| self.case(scope, &base, case)).collect();
            unless_names.push((unless, Arc::clone(&scope.source)));
        }
        self.unique_ids();
        for (names, captures, source) in shared {
            self.share(&names, &captures, &source);
        }
        self.unless(&unless_names);
        self.alerts(&scopes, alerts);
    }

    /// Alerts first, since the sequences name them.
    fn alerts(&mut self, scopes: &[Scope], raw: Vec<(Vec<parse::RawAlert>, Vec<parse::RawSequence>)>) {
        let mut sequences = Vec::new();
        for (scope, (alerts, tests)) in scopes.iter().zip(raw) {
            alerts.into_iter().for_each(|alert| self.alert(scope, alert));
            sequences.push((scope, tests));
        }
        for (scope, tests) in sequences {
            tests.into_iter().for_each(|test| self.sequence(scope, test));
        }
        self.proven();
    }

    fn error(
        &mut self,
        code: &'static str,
        source: &Arc<Source>,
        span: Range<usize>,
        message: String,
        label: &str,
        help: String,
    ) {
        let diagnostic = Diagnostic::error(code, message).at(source, span, label);
        self.problems.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    fn unique_pack_names(&mut self, raws: &[RawPack]) {
        for pair in raws.windows(2).filter(|pair| pair[0].pack.name == pair[1].pack.name) {
            let message = format!("two packs are called `{}`", pair[1].pack.name);
            let help = format!(
                "a pack's name is its file's; rename one of {} and {}",
                pair[0].pack.source.name, pair[1].pack.source.name
            );
            self.error("P024", &pair[1].pack.source, 0..0, message, "this file", help);
        }
    }

    /// Enters a pack's facts; one name has one type over all packs.
    fn declare(&mut self, raw: &RawPack) -> BTreeMap<String, usize> {
        let mut declared = BTreeMap::new();
        for (name, kind) in &raw.facts {
            let known = self.packs.facts.iter().position(|fact| fact.name == name.value);
            let index = known.unwrap_or_else(|| {
                self.packs.facts.push(Fact { name: name.value.clone(), kind: *kind });
                self.packs.facts.len() - 1
            });
            let other = self.packs.facts[index].kind;
            if other != *kind {
                let message = format!(
                    "the fact `{}` is `{}` here and `{}` in another pack",
                    name.value,
                    kind.as_str(),
                    other.as_str()
                );
                let help = "a fact keeps one type everywhere, or a search for it fails; rename one of them".to_owned();
                self.error("P010", &raw.pack.source, name.span.clone(), message, "another type than elsewhere", help);
            }
            declared.insert(name.value.clone(), index);
        }
        declared
    }

    fn fact(&mut self, scope: &Scope, name: &Placed<String>) -> Option<usize> {
        let found = scope.facts.get(&name.value).copied();
        if found.is_none() {
            let hint = did_you_mean(&name.value, scope.facts.keys().map(String::as_str));
            let help = format!("declare it: `{} = \"string\"` under `[capture]`; {hint}", name.value);
            self.error(
                "P008",
                &scope.source,
                name.span.clone(),
                format!("the fact `{}` is not declared", name.value),
                "unknown fact",
                help,
            );
        }
        found
    }

    fn value(&mut self, scope: &Scope, fact: usize, raw: &RawValue) -> Option<Value> {
        self.typed_value(&scope.source, fact, raw)
    }

    fn typed_value(&mut self, source: &Arc<Source>, fact: usize, raw: &RawValue) -> Option<Value> {
        let Fact { name, kind } = self.packs.facts[fact].clone();
        let value = match (&raw.scalar, kind) {
            (Scalar::String(text), Kind::String) => Some(Value::String(text.clone())),
            (Scalar::Int(number), Kind::Int) => Some(Value::Int(*number)),
            #[expect(clippy::cast_precision_loss, reason = "a whole number written for a float fact")]
            (Scalar::Int(number), Kind::Float) => Some(Value::Float(*number as f64)),
            (Scalar::Float(number), Kind::Float) => Some(Value::Float(*number)),
            (Scalar::Bool(flag), Kind::Bool) => Some(Value::Bool(*flag)),
            _ => None,
        };
        if value.is_none() {
            let message = format!("`{name}` is declared `{}`, this value is none", kind.as_str());
            let help = format!("write {} here, or declare `{name}` with another type under `[capture]`", example(kind));
            self.error("P025", source, raw.span.clone(), message, "wrong type", help);
        }
        value
    }

    fn fact_values(&mut self, scope: &Scope, raw: Vec<(Placed<String>, Vec<RawValue>)>) -> Vec<(usize, Vec<Value>)> {
        let mut facts = Vec::new();
        for (name, values) in raw {
            let Some(fact) = self.fact(scope, &name) else { continue };
            facts.push((fact, values.iter().filter_map(|value| self.value(scope, fact, value)).collect()));
        }
        facts
    }

    fn captures(&mut self, scope: &Scope, raw: RawCaptures) -> Captures {
        let mut get = Vec::new();
        for raw in raw.get {
            let fact = self.fact(scope, &raw.name);
            let from = match (raw.path, raw.re, raw.from) {
                (Some(path), ..) => Some(Origin::Path(path)),
                (None, Some(re), Some(from)) => self.fact(scope, &from).map(|fact| Origin::Fact(fact, re)),
                (None, Some(re), None) => Some(Origin::Text(re)),
                (None, None, _) => None,
            };
            let every_except = raw.except.and_then(|except| self.fact(scope, &except));
            if let (Some(fact), Some(from)) = (fact, from) {
                get.push(Get { fact, from, required: raw.required, upper: raw.upper, every_except });
            }
        }
        let inherit = raw.inherit.iter().filter_map(|name| self.fact(scope, name)).collect();
        let lookup = raw.lookup.and_then(|lookup| self.lookup(scope, lookup));
        Captures { get, inherit, lookup }
    }

    fn lookup(&mut self, scope: &Scope, raw: parse::RawLookup) -> Option<Lookup> {
        let by = if raw.re.is_some() { None } else { Some(self.fact(scope, &raw.by)?) };
        let found = self.tables.iter().position(|(pack, name, _)| *pack == scope.pack && *name == raw.table.value);
        let Some(table) = found else {
            let known = self.tables.iter().filter(|(pack, ..)| *pack == scope.pack).map(|(_, name, _)| name.as_str());
            let help = did_you_mean(&raw.table.value, known);
            self.error(
                "P014",
                &scope.source,
                raw.table.span,
                format!("there is no table `{}` in this pack", raw.table.value),
                "unknown table",
                help,
            );
            return None;
        };
        // Taken out while it is resolved, because resolving reports into `self`.
        let rows = std::mem::take(&mut self.tables[table].2);
        let resolved = rows.iter().map(|row| self.row(scope, &raw.by.value, row)).collect();
        self.tables[table].2 = rows;
        Some(Lookup { by, re: raw.re, rows: Arc::new(resolved) })
    }

    fn row(&mut self, scope: &Scope, key: &str, raw: &RawRow) -> Row {
        let mut row = Row { fits: Fits::Always, facts: Vec::new(), action: None, contact: None, see: None };
        for (name, value) in &raw.members {
            let text = match &value.scalar {
                Scalar::String(text) => Some(text.clone()),
                _ => None,
            };
            let rest = name.value.strip_prefix(key);
            match (rest, name.value.as_str(), text) {
                (Some(""), _, Some(text)) => row.fits = Fits::Equal(text),
                (Some("_suffix"), _, Some(text)) => row.fits = Fits::Suffix(text),
                (Some("_glob"), _, Some(text)) => row.fits = Fits::Glob(text),
                (_, "action", Some(text)) => row.action = Some(text),
                (_, "contact", Some(text)) => row.contact = Some(text),
                (_, "see", Some(text)) => row.see = Some(text),
                _ => {
                    let Some(fact) = self.fact(scope, name) else { continue };
                    let Some(value) = self.value(scope, fact, value) else { continue };
                    row.facts.push((fact, value));
                }
            }
        }
        row
    }

    fn context(&mut self, scope: &Scope, raw: RawContext) {
        if self.packs.contexts.iter().any(|context| context.id == raw.id.value) {
            let message = format!("there are two contexts `{}`", raw.id.value);
            self.error(
                "P006",
                &scope.source,
                raw.id.span.clone(),
                message,
                "used before",
                "ids of contexts are unique over all packs".to_owned(),
            );
        }
        let set = self
            .fact_values(scope, raw.set)
            .into_iter()
            .filter_map(|(fact, mut values)| Some((fact, values.pop()?)))
            .collect();
        let captures = self.captures(scope, raw.captures);
        let parse::Conditions { all, any, none, .. } = raw.conditions;
        self.packs.contexts.push(Context { id: raw.id.value, all, any, none, set, captures, waivers: raw.waivers });
    }

    fn section(&mut self, scope: &Scope, anchor: &Placed<String>) -> String {
        let Some(heading) = scope.sections.get(&anchor.value) else {
            let hint = did_you_mean(&anchor.value, scope.sections.keys().map(String::as_str));
            let message = format!("the section `{}` is not in `[sections]`", anchor.value);
            self.error("P007", &scope.source, anchor.span.clone(), message, "unknown section", hint);
            return String::new();
        };
        heading.clone()
    }

    fn rule(&mut self, scope: &Scope, raw: RawRule) -> (Rule, Vec<Placed<String>>, Vec<RawCase>) {
        let section = raw.report.section.as_ref().map(|anchor| self.section(scope, anchor));
        let captures = self.captures(scope, raw.captures);
        let RawReport { id, title, severity, priority, section: anchor, action, contact, see, snooze } = raw.report;
        let report = Report {
            id: id.map(|id| id.value).unwrap_or_default(),
            title: title.unwrap_or_default(),
            // What is missing has been reported where it was read; the packs are not used then.
            severity: severity.unwrap_or(Severity::Info),
            priority: priority.unwrap_or(0),
            anchor: anchor.map(|anchor| anchor.value).unwrap_or_default(),
            section: section.unwrap_or_default(),
            action,
            contact,
            see,
            snooze,
        };
        let parse::Conditions { all, any, none, .. } = raw.conditions;
        let rule = Rule {
            pack: scope.pack,
            app: raw.app,
            app_required: raw.app_required,
            level_error: raw.level_error,
            all,
            any,
            none,
            captures: vec![captures],
            unless: raw.unless.iter().map(|name| IdPattern(name.value.clone())).collect(),
            report,
            cases: Vec::new(),
            examples: raw.examples,
            waivers: raw.waivers,
            span: raw.span,
            asked: None,
        };
        (rule, raw.unless, raw.cases)
    }

    fn case(&mut self, scope: &Scope, base: &Report, raw: RawCase) -> Case {
        let when = self.fact_values(scope, raw.when);
        let mut earlier = Vec::new();
        for name in &raw.earlier {
            match self.packs.contexts.iter().position(|context| context.id == name.value) {
                Some(context) => earlier.push(context),
                None => {
                    let help = did_you_mean(&name.value, self.packs.contexts.iter().map(|context| context.id.as_str()));
                    let message = format!("there is no context `{}`", name.value);
                    self.error(
                        "P015",
                        &scope.source,
                        name.span.clone(),
                        message,
                        "never set, so this case can never hold",
                        help,
                    );
                }
            }
        }
        let mut report = base.clone();
        let change = raw.report;
        if let Some(anchor) = change.section {
            report.section = self.section(scope, &anchor);
            report.anchor = anchor.value;
        }
        report.id = change.id.map_or(report.id, |id| id.value);
        report.title = change.title.unwrap_or(report.title);
        report.severity = change.severity.unwrap_or(report.severity);
        report.priority = change.priority.unwrap_or(report.priority);
        report.action = change.action.or(report.action);
        report.contact = change.contact.or(report.contact);
        report.see = change.see.or(report.see);
        report.snooze = change.snooze.or(report.snooze);
        Case { when, also: raw.also, earlier, report, examples: raw.examples, span: raw.span }
    }

    fn unique_ids(&mut self) {
        let mut first: BTreeMap<String, (usize, Range<usize>)> = BTreeMap::new();
        let mut twice = Vec::new();
        for rule in &self.packs.rules {
            let source = &self.packs.packs[rule.pack].source;
            let mut own: Vec<&str> = rule.ids().collect();
            own.dedup();
            for id in own {
                match first.get(id) {
                    Some((pack, span)) if *span != rule.span || *pack != rule.pack => {
                        let diagnostic = Diagnostic::error("P006", format!("the id `{id}` is used by two rules"))
                            .at(source, rule.span.clone(), "used again here")
                            .and_at(&self.packs.packs[*pack].source, span.clone(), "first used here")
                            .help("ids are unique over all packs; a case of the same rule may share its id");
                        twice.push(diagnostic);
                    }
                    Some(_) => {}
                    None => {
                        first.insert(id.to_owned(), (rule.pack, rule.span.clone()));
                    }
                }
            }
        }
        self.problems.extend(twice);
    }

    /// True when the pattern names some rule; reports when it does not.
    fn names_some_rule(&mut self, name: &Placed<String>, source: &Arc<Source>) -> bool {
        let pattern = IdPattern(name.value.clone());
        let known = self.packs.rules.iter().any(|rule| rule.ids().any(|id| pattern.names(id)));
        if !known {
            let help = did_you_mean(&name.value, self.packs.rules.iter().flat_map(Rule::ids));
            let message = format!("`{}` names no rule", name.value);
            self.error("P017", source, name.span.clone(), message, "no such rule", help);
        }
        known
    }

    fn share(&mut self, names: &[Placed<String>], captures: &Captures, source: &Arc<Source>) {
        for name in names {
            // A shared file may stand alone, without any rule beside it.
            if name.value != "*" && !self.names_some_rule(name, source) {
                continue;
            }
            let pattern = IdPattern(name.value.clone());
            for rule in &mut self.packs.rules {
                if rule.ids().any(|id| pattern.names(id)) {
                    rule.captures.push(captures.clone());
                }
            }
        }
    }

    fn unless(&mut self, names: &[(Vec<Placed<String>>, Arc<Source>)]) {
        for (names, source) in names {
            for name in names {
                self.names_some_rule(name, source);
            }
        }
        let pushes_aside = |a: &Rule, b: &Rule| b.unless.iter().any(|pattern| a.ids().any(|id| pattern.names(id)));
        let mut problems = Vec::new();
        // Only rules that push somebody aside can do it to each other.
        let pushing: Vec<&Rule> = self.packs.rules.iter().filter(|rule| !rule.unless.is_empty()).collect();
        for (index, rule) in pushing.iter().enumerate() {
            for other in &pushing[..=index] {
                if pushes_aside(rule, other) && pushes_aside(other, rule) {
                    let source = &self.packs.packs[rule.pack].source;
                    let message = format!(
                        "`{}` and `{}` push each other aside, so neither is ever reported",
                        rule.report.id, other.report.id
                    );
                    problems.push(
                        Diagnostic::error("P022", message)
                            .at(source, rule.span.clone(), "`unless` goes both ways")
                            .help("leave `unless` out on one side"),
                    );
                }
            }
        }
        self.problems.extend(problems);
    }
}
