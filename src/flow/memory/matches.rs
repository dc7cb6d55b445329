//! What must hold of the matches topic: matches are as exactly-once as the lines they are of, and a watermark never stands
//! before a match of which it says that it stands before it.

use std::collections::BTreeMap;

use super::broker::Stored;
use super::{INPUT, World};
use crate::alert::{Clock, Record, Watermark};
use crate::flow::Mode;
use crate::flow::transport::To;

impl World {
    /// A record was appended to the matches topic.
    pub(super) fn match_appended(&mut self, number: i32, stored: &Stored, transaction: Option<usize>) {
        let value = stored.value.as_deref().unwrap_or_default();
        match Record::from_json(value) {
            Err(why) => self.find(format!("a record of the matches topic cannot be read: {why}")),
            Ok(Record::Watermark(watermark)) => {
                self.count("watermarks");
                let inputs = vec![(INPUT.to_owned(), self.inputs.len() as i32)];
                if watermark.inputs != inputs {
                    self.find(format!("{watermark:?} names other inputs than {inputs:?}"));
                }
            }
            Ok(Record::Match(_)) => {
                self.count("matches");
                let (partition, offset) = stored.line;
                let known = self.audit.matches(partition, offset);
                let Some(index) = known.iter().position(|known| *known == (number, value.to_vec())) else {
                    let text = String::from_utf8_lossy(value);
                    let wrong = format!("{partition}/{offset} is counted as {text} on {number}, not {known:?}");
                    // In a transaction it is wrong only when it counts, as with lines.
                    match transaction {
                        None => self.find(wrong),
                        Some(transaction) => _ = self.audit.wrong.entry(transaction).or_insert(wrong),
                    }
                    return;
                };
                if transaction.is_none() {
                    self.match_counts((partition, offset), index);
                }
            }
        }
    }

    /// The matches of a transaction count from now on, with the offsets behind their lines.
    pub(super) fn matches_decided(&mut self, transaction: usize, offsets: &BTreeMap<usize, (i64, String)>) {
        let of_it = self.broker.records_of(transaction, To::Matches);
        for (number, stored) in of_it.into_iter().filter(|(_, stored)| stored.key.is_some()) {
            let (partition, offset) = stored.line;
            let known = self.audit.matches(partition, offset);
            let value = stored.value.unwrap_or_default();
            if let Some(index) = known.iter().position(|known| *known == (number, value.clone())) {
                self.match_counts((partition, offset), index);
            }
            if offsets.get(&partition).is_none_or(|(end, _)| offset >= *end) {
                self.find(format!("a match of {partition}/{offset} counts without its offset"));
            }
        }
    }

    fn match_counts(&mut self, (partition, offset): (usize, i64), index: usize) {
        let copies = self.audit.match_copies.entry((partition, offset, index)).or_default();
        *copies += 1;
        if *copies > 1 && self.mode == Mode::ExactlyOnce {
            self.find(format!("match {index} of {partition}/{offset} counts twice"));
        }
    }

    /// Matches of a line are on the topic before its offset is committed, and so is the clock of its partition.
    pub(super) fn check_matches(&mut self, partition: usize, lines: std::ops::Range<usize>, note: &str) {
        let mut missing = None;
        let all = &self.audit.lines[partition];
        for line in &all[lines.clone()] {
            let lost = (0..line.matches.len())
                .find(|index| !self.audit.match_copies.contains_key(&(partition, line.offset, *index)));
            missing = missing.or_else(|| lost.map(|index| (line.offset, index)));
        }
        let clock = Clock::from_metadata(note).now();
        // Timestamps grow with offsets here, but for those that are refused, and the first is believed with the second.
        let least = all[..lines.end].iter().rfind(|line| !line.poison_time).filter(|_| lines.end > 1);
        let least = least.map(|line| line.timestamp_ms);
        if let Some((offset, index)) = missing {
            self.find(format!("match {index} of {partition}/{offset} is lost: its offset is committed"));
        }
        if clock < least {
            self.find(format!(
                "the clock of partition {partition} is committed as {clock:?} and is {least:?} at least"
            ));
        }
    }

    /// Of each watermark that counts, the matches stand before it.
    pub(super) fn check_watermarks(&mut self) {
        for number in 0..self.audit.matches_partitions {
            let mut seen: BTreeMap<(usize, i64), usize> = BTreeMap::new();
            let mut wrong = None;
            for stored in self.broker.committed(To::Matches, number) {
                let record = Record::from_json(stored.value.as_deref().unwrap_or_default());
                if stored.key.is_some() {
                    *seen.entry(stored.line).or_default() += 1;
                } else if let Ok(Record::Watermark(watermark)) = record {
                    wrong = wrong.or_else(|| self.audit.is_early(number, &watermark, &seen));
                }
            }
            wrong.into_iter().for_each(|wrong| self.find(wrong));
        }
    }
}

impl super::audit::Audit {
    fn matches(&self, partition: usize, offset: i64) -> Vec<(i32, Vec<u8>)> {
        let line = self.lines.get(partition).and_then(|lines| lines.iter().find(|line| line.offset == offset));
        line.map(|line| line.matches.clone()).unwrap_or_default()
    }

    fn is_early(&self, number: i32, watermark: &Watermark, seen: &BTreeMap<(usize, i64), usize>) -> Option<String> {
        let partition = watermark.partition as usize;
        let before = || self.lines[partition].iter().filter(|line| line.offset < watermark.offset);
        let missing = before().find(|line| {
            let here = line.matches.iter().filter(|(place, _)| *place == number).count();
            seen.get(&(partition, line.offset)).copied().unwrap_or(0) < here
        });
        let least = before().rfind(|line| !line.poison_time).filter(|_| before().nth(1).is_some());
        let least = least.map(|line| line.timestamp_ms);
        if let Some(line) = missing {
            return Some(format!("{watermark:?} stands on {number} before a match of {partition}/{}", line.offset));
        }
        (Some(watermark.clock) < least).then(|| format!("{watermark:?} is behind its lines"))
    }
}
