//! The counters of alerts: what a worker turns at lines that alerts look at, and what the role turns.

use std::collections::HashMap;

use metrics::{Counter, counter};

use crate::alert::{Alerts, Counted, Meters as Counts, Origin};
use crate::flow::meters::names;

/// What a worker counts of lines that alerts look at.
pub(crate) struct MatchMeters {
    /// By alert: all, and those that came late.
    written: HashMap<String, [Counter; 2]>,
    /// By index into `Alerts::ids`.
    too_late: Vec<Counter>,
    ungrouped: Vec<Counter>,
    absent: Counter,
    unreadable: Counter,
    old: Counter,
    ahead: Counter,
}

impl MatchMeters {
    /// For the alerts of one set of packs.
    pub(crate) fn new(alerts: &Alerts) -> Self {
        let of =
            |id: &str, result: &'static str| counter!(names::MATCHES, "alert" => id.to_owned(), "result" => result);
        let replaced = |why: &'static str| counter!(names::EVENT_TIMES, "reason" => why);
        Self {
            written: alerts.ids().map(|id| (id.to_owned(), [of(id, "written"), of(id, "late")])).collect(),
            too_late: alerts.ids().map(|id| of(id, "too_late")).collect(),
            ungrouped: alerts.ids().map(|id| of(id, "ungrouped")).collect(),
            absent: replaced("absent"),
            unreadable: replaced("unreadable"),
            old: replaced("old"),
            ahead: replaced("ahead"),
        }
    }

    /// A line that some alert looks at.
    pub(crate) fn count(&self, counted: &Counted) {
        for found in &counted.matches {
            let Some([written, late]) = self.written.get(&found.alert) else { continue };
            written.increment(1);
            late.increment(u64::from(found.late));
        }
        for (indexes, counters) in [(&counted.too_late, &self.too_late), (&counted.ungrouped, &self.ungrouped)] {
            indexes.iter().filter_map(|index| counters.get(*index)).for_each(|counter| counter.increment(1));
        }
        match counted.time {
            Origin::Line => {}
            Origin::Absent => self.absent.increment(1),
            Origin::Unreadable => self.unreadable.increment(1),
            Origin::Old => self.old.increment(1),
            Origin::Ahead => self.ahead.increment(1),
        }
    }
}

/// What the alert role counts.
pub(crate) struct AlertMeters {
    /// By alert: began to fire, fires since earlier than was told, is over.
    changes: HashMap<String, [Counter; 2]>,
    counted: Counter,
    repeated: Counter,
    passed: Counter,
    behind: Counter,
    unknown: Counter,
    evicted: Counter,
    let_go: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) too_large: Counter,
}

impl AlertMeters {
    /// For the alerts of one set of packs.
    pub(crate) fn new(alerts: &Alerts) -> Self {
        let change =
            |id: &str, state: &'static str| counter!(names::ALERT_CHANGES, "alert" => id.to_owned(), "state" => state);
        let read = |result: &'static str| counter!(names::MATCHES_READ, "result" => result);
        let limit = |limit: &'static str| counter!(names::LIMIT_CROSSED, "limit" => limit);
        let both = |id: &str| [change(id, "firing"), change(id, "resolved")];
        Self {
            changes: alerts.ids().map(|id| (id.to_owned(), both(id))).collect(),
            counted: read("counted"),
            repeated: read("repeated"),
            passed: read("passed"),
            behind: read("behind"),
            unknown: read("unknown"),
            unreadable: read("unreadable"),
            evicted: limit("alert_groups"),
            let_go: limit("alert_lateness"),
            too_large: limit("alert"),
        }
    }

    /// Something was told.
    pub(crate) fn told(&self, alert: &str, is_over: bool) {
        if let Some([firing, resolved]) = self.changes.get(alert) {
            (if is_over { resolved } else { firing }).increment(1);
        }
    }

    /// What windows have counted since they had counted `before`.
    pub(crate) fn counted(&self, now: Counts, before: Counts) {
        self.counted.increment(now.counted.saturating_sub(before.counted));
        self.repeated.increment(now.repeated.saturating_sub(before.repeated));
        self.passed.increment(now.passed.saturating_sub(before.passed));
        self.behind.increment(now.behind.saturating_sub(before.behind));
        self.unknown.increment(now.unknown.saturating_sub(before.unknown));
        self.evicted.increment(now.evicted.saturating_sub(before.evicted));
        self.let_go.increment(now.let_go.saturating_sub(before.let_go));
    }
}
