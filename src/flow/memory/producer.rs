//! One producer, as a worker holds it, and the way of its records to the brokers.
//!
//! Per partition records arrive in the order in which they were sent, and are acknowledged in that order. A crash leaves
//! a prefix of them on each partition.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::broker::{Place, Refusal, Stored};
use super::{Due, Shared, World, line_of, pulse};
use crate::flow::kafka::Code;
use crate::flow::ledger::Ticket;
use crate::flow::record::Record;
use crate::flow::returned::Returned;
use crate::flow::transport::{Ack, Fate, Fetched, Mark, Sink, To, Unsent};
use crate::flow::{Failure, Mode};

/// A record on its way.
#[derive(Debug)]
struct Pending {
    ticket: usize,
    weight: usize,
    returned: Returned,
    stored: Stored,
}

/// What became of a request to end a transaction on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Straight,
    /// The broker says that it must be aborted.
    Refused,
    Lost,
    /// It arrives, and the answer does not.
    Unheard,
    /// It arrives when nobody waits any more.
    Late,
    /// The client asks again as the connection breaks, is answered, and the first request arrives later.
    Twice,
}

/// A request to end a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    commit: bool,
    way: Way,
}

/// The state of one producer.
#[derive(Debug)]
pub(super) struct Sender {
    client: usize,
    /// The transactional name.
    tid: Option<usize>,
    epoch: Option<u32>,
    is_gone: bool,
    queues: BTreeMap<Place, VecDeque<Pending>>,
    /// When the last acknowledgement of a partition is seen.
    last_ack: BTreeMap<Place, u64>,
    acks: BTreeMap<(u64, u64), Ack>,
    /// A record of the transaction was refused.
    is_spoiled: bool,
    /// The brokers refused a record: one of its numbers is missing, and what comes next would be refused for that.
    has_gap: bool,
    /// Without transactions: a batch was refused, and it takes nothing more.
    has_ended: bool,
    /// Records sent so far.
    sequence: u64,
    /// Something was sent since the transaction began.
    is_used: bool,
    in_transaction: bool,
    /// The end of a commit has not been heard of.
    is_committing: bool,
    offsets: Vec<(usize, i64, String)>,
    /// The member that commits.
    member: (Option<u64>, u32),
    answer: Option<(u64, Fate)>,
}

impl Sender {
    fn new(client: usize, tid: Option<usize>) -> Self {
        Self {
            client,
            tid,
            epoch: None,
            is_gone: false,
            queues: BTreeMap::new(),
            last_ack: BTreeMap::new(),
            acks: BTreeMap::new(),
            is_spoiled: false,
            has_gap: false,
            has_ended: false,
            sequence: 0,
            is_used: false,
            in_transaction: false,
            is_committing: false,
            offsets: Vec::new(),
            member: (None, 0),
            answer: None,
        }
    }

    fn pending(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }
}

impl World {
    fn new_sender(&mut self, client: usize, tid: Option<usize>) -> usize {
        self.senders.push(Sender::new(client, tid));
        let sender = self.senders.len() - 1;
        if tid.is_some() {
            let latency = self.latency();
            self.after(latency, Due::Init(sender));
        }
        sender
    }

    /// The next records of a queue reach their partition.
    pub(super) fn serve(&mut self, sender: usize, place: Place) {
        let state = &self.senders[sender];
        if state.is_gone || state.queues.get(&place).is_none_or(VecDeque::is_empty) {
            return;
        }
        let stalled = self.broker.stalled.get(&place).copied().unwrap_or(0).saturating_sub(self.now);
        let is_ending = state.tid.is_some_and(|tid| self.broker.is_ending(tid));
        let held = if self.clients[state.client].is_stopped { 100_000 } else { stalled };
        if held > 0 || is_ending {
            return self.after(held.max(1_000), Due::Serve(sender, place));
        }
        let many = self.rng.usize(1..=8);
        self.deliver(sender, place, many);
        if self.senders[sender].queues.get(&place).is_some_and(|queue| !queue.is_empty()) {
            let latency = self.latency();
            self.after(latency, Due::Serve(sender, place));
        }
    }

    /// A batch arrives: it is appended, or parts of it are refused.
    fn deliver(&mut self, sender: usize, place: Place, many: usize) {
        let state = &mut self.senders[sender];
        let (tid, epoch) = (state.tid, state.epoch);
        let Some(queue) = state.queues.get_mut(&place) else { return };
        let batch: Vec<Pending> = queue.drain(..many.min(queue.len())).collect();
        let fenced = tid.is_some_and(|tid| epoch != Some(self.broker.epoch(tid)));
        let missing = self.broker.is_missing(place, self.now);
        let culprits: Vec<Option<Code>> =
            batch.iter().map(|pending| self.own_refusal(place.to(), &pending.stored)).collect();
        let verdict = culprits.iter().flatten().next().copied();
        let is_strange = place.to() == To::Output && self.now < self.strange_until;
        let unnamed = verdict.is_some() && self.chance(self.rates.unnamed);
        if unnamed && batch.len() > 1 && !fenced && !missing {
            self.count("batches refused without a culprit named");
        }
        let is_refused = verdict.is_some() && !fenced && !missing;
        if is_refused && tid.is_none() && !self.overtakes {
            self.senders[sender].has_ended = true;
            self.count("producers ended by a refusal");
        }
        for (pending, own) in batch.into_iter().zip(culprits) {
            let refused = if fenced {
                Some(Code::InvalidProducerEpoch)
            } else if missing {
                Some(Code::UnknownTopicOrPartition)
            } else if is_strange {
                Some(Code::InvalidReplicationFactor)
            } else if unnamed {
                verdict
            } else {
                own.or(verdict.map(|_| Code::InvalidDifferentRecord))
            };
            if let Some(code) = refused {
                self.refused(sender, place, &pending, code, own.is_some());
            } else {
                self.append(place, pending.stored.clone(), tid);
            }
            self.acknowledge(sender, place, pending, refused);
        }
        if is_refused && self.senders[sender].has_ended {
            self.call_back(sender, Some(place));
        }
    }

    fn refused(&mut self, sender: usize, place: Place, pending: &Pending, code: Code, is_culprit: bool) {
        self.count(match code {
            Code::InvalidProducerEpoch => "records of a fenced producer",
            Code::UnknownTopicOrPartition => "records without a topic",
            _ if is_culprit => "records refused",
            _ => "neighbours refused",
        });
        self.senders[sender].is_spoiled = true;
        self.senders[sender].has_gap = true;
        self.audit.refused(pending.stored.line, code == Code::UnknownTopicOrPartition);
        if is_culprit && place.to() == To::Output && code != Code::UnknownTopicOrPartition {
            self.audit.is_hopeless(pending.stored.line, pending.stored.tenure);
        }
    }

    /// Why a record will never be taken, whatever it is sent with.
    fn own_refusal(&self, to: To, stored: &Stored) -> Option<Code> {
        let (partition, offset) = stored.line;
        let line = self.inputs[partition].iter().find(|line| line.offset == offset)?;
        let too_large = match to {
            To::Output => line.poison,
            // The reference to a line has no value.
            To::DeadLetter => line.poison_to_all && stored.value.is_some(),
            To::State | To::Matches => false,
        };
        // Whatever topic a record with its timestamp is for.
        let bad_time = line.poison_time && stored.timestamp_ms == line.timestamp_ms();
        too_large.then_some(Code::MessageSizeTooLarge).or(bad_time.then_some(Code::InvalidTimestamp))
    }

    /// What is not on its way comes back, in no order with what is; and all that is behind a refused batch.
    fn call_back(&mut self, sender: usize, refused: Option<Place>) {
        let places: Vec<(Place, usize)> =
            self.senders[sender].queues.iter().map(|(place, queue)| (*place, queue.len())).collect();
        for (place, waiting) in places {
            let on_the_way = if refused == Some(place) { 0 } else { self.rng.usize(0..=8) };
            let Some(queue) = self.senders[sender].queues.get_mut(&place) else { continue };
            for pending in queue.split_off(on_the_way.min(waiting)) {
                self.count("records called back");
                let at = self.now + self.latency();
                self.report(sender, place, pending, Some(Code::PurgeQueue), at);
            }
        }
    }

    fn acknowledge(&mut self, sender: usize, place: Place, pending: Pending, refused: Option<Code>) {
        let latency = self.latency();
        let last = self.senders[sender].last_ack.get(&place).copied().unwrap_or(0);
        let at = last.max(self.now + latency);
        self.senders[sender].last_ack.insert(place, at);
        self.report(sender, place, pending, refused, at);
    }

    fn report(&mut self, sender: usize, place: Place, pending: Pending, refused: Option<Code>, at: u64) {
        self.number += 1;
        let Pending { ticket, weight, returned, .. } = pending;
        let returned = refused.map(|_| Box::new(returned));
        let ack = Ack { ticket, weight, to: place.to(), refused, returned };
        self.senders[sender].acks.insert((at, self.number), ack);
    }

    /// The process of a client ends: of each partition's records on their way, a prefix arrives.
    pub(super) fn producer_dies(&mut self, client: usize) {
        for sender in 0..self.senders.len() {
            if self.senders[sender].client == client && !self.senders[sender].is_gone {
                self.let_go(sender);
            }
        }
    }

    fn let_go(&mut self, sender: usize) {
        let queues: Vec<(Place, usize)> =
            self.senders[sender].queues.iter().map(|(place, queue)| (*place, queue.len())).collect();
        let is_ending = self.senders[sender].tid.is_some_and(|tid| self.broker.is_ending(tid));
        for (place, waiting) in queues {
            let many = self.rng.usize(0..=waiting);
            if many > 0 && !is_ending {
                self.deliver(sender, place, many);
            }
        }
        self.senders[sender].is_gone = true;
    }

    /// Records of a partition were sent under the assignment at hand, and the client has not seen all their
    /// acknowledgements.
    pub(super) fn is_waiting_for(&self, client: usize, partition: usize) -> bool {
        self.senders.iter().filter(|sender| sender.client == client && !sender.is_gone).any(|sender| {
            let sent = sender.queues.values().flatten();
            sent.into_iter().any(|pending| pending.stored.line.0 == partition) || !sender.acks.is_empty()
        })
    }

    fn answer(&mut self, sender: usize, fate: Fate) {
        let latency = self.latency();
        let client = self.senders[sender].client;
        self.tell(&format!("w{client}"), || format!("will hear of its request: {fate:?}"));
        self.count(match &fate {
            Fate::Done => "requests done",
            Fate::DoneLate => "requests done late",
            Fate::Abort(_) => "commits to be aborted",
            Fate::Unknown(_) => "outcomes unknown",
            Fate::Fenced(_) => "producers fenced",
            Fate::Final(_) => "requests hopeless",
        });
        // What is not known, or is known late, the client has waited for.
        let waited = match fate {
            Fate::Unknown(_) | Fate::DoneLate if self.rng.bool() => self.rng.u64(400_000..8_000_000),
            _ => 0,
        };
        self.senders[sender].answer = Some((self.now + latency + waited, fate));
    }

    /// Another producer of the same worker for which this holds.
    fn has_other(&self, sender: usize, holds: impl Fn(&Sender) -> bool) -> bool {
        let client = self.senders[sender].client;
        let is_other = |(one, other): (usize, &Sender)| one != sender && other.client == client && !other.is_gone;
        self.senders.iter().enumerate().any(|(one, other)| is_other((one, other)) && holds(other))
    }

    /// The worker hears how a commit ended: whether the next batch was open already.
    fn commit_heard(&mut self, sender: usize, fate: &Fate) {
        if self.has_other(sender, |other| other.in_transaction && other.is_used) {
            self.count(match fate {
                Fate::Done => "batches done with the next one open",
                Fate::DoneLate => "batches done late with the next one open",
                Fate::Abort(_) => "batches failed with the next one open, to be aborted",
                Fate::Unknown(_) => "batches failed with the next one open, unknown",
                Fate::Fenced(_) | Fate::Final(_) => "batches failed with the next one open, fenced",
            });
        }
    }

    pub(super) fn init(&mut self, sender: usize) {
        let Some(tid) = self.senders[sender].tid.filter(|_| !self.senders[sender].is_gone) else { return };
        match self.new_epoch(tid) {
            Some(epoch) => {
                self.senders[sender].epoch = Some(epoch);
                self.answer(sender, Fate::Done);
            }
            None => self.after(5_000, Due::Init(sender)),
        }
    }

    pub(super) fn offsets_arrive(&mut self, sender: usize) {
        let state = &self.senders[sender];
        let (Some(tid), Some(epoch), false) = (state.tid, state.epoch, state.is_gone) else { return };
        let (id, generation) = state.member;
        if self.broker.epoch(tid) != epoch {
            return self.answer(sender, Fate::Fenced("offsets".to_owned()));
        }
        if self.broker.is_ending(tid) {
            return self.answer(sender, Fate::Unknown("another transaction is being ended".to_owned()));
        }
        if !state.offsets.is_empty() {
            if let Err(code) = self.group.check(id, generation) {
                self.count("offsets of a zombie refused");
                return self.answer(sender, Fate::Abort(format!("{code}")));
            }
            let offsets = self.senders[sender].offsets.clone();
            self.add_offsets(tid, &offsets);
        }
        let rates = self.rates;
        let way = self.way(rates.end_refused, rates.end_lost, rates.end_unheard, rates.end_late, rates.end_twice);
        let latency = self.latency();
        self.after(latency, Due::End(sender, End { commit: true, way }));
    }

    fn way(&mut self, refused: f32, lost: f32, unheard: f32, late: f32, twice: f32) -> Way {
        if self.chance(refused) {
            Way::Refused
        } else if self.chance(lost) {
            Way::Lost
        } else if self.chance(unheard) {
            Way::Unheard
        } else if self.chance(late) {
            Way::Late
        } else if self.chance(twice) {
            Way::Twice
        } else {
            Way::Straight
        }
    }

    pub(super) fn end_arrives(&mut self, sender: usize, end: End) {
        let state = &self.senders[sender];
        let (Some(tid), Some(epoch), false) = (state.tid, state.epoch, state.is_gone) else { return };
        let unknown = || Fate::Unknown("timed out".to_owned());
        let fate = match end.way {
            Way::Refused => Fate::Abort("the broker wants it aborted".to_owned()),
            Way::Lost => unknown(),
            Way::Late => {
                self.comes_late(tid, epoch, end.commit);
                unknown()
            }
            Way::Straight | Way::Unheard | Way::Twice => match self.end_transaction(tid, epoch, end.commit) {
                Ok(()) if end.way == Way::Unheard => unknown(),
                Ok(()) if end.way == Way::Twice => {
                    self.comes_late(tid, epoch, end.commit);
                    Fate::DoneLate
                }
                Ok(()) => Fate::Done,
                Err(Refusal::Fenced) => Fate::Fenced("end of a transaction".to_owned()),
                Err(Refusal::Invalid) => Fate::Unknown("invalid state of the transaction".to_owned()),
            },
        };
        if matches!(fate, Fate::Done | Fate::DoneLate) {
            self.senders[sender].in_transaction = false;
        }
        self.answer(sender, fate);
    }

    /// A request to end a transaction arrives when nobody waits for it any more.
    fn comes_late(&mut self, tid: usize, epoch: u32, commit: bool) {
        let late = if self.rng.bool() { self.rng.u64(1_000..30_000) } else { self.rng.u64(30_000..8_000_000) };
        self.after(late, Due::LateEnd { tid, epoch, commit });
    }
}

/// One producer.
pub(in crate::flow) struct Producer {
    pub(super) world: Shared,
    pub(super) client: usize,
    pub(super) sender: usize,
    tid: Option<usize>,
    queue_limit: usize,
}

impl Producer {
    /// With transactions, under this name; [`Sink::ended`] says when it is ready.
    pub(in crate::flow) fn new(world: &Shared, client: usize, tid: Option<usize>, queue_limit: usize) -> Self {
        let sender = world.borrow_mut().new_sender(client, tid);
        Self { world: world.clone(), client, sender, tid, queue_limit }
    }

    pub(super) fn has_gap(&self) -> bool {
        self.world.borrow().senders[self.sender].has_gap
    }
}

impl Sink for Producer {
    fn send(&self, record: &Record<'_>, _: Option<&Fetched>, ticket: Ticket) -> Result<(), (Unsent, Ticket)> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let rate = world.rates.full;
        let pending = world.senders[self.sender].pending();
        if pending >= self.queue_limit || world.chance(rate) {
            world.count("queue full");
            world.clients[self.client].is_full = true;
            return Err((Unsent::Full, ticket));
        }
        let (partition, offset) = line_of(record);
        let tenure = world.clients[self.client].owned.get(&partition).map(|fetch| fetch.tenure);
        let Some(tenure) = tenure else {
            world.find(format!("w{} publishes {partition}/{offset}, which it does not have", self.client));
            return Err((Unsent::Refused(Code::Unknown), ticket));
        };
        if world.mode == Mode::ExactlyOnce && !world.senders[self.sender].in_transaction {
            world.find(format!("w{} publishes {partition}/{offset} outside of a transaction", self.client));
        }
        if world.mode == Mode::ExactlyOnce && world.senders[self.sender].is_spoiled {
            // The client knows it at once; the worker hears of the refusal itself only afterwards.
            world.count("records for a failed transaction");
            return Err((Unsent::Refused(Code::State), ticket));
        }
        if world.senders[self.sender].has_ended {
            world.count("records for a producer that has ended");
            return Err((Unsent::Refused(Code::Fatal), ticket));
        }
        let place = Place::new(record.to, record.partition);
        let stored = Stored {
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.as_deref().map(<[u8]>::to_vec),
            added: record.added.iter().map(|(name, value)| (name.text(), value.clone())).collect(),
            line: (partition, offset),
            tenure,
        };
        world.tell(&format!("w{}", self.client), || format!("sends {partition}/{offset} to {:?}", record.to));
        world.clients[self.client].is_full = false;
        let state = &mut world.senders[self.sender];
        state.is_used = true;
        let queue = state.queues.entry(place).or_default();
        let returned = Returned { sequence: state.sequence, ..Returned::of(record, Vec::new()) };
        state.sequence += 1;
        queue.push_back(Pending { ticket: ticket.pack(), weight: record.weight(), returned, stored });
        if queue.len() == 1 {
            let latency = world.latency();
            world.after(latency, Due::Serve(self.sender, place));
        }
        Ok(())
    }

    fn acks(&self, into: &mut Vec<Ack>) {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let acks = &mut world.senders[self.sender].acks;
        while let Some(next) = acks.first_entry().filter(|next| next.key().0 <= now) {
            into.push(next.remove());
        }
    }

    fn wait(&self, time: Duration) {
        pulse(&self.world, self.client);
        self.world.borrow_mut().advance(time);
    }

    fn halt(&self) {
        pulse(&self.world, self.client);
        self.world.borrow_mut().call_back(self.sender, None);
    }

    fn last_word(&self) -> String {
        String::new()
    }

    fn begin(&self) -> Result<(), Fate> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let client = self.client;
        world.tell(&format!("w{client}"), || "begins a transaction".to_owned());
        let state = &mut world.senders[self.sender];
        if state.epoch.is_none() || state.in_transaction {
            world.find(format!("w{client} begins a transaction on a producer that is not ready"));
            return Err(Fate::Unknown("not ready".to_owned()));
        }
        if state.has_gap {
            world.find(format!("w{client} begins a transaction on a producer that had a record refused"));
            return Err(Fate::Unknown("a gap".to_owned()));
        }
        state.in_transaction = true;
        state.is_used = false;
        state.is_spoiled = false;
        Ok(())
    }

    fn commit(&self, marks: &[Mark]) -> Result<(), Fate> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let (id, generation) = (world.clients[self.client].id, world.clients[self.client].generation);
        if id.is_none() {
            return Err(Fate::Abort("the consumer is no member of the group".to_owned()));
        }
        let mark = |mark: &Mark| (mark.partition.number as usize, mark.offset, mark.note.clone());
        let offsets: Vec<(usize, i64, String)> = marks.iter().map(mark).collect();
        let client = self.client;
        world.tell(&format!("w{client}"), || format!("asks for the commit of {offsets:?}"));
        let state = &mut world.senders[self.sender];
        state.is_committing = true;
        state.offsets = offsets;
        state.member = (id, generation);
        if state.pending() > 0 {
            world.find(format!("w{client} commits a transaction before its records are acknowledged"));
        } else if state.is_spoiled {
            world.answer(self.sender, Fate::Abort("a record was refused".to_owned()));
        } else if !state.is_used && state.offsets.is_empty() {
            state.in_transaction = false;
            world.answer(self.sender, Fate::Done);
        } else {
            let latency = world.latency();
            world.after(latency, Due::Offsets(self.sender));
        }
        Ok(())
    }

    fn abort(&self) {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let client = self.client;
        world.tell(&format!("w{client}"), || "aborts".to_owned());
        if world.has_other(self.sender, |other| other.is_committing) {
            world.count("batches aborted while the one ahead was being committed");
        }
        // What is on its way is called back, and reported as refused.
        let state = &mut world.senders[self.sender];
        let mut purged: Vec<(Place, Pending)> = Vec::new();
        for (place, queue) in &mut state.queues {
            purged.extend(queue.drain(..).map(|pending| (*place, pending)));
        }
        for (place, pending) in purged {
            world.acknowledge(self.sender, place, pending, Some(Code::PurgeQueue));
        }
        let now = world.now;
        let state = &mut world.senders[self.sender];
        let late: Vec<Ack> = std::mem::take(&mut state.acks).into_values().collect();
        for (place, ack) in late.into_iter().enumerate() {
            state.acks.insert((now, place as u64), ack);
        }
        state.last_ack.clear();
        let is_empty = world.senders[self.sender].tid.is_none_or(|tid| world.broker.has_nothing_open(tid));
        let (tid, epoch) = (world.senders[self.sender].tid, world.senders[self.sender].epoch);
        if is_empty && tid.is_some_and(|tid| Some(world.broker.epoch(tid)) == epoch) {
            world.senders[self.sender].in_transaction = false;
            return world.answer(self.sender, Fate::Done);
        }
        let rate = world.rates.abort_uncertain;
        let way = world.way(0.0, rate, rate, rate, rate);
        let latency = world.latency();
        world.after(latency, Due::End(self.sender, End { commit: false, way }));
    }

    fn renew(&mut self) -> Result<(), Failure> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        world.tell(&format!("w{}", self.client), || "makes a new producer".to_owned());
        world.count("producers renewed");
        world.let_go(self.sender);
        self.sender = world.new_sender(self.client, self.tid);
        Ok(())
    }

    fn ended(&self, wait: Duration) -> Option<Fate> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        world.advance(wait);
        let now = world.now;
        let state = &mut world.senders[self.sender];
        let (_, fate) = state.answer.take_if(|(at, _)| *at <= now)?;
        if std::mem::take(&mut state.is_committing) {
            world.commit_heard(self.sender, &fate);
        }
        Some(fate)
    }
}

impl World {
    /// The producer forgets that it does not know how its transaction ended; nobody may do that.
    pub(super) fn make_believe(&mut self, sender: usize) {
        let state = &mut self.senders[sender];
        state.in_transaction = false;
        state.queues.clear();
        state.acks.clear();
        self.answer(sender, Fate::Done);
    }
}
