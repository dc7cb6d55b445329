//! What the group asks of a worker, and what a worker asks of the group: partitions come and go, offsets are committed,
//! patience is kept while the output is blocked.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::{BLOCKED, COMMIT_PATIENCE, Worker};
use crate::flow::Failure;
use crate::flow::kafka::clients::{WINDOW_BYTES, WINDOW_LINES};
use crate::flow::kafka::source::{Event, Problem, Source};
use crate::flow::kafka::{Code, Partition, means_lost};

/// Between a commit that was refused and the next, when somebody waits for it.
const COMMIT_PAUSE: Duration = Duration::from_millis(20);

impl Worker {
    /// Answers what the group did. A failure leaves the event for [`Source::close`]: the client waits for the answer, and
    /// would never close without.
    pub(super) fn group(&mut self, source: &Source, event: Event) -> Result<(), Failure> {
        let answered = match &event {
            Event::Assigned(partitions) => self.take_over(source, partitions.clone()),
            Event::Revoked(partitions) => self.hand_over(source, partitions),
            Event::Lost(partitions) => {
                self.meters.lost.increment(1);
                tracing::warn!(partitions = partitions.len(), "lost partitions; what was not committed is done again");
                self.lanes.forget(partitions, &self.status);
                self.status.joined.store(false, Relaxed);
                source.release(partitions)
            }
        };
        answered.inspect_err(|_| source.put_back(event))
    }

    fn take_over(&mut self, source: &Source, partitions: Vec<Partition>) -> Result<(), Failure> {
        self.meters.assigned.increment(1);
        self.lanes.forget(&partitions, &self.status);
        let starts = source.assign(&partitions)?;
        // The client remembers that a partition is paused even while it is another's.
        source.pause(&partitions, false)?;
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "took over partitions");
        for (partition, start) in partitions.into_iter().zip(starts) {
            tracing::debug!(topic = %partition.topic, partition = partition.number, start, "took over");
            self.lanes.open(partition, start, &self.engine, &self.status);
        }
        // Were only some of our partitions paused, lines of the others would come while the window is full.
        if std::mem::take(&mut self.holding) {
            source.pause(&self.lanes.partitions(), false)?;
        }
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
        if !self.commit_by(source, deadline.max(Instant::now() + COMMIT_PATIENCE)) {
            tracing::warn!("not everything could be committed in time; what was not is done again");
        }
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
        if self.holding || since.elapsed() < self.hold_after {
            return Ok(());
        }
        let reason = self.sink.last_word();
        tracing::warn!(
            "the output has not taken anything for {} s, reading is paused{reason}",
            self.hold_after.as_secs()
        );
        self.holding = true;
        source.pause(&self.lanes.partitions(), true)
    }

    /// Back to reading once half of the window is free.
    pub(super) fn release_hold(&mut self, source: &Source) -> Result<(), Failure> {
        if self.is_full() {
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

    /// Begins to commit what is settled and not committed yet, unless that is under way.
    pub(super) fn commit(&mut self, source: &Source) {
        let news = self.lanes.news();
        if !self.committing && !news.is_empty() {
            source.commits().commit(news);
            self.committing = true;
        }
    }

    /// Commits everything that is settled, and waits for it. False when that was not to be had in time, or ever.
    pub(super) fn commit_by(&mut self, source: &Source, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let refused = self.hear(source, left);
            if !self.committing && self.lanes.news().is_empty() {
                return true;
            }
            if self.committing || refused.is_some_and(means_lost) || Instant::now() >= deadline {
                return false;
            }
            // In the middle of a rebalance the group takes nothing, for some milliseconds.
            if refused.is_some() {
                self.sink.wait(COMMIT_PAUSE);
            }
            self.commit(source);
        }
    }

    /// Takes the answer to a commit, waiting for it at most this long; tells why it was refused. What was refused is
    /// still news, and so tried again: by then the group has a new generation for us, or has taken our partitions.
    pub(super) fn hear(&mut self, source: &Source, wait: Duration) -> Option<Code> {
        let (marks, result) = self.committing.then(|| source.commits().answer(wait)).flatten()?;
        self.committing = false;
        match result {
            Ok(()) => {
                self.meters.committed.increment(1);
                self.lanes.committed(&marks);
            }
            Err(code) => {
                self.meters.commit_failed.increment(1);
                tracing::warn!("offsets were not committed: {code}");
            }
        }
        result.err()
    }
}
