//! Bugs on purpose: a source and a sink that lie to the worker in ways that make it behave as if it had a certain bug.
//! The simulation must find each of them; what it would not find, it would not watch.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::producer::Producer;
use super::{Member, line_of};
use crate::alert;
use crate::flow::Failure;
use crate::flow::kafka::Code;
use crate::flow::ledger::Ticket;
use crate::flow::record::Record;
use crate::flow::returned::Returned;
use crate::flow::transport::{
    Ack, Answer, Delivery, Event, Fate, Fetched, Mark, Partition, Problem, Sink, Source, Standing, Teller, To, Unsent,
};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::flow) enum Planted {
    /// None.
    Nothing,
    /// After an unknown outcome the same producer begins again.
    SameProducer,
    /// After a record was refused the same producer begins again.
    KeepTheGap,
    /// What was done late counts as done, and the producer goes on.
    LateIsDone,
    /// A batch is committed before it is known that the one ahead of it was.
    CommitTogether,
    /// When a batch does not count, the next one goes on.
    GoOnAfterAbort,
    /// Each record of a refused batch is taken for the culprit.
    BlameNeighbours,
    /// What is behind a refused batch goes out before it is sent again.
    Overtake,
    /// What is committed is the last line acknowledged, not the end of an unbroken run.
    CommitLast,
    /// A line counts as published as soon as it is handed over.
    CommitEarly,
    /// What is in flight when partitions are asked back is dropped.
    DropOnRevoke,
    /// A new owner does not look up what sources said.
    ForgetState,
    /// What alerts count is taken for written, and is not.
    LoseMatches,
    /// A watermark tells of lines that nobody has judged.
    ClaimMore,
    /// After going back, any line is taken for the next.
    TakeAnyLine,
    /// How far a partition was read is told once more after going back.
    OldPositions,
    /// What is committed is how far a partition was read.
    CommitPositions,
}

#[derive(Debug, Default)]
struct Lies {
    /// Lines by packed ticket.
    sent: BTreeMap<usize, (usize, i64)>,
    /// The last line acknowledged, by partition.
    acked: BTreeMap<usize, i64>,
    acks: Vec<Ack>,
    read: BTreeMap<usize, i64>,
    /// Lines that were refused once.
    blamed: BTreeSet<(usize, i64)>,
    /// How far partitions were read, and what is to be told of it once more.
    positions: BTreeMap<usize, (Partition, i64)>,
    old_positions: Vec<(Partition, i64)>,
}

/// A source that lies.
pub(in crate::flow) struct LyingSource {
    honest: Member,
    planted: Planted,
    lies: Rc<RefCell<Lies>>,
}

/// A sink that lies.
pub(in crate::flow) struct LyingSink {
    honest: Producer,
    planted: Planted,
    lies: Rc<RefCell<Lies>>,
    /// A commit was asked for, and nobody has heard how it ended.
    commits: Cell<bool>,
}

/// Makes liars of a source and its sinks.
pub(in crate::flow) fn plant(
    planted: Planted,
    source: Member,
    (sink, ahead): (Producer, Option<Producer>),
) -> (LyingSource, (LyingSink, Option<LyingSink>)) {
    let lies = Rc::new(RefCell::new(Lies::default()));
    sink.world.borrow_mut().overtakes = planted == Planted::Overtake;
    let lying = |honest| LyingSink { honest, planted, lies: lies.clone(), commits: Cell::new(false) };
    let sinks = (lying(sink), ahead.map(lying));
    (LyingSource { honest: source, planted, lies }, sinks)
}

impl LyingSink {
    /// Waits until it has ended what it was asked for.
    fn end(&self) -> Fate {
        loop {
            if let Some(fate) = self.honest.ended(Duration::from_millis(1)) {
                return fate;
            }
        }
    }
}

impl LyingSource {
    /// Keeps what is told of positions, and what is to be told once more.
    fn hear(&self, event: Option<&Event>) {
        if let Some(Event::Positions(positions)) = event {
            let by_number = positions.iter().map(|one| (one.0.number as usize, one.clone()));
            self.lies.borrow_mut().positions.extend(by_number);
        }
    }

    fn raised(&self, mut marks: Vec<Mark>) -> Vec<Mark> {
        if self.planted == Planted::CommitPositions {
            let lies = self.lies.borrow();
            for mark in &mut marks {
                let position = lies.positions.get(&(mark.partition.number as usize)).map_or(0, |(_, offset)| *offset);
                mark.offset = mark.offset.max(position);
            }
        }
        if self.planted == Planted::CommitLast {
            let lies = self.lies.borrow();
            for mark in &mut marks {
                let last = lies.acked.get(&(mark.partition.number as usize)).map_or(0, |offset| offset + 1);
                mark.offset = mark.offset.max(last);
            }
        }
        marks
    }
}

impl Source for LyingSource {
    type Delivery<'s> = <Member as Source>::Delivery<'s>;

    fn now(&self) -> Instant {
        self.honest.now()
    }

    fn poll(&self, time: Duration) -> Option<Result<Self::Delivery<'_>, Problem>> {
        let polled = self.honest.poll(time);
        if let Some(Ok(delivery)) = &polled {
            let line = delivery.line();
            self.lies.borrow_mut().read.insert(line.partition as usize, line.offset);
        }
        polled
    }

    fn event(&self) -> Option<Event> {
        let old = std::mem::take(&mut self.lies.borrow_mut().old_positions);
        if !old.is_empty() {
            return Some(Event::Positions(old));
        }
        let event = self.honest.event();
        self.hear(event.as_ref());
        match (self.planted, event) {
            (Planted::DropOnRevoke, Some(Event::Revoked(partitions))) => Some(Event::Lost(partitions)),
            (_, event) => event,
        }
    }

    fn put_back(&self, event: Event) {
        self.honest.put_back(event);
    }

    fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<Standing>>, Failure> {
        self.honest.committed(partitions)
    }

    fn assign(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure> {
        for (partition, _) in starts {
            self.lies.borrow_mut().acked.remove(&(partition.number as usize));
            self.lies.borrow_mut().positions.remove(&(partition.number as usize));
        }
        self.honest.assign(starts)
    }

    fn release(&self, partitions: &[Partition]) -> Result<(), Failure> {
        self.honest.release(partitions)
    }

    fn rewind(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure> {
        // A line that is too far on is answered by going back elsewhere; one that comes at a bad time, to itself.
        if let (Planted::TakeAnyLine, [(partition, start)]) = (self.planted, starts) {
            let read = self.lies.borrow().read.get(&(partition.number as usize)).copied();
            if read != *start {
                return Ok(());
            }
        }
        if self.planted == Planted::OldPositions {
            let lies = &mut *self.lies.borrow_mut();
            let old = starts.iter().filter_map(|(partition, _)| lies.positions.get(&(partition.number as usize)));
            lies.old_positions.extend(old.cloned());
        }
        self.honest.rewind(starts)
    }

    fn pause(&self, partitions: &[Partition], paused: bool) -> Result<(), Failure> {
        self.honest.pause(partitions, paused)
    }

    fn commit(&self, marks: Vec<Mark>) {
        self.honest.commit(self.raised(marks));
    }

    fn commit_answer(&self, wait: Duration) -> Option<Answer> {
        self.honest.commit_answer(wait)
    }

    fn again(&self, partition: &Partition, offset: i64) -> Result<Self::Delivery<'_>, Failure> {
        self.honest.again(partition, offset)
    }

    fn recall(&self, partition: &Partition, waiting: &dyn Fn(), tell: &mut Teller<'_>) -> Result<(), Failure> {
        match self.planted {
            Planted::ForgetState => Ok(()),
            _ => self.honest.recall(partition, waiting, tell),
        }
    }

    fn idle(&self, partition: &Partition) -> Option<i64> {
        self.honest.idle(partition)
    }

    fn inputs(&self) -> Vec<(String, i32)> {
        self.honest.inputs()
    }

    fn trim(&self, needed: Vec<(Partition, i64)>) {
        self.honest.trim(needed);
    }

    fn out_of_range(&self, group: &str, next: &[(Partition, i64)]) -> String {
        self.honest.out_of_range(group, next)
    }

    fn close(self) {
        self.honest.close();
    }
}

/// The same watermark, further on by some lines.
fn claiming_more<'r>(record: &Record<'r>) -> Record<'r> {
    let claim = alert::Record::from_json(record.value.as_deref().unwrap_or_default());
    let Ok(alert::Record::Watermark(mut watermark)) = claim else { return record.clone() };
    watermark.offset += 5;
    let json = alert::Record::Watermark(watermark).to_json();
    Record { value: Some(json.into_bytes().into()), ..record.clone() }
}

/// What becomes of a record that is never sent.
fn untrue(ticket: usize, record: &Record<'_>, refused: Option<Code>) -> Ack {
    let returned = refused.map(|_| Box::new(Returned::of(record, Vec::new())));
    Ack { ticket, weight: record.weight(), to: record.to, refused, returned }
}

impl Sink for LyingSink {
    fn send(&self, record: &Record<'_>, of: Option<&Fetched>, ticket: Ticket) -> Result<(), (Unsent, Ticket)> {
        let packed = ticket.pack();
        if self.planted == Planted::LoseMatches && record.to == To::Matches && record.key.is_some() {
            self.lies.borrow_mut().acks.push(untrue(packed, record, None));
            return Ok(());
        }
        let is_blamed = record.to == To::Output && self.lies.borrow().blamed.contains(&line_of(record));
        if self.planted == Planted::BlameNeighbours && is_blamed {
            self.lies.borrow_mut().acks.push(untrue(packed, record, Some(Code::MessageSizeTooLarge)));
            return Ok(());
        }
        if self.planted == Planted::ClaimMore && record.to == To::Matches && record.key.is_none() {
            return self.honest.send(&claiming_more(record), of, Ticket::unpack(packed));
        }
        self.honest.send(record, of, Ticket::unpack(packed))?;
        let mut lies = self.lies.borrow_mut();
        if record.to != To::State {
            lies.sent.insert(packed, line_of(record));
        }
        if self.planted == Planted::CommitEarly {
            lies.acks.push(untrue(packed, record, None));
        }
        Ok(())
    }

    fn acks(&self, into: &mut Vec<Ack>) {
        let before = into.len();
        self.honest.acks(into);
        let lies = &mut *self.lies.borrow_mut();
        for ack in &into[before..] {
            if let (Some((partition, offset)), None) = (lies.sent.get(&ack.ticket), ack.refused) {
                let last = lies.acked.entry(*partition).or_insert(*offset);
                *last = *offset.max(last);
            }
            if matches!(ack.refused, Some(Code::MessageSizeTooLarge | Code::InvalidTimestamp)) {
                lies.blamed.extend(lies.sent.get(&ack.ticket));
            }
        }
        if self.planted == Planted::CommitEarly {
            into.truncate(before);
        }
        into.append(&mut lies.acks);
    }

    fn wait(&self, time: Duration) {
        self.honest.wait(time);
    }

    fn halt(&self) {
        self.honest.halt();
    }

    fn last_word(&self) -> String {
        self.honest.last_word()
    }

    fn begin(&self) -> Result<(), Fate> {
        if self.planted == Planted::CommitTogether && self.commits.take() {
            match self.end() {
                Fate::Done => {}
                fate => return Err(fate),
            }
        }
        self.honest.begin()
    }

    fn commit(&self, marks: &[Mark]) -> Result<(), Fate> {
        self.commits.set(true);
        self.honest.commit(marks)
    }

    fn abort(&self) {
        self.honest.abort();
    }

    fn renew(&mut self) -> Result<(), Failure> {
        let lies = match (self.planted, self.honest.has_gap()) {
            (Planted::SameProducer, has_gap) => !has_gap,
            (Planted::KeepTheGap, has_gap) => has_gap,
            _ => false,
        };
        if lies {
            self.honest.world.borrow_mut().make_believe(self.honest.sender);
            return Ok(());
        }
        self.honest.renew()
    }

    fn ended(&self, wait: Duration) -> Option<Fate> {
        if self.planted == Planted::CommitTogether && self.commits.get() {
            return Some(Fate::Done);
        }
        match (self.planted, self.honest.ended(wait)) {
            (Planted::LateIsDone, Some(Fate::DoneLate)) => Some(Fate::Done),
            (Planted::GoOnAfterAbort, Some(Fate::Abort(_))) if self.commits.take() => {
                self.honest.abort();
                Some(self.end())
            }
            (_, fate) => {
                self.commits.set(self.commits.get() && fate.is_none());
                fate
            }
        }
    }
}
