//! Exactly once: lines go in batches, each a transaction of outputs, dead letters, state and offsets. Two producers take
//! turns, so that nothing waits for a commit: while one commits, the other has the next batch open.
//!
//! ```text
//!               first line           due, full, asked          all acknowledged, and the one ahead is done
//!     at hand   Idle ───────→ Open ─────────────────→ Settling ─┐
//!                                                               │ the producers change places
//!     ahead     Idle ←──────────────────────────── Committing ←─┘
//!                              committed
//!
//!     undoing   Open, Settling ───→ Aborting ─────→ Idle ─┐  a record was refused, or the batch ahead does not count
//!               Committing ───────→ Aborting ─────→ Idle ─┤  must be aborted
//!               any ──────────────→ Renewing ─────→ Idle ─┤  unknown, fenced
//!                                                         └→ both idle: read again from what is committed
//! ```
//!
//! Records of one producer only are on their way at any time, and the next batch asks for its commit only when the one
//! ahead is known to be committed: so lines come out in order, and offsets go forward. When the batch ahead does not
//! count, what the one at hand holds comes after lines that will be done again; it is undone too. While batches are
//! undone nothing is read.
//!
//! A rebalance ends both batches before it is answered. After an outcome that is not known, or that came late, and after
//! a record that the brokers refused, a producer is renewed, and `begin` never called on it again. After an outcome that
//! is not known, what the group then says is committed is where reading goes on, whichever way it was.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::report::Tally;
use super::{Window, Worker};
use crate::flow::recent::{RECENT, Recent};
use crate::flow::transport::{Fate, Mark, Sink, Source};
use crate::flow::{Failure, Mode, throttle};
use crate::telemetry::foreign;

/// So often may a producer be fenced within [`RECENT`] before it is clear that another one has the same name.
const FENCED_MAX: usize = 3;
/// Before a producer is made that only a worker would wait for that does not leave, as it should.
const GIVEN_UP: Duration = RECENT;
/// Before the first attempt after a fencing; doubled with each further one.
const FENCED_PAUSE: Duration = Duration::from_secs(1);
/// While there is always more to read, nobody waits for the newest line: batches may be as long as this, and so fewer.
const BACKLOG: Duration = Duration::from_secs(1);
/// A batch that holds fewer lines by the time it is due is of no backlog.
const BACKLOG_LINES: usize = 20_000;
/// Looks for a line in a row that found none, which say that there is nothing more to read.
const LULL: u32 = 4;
/// Between two batches for nothing but positions: with each transaction that somebody ends on the input, there may be one.
const POSITIONS_INTERVAL: Duration = Duration::from_secs(1);
/// After an abort, before a new producer takes the name: asked while the transaction is still being ended, the brokers tell
/// the client to come again, and it does so after half a second.
const ENDING: Duration = Duration::from_millis(50);
/// After a batch was aborted for something that may pass.
const ABORTED_PAUSE: Duration = Duration::from_millis(200);

/// Where a producer stands.
#[derive(Debug)]
enum Stage {
    /// It can begin a transaction.
    Idle,
    /// Lines are added to its batch.
    Open { since: Instant },
    /// The records of its batch are waited for.
    Settling { since: Instant },
    /// Its batch is being committed, with these offsets.
    Committing { marks: Vec<Mark>, since: Instant, contents: Contents },
    /// Its batch is being aborted.
    Aborting,
    /// A new one is made ready in its place, not before a given time.
    Renewing { asked: bool, not_before: Instant },
}

impl Stage {
    /// A batch of it has not come to its end.
    fn holds_a_batch(&self) -> bool {
        !matches!(self, Self::Idle | Self::Renewing { .. })
    }
}

/// Which of the two producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// The one that takes lines: [`Worker::sink`].
    AtHand,
    /// The one whose turn was before: [`Worker::ahead`].
    Ahead,
}

impl Who {
    fn other(self) -> Self {
        match self {
            Self::AtHand => Self::Ahead,
            Self::Ahead => Self::AtHand,
        }
    }
}

/// What the two are doing.
#[derive(Debug)]
enum Course {
    /// There are no batches: at least once.
    Never,
    /// One batch follows the other.
    On,
    /// What is not committed does not count. Once both are idle, reading goes back.
    Undoing(Undo),
    /// It was undone, lines or watermarks only; the next batch may begin then.
    Resting { until: Instant, has_lines: bool },
}

#[derive(Debug, Default)]
struct Undo {
    /// It is not known what counts: the group is asked.
    asks: bool,
    /// Lines are undone, and not watermarks alone.
    has_lines: bool,
    /// A producer was fenced, and is not renewed before.
    fenced_until: Option<Instant>,
}

/// What counts only when a batch is committed.
#[derive(Debug, Default)]
struct Contents {
    /// Records acknowledged.
    published: u64,
    /// Dead letters, by kind.
    buried: Vec<&'static str>,
    /// Each of its lines may spoil it, so it is to hold no more than this.
    most: Option<usize>,
    /// Lines that it holds; a batch may be of watermarks alone.
    lines: usize,
}

impl Contents {
    /// It is to hold no more lines.
    fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.lines >= most)
    }
}

/// The transaction at hand, and the one ahead of it.
#[derive(Debug)]
pub(super) struct Batch {
    course: Course,
    at_hand: Stage,
    ahead: Stage,
    /// Of the one at hand.
    contents: Contents,
    /// Why it cannot be committed any more, and whether the next one will do better without waiting.
    spoiled: Option<(String, bool)>,
    /// See [`Self::misses_a_number`].
    has_gap: bool,
    /// Looks in a row that found nothing to read.
    quiet: u32,
    /// The producer at hand has the second of the two names.
    is_second: bool,
    fenced: Recent,
}

impl Batch {
    /// With transactions, both producers are on their way to being ready.
    pub(super) fn new(mode: Mode, now: Instant) -> Self {
        let (course, stage): (_, fn(Instant) -> Stage) = match mode {
            Mode::AtLeastOnce => (Course::Never, |_| Stage::Idle),
            Mode::ExactlyOnce => {
                let course = Course::Undoing(Undo { asks: true, ..Undo::default() });
                (course, |now| Stage::Renewing { asked: true, not_before: now })
            }
        };
        Self {
            course,
            at_hand: stage(now),
            ahead: stage(now),
            contents: Contents::default(),
            spoiled: None,
            has_gap: false,
            quiet: 0,
            is_second: false,
            fenced: Recent::default(),
        }
    }

    fn stage(&mut self, who: Who) -> &mut Stage {
        match who {
            Who::AtHand => &mut self.at_hand,
            Who::Ahead => &mut self.ahead,
        }
    }

    /// Whether the producer has the first of the two names.
    fn is_first(&self, who: Who) -> bool {
        self.is_second == (who == Who::Ahead)
    }

    /// A line was added.
    pub(super) fn holds_a_line(&mut self) {
        self.contents.lines += 1;
        self.quiet = 0;
    }

    /// No line may be added.
    pub(super) fn is_closing(&self) -> bool {
        match self.course {
            Course::Never => false,
            Course::On => !matches!(self.at_hand, Stage::Idle | Stage::Open { .. }),
            Course::Undoing(_) | Course::Resting { .. } => true,
        }
    }

    /// Its last records are waited for.
    pub(super) fn is_settling(&self) -> bool {
        matches!(self.at_hand, Stage::Settling { .. })
    }

    /// There is nothing to read at the moment.
    pub(super) fn rest(&mut self) {
        self.quiet = self.quiet.saturating_add(1);
    }

    /// Its end comes by the clock.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.at_hand, Stage::Open { .. })
    }

    /// Something is to be looked after soon.
    pub(super) fn is_busy(&self) -> bool {
        self.at_hand.holds_a_batch() || self.ahead.holds_a_batch()
    }

    /// It holds one line that may spoil it, or held one when it came to an end.
    pub(super) fn is_for_one_line(&self) -> bool {
        self.contents.most.is_some() && self.contents.lines == 1
    }

    /// It holds lines that may spoil it, and is to hold nothing else.
    pub(super) fn is_small(&self) -> bool {
        self.contents.most.is_some() && self.is_open()
    }

    /// It cannot be committed any more.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled.is_some()
    }

    /// What comes back of it says nothing any more.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.course, Course::Undoing(_) | Course::Resting { .. })
    }

    /// Lines that are being committed.
    pub(super) fn lines_ahead(&self) -> usize {
        match &self.ahead {
            Stage::Committing { marks, .. } => marks.iter().map(|mark| mark.lines).sum(),
            _ => 0,
        }
    }

    fn is_committing(&self) -> bool {
        matches!(self.ahead, Stage::Committing { .. })
    }

    /// It cannot be committed. `known`: it is known how to do better the next time.
    pub(super) fn spoil(&mut self, why: String, known: bool) {
        if self.spoiled.as_ref().is_none_or(|(_, was_known)| known && !was_known) {
            self.spoiled = Some((why, known));
        }
    }

    /// The brokers refused a record of the producer at hand, and miss its number among those of its partition: they would
    /// refuse what the same producer sends there next. librdkafka numbers anew after that only, and may then wait in vain
    /// for what it sends again meanwhile. So that producer has to go.
    pub(super) fn misses_a_number(&mut self) {
        self.has_gap = true;
    }

    /// Nothing that is not committed counts.
    fn undo(&mut self) -> &mut Undo {
        if !matches!(self.course, Course::Undoing(_)) {
            self.course = Course::Undoing(Undo::default());
        }
        let Course::Undoing(undo) = &mut self.course else { unreachable!("set above") };
        undo.has_lines |= self.contents.lines > 0;
        undo
    }

    /// A new producer is to be made, not before a given time.
    fn renew_at(&mut self, who: Who, not_before: Instant) {
        *self.stage(who) = Stage::Renewing { asked: false, not_before };
    }

    /// A dead letter was taken; true when that counts at once.
    pub(super) fn buried(&mut self, kind: &'static str) -> bool {
        let at_once = matches!(self.course, Course::Never);
        if !at_once {
            self.contents.buried.push(kind);
        }
        at_once
    }

    /// A line's record was acknowledged.
    pub(super) fn published(&mut self, tally: &mut Tally) {
        match self.course {
            Course::Never => tally.published += 1,
            _ => self.contents.published += 1,
        }
    }
}

impl<K: Sink> Worker<K> {
    /// Makes sure that a batch is open for a line. One that may spoil it goes with so many of its kind at most. False when none
    /// can be had now.
    pub(super) fn begin<S: Source>(&mut self, source: &S, most: Option<usize>) -> Result<bool, Failure> {
        let contents = &self.batch.contents;
        let is_another = contents.most.is_some() != most.is_some() || most == Some(1) && contents.lines > 0;
        if self.batch.is_open() && (is_another || contents.is_full()) {
            // What came before is done, whatever comes of this.
            self.close_batch(source, source.now() + self.settings.delivery.shutdown_timeout);
        }
        match (&self.batch.course, &self.batch.at_hand) {
            (Course::Never, _) | (Course::On, Stage::Open { .. }) => return Ok(true),
            (Course::On, Stage::Idle) => {}
            _ => return Ok(false),
        }
        self.batch.contents = Contents { most, ..Contents::default() };
        if let Err(fate) = self.sink.begin() {
            self.fell(Who::AtHand, fate, source.now())?;
            return Ok(false);
        }
        self.batch.at_hand = Stage::Open { since: source.now() };
        Ok(true)
    }

    /// Moves the batches on as far as they go.
    pub(super) fn drive<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        while self.advance(source, now)? {}
        Ok(())
    }

    /// One arrow of the picture; false when there is none to go now.
    fn advance<S: Source>(&mut self, source: &S, now: Instant) -> Result<bool, Failure> {
        if self.hear_of(Who::Ahead, now)? || self.hear_of(Who::AtHand, now)? {
            return Ok(true);
        }
        match &self.batch.course {
            Course::Never => Ok(false),
            Course::On => self.go_on(now),
            Course::Undoing(_) => self.go_undoing(source, now),
            Course::Resting { until, .. } if now < *until => Ok(false),
            Course::Resting { .. } => {
                self.batch.course = Course::On;
                Ok(true)
            }
        }
    }

    /// Takes what became of what a producer was asked for, or asks for a new one when it is time.
    fn hear_of(&mut self, who: Who, now: Instant) -> Result<bool, Failure> {
        match *self.batch.stage(who) {
            Stage::Idle | Stage::Open { .. } | Stage::Settling { .. } => return Ok(false),
            Stage::Renewing { asked: false, not_before } => {
                if now < not_before {
                    return Ok(false);
                }
                self.producer(who).renew()?;
                *self.batch.stage(who) = Stage::Renewing { asked: true, not_before };
            }
            Stage::Committing { .. } | Stage::Aborting | Stage::Renewing { asked: true, .. } => {
                let Some(fate) = self.producer(who).ended(Duration::ZERO) else { return Ok(false) };
                match fate {
                    Fate::Done => self.done(who, now),
                    Fate::DoneLate => {
                        self.done(who, now);
                        tracing::debug!("a transaction was ended late; making a new producer");
                        self.batch.renew_at(who, now);
                    }
                    fate => self.fell(who, fate, now)?,
                }
            }
        }
        Ok(true)
    }

    /// The producer at hand, while all is well.
    fn go_on(&mut self, now: Instant) -> Result<bool, Failure> {
        let (since, is_settling) = match self.batch.at_hand {
            Stage::Idle => {
                self.renew_rules();
                return if now < self.next_commit { Ok(false) } else { self.commit_positions(now) };
            }
            Stage::Open { since } => (since, false),
            Stage::Settling { since } => (since, true),
            _ => return Ok(false),
        };
        let waits = self.batch.is_committing();
        if waits && now.duration_since(since) >= self.longest_batch {
            // It would have to fear the broker's own patience, and its own commit may take as long.
            self.batch.spoil("the commit of the one before it takes too long".to_owned(), true);
        }
        if self.batch.spoiled.is_some() {
            self.batch.undo();
        } else if !is_settling && (self.must_end() || (!waits && self.is_due(now.duration_since(since)))) {
            self.batch.at_hand = Stage::Settling { since };
        } else if is_settling && self.window.records == 0 && self.trouble.is_empty() && !waits {
            self.commit_batch(now)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Nothing more can be added to the batch at hand.
    fn must_end(&self) -> bool {
        self.is_long() || self.batch.contents.is_full() || self.rules_are_stale()
    }

    /// The batch at hand is old enough.
    fn is_due(&self, age: Duration) -> bool {
        let interval = self.settings.delivery.commit_interval;
        let is_backlog = self.repeatable >= BACKLOG_LINES && self.batch.quiet < LULL;
        age >= if is_backlog { interval.max(BACKLOG) } else { interval }.min(self.longest_batch)
    }

    /// Both producers, while what they hold does not count.
    fn go_undoing<S: Source>(&mut self, source: &S, now: Instant) -> Result<bool, Failure> {
        match (&self.batch.at_hand, &self.batch.ahead) {
            (Stage::Open { .. } | Stage::Settling { .. }, _) => self.abort(Who::AtHand),
            (Stage::Idle, Stage::Idle) => self.undone(source, now)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn producer(&mut self, who: Who) -> &mut K {
        match (who, &mut self.ahead) {
            (Who::Ahead, Some(ahead)) => ahead,
            _ => &mut self.sink,
        }
    }

    /// Everything of the batch at hand is acknowledged: the other producer takes the next lines while it commits.
    fn commit_batch(&mut self, now: Instant) -> Result<(), Failure> {
        let marks = self.lanes.news();
        if marks.is_empty() && self.batch.contents.published > 0 {
            // It is with the offsets that the group says whether the lines were ours.
            tracing::warn!("a batch moves no offset, so its lines were done by another one; aborting it");
            self.batch.undo();
            return Ok(());
        }
        if let Err(fate) = self.sink.commit(&marks) {
            return self.fell(Who::AtHand, fate, now);
        }
        let contents = std::mem::take(&mut self.batch.contents);
        self.batch.at_hand = Stage::Committing { marks, since: now, contents };
        self.lanes.next_batch();
        self.repeatable = 0;
        self.change_places();
        Ok(())
    }

    /// A batch without lines, for offsets behind markers and aborted records. False when there are none to commit.
    fn commit_positions(&mut self, now: Instant) -> Result<bool, Failure> {
        self.next_commit = now + self.settings.delivery.commit_interval.max(POSITIONS_INTERVAL);
        let can_begin = matches!(self.batch.at_hand, Stage::Idle) && !self.batch.is_committing();
        if !can_begin || self.lanes.news().is_empty() {
            return Ok(false);
        }
        self.batch.contents = Contents::default();
        if let Err(fate) = self.sink.begin() {
            self.fell(Who::AtHand, fate, now)?;
            return Ok(true);
        }
        self.batch.at_hand = Stage::Settling { since: now };
        Ok(true)
    }

    fn change_places(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            std::mem::swap(&mut self.sink, ahead);
            std::mem::swap(&mut self.batch.at_hand, &mut self.batch.ahead);
            self.batch.is_second = !self.batch.is_second;
        }
    }

    fn abort(&mut self, who: Who) {
        self.meters.aborted.increment(1);
        self.producer(who).abort();
        *self.batch.stage(who) = Stage::Aborting;
    }

    /// What a producer was asked for is done.
    fn done(&mut self, who: Who, now: Instant) {
        let stage = std::mem::replace(self.batch.stage(who), Stage::Idle);
        if who == Who::AtHand && matches!(stage, Stage::Renewing { .. }) {
            self.batch.has_gap = false;
        }
        if let Stage::Committing { marks, since, contents } = stage {
            self.lanes.committed(&marks);
            self.meters.transactions.increment(1);
            self.meters.transaction.record(now.duration_since(since));
            self.tally.published += contents.published;
            self.trouble.strange = 0;
            if contents.most.is_some() {
                self.trouble.is_cleared();
            }
            contents.buried.into_iter().for_each(|kind| self.meters.dead_letter(kind));
        }
    }

    /// Both producers are idle: lines that are not committed are read again.
    fn undone<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        // Of a batch that was aborted the last are here by now. Whatever they say, the answers have been taken.
        let taken = self.take_acks();
        if self.batch.has_gap {
            self.batch.renew_at(Who::AtHand, now + ENDING);
            return taken;
        }
        let Course::Undoing(Undo { asks, has_lines, fenced_until }) = self.batch.course else { return taken };
        if fenced_until.is_some() && self.batch.is_second {
            // A rival is found out by the first name, which must be used for that.
            self.change_places();
        }
        let known = self.batch.spoiled.as_ref().is_some_and(|(_, known)| *known);
        self.forget_batch();
        if let Err(failure) = self.go_back(source, asks) {
            // The lanes still hold tickets of records that are gone: nothing may be added to them.
            self.batch.undo().asks = true;
            self.batch.renew_at(Who::AtHand, now + GIVEN_UP);
            return Err(failure);
        }
        self.batch.course = match asks || known {
            true => Course::On,
            false => Course::Resting { until: now + ABORTED_PAUSE, has_lines },
        };
        taken
    }

    /// Nothing that is not committed counts, and nothing of it is on its way any more.
    fn forget_batch(&mut self) {
        if let Some((why, _)) = self.batch.spoiled.take() {
            tracing::warn!("a batch was aborted and is done again: {}", foreign(why.as_bytes()));
        }
        self.batch.contents = Contents::default();
        self.window = Window::default();
        self.trouble.forget();
        self.linger.forget();
        self.counting.iter_mut().for_each(|counting| counting.in_flight = 0);
        self.repeatable = 0;
        self.crowded = false;
    }

    /// Reads again from what is committed, as the group says or as is known.
    fn go_back<S: Source>(&mut self, source: &S, asks: bool) -> Result<(), Failure> {
        if asks {
            self.lanes.learned(source.committed(&self.lanes.partitions())?);
        }
        let starts = self.lanes.go_back();
        source.rewind(&starts)
    }

    /// Something else came of it than was asked for.
    fn fell(&mut self, who: Who, fate: Fate, now: Instant) -> Result<(), Failure> {
        let had_lines = match self.batch.stage(who) {
            Stage::Committing { contents, .. } => contents.lines > 0,
            _ => false,
        };
        self.batch.undo().has_lines |= had_lines;
        match fate {
            Fate::Done | Fate::DoneLate => {}
            Fate::Abort(why) => {
                tracing::warn!("a transaction has to be aborted: {}", foreign(why.as_bytes()));
                self.abort(who);
            }
            Fate::Unknown(why) => {
                tracing::warn!(
                    "it is not known how a transaction ended; making a new producer: {}",
                    foreign(why.as_bytes())
                );
                self.meters.unknown.increment(1);
                self.batch.undo().asks = true;
                self.batch.renew_at(who, now);
            }
            Fate::Fenced(why) => {
                tracing::warn!("the transactional producer was fenced; making a new one: {}", foreign(why.as_bytes()));
                self.meters.fenced.increment(1);
                self.batch.undo().asks = true;
                // Even when this is the end: whoever leaves must not wait for an answer that has come already.
                self.batch.renew_at(who, now + GIVEN_UP);
                let until = self.fenced(who, now, &why)?;
                self.batch.renew_at(who, until);
                // Whoever has one of our names has the other too.
                let other = who.other();
                if matches!(self.batch.stage(other), Stage::Idle | Stage::Open { .. } | Stage::Settling { .. }) {
                    self.batch.renew_at(other, until);
                }
            }
            Fate::Final(failure) => {
                self.batch.undo().asks = true;
                self.batch.renew_at(who, now + GIVEN_UP);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// When to renew a producer that was fenced. It is once when its transaction took too long, and so may the other one's
    /// have. Again and again, it has a rival, which has both names too, and each may hold one of them: so nobody gives up
    /// for the second name, and whoever took the first one last can go on.
    fn fenced(&mut self, who: Who, now: Instant, why: &str) -> Result<Instant, Failure> {
        // What is found out one by one counts once.
        let times = match self.batch.undo().fenced_until {
            Some(_) => self.batch.fenced.lately(now),
            // What brokers hold back outlasts the time of its transaction, which they then end themselves.
            None if throttle::OUTPUT.holds(now) => self.batch.fenced.lately(now),
            None => self.batch.fenced.again(now),
        };
        if times <= FENCED_MAX || !self.batch.is_first(who) {
            let until = now + FENCED_PAUSE * 2_u32.pow(times.clamp(1, FENCED_MAX) as u32 - 1);
            return Ok(*self.batch.undo().fenced_until.get_or_insert(until));
        }
        let instance = &self.settings.delivery.instance;
        Err(Failure::config(format!(
            "the transactional producer was fenced {times} times within a minute ({why}): another process of group {} runs with \
             delivery.instance = \"{instance}\"; give each its own, or leave it away",
            self.settings.kafka.group_id
        )))
    }

    /// Brings both batches to their ends, good or bad. True when everything read is committed.
    pub(super) fn close_batch<S: Source>(&mut self, source: &S, deadline: Instant) -> bool {
        // Those lines are to be read again in any case, and count as not read yet.
        let was_undoing = self.batch.is_ending();
        loop {
            self.status.turn();
            let now = source.now();
            let moved = self.take_acks().and_then(|()| self.send_again(source, now));
            if let Err(failure) = moved.and_then(|()| self.drive(source, now)) {
                tracing::error!("{}", foreign(failure.message.as_bytes()));
                return false;
            }
            if !self.batch.is_busy() {
                if matches!(self.batch.course, Course::On) && source.now() < deadline {
                    match self.commit_positions(source.now()) {
                        Ok(true) => continue,
                        Ok(false) => {}
                        Err(failure) => tracing::error!("{}", foreign(failure.message.as_bytes())),
                    }
                }
                return match self.batch.course {
                    // Nothing of the last batch counts; of one without lines nothing has to.
                    Course::Resting { has_lines, .. } => was_undoing || !has_lines,
                    // The same, before a producer is there that could do them again.
                    Course::Undoing(Undo { asks: false, .. }) if was_undoing => true,
                    // What a producer that is renewed has on its conscience is still unsettled, or not committed; before
                    // the first, nothing is.
                    _ => self.lanes.unsettled() == 0 && self.lanes.news().is_empty(),
                };
            }
            match self.batch.at_hand {
                Stage::Open { since } => self.batch.at_hand = Stage::Settling { since },
                Stage::Settling { .. } if source.now() >= deadline => _ = self.batch.undo(),
                _ => self.look(),
            }
        }
    }

    /// Partitions were lost: what was read of them must not be published by us.
    pub(super) fn abort_batch(&mut self) {
        if matches!(self.batch.at_hand, Stage::Open { .. } | Stage::Settling { .. }) {
            self.batch.undo();
        }
    }

    /// Whether a producer can be used.
    pub(super) fn tell_readiness(&self) {
        let renews = |stage| matches!(stage, &Stage::Renewing { .. });
        let is_undoing = matches!(self.batch.course, Course::Undoing(_));
        let waits = renews(&self.batch.at_hand) || is_undoing && renews(&self.batch.ahead);
        self.status.renewing.store(waits, Relaxed);
    }
}
