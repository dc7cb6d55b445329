//! One worker: a thread with a consumer, a producer or two, and the ledgers between them. Nothing else touches these.
//!
//! [`Worker::step`] is the whole life of it: look what happens next, deal with it, look after what runs beside. A line
//! is judged and handed to the producer while it still lies in the consumer's memory. At most a window of lines is in
//! flight; when it is full, nothing is read until the output acknowledges some: memory, and what a crash repeats, stay
//! bounded, and no line is ever dropped.
//!
//! At least once, lines flow without a pause, and offsets follow the acknowledgements (`group`). Exactly once, they go
//! in batches, each a transaction, and there are two producers that take turns (`batch`). Lines that the output will not take,
//! and those at which the classifier fails, become dead letters (`trouble`), and what was refused with them is sent again
//! (`again`); what sources said is kept in the state topic (`lane`).

mod again;
mod batch;
mod group;
mod lane;
mod linger;
mod matches;
mod report;
mod trouble;
mod wary;
mod whose;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::coverage::Sampler;
use super::kafka::Code;
use super::kafka::clients::{self, LEDGER_LINES, WINDOW_BYTES, WINDOW_LINES};
use super::kafka::topics::Route;
use super::ledger::Ticket;
use super::meters::{Meters, SAMPLED};
use super::record::{self, Line, Notes, Record, Writer};
use super::shutdown::{Drained, StopFlag, Turn, Word, turns};
use super::state;
use super::status::{WorkerStatus, now_ms};
use super::takes::Written;
use super::transport::{Ack, Delivery, Event, Fetched, Problem, Sink, Source, To};
use super::unjudged::Beside;
use super::{Failure, Mode, Rules, Settings};
use crate::engine::{Engine, News, Outcome};
use crate::telemetry::foreign;
use again::{Handed, Trouble};
use batch::Batch;
use lane::{Admission, Lane, Lanes};
use linger::Linger;
use matches::Counting;
use report::Tally;
use trouble::{Refused, Way};
use wary::Outlook;

/// How long to wait for a line when nothing is in flight, and so how late a request to stop is seen at worst.
const IDLE: Duration = Duration::from_millis(100);
/// How long to wait for a line while acknowledgements may come, which only a look at the producer shows.
const BUSY: Duration = Duration::from_millis(5);
/// One look at the producer while nothing may be read.
const BLOCKED: Duration = Duration::from_millis(1);
/// A commit that others wait for is waited for at least this long, however long settling took.
const COMMIT_PATIENCE: Duration = Duration::from_millis(500);
/// Lines between two looks at the producer and the clock.
const LINES_PER_BEAT: u32 = 32;
/// How often the status is written.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Everything that a worker can meet in a turn. Acknowledgements are not among them: the client shows them only when
/// asked, so they are taken beside, in [`Worker::beat`].
enum Happening<D> {
    /// A line was read.
    Line(D),
    /// The consumer group did something, or it is told how far partitions are read.
    Group(Event),
    /// Reading failed.
    Trouble(Problem),
    /// Nothing may be read; the producer was given a moment.
    Blocked,
    /// Nothing came.
    Quiet,
    /// Somebody wants us to stop.
    Stop,
}

/// What is in flight.
#[derive(Debug, Default)]
struct Window {
    records: usize,
    bytes: usize,
}

/// See the top of the file.
pub(crate) struct Worker<K> {
    rules: Rules,
    /// The rules of this batch.
    engine: Arc<Engine>,
    writer: Writer,
    /// What takes lines.
    sink: K,
    /// With transactions: the one whose turn was before, and comes next.
    ahead: Option<K>,
    meters: Meters,
    status: Arc<WorkerStatus>,
    stop: StopFlag,
    settings: Settings,
    route: Route,
    /// What the topics take, and the last edition of that which was looked at.
    written: Written,
    edition: Option<u64>,
    /// What is sent is not compressed.
    is_plain: bool,
    /// What time it was at the last beat, milliseconds since 1970.
    now_ms: i64,
    /// Blocked for longer, the partitions are paused, so that polling can go on and the group does not take us for dead.
    hold_after: Duration,
    /// A transaction that is open for longer would have to fear the broker's own patience.
    longest_batch: Duration,
    lanes: Lanes,
    window: Window,
    /// Lines that a crash would repeat, at most, or that the batch at hand holds; counted anew in each beat.
    repeatable: usize,
    /// Some ledger is as long as it may get.
    crowded: bool,
    /// Bytes in flight above which nothing more is read.
    window_bytes: usize,
    batch: Batch,
    trouble: Trouble,
    /// What alerts count is written too.
    counting: Option<Counting>,
    sampler: Sampler,
    acks: Vec<Ack>,
    tally: Tally,
    /// Lines judged and acknowledged so far, for taking every so-manieth.
    judged: u64,
    acked: u64,
    lines_since_beat: u32,
    blocked_since: Option<Instant>,
    holding: bool,
    /// A commit is under way.
    committing: bool,
    linger: Linger,
    last_ack: Instant,
    next_report: Instant,
    next_commit: Instant,
    /// Not before, unless it is time: the last commit was refused.
    commit_pause: Instant,
}

impl<K: Sink> Worker<K> {
    /// With transactions there are two sinks, else one.
    pub(crate) fn new(
        mut rules: Rules,
        settings: &Settings,
        (route, written): (Route, Written),
        (sink, ahead): (K, Option<K>),
        status: Arc<WorkerStatus>,
        stop: StopFlag,
        now: Instant,
    ) -> Self {
        let engine = rules.borrow_and_update().clone();
        let mut worker = Self {
            rules,
            writer: Writer::new(&settings.output, route.record_limit, route.partitions, route.dead_letter_partitions),
            sink,
            ahead,
            meters: Meters::new(&engine),
            counting: Counting::new(settings, &engine, route, now),
            sampler: Sampler::new(status.coverage.clone(), settings.looked_at, &engine),
            engine,
            status,
            stop,
            route,
            edition: None,
            written,
            is_plain: clients::is_plain(settings),
            now_ms: now_ms(),
            hold_after: clients::max_poll_interval(settings) / 4,
            longest_batch: clients::transaction_timeout(settings) / 3,
            lanes: Lanes::default(),
            window: Window::default(),
            repeatable: 0,
            crowded: false,
            window_bytes: WINDOW_BYTES,
            batch: Batch::new(settings.delivery.mode, now),
            trouble: Trouble::default(),
            acks: Vec::new(),
            tally: Tally::default(),
            judged: 0,
            acked: 0,
            lines_since_beat: 0,
            blocked_since: None,
            holding: false,
            committing: false,
            linger: Linger::new(clients::linger(settings, &route), now),
            last_ack: now,
            next_report: now,
            next_commit: now + settings.delivery.commit_interval,
            commit_pause: now,
            settings: settings.clone(),
        };
        worker.take_limits();
        worker
    }

    /// Moves lines until asked to stop or unable to go on, then leaves in good order.
    pub(crate) fn run<S: Source>(mut self, source: S, tell: &dyn Fn(Word)) {
        turns(|| self.step(&source), tell);
        self.leave(source, |drained| tell(Word::Drained(drained)));
    }

    /// Deals with the next thing that happens.
    pub(crate) fn step<S: Source>(&mut self, source: &S) -> Result<Turn, Failure> {
        let happening = self.next(source);
        let is_line = matches!(happening, Happening::Line(_));
        match happening {
            Happening::Line(delivery) => self.line(source, &delivery)?,
            Happening::Group(event) => self.group(source, event)?,
            Happening::Trouble(problem) => self.trouble(source, problem)?,
            Happening::Blocked => self.hold(source)?,
            Happening::Quiet => self.batch.rest(),
            Happening::Stop => return Ok(Turn::Stop),
        }
        self.lines_since_beat += 1;
        if !is_line || self.lines_since_beat >= LINES_PER_BEAT {
            self.lines_since_beat = 0;
            self.beat(source)?;
        }
        Ok(Turn::On)
    }

    fn next<'s, S: Source>(&mut self, source: &'s S) -> Happening<S::Delivery<'s>> {
        if self.stop.is_raised() {
            return Happening::Stop;
        }
        if let Some(event) = source.event() {
            return Happening::Group(event);
        }
        let full = self.is_full();
        if full {
            self.look();
            if !self.holding {
                return Happening::Blocked;
            }
        }
        // While holding, all partitions are paused: the poll serves the group's events only.
        let time = match (full, self.is_busy()) {
            (true, _) => Duration::ZERO,
            (false, false) => IDLE,
            (false, true) => BUSY,
        };
        match source.poll(time) {
            Some(Ok(delivery)) => Happening::Line(delivery),
            Some(Err(problem)) => Happening::Trouble(problem),
            None if full => Happening::Blocked,
            None => Happening::Quiet,
        }
    }

    /// Gives the producer a moment.
    fn look(&self) {
        if self.batch.is_settling() || !self.trouble.is_empty() {
            self.hurry();
        } else {
            self.sink.wait(BLOCKED);
        }
    }

    /// The same where nothing comes that the last records could go with.
    fn hurry(&self) {
        // Without any, it would not take a moment.
        if self.window.records > 0 {
            self.sink.hurry(BLOCKED);
        } else {
            self.sink.wait(BLOCKED);
        }
    }

    /// No line may be read until the output acknowledges some.
    fn is_full(&self) -> bool {
        self.is_loaded() || self.batch.is_closing() || !self.trouble.is_empty()
    }

    /// As much is in flight as may be.
    fn is_loaded(&self) -> bool {
        self.window.bytes >= self.window_bytes
            || self.window.records >= 2 * self.settings.delivery.in_flight.min(WINDOW_LINES)
            || self.is_long()
    }

    /// As much waits to be committed as may be.
    fn is_long(&self) -> bool {
        self.repeatable >= self.settings.delivery.in_flight || self.crowded
    }

    /// Something beside the lines is to be looked after soon.
    fn is_busy(&self) -> bool {
        self.window.records > 0 || self.committing || self.batch.is_busy() || !self.trouble.is_empty()
    }

    fn line<S: Source>(&mut self, source: &S, delivery: &S::Delivery<'_>) -> Result<(), Failure> {
        let line = delivery.line();
        // A line of a partition that was given up since the client fetched it is its new owner's.
        let Some(lane) = self.lanes.find(line.topic, line.partition) else { return Ok(()) };
        match lane.admit(line.offset) {
            Admission::Next => {}
            Admission::Repeat => return Ok(()),
            Admission::TooFar(start) => return source.rewind(&[(lane.partition.clone(), start)]),
        }
        let known = lane.poison(line.offset);
        let is_suspect = lane.is_suspect(line.offset);
        let outlook = match known {
            Some(_) => Outlook::Good,
            None => self.trouble.wary.outlook(&self.writer, &line, self.now_ms),
        };
        let doubt = if let Outlook::Doubtful(doubt) = outlook { Some(doubt) } else { None };
        let company = match doubt {
            Some(_) => Some(1),
            None => is_suspect.then_some(self.trouble.group),
        };
        // Paused too late: nothing may be added to a full window or to what is being settled, so the line is read again
        // afterwards.
        let fits = !self.is_full() && self.begin(source, company)?;
        let Some(lane) = self.lanes.find(line.topic, line.partition) else { return Ok(()) };
        // For one that may spoil its batch the one before it was ended, and may have come to nothing: then reading has gone
        // back to lines before this one.
        if !fits || !lane.is_next(line.offset) {
            let partition = lane.partition.clone();
            return self.lanes.read_again(source, &partition, line.offset).map(|_| ());
        }
        let Some(ticket) = lane.open(&line) else { return Ok(()) };
        if let Some(doubt) = doubt {
            self.trouble.wary.tries(doubt);
            self.trouble.is_doubtful = self.settings.delivery.mode == Mode::AtLeastOnce;
        }
        let foreseen = if let Outlook::Refused(code) = outlook { Some(code) } else { None };
        let done = self.judge_and_send(source, delivery, (line, ticket), (known, foreseen));
        self.trouble.is_doubtful = false;
        done
    }

    /// Judges a line and hands its records over. It is known to be refused, or it is foreseen, should it have a record.
    fn judge_and_send<S: Source>(
        &mut self,
        source: &S,
        delivery: &S::Delivery<'_>,
        (line, ticket): (Line<'_>, Ticket),
        (known, foreseen): (Option<Refused>, Option<Code>),
    ) -> Result<(), Failure> {
        let Some(lane) = self.lanes.of(&ticket) else { return Ok(()) };
        let doubt = lane.doubted(line.offset);
        self.batch.holds_a_line();
        self.crowded |= lane.ledger.span() >= LEDGER_LINES;
        self.tally.bytes_in += (line.key.map_or(0, <[u8]>::len) + line.value.map_or(0, <[u8]>::len)) as u64;
        let timed = self.judged.is_multiple_of(SAMPLED);
        let judged = judge(&self.engine, &self.meters, &line, lane, &self.settings, timed);
        self.judged += 1;
        if lane.memory.has_news() {
            let news = lane.memory.news();
            self.tell(&line, &ticket, news)?;
        }
        if let Some(doubt) = doubt {
            self.doubts(&line, doubt, source.now());
        }
        for countable in judged.iter().flatten().flat_map(|outcome| &outcome.countable) {
            self.count_matches(&line, &ticket, countable, source.now())?;
        }
        let mut is_at_now = known.as_ref().is_some_and(|refused| refused.way == Way::AtNow);
        let outcome = match (judged, known.filter(|_| !is_at_now)) {
            (_, Some(refused)) => return self.bury(delivery, ticket, &refused),
            (Ok(outcome), None) => outcome,
            (Err(panic), None) if self.settings.dead_letter.is_some() => {
                self.panicked(&line, &panic, source.now())?;
                let refused = Refused::judging(&panic);
                // Should the dead letter have to be sent again, it is one still.
                if let Some(lane) = self.lanes.of(&ticket) {
                    lane.condemn(line.offset, refused.clone());
                }
                return self.bury(delivery, ticket, &refused);
            }
            (Err(panic), None) => {
                self.panicked(&line, &panic, source.now())?;
                None
            }
        };
        if let Some(outcome) = outcome.as_ref().filter(|_| self.sampler.wants(line.offset)) {
            self.sampler.look(&self.engine, &line, outcome, &self.meters);
        }
        let mut notes = Notes::default();
        let mut record = self.writer.write(&self.engine, &line, outcome.as_ref(), &mut notes);
        if let Some(refused) = foreseen.filter(|_| record.is_some()).and_then(|code| self.foresee(code, &line, &ticket))
        {
            if refused.way != Way::AtNow {
                self.count(&line, outcome.as_ref(), record.as_ref(), notes);
                return self.bury(delivery, ticket, &refused);
            }
            is_at_now = true;
        }
        if is_at_now {
            record = record.map(|record| self.writer.at_now(&line, outcome.as_ref(), record, now_ms()));
        }
        self.count(&line, outcome.as_ref(), record.as_ref(), notes);
        self.publish(record, delivery, ticket)
    }

    /// Publishes a line's record; a line that has none is settled.
    fn publish(&mut self, record: Option<Record<'_>>, delivery: &impl Delivery, ticket: Ticket) -> Result<(), Failure> {
        let Some(record) = record else {
            self.settle(ticket);
            return Ok(());
        };
        self.dispatch(&record, delivery.fetched(), ticket)
    }

    /// Hands over what a crash would repeat from now on.
    fn dispatch(&mut self, record: &Record<'_>, of: Option<&Fetched>, ticket: Ticket) -> Result<(), Failure> {
        if let Some(lane) = self.lanes.of(&ticket) {
            lane.ledger.publish(&ticket);
            self.repeatable += 1;
        }
        self.send(record, of, ticket)?;
        if record.to == To::Output {
            self.tally.bytes_out += record.bytes() as u64;
        }
        Ok(())
    }

    /// Hands a record over, waiting while the producer's queue is full. Whether an acknowledgement will come.
    fn send(&mut self, record: &Record<'_>, of: Option<&Fetched>, mut ticket: Ticket) -> Result<bool, Failure> {
        loop {
            match self.hand(record, of, ticket)? {
                Handed::Sent => break,
                Handed::Waits => return Ok(false),
                Handed::Full(back) => ticket = back,
            }
            // The window is smaller than the queue, so this takes a record of unusual size.
            self.hurry();
            self.take_acks()?;
            if self.stop.is_raised() {
                // The line stays unsettled.
                return Ok(false);
            }
        }
        self.window.records += 1;
        self.window.bytes += record.weight();
        Ok(true)
    }

    /// Keeps what sources said with this line.
    fn tell(&mut self, line: &Line<'_>, ticket: &Ticket, news: Vec<News>) -> Result<(), Failure> {
        for News { source, said } in news {
            let key = state::key(line.topic, line.partition, &source);
            let record = Writer::text(To::State, line.partition, Some(&key), said.as_deref(), now_ms());
            if record.weight() + BESIDE_OVERHEAD > self.route.state_limit {
                self.meters.state_too_large.increment(1);
                continue;
            }
            self.meters.state_written.increment(1);
            self.send_beside(&record, ticket)?;
        }
        Ok(())
    }

    /// Hands a further record of a line over, which is settled when both are acknowledged.
    fn send_beside(&mut self, record: &Record<'_>, ticket: &Ticket) -> Result<(), Failure> {
        let Some(lane) = self.lanes.of(ticket) else { return Ok(()) };
        let Ok(share) = lane.ledger.share(ticket) else { return Ok(()) };
        self.send(record, None, share).map(|_| ())
    }

    /// Takes the acknowledgements that are here.
    fn take_acks(&mut self) -> Result<(), Failure> {
        let mut acks = std::mem::take(&mut self.acks);
        self.sink.acks(&mut acks);
        let now = if acks.is_empty() { 0 } else { now_ms() };
        let mut outcome = Ok(());
        for ack in acks.drain(..) {
            if let Err(failure) = self.acknowledged(ack, now) {
                outcome = outcome.and(Err(failure));
            }
        }
        self.acks = acks;
        outcome
    }

    fn acknowledged(&mut self, ack: Ack, now_ms: i64) -> Result<(), Failure> {
        self.window.records = self.window.records.saturating_sub(1);
        self.window.bytes = self.window.bytes.saturating_sub(ack.weight);
        let ticket = Ticket::unpack(ack.ticket);
        if ticket.is_nobodys()
            && let Some(counting) = &mut self.counting
        {
            counting.in_flight = counting.in_flight.saturating_sub(1);
            self.trouble.watermarks_refused *= u32::from(ack.refused.is_some());
        }
        self.linger.acknowledged();
        if let Some(code) = ack.refused {
            return self.came_back(ack, ticket, code);
        }
        match ack.to {
            To::Output => {
                self.batch.published(&mut self.tally);
                if self.trouble.is_alone() || self.batch.is_for_one_line() {
                    self.was_taken(&ticket);
                }
            }
            To::DeadLetter => self.buried(&ticket),
            To::State | To::Matches => {}
        }
        let timestamp_ms = self.settle(ticket);
        if self.acked.is_multiple_of(SAMPLED) && timestamp_ms >= 0 {
            self.meters.latency.record((now_ms - timestamp_ms).max(0) as f64 / 1000.0);
        }
        self.acked += 1;
        Ok(())
    }

    /// Spends a ticket; returns the line's timestamp, negative when it has none. A partition given up meanwhile has no
    /// ledger any more, and its tickets are worth nothing.
    fn settle(&mut self, ticket: Ticket) -> i64 {
        let Some(lane) = self.lanes.of(&ticket) else { return -1 };
        lane.ledger.settle(ticket).map_or(-1, |entry| entry.timestamp_ms)
    }

    /// What runs beside the lines: acknowledgements, troubled lines, status, commits, new rules.
    fn beat<S: Source>(&mut self, source: &S) -> Result<(), Failure> {
        let now = source.now();
        self.now_ms = now_ms();
        self.take_limits();
        let before = self.acked;
        self.take_acks()?;
        if self.linger.is_over(now, self.window.records) {
            self.sink.hurry(BLOCKED);
        }
        if self.acked != before || self.window.records == 0 {
            self.last_ack = now;
        }
        let repeatable: usize = self.lanes.iter().map(|lane| lane.ledger.repeatable()).sum();
        self.repeatable = repeatable.saturating_sub(self.batch.lines_ahead());
        self.crowded = self.crowded && self.lanes.iter().any(|lane| lane.ledger.span() >= LEDGER_LINES);
        self.send_again(source, now)?;
        self.tell_watermarks(source, now)?;
        match self.settings.delivery.mode {
            Mode::AtLeastOnce => {
                self.renew_rules();
                self.hear(source, Duration::ZERO);
                self.commit_when_due(source, now);
            }
            Mode::ExactlyOnce => self.drive(source, now)?,
        }
        self.release_hold(source)?;
        if now >= self.next_report {
            self.report(now);
            self.next_report = now + REPORT_INTERVAL;
        }
        Ok(())
    }

    /// Takes in what the topics take, if that is something else than before.
    fn take_limits(&mut self) {
        let edition = Some(self.written.edition());
        if edition == self.edition {
            return;
        }
        self.edition = edition;
        let told = self.written.told();
        self.trouble.wary.told(told.output, self.is_plain);
        self.route.limit(&self.settings, told);
        self.writer.limit(self.route.record_limit);
        self.counting.iter_mut().for_each(|counting| counting.limit = self.route.matches_limit);
    }

    /// Takes the newest rules, if there are newer ones.
    fn renew_rules(&mut self) {
        if self.rules_are_stale() {
            self.engine = self.rules.borrow_and_update().clone();
            self.meters = Meters::new(&self.engine);
            self.counting.iter_mut().for_each(|counting| counting.exchange(&self.engine));
            self.sampler.exchange(&self.engine);
        }
    }

    fn rules_are_stale(&self) -> bool {
        // An error says that nobody will ever swap them.
        self.rules.has_changed().unwrap_or(false)
    }

    /// Steps 2 to 5 of the draining order that `shutdown` describes; says when the third is done.
    pub(crate) fn leave<S: Source>(mut self, source: S, drained: impl FnOnce(Drained)) {
        let deadline = source.now() + self.settings.delivery.shutdown_timeout;
        let committed = match self.settings.delivery.mode {
            Mode::AtLeastOnce => {
                self.drain(&source, deadline);
                let patience = source.now() + COMMIT_PATIENCE;
                self.commit_by(&source, deadline.max(patience))
            }
            Mode::ExactlyOnce => self.close_batch(&source, deadline),
        };
        self.report(source.now());
        drained(Drained { unsettled: self.lanes.unsettled(), committed });
        // What is still in flight lies in the source's memory.
        drop((self.sink, self.ahead));
        if self.committing {
            // Closing would wait for a broker that does not answer. The group will miss us soon enough.
            std::mem::forget(source);
        } else {
            source.close();
        }
        self.status.done.store(true, Relaxed);
        self.lanes.forget(&self.lanes.partitions(), &self.status);
    }

    /// Waits until everything in flight is settled, or for as long as there is time.
    fn drain<S: Source>(&mut self, source: &S, deadline: Instant) {
        loop {
            self.status.turn();
            // A record refused now changes nothing: its line stays uncommitted, like those behind it.
            let settled = self.take_acks().and_then(|()| self.send_again(source, source.now()));
            if let Err(failure) = settled {
                tracing::error!("{}", foreign(failure.message.as_bytes()));
            }
            if (self.window.records == 0 && self.trouble.is_empty()) || source.now() >= deadline {
                return;
            }
            self.hurry();
        }
    }
}

/// What a record of ours takes on the wire besides key and value, at most.
const BESIDE_OVERHEAD: usize = 128;

/// What the engine says of a line: nothing of a tombstone. An error is what it panicked with: one line must never stop
/// all others.
fn judge(
    engine: &Engine,
    meters: &Meters,
    line: &Line<'_>,
    lane: &mut Lane,
    settings: &Settings,
    timed: bool,
) -> Result<Option<Outcome>, String> {
    let started = timed.then(Instant::now);
    let beside = Beside { unjudged: &settings.input.unjudged, at_hand: Some(&lane.status.at_hand) };
    let judged = record::judge(engine, line, &mut lane.memory, beside).transpose();
    if let Some(started) = started {
        meters.classify.record(started.elapsed());
    }
    judged
}
