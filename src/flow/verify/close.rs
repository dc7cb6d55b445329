//! The last word on an input partition, when everything was read: what is missing, and whether somebody committed past it.

use std::ops::Range;

use roaring::RoaringTreemap;

use super::finding::{Findings, Kind};
use super::lane::{Judged, bit};
use super::report::{Numbers, Row};

/// What is known of the group's offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commit {
    pub(super) committed: Option<i64>,
    /// Of the input partition.
    pub(super) end: i64,
    /// It was looked at.
    pub(super) group: bool,
    pub(super) drained: bool,
}

/// `strays`: its lines that were found in output partitions that are not theirs.
pub(super) fn close(lane: Judged, strays: Option<&RoaringTreemap>, commit: &Commit, findings: &mut Findings) -> Row {
    let Judged { topic, partition, range, mut missing, front, vague, counts, findings: own } = lane;
    let strayed = strays.map_or(0, |strays| {
        missing -= strays;
        strays.len()
    });
    let place = |offset: i64| format!("{topic}/{partition}/{offset}");
    // At the end, lines that nobody has said are done may still be on their way.
    let on_its_way = match commit.committed {
        Some(committed) if !commit.drained => committed.max(front.map_or(0, |front| front + 1)),
        _ => i64::MAX,
    };
    let total = missing.len();
    missing.remove_range(bit(on_its_way)..);
    let (lost, pending) = (missing.len(), total - missing.len());
    for run in runs(&missing) {
        let (first, last) = (run.start, run.end - 1);
        findings.add(Kind::Lost, bit(run.end - run.start), || match vague.get(&first) {
            Some(earliest) => {
                let what = "is nowhere; it is the same as the lines before it, from offset";
                (place(first), format!("{what} {earliest} on, and it may be any of these that is missing"))
            }
            None if first == last => (place(first), "is nowhere".to_owned()),
            None => (format!("{}–{last}", place(first)), format!("{} lines are nowhere", run.end - run.start)),
        });
    }
    let first_lost = missing.min().and_then(|offset| i64::try_from(offset).ok());
    if let Some((committed, lost)) = commit.committed.zip(first_lost).filter(|(committed, lost)| committed > lost) {
        findings.add(Kind::CommittedPast, 1, || {
            (place(lost), format!("is nowhere, and the group committed {committed}: nobody will read it again"))
        });
    }
    if let Some(committed) = commit.committed.filter(|committed| *committed > commit.end) {
        let what = format!("the group committed {committed}, beyond the end of the partition");
        findings.add(Kind::CommittedPast, 1, || (place(commit.end), what));
    }
    if commit.group && commit.drained && commit.committed.unwrap_or(0) <= counts.last.unwrap_or(-1) {
        let committed = commit.committed.map_or("nothing".to_owned(), |committed| format!("offset {committed}"));
        let what = format!("the group committed {committed}, and the last line is {}", counts.last.unwrap_or(-1));
        findings.add(Kind::NotDrained, 1, || (format!("{topic}/{partition}"), what));
    }
    let count = |kinds: &[Kind]| kinds.iter().map(|kind| own.count(*kind)).sum::<u64>();
    let wrong = [Kind::Changed, Kind::Mislabelled, Kind::SettledTwice, Kind::DeadLetter, Kind::Unchecked];
    let numbers = Numbers {
        lines: counts.lines,
        published: counts.published,
        tagged: counts.tagged,
        filtered: counts.left_out,
        dead_letters: counts.dead_letters,
        repeats: counts.repeats,
        lost,
        pending,
        out_of_order: count(&[Kind::OutOfOrder]),
        wrong: count(&wrong) + strayed,
        forgetful: counts.forgetful,
        outside: counts.outside,
    };
    findings.append(own);
    Row { topic: topic.to_string(), partition, from: range.start, to: range.end, numbers, committed: commit.committed }
}

/// Neighbouring offsets as ranges.
fn runs(offsets: &RoaringTreemap) -> impl Iterator<Item = Range<i64>> {
    let mut offsets = offsets.iter().filter_map(|offset| i64::try_from(offset).ok()).peekable();
    std::iter::from_fn(move || {
        let start = offsets.next()?;
        let mut end = start + 1;
        while offsets.next_if_eq(&end).is_some() {
            end += 1;
        }
        Some(start..end)
    })
}
