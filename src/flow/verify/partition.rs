//! One output partition, record by record, with the input partitions whose lines belong there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::align::{Located, UPCOMING};
use super::expect::Expectation;
use super::finding::{Findings, Kind};
use super::lane::{Judged, Lane, bit};
use super::stored::{Arrived, Source};
use crate::flow::Failure;

/// The input as a whole: each partition with the offsets that it has.
pub(crate) type Inputs = BTreeMap<(Arc<str>, i32), Range<i64>>;

/// Lines found in an output partition that is not theirs, by input partition.
pub(crate) type Strays = HashMap<(Arc<str>, i32), RoaringTreemap>;

/// See the top of the file.
pub(crate) struct Output<'i, I> {
    /// Topic name.
    pub(super) topic: Arc<str>,
    /// This partition's number.
    pub(super) number: i32,
    /// How many the topic has.
    pub(super) partitions: i32,
    /// The input partitions that belong here, and are to be judged.
    pub(super) lanes: Vec<Lane<I>>,
    /// All input partitions.
    pub(super) inputs: &'i Inputs,
    /// Records are to be found by content, where they do not say where they come from.
    pub(super) aligned: bool,
}

/// What was found in an output partition.
pub(crate) struct Found {
    pub(super) lanes: Vec<Judged>,
    pub(super) strays: Strays,
    /// What belongs to no lane.
    pub(super) findings: Findings,
    /// Records of input partitions that were not asked for.
    pub(super) others: u64,
}

impl<I: Iterator<Item = Result<Expectation, Failure>>> Output<'_, I> {
    /// Reads all records, then what is left of the input.
    pub(super) fn judge(
        mut self,
        mut records: impl Iterator<Item = Result<Arrived, Failure>>,
    ) -> Result<Found, Failure> {
        let mut found = Found { lanes: Vec::new(), strays: Strays::new(), findings: Findings::default(), others: 0 };
        let mut queue = VecDeque::new();
        let length = if self.aligned { 1 + UPCOMING } else { 1 };
        loop {
            while queue.len() < length {
                match records.next().transpose()? {
                    Some(record) => queue.push_back(record),
                    None => break,
                }
            }
            let Some(record) = queue.pop_front() else { break };
            self.arrive(&record, &queue, &mut found)?;
        }
        for lane in self.lanes {
            found.lanes.push(lane.finish()?);
        }
        Ok(found)
    }

    fn arrive(&mut self, record: &Arrived, queue: &VecDeque<Arrived>, found: &mut Found) -> Result<(), Failure> {
        match &record.source {
            Source::At(topic, partition, offset) => self.sourced(record, (topic, *partition, *offset), found),
            Source::Unreadable(text) => {
                self.unknown(record, found, || format!("its header fingerpost-source is no place: {text}"));
                Ok(())
            }
            Source::Absent => match self.lanes.as_mut_slice() {
                [lane] if self.aligned => {
                    match lane.locate(&record.parts, queue.iter())? {
                        Located::At(offset) => lane.settle(record, offset)?,
                        Located::Before => lane.skip(),
                        Located::Nowhere => lane.unknown(record, || "comes from no line of the input".to_owned()),
                    }
                    Ok(())
                }
                _ => self.unsourced(record, found),
            },
        }
    }

    fn sourced(&mut self, record: &Arrived, source: (&Arc<str>, i32, i64), found: &mut Found) -> Result<(), Failure> {
        let (topic, partition, offset) = source;
        let is_it = |lane: &&mut Lane<I>| lane.partition == partition && *lane.topic == **topic;
        if let Some(lane) = self.lanes.iter_mut().find(is_it) {
            return lane.settle(record, offset);
        }
        match self.inputs.get(&(topic.clone(), partition)) {
            None => self
                .unknown(record, found, || format!("says that it comes from {topic}/{partition}, which is no input")),
            Some(_) if partition.rem_euclid(self.partitions) == self.number => found.others += 1,
            Some(_) => {
                let (output, here) = (&self.topic, self.number);
                let right = partition.rem_euclid(self.partitions);
                found.strays.entry((topic.clone(), partition)).or_default().insert(bit(offset));
                found.findings.add(Kind::WrongPartition, 1, || {
                    let what = format!("is in partition {here} of {output} (offset {}), not {right}", record.offset);
                    (format!("{topic}/{partition}/{offset}"), what)
                });
            }
        }
        Ok(())
    }

    /// Records say where they come from, but for this one: it is taken for the next line of the input that it fits.
    fn unsourced(&mut self, record: &Arrived, found: &mut Found) -> Result<(), Failure> {
        for lane in &mut self.lanes {
            if let Some(offset) = lane.follows(&record.parts)? {
                return lane.settle(record, offset);
            }
        }
        self.unknown(record, found, || {
            "has no header fingerpost-source, and is not the next line of any input partition".to_owned()
        });
        Ok(())
    }

    fn unknown(&self, record: &Arrived, found: &mut Found, what: impl FnOnce() -> String) {
        let place = format!("{}/{}/{}", self.topic, self.number, record.offset);
        found.findings.add(Kind::Unknown, 1, || (place, what()));
    }
}
