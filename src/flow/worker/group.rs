//! What the group asks of a worker, and what a worker asks of the group: partitions come and go, offsets are committed,
//! patience is kept while the output is blocked.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::{BLOCKED, Worker};
use crate::flow::Failure;
use crate::flow::kafka::clients::{MAX_POLL_INTERVAL_MS, WINDOW_BYTES, WINDOW_LINES};
use crate::flow::kafka::source::{Event, Problem, Source};
use crate::flow::kafka::{Partition, means_lost};

/// Blocked for longer, the partitions are paused, so that polling can go on and the group does not take us for dead.
const HOLD_AFTER: Duration = Duration::from_millis(MAX_POLL_INTERVAL_MS / 4);

impl Worker {
    pub(super) fn group(&mut self, source: &Source, event: Event) -> Result<(), Failure> {
        match event {
            Event::Assigned(partitions) => self.take_over(source, partitions),
            Event::Revoked(partitions) => self.hand_over(source, &partitions),
            Event::Lost(partitions) => {
                self.meters.lost.increment(1);
                tracing::warn!(partitions = partitions.len(), "lost partitions; what was not committed is done again");
                self.lanes.forget(&partitions, &self.status);
                source.release(&partitions)
            }
        }
    }

    fn take_over(&mut self, source: &Source, partitions: Vec<Partition>) -> Result<(), Failure> {
        self.meters.assigned.increment(1);
        self.lanes.forget(&partitions, &self.status);
        let starts = source.assign(&partitions)?;
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "took over partitions");
        for (partition, start) in partitions.into_iter().zip(starts) {
            tracing::debug!(topic = %partition.topic, partition = partition.number, start, "took over");
            self.lanes.open(partition, start, &self.engine, &self.status);
        }
        // What the group has just said settles any doubt, and new partitions are not paused.
        self.doubtful = false;
        self.holding = false;
        self.status.joined.store(true, Relaxed);
        Ok(())
    }

    /// Settles and commits, as far as the time for it allows, before others may begin where we end.
    fn hand_over(&mut self, source: &Source, partitions: &[Partition]) -> Result<(), Failure> {
        self.meters.revoked.increment(1);
        let going = |lane: &Lane| partitions.contains(&lane.partition);
        let deadline = Instant::now() + self.drain;
        self.take_acks()?;
        while self.lanes.iter().any(|lane| going(lane) && lane.ledger.unsettled() > 0) && Instant::now() < deadline {
            self.sink.wait(BLOCKED);
            self.take_acks()?;
        }
        self.doubtful = false;
        self.commit(source);
        self.lanes.forget(partitions, &self.status);
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "gave up partitions");
        source.release(partitions)
    }

    pub(super) fn trouble(&mut self, source: &Source, problem: Problem) -> Result<(), Failure> {
        match problem {
            Problem::Passing => Ok(()),
            Problem::Final(sentence) => Err(Failure::unavailable(sentence)),
            Problem::OutOfRange => {
                let next: Vec<(Partition, i64)> =
                    self.lanes.iter().filter_map(|lane| Some((lane.partition.clone(), lane.next()?))).collect();
                Err(Failure::unavailable(source.out_of_range(&self.group, &next)))
            }
        }
    }

    /// Blocked for long, keeps the group's patience by pausing what it reads.
    pub(super) fn hold(&mut self, source: &Source) -> Result<(), Failure> {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        if self.holding || since.elapsed() < HOLD_AFTER {
            return Ok(());
        }
        let reason = self.sink.last_word();
        tracing::warn!("the output has not taken anything for {} s, reading is paused{reason}", HOLD_AFTER.as_secs());
        self.holding = true;
        source.pause(&self.lanes.partitions(), true)
    }

    /// Back to reading once half of the window is free.
    pub(super) fn release_hold(&mut self, source: &Source) -> Result<(), Failure> {
        if self.window.is_full() {
            return Ok(());
        }
        self.blocked_since = None;
        if self.holding && self.window.lines <= WINDOW_LINES / 2 && self.window.bytes <= WINDOW_BYTES / 2 {
            self.holding = false;
            tracing::info!("the output takes lines again");
            source.pause(&self.lanes.partitions(), false)?;
        }
        Ok(())
    }

    /// Commits what is settled and not committed yet.
    pub(super) fn commit(&mut self, source: &Source) {
        let news: Vec<(Partition, i64)> =
            self.lanes.iter().filter_map(|lane| Some((lane.partition.clone(), lane.news()?))).collect();
        if self.doubtful || news.is_empty() {
            return;
        }
        match source.commit(&news) {
            Ok(()) => {
                self.meters.committed.increment(1);
                for lane in self.lanes.iter_mut() {
                    lane.committed = lane.ledger.commit().or(lane.committed);
                }
            }
            Err(code) => {
                self.meters.commit_failed.increment(1);
                self.doubtful = means_lost(code);
                let then = if self.doubtful { "the group has gone on without us" } else { "trying again" };
                tracing::warn!("offsets were not committed ({code}); {then}");
            }
        }
    }
}
