//! What the group asks of a worker, and what a worker asks of the group: partitions come and go, offsets are committed,
//! behind markers of transactions too, patience is kept while the output is blocked.

use std::cell::RefCell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::{COMMIT_PATIENCE, Worker};
use crate::engine::Memory;
use crate::flow::kafka::{Code, means_lost};
use crate::flow::state::Recalled;
use crate::flow::transport::{Delivery, Event, Partition, Problem, Sink, Source, Standing};
use crate::flow::{Failure, Mode};

/// Between a commit that was refused and the next, which is due since much is uncommitted.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// The same, when somebody waits for it.
const COMMIT_PAUSE: Duration = Duration::from_millis(20);

impl<K: Sink> Worker<K> {
    /// Answers what the group did. A failure leaves the event for [`Source::close`]: the client waits for the answer, and
    /// would never close without.
    pub(super) fn group<S: Source>(&mut self, source: &S, event: Event) -> Result<(), Failure> {
        let answered = match &event {
            Event::Assigned(partitions) => self.take_over(source, partitions.clone()),
            Event::Revoked(partitions) => self.hand_over(source, partitions),
            Event::Positions(positions) => {
                self.reach(positions);
                return Ok(());
            }
            Event::Lost(partitions) => {
                self.meters.lost.increment(1);
                tracing::warn!(partitions = partitions.len(), "lost partitions; what was not committed is done again");
                self.lanes.forget(partitions, &self.status);
                self.abort_batch();
                self.status.joined.store(false, Relaxed);
                source.release(partitions)
            }
        };
        answered.inspect_err(|_| source.put_back(event))
    }

    /// Takes in how far partitions were read: where no line is, nothing has to be settled.
    fn reach(&mut self, positions: &[(Partition, i64)]) {
        for (partition, offset) in positions {
            if let Some(lane) = self.lanes.find(&partition.topic, partition.number) {
                lane.reach(*offset);
            }
        }
    }

    fn take_over<S: Source>(&mut self, source: &S, partitions: Vec<Partition>) -> Result<(), Failure> {
        self.meters.assigned.increment(1);
        self.lanes.forget(&partitions, &self.status);
        // Looking up offsets and state may take a while, for which no transaction should be kept open.
        if self.settings.delivery.mode == Mode::ExactlyOnce {
            self.close_batch(source, source.now() + self.settings.delivery.shutdown_timeout);
        }
        let committed = source.committed(&partitions)?;
        let (starts, notes): (Vec<(Partition, Option<i64>)>, Vec<String>) = partitions
            .into_iter()
            .zip(committed)
            .map(|(partition, standing)| match standing {
                Some(Standing { offset, note }) => ((partition, Some(offset)), note),
                None => ((partition, None), String::new()),
            })
            .unzip();
        let memories = self.recall_all(source, &starts)?;
        source.assign(&starts)?;
        let partitions: Vec<Partition> = starts.iter().map(|(partition, _)| partition.clone()).collect();
        // The client remembers that a partition is paused even while it is another's.
        source.pause(&partitions, false)?;
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "took over partitions");
        let counts = self.counting.is_some();
        for ((start, note), mut memory) in starts.into_iter().zip(notes).zip(memories) {
            tracing::debug!(topic = %start.0.topic, partition = start.0.number, start = start.1, note, "took over");
            if counts {
                memory.count_for_alerts();
            }
            self.lanes.open(start, &note, memory, counts, &self.status);
        }
        // Were only some of our partitions paused, lines of the others would come while the window is full.
        if std::mem::take(&mut self.holding) {
            source.pause(&self.lanes.partitions(), false)?;
        }
        self.status.joined.store(true, Relaxed);
        Ok(())
    }

    /// What the sources of partitions said. Reading that may take longer than the group has patience with a member that
    /// does not poll; so what is held already is paused meanwhile, and polled for the group's sake.
    fn recall_all<S: Source>(
        &mut self,
        source: &S,
        starts: &[(Partition, Option<i64>)],
    ) -> Result<Vec<Memory>, Failure> {
        if self.settings.state.is_none() {
            return Ok(starts.iter().map(|_| self.engine.memory()).collect());
        }
        source.pause(&self.lanes.partitions(), true)?;
        self.holding = true;
        // Lines that come although reading is paused; they are read again afterwards.
        let come: RefCell<Vec<(Partition, i64)>> = RefCell::default();
        let problem: RefCell<Option<Problem>> = RefCell::default();
        let waiting = || {
            self.status.turn();
            match source.poll(Duration::ZERO) {
                Some(Ok(delivery)) => {
                    let line = delivery.line();
                    let partition = Partition { topic: line.topic.into(), number: line.partition };
                    come.borrow_mut().push((partition, line.offset));
                }
                Some(Err(Problem::Passing)) | None => {}
                // Told once only.
                Some(Err(other)) => _ = problem.borrow_mut().get_or_insert(other),
            }
        };
        let memories =
            starts.iter().map(|(partition, start)| self.recall(source, partition, *start, &waiting)).collect();
        if let Some(problem) = problem.into_inner() {
            self.trouble(source, problem)?;
        }
        let mut gone_back: Vec<Partition> = Vec::new();
        for (partition, offset) in come.into_inner() {
            if !gone_back.contains(&partition) && self.lanes.read_again(source, &partition, offset)? {
                gone_back.push(partition);
            }
        }
        memories
    }

    /// What the sources of a partition said, as far as the state topic knows.
    fn recall<S: Source>(
        &self,
        source: &S,
        partition: &Partition,
        start: Option<i64>,
        waiting: &dyn Fn(),
    ) -> Result<Memory, Failure> {
        let mut memory = self.engine.memory();
        memory.settle(start.unwrap_or(0));
        let mut recalled = Recalled::default();
        source.recall(partition, waiting, &mut |key, value| {
            recalled.take(&mut memory, partition, key, value);
        })?;
        memory.restored();
        memory.keep_news();
        let Recalled { records, unreadable } = recalled;
        self.meters.state_read.increment(records);
        if unreadable > 0 {
            tracing::warn!(topic = %partition.topic, partition = partition.number, unreadable, "records of the state topic that cannot be read");
        }
        Ok(memory)
    }

    /// Settles and commits, as far as the time for it allows, before others may begin where we end.
    fn hand_over<S: Source>(&mut self, source: &S, partitions: &[Partition]) -> Result<(), Failure> {
        self.meters.revoked.increment(1);
        let deadline = source.now() + self.settings.delivery.shutdown_timeout;
        let committed = match self.settings.delivery.mode {
            Mode::AtLeastOnce => {
                self.settle_before(source, partitions, deadline)?;
                let patience = source.now() + COMMIT_PATIENCE;
                self.commit_by(source, deadline.max(patience))
            }
            Mode::ExactlyOnce => self.close_batch(source, deadline),
        };
        if !committed {
            tracing::warn!("not everything could be committed in time; what was not is done again");
        }
        self.lanes.forget(partitions, &self.status);
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "gave up partitions");
        source.release(partitions)
    }

    fn settle_before<S: Source>(
        &mut self,
        source: &S,
        partitions: &[Partition],
        deadline: Instant,
    ) -> Result<(), Failure> {
        let going = |lane: &Lane| partitions.contains(&lane.partition) && lane.ledger.unsettled() > 0;
        self.take_acks()?;
        while self.lanes.iter().any(going) && source.now() < deadline {
            self.status.turn();
            self.hurry();
            self.take_acks()?;
            self.send_again(source, source.now())?;
        }
        Ok(())
    }

    pub(super) fn trouble<S: Source>(&mut self, source: &S, problem: Problem) -> Result<(), Failure> {
        match problem {
            Problem::Passing => Ok(()),
            Problem::Final(sentence) => Err(Failure::unavailable(sentence)),
            Problem::OutOfRange => {
                let next: Vec<(Partition, i64)> =
                    self.lanes.iter().filter_map(|lane| Some((lane.partition.clone(), lane.next()?))).collect();
                Err(Failure::unavailable(source.out_of_range(&self.settings.kafka.group_id, &next)))
            }
        }
    }

    /// Blocked for long, keeps the group's patience by pausing what it reads.
    pub(super) fn hold<S: Source>(&mut self, source: &S) -> Result<(), Failure> {
        let now = source.now();
        let since = *self.blocked_since.get_or_insert(now);
        if self.holding || now.duration_since(since) < self.hold_after {
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
    pub(super) fn release_hold<S: Source>(&mut self, source: &S) -> Result<(), Failure> {
        if self.is_full() {
            return Ok(());
        }
        self.blocked_since = None;
        if self.holding
            && self.repeatable <= self.settings.delivery.in_flight / 2
            && self.window.bytes <= self.window_bytes / 2
        {
            self.holding = false;
            tracing::info!("the output takes lines again");
            source.pause(&self.lanes.partitions(), false)?;
        }
        Ok(())
    }

    /// Commits by the clock, and before a crash would repeat too much.
    pub(super) fn commit_when_due<S: Source>(&mut self, source: &S, now: Instant) {
        let much = self.lanes.uncommitted() >= self.settings.delivery.in_flight / 2;
        if (much && now >= self.commit_pause) || now >= self.next_commit {
            self.commit(source);
            self.next_commit = now + self.settings.delivery.commit_interval;
        }
    }

    /// Begins to commit what is settled and not committed yet, unless that is under way.
    pub(super) fn commit<S: Source>(&mut self, source: &S) {
        let news = self.lanes.news();
        if !self.committing && !news.is_empty() {
            source.commit(news);
            self.committing = true;
        }
    }

    /// Commits everything that is settled, and waits for it. False when that was not to be had in time, or ever.
    pub(super) fn commit_by<S: Source>(&mut self, source: &S, deadline: Instant) -> bool {
        loop {
            self.status.turn();
            let left = deadline.saturating_duration_since(source.now());
            let refused = self.hear(source, left);
            if !self.committing && self.lanes.news().is_empty() {
                return true;
            }
            if self.committing || refused.is_some_and(means_lost) || source.now() >= deadline {
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
    pub(super) fn hear<S: Source>(&mut self, source: &S, wait: Duration) -> Option<Code> {
        let (marks, result) = self.committing.then(|| source.commit_answer(wait)).flatten()?;
        self.committing = false;
        match result {
            Ok(()) => {
                self.meters.committed.increment(1);
                self.lanes.committed(&marks);
            }
            Err(code) => {
                self.meters.commit_failed.increment(1);
                self.commit_pause = source.now() + REFUSED_PAUSE;
                tracing::warn!("offsets were not committed: {code}");
            }
        }
        result.err()
    }
}
