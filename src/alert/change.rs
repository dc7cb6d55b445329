//! What is told when an alert fires or is over: Alertmanager's postable alert (its API v2), and our own object beside it.
//!
//! Labels identify an alert and stay the same until it is over; annotations are for people. All values are strings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::counting::{Alerts, Definition};
use super::escalation::escalation;
use super::record::{Place, Said, Unreadable};
use crate::NAME;
use crate::pack::{Name, Piece, Template};

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It fires; told again when its `startsAt` moves to an earlier time, and when something earlier was told otherwise.
    Firing,
    /// It is over; told again when late lines have changed since when or until when it fired.
    Resolved,
}

/// Something to tell about one group of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Id of the alert.
    pub alert: String,
    /// Names and values of its group.
    pub group: Vec<(String, String)>,
    /// Whether it fires.
    pub state: State,
    /// Event time at which the condition first held, milliseconds since 1970.
    pub starts_at: i64,
    /// Event time from which it did not hold any more; of one that fires, nothing.
    pub ends_at: Option<i64>,
    /// What was told of the stretch that began at `starts_at` is not so: a late line has joined it to an earlier one, or has
    /// taken it away. It is told as resolved, for those who do not know of this.
    pub withdrawn: bool,
    /// How many lines were in the window at `starts_at`.
    pub count: usize,
    /// Where some of them stand, the oldest first, at most [`LINES_MAX`].
    pub lines: Vec<Place>,
    /// What identifies it, `alertname` and `severity` included.
    pub labels: Vec<(String, String)>,
    /// What a person wants to know.
    pub annotations: Vec<(String, String)>,
    /// The line that fired.
    pub place: Place,
    /// What that line said.
    pub said: Said,
    /// Everything of its group before this event time was settled when this was told.
    pub settled: i64,
    /// When the condition has held lately, as far as it may matter to whoever goes on from here; empty when that is the stretch
    /// told of and nothing else.
    pub held: Vec<(i64, i64)>,
    /// All records of its partition of the matches topic before this offset had been read: of two words on one stretch the one
    /// that was told further on holds. Earlier builds do not tell it.
    pub read_to: Option<i64>,
    /// Of several words on its group that were told there, its number, from 0.
    pub word: u32,
    /// When it was first told that it fires, by the time of day, milliseconds since 1970. The windows, which know no time of
    /// day, leave it open.
    pub told_ms: Option<i64>,
    /// The pack and the digest of its text, `name@digest`.
    pub pack: String,
}

/// Lines told of as a proof.
pub const LINES_MAX: usize = 10;

/// Version of the object beside the postable alert.
const VERSION: u32 = 1;

/// The object beside the postable alert: what [`super::Windows::restore`] needs, and what the verb `alerts` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    v: u32,
    pub(super) id: String,
    pub(super) state: State,
    pub(super) group: Map<String, Json>,
    pub(super) starts_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends_at: Option<i64>,
    pub(super) count: usize,
    pub(super) lines: Vec<Place>,
    pub(super) place: Place,
    pub(super) said: Said,
    pub(super) settled: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) withdrawn: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) held: Vec<(i64, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) read_to: Option<i64>,
    #[serde(default, skip_serializing_if = "is_first")]
    pub(super) word: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told_ms: Option<i64>,
    pub(super) pack: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references over")]
fn is_first(word: &u32) -> bool {
    *word == 0
}

/// A record of the alerts topic.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    pub(super) labels: Map<String, Json>,
    #[serde(default)]
    annotations: Map<String, Json>,
    #[serde(rename = "fingerpost")]
    pub(super) stored: Stored,
}

impl Change {
    /// Key of its record on the alerts topic; that of the matches it came from.
    #[must_use]
    pub fn key(&self) -> String {
        super::record::key(&self.alert, self.group.iter().map(|(_, value)| value.as_str()))
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.group, &self.labels, &self.annotations].into_iter().flatten();
        let texts: usize = texts.map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum();
        let lines: usize = self.lines.iter().map(|place| size_of::<Place>() + place.topic.len()).sum();
        let own = size_of::<Self>() + self.alert.len() + self.place.topic.len() + self.pack.len();
        own + texts + lines + self.said.bytes() + self.held.len() * size_of::<(i64, i64)>()
    }

    /// How far on it was told: who has lost a partition may write late, and what was told further on holds.
    #[must_use]
    pub(crate) fn far(&self) -> (Option<i64>, u32) {
        (self.read_to, self.word)
    }

    /// The value of its record on the alerts topic: the postable alert with our own object in it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let stored = Stored {
            v: VERSION,
            id: self.alert.clone(),
            state: self.state,
            group: object(&self.group),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            count: self.count,
            lines: self.lines.clone(),
            place: self.place.clone(),
            said: self.said.clone(),
            settled: self.settled,
            withdrawn: self.withdrawn,
            held: self.held.clone(),
            read_to: self.read_to,
            word: self.word,
            told_ms: self.told_ms,
            pack: self.pack.clone(),
        };
        let mut posted = self.to_postable();
        posted[NAME] = serde_json::to_value(stored).unwrap_or_default();
        posted.to_string()
    }

    /// The postable alert alone, as `POST /api/v2/alerts` takes it, in an array with others. One that fires has no
    /// `endsAt`: Alertmanager holds it to be over when it is not posted again within its `resolve_timeout`.
    #[must_use]
    pub fn to_postable(&self) -> Json {
        let mut posted = json!({
            "labels": object(&self.labels),
            "annotations": object(&self.annotations),
            "startsAt": time(self.starts_at),
        });
        if let Some(ends_at) = self.ends_at {
            posted["endsAt"] = time(ends_at).into();
        }
        posted
    }

    /// What [`Change::to_json`] wrote.
    ///
    /// # Errors
    /// When it is no such record, or one of a later version.
    pub fn from_json(json: &[u8]) -> Result<Self, Unreadable> {
        let Posted { labels, annotations, stored } = Posted::read(json)?;
        let Stored { v: _, id, state, group, starts_at, ends_at, count, lines, place, said, .. } = stored;
        Ok(Self {
            alert: id,
            group: members(group),
            state,
            starts_at,
            ends_at,
            withdrawn: stored.withdrawn,
            count,
            lines,
            labels: members(labels),
            annotations: members(annotations),
            place,
            said,
            settled: stored.settled,
            held: stored.held,
            read_to: stored.read_to,
            word: stored.word,
            told_ms: stored.told_ms,
            pack: stored.pack,
        })
    }
}

/// What was told, as it stands in the end: late lines change what was told before.
///
/// Of several words on one stretch of a group, by its `startsAt`, the one that was told furthest on holds ([`Change::far`]).
#[derive(Debug, Default)]
pub(crate) struct Final(BTreeMap<(String, i64), Change>);

impl Final {
    /// Takes the next word.
    pub(crate) fn take(&mut self, change: Change) {
        let key = (change.key(), change.starts_at);
        let is_older = |known: &Change| known.far() > change.far();
        if !self.0.get(&key).is_some_and(is_older) {
            self.0.insert(key, change);
        }
    }

    /// All that is over, by the time since when it fired.
    pub(crate) fn over(self) -> Vec<Change> {
        let over = |change: &Change| change.state == State::Resolved && !change.withdrawn;
        let mut over: Vec<Change> = self.0.into_values().filter(over).collect();
        over.sort_by_key(|change| (change.starts_at, change.ends_at));
        over
    }
}

impl Posted {
    fn read(json: &[u8]) -> Result<Self, Unreadable> {
        let posted: Self = serde_json::from_slice(json).map_err(|error| Unreadable(error.to_string()))?;
        match posted.stored.v {
            VERSION => Ok(posted),
            v => Err(Unreadable(format!("it is of version {v}, this program reads {VERSION}"))),
        }
    }
}

fn object(members: &[(String, String)]) -> Map<String, Json> {
    members.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect()
}

fn members(object: Map<String, Json>) -> Vec<(String, String)> {
    let text = |value: Json| match value {
        Json::String(text) => text,
        other => other.to_string(),
    };
    object.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// RFC 3339 with milliseconds.
pub(crate) fn time(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.3}"))
}

/// What an alert says in one case: its definition, the values of the group, the line that fired.
pub(super) struct Words<'a> {
    pub(super) alerts: &'a Alerts,
    pub(super) definition: &'a Definition,
    pub(super) group: &'a [String],
    pub(super) said: &'a Said,
    pub(super) count: usize,
}

impl Words<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let of_group = self.definition.group.iter().zip(self.group).find(|(known, _)| *known == name);
        let of_line = || self.said.values.iter().find(|(known, _)| known == name);
        of_group.map(|(_, value)| value.as_str()).or_else(|| of_line().map(|(_, value)| value.as_str()))
    }

    /// The text, unless a value that it names is absent.
    fn fill(&self, template: &Template) -> Option<String> {
        let mut text = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Count => text.push_str(&self.count.to_string()),
                Piece::Value(name, part) => {
                    let value = self.value(self.alerts.called(name))?;
                    let value = match part {
                        None => value,
                        Some(part) => value.split(':').nth(*part).filter(|part| !part.is_empty())?,
                    };
                    text.push_str(value);
                }
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Names and values of what identifies it.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let alert = &self.definition.alert;
        let mut labels = vec![
            ("alertname".to_owned(), alert.id.clone()),
            ("severity".to_owned(), alert.severity.as_str().to_owned()),
        ];
        let own = alert.labels.iter().filter_map(|(name, template)| Some((name.clone(), self.fill(template)?)));
        labels.extend(self.alerts.settings().lengths.labels(own.collect()));
        labels
    }

    /// Names and values of what a person wants to know: the pack's own words first, then what every alert tells.
    pub(super) fn annotations(
        &self,
        labels: &[(String, String)],
        starts_at: i64,
        first: Option<&Place>,
    ) -> Vec<(String, String)> {
        let alert = &self.definition.alert;
        let own = alert.annotations.iter().filter_map(|(name, template)| Some((name.clone(), self.fill(template)?)));
        let either = |own: &Option<String>, of_rule: &Option<String>| own.clone().or_else(|| of_rule.clone());
        let snooze = either(&alert.snooze, &self.said.snooze);
        let settings = self.alerts.settings();
        let escalation =
            escalation(&alert.escalate, settings, starts_at, |fact| self.value(self.alerts.called(&Name::Fact(fact))));
        let of_all = [
            ("runbook", Some(self.definition.page.clone())),
            ("runbook_url", Some(self.said.runbook.clone())),
            ("action", either(&alert.action, &self.said.action)),
            ("contact", either(&alert.contact, &self.said.contact)),
            ("escalation", escalation.map(str::to_owned)),
            ("first_line", first.map(ToString::to_string)),
            ("silence", snooze.as_deref().and_then(|snooze| self.silence(labels, snooze))),
            ("snooze", snooze),
        ];
        let of_all = of_all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let told = own.chain(of_all).filter(|(_, value)| !value.is_empty());
        settings.lengths.annotations(told.collect())
    }

    /// The command that silences just this alert for so long. Nothing is silenced by itself.
    fn silence(&self, labels: &[(String, String)], snooze: &str) -> Option<String> {
        let is_of_group = |name: &str| {
            let template = self.definition.alert.labels.iter().find(|(known, _)| known == name);
            template.is_some_and(|(_, template)| self.definition.alert.is_group_label(template))
        };
        let matchers: String = labels
            .iter()
            .filter(|(name, _)| name == "alertname" || is_of_group(name))
            .map(|(name, value)| format!(" {}", quoted(&format!("{name}={}", Json::from(value.as_str())))))
            .collect();
        let comment = quoted(&format!("{}: {snooze}, as its runbook says", self.definition.alert.id));
        Some(format!("amtool silence add --duration={} --comment={comment}{matchers}", duration(snooze)?))
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A duration as `amtool` reads it: one number and one unit.
fn duration(text: &str) -> Option<String> {
    let seconds = text.parse::<jiff::SignedDuration>().ok()?.as_secs();
    Some(match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    })
}
