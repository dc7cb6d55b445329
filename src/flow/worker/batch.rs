//! Exactly once: lines go in batches, each a transaction of outputs, dead letters, state and offsets.
//!
//! ```text
//!            first line            due, full, asked            all acknowledged             committed
//!     Idle ─────────────→ Open ──────────────────→ Settling ────────────────────→ Committing ───────────→ Idle
//!      ↑                                               │ a record was refused        │ must be aborted
//!      ├────────────────────────────────────── Aborting ←────────────────────────────┤
//!      │  read again from what is committed            │ unknown                     │ unknown, fenced
//!      └────────────────────────────────────── Renewing ←────────────────────────────┘
//! ```
//!
//! While a batch is open lines are read; in every other state they are not. A rebalance ends the open batch before it is
//! answered. After an outcome that is not known, or that came late, the producer is renewed, and `begin` never called on
//! it again; what the group then says is committed is where reading goes on, whichever way the outcome was.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::report::Tally;
use super::{BLOCKED, Window, Worker};
use crate::flow::recent::{RECENT, Recent};
use crate::flow::transport::{Fate, Mark, Sink, Source};
use crate::flow::{Failure, Mode};
use crate::telemetry::foreign;

/// So often may a producer be fenced within [`RECENT`] before it is clear that another one has the same name.
const FENCED_MAX: usize = 3;
/// Before a producer is made that only a worker would wait for that does not leave, as it should.
const GIVEN_UP: Duration = RECENT;
/// Before the first attempt after a fencing; doubled with each further one.
const FENCED_PAUSE: Duration = Duration::from_secs(1);
/// While there is always more to read, nobody waits for the newest line: batches may be longer by this, and so fewer.
const BACKLOG_INTERVALS: u32 = 5;
/// After a batch was aborted for something that may pass.
const ABORTED_PAUSE: Duration = Duration::from_millis(200);

/// Where the batch at hand stands.
#[derive(Debug)]
enum Stage {
    /// There are no batches: at least once.
    Never,
    /// None is open.
    Idle,
    /// Lines are added to it.
    Open { since: Instant },
    /// Its records are waited for.
    Settling,
    /// It is being committed, with these offsets.
    Committing { marks: Vec<Mark>, since: Instant },
    /// It is being aborted.
    Aborting,
    /// It was aborted; the next one may begin then.
    Resting { until: Instant },
    /// A new producer is made ready, not before a given time.
    Renewing { asked: bool, not_before: Instant },
}

/// The transaction at hand.
#[derive(Debug)]
pub(super) struct Batch {
    stage: Stage,
    /// Why it cannot be committed any more, and whether the next one will do better without waiting.
    spoiled: Option<(String, bool)>,
    /// Records acknowledged that do not count yet.
    published: u64,
    /// Dead letters that do not count yet, by kind.
    buried: Vec<&'static str>,
    /// It holds one line, which may spoil it, and is to hold no more.
    alone: bool,
    /// It holds lines, and not watermarks alone.
    has_lines: bool,
    /// For a moment there was nothing to read.
    lull: bool,
    fenced: Recent,
}

impl Batch {
    /// With transactions, the producer is on its way to being ready.
    pub(super) fn new(mode: Mode, now: Instant) -> Self {
        let stage = match mode {
            Mode::AtLeastOnce => Stage::Never,
            Mode::ExactlyOnce => Stage::Renewing { asked: true, not_before: now },
        };
        Self {
            stage,
            spoiled: None,
            published: 0,
            buried: Vec::new(),
            alone: false,
            has_lines: false,
            lull: false,
            fenced: Recent::default(),
        }
    }

    /// A line was added.
    pub(super) fn holds_a_line(&mut self) {
        self.has_lines = true;
    }

    /// No line may be added.
    pub(super) fn is_closing(&self) -> bool {
        !matches!(self.stage, Stage::Never | Stage::Idle | Stage::Open { .. })
    }

    /// Its last records are waited for.
    pub(super) fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling)
    }

    /// There is nothing to read at the moment.
    pub(super) fn rest(&mut self) {
        self.lull = true;
    }

    /// Its end comes by the clock.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// It holds one line and is to hold no more.
    pub(super) fn is_alone(&self) -> bool {
        self.alone && self.is_open()
    }

    /// A new producer is to be made, not before a given time.
    fn renew_at(&mut self, not_before: Instant) {
        self.stage = Stage::Renewing { asked: false, not_before };
    }

    /// What comes back of it says nothing any more.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Aborting | Stage::Renewing { .. } | Stage::Resting { .. })
    }

    /// It cannot be committed. `known`: it is known how to do better the next time.
    pub(super) fn spoil(&mut self, why: String, known: bool) {
        if self.spoiled.as_ref().is_none_or(|(_, was_known)| known && !was_known) {
            self.spoiled = Some((why, known));
        }
    }

    /// A line became a dead letter; true when that counts at once.
    pub(super) fn buried(&mut self, kind: &'static str) -> bool {
        let at_once = matches!(self.stage, Stage::Never);
        if !at_once {
            self.buried.push(kind);
        }
        at_once
    }

    /// A line's record was acknowledged.
    pub(super) fn published(&mut self, tally: &mut Tally) {
        match self.stage {
            Stage::Never => tally.published += 1,
            _ => self.published += 1,
        }
    }
}

impl<K: Sink> Worker<K> {
    /// Makes sure that a batch is open for a line, which may have to be alone in it. False when none can be had now.
    pub(super) fn begin<S: Source>(&mut self, source: &S, alone: bool) -> Result<bool, Failure> {
        if self.batch.is_open() && (alone || self.batch.alone) {
            self.close_batch(source, source.now() + self.settings.delivery.shutdown_timeout);
        }
        match self.batch.stage {
            Stage::Idle => self.batch.alone = alone,
            Stage::Never | Stage::Open { .. } => return Ok(true),
            _ => return Ok(false),
        }
        if let Err(fate) = self.sink.begin() {
            self.fell(fate, source.now())?;
            return Ok(false);
        }
        self.batch.stage = Stage::Open { since: source.now() };
        self.batch.lull = false;
        self.batch.has_lines = false;
        Ok(true)
    }

    /// Moves the batch on as far as it goes.
    pub(super) fn drive<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        while self.advance(source, now)? {}
        Ok(())
    }

    /// One arrow of the picture; false when there is none to go now.
    fn advance<S: Source>(&mut self, source: &S, now: Instant) -> Result<bool, Failure> {
        match &self.batch.stage {
            Stage::Never => return Ok(false),
            Stage::Idle => {
                self.renew_rules();
                return Ok(false);
            }
            Stage::Open { since } => {
                let (age, interval) = (now.duration_since(*since), self.settings.delivery.commit_interval);
                let longest = self.longest_batch;
                let due = age >= interval.min(longest) && self.batch.lull
                    || age >= (interval * BACKLOG_INTERVALS).min(longest);
                if !(due
                    || self.is_long()
                    || self.batch.alone
                    || self.rules_are_stale()
                    || self.batch.spoiled.is_some())
                {
                    return Ok(false);
                }
                self.batch.stage = Stage::Settling;
            }
            Stage::Settling => {
                if self.batch.spoiled.is_some() {
                    self.abort();
                } else if self.window.records == 0 {
                    self.commit_batch(now)?;
                } else {
                    return Ok(false);
                }
            }
            Stage::Resting { until } => {
                if now < *until {
                    return Ok(false);
                }
                self.batch.stage = Stage::Idle;
            }
            Stage::Renewing { asked: false, not_before } => {
                if now < *not_before {
                    return Ok(false);
                }
                self.sink.renew()?;
                self.batch.stage = Stage::Renewing { asked: true, not_before: *not_before };
            }
            Stage::Committing { .. } | Stage::Aborting | Stage::Renewing { asked: true, .. } => {
                let Some(fate) = self.sink.ended(Duration::ZERO) else { return Ok(false) };
                match fate {
                    Fate::Done => self.done(source, now)?,
                    Fate::DoneLate => {
                        self.done(source, now)?;
                        tracing::debug!("a transaction was ended late; making a new producer");
                        self.batch.renew_at(now);
                    }
                    fate => self.fell(fate, now)?,
                }
            }
        }
        Ok(true)
    }

    fn commit_batch(&mut self, now: Instant) -> Result<(), Failure> {
        let marks = self.lanes.news();
        if marks.is_empty() && self.batch.published > 0 {
            // It is with the offsets that the group says whether the lines were ours.
            tracing::warn!("a batch moves no offset, so its lines were done by another one; aborting it");
            self.abort();
            return Ok(());
        }
        match self.sink.commit(&marks) {
            Ok(()) => self.batch.stage = Stage::Committing { marks, since: now },
            Err(fate) => self.fell(fate, now)?,
        }
        Ok(())
    }

    fn abort(&mut self) {
        self.meters.aborted.increment(1);
        self.sink.abort();
        self.batch.stage = Stage::Aborting;
    }

    /// What was asked for is done.
    fn done<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        // Of a batch that was aborted the last are here by now. Whatever they say, the answer has been taken.
        let taken = self.take_acks();
        match std::mem::replace(&mut self.batch.stage, Stage::Idle) {
            Stage::Committing { marks, since } => {
                self.lanes.committed(&marks);
                self.meters.transactions.increment(1);
                self.meters.transaction.record(now.duration_since(since));
                self.tally.published += std::mem::take(&mut self.batch.published);
                self.batch.buried.drain(..).for_each(|kind| self.meters.dead_letter(kind));
                self.trouble.accepted(self.batch.alone);
                self.repeatable = 0;
                self.last_ack = now;
            }
            Stage::Renewing { .. } => {
                self.forget_batch();
                let back = source.committed(&self.lanes.partitions()).and_then(|committed| {
                    self.lanes.learned(committed);
                    self.go_back(source)
                });
                if back.is_err() {
                    // The lanes still hold tickets of a producer that is gone: nothing may be added to them.
                    self.batch.renew_at(now + GIVEN_UP);
                }
                back?;
            }
            _ => {
                let known = self.batch.spoiled.as_ref().is_some_and(|(_, known)| *known);
                self.forget_batch();
                self.go_back(source)?;
                if !known {
                    self.batch.stage = Stage::Resting { until: now + ABORTED_PAUSE };
                }
            }
        }
        taken
    }

    /// Nothing of the batch counts, and nothing of it is on its way any more.
    fn forget_batch(&mut self) {
        if let Some((why, _)) = self.batch.spoiled.take() {
            tracing::warn!("a batch was aborted and is done again: {}", foreign(why.as_bytes()));
        }
        self.batch.published = 0;
        self.batch.buried.clear();
        self.window = Window::default();
        self.counting.iter_mut().for_each(|counting| counting.in_flight = 0);
        self.repeatable = 0;
        self.crowded = false;
    }

    fn go_back<S: Source>(&mut self, source: &S) -> Result<(), Failure> {
        let starts = self.lanes.go_back();
        source.rewind(&starts)
    }

    /// Something else came of it than was asked for.
    fn fell(&mut self, fate: Fate, now: Instant) -> Result<(), Failure> {
        match fate {
            Fate::Done | Fate::DoneLate => {}
            Fate::Abort(why) => {
                tracing::warn!("a transaction has to be aborted: {}", foreign(why.as_bytes()));
                self.abort();
            }
            Fate::Unknown(why) => {
                tracing::warn!(
                    "it is not known how a transaction ended; making a new producer: {}",
                    foreign(why.as_bytes())
                );
                self.meters.unknown.increment(1);
                self.batch.renew_at(now);
            }
            Fate::Fenced(why) => {
                tracing::warn!("the transactional producer was fenced; making a new one: {}", foreign(why.as_bytes()));
                self.meters.fenced.increment(1);
                // Even when this is the end: whoever leaves must not wait for an answer that has come already.
                self.batch.renew_at(now + GIVEN_UP);
                let pause = self.fenced(now, &why)?;
                self.batch.renew_at(now + pause);
            }
            Fate::Final(failure) => {
                self.batch.renew_at(now + GIVEN_UP);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// A producer is fenced once when its transaction took too long. Again and again, it has a rival.
    fn fenced(&mut self, now: Instant, why: &str) -> Result<Duration, Failure> {
        let times = self.batch.fenced.again(now);
        if times <= FENCED_MAX {
            return Ok(FENCED_PAUSE * 2_u32.pow(times as u32 - 1));
        }
        let instance = &self.settings.delivery.instance;
        Err(Failure::config(format!(
            "the transactional producer was fenced {times} times within a minute ({why}): another process of group {} runs with \
             delivery.instance = \"{instance}\"; give each its own, or leave it away",
            self.settings.kafka.group_id
        )))
    }

    /// Brings the open batch to its end, good or bad. True when everything read is committed.
    pub(super) fn close_batch<S: Source>(&mut self, source: &S, deadline: Instant) -> bool {
        loop {
            self.status.turn();
            if let Err(failure) = self.take_acks().and_then(|()| self.drive(source, source.now())) {
                tracing::error!("{}", foreign(failure.message.as_bytes()));
                return false;
            }
            match &self.batch.stage {
                // What a producer that is renewed has on its conscience is still unsettled; before the first, nothing is.
                Stage::Never | Stage::Idle | Stage::Renewing { .. } => {
                    return self.lanes.unsettled() == 0 && self.lanes.news().is_empty();
                }
                // Nothing is open, and nothing of the last batch counts; of one without lines nothing has to.
                Stage::Resting { .. } => return !self.batch.has_lines,
                Stage::Open { .. } => self.batch.stage = Stage::Settling,
                Stage::Settling if source.now() >= deadline => self.abort(),
                Stage::Settling | Stage::Committing { .. } | Stage::Aborting => self.sink.wait(BLOCKED),
            }
        }
    }

    /// Partitions were lost: what was read of them must not be published by us.
    pub(super) fn abort_batch(&mut self) {
        if matches!(self.batch.stage, Stage::Open { .. } | Stage::Settling) {
            self.abort();
        }
    }

    /// Whether the producer can be used.
    pub(super) fn tell_readiness(&self) {
        let waits = matches!(self.batch.stage, Stage::Renewing { .. });
        self.status.renewing.store(waits, Relaxed);
    }
}
