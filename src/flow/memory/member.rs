//! One member of the group, as a worker holds it: the client library between the worker and the world.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::broker::Place;
use super::{Due, INPUT, Input, Shared, World, pulse};
use crate::flow::Failure;
use crate::flow::kafka::Code;
use crate::flow::record::{Headers, Line, Seen};
use crate::flow::transport::{
    Answer, Delivery, Event, Fetched, Mark, Partition, Problem, Source, Standing, Teller, To,
};

/// How long offsets and state are waited for.
const PATIENCE: u64 = 30_000_000;

/// What a client reads of one partition.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    /// Index of the next line.
    next: usize,
    /// Lines that stood in the client's queue when it was told to read elsewhere.
    stale: VecDeque<usize>,
    paused: bool,
    /// Where it was told to read.
    start: i64,
    /// The position that was told last.
    told: Option<i64>,
    pub(super) tenure: usize,
}

/// The state of one client.
#[derive(Debug, Default)]
pub(in crate::flow) struct Client {
    /// What the group knows it by.
    pub(super) id: Option<u64>,
    pub(super) generation: u32,
    /// What the worker said that it took.
    pub(super) owned: BTreeMap<usize, Fetch>,
    /// What the group did, and the client has not heard yet.
    wire: VecDeque<Event>,
    events: VecDeque<Event>,
    /// The worker was told of an event and has not answered.
    is_unanswered: bool,
    /// It answers to something that the group has forgotten already.
    is_lost: bool,
    pub(super) is_evicted: bool,
    pub(super) is_stopped: bool,
    pub(super) is_dead: bool,
    pub(super) is_closed: bool,
    pub(super) silences: u64,
    /// Lines of partitions given up that are still in the queue.
    ghosts: VecDeque<(usize, usize)>,
    commit: Option<Commit>,
    /// Some commit came to nothing, as far as the client knows, since the last that did not.
    pub(super) commit_troubled: bool,
    /// The last record was not taken, as the queue was full.
    pub(super) is_full: bool,
    pub(super) in_flight: usize,
}

#[derive(Debug)]
struct Commit {
    marks: Vec<Mark>,
    generation: u32,
    fault: Fault,
    /// When the answer is there, and what it is.
    answer: Option<(u64, Result<(), Code>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Refused(Code),
    /// It never arrives.
    Lost,
    /// Its answer never arrives.
    Unheard,
}

fn partition(number: usize) -> Partition {
    Partition { topic: INPUT.into(), number: number as i32 }
}

fn numbers(partitions: &[Partition]) -> Vec<usize> {
    partitions.iter().map(|one| one.number as usize).collect()
}

fn named(numbers: &[usize]) -> Vec<Partition> {
    numbers.iter().copied().map(partition).collect()
}

impl World {
    /// The group asks for partitions.
    pub(super) fn ask_back(&mut self, client: usize, partitions: &[usize]) {
        self.count("partitions asked back");
        self.clients[client].wire.push_back(Event::Revoked(named(partitions)));
    }

    /// The group gives partitions.
    pub(super) fn hand_out(&mut self, client: usize, partitions: &[usize]) {
        self.clients[client].wire.push_back(Event::Assigned(named(partitions)));
    }

    /// A client hears that it is no member.
    pub(super) fn notice(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if state.is_dead || state.is_stopped || state.is_closed || !state.is_evicted {
            return;
        }
        state.id = None;
        state.wire.clear();
        if state.is_unanswered {
            state.is_lost = true;
        } else {
            self.lose(client);
        }
    }

    fn lose(&mut self, client: usize) {
        let owned: Vec<usize> = self.clients[client].owned.keys().copied().collect();
        if owned.is_empty() {
            let latency = self.latency();
            self.after(latency, Due::Join(client));
        } else {
            self.count("partitions lost");
            self.clients[client].wire.push_back(Event::Lost(named(&owned)));
        }
    }

    fn answered(&mut self, client: usize) {
        let state = &mut self.clients[client];
        state.is_unanswered = false;
        if std::mem::take(&mut state.is_lost) {
            self.lose(client);
        }
    }

    /// Index of the first line of a partition at or after an offset.
    fn index(&self, partition: usize, start: Option<i64>) -> usize {
        start.map_or(0, |start| self.inputs[partition].partition_point(|line| line.offset < start))
    }

    /// Of the lines that a client would read next of a partition, those that it will show although it was told to read
    /// elsewhere.
    fn remains(&mut self, partition: usize, stale: &VecDeque<usize>, next: usize) -> VecDeque<usize> {
        if !self.chance(self.rates.stale) {
            return VecDeque::new();
        }
        let here = |index: &usize| self.inputs[partition].get(*index).is_some_and(|line| line.at <= self.now);
        let lines: Vec<usize> = stale.iter().copied().chain(next..next + 3).filter(here).collect();
        let many = self.rng.usize(0..=3);
        lines.into_iter().take(many).collect()
    }

    fn take(&mut self, client: usize, partition: usize, start: Option<i64>) {
        let next = self.index(partition, start);
        let ghosts = std::mem::take(&mut self.clients[client].ghosts);
        let (stale, ghosts): (VecDeque<_>, VecDeque<_>) = ghosts.into_iter().partition(|(one, _)| *one == partition);
        self.clients[client].ghosts = ghosts;
        let stale = stale.into_iter().map(|(_, index)| index).collect();
        let tenure = self.audit.begins(client, partition);
        if self.clients[client].is_evicted {
            // It was given what the group has taken back already.
            self.audit.excuse(client);
        }
        self.clients[client]
            .owned
            .insert(partition, Fetch { next, stale, paused: false, start: start.unwrap_or(0), told: None, tenure });
    }

    /// The next line that a client has to show.
    fn fetch(&mut self, client: usize) -> Option<Rc<Input>> {
        let now = self.now;
        if !self.clients[client].ghosts.is_empty() && self.rng.bool() {
            let (partition, index) = self.clients[client].ghosts.pop_front()?;
            self.count("lines of partitions given up");
            return Some(self.inputs[partition][index].clone());
        }
        let inputs = &self.inputs;
        let ready = |(partition, fetch): (&usize, &Fetch)| {
            let line = inputs[*partition].get(fetch.next).filter(|line| line.at <= now);
            let shows = !fetch.stale.is_empty() || (line.is_some() && !fetch.paused);
            shows.then_some(*partition)
        };
        let ready: Vec<usize> = self.clients[client].owned.iter().filter_map(ready).collect();
        let partition = *self.rng.choice(&ready)?;
        let fetch = self.clients[client].owned.get_mut(&partition)?;
        let stale = fetch.stale.pop_front();
        let index = stale.unwrap_or(fetch.next);
        if stale.is_none() {
            fetch.next += 1;
        } else {
            self.count("stale lines");
        }
        Some(self.inputs[partition][index].clone())
    }

    /// How far a client has read a partition, when that is news and all that it had fetched before was shown.
    fn position(&mut self, client: usize, partition: usize) -> Option<i64> {
        let fetch = &self.clients[client].owned[&partition];
        let (lines, now) = (&self.inputs[partition], self.now);
        let shown = fetch.next.checked_sub(1).map_or(0, |last| lines[last].offset + 1);
        let next = lines.get(fetch.next).map_or(i64::MAX, |line| line.offset);
        let passed = |unseen: &&super::Unseen| unseen.at <= now && unseen.end <= next;
        let unseen = self.unseen[partition].iter().filter(passed).map(|unseen| unseen.end).max().unwrap_or(0);
        let position = shown.max(unseen);
        let is_news = fetch.stale.is_empty() && position > fetch.start && fetch.told != Some(position);
        if is_news && unseen > shown {
            self.count("positions behind what is no line");
        }
        is_news.then_some(position)
    }

    /// Tells how far a client has read; true when there is something to tell.
    fn tell_positions(&mut self, client: usize) -> bool {
        let owned: Vec<usize> = self.clients[client].owned.keys().copied().collect();
        let mut moved = Vec::new();
        for one in owned {
            let Some(position) = self.position(client, one) else { continue };
            moved.push((partition(one), position));
            self.clients[client].owned.entry(one).and_modify(|fetch| fetch.told = Some(position));
        }
        if moved.is_empty() {
            return false;
        }
        self.tell(&format!("w{client}"), || {
            format!("has read to {:?}", moved.iter().map(|(one, offset)| (one.number, *offset)).collect::<Vec<_>>())
        });
        self.clients[client].events.push_back(Event::Positions(moved));
        true
    }

    /// Partitions are read from elsewhere, or not at all.
    fn forget_positions(&mut self, client: usize, partitions: &[usize]) {
        for event in &mut self.clients[client].events {
            if let Event::Positions(positions) = event {
                positions.retain(|(partition, _)| !partitions.contains(&(partition.number as usize)));
            }
        }
    }

    /// When a client will have another line to show.
    fn next_line(&self, client: usize) -> Option<u64> {
        let at = |(partition, fetch): (&usize, &Fetch)| Some(self.inputs[*partition].get(fetch.next)?.at);
        self.clients[client].owned.iter().filter_map(at).filter(|at| *at > self.now).min()
    }

    pub(super) fn commit_arrives(&mut self, client: usize) {
        let Some(Commit { marks, generation, fault, .. }) = self.clients[client].commit.take() else { return };
        let latency = self.latency();
        let checked = self.group.check(self.clients[client].id, generation);
        let (done, answer) = match fault {
            Fault::Lost => (false, (latency + 1_000_000, Err(Code::RequestTimedOut))),
            Fault::Refused(code) => (false, (latency, Err(code))),
            Fault::Unheard if checked.is_ok() => (true, (latency + 1_000_000, Err(Code::RequestTimedOut))),
            Fault::None | Fault::Unheard => (checked.is_ok(), (latency, checked)),
        };
        if done {
            for mark in &marks {
                self.take_offset(mark.partition.number as usize, mark.offset, mark.note.clone());
            }
        }
        if answer.1.is_err() {
            self.count("commits refused or lost");
            self.clients[client].commit_troubled = true;
        } else {
            self.clients[client].commit_troubled = false;
        }
        self.tell(&format!("w{client}"), || {
            let offsets: Vec<_> = marks.iter().map(|mark| (mark.partition.number, mark.offset)).collect();
            format!("commit of {offsets:?}: {:?}, heard as {:?}", done, answer.1)
        });
        let answer = Some((self.now + answer.0, answer.1));
        self.clients[client].commit = Some(Commit { marks, generation, fault, answer });
    }

    /// The process of a client is gone, from one moment to the next.
    pub(in crate::flow) fn die(&mut self, client: usize) {
        if self.clients[client].is_dead || self.clients[client].is_closed {
            return;
        }
        self.tell(&format!("w{client}"), || "its process ends".to_owned());
        self.count("crashes");
        self.producer_dies(client);
        self.audit.excuse(client);
        self.check_bound(client);
        self.clients[client].is_dead = true;
        self.falls_silent(client);
    }

    /// A client has come to its end, and its process with it.
    pub(in crate::flow) fn gone(&mut self, client: usize) {
        self.producer_dies(client);
        if !self.clients[client].is_closed {
            self.audit.excuse(client);
            self.clients[client].is_dead = true;
            self.falls_silent(client);
        }
    }

    /// The process of a client is frozen.
    pub(in crate::flow) fn stop(&mut self, client: usize) {
        self.tell(&format!("w{client}"), || "is frozen".to_owned());
        self.count("frozen processes");
        self.clients[client].is_stopped = true;
        self.falls_silent(client);
    }

    /// It goes on.
    pub(in crate::flow) fn wake(&mut self, client: usize) {
        self.tell(&format!("w{client}"), || "goes on".to_owned());
        self.clients[client].is_stopped = false;
        if self.clients[client].is_evicted {
            self.count("zombies");
            let latency = self.rng.u64(0..500_000);
            self.after(latency, Due::Notice(client));
        } else {
            self.rejoin_soon(client);
        }
    }

    pub(in crate::flow) fn is_alive(&self, client: usize) -> bool {
        !self.clients[client].is_dead && !self.clients[client].is_closed
    }
}

/// One line.
#[derive(Debug)]
pub(in crate::flow) struct Read(Rc<Input>);

impl Delivery for Read {
    fn line(&self) -> Line<'_> {
        Line {
            topic: INPUT,
            partition: self.0.partition,
            offset: self.0.offset,
            key: self.0.key.as_deref(),
            value: self.0.value.as_deref(),
            timestamp_ms: self.0.timestamp_ms(),
            headers: Seen::Known(Headers::default()),
        }
    }

    fn fetched(&self) -> Option<&Fetched> {
        None
    }
}

/// One member of the group.
pub(in crate::flow) struct Member {
    world: Shared,
    pub(in crate::flow) client: usize,
    /// The source is let go in good order.
    closed: Cell<bool>,
}

impl Member {
    /// Joins in the background.
    pub(in crate::flow) fn new(world: &Shared, in_flight: usize) -> Self {
        let mut borrowed = world.borrow_mut();
        borrowed.clients.push(Client { in_flight, ..Client::default() });
        let client = borrowed.clients.len() - 1;
        let latency = borrowed.latency();
        borrowed.after(latency, Due::Join(client));
        drop(borrowed);
        Self { world: world.clone(), client, closed: Cell::new(false) }
    }

    /// Hands an event of the group over, when the last one was answered. True when there is one to look at.
    fn listen(&self) -> bool {
        let world = &mut *self.world.borrow_mut();
        let state = &mut world.clients[self.client];
        if !state.is_unanswered
            && let Some(event) = state.wire.pop_front()
        {
            state.is_unanswered = true;
            state.events.push_back(event.clone());
            let client = self.client;
            world.tell(&format!("w{client}"), || match &event {
                Event::Assigned(given) => format!("is given {:?}", numbers(given)),
                Event::Revoked(asked) => format!("is asked for {:?}", numbers(asked)),
                Event::Lost(lost) => format!("has lost {:?}", numbers(lost)),
                Event::Positions(_) => unreachable!("the group tells none"),
            });
        }
        !world.clients[self.client].events.is_empty()
    }

    fn read(&self, line: Rc<Input>) -> Option<Result<Read, Problem>> {
        let mut world = self.world.borrow_mut();
        let took = world.rng.u64(5..60);
        let until = world.now + took;
        world.run_until(until);
        world.tell(&format!("w{}", self.client), || format!("reads {}/{}", line.partition, line.offset));
        Some(Ok(Read(line)))
    }

    /// Waits for something to come true, with a bound.
    fn wait_for(&self, holds: impl Fn(&World) -> bool) -> bool {
        let mut world = self.world.borrow_mut();
        let deadline = world.now + PATIENCE;
        while !holds(&world) {
            if world.now >= deadline {
                return false;
            }
            let next = world.next_due().unwrap_or(deadline).clamp(world.now + 1_000, deadline.max(world.now + 1_000));
            world.run_until(next);
        }
        true
    }
}

impl Source for Member {
    type Delivery<'s> = Read;

    fn now(&self) -> Instant {
        self.world.borrow().instant()
    }

    fn poll(&self, time: Duration) -> Option<Result<Read, Problem>> {
        pulse(&self.world, self.client);
        // Workers wait at the same time, and are stepped one after the other: when they are many, each waits less.
        let alive = self.world.borrow().clients.iter().filter(|one| !one.is_dead && !one.is_closed).count();
        let deadline = self.world.borrow().now + time.as_micros() as u64 / if alive > 3 { 4 } else { 1 };
        loop {
            // The client may serve the group and show a line in the same call.
            let also = !self.listen() || self.world.borrow_mut().rng.u8(..4) == 0;
            if also && self.world.borrow_mut().rng.u8(..16) == 0 && self.world.borrow_mut().tell_positions(self.client)
            {
                return None;
            }
            if also {
                let line = self.world.borrow_mut().fetch(self.client);
                if let Some(line) = line {
                    return self.read(line);
                }
            }
            let mut world = self.world.borrow_mut();
            if !world.clients[self.client].events.is_empty() || world.tell_positions(self.client) {
                return None;
            }
            let rate = world.rates.trouble;
            if world.chance(rate) {
                world.count("passing problems");
                return Some(Err(Problem::Passing));
            }
            if world.now >= deadline {
                return None;
            }
            let next = [world.next_due(), world.next_line(self.client)].into_iter().flatten().min();
            let next = next.unwrap_or(deadline).clamp(world.now, deadline);
            world.run_until(next);
        }
    }

    fn event(&self) -> Option<Event> {
        self.world.borrow_mut().clients[self.client].events.pop_front()
    }

    fn put_back(&self, event: Event) {
        self.world.borrow_mut().clients[self.client].events.push_front(event);
    }

    fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<Standing>>, Failure> {
        pulse(&self.world, self.client);
        let asked = numbers(partitions);
        let settled = |world: &World| !asked.iter().any(|one| world.broker.are_offsets_pending(*one));
        if !self.wait_for(settled) {
            return Err(Failure::unavailable("offsets of a transaction stay pending".to_owned()));
        }
        let world = self.world.borrow();
        let standing = |one: &usize| {
            let offset = world.group.offsets[*one]?;
            Some(Standing { offset, note: world.group.notes[*one].clone() })
        };
        Ok(asked.iter().map(standing).collect())
    }

    fn assign(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        world.count("assignments");
        for (partition, start) in starts {
            world.take(self.client, partition.number as usize, *start);
        }
        world.tell(&format!("w{}", self.client), || {
            format!("takes {:?}", starts.iter().map(|(one, start)| (one.number, *start)).collect::<Vec<_>>())
        });
        world.answered(self.client);
        Ok(())
    }

    fn release(&self, partitions: &[Partition]) -> Result<(), Failure> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let given_up = numbers(partitions);
        world.tell(&format!("w{}", self.client), || format!("gives {given_up:?} up"));
        world.check_bound(self.client);
        world.forget_positions(self.client, &given_up);
        for partition in &given_up {
            world.ends(self.client, *partition);
            let Some(fetch) = world.clients[self.client].owned.remove(partition) else { continue };
            let ghosts = world.remains(*partition, &fetch.stale, fetch.next);
            world.clients[self.client].ghosts.extend(ghosts.into_iter().map(|index| (*partition, index)));
        }
        world.released(self.client, &given_up);
        world.answered(self.client);
        if world.clients[self.client].id.is_none() && world.clients[self.client].owned.is_empty() {
            let latency = world.latency();
            world.after(latency, Due::Join(self.client));
        }
        Ok(())
    }

    fn rewind(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        world.tell(&format!("w{}", self.client), || {
            format!("goes back to {:?}", starts.iter().map(|(one, start)| (one.number, *start)).collect::<Vec<_>>())
        });
        world.count("rewinds");
        for (partition, start) in starts {
            let number = partition.number as usize;
            let next = world.index(number, *start);
            let Some(fetch) = world.clients[self.client].owned.get_mut(&number) else {
                world.find(format!("w{} goes back in partition {number}, which it does not have", self.client));
                continue;
            };
            let (stale, at) = (std::mem::take(&mut fetch.stale), std::mem::replace(&mut fetch.next, next));
            let stale = world.remains(number, &stale, at);
            if let Some(fetch) = world.clients[self.client].owned.get_mut(&number) {
                (fetch.stale, fetch.start, fetch.told) = (stale, start.unwrap_or(0), None);
            }
            world.forget_positions(self.client, &[number]);
        }
        Ok(())
    }

    fn pause(&self, partitions: &[Partition], paused: bool) -> Result<(), Failure> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        if paused {
            world.count("pauses");
        }
        for number in numbers(partitions) {
            let Some(fetch) = world.clients[self.client].owned.get_mut(&number) else { continue };
            fetch.paused = paused;
            if paused {
                // What the client has fetched already, it may still show: here, in its turn.
                let (stale, at) = (std::mem::take(&mut fetch.stale), fetch.next);
                let rate = world.rates.stale;
                let more = if world.chance(rate) { world.rng.usize(1..4) } else { 0 };
                let here = |index: &usize| world.inputs[number].get(*index).is_some_and(|line| line.at <= world.now);
                let shown: Vec<usize> = (at..at + more).filter(here).collect();
                if let Some(fetch) = world.clients[self.client].owned.get_mut(&number) {
                    fetch.next = at + shown.len();
                    fetch.stale = stale.into_iter().chain(shown).collect();
                }
            }
        }
        Ok(())
    }

    fn commit(&self, marks: Vec<Mark>) {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let rates = world.rates;
        let fault = if world.chance(rates.commit_refused) {
            let code = if world.group.is_rebalancing() { Code::RebalanceInProgress } else { Code::NotCoordinator };
            Fault::Refused(code)
        } else if world.chance(rates.commit_lost) {
            Fault::Lost
        } else if world.chance(rates.commit_unheard) {
            world.count("commits done and not heard of");
            Fault::Unheard
        } else {
            Fault::None
        };
        if world.clients[self.client].commit.is_some() {
            world.find(format!("w{} commits before it has heard of the last commit", self.client));
        }
        let generation = world.clients[self.client].generation;
        world.clients[self.client].commit = Some(Commit { marks, generation, fault, answer: None });
        let latency = world.latency();
        world.after(latency, Due::Commit(self.client));
    }

    fn commit_answer(&self, wait: Duration) -> Option<Answer> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        let deadline = world.now + wait.as_micros() as u64;
        loop {
            let answered = world.clients[self.client].commit.as_ref().and_then(|commit| commit.answer);
            match answered {
                Some((at, _)) if at <= world.now => {
                    let commit = world.clients[self.client].commit.take()?;
                    return Some((commit.marks, commit.answer?.1));
                }
                _ if world.now >= deadline => return None,
                Some((at, _)) => world.run_until(at.min(deadline)),
                None => {
                    let next = world.next_due().unwrap_or(deadline).clamp(world.now, deadline);
                    world.run_until(next);
                }
            }
        }
    }

    fn again(&self, partition: &Partition, offset: i64) -> Result<Read, Failure> {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        world.count("lines read again");
        world.advance(Duration::from_millis(2));
        let number = partition.number as usize;
        let index = world.index(number, Some(offset));
        world.inputs[number]
            .get(index)
            .filter(|line| line.offset == offset)
            .map(|line| Read(line.clone()))
            .ok_or_else(|| Failure::unavailable(format!("{number}/{offset} is not there")))
    }

    fn recall(&self, partition: &Partition, waiting: &dyn Fn(), tell: &mut Teller<'_>) -> Result<(), Failure> {
        pulse(&self.world, self.client);
        let place = Place::new(To::State, partition.number);
        let end = self.world.borrow().broker.end(place);
        if !self.wait_for(|world| !world.broker.is_open_before(place, end)) {
            return Err(Failure::unavailable("a transaction stays open".to_owned()));
        }
        waiting();
        let compacts = {
            let mut world = self.world.borrow_mut();
            let rate = world.rates.compaction;
            world.chance(rate)
        };
        if compacts {
            self.world.borrow_mut().compact(partition.number);
        }
        let records: Vec<_> = {
            let world = self.world.borrow();
            let told = world.broker.committed(To::State, partition.number);
            told.map(|stored| (stored.key.clone().unwrap_or_default(), stored.value.clone())).collect()
        };
        for (key, value) in records {
            tell(&key, value.as_deref());
        }
        Ok(())
    }

    fn idle(&self, partition: &Partition) -> Option<i64> {
        let world = self.world.borrow();
        let number = partition.number as usize;
        let fetch = world.clients[self.client].owned.get(&number)?;
        let next = world.inputs[number].get(fetch.next);
        let at_its_end = fetch.stale.is_empty() && next.is_none_or(|line| line.at > world.now);
        at_its_end.then(|| world.wall_ms(number))
    }

    fn inputs(&self) -> Vec<(String, i32)> {
        vec![(INPUT.to_owned(), self.world.borrow().inputs.len() as i32)]
    }

    fn trim(&self, _: Vec<(Partition, i64)>) {}

    fn out_of_range(&self, _: &str, next: &[(Partition, i64)]) -> String {
        format!("out of range: {next:?}")
    }

    fn close(self) {
        pulse(&self.world, self.client);
        let mut world = self.world.borrow_mut();
        world.tell(&format!("w{}", self.client), || "leaves".to_owned());
        world.check_bound(self.client);
        let owned: Vec<usize> = world.clients[self.client].owned.keys().copied().collect();
        for partition in owned {
            world.ends(self.client, partition);
        }
        world.clients[self.client].owned.clear();
        world.clients[self.client].is_closed = true;
        world.remove(self.client);
        self.closed.set(true);
    }
}

impl World {
    /// An assignment of a partition ends: what was published under it must be committed, unless something kept the
    /// worker from it.
    fn ends(&mut self, client: usize, partition: usize) {
        let Some(fetch) = self.clients[client].owned.get(&partition) else { return };
        let tenure = fetch.tenure;
        let kept = self.clients[client].commit_troubled
            || self.clients[client].commit.is_some()
            || self.clients[client].is_evicted
            || self.clients[client].is_full
            || self.audit.waits_for_another_attempt(partition)
            || self.is_waiting_for(client, partition);
        self.tenure_ends(client, partition, tenure, kept);
    }
}
