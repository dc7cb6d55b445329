//! Of one alert so many groups are told of, and one alert in place of the rest says how many there are.
//!
//! Who is told of stays told of while it fires; whoever comes when there is no room waits, the first come first, and is told of
//! when there is. The alerts topic has them all.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::notice::{Notice, time};

/// Bytes of the notices that wait although what they tell of is over. Beyond, such a one is let go.
pub(super) const LATE_BYTES: usize = 16 << 20;

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Crowd {
    most: usize,
    instance: String,
    /// By the alert's id.
    kinds: HashMap<String, Kind>,
    /// Groups that have a place, and of which nobody has said again what is to be told: by their keys, the alert and the
    /// partition that counts them.
    wanted: BTreeMap<Arc<str>, (String, i32)>,
    /// Bytes of the notices that are kept.
    late_bytes: usize,
}

/// One alert.
#[derive(Debug, Default)]
struct Kind {
    /// Groups told of that fire.
    told: usize,
    /// Groups that wait, in the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    numbers: HashMap<Arc<str>, u64>,
    severity: Json,
}

/// A group that waits. What is to be told of it is many times as much, and is asked for when there is room.
#[derive(Debug)]
struct Waiting {
    key: Arc<str>,
    partition: i32,
    starts_ms: i64,
    /// It is over already, so nobody could say it again.
    late: Option<Box<Notice>>,
}

/// What became of a group that fires and was not told of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It has a place.
    Yes,
    /// It waits for one.
    Later,
    /// It is over, and too many wait: nobody will be told.
    No,
}

impl Crowd {
    /// `most` groups of an alert are told of; `instance` is this daemon's name.
    pub(crate) fn new(most: usize, instance: &str) -> Self {
        let (kinds, wanted) = (HashMap::new(), BTreeMap::new());
        Self { most, instance: instance.to_owned(), kinds, wanted, late_bytes: 0 }
    }

    /// Whether a group that fires, and was not told of before, finds room. Else it waits; `number` is its place among
    /// those that wait.
    pub(crate) fn admits(&mut self, notice: &Notice, number: u64) -> Admitted {
        let kind = self.kinds.entry(notice.kind.clone()).or_default();
        if kind.told < self.most {
            kind.told += 1;
            return Admitted::Yes;
        }
        let late = notice.ends_ms.is_some().then(|| Box::new(notice.clone()));
        let bytes = late.as_ref().map_or(0, |late| late.bytes());
        if self.late_bytes + bytes > LATE_BYTES {
            return Admitted::No;
        }
        self.late_bytes += bytes;
        let severity = notice.alert.get("labels").and_then(|labels| labels.get("severity"));
        kind.severity = severity.cloned().unwrap_or_default();
        let key: Arc<str> = notice.key.as_str().into();
        kind.numbers.insert(Arc::clone(&key), number);
        let Notice { partition, starts_ms, .. } = *notice;
        kind.waiting.insert(number, Waiting { key, partition, starts_ms, late });
        Admitted::Later
    }

    /// A group that was told of does not fire any more. The one that waits longest has its place: what is to be told of it, where
    /// that is known; else it is wanted.
    pub(crate) fn leaves(&mut self, kind: &str) -> Option<Notice> {
        let known = self.kinds.get_mut(kind)?;
        known.told = known.told.saturating_sub(1);
        let Some((_, next)) = known.waiting.pop_first() else {
            if known.told == 0 {
                self.kinds.remove(kind);
            }
            return None;
        };
        known.numbers.remove(&next.key);
        known.told += 1;
        let late = next.late.inspect(|late| self.late_bytes -= late.bytes());
        if late.is_none() {
            self.wanted.insert(next.key, (kind.to_owned(), next.partition));
        }
        late.map(|late| *late)
    }

    /// Keys of groups that have a place, and that this partition's owner is to tell of; some of them.
    pub(crate) fn wanted(&self, partition: i32, many: usize) -> Vec<Arc<str>> {
        let of_partition = self.wanted.iter().filter(|(_, (_, of))| *of == partition);
        of_partition.take(many).map(|(key, _)| Arc::clone(key)).collect()
    }

    /// A group is wanted no more, as it is told of now, or has nothing to be told of; true when it was, and so has a place.
    pub(crate) fn is_found(&mut self, key: &str) -> Option<String> {
        self.wanted.remove(key).map(|(kind, _)| kind)
    }

    /// A group waits no more; its place, when it waited.
    pub(crate) fn gives_up(&mut self, kind: &str, key: &str) -> Option<u64> {
        let kind = self.kinds.get_mut(kind)?;
        let number = kind.numbers.remove(key)?;
        let waiting = kind.waiting.remove(&number)?;
        self.late_bytes -= waiting.late.map_or(0, |late| late.bytes());
        Some(number)
    }

    /// Those of a partition wait no more; the alerts in which places are free by that, once for each.
    pub(crate) fn forget(&mut self, partition: i32) -> Vec<String> {
        for kind in self.kinds.values_mut() {
            kind.waiting.retain(|_, waiting| {
                let stays = waiting.partition != partition;
                self.late_bytes -= waiting.late.as_ref().filter(|_| !stays).map_or(0, |late| late.bytes());
                stays
            });
            let waiting = &kind.waiting;
            kind.numbers.retain(|_, number| waiting.contains_key(number));
        }
        let gone = self.wanted.extract_if(.., |_, (_, of)| *of == partition);
        gone.map(|(_, (kind, _))| kind).collect()
    }

    /// Bytes of the notices that are kept.
    #[cfg(test)]
    pub(crate) fn late_bytes(&self) -> usize {
        self.late_bytes
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
        let Some(Kind { waiting, severity, .. }) = self.kinds.get(kind).filter(|kind| !kind.waiting.is_empty()) else {
            return before.map(|before| Notice { ends_ms: Some(now_ms), ..before.clone() });
        };
        let first = waiting.values().next()?;
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
