//! What was over before anybody knew that it fired: a line came late, the daemon was away, or there was a backlog.
//!
//! An Alertmanager announces no alert that it first sees resolved, and none that is resolved before it has waited for others
//! of its group. So such an alert is told to fire for a while, and says itself that it is over.

use std::time::Duration;

use serde_json::Value as Json;

use crate::alert::{Change, State};
use crate::flow::notify::notice::{Notice, time};

/// For how long to tell that it fires, and how far back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundLate {
    fires_ms: i64,
    lateness_ms: i64,
}

impl FoundLate {
    /// For so long, and so far back.
    pub(crate) fn new(fires: Duration, lateness_ms: i64) -> Self {
        Self { fires_ms: i64::try_from(fires.as_millis()).unwrap_or(i64::MAX), lateness_ms }
    }

    /// How much longer to tell that it fires, when it is over: it was when this was first told, it ended after the group
    /// began to count and no longer ago than late lines count.
    pub(crate) fn fires_for(self, change: &Change, began_ms: i64, now_ms: i64) -> Option<Duration> {
        let (ends_at, told_ms) = (change.ends_at?, change.told_ms?);
        let is_found_late =
            ends_at <= told_ms && ends_at > began_ms && now_ms.saturating_sub(ends_at) < self.lateness_ms;
        let left_ms = told_ms.saturating_add(self.fires_ms).min(now_ms.saturating_add(self.fires_ms)) - now_ms;
        u64::try_from(left_ms)
            .ok()
            .filter(|left| is_found_late && !change.withdrawn && *left > 0)
            .map(Duration::from_millis)
    }
}

/// What Alertmanagers are told of a change.
pub(crate) fn notice(partition: i32, change: &Change, fires_for: Option<Duration>) -> Notice {
    let mut alert = match change.to_postable() {
        Json::Object(alert) => alert,
        _ => serde_json::Map::new(),
    };
    alert.remove("endsAt");
    let ends_ms = (change.state == State::Resolved).then_some(change.ends_at).flatten();
    if let (Some(_), Some(ends_at), Some(told_ms)) = (fires_for, ends_ms, change.told_ms) {
        let late = jiff::SignedDuration::from_secs((told_ms - ends_at) / 1000);
        let text = format!(
            "it fired from {} until {}, and was found {late:#} after it was over",
            time(change.starts_at),
            time(ends_at)
        );
        if let Some(annotations) = alert.get_mut("annotations").and_then(Json::as_object_mut) {
            annotations.insert("found_late".to_owned(), text.into());
        }
    }
    Notice {
        key: change.key(),
        kind: change.alert.clone(),
        partition,
        alert,
        starts_ms: change.starts_at,
        ends_ms,
        fires_for: fires_for.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const LATE: FoundLate = FoundLate { fires_ms: 10 * MINUTE, lateness_ms: 120 * MINUTE };

    fn change(ends_at: Option<i64>, told_ms: Option<i64>) -> Change {
        Change {
            alert: "disk".to_owned(),
            group: Vec::new(),
            state: if ends_at.is_some() { State::Resolved } else { State::Firing },
            starts_at: 0,
            ends_at,
            withdrawn: false,
            count: 1,
            lines: Vec::new(),
            labels: Vec::new(),
            annotations: Vec::new(),
            place: crate::alert::Place::default(),
            said: crate::alert::Said::default(),
            settled: 0,
            held: Vec::new(),
            read_to: None,
            word: 0,
            told_ms,
            pack: String::new(),
        }
    }

    #[test]
    fn what_was_over_when_it_was_found_fires_for_a_while() {
        for (ends_at, told, began, now, expected) in [
            (Some(5), Some(30), 0, 30, Some(10)),
            (Some(5), Some(30), 0, 36, Some(4)),
            (Some(5), Some(30), 0, 40, None),
            // It was told in time.
            (Some(31), Some(30), 0, 40, None),
            // A revised end: it was told before.
            (Some(5), None, 0, 30, None),
            // It fires.
            (None, Some(30), 0, 30, None),
            // From before the first start, and from too long ago.
            (Some(5), Some(30), 5, 30, None),
            (Some(5), Some(125), 0, 125, None),
            // The wall clock was set back meanwhile.
            (Some(5), Some(30), 0, 6, Some(10)),
        ] {
            let minutes = |time: Option<i64>| time.map(|time| time * MINUTE);
            let found = LATE.fires_for(&change(minutes(ends_at), minutes(told)), began * MINUTE, now * MINUTE);
            let expected = expected.map(|minutes| Duration::from_secs(60 * minutes));
            assert_eq!(found, expected, "{ends_at:?} {told:?} {began} {now}");
        }
    }

    #[test]
    fn it_says_itself_that_it_is_over_and_when_it_was() {
        let change = change(Some(5 * MINUTE), Some(30 * MINUTE));
        let told = notice(3, &change, Some(Duration::from_secs(600)));
        assert_eq!(
            told.alert["annotations"]["found_late"],
            "it fired from 1970-01-01T00:00:00.000Z until 1970-01-01T00:05:00.000Z, and was found 25m after it was over"
        );
        assert_eq!((told.ends_ms, told.fires_for), (Some(5 * MINUTE), Duration::from_secs(600)));
        assert_eq!(notice(3, &change, None).alert["annotations"], serde_json::json!({}));
    }
}
