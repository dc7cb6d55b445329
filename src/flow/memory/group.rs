//! The consumer group as its coordinator sees it: members, generations, who has which partition, what is committed.
//!
//! With the eager protocol a rebalance takes everything from everybody first. With the cooperative one it takes only
//! what is to move, and gives it to its new owner in a second round.

use std::collections::{BTreeMap, BTreeSet};

use super::{Due, SESSION, World};
use crate::flow::kafka::Code;

/// A rebalance waits so long for its members.
const REBALANCE: u64 = 60_000_000;

#[derive(Debug)]
pub(in crate::flow) struct Group {
    generation: u32,
    cooperative: bool,
    next_id: u64,
    /// Clients by member id.
    members: BTreeMap<u64, usize>,
    owners: Vec<Option<u64>>,
    /// Asked back from their owners.
    revoking: BTreeSet<usize>,
    /// During a rebalance, those who have not joined it yet.
    waiting: Option<BTreeSet<u64>>,
    round: u64,
    /// Committed, by partition.
    pub(in crate::flow) offsets: Vec<Option<i64>>,
    /// What was committed with each.
    pub(super) notes: Vec<String>,
}

impl Group {
    pub(super) fn new(partitions: usize, cooperative: bool) -> Self {
        Self {
            generation: 0,
            cooperative,
            next_id: 0,
            members: BTreeMap::new(),
            owners: vec![None; partitions],
            revoking: BTreeSet::new(),
            waiting: None,
            round: 0,
            offsets: vec![None; partitions],
            notes: vec![String::new(); partitions],
        }
    }

    /// Whether a member may commit.
    pub(super) fn check(&self, id: Option<u64>, generation: u32) -> Result<(), Code> {
        match id.filter(|id| self.members.contains_key(id)) {
            None => Err(Code::UnknownMemberId),
            Some(_) if generation != self.generation => Err(Code::IllegalGeneration),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn is_rebalancing(&self) -> bool {
        self.waiting.is_some()
    }

    fn of(&self, id: u64) -> Vec<usize> {
        (0..self.owners.len()).filter(|partition| self.owners[*partition] == Some(id)).collect()
    }
}

impl World {
    pub(super) fn join(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if state.is_dead || state.is_closed || state.id.is_some() {
            return;
        }
        let id = self.group.next_id;
        self.group.next_id += 1;
        state.id = Some(id);
        state.generation = 0;
        state.is_evicted = false;
        self.group.members.insert(id, client);
        self.tell(&format!("w{client}"), || format!("joins as member {id}"));
        self.rebalance();
    }

    /// Begins a rebalance, unless one is under way.
    pub(in crate::flow) fn rebalance(&mut self) {
        if self.group.waiting.is_some() || self.group.members.is_empty() {
            return;
        }
        self.count(if self.group.cooperative { "rebalances, cooperative" } else { "rebalances, eager" });
        self.group.round += 1;
        let members: Vec<(u64, usize)> = self.group.members.iter().map(|(id, client)| (*id, *client)).collect();
        self.group.waiting = Some(members.iter().map(|(id, _)| *id).collect());
        self.after(REBALANCE, Due::Deadline(self.group.round));
        for (id, client) in members {
            let owned = self.group.of(id);
            if !self.group.cooperative && !owned.is_empty() {
                self.ask_back(client, &owned);
            } else {
                self.rejoin_soon(client);
            }
        }
    }

    pub(super) fn rejoin_soon(&mut self, client: usize) {
        let latency = self.latency();
        self.after(latency, Due::Rejoin(client));
    }

    pub(super) fn rejoin(&mut self, client: usize) {
        let state = &self.clients[client];
        if state.is_dead || state.is_stopped {
            return;
        }
        if let (Some(id), Some(waiting)) = (state.id, &mut self.group.waiting) {
            // An eager member joins only with empty hands.
            if !self.group.cooperative && self.group.owners.contains(&Some(id)) {
                return;
            }
            waiting.remove(&id);
            self.complete_when_all_are_here();
        }
    }

    fn complete_when_all_are_here(&mut self) {
        if self.group.waiting.as_ref().is_some_and(BTreeSet::is_empty) {
            self.group.waiting = None;
            self.group.generation += 1;
            self.deal();
        }
    }

    /// Gives the partitions that nobody has to the members that have too few, and asks back from those with too many.
    fn deal(&mut self) {
        let members: Vec<(u64, usize)> = self.group.members.iter().map(|(id, client)| (*id, *client)).collect();
        if members.is_empty() {
            return;
        }
        let partitions = self.group.owners.len();
        let mut free: Vec<usize> = (0..partitions).filter(|one| self.group.owners[*one].is_none()).collect();
        self.rng.shuffle(&mut free);
        for (place, (id, client)) in members.iter().enumerate() {
            let quota = partitions / members.len() + usize::from(place < partitions % members.len());
            self.clients[*client].generation = self.group.generation;
            let owned: Vec<usize> =
                self.group.of(*id).into_iter().filter(|one| !self.group.revoking.contains(one)).collect();
            let surplus = owned.iter().copied().skip(quota).collect::<Vec<_>>();
            if !surplus.is_empty() {
                self.group.revoking.extend(&surplus);
                self.ask_back(*client, &surplus);
            }
            let wanted = quota.saturating_sub(owned.len()).min(free.len());
            let given: Vec<usize> = free.drain(..wanted).collect();
            for partition in &given {
                self.group.owners[*partition] = Some(*id);
            }
            self.hand_out(*client, &given);
        }
    }

    /// A member gave partitions up.
    pub(super) fn released(&mut self, client: usize, partitions: &[usize]) {
        let Some(id) = self.clients[client].id.filter(|id| self.group.members.contains_key(id)) else { return };
        for partition in partitions {
            if self.group.owners[*partition] == Some(id) {
                self.group.owners[*partition] = None;
                self.group.revoking.remove(partition);
            }
        }
        if self.group.cooperative {
            self.rebalance();
        } else {
            self.rejoin_soon(client);
        }
    }

    /// A member is none any more.
    pub(super) fn remove(&mut self, client: usize) {
        let Some(id) = self.clients[client].id.filter(|id| self.group.members.contains_key(id)) else { return };
        self.group.members.remove(&id);
        for partition in self.group.of(id) {
            self.group.owners[partition] = None;
            self.group.revoking.remove(&partition);
        }
        match &mut self.group.waiting {
            Some(waiting) => {
                waiting.remove(&id);
                self.complete_when_all_are_here();
            }
            None => self.rebalance(),
        }
    }

    /// Throws a member out that knows nothing of it yet.
    pub(in crate::flow) fn evict(&mut self, client: usize) {
        if self.clients[client].id.is_none() || self.clients[client].is_evicted {
            return;
        }
        self.tell("group", || format!("throws w{client} out"));
        self.count("members thrown out");
        self.clients[client].is_evicted = true;
        self.audit.excuse(client);
        self.remove(client);
        if !self.clients[client].is_stopped {
            let latency = self.rng.u64(1_000..2_000_000);
            self.after(latency, Due::Notice(client));
        }
    }

    pub(super) fn silent(&mut self, client: usize, silence: u64) {
        let state = &self.clients[client];
        if (state.is_stopped || state.is_dead) && state.silences == silence && !state.is_closed {
            self.evict(client);
        }
    }

    pub(super) fn rebalance_expired(&mut self, round: u64) {
        if self.group.round != round {
            return;
        }
        let late: Vec<u64> = self.group.waiting.iter().flatten().copied().collect();
        for id in late {
            if let Some(client) = self.group.members.get(&id).copied() {
                self.evict(client);
            }
        }
    }

    /// The group has an offset.
    pub(super) fn take_offset(&mut self, partition: usize, offset: i64, note: String) {
        self.group.offsets[partition] = Some(offset);
        self.group.notes[partition].clone_from(&note);
        self.offset_taken(partition, offset, &note);
    }

    /// From now on nothing is heard of a client.
    pub(super) fn falls_silent(&mut self, client: usize) {
        self.clients[client].silences += 1;
        self.after(SESSION, Due::Session(client, self.clients[client].silences));
    }
}
