//! What must hold at every moment, whatever goes wrong.
//!
//! Each record is held against the verdict of a reference that judged the lines of its partition once, in order, with
//! nothing going wrong. Each offset that the group takes, and each transaction that is committed, is held against what
//! is published at that moment.

use std::collections::{BTreeMap, BTreeSet};

use super::broker::Stored;
use super::{INPUT, USUAL_MS, World};
use crate::flow::Mode;
use crate::flow::transport::To;

/// A record as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::flow) struct Wanted {
    pub(in crate::flow) value: Option<Vec<u8>>,
    pub(in crate::flow) added: Vec<(&'static str, Vec<u8>)>,
}

/// A line, what should become of it, and what has.
#[derive(Debug, Clone)]
pub(in crate::flow) struct Expected {
    pub(in crate::flow) offset: i64,
    /// By each of the rule sets; none where it is left out.
    pub(in crate::flow) wanted: [Option<Wanted>; 2],
    pub(in crate::flow) original: Option<Vec<u8>>,
    pub(in crate::flow) poison: bool,
    pub(in crate::flow) poison_to_all: bool,
    pub(in crate::flow) poison_time: bool,
    pub(in crate::flow) timestamp_ms: i64,
    pub(in crate::flow) panics: bool,
    pub(in crate::flow) copies: usize,
    /// What alerts count of it: the partition of the matches topic, and the record.
    pub(in crate::flow) matches: Vec<(i32, Vec<u8>)>,
    tenure: Option<usize>,
}

impl Expected {
    pub(in crate::flow) fn new(offset: i64, original: Option<Vec<u8>>, wanted: [Option<Wanted>; 2]) -> Self {
        Self {
            offset,
            wanted,
            original,
            poison: false,
            poison_to_all: false,
            poison_time: false,
            timestamp_ms: -1,
            panics: false,
            copies: 0,
            matches: Vec::new(),
            tenure: None,
        }
    }

    fn is_left_out(&self) -> bool {
        self.wanted[0].is_none() && !self.panics
    }
}

/// One assignment of one partition.
#[derive(Debug, Default)]
struct Tenure {
    published: BTreeSet<i64>,
    /// Something kept its holder from committing, so that its lines may come again.
    is_excused: bool,
}

/// So often may an owner try a line that the output refuses: an outcome that is not known takes the refusal with it.
const HOPELESS_MAX: u32 = 10;

/// See the top of the file.
#[derive(Debug, Default)]
pub(in crate::flow) struct Audit {
    /// The first thing that was wrong.
    pub(in crate::flow) finding: Option<String>,
    pub(in crate::flow) lines: Vec<Vec<Expected>>,
    pub(in crate::flow) output_partitions: i32,
    pub(in crate::flow) dead_letter: bool,
    tenures: Vec<Tenure>,
    current: BTreeMap<(usize, usize), usize>,
    /// Lines that were refused once.
    pub(in crate::flow) refused: BTreeSet<(usize, i64)>,
    /// Lines that were refused for lack of a topic, and so may come behind later ones: when it is there again, what was
    /// on its way behind them arrives.
    overtaken: BTreeSet<(usize, i64)>,
    /// Lines whose timestamp is refused go out with the time of now.
    pub(in crate::flow) at_now: bool,
    /// How often an owner had the output refuse a line for what it is, by tenure and offset.
    hopeless: BTreeMap<(usize, i64), u32>,
    /// Per partition, lines before this index are done for.
    settled: Vec<usize>,
    /// What is wrong with a record of a transaction.
    pub(super) wrong: BTreeMap<usize, String>,
    /// Which rules a transaction was judged by.
    rules: BTreeMap<usize, usize>,
    pub(in crate::flow) matches_partitions: i32,
    /// How often each match of a line counts.
    pub(super) match_copies: BTreeMap<(usize, i64, usize), usize>,
}

impl Audit {
    pub(in crate::flow) fn new(lines: Vec<Vec<Expected>>, output_partitions: i32, dead_letter: bool) -> Self {
        Self { settled: vec![0; lines.len()], lines, output_partitions, dead_letter, ..Self::default() }
    }

    pub(super) fn begins(&mut self, client: usize, partition: usize) -> usize {
        self.tenures.push(Tenure::default());
        self.current.insert((client, partition), self.tenures.len() - 1);
        self.tenures.len() - 1
    }

    /// What this client published may come again.
    pub(super) fn excuse(&mut self, client: usize) {
        for tenure in self.current.iter().filter(|((one, _), _)| *one == client).map(|(_, tenure)| *tenure) {
            self.tenures[tenure].is_excused = true;
        }
    }

    pub(super) fn refused(&mut self, line: (usize, i64), for_lack_of_a_topic: bool) {
        self.refused.insert(line);
        if for_lack_of_a_topic {
            self.overtaken.insert(line);
        }
    }

    /// The output refused a line for what it is; whoever does not take notice will try for ever.
    pub(super) fn is_hopeless(&mut self, (partition, offset): (usize, i64), tenure: usize) {
        let times = self.hopeless.entry((tenure, offset)).or_default();
        *times += 1;
        if *times > HOPELESS_MAX && self.finding.is_none() {
            self.finding = Some(format!("{partition}/{offset} is refused for the {times}th time, and sent again"));
        }
    }

    pub(super) fn waits_for_another_attempt(&self, partition: usize) -> bool {
        let mut refused = self.refused.iter().filter(|(one, _)| *one == partition);
        refused.any(|(_, offset)| self.lines[partition].iter().any(|line| line.offset == *offset && line.copies == 0))
    }

    fn index(&self, partition: usize, offset: i64) -> Option<usize> {
        self.lines[partition].binary_search_by_key(&offset, |line| line.offset).ok()
    }

    /// What is wrong with a record; else by which of the rule sets alone it can have been judged.
    fn judge(&self, to: To, number: i32, stored: &Stored) -> Result<Option<usize>, String> {
        let (partition, offset) = stored.line;
        let Some(line) = self.index(partition, offset).map(|index| &self.lines[partition][index]) else {
            return Err("is no line of the input".to_owned());
        };
        let provenance = format!("{INPUT}/{partition}/{offset}").into_bytes();
        let header = |name: &str| stored.added.iter().find(|(one, _)| *one == name).map(|(_, value)| value);
        if to == To::DeadLetter {
            let reason = header("fingerpost-dead-letter-reason").cloned().unwrap_or_default();
            let is_reference = header("fingerpost-dead-letter-size").is_some();
            let known = if line.panics && reason.starts_with(b"classifier failed") {
                true
            } else if line.poison_time && !self.at_now {
                reason == b"refused: InvalidTimestamp"
            } else {
                (line.poison || line.poison_to_all) && reason == b"refused: MessageSizeTooLarge"
            };
            let own_time = line.timestamp_ms.to_string().into_bytes();
            return match () {
                () if !self.dead_letter || !known => Err("is no line to become a dead letter".to_owned()),
                () if header("fingerpost-source") != Some(&provenance) => {
                    Err("does not say where it is from".to_owned())
                }
                () if stored.timestamp_ms == line.timestamp_ms || header("fingerpost-timestamp") != Some(&own_time) => {
                    Err("does not tell the line's timestamp beside its own".to_owned())
                }
                () if is_reference && !line.poison_to_all => Err("is a reference for no reason".to_owned()),
                () if !is_reference && stored.value != line.original => Err("is not the original".to_owned()),
                () => Ok(None),
            };
        }
        if number != partition as i32 % self.output_partitions {
            return Err(format!("is on partition {number} of the output"));
        }
        if line.poison || (line.poison_time && !self.at_now) || (line.panics && self.dead_letter) {
            return Err("should be a dead letter".to_owned());
        }
        if (stored.timestamp_ms == line.timestamp_ms) == line.poison_time {
            return Err(format!("has the timestamp {}", stored.timestamp_ms));
        }
        let own_time = line.poison_time.then(|| ("fingerpost-timestamp", line.timestamp_ms.to_string().into_bytes()));
        let fits = |wanted: &Option<Wanted>| {
            let is_added = |wanted: &Wanted| wanted.added.iter().chain(&own_time).eq(stored.added.iter());
            wanted.as_ref().is_some_and(|wanted| wanted.value == stored.value && is_added(wanted))
        };
        match [fits(&line.wanted[0]), fits(&line.wanted[1])] {
            [true, true] => Ok(None),
            [true, false] => Ok(Some(0)),
            [false, true] => Ok(Some(1)),
            [false, false] => Err(format!(
                "says {} {:?} and not {:?}",
                String::from_utf8_lossy(stored.value.as_deref().unwrap_or_default()),
                stored.added.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect::<Vec<_>>(),
                line.wanted[0].as_ref().map(|wanted| String::from_utf8_lossy(wanted.value.as_deref().unwrap_or(b"")))
            )),
        }
    }
}

/// No line has such a timestamp, nor a later one.
fn after_all_lines(partitions: usize) -> i64 {
    USUAL_MS + partitions as i64 * 1_000_000
}

impl World {
    /// A record was appended.
    pub(super) fn appended(&mut self, to: To, number: i32, stored: &Stored, transaction: Option<usize>) {
        let (partition, offset) = stored.line;
        self.tell("broker", || match transaction {
            Some(transaction) => format!("{partition}/{offset} on {to:?} in transaction {transaction}"),
            None => format!("{partition}/{offset} on {to:?}"),
        });
        match to {
            To::State | To::Matches if stored.timestamp_ms < after_all_lines(self.inputs.len()) => {
                return self.find(format!("a record on {to:?} has the time of its line"));
            }
            To::State => return,
            To::Matches => return self.match_appended(number, stored, transaction),
            To::Output | To::DeadLetter => {}
        }
        if to == To::DeadLetter {
            self.count("dead letters");
        }
        let is_poisoned =
            self.audit.index(partition, offset).is_some_and(|at| self.audit.lines[partition][at].poison_time);
        if is_poisoned && !self.audit.refused.contains(&stored.line) {
            self.count("lines known to be refused");
        }
        match (self.audit.judge(to, number, stored), transaction) {
            (Err(wrong), None) => self.find(format!("{to:?} record of {partition}/{offset} {wrong}")),
            // A zombie that has heard what its successor committed goes on there, without what its sources said between;
            // it is wrong only when that counts.
            (Err(wrong), Some(transaction)) => {
                self.audit.wrong.entry(transaction).or_insert(format!("{to:?} record of {partition}/{offset} {wrong}"));
            }
            (Ok(Some(rules)), Some(transaction)) if *self.audit.rules.entry(transaction).or_insert(rules) != rules => {
                self.find(format!("transaction {transaction} was judged by two sets of rules"));
            }
            _ => {}
        }
        if self.mode == Mode::AtLeastOnce {
            self.repeats(partition, offset, stored.tenure);
        }
    }

    fn repeats(&mut self, partition: usize, offset: i64, tenure: usize) {
        let Some(index) = self.audit.index(partition, offset) else { return };
        let line = &mut self.audit.lines[partition][index];
        line.copies += 1;
        let before = line.tenure.replace(tenure);
        self.audit.tenures[tenure].published.insert(offset);
        let Some(before) = before else { return };
        self.count("lines repeated");
        if before == tenure {
            self.find(format!("{partition}/{offset} is published twice under one assignment"));
        } else if !self.audit.tenures[before].is_excused && !self.audit.tenures[tenure].is_excused {
            self.find(format!("{partition}/{offset} is published again, and nothing went wrong"));
        }
    }

    /// The group has an offset.
    pub(super) fn offset_taken(&mut self, partition: usize, offset: i64, note: &str) {
        self.tell("group", || format!("has {offset} for partition {partition}"));
        if self.mode == Mode::AtLeastOnce {
            self.settle(partition, offset, note);
        }
    }

    fn settle(&mut self, partition: usize, offset: i64, note: &str) {
        if self.end(partition, self.now) < Some(offset) {
            self.find(format!("partition {partition} has no {offset} yet, and it is committed"));
        }
        let end = self.audit.lines[partition].partition_point(|line| line.offset < offset);
        if end < self.audit.settled[partition] {
            return self.find(format!("partition {partition} goes back to {offset}"));
        }
        let missing = (self.audit.settled[partition]..end)
            .map(|index| &self.audit.lines[partition][index])
            .find(|line| line.copies == 0 && !line.is_left_out())
            .map(|line| line.offset);
        if let Some(missing) = missing {
            self.find(format!("{partition}/{missing} is lost: {offset} is committed"));
        }
        let settled = std::mem::replace(&mut self.audit.settled[partition], end);
        self.check_matches(partition, settled..end, note);
    }

    /// A transaction counts from now on.
    pub(super) fn decided(&mut self, transaction: usize) {
        if let Some(wrong) = self.audit.wrong.remove(&transaction) {
            self.find(wrong);
        }
        let decided = &self.broker.transactions[transaction];
        let (lines, offsets) = (decided.lines.clone(), decided.offsets.clone());
        let bound = self.clients.iter().map(|client| client.in_flight).max().unwrap_or(0);
        if lines.len() > bound {
            self.find(format!("transaction {transaction} holds {} lines, more than {bound}", lines.len()));
        }
        for (partition, offset) in lines {
            let Some(index) = self.audit.index(partition, offset) else { continue };
            let line = &mut self.audit.lines[partition][index];
            line.copies += 1;
            if line.copies > 1 {
                self.find(format!("{partition}/{offset} counts twice"));
            }
            if offsets.get(&partition).is_none_or(|(end, _)| offset >= *end) {
                self.find(format!("{partition}/{offset} counts without its offset, in transaction {transaction}"));
            }
        }
        self.matches_decided(transaction, &offsets);
        for (partition, (offset, note)) in offsets {
            self.settle(partition, offset, &note);
        }
    }

    /// What a client published and the group does not know of is bounded.
    pub(super) fn check_bound(&mut self, client: usize) {
        if self.mode == Mode::ExactlyOnce {
            return;
        }
        let tenures: Vec<(usize, usize)> =
            self.clients[client].owned.iter().map(|(partition, fetch)| (*partition, fetch.tenure)).collect();
        let repeatable: usize = tenures
            .iter()
            .map(|(partition, tenure)| {
                let committed = self.group.offsets[*partition].unwrap_or(0);
                self.audit.tenures[*tenure].published.range(committed..).count()
            })
            .sum();
        let bound = self.clients[client].in_flight;
        if repeatable > bound {
            self.find(format!("w{client} has published {repeatable} lines that are not committed, more than {bound}"));
        }
    }

    /// An assignment ends.
    pub(super) fn tenure_ends(&mut self, client: usize, partition: usize, tenure: usize, was_kept: bool) {
        self.audit.current.remove(&(client, partition));
        self.audit.tenures[tenure].is_excused |= was_kept;
        if self.mode == Mode::ExactlyOnce || self.audit.tenures[tenure].is_excused {
            return;
        }
        let committed = self.group.offsets[partition].unwrap_or(0);
        let left = self.audit.tenures[tenure].published.range(committed..).next().copied();
        // A line before it that could not be published in time keeps the rest from being committed.
        let first = self.inputs[partition].iter().map(|line| line.offset).find(|offset| *offset >= committed);
        self.audit.tenures[tenure].is_excused |= left.is_some() && first != left;
        if let Some(offset) = left.filter(|left| first == Some(*left)) {
            self.find(format!("w{client} gives partition {partition} up, {offset} published and not committed"));
        }
    }

    /// Everything is done for, and in order.
    pub(in crate::flow) fn check_end(&mut self) {
        for partition in 0..self.audit.lines.len() {
            let lines = &self.audit.lines[partition];
            let lost = lines.iter().find(|line| line.copies == 0 && !line.is_left_out()).map(|line| line.offset);
            if let Some(offset) = lost {
                self.find(format!("{partition}/{offset} is lost at last"));
            }
        }
        self.check_watermarks();
        let mut latest: BTreeMap<usize, i64> = BTreeMap::new();
        let mut seen: BTreeSet<(usize, i64)> = BTreeSet::new();
        for number in 0..self.audit.output_partitions {
            let order: Vec<_> = self.broker.committed(To::Output, number).map(|stored| stored.line).collect();
            for (partition, offset) in order {
                let resent = self.mode == Mode::AtLeastOnce && self.audit.overtaken.contains(&(partition, offset));
                if !seen.insert((partition, offset)) || resent {
                    continue;
                }
                if latest.insert(partition, offset).is_some_and(|before| before > offset) {
                    self.find(format!("{partition}/{offset} comes too late on the output"));
                }
            }
        }
    }
}
