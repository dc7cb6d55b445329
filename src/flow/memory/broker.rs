//! What the brokers keep: the topics that workers write, and transactions as they were before KIP-890.
//!
//! A transaction is decided at one moment and seen to have ended at others, partition by partition. Its end is asked for
//! by name and epoch and by nothing else; so a request that comes late ends whatever is open under that name by then,
//! unless the epoch has gone on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Due, SESSION, World};
use crate::flow::transport::To;

/// The topics that workers write.
const TOPICS: [To; 4] = [To::Output, To::DeadLetter, To::State, To::Matches];

/// A partition of a topic that workers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::flow) struct Place {
    /// Index into [`TOPICS`].
    topic: u8,
    pub(super) number: i32,
}

impl Place {
    pub(super) fn new(to: To, number: i32) -> Self {
        let topic = match to {
            To::Output => 0,
            To::DeadLetter => 1,
            To::State => 2,
            To::Matches => 3,
        };
        Self { topic, number }
    }

    pub(super) fn to(self) -> To {
        TOPICS[usize::from(self.topic)]
    }
}

/// A record on a topic.
#[derive(Debug, Clone)]
pub(in crate::flow) struct Stored {
    pub(in crate::flow) timestamp_ms: i64,
    pub(in crate::flow) key: Option<Vec<u8>>,
    pub(in crate::flow) value: Option<Vec<u8>>,
    pub(in crate::flow) added: Vec<(&'static str, Vec<u8>)>,
    /// Partition and offset of the line that it is of.
    pub(super) line: (usize, i64),
    /// The assignment of the partition under which it was sent.
    pub(super) tenure: usize,
}

/// An offset of a partition.
#[derive(Debug)]
pub(in crate::flow) enum Slot {
    Record(Stored, Option<usize>),
    /// The end of a transaction, or something that compaction removed.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Decided, and not seen everywhere.
    Ending(bool),
    Ended(bool),
}

#[derive(Debug)]
pub(super) struct Transaction {
    tid: usize,
    state: State,
    places: BTreeSet<Place>,
    pub(super) offsets: BTreeMap<usize, (i64, String)>,
    /// Where they stand among all offsets sent: of two transactions, the later ones hold, whichever is seen to end first.
    offsets_at: u64,
    offsets_pending: bool,
    markers: usize,
    /// Lines on output and dead letter.
    pub(super) lines: Vec<(usize, i64)>,
    /// It holds something besides watermarks.
    is_of_lines: bool,
}

/// A transactional name.
#[derive(Debug, Default)]
struct Name {
    epoch: u32,
    ongoing: Option<usize>,
    last: Option<bool>,
}

/// Why a request about a transaction was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Fenced,
    Invalid,
}

#[derive(Debug, Default)]
pub(in crate::flow) struct Broker {
    pub(in crate::flow) places: BTreeMap<Place, Vec<Slot>>,
    pub(super) transactions: Vec<Transaction>,
    names: Vec<Name>,
    /// Which offsets hold, by partition, see [`Transaction::offsets_at`].
    offsets_at: BTreeMap<usize, u64>,
    /// Until when a place takes nothing, microseconds.
    pub(super) stalled: BTreeMap<Place, u64>,
    /// Until when a topic is not there.
    pub(super) missing: BTreeMap<u8, u64>,
}

impl Broker {
    pub(super) fn is_missing(&self, place: Place, now: u64) -> bool {
        self.missing.get(&place.topic).is_some_and(|until| now < *until)
    }

    pub(super) fn miss(&mut self, to: To, until: u64) {
        self.missing.insert(Place::new(to, 0).topic, until);
    }

    /// A new transactional name.
    pub(in crate::flow) fn name(&mut self) -> usize {
        self.names.push(Name::default());
        self.names.len() - 1
    }

    pub(super) fn epoch(&self, tid: usize) -> u32 {
        self.names[tid].epoch
    }

    /// The transaction under a name is decided, and its end not seen everywhere.
    pub(super) fn is_ending(&self, tid: usize) -> bool {
        self.names[tid].ongoing.is_some_and(|ongoing| self.transactions[ongoing].state != State::Open)
    }

    /// Records of a place that count, oldest first.
    pub(in crate::flow) fn committed(&self, to: To, number: i32) -> impl Iterator<Item = &Stored> {
        let slots = self.places.get(&Place::new(to, number)).into_iter().flatten();
        slots.filter_map(|slot| match slot {
            Slot::Record(stored, None) => Some(stored),
            Slot::Record(stored, Some(transaction)) => {
                matches!(self.transactions[*transaction].state, State::Ending(true) | State::Ended(true))
                    .then_some(stored)
            }
            Slot::Nothing => None,
        })
    }

    /// Some record before `end` belongs to a transaction whose end is not seen here yet.
    pub(super) fn is_open_before(&self, place: Place, end: usize) -> bool {
        self.places.get(&place).into_iter().flatten().take(end).any(|slot| match slot {
            Slot::Record(_, Some(transaction)) => {
                let transaction = &self.transactions[*transaction];
                matches!(transaction.state, State::Open | State::Ending(_)) && transaction.places.contains(&place)
            }
            _ => false,
        })
    }

    /// What a transaction wrote to a topic, with the partitions.
    pub(super) fn records_of(&self, transaction: usize, to: To) -> Vec<(i32, Stored)> {
        let places = self.places.iter().filter(|(place, _)| place.to() == to);
        let of_it = |slot: &Slot| match slot {
            Slot::Record(stored, Some(of)) if *of == transaction => Some(stored.clone()),
            _ => None,
        };
        places.flat_map(|(place, slots)| slots.iter().filter_map(of_it).map(|stored| (place.number, stored))).collect()
    }

    pub(super) fn has_nothing_open(&self, tid: usize) -> bool {
        self.names[tid].ongoing.is_none()
    }

    pub(super) fn end(&self, place: Place) -> usize {
        self.places.get(&place).map_or(0, Vec::len)
    }

    /// Offsets of a partition are on their way.
    pub(super) fn are_offsets_pending(&self, partition: usize) -> bool {
        self.transactions.iter().any(|one| one.offsets_pending && one.offsets.contains_key(&partition))
    }

    /// Nothing is open but watermarks, which go on for ever.
    pub(in crate::flow) fn is_quiet(&self) -> bool {
        self.names.iter().all(|name| name.ongoing.is_none_or(|ongoing| !self.transactions[ongoing].is_of_lines))
    }
}

impl World {
    /// The transaction that is open under a name; opens it.
    fn ongoing(&mut self, tid: usize) -> usize {
        if let Some(ongoing) = self.broker.names[tid].ongoing {
            return ongoing;
        }
        self.broker.transactions.push(Transaction {
            tid,
            state: State::Open,
            places: BTreeSet::new(),
            offsets: BTreeMap::new(),
            offsets_at: 0,
            offsets_pending: false,
            markers: 0,
            lines: Vec::new(),
            is_of_lines: false,
        });
        let transaction = self.broker.transactions.len() - 1;
        self.broker.names[tid].ongoing = Some(transaction);
        self.after(SESSION, Due::Expire(transaction));
        transaction
    }

    /// Appends a record. With a transactional name, as part of what is open under it.
    pub(super) fn append(&mut self, place: Place, stored: Stored, tid: Option<usize>) {
        let transaction = tid.map(|tid| self.ongoing(tid));
        if let Some(transaction) = transaction {
            let transaction = &mut self.broker.transactions[transaction];
            transaction.places.insert(place);
            transaction.is_of_lines |= place.to() != To::Matches || stored.key.is_some();
            if matches!(place.to(), To::Output | To::DeadLetter) {
                transaction.lines.push(stored.line);
            }
        }
        self.appended(place.to(), place.number, &stored, transaction);
        self.broker.places.entry(place).or_default().push(Slot::Record(stored, transaction));
    }

    /// Adds offsets to what is open under a name.
    pub(super) fn add_offsets(&mut self, tid: usize, offsets: &[(usize, i64, String)]) {
        let transaction = self.ongoing(tid);
        self.number += 1;
        let at = self.number;
        let transaction = &mut self.broker.transactions[transaction];
        let offsets = offsets.iter().cloned().map(|(partition, offset, note)| (partition, (offset, note)));
        transaction.offsets.extend(offsets);
        transaction.offsets_pending = true;
        transaction.offsets_at = at;
    }

    /// Ends what is open under a name, as its holder asked.
    pub(super) fn end_transaction(&mut self, tid: usize, epoch: u32, commit: bool) -> Result<(), Refusal> {
        let name = &self.broker.names[tid];
        if name.epoch != epoch {
            return Err(Refusal::Fenced);
        }
        match name.ongoing {
            Some(ongoing) if self.broker.transactions[ongoing].state == State::Open => {
                self.decide(ongoing, commit);
                Ok(())
            }
            Some(_) => Err(Refusal::Invalid),
            None if name.last == Some(commit) => Ok(()),
            None => Err(Refusal::Invalid),
        }
    }

    fn decide(&mut self, transaction: usize, commit: bool) {
        self.tell("broker", || format!("transaction {transaction} {}", if commit { "committed" } else { "aborted" }));
        self.count(if commit { "transactions committed" } else { "transactions aborted" });
        let ended = &mut self.broker.transactions[transaction];
        ended.state = State::Ending(commit);
        let places: Vec<Option<Place>> = ended.places.iter().copied().map(Some).chain([None]).collect();
        ended.markers = places.len();
        if commit {
            self.decided(transaction);
        }
        for place in places {
            let latency = self.latency();
            self.after(latency, Due::Marker(transaction, place));
        }
    }

    pub(super) fn marker(&mut self, transaction: usize, place: Option<Place>) {
        let ended = &mut self.broker.transactions[transaction];
        let State::Ending(commit) = ended.state else { return };
        ended.markers -= 1;
        match place {
            Some(place) => {
                ended.places.remove(&place);
                self.broker.places.entry(place).or_default().push(Slot::Nothing);
            }
            None => {
                ended.offsets_pending = false;
                let (offsets, at) = if commit { (ended.offsets.clone(), ended.offsets_at) } else { Default::default() };
                for (partition, (offset, note)) in offsets {
                    let latest = self.broker.offsets_at.entry(partition).or_default();
                    if *latest <= at {
                        *latest = at;
                        self.take_offset(partition, offset, note);
                    }
                }
            }
        }
        let ended = &mut self.broker.transactions[transaction];
        if ended.markers == 0 {
            ended.state = State::Ended(commit);
            let name = &mut self.broker.names[ended.tid];
            name.ongoing = None;
            name.last = Some(commit);
        }
    }

    /// The coordinator's patience is over.
    pub(super) fn expire(&mut self, transaction: usize) {
        let Transaction { tid, state: State::Open, .. } = self.broker.transactions[transaction] else { return };
        self.tell("broker", || format!("transaction {transaction} timed out"));
        self.count("transactions timed out");
        self.fence(tid);
    }

    /// Nothing that the holder of a name asked for, or will ask for, counts any more.
    pub(super) fn fence(&mut self, tid: usize) {
        self.broker.names[tid].epoch += 1;
        if let Some(ongoing) = self.broker.names[tid].ongoing
            && self.broker.transactions[ongoing].state == State::Open
        {
            self.decide(ongoing, false);
        }
    }

    /// A request that nobody waits for any more.
    pub(super) fn late_end(&mut self, tid: usize, epoch: u32, commit: bool) {
        let done = self.end_transaction(tid, epoch, commit);
        self.tell("broker", || format!("a late end of a transaction of name {tid}: {done:?}"));
        self.count(if done.is_ok() { "late ends done" } else { "late ends refused" });
    }

    /// A new producer asks for its epoch. `None`: not yet.
    pub(super) fn new_epoch(&mut self, tid: usize) -> Option<u32> {
        if self.broker.names[tid].ongoing.is_some() {
            if !self.broker.is_ending(tid) {
                self.fence(tid);
            }
            return None;
        }
        self.broker.names[tid].epoch += 1;
        Some(self.broker.names[tid].epoch)
    }

    /// Keeps only the latest record of each key of a state partition.
    pub(super) fn compact(&mut self, number: i32) {
        let place = Place::new(To::State, number);
        if self.broker.is_open_before(place, usize::MAX) {
            return;
        }
        let mut latest: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let is_aborted = |one: &Transaction| matches!(one.state, State::Ending(false) | State::Ended(false));
        let aborted: Vec<bool> = self.broker.transactions.iter().map(is_aborted).collect();
        let slots = self.broker.places.entry(place).or_default();
        for (offset, slot) in slots.iter_mut().enumerate() {
            match slot {
                Slot::Record(_, Some(transaction)) if aborted[*transaction] => *slot = Slot::Nothing,
                Slot::Record(Stored { key: Some(key), .. }, _) => {
                    latest.insert(key.clone(), offset);
                }
                _ => {}
            }
        }
        for (offset, slot) in slots.iter_mut().enumerate() {
            if let Slot::Record(Stored { key: Some(key), .. }, _) = slot
                && latest.get(key) != Some(&offset)
            {
                *slot = Slot::Nothing;
            }
        }
        self.count("compactions");
    }
}

impl World {
    /// A partition takes nothing for a while.
    pub(in crate::flow) fn stall(&mut self, to: To, number: i32, time: u64) {
        self.count("stalls");
        self.broker.stalled.insert(Place::new(to, number), self.now + time);
    }

    /// A topic is not there for a while.
    pub(in crate::flow) fn miss(&mut self, to: To, time: u64) {
        self.broker.miss(to, self.now + time);
    }

    /// Somebody else takes a transactional name.
    pub(in crate::flow) fn rival(&mut self, tid: usize) {
        self.count("rivals");
        self.fence(tid);
    }
}
