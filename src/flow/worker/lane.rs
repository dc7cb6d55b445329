//! The partitions that a worker has: each with its ledger, and with what its sources said earlier.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::trouble::Refused;
use crate::alert::{Clock, Watermark};
use crate::engine::Memory;
use crate::flow::Failure;
use crate::flow::ledger::{LANES, Ledger, Ticket};
use crate::flow::real_time::Fresh;
use crate::flow::record::Line;
use crate::flow::status::{LaneStatus, WorkerStatus};
use crate::flow::transport::{Mark, Partition, Source, Standing};

/// One assigned partition.
pub(super) struct Lane {
    pub(super) partition: Partition,
    pub(super) ledger: Ledger,
    pub(super) memory: Memory,
    pub(super) evicted: u64,
    /// Where reading began; `None` at the beginning of the partition.
    start: Option<i64>,
    /// What the group has, as far as we know.
    committed: Option<i64>,
    /// The first line opened since the last commit, and since the last batch began.
    first: Option<i64>,
    /// The same of the batch ahead.
    first_ahead: Option<i64>,
    expected: Option<Expected>,
    /// The clock of the partition, all lines opened seen.
    pub(super) clock: Clock,
    /// What it was at `committed`.
    committed_clock: Clock,
    /// The timestamps that waited for a second one behind lines opened since then, by those lines' offsets.
    waiting: VecDeque<(i64, Option<i64>)>,
    /// No record is from later than this, as far as is known.
    latest_ms: i64,
    /// Lines that come as they happen.
    pub(super) fresh: Fresh,
    /// The last record whose timestamp was not believed.
    doubt: Option<Doubt>,
    /// It is committed with each offset: somebody counts alerts.
    keeps_clock: bool,
    /// Lines that cannot go as they are when they come again.
    poison: BTreeMap<i64, Refused>,
    /// Lines that may be such ones.
    suspects: BTreeSet<i64>,
    pub(super) last_timestamp_ms: i64,
    pub(super) status: Arc<LaneStatus>,
}

/// A record whose timestamp was not believed, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    /// It is from later than now; else it is far ahead of those before it, and those behind it do not bear it out.
    pub(super) is_future: bool,
}

/// After going elsewhere: the line that should come. Lines that the client had fetched before may still come first, and
/// taking one of them for the next would lose what is between.
#[derive(Debug, Clone, Copy)]
struct Expected {
    offset: i64,
    /// The first of what came in its place. When that comes once more, it is what there is: the topic has a gap.
    instead: Option<i64>,
}

impl Expected {
    fn new(offset: i64) -> Self {
        Self { offset, instead: None }
    }
}

/// What to do with a line that came.
pub(super) enum Admission {
    /// It is the next one.
    Next,
    /// It came before.
    Repeat,
    /// One before it is missing: go back to this offset, or to the beginning.
    TooFar(Option<i64>),
}

impl Lane {
    /// Whether a line may be opened.
    pub(super) fn admit(&mut self, offset: i64) -> Admission {
        let before_start = self.start.is_some_and(|start| offset < start);
        if before_start || self.ledger.last_seen().is_some_and(|last| offset <= last) {
            return Admission::Repeat;
        }
        let too_far = |expected: &&mut Expected| offset > expected.offset && expected.instead != Some(offset);
        if let Some(expected) = self.expected.as_mut().filter(too_far) {
            expected.instead = Some(expected.instead.map_or(offset, |instead| instead.min(offset)));
            return Admission::TooFar(self.start);
        }
        Admission::Next
    }

    /// Whether a line that was admitted still is.
    pub(super) fn is_next(&self, offset: i64) -> bool {
        let is_behind =
            self.start.is_none_or(|start| offset >= start) && self.ledger.last_seen().is_none_or(|last| offset > last);
        is_behind && self.expected.is_none_or(|known| offset <= known.offset || known.instead == Some(offset))
    }

    /// Reads a line that was admitted once more, and those after it, as nothing could be done with it now.
    fn put_back<S: Source>(&mut self, source: &S, offset: i64) -> Result<(), Failure> {
        self.expected = Some(Expected::new(offset));
        source.rewind(&[(self.partition.clone(), Some(offset))])
    }

    /// Opens a line that was admitted.
    pub(super) fn open(&mut self, line: &Line<'_>) -> Option<Ticket> {
        self.expected = None;
        self.first.get_or_insert(line.offset);
        self.last_timestamp_ms = line.timestamp_ms;
        self.fresh.see(line.timestamp_ms);
        let waited = self.clock.ahead();
        let is_believed = self.clock.see_by(line.timestamp_ms, self.latest_ms);
        if !is_believed {
            // One that waits for a second one is remembered.
            let is_future = self.clock.ahead() == waited;
            self.doubt = Some(Doubt { offset: line.offset, timestamp_ms: line.timestamp_ms, is_future });
        }
        if self.clock.ahead() != waited {
            self.waiting.push_back((line.offset, self.clock.ahead()));
        }
        let ticket = self.ledger.open(line.offset, line.timestamp_ms);
        self.ledger.counts_as(self.clock.now().unwrap_or(-1));
        ticket
    }

    /// A record that is certainly not to be believed, once.
    pub(super) fn doubted(&mut self, offset: i64) -> Option<Doubt> {
        let doubt = self.doubt?;
        let is_past = doubt.offset < offset;
        if is_past && self.clock.ahead().is_none() {
            self.doubt = None;
        }
        self.doubt.take_if(|doubt| doubt.is_future || is_past)
    }

    /// All lines before `offset` came; what stands between the last of them and `offset` is none.
    pub(super) fn reach(&mut self, offset: i64) {
        if offset > self.next().unwrap_or(0) {
            self.expected = None;
            self.ledger.reach(offset);
        }
    }

    /// Why a line cannot go as it is, when it cannot.
    pub(super) fn poison(&self, offset: i64) -> Option<Refused> {
        // Nearly always there is none.
        if self.poison.is_empty() { None } else { self.poison.get(&offset).cloned() }
    }

    /// A record of the line at `offset` was refused with its batch.
    pub(super) fn suspect(&mut self, offset: i64) {
        self.suspects.insert(offset);
    }

    /// Whether it may be the one that a batch was refused for.
    pub(super) fn is_suspect(&self, offset: i64) -> bool {
        !self.suspects.is_empty() && self.suspects.contains(&offset)
    }

    /// From now on the line at `offset` goes another way.
    pub(super) fn condemn(&mut self, offset: i64, refused: Refused) {
        self.suspects.remove(&offset);
        self.poison.insert(offset, refused);
    }

    /// The offset to commit, when there is a new one, or a new clock of the same.
    fn news(&self) -> Option<Mark> {
        let clock = self.settled_clock();
        let offset = self.ledger.commit().filter(|offset| self.committed.is_none_or(|committed| *offset > committed));
        let moved = || self.committed.filter(|_| self.keeps_clock && clock.now() > self.committed_clock.now());
        Some(Mark {
            lane: self.ledger.lane(),
            partition: self.partition.clone(),
            offset: offset.or_else(moved)?,
            lines: self.ledger.uncommitted(),
            note: if self.keeps_clock { clock.to_metadata() } else { String::new() },
        })
    }

    /// The clock at the offset to commit. With nothing on its way, all lines opened are before that.
    fn settled_clock(&self) -> Clock {
        if self.ledger.unsettled() == 0 {
            return self.clock;
        }
        let Some(end) = self.ledger.commit() else { return self.committed_clock };
        let settled = Some(self.ledger.settled_ms()).filter(|settled| *settled >= 0);
        let waited = self.waiting.iter().rev().find(|(offset, _)| *offset < end).map(|(_, ahead)| *ahead);
        Clock::at(settled.max(self.committed_clock.now()), waited.unwrap_or(self.committed_clock.ahead()))
    }

    /// How far it is; nothing before the first line.
    pub(super) fn watermark(&self, inputs: &[(String, i32)]) -> Option<Watermark> {
        Some(Watermark {
            topic: self.partition.topic.to_string(),
            partition: self.partition.number,
            offset: self.next().unwrap_or(0),
            clock: self.clock.now()?,
            inputs: inputs.to_vec(),
        })
    }

    /// What the group has, as far as we know.
    pub(super) fn committed(&self) -> Option<i64> {
        self.committed
    }

    /// The offset to be read next, as far as it can be known.
    pub(super) fn next(&self) -> Option<i64> {
        self.ledger.last_seen().map(|offset| offset + 1).or(self.start)
    }

    /// The group has `offset`.
    fn commit(&mut self, offset: i64, lines: usize, note: &str) {
        self.committed = Some(offset);
        self.committed_clock = Clock::from_metadata(note);
        self.waiting.retain(|(waiting, _)| *waiting >= offset);
        self.ledger.committed(lines);
        self.memory.settle(offset);
        self.poison = self.poison.split_off(&offset);
        self.suspects = self.suspects.split_off(&offset);
        for first in [&mut self.first, &mut self.first_ahead] {
            *first = first.filter(|first| *first >= offset);
        }
    }

    /// Forgets what was opened since the last commit; it will be read again.
    fn go_back(&mut self, lane: u32) {
        self.start = self.committed.or(self.start);
        self.memory.tell_again();
        self.ledger = Ledger::new(lane);
        self.clock = self.committed_clock;
        self.waiting.clear();
        self.doubt = None;
        // Gone back before, and nothing read since: the same line is still waited for.
        let expected = self.expected.map(|expected| expected.offset);
        let first = [self.first_ahead.take(), self.first.take(), expected]
            .into_iter()
            .flatten()
            .filter(|first| self.start.is_none_or(|start| *first >= start))
            .min();
        self.expected = Some(Expected::new(first.or(self.start).unwrap_or(0)));
    }
}

/// All lanes of a worker.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Index of the lane used last: lines, and their acknowledgements, come in runs of one partition.
    current: usize,
    next_number: u32,
    /// What [`Lane::latest_ms`] is from the beginning on.
    latest_ms: Option<i64>,
}

impl Lanes {
    /// The lane of a partition, `None` when it is not ours.
    pub(super) fn find(&mut self, topic: &str, number: i32) -> Option<&mut Lane> {
        self.find_by(|lane| lane.partition.number == number && *lane.partition.topic == *topic)
    }

    /// The lane that opened a ticket, `None` when its partition was given up since, or is read again.
    pub(super) fn of(&mut self, ticket: &Ticket) -> Option<&mut Lane> {
        self.find_by(|lane| lane.ledger.lane() == ticket.lane())
    }

    fn find_by(&mut self, fits: impl Fn(&Lane) -> bool) -> Option<&mut Lane> {
        if !self.lanes.get(self.current).is_some_and(&fits) {
            self.current = self.lanes.iter().position(fits)?;
        }
        self.lanes.get_mut(self.current)
    }

    fn number(&mut self) -> u32 {
        let number = self.next_number;
        self.next_number = (number + 1) % LANES;
        number
    }

    /// Reads a line once more, and those after it, that came when nothing could be done with it. False when there is no
    /// need to.
    pub(super) fn read_again<S: Source>(
        &mut self,
        source: &S,
        partition: &Partition,
        offset: i64,
    ) -> Result<bool, Failure> {
        let Some(lane) = self.find(&partition.topic, partition.number) else { return Ok(false) };
        match lane.admit(offset) {
            Admission::Repeat => return Ok(false),
            Admission::TooFar(start) => {
                // The right one may have come behind it, and before it comes again the wrong one may: that proves nothing.
                lane.expected = lane.expected.map(|expected| Expected::new(expected.offset));
                source.rewind(&[(partition.clone(), start)])?;
            }
            Admission::Next => lane.put_back(source, offset)?,
        }
        Ok(true)
    }

    /// Begins a lane, at an offset and with the note that was committed with it. Where alerts are counted, its clock is
    /// kept from then on.
    pub(super) fn open(
        &mut self,
        (partition, start): (Partition, Option<i64>),
        note: &str,
        memory: Memory,
        keeps_clock: bool,
        status: &WorkerStatus,
    ) {
        let number = self.number();
        let clock = Clock::from_metadata(note);
        self.lanes.push(Lane {
            status: status.add(partition.topic.clone(), partition.number, start.unwrap_or(-1)),
            partition,
            ledger: Ledger::new(number),
            evicted: memory.evicted(),
            memory,
            start,
            committed: start,
            first: None,
            first_ahead: None,
            expected: Some(Expected::new(start.unwrap_or(0))),
            clock,
            committed_clock: clock,
            waiting: VecDeque::new(),
            latest_ms: self.latest_ms.unwrap_or(i64::MAX),
            fresh: Fresh::default(),
            doubt: None,
            keeps_clock,
            poison: BTreeMap::new(),
            suspects: BTreeSet::new(),
            last_timestamp_ms: -1,
        });
    }

    /// Ends the lanes of partitions that are ours no more.
    pub(super) fn forget(&mut self, partitions: &[Partition], status: &WorkerStatus) {
        self.lanes.retain(|lane| {
            let goes = partitions.contains(&lane.partition);
            if goes {
                status.remove(&lane.status);
            }
            !goes
        });
    }

    /// Begins anew, at what is committed, all lanes that are to be read on elsewhere; returns where they are to be read
    /// from. That may be further on, when another one did what we thought to be ours.
    pub(super) fn go_back(&mut self) -> Vec<(Partition, Option<i64>)> {
        let read_on = |lane: &Lane| lane.next() != lane.committed.or(lane.start);
        let numbers: Vec<u32> = (0..self.lanes.len()).map(|_| self.number()).collect();
        let moved = self.lanes.iter_mut().zip(numbers).filter(|(lane, _)| read_on(lane));
        moved
            .map(|(lane, number)| {
                lane.go_back(number);
                (lane.partition.clone(), lane.start)
            })
            .collect()
    }

    /// The group says what it has, for each of [`Lanes::partitions`]; where it has nothing, nothing is known.
    pub(super) fn learned(&mut self, committed: Vec<Option<Standing>>) {
        for (lane, committed) in self.lanes.iter_mut().zip(committed) {
            if let Some(Standing { offset, note }) = committed {
                // The transaction of which nothing was known has counted: then so has all that was published.
                let all = lane.ledger.commit() == Some(offset);
                lane.commit(offset, if all { lane.ledger.uncommitted() } else { 0 }, &note);
            }
        }
    }

    /// No record is from later than this.
    pub(super) fn none_is_later(&mut self, than_ms: i64) {
        self.latest_ms = Some(than_ms);
        self.lanes.iter_mut().for_each(|lane| lane.latest_ms = than_ms);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut()
    }

    /// No partition is ours.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The partitions that are ours.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        self.lanes.iter().map(|lane| lane.partition.clone()).collect()
    }

    /// What is to be committed.
    pub(super) fn news(&self) -> Vec<Mark> {
        self.lanes.iter().filter_map(Lane::news).collect()
    }

    /// Lines opened from now on are those of the next batch.
    pub(super) fn next_batch(&mut self) {
        for lane in &mut self.lanes {
            lane.first_ahead = lane.first_ahead.or(lane.first);
            lane.first = None;
        }
    }

    /// The group has these. A lane that was ended since, and perhaps begun anew, is not meant.
    pub(super) fn committed(&mut self, marks: &[Mark]) {
        for mark in marks {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.ledger.lane() == mark.lane) {
                lane.commit(mark.offset, mark.lines, &mark.note);
            }
        }
    }

    /// Lines read and not settled.
    pub(super) fn unsettled(&self) -> usize {
        self.lanes.iter().map(|lane| lane.ledger.unsettled()).sum()
    }

    /// Lines published and settled that the group does not know of yet.
    pub(super) fn uncommitted(&self) -> usize {
        self.lanes.iter().map(|lane| lane.ledger.uncommitted()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::record::{Headers, Seen};
    use crate::flow::status::Status;

    const MINUTE: i64 = 60_000;

    fn line(offset: i64, timestamp_ms: i64) -> Line<'static> {
        let headers = Seen::Known(Headers::default());
        Line { topic: "logs", partition: 0, offset, key: None, value: None, timestamp_ms, headers }
    }

    /// Whatever is acknowledged in which order, what is committed is the clock that the lines before the offset make.
    #[test]
    fn the_clock_that_is_committed_is_that_of_the_lines_before_the_offset() {
        let engine = crate::engine::Engine::new(
            crate::pack::parse(&crate::pack::builtin()).0.unwrap(),
            crate::engine::Settings::default(),
        )
        .unwrap();
        let status = Status::default();
        let (mut leaps, mut commits) = (0, 0);
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let partition = Partition { topic: "logs".into(), number: 0 };
            let mut lanes = Lanes::default();
            let worker = status.add_worker();
            lanes.open((partition, None), "", engine.memory(), true, &worker);
            let lane = &mut lanes.lanes[0];
            let (mut timestamps, mut open, mut now) = (Vec::new(), Vec::new(), 0);
            for offset in 0..60 {
                now += random.i64(0..2 * MINUTE);
                timestamps.push(if random.u8(0..6) == 0 { now + random.i64(0..30 * MINUTE) } else { now });
                open.extend(lane.open(&line(offset, timestamps[offset as usize])));
                if random.bool() && !open.is_empty() {
                    let ticket = open.swap_remove(random.usize(0..open.len()));
                    lane.ledger.settle(ticket).unwrap();
                }
                let Some(mark) = lane.news().filter(|_| random.u8(0..3) == 0) else { continue };
                let mut clock = Clock::default();
                timestamps[..mark.offset as usize].iter().for_each(|timestamp| _ = clock.see(*timestamp));
                assert_eq!(Clock::from_metadata(&mark.note), clock, "seed {seed}, offset {}", mark.offset);
                leaps += usize::from(clock.ahead().is_some());
                commits += 1;
                lane.commit(mark.offset, mark.lines, &mark.note);
            }
        }
        assert!(commits > 500 && leaps > 100, "{leaps} of {commits}");
    }
}
