//! The partitions that a worker has: each with its ledger, and with what its sources said earlier.

use std::sync::Arc;

use crate::engine::{Engine, Memory};
use crate::flow::kafka::Partition;
use crate::flow::kafka::committer::Mark;
use crate::flow::ledger::{LANES, Ledger, Ticket};
use crate::flow::status::{LaneStatus, WorkerStatus};

/// One assigned partition.
pub(super) struct Lane {
    pub(super) partition: Partition,
    pub(super) ledger: Ledger,
    pub(super) memory: Memory,
    pub(super) evicted: u64,
    /// Where reading began; `None` at the beginning of the partition.
    pub(super) start: Option<i64>,
    /// What the group has, as far as we know.
    pub(super) committed: Option<i64>,
    pub(super) last_timestamp_ms: i64,
    pub(super) status: Arc<LaneStatus>,
}

impl Lane {
    /// The offset to commit, when there is a new one.
    pub(super) fn news(&self) -> Option<i64> {
        self.ledger.commit().filter(|offset| self.committed.is_none_or(|committed| *offset > committed))
    }

    /// The offset to be read next, as far as it can be known.
    pub(super) fn next(&self) -> Option<i64> {
        self.ledger.last_seen().map(|offset| offset + 1).or(self.start)
    }
}

/// All lanes of a worker.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Index of the lane used last: lines, and their acknowledgements, come in runs of one partition.
    current: usize,
    next_number: u32,
}

impl Lanes {
    /// The lane of a partition, `None` when it is not ours.
    pub(super) fn find(&mut self, topic: &str, number: i32) -> Option<&mut Lane> {
        self.find_by(|lane| lane.partition.number == number && *lane.partition.topic == *topic)
    }

    /// The lane that opened a ticket, `None` when its partition was given up since.
    pub(super) fn of(&mut self, ticket: &Ticket) -> Option<&mut Lane> {
        self.find_by(|lane| lane.ledger.lane() == ticket.lane())
    }

    fn find_by(&mut self, fits: impl Fn(&Lane) -> bool) -> Option<&mut Lane> {
        if !self.lanes.get(self.current).is_some_and(&fits) {
            self.current = self.lanes.iter().position(fits)?;
        }
        self.lanes.get_mut(self.current)
    }

    /// Begins a lane, with an empty memory: nothing is known of what another owner of the partition had read.
    pub(super) fn open(&mut self, partition: Partition, start: Option<i64>, engine: &Engine, status: &WorkerStatus) {
        let number = self.next_number;
        self.next_number = (number + 1) % LANES;
        self.lanes.push(Lane {
            status: status.add(partition.topic.clone(), partition.number, start.unwrap_or(-1)),
            partition,
            ledger: Ledger::new(number),
            memory: engine.memory(),
            evicted: 0,
            start,
            committed: start,
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut()
    }

    /// The partitions that are ours.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        self.lanes.iter().map(|lane| lane.partition.clone()).collect()
    }

    /// What is to be committed.
    pub(super) fn news(&self) -> Vec<Mark> {
        let mark = |lane: &Lane| {
            Some(Mark { lane: lane.ledger.lane(), partition: lane.partition.clone(), offset: lane.news()? })
        };
        self.lanes.iter().filter_map(mark).collect()
    }

    /// The group has these. A lane that was ended since, and perhaps begun anew, is not meant.
    pub(super) fn committed(&mut self, marks: &[Mark]) {
        for mark in marks {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.ledger.lane() == mark.lane) {
                lane.committed = Some(mark.offset);
            }
        }
    }

    /// Lines read and not settled.
    pub(super) fn unsettled(&self) -> usize {
        self.lanes.iter().map(|lane| lane.ledger.unsettled()).sum()
    }
}
