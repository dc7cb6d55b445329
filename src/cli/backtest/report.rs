//! What a backtest came to, and the same as JSON.

use serde_json::{Value as Json, json};

use super::alerts::{Fired, Replayed};
use super::difference::{Difference, Kind};
use super::sample::{Sample, Samples};
use super::tally::{Claimed, Counts, Coverage, Tally};
use crate::alert::time;
use crate::cli::feed::Read;
use crate::pack::Severity;

/// An id that lines can be tagged with, and the lines that were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The id.
    pub id: String,
    /// Its severity; of one that several cases share, the highest.
    pub severity: Severity,
    /// Its lines.
    pub claimed: Claimed,
}

/// What is different from other packs.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// Digest of the others.
    pub digest: String,
    /// Those of most lines first.
    pub differences: Vec<(Difference, Samples)>,
    /// Alerts that only one of both would have fired.
    pub alerts: Vec<(Kind, Fired)>,
}

impl Against {
    /// Lines with a difference.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.differences.iter().map(|(_, samples)| samples.lines).sum()
    }
}

/// See the top of the file.
#[derive(Debug)]
pub struct Report {
    /// Digest of the packs.
    pub digest: String,
    /// What was read.
    pub read: Read,
    /// Lines.
    pub counts: Counts,
    /// Ids that were seen, those of most lines first.
    pub rows: Vec<Row>,
    /// Ids that were never seen, in order.
    pub never: Vec<String>,
    /// Error lines.
    pub coverage: Coverage,
    /// Alerts.
    pub alerts: Replayed,
    /// The packs have alerts.
    pub has_alerts: bool,
    /// When there was something to compare with.
    pub against: Option<Against>,
}

impl Report {
    /// Adds all up.
    #[must_use]
    pub fn of(tally: Tally<'_>, read: Read) -> Self {
        let Tally { judge, against, counts, claimed, coverage, differences, .. } = tally;
        let all = judge.engine.reported().iter().zip(claimed);
        let all = all.map(|(known, claimed)| Row { id: known.id.clone(), severity: known.severity, claimed });
        let (mut rows, unseen): (Vec<Row>, Vec<Row>) = all.partition(|row| row.claimed.samples.lines > 0);
        rows.sort_by(|a, b| b.claimed.samples.lines.cmp(&a.claimed.samples.lines).then_with(|| a.id.cmp(&b.id)));
        let mut never: Vec<String> = unseen.into_iter().map(|row| row.id).collect();
        never.sort();
        let (digest, has_alerts) = (judge.engine.digest().to_owned(), !judge.engine.packs().alerts.is_empty());
        let alerts = judge.counting.replay();
        let against = against.map(|other| {
            let mut differences: Vec<(Difference, Samples)> = differences.into_iter().collect();
            differences.sort_by_key(|(_, samples)| std::cmp::Reverse(samples.lines));
            let digest = other.engine.digest().to_owned();
            Against { digest, differences, alerts: differing(&other.counting.replay(), &alerts) }
        });
        Self { digest, read, counts, rows, never, coverage, alerts, has_alerts, against }
    }

    /// Nothing is different from the packs to compare with.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.against.as_ref().is_none_or(|against| against.differences.is_empty() && against.alerts.is_empty())
    }

    /// For programs: one object.
    #[must_use]
    pub fn json(&self) -> Json {
        let Counts { lines, tagged, tombstones, too_long, failed } = self.counts;
        let rules = self.rows.iter().map(|row| {
            json!({
                "rule": row.id,
                "severity": row.severity.as_str(),
                "lines": row.claimed.samples.lines,
                "primary": row.claimed.primary,
                "samples": samples(&row.claimed.samples),
            })
        });
        let mut report = json!({
            "v": 1,
            "digest": self.digest,
            "read": read(&self.read),
            "lines": lines,
            "tagged": tagged,
            "tombstones": tombstones,
            "too_long": too_long,
            "failed": failed,
            "rules": rules.collect::<Vec<_>>(),
            "never": self.never,
            "coverage": {
                "error_lines": self.coverage.errors,
                "claimed": self.coverage.claimed,
                "share": self.coverage.share(),
            },
            "alerts": self.alerts.fired.iter().map(fired).collect::<Vec<_>>(),
            "late": self.alerts.late,
            "untimed": self.alerts.untimed,
            "dropped": self.alerts.dropped,
        });
        if let Some((start, end)) = self.alerts.range {
            report["from"] = time(start).into();
            report["to"] = time(end).into();
        }
        if let Some(against) = &self.against {
            report["against"] = self.compared(against);
        }
        report
    }

    fn compared(&self, against: &Against) -> Json {
        let differences = against.differences.iter().map(|(difference, lines)| {
            json!({
                "kind": difference.kind.text(),
                "before": difference.before,
                "after": difference.after,
                "members": difference.members,
                "lines": lines.lines,
                "samples": samples(lines),
            })
        });
        let alerts = against.alerts.iter().map(|(kind, alert)| {
            let mut object = fired(alert);
            object["kind"] = kind.text().into();
            object
        });
        json!({
            "digest": against.digest,
            "clean": self.is_clean(),
            "lines": against.lines(),
            "differences": differences.collect::<Vec<_>>(),
            "alerts": alerts.collect::<Vec<_>>(),
        })
    }
}

/// Alerts that are in one of both only.
fn differing(before: &Replayed, after: &Replayed) -> Vec<(Kind, Fired)> {
    let missing = |kind: Kind, some: &Replayed, others: &Replayed| -> Vec<(Kind, Fired)> {
        let known: std::collections::HashSet<_> = others.fired.iter().map(Fired::identity).collect();
        let only = some.fired.iter().filter(|fired| !known.contains(&fired.identity()));
        only.map(|fired| (kind, fired.clone())).collect()
    };
    let mut all = missing(Kind::New, after, before);
    all.extend(missing(Kind::Lost, before, after));
    all
}

fn read(read: &Read) -> Json {
    match read {
        Read::Files(names) => json!({ "files": names }),
        Read::Parts(parts) => {
            let part = |part: &crate::flow::replay::Part| {
                json!({
                    "topic": part.topic,
                    "partition": part.partition,
                    "from": part.range.start,
                    "to": part.range.end,
                    "records": part.records,
                })
            };
            json!({ "partitions": parts.iter().map(part).collect::<Vec<_>>() })
        }
    }
}

fn samples(samples: &Samples) -> Json {
    let sample = |sample: &Sample| json!({ "place": sample.place, "line": String::from_utf8_lossy(&sample.line) });
    samples.kept().into_iter().map(sample).collect()
}

fn fired(Fired { change, open }: &Fired) -> Json {
    let labels: serde_json::Map<String, Json> =
        change.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "alert": change.alert,
        "labels": labels,
        "starts_at": time(change.starts_at),
        "ends_at": change.ends_at.map(time),
        "open": open,
        "count": change.count,
        "lines": change.lines.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
