//! Alerts and sequences with every name looked up: rules, facts, members, and the labels that make an alert one of its
//! kind.

use std::sync::Arc;

use super::{Resolver, Scope};
use crate::diagnostic::{Diagnostic, Source};
use crate::document::{Placed, did_you_mean};
use crate::pack::parse::{RawAlert, RawEscalate, RawSequence};
use crate::pack::{Alert, Escalate, IdPattern, Name, Piece, Rule, Sequence, Template};

impl Resolver {
    /// Alerts name facts and rules of any pack, so they wait until all files are through.
    pub(super) fn alert(&mut self, scope: &Scope, raw: RawAlert) {
        let source = &scope.source;
        self.unique_alert(scope, &raw.id);
        for name in raw.from.iter().chain(&raw.except).chain(&raw.unless) {
            self.names_some_rule(name, source);
        }
        let patterns = |names: &[Placed<String>]| names.iter().map(|name| IdPattern(name.value.clone())).collect();
        let group_by: Vec<Name> =
            raw.group_by.iter().filter_map(|name| self.name(source, name, &name.value, &raw.members)).collect();
        let distinct = raw.distinct.as_ref().and_then(|name| self.name(source, name, &name.value, &raw.members));
        let labels = self.templates(source, &raw.labels, &raw.members);
        let annotations = self.templates(source, &raw.annotations, &raw.members);
        let escalate = raw.escalate.into_iter().filter_map(|row| self.escalate(row, source)).collect();
        let alert = Alert {
            pack: scope.pack,
            from: patterns(&raw.from),
            except: patterns(&raw.except),
            unless: patterns(&raw.unless),
            group_by,
            distinct,
            window_ms: raw.window_ms,
            count: raw.count,
            severity: raw.severity,
            labels,
            annotations,
            action: raw.action,
            contact: raw.contact,
            snooze: raw.snooze,
            escalate,
            span: raw.id.span.clone(),
            id: raw.id.value,
        };
        self.identity(source, &alert, &raw.group_by);
        self.counts_something(source, &alert);
        self.packs.alerts.push(alert);
    }

    fn unique_alert(&mut self, scope: &Scope, id: &Placed<String>) {
        let Some(first) = self.packs.alerts.iter().find(|alert| alert.id == id.value) else { return };
        let diagnostic = Diagnostic::error("P006", format!("the id `{}` is used by two alerts", id.value))
            .at(&scope.source, id.span.clone(), "used again here")
            .and_at(&self.packs.packs[first.pack].source, first.span.clone(), "first used here")
            .help("an alert is known by its id: they are unique over all packs");
        self.problems.push(diagnostic);
    }

    /// Every key of the group is a label, or all groups would be one alert to whoever receives them.
    fn identity(&mut self, source: &Arc<Source>, alert: &Alert, written: &[Placed<String>]) {
        for (name, written) in alert.group_by.iter().zip(written) {
            let is_it =
                |template: &Template| matches!(template.0.as_slice(), [Piece::Value(known, None)] if known == name);
            if !alert.labels.iter().any(|(_, template)| is_it(template)) {
                let message =
                    format!("the group key `{}` is no label, so all groups would be one alert", written.value);
                let help = format!("add it under `labels`: {0} = \"{{{0}}}\"", written.value);
                self.error("P033", source, written.span.clone(), message, "not among the labels", help);
            }
        }
    }

    fn counts_something(&mut self, source: &Arc<Source>, alert: &Alert) {
        let names = |patterns: &[IdPattern], id: &str| patterns.iter().any(|pattern| pattern.names(id));
        let not_counted = |id: &str| names(&alert.except, id) || names(&alert.unless, id);
        let counts = |id: &str| names(&alert.from, id) && !not_counted(id);
        let ids = || self.packs.rules.iter().flat_map(Rule::ids);
        if ids().any(|id| names(&alert.from, id)) && !ids().any(counts) {
            let message = format!("the alert `{}` counts nothing: `except` and `unless` name all of `from`", alert.id);
            let help = "leave some rule of `from` out of them".to_owned();
            self.error("P036", source, alert.span.clone(), message, "never fires", help);
        }
    }

    fn escalate(&mut self, raw: RawEscalate, source: &Arc<Source>) -> Option<Escalate> {
        let mut when = Vec::new();
        for (name, values) in raw.when {
            let Some(Name::Fact(fact)) = self.name(source, &name, &name.value, &[]) else {
                continue;
            };
            let values = values.iter().filter_map(|value| self.typed_value(source, fact, value)).collect();
            when.push((fact, values));
        }
        Some(Escalate { when, cie: raw.cie, business_hours: raw.business_hours, text: raw.text })
    }

    fn templates(
        &mut self,
        source: &Arc<Source>,
        raw: &[(String, Placed<String>)],
        members: &[String],
    ) -> Vec<(String, Template)> {
        raw.iter().map(|(name, text)| (name.clone(), self.template(source, text, members))).collect()
    }

    /// Text with `{name}`, `{name:5}` and `{count}` in it; `{{` and `}}` are braces.
    fn template(&mut self, source: &Arc<Source>, text: &Placed<String>, members: &[String]) -> Template {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut plain = String::new();
        let mut rest = text.value.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = behind;
                continue;
            }
            let named = rest.split_once('}').filter(|_| brace == "{");
            let Some((inside, behind)) = named else {
                let help = "write a value as `{name}`, and a brace that is one as `{{` or `}}`".to_owned();
                let message = "a brace in this text has no partner".to_owned();
                self.error("P035", source, text.span.clone(), message, "not a template", help);
                return Template::default();
            };
            rest = behind;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.extend(self.piece(source, text, inside, members));
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Template(pieces)
    }

    fn piece(
        &mut self,
        source: &Arc<Source>,
        text: &Placed<String>,
        inside: &str,
        members: &[String],
    ) -> Option<Piece> {
        if inside == "count" {
            return Some(Piece::Count);
        }
        let (name, part) = inside.split_once(':').map_or((inside, None), |(name, part)| (name, Some(part)));
        let number = part.map(str::parse::<usize>);
        if let Some(Err(_)) = number {
            let message = format!("`{{{inside}}}` names no part of a value");
            let help = "write `{crn:5}` for what stands behind the fifth colon".to_owned();
            self.error("P035", source, text.span.clone(), message, "not a part", help);
            return None;
        }
        Some(Piece::Value(self.name(source, text, name, members)?, number.and_then(Result::ok)))
    }

    /// A value of a line by its name; `at` is where the name stands.
    fn name(&mut self, source: &Arc<Source>, at: &Placed<String>, name: &str, members: &[String]) -> Option<Name> {
        let fact = self.packs.facts.iter().position(|fact| fact.name == name);
        let found = match (name, fact) {
            ("region", fact) => Some(Name::Region(fact)),
            (_, Some(fact)) => Some(Name::Fact(fact)),
            ("app", None) => Some(Name::App),
            _ => members.iter().find(|member| *member == name).map(|member| Name::Member(member.clone())),
        };
        if found.is_none() {
            let facts = self.packs.facts.iter().map(|fact| fact.name.as_str());
            let known = facts.chain(members.iter().map(String::as_str)).chain(["app", "region", "count"]);
            let hint = did_you_mean(name, known);
            let help = format!("{hint}; a member of the line is named first: members = [\"{name}\"]");
            let message = format!("`{name}` is no value that a line has for alerts");
            self.error("P035", source, at.span.clone(), message, "unknown value", help);
        }
        found
    }

    pub(super) fn sequence(&mut self, scope: &Scope, raw: RawSequence) {
        let Some(alert) = self.packs.alerts.iter().position(|alert| alert.id == raw.alert.value) else {
            let hint = did_you_mean(&raw.alert.value, self.packs.alerts.iter().map(|alert| alert.id.as_str()));
            let message = format!("there is no alert `{}`", raw.alert.value);
            self.error("P017", &scope.source, raw.alert.span, message, "no such alert", hint);
            return;
        };
        let RawSequence { name, start_ms, cie, steps, fires, resolves, span, alert: _ } = raw;
        self.packs.sequences.push(Sequence {
            pack: scope.pack,
            name,
            alert,
            start_ms,
            cie,
            steps,
            fires,
            resolves,
            span,
        });
    }

    /// An alert without any sequence is not proven.
    pub(super) fn proven(&mut self) {
        for (index, alert) in self.packs.alerts.iter().enumerate() {
            if !self.packs.sequences.iter().any(|sequence| sequence.alert == index) {
                let source = &self.packs.packs[alert.pack].source;
                let message = format!("the alert `{}` has no test", alert.id);
                let help = "show when it fires, and when it stays silent, in `[[test]]`s";
                let diagnostic = Diagnostic::warning("P039", message).at(source, alert.span.clone(), "not proven");
                self.problems.push(diagnostic.help(help));
            }
        }
    }
}
