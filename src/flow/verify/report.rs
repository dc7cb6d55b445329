//! What came of it: numbers for each input partition and in all, findings, and one sentence.

use std::ops::AddAssign;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::finding::{Findings, Group, Kind};
use crate::flow::Mode;

/// Numbers of one input partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Input topic.
    pub topic: String,
    /// Input partition.
    pub partition: i32,
    /// First offset that was judged.
    pub from: i64,
    /// The offset after the last that was judged.
    pub to: i64,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// What the group committed.
    pub committed: Option<i64>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Input lines.
    pub lines: u64,
    /// Of these, on the output.
    pub published: u64,
    /// Of these, tagged.
    pub tagged: u64,
    /// Lines that are rightly not on the output, as `output.lines` is `matched`.
    pub filtered: u64,
    /// Lines in the dead-letter topic.
    pub dead_letters: u64,
    /// Records beyond the first of their line.
    pub repeats: u64,
    /// Lines that are nowhere.
    pub lost: u64,
    /// Lines at the end that are not done yet, nor committed.
    pub pending: u64,
    /// Records that come too early or too late.
    pub out_of_order: u64,
    /// Records that are not as they must be, or not where.
    pub wrong: u64,
    /// Lines tagged as if nothing were known of what their source had said before: not wrong.
    pub forgetful: u64,
    /// Records of lines outside the range: not looked at.
    pub outside: u64,
}

impl AddAssign for Numbers {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.published += other.published;
        self.tagged += other.tagged;
        self.filtered += other.filtered;
        self.dead_letters += other.dead_letters;
        self.repeats += other.repeats;
        self.lost += other.lost;
        self.pending += other.pending;
        self.out_of_order += other.out_of_order;
        self.wrong += other.wrong;
        self.forgetful += other.forgetful;
        self.outside += other.outside;
    }
}

/// The whole of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was promised.
    pub mode: Mode,
    /// Topic written.
    pub output: String,
    /// Topic of the dead letters, when one was read.
    pub dead_letter: Option<String>,
    /// The group whose offsets were looked at.
    pub group: Option<String>,
    /// Tags were compared.
    pub labels: bool,
    /// One for each input partition.
    pub rows: Vec<Row>,
    /// What is wrong.
    pub findings: Findings,
}

impl Report {
    /// Nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// All partitions together.
    #[must_use]
    pub fn total(&self) -> Numbers {
        let mut total = Numbers::default();
        self.rows.iter().for_each(|row| total += row.numbers);
        total
    }

    /// One sentence: `exactly once: 200,000 lines, 0 lost, 0 repeated, 0 out of order, 0 changed`.
    #[must_use]
    pub fn verdict(&self) -> String {
        let total = self.total();
        let not = if self.is_clean() { "" } else { "NOT " };
        let count = |number: u64, what: &str| format!(", {} {what}", grouped(number));
        let mut text = format!("{not}{}: {} lines", self.mode.words(), grouped(total.lines));
        text += &count(total.lost, "lost");
        text += &count(total.repeats, "repeated");
        text += &count(total.out_of_order, "out of order");
        text += &count(self.findings.count(Kind::Changed), "changed");
        let told = [Kind::Lost, Kind::Repeated, Kind::OutOfOrder, Kind::Changed];
        for (kind, group) in self.findings.iter().filter(|(kind, _)| !told.contains(kind)) {
            text += &count(group.count, kind.title());
        }
        if total.pending > 0 {
            text += &count(total.pending, "not done yet");
        }
        text
    }

    /// The same for programs. Fields are added, never renamed or taken away.
    #[must_use]
    pub fn json(&self) -> Json {
        let group = |group: &Group| {
            let examples: Vec<Json> =
                group.examples.iter().map(|finding| json!({ "place": finding.place, "what": finding.what })).collect();
            json!({ "count": group.count, "examples": examples })
        };
        let findings: serde_json::Map<String, Json> =
            self.findings.iter().map(|(kind, found)| (kind.id().to_owned(), group(found))).collect();
        json!({
            "clean": self.is_clean(),
            "verdict": self.verdict(),
            "mode": self.mode.id(),
            "output": self.output,
            "dead_letter": self.dead_letter,
            "group": self.group,
            "labels": self.labels,
            "total": self.total(),
            "partitions": self.rows,
            "findings": findings,
        })
    }
}

/// `200000` as `200,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let shown: Vec<String> = [0, 999, 1000, 200_000, 1_234_567].map(grouped).to_vec();
        assert_eq!(shown, ["0", "999", "1,000", "200,000", "1,234,567"]);
    }
}
