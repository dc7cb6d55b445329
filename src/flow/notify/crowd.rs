//! Of one alert so many groups are told of, and one alert in place of the rest says how many there are.
//!
//! Who is told of stays told of while it fires; whoever comes when there is no room waits, the first come first, and is told of
//! when there is. The alerts topic has them all.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, json};

use super::notice::{Notice, time};

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Crowd {
    most: usize,
    instance: String,
    /// By the alert's id.
    kinds: HashMap<String, Kind>,
}

/// One alert.
#[derive(Debug, Default)]
struct Kind {
    /// Groups told of that fire.
    told: usize,
    /// Groups that wait, in the order in which they came.
    waiting: BTreeMap<u64, Notice>,
    numbers: HashMap<String, u64>,
}

impl Crowd {
    /// `most` groups of an alert are told of; `instance` is this daemon's name.
    pub(crate) fn new(most: usize, instance: &str) -> Self {
        Self { most, instance: instance.to_owned(), kinds: HashMap::new() }
    }

    /// Whether a group that fires, and was not told of before, finds room. Else it waits; `number` is its place among
    /// those that wait.
    pub(crate) fn admits(&mut self, notice: &Notice, number: u64) -> bool {
        let kind = self.kinds.entry(notice.kind.clone()).or_default();
        if kind.told < self.most {
            kind.told += 1;
            return true;
        }
        kind.numbers.insert(notice.key.clone(), number);
        kind.waiting.insert(number, notice.clone());
        false
    }

    /// A group that was told of does not fire any more. The one that waits longest has its place.
    pub(crate) fn leaves(&mut self, kind: &str) -> Option<Notice> {
        let known = self.kinds.get_mut(kind)?;
        known.told = known.told.saturating_sub(1);
        let next = known.waiting.pop_first().map(|(_, notice)| notice);
        if let Some(next) = &next {
            known.numbers.remove(&next.key);
            known.told += 1;
        } else if known.told == 0 {
            self.kinds.remove(kind);
        }
        next
    }

    /// A group waits no more; its place, when it waited.
    pub(crate) fn gives_up(&mut self, kind: &str, key: &str) -> Option<u64> {
        let kind = self.kinds.get_mut(kind)?;
        kind.numbers.remove(key).filter(|number| kind.waiting.remove(number).is_some())
    }

    /// Those of a partition wait no more.
    pub(crate) fn forget(&mut self, partition: i32) {
        for kind in self.kinds.values_mut() {
            kind.waiting.retain(|_, notice| notice.partition != partition);
            let waiting = &kind.waiting;
            kind.numbers.retain(|_, number| waiting.contains_key(number));
        }
    }

    /// Alerts of which some groups wait.
    pub(crate) fn crowded(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().filter(|(_, kind)| !kind.waiting.is_empty()).map(|(id, _)| id.as_str())
    }

    /// Key of the alert that stands for those that wait; that of no group.
    pub(crate) fn key(kind: &str) -> String {
        format!("more of {kind}")
    }

    /// The alert that stands for those that wait; `now_ms` is when it is over if none do.
    pub(crate) fn notice(&self, kind: &str, before: Option<&Notice>, now_ms: i64) -> Option<Notice> {
        let waiting = self.kinds.get(kind).map(|kind| &kind.waiting).filter(|waiting| !waiting.is_empty());
        let Some(waiting) = waiting else {
            return before.map(|before| Notice { ends_ms: Some(now_ms), ..before.clone() });
        };
        let first = waiting.values().next()?;
        let severity = first.alert.get("labels").and_then(|labels| labels.get("severity")).cloned().unwrap_or_default();
        let starts_ms =
            before.filter(|before| before.ends_ms.is_none()).map_or(first.starts_ms, |before| before.starts_ms);
        let summary = format!(
            "{} more groups of {kind} fire than the {} that are told of one by one; `{} alerts --alert {kind}` lists all",
            waiting.len(),
            self.most,
            crate::NAME
        );
        let mut alert = Map::new();
        alert
            .insert("labels".to_owned(), json!({ "alertname": kind, "severity": severity, "instance": self.instance }));
        alert.insert("annotations".to_owned(), json!({ "summary": summary }));
        alert.insert("startsAt".to_owned(), time(starts_ms).into());
        let (key, kind) = (Self::key(kind), kind.to_owned());
        let fires_for = std::time::Duration::ZERO;
        Some(Notice { key, kind, partition: -1, alert, starts_ms, ends_ms: None, fires_for })
    }
}
