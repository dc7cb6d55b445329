//! From a judged line to the matches that alerts count.

use std::collections::HashMap;

use super::clock::{Clock, LATENESS_MS};
use super::escalation::{Hours, escalation};
use super::event_time::{Origin, event_time};
use super::lengths::Lengths;
use super::record::{Match, NO_VALUE, Place, Said};
use super::stretch::Rule;
use crate::engine::{Countable, CountableRule, Engine};
use crate::pack::{Alert, Name, Piece, Value};

/// What alerts are told besides the packs: `[escalation]`, how late a line may be, and of `[limits]` how long their texts may
/// get.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A line so far behind its partition's clock, in milliseconds, is still counted; at least [`LATENESS_MS`].
    pub lateness_ms: i64,
    /// A customer impacting event is on.
    pub cie: bool,
    /// When somebody is at work.
    pub hours: Hours,
    /// How long labels and annotations may get.
    pub lengths: Lengths,
}

impl Default for Settings {
    /// Two hours; nothing is on, and people work in London.
    fn default() -> Self {
        Self { lateness_ms: 2 * 60 * 60 * 1000, cie: false, hours: Hours::default(), lengths: Lengths::default() }
    }
}

/// The alerts of a pack set, ready to count and to be told of. Made beside an engine, and exchanged with it.
#[derive(Debug)]
pub struct Alerts {
    settings: Settings,
    /// Names of all facts.
    facts: Vec<String>,
    /// Ids that lines can be tagged with.
    reported: Vec<String>,
    definitions: Vec<Definition>,
    /// For each id that lines can be tagged with, the alerts that look at it.
    by_rule: Vec<Vec<(usize, Role)>>,
    by_id: HashMap<String, usize>,
}

/// What a rule is to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Counts,
    Against,
}

/// An alert, and what is worked out of it once.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) alert: Alert,
    pub(super) rule: Rule,
    /// Names of the values that its group is made of.
    pub(super) group: Vec<String>,
    /// Other values that its templates and escalations use, by name.
    values: Vec<(String, Name)>,
    /// Page of its runbook; empty when its pack has none.
    pub(super) page: String,
    /// Its pack and the digest of that text.
    pub(super) pack: String,
}

/// What became of a line that alerts look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// For the matches topic, one for each alert at most.
    pub matches: Vec<Match>,
    /// How far it was behind its partition's clock, in milliseconds.
    pub behind_ms: i64,
    /// Alerts that would have counted it had it not been too late, as indexes into [`Alerts::ids`].
    pub too_late: Vec<usize>,
    /// Alerts for which a value of the group is missing, as indexes into [`Alerts::ids`].
    pub ungrouped: Vec<usize>,
    /// Where its event time is from.
    pub time: Origin,
}

impl Alerts {
    /// Those of the engine's packs.
    #[must_use]
    pub fn new(engine: &Engine, settings: Settings) -> Self {
        let definitions: Vec<Definition> =
            engine.packs().alerts.iter().map(|alert| Definition::new(alert, engine)).collect();
        let role = |alert: &Alert, id: &str| {
            let names = |patterns: &[crate::pack::IdPattern]| patterns.iter().any(|pattern| pattern.names(id));
            if names(&alert.unless) {
                Some(Role::Against)
            } else {
                (names(&alert.from) && !names(&alert.except)).then_some(Role::Counts)
            }
        };
        let roles = |id: &str| {
            let alerts = definitions.iter().enumerate();
            alerts.filter_map(|(index, known)| Some((index, role(&known.alert, id)?))).collect()
        };
        let by_rule = engine.reported().iter().map(|reported| roles(&reported.id)).collect();
        let by_id = definitions.iter().enumerate().map(|(index, known)| (known.alert.id.clone(), index)).collect();
        let facts = engine.packs().facts.iter().map(|fact| fact.name.clone()).collect();
        let reported = engine.reported().iter().map(|reported| reported.id.clone()).collect();
        Self { settings, facts, reported, definitions, by_rule, by_id }
    }

    /// Ids of all alerts; other numbers here are indexes into it.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().map(|definition| definition.alert.id.as_str())
    }

    /// What they were told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Which alerts count a line: `clock` is that of its partition, its own record seen; `timestamp_ms` is its record's,
    /// negative when it has none.
    #[must_use]
    pub fn count(&self, line: &Countable, place: &Place, timestamp_ms: i64, clock: Clock) -> Counted {
        let time = event_time(line.time.as_deref(), timestamp_ms, clock);
        let behind_ms = clock.behind(time.at);
        let mut counted =
            Counted { matches: Vec::new(), behind_ms, too_late: Vec::new(), ungrouped: Vec::new(), time: time.origin };
        for (index, rule, role) in self.looking_at(line) {
            if behind_ms > self.settings.lateness_ms {
                counted.too_late.push(index);
                continue;
            }
            let definition = &self.definitions[index];
            let value = |name: &Name| self.value(line, name);
            let group: Vec<Option<String>> = definition.alert.group_by.iter().map(value).collect();
            if group.iter().any(Option::is_none) {
                counted.ungrouped.push(index);
            }
            counted.matches.push(Match {
                alert: definition.alert.id.clone(),
                group: group.into_iter().map(|value| value.unwrap_or_else(|| NO_VALUE.to_owned())).collect(),
                at: time.at,
                place: place.clone(),
                against: role == Role::Against,
                late: behind_ms > LATENESS_MS,
                distinct: definition.alert.distinct.as_ref().and_then(value),
                said: self.said(definition, line, rule),
            });
        }
        counted
    }

    /// Whom to call in for a line of this event time, were an alert to fire on it: what the first alert says that counts the
    /// line, by the order of the line's rules.
    #[must_use]
    pub fn escalation(&self, line: &Countable, at: i64) -> Option<&str> {
        let facts: Vec<(usize, String)> = line.facts.iter().map(|(fact, value)| (*fact, text(value))).collect();
        let value = |fact: usize| facts.iter().find(|(known, _)| *known == fact).map(|(_, text)| text.as_str());
        let counting = line.rules.iter().flat_map(|rule| &self.by_rule[rule.id]);
        let mut counting = counting.filter(|(_, role)| *role == Role::Counts);
        counting.find_map(|(alert, _)| escalation(&self.definitions[*alert].alert.escalate, &self.settings, at, value))
    }

    /// Each alert that looks at a line, once, with the rule that speaks for the line: one that is against comes before
    /// those that count, else the first.
    fn looking_at<'l>(&self, line: &'l Countable) -> Vec<(usize, &'l CountableRule, Role)> {
        let mut looking: Vec<(usize, &CountableRule, Role)> = Vec::new();
        for rule in &line.rules {
            for (alert, role) in &self.by_rule[rule.id] {
                match looking.iter_mut().find(|(known, ..)| known == alert) {
                    None => looking.push((*alert, rule, *role)),
                    Some(known) if *role == Role::Against && known.2 == Role::Counts => *known = (*alert, rule, *role),
                    Some(_) => {}
                }
            }
        }
        looking
    }

    fn said(&self, definition: &Definition, line: &Countable, rule: &CountableRule) -> Said {
        let value = |(text, name): &(String, Name)| Some((text.clone(), self.value(line, name)?));
        Said {
            rule: self.reported[rule.id].clone(),
            values: definition.values.iter().filter_map(value).collect(),
            runbook: rule.runbook.clone(),
            action: rule.action.clone(),
            contact: rule.contact.clone(),
            snooze: rule.snooze.clone(),
        }
    }

    fn value(&self, line: &Countable, name: &Name) -> Option<String> {
        let fact = |fact: usize| line.facts.iter().find(|(index, _)| *index == fact).map(|(_, value)| text(value));
        let found = match name {
            Name::Fact(index) => fact(*index),
            Name::App => line.app.clone(),
            Name::Region(index) => index.and_then(fact).or_else(|| line.region.clone()),
            Name::Member(path) => line.members.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone()),
        };
        found.filter(|value| !value.is_empty())
    }

    /// What a value is called in packs and in records.
    pub(super) fn called<'a>(&'a self, name: &'a Name) -> &'a str {
        called(name, |fact| &self.facts[fact])
    }

    pub(super) fn definition(&self, index: usize) -> &Definition {
        &self.definitions[index]
    }

    /// The alert of this id, when its groups have so many values.
    pub(super) fn find(&self, id: &str, values: usize) -> Option<usize> {
        self.by_id.get(id).copied().filter(|index| self.definitions[*index].group.len() == values)
    }
}

impl Definition {
    fn new(alert: &Alert, engine: &Engine) -> Self {
        let packs = engine.packs();
        let pack = &packs.packs[alert.pack];
        let called = |name: &Name| called(name, |fact| &packs.facts[fact].name).to_owned();
        let templates = alert.labels.iter().chain(&alert.annotations).flat_map(|(_, template)| &template.0);
        let mut names: Vec<Name> = templates
            .filter_map(|piece| match piece {
                Piece::Value(name, _) => Some(name.clone()),
                Piece::Text(_) | Piece::Count => None,
            })
            .collect();
        names.extend(alert.escalate.iter().flat_map(|row| &row.when).map(|(fact, _)| Name::Fact(*fact)));
        let mut values: Vec<(String, Name)> = Vec::new();
        for name in names.into_iter().filter(|name| !alert.group_by.contains(name)) {
            if !values.iter().any(|(_, known)| *known == name) {
                values.push((called(&name), name));
            }
        }
        let base = &engine.settings().base_url;
        Self {
            rule: Rule::of(alert),
            group: alert.group_by.iter().map(called).collect(),
            values,
            page: pack.link.as_ref().map(|link| format!("{base}{link}")).unwrap_or_default(),
            pack: pack.edition(),
            alert: alert.clone(),
        }
    }
}

/// See [`Alerts::called`].
fn called<'a>(name: &'a Name, fact: impl Fn(usize) -> &'a str) -> &'a str {
    match name {
        Name::Fact(index) => fact(*index),
        Name::App => "app",
        Name::Region(_) => "region",
        Name::Member(path) => path,
    }
}

/// A value as labels have it: all of them are strings.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
    }
}
