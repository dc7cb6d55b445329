//! The counters that a worker turns, all looked up once, before the first line.
//!
//! A line costs a handful of increments. Histograms take every [`SAMPLED`]th line of a partition, because each of their
//! samples costs a clock reading and memory until it is counted up.

use metrics::{Counter, Histogram, counter, histogram};

use super::kafka::Code;
use super::record::Step;
use crate::engine::{Crossed, Engine};

/// One line in so many is timed.
pub(crate) const SAMPLED: u64 = 16;

/// A name, with the prefix that all of them have.
macro_rules! name {
    ($name:literal) => {
        concat!(env!("CARGO_PKG_NAME"), "_", $name)
    };
}

/// Names of the metrics, for whoever registers or describes them.
pub(crate) mod names {
    pub(crate) const LINES: &str = name!("lines_total");
    pub(crate) const RULE_MATCHES: &str = name!("rule_matches_total");
    pub(crate) const BYTES: &str = name!("bytes_total");
    pub(crate) const LIMIT_CROSSED: &str = name!("limit_crossed_total");
    pub(crate) const CLASSIFY: &str = name!("classify_duration_seconds");
    pub(crate) const LATENCY: &str = name!("end_to_end_latency_seconds");
    pub(crate) const COMMITS: &str = name!("commits_total");
    pub(crate) const PRODUCE_ERRORS: &str = name!("produce_errors_total");
    pub(crate) const REBALANCES: &str = name!("rebalances_total");
    pub(crate) const PANICS: &str = name!("classify_panics_total");
    pub(crate) const DEAD_LETTERS: &str = name!("dead_letters_total");
    pub(crate) const TRANSACTIONS: &str = name!("transactions_total");
    pub(crate) const TRANSACTION: &str = name!("transaction_commit_duration_seconds");
    pub(crate) const STATE: &str = name!("state_records_total");
    pub(crate) const LAG: &str = name!("consumer_lag_records");
    pub(crate) const OLDEST_AGE: &str = name!("oldest_unprocessed_age_seconds");
    pub(crate) const ASSIGNED: &str = name!("assigned_partitions");
    pub(crate) const SOURCES: &str = name!("sources_remembered");
    pub(crate) const IN_FLIGHT: &str = name!("in_flight_lines");
    pub(crate) const MEMORY_BOUND: &str = name!("memory_bound_bytes");
    pub(crate) const BUILD_INFO: &str = name!("build_info");
    pub(crate) const PACK_INFO: &str = name!("pack_info");
    pub(crate) const PACK_RELOADS: &str = name!("pack_reloads_total");
    pub(crate) const PACK_LOADED: &str = name!("pack_last_reload_success_timestamp_seconds");
    pub(crate) const PACK_STALE: &str = name!("pack_stale");
    pub(crate) const MATCHES: &str = name!("alert_matches_total");
    pub(crate) const MATCHES_READ: &str = name!("alert_matches_read_total");
    pub(crate) const ALERT_CHANGES: &str = name!("alert_changes_total");
    pub(crate) const ALERTS_FIRING: &str = name!("alerts_firing");
    pub(crate) const ALERT_GROUPS: &str = name!("alert_groups");
    pub(crate) const EVENT_TIMES: &str = name!("event_times_replaced_total");
    pub(crate) const AHEAD: &str = name!("timestamps_not_believed_total");
    pub(crate) const ERROR_LINES: &str = name!("error_lines_total");
    pub(crate) const RULES_UNSEEN: &str = name!("rules_unseen");
    pub(crate) use crate::flow::throttle::THROTTLED;
    pub(crate) const NOTIFICATIONS: &str = name!("notifications_total");
    pub(crate) const NOTIFICATIONS_WAITING: &str = name!("notifications_waiting");
    pub(crate) const NOTIFICATIONS_DROPPED: &str = name!("notifications_dropped_total");
}

/// What each metric says, and whether it is a counter, a gauge or a histogram.
pub(crate) const DESCRIPTIONS: &[(&str, Kind, &str)] = &[
    (names::LINES, Kind::Counter, "Lines read, by what became of them."),
    (names::RULE_MATCHES, Kind::Counter, "Lines that a rule matched; a line counts once for each of its rules."),
    (names::BYTES, Kind::Counter, "Bytes of keys and values, read (in) and handed to the output (out)."),
    (names::LIMIT_CROSSED, Kind::Counter, "Lines, or sources, that met a limit. The lines went out all the same."),
    (names::CLASSIFY, Kind::Histogram, "Time to judge a line; one line in 16 is timed."),
    (
        names::LATENCY,
        Kind::Histogram,
        "From a line's record timestamp to the output's acknowledgement; one line in 16.",
    ),
    (names::COMMITS, Kind::Counter, "Offset commits, by result."),
    (
        names::PRODUCE_ERRORS,
        Kind::Counter,
        "Records that the output topic refused, by the client's name for the reason.",
    ),
    (names::REBALANCES, Kind::Counter, "Partitions given by the group (assigned), asked back (revoked), or lost."),
    (
        names::PANICS,
        Kind::Counter,
        "Lines at which the classifier failed; they became dead letters or went out unjudged.",
    ),
    (
        names::DEAD_LETTERS,
        Kind::Counter,
        "Lines sent to the dead-letter topic: refused by the output, failed at by the classifier, or only by reference.",
    ),
    (names::TRANSACTIONS, Kind::Counter, "Transactions, by how they ended; unknown and fenced ones are done again."),
    (names::TRANSACTION, Kind::Histogram, "From the last acknowledgement of a batch to the end of its commit."),
    (names::STATE, Kind::Counter, "Records of what sources said: written to the state topic, read back from it."),
    (names::LAG, Kind::Gauge, "Lines of an assigned partition that are not settled yet."),
    (names::OLDEST_AGE, Kind::Gauge, "Age of the oldest line not settled, by its record timestamp; 0 without lag."),
    (names::ASSIGNED, Kind::Gauge, "Input partitions assigned to this process."),
    (names::SOURCES, Kind::Gauge, "Sources whose earlier lines are remembered."),
    (names::IN_FLIGHT, Kind::Gauge, "Lines read and not yet acknowledged by the output."),
    (
        names::MEMORY_BOUND,
        Kind::Gauge,
        "What the process takes at most, besides what is remembered of sources; the start says the same.",
    ),
    (
        names::THROTTLED,
        Kind::Counter,
        "Answers that brokers held back, as quotas have it: of those that read (input), of those that write (output).",
    ),
    (names::BUILD_INFO, Kind::Gauge, "Always 1; its labels tell the version."),
    (names::PACK_INFO, Kind::Gauge, "1 for the digest of the rules in use; 0, for a while, for the one before."),
    (names::PACK_RELOADS, Kind::Counter, "Reloads of the packs, by result; polls that find nothing new are none."),
    (names::PACK_LOADED, Kind::Gauge, "When the packs in use were loaded, in seconds since 1970."),
    (names::PACK_STALE, Kind::Gauge, "1 while what is in the pack directory cannot be loaded; else 0."),
    (
        names::MATCHES,
        Kind::Counter,
        "Lines for each alert that looks at them: to be counted (written), or too late for it (too_late); of those to be \
         counted, the ones that came late (late), and that lack a value of the group (ungrouped).",
    ),
    (
        names::MATCHES_READ,
        Kind::Counter,
        "Matches read: counted, there already (repeated), a repeat from long ago (passed), of an alert that the packs do \
         not have (unknown), or of nobody of ours (unreadable). What is read again after a restart is counted again.",
    ),
    (
        names::ALERT_CHANGES,
        Kind::Counter,
        "What was told of each alert: it fires (also when it is found to have begun earlier), or is over (resolved).",
    ),
    (names::ALERTS_FIRING, Kind::Gauge, "Groups of an alert that fire, among those that this process counts."),
    (names::ALERT_GROUPS, Kind::Gauge, "Groups of all alerts that this process counts at the moment."),
    (
        names::EVENT_TIMES,
        Kind::Counter,
        "Lines that alerts look at and whose own time was not taken, but their record's timestamp.",
    ),
    (
        names::AHEAD,
        Kind::Counter,
        "Records whose timestamp did not move their partition's clock: far ahead of those before (leap), or of now (future).",
    ),
    (
        names::ERROR_LINES,
        Kind::Counter,
        "Error lines, by whether a rule matched; estimated where more lines come than coverage.lines_per_second.",
    ),
    (names::RULES_UNSEEN, Kind::Gauge, "Rules that matched no line since this process started."),
    (
        names::NOTIFICATIONS,
        Kind::Counter,
        "Alerts posted to an Alertmanager: taken (sent), to be tried again (failed), or never taken (refused).",
    ),
    (names::NOTIFICATIONS_WAITING, Kind::Gauge, "Alerts of which an Alertmanager has not heard the latest word."),
    (
        names::NOTIFICATIONS_DROPPED,
        Kind::Counter,
        "Alerts that are over, and too many to be kept for Alertmanagers that do not answer.",
    ),
];

/// Kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A record's timestamp was not believed.
pub(crate) fn not_believed(reason: &'static str) {
    counter!(names::AHEAD, "reason" => reason).increment(1);
}

/// One worker's handles.
pub(crate) struct Meters {
    pub(crate) matched: Counter,
    pub(crate) unmatched: Counter,
    pub(crate) tombstone: Counter,
    pub(crate) filtered: Counter,
    pub(crate) probe: Counter,
    pub(crate) errors_matched: Counter,
    pub(crate) errors_unmatched: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) sources: Counter,
    pub(crate) panics: Counter,
    pub(crate) assigned: Counter,
    pub(crate) revoked: Counter,
    pub(crate) lost: Counter,
    pub(crate) committed: Counter,
    pub(crate) commit_failed: Counter,
    pub(crate) transactions: Counter,
    pub(crate) aborted: Counter,
    pub(crate) unknown: Counter,
    pub(crate) fenced: Counter,
    pub(crate) transaction: Histogram,
    pub(crate) state_written: Counter,
    pub(crate) state_read: Counter,
    pub(crate) state_too_large: Counter,
    pub(crate) match_too_large: Counter,
    pub(crate) classify: Histogram,
    pub(crate) latency: Histogram,
    /// By index into `Engine::reported`.
    rules: Vec<Counter>,
    payload: Counter,
    nesting: Counter,
    hits: Counter,
    capture: Counter,
    work: Counter,
    header: Counter,
    record_short: Counter,
    record_headers: Counter,
    record_bare: Counter,
}

impl Meters {
    /// For the rules of one engine.
    pub(crate) fn new(engine: &Engine) -> Self {
        let lines = |result: &'static str| counter!(names::LINES, "result" => result);
        let limit = |limit: &'static str| counter!(names::LIMIT_CROSSED, "limit" => limit);
        let rebalances = |kind: &'static str| counter!(names::REBALANCES, "kind" => kind);
        let commits = |result: &'static str| counter!(names::COMMITS, "result" => result);
        let transactions = |result: &'static str| counter!(names::TRANSACTIONS, "result" => result);
        let errors = |result: &'static str| counter!(names::ERROR_LINES, "result" => result);
        let bytes = |direction: &'static str| counter!(names::BYTES, "direction" => direction);
        let rule = |reported: &crate::engine::Reported| counter!(names::RULE_MATCHES, "rule" => reported.id.clone(), "severity" => reported.severity.as_str());
        Self {
            matched: lines("matched"),
            unmatched: lines("unmatched"),
            tombstone: lines("tombstone"),
            filtered: lines("filtered"),
            probe: lines("probe"),
            errors_matched: errors("matched"),
            errors_unmatched: errors("unmatched"),
            bytes_in: bytes("in"),
            bytes_out: bytes("out"),
            sources: limit("sources"),
            panics: counter!(names::PANICS),
            assigned: rebalances("assigned"),
            revoked: rebalances("revoked"),
            lost: rebalances("lost"),
            committed: commits("committed"),
            commit_failed: commits("failed"),
            transactions: transactions("committed"),
            aborted: transactions("aborted"),
            unknown: transactions("unknown"),
            fenced: transactions("fenced"),
            transaction: histogram!(names::TRANSACTION),
            state_written: counter!(names::STATE, "kind" => "written"),
            state_read: counter!(names::STATE, "kind" => "read"),
            state_too_large: limit("state"),
            match_too_large: limit("match"),
            classify: histogram!(names::CLASSIFY),
            latency: histogram!(names::LATENCY),
            rules: engine.reported().iter().map(rule).collect(),
            payload: limit("payload"),
            nesting: limit("nesting"),
            hits: limit("hits"),
            capture: limit("capture"),
            work: limit("work"),
            header: limit("header"),
            record_short: limit("record_short"),
            record_headers: limit("record_headers"),
            record_bare: limit("record_bare"),
        }
    }

    /// A line was matched by these rules.
    pub(crate) fn rules(&self, rules: &[usize]) {
        for counter in rules.iter().filter_map(|rule| self.rules.get(*rule)) {
            counter.increment(1);
        }
    }

    /// Limits that a line met.
    pub(crate) fn crossed(&self, crossed: Crossed) {
        let limits = [
            (crossed.payload, &self.payload),
            (crossed.nesting, &self.nesting),
            (crossed.hits, &self.hits),
            (crossed.capture, &self.capture),
            (crossed.work, &self.work),
        ];
        for (_, counter) in limits.iter().filter(|(crossed, _)| *crossed) {
            counter.increment(1);
        }
    }

    /// The object did not fit its header.
    pub(crate) fn header_cut(&self) {
        self.header.increment(1);
    }

    /// How much of what was found fitted the record.
    pub(crate) fn step(&self, step: Step) {
        match step {
            Step::Full => {}
            Step::Short => self.record_short.increment(1),
            Step::Headers => self.record_headers.increment(1),
            Step::Bare => self.record_bare.increment(1),
        }
    }

    /// A line became a dead letter.
    pub(crate) fn dead_letter(&self, reason: &'static str) {
        counter!(names::DEAD_LETTERS, "reason" => reason).increment(1);
    }

    /// The output refused a record.
    pub(crate) fn refused(&self, code: Code) {
        counter!(names::PRODUCE_ERRORS, "reason" => format!("{code:?}")).increment(1);
    }
}

/// Alerts were posted to an Alertmanager.
pub(crate) fn told(alertmanager: &str, result: &'static str, alerts: usize) {
    counter!(names::NOTIFICATIONS, "alertmanager" => alertmanager.to_owned(), "result" => result)
        .increment(alerts as u64);
}

/// An alert that is over will not be told.
pub(crate) fn let_go() {
    counter!(names::NOTIFICATIONS_DROPPED).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_the_prefix_and_its_kinds_ending() {
        for (name, kind, text) in DESCRIPTIONS {
            assert!(name.starts_with(&format!("{}_", crate::NAME)), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(text.ends_with('.'), "{name}");
        }
    }
}
