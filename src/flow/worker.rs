//! One worker: a thread with a consumer, a producer, and the ledgers between them. Nothing else touches these.
//!
//! [`Worker::turn`] is the whole life of it: look what happens next, deal with it, look after what runs beside. A line
//! is judged and handed to the producer while it still lies in the consumer's memory. At most a window of lines is in
//! flight; when it is full, nothing is read until the output acknowledges some: memory, and what a crash doubles, stay
//! bounded, and no line is ever dropped.

mod group;
mod lane;
mod report;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::kafka::Code;
use super::kafka::clients::{self, LEDGER_LINES, WINDOW_BYTES, WINDOW_LINES};
use super::kafka::sink::{Ack, Sink, Unsent};
use super::kafka::source::{Delivery, Event, Problem, Source};
use super::kafka::topics::Route;
use super::ledger::Ticket;
use super::meters::{Meters, SAMPLED};
use super::record::{self, Line, Notes, Record, Writer};
use super::shutdown::{Drained, StopFlag};
use super::status::{WorkerStatus, now_ms};
use super::{Failure, Rules, Settings};
use crate::engine::{Engine, Memory, Outcome};
use crate::telemetry::foreign;
use lane::Lanes;
use report::Tally;

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
enum Happening<'s> {
    /// A line was read.
    Line(Delivery<'s>),
    /// The consumer group did something.
    Group(Event),
    /// Reading failed.
    Trouble(Problem),
    /// The window is full; the producer was given a moment.
    Blocked,
    /// Nothing came.
    Quiet,
    /// Somebody wants us to stop.
    Stop,
}

/// What is in flight.
#[derive(Debug, Default)]
struct Window {
    lines: usize,
    bytes: usize,
}

impl Window {
    fn is_full(&self) -> bool {
        self.lines >= WINDOW_LINES || self.bytes >= WINDOW_BYTES
    }
}

/// See the top of the file.
pub(crate) struct Worker {
    rules: Rules,
    /// The rules of this batch.
    engine: Arc<Engine>,
    writer: Writer,
    sink: Sink,
    meters: Meters,
    status: Arc<WorkerStatus>,
    stop: StopFlag,
    group: String,
    output: String,
    record_limit: usize,
    commit_interval: Duration,
    drain: Duration,
    /// Blocked for longer, the partitions are paused, so that polling can go on and the group does not take us for dead.
    hold_after: Duration,
    lanes: Lanes,
    window: Window,
    /// Some ledger is as long as it may get.
    crowded: bool,
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
    last_ack: Instant,
    next_report: Instant,
    next_commit: Instant,
}

impl Worker {
    /// Connects the output in the background.
    pub(crate) fn new(
        mut rules: Rules,
        settings: &Settings,
        route: Route,
        status: Arc<WorkerStatus>,
        stop: StopFlag,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let engine = rules.borrow_and_update().clone();
        Ok(Self {
            rules,
            writer: Writer::new(&settings.output, route.record_limit, route.partitions),
            sink: Sink::new(settings, route.record_limit)?,
            meters: Meters::new(&engine),
            engine,
            status,
            stop,
            group: settings.kafka.group_id.clone(),
            output: settings.output.topic.clone(),
            record_limit: route.record_limit,
            commit_interval: settings.delivery.commit_interval,
            drain: settings.delivery.shutdown_timeout,
            hold_after: clients::max_poll_interval(settings) / 4,
            lanes: Lanes::default(),
            window: Window::default(),
            crowded: false,
            acks: Vec::new(),
            tally: Tally::default(),
            judged: 0,
            acked: 0,
            lines_since_beat: 0,
            blocked_since: None,
            holding: false,
            committing: false,
            last_ack: now,
            next_report: now,
            next_commit: now + settings.delivery.commit_interval,
        })
    }

    /// Moves lines until asked to stop or unable to go on, then leaves in good order. A failure is told before: leaving
    /// takes time, and where the client hangs it takes forever.
    pub(crate) fn run(mut self, source: Source, failed: impl FnOnce(Failure)) -> Drained {
        if let Err(failure) = self.turn(&source) {
            failed(failure);
        }
        self.leave(source)
    }

    fn turn(&mut self, source: &Source) -> Result<(), Failure> {
        loop {
            let happening = self.next(source);
            let is_line = matches!(happening, Happening::Line(_));
            match happening {
                Happening::Line(delivery) => self.line(&delivery)?,
                Happening::Group(event) => self.group(source, event)?,
                Happening::Trouble(problem) => self.trouble(source, problem)?,
                Happening::Blocked => self.hold(source)?,
                Happening::Quiet => {}
                Happening::Stop => return Ok(()),
            }
            self.lines_since_beat += 1;
            if !is_line || self.lines_since_beat >= LINES_PER_BEAT {
                self.lines_since_beat = 0;
                self.beat(source)?;
            }
        }
    }

    fn next<'s>(&mut self, source: &'s Source) -> Happening<'s> {
        if self.stop.is_raised() {
            return Happening::Stop;
        }
        if let Some(event) = source.event() {
            return Happening::Group(event);
        }
        let full = self.is_full();
        if full {
            self.sink.wait(BLOCKED);
            if !self.holding {
                return Happening::Blocked;
            }
        }
        // While holding, all partitions are paused: the poll serves the group's events only.
        let time = match (full, self.window.lines) {
            (true, _) => Duration::ZERO,
            (false, 0) => IDLE,
            (false, _) => BUSY,
        };
        match source.poll(time) {
            Some(Ok(delivery)) => Happening::Line(delivery),
            Some(Err(problem)) => Happening::Trouble(problem),
            None if full => Happening::Blocked,
            None => Happening::Quiet,
        }
    }

    /// No line may be read until the output acknowledges some.
    fn is_full(&self) -> bool {
        self.window.is_full() || self.crowded
    }

    fn line(&mut self, delivery: &Delivery<'_>) -> Result<(), Failure> {
        let line = delivery.line();
        // A line of a partition that was given up since the client fetched it is its new owner's.
        let Some(lane) = self.lanes.find(line.topic, line.partition) else { return Ok(()) };
        let Some(ticket) = lane.ledger.open(line.offset, line.timestamp_ms) else { return Ok(()) };
        lane.last_timestamp_ms = line.timestamp_ms;
        self.crowded |= lane.ledger.span() >= LEDGER_LINES;
        self.tally.bytes_in += (line.key.map_or(0, <[u8]>::len) + line.value.map_or(0, <[u8]>::len)) as u64;
        let outcome = judge(&self.engine, &self.meters, &line, &mut lane.memory, self.judged.is_multiple_of(SAMPLED));
        self.judged += 1;
        let mut notes = Notes::default();
        let record = self.writer.write(&self.engine, &line, outcome.as_ref(), &mut notes);
        self.count(&line, outcome.as_ref(), record.as_ref(), notes);
        match record {
            Some(record) => self.publish(&record, delivery, ticket),
            None => {
                self.settle(ticket);
                Ok(())
            }
        }
    }

    fn publish(&mut self, record: &Record<'_>, delivery: &Delivery<'_>, mut ticket: Ticket) -> Result<(), Failure> {
        while let Err((why, back)) = self.sink.send(record, delivery, ticket) {
            match why {
                // The window is smaller than the queue, so this takes a record of unusual size.
                Unsent::Full => {
                    self.sink.wait(BLOCKED);
                    self.take_acks()?;
                    if self.stop.is_raised() {
                        return Ok(());
                    }
                }
                Unsent::Refused(code) => return Err(self.refused(&back, record.weight(), code)),
            }
            ticket = back;
        }
        self.window.lines += 1;
        self.window.bytes += record.weight();
        self.tally.bytes_out += record.bytes() as u64;
        Ok(())
    }

    /// Takes the acknowledgements that are here.
    fn take_acks(&mut self) -> Result<(), Failure> {
        let mut acks = std::mem::take(&mut self.acks);
        self.sink.acks(&mut acks);
        if !acks.is_empty() {
            self.last_ack = Instant::now();
        }
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
        self.window.lines = self.window.lines.saturating_sub(1);
        self.window.bytes = self.window.bytes.saturating_sub(ack.weight);
        let ticket = Ticket::unpack(ack.ticket);
        if let Some(code) = ack.refused {
            return Err(self.refused(&ticket, ack.weight, code));
        }
        self.tally.published += 1;
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

    /// The output will never take this record: nothing after it may be committed, so nothing goes on.
    fn refused(&mut self, ticket: &Ticket, bytes: usize, code: Code) -> Failure {
        self.meters.refused(code);
        let place = self.lanes.of(ticket).and_then(|lane| {
            let entry = lane.ledger.entry(ticket)?;
            Some(format!("topic {} partition {} offset {}", lane.partition.topic, lane.partition.number, entry.offset))
        });
        let place = place.unwrap_or_else(|| "a line of a partition given up since".to_owned());
        let (output, limit, reason) = (&self.output, self.record_limit, self.sink.last_word());
        Failure::unavailable(match code {
            Code::MessageSizeTooLarge | Code::InvalidMessageSize => format!(
                "{place}: its record of {bytes} bytes is larger than output topic {output} takes, \
                 max.message.bytes={limit}; raise it to that of the input topic. The line is not committed"
            ),
            Code::TopicAuthorizationFailed => format!(
                "{place}: writing to output topic {output} is not allowed; grant WRITE on it. The line is not committed"
            ),
            code => {
                format!("{place}: output topic {output} refused its record ({code}){reason}. The line is not committed")
            }
        })
    }

    /// Takes the newest rules, if there are newer ones. What sources said is known by the old rules' numbers, and so
    /// forgotten.
    fn renew(&mut self) {
        // An error says that nobody will ever swap them.
        if !self.rules.has_changed().unwrap_or(false) {
            return;
        }
        self.engine = self.rules.borrow_and_update().clone();
        self.meters = Meters::new(&self.engine);
        for lane in self.lanes.iter_mut() {
            lane.memory = self.engine.memory();
        }
    }

    /// What runs beside the lines: acknowledgements, status, commits, new rules.
    fn beat(&mut self, source: &Source) -> Result<(), Failure> {
        self.renew();
        self.take_acks()?;
        self.hear(source, Duration::ZERO);
        self.crowded = self.crowded && self.lanes.iter().any(|lane| lane.ledger.span() >= LEDGER_LINES);
        self.release_hold(source)?;
        let now = Instant::now();
        if now >= self.next_report {
            self.report(now);
            self.next_report = now + REPORT_INTERVAL;
        }
        if now >= self.next_commit {
            self.commit(source);
            self.next_commit = Instant::now() + self.commit_interval;
        }
        Ok(())
    }

    /// Steps 2 to 5 of the draining order that `shutdown` describes.
    fn leave(mut self, source: Source) -> Drained {
        let deadline = Instant::now() + self.drain;
        loop {
            // A record refused now changes nothing: its line stays uncommitted, like those behind it.
            if let Err(failure) = self.take_acks() {
                tracing::error!("{}", foreign(failure.message.as_bytes()));
            }
            if self.window.lines == 0 || Instant::now() >= deadline {
                break;
            }
            self.sink.wait(BLOCKED);
        }
        let committed = self.commit_by(&source, deadline.max(Instant::now() + COMMIT_PATIENCE));
        self.report(Instant::now());
        if self.committing {
            // Closing would wait for a broker that does not answer. The group will miss us soon enough.
            std::mem::forget(source);
        } else {
            source.close();
        }
        self.status.done.store(true, Relaxed);
        let unsettled = self.lanes.unsettled();
        self.lanes.forget(&self.lanes.partitions(), &self.status);
        Drained { unsettled, committed }
    }
}

/// What the engine says of a line; `None` for a tombstone. A line at which it fails goes out unjudged: one line must
/// never stop all others.
fn judge(engine: &Engine, meters: &Meters, line: &Line<'_>, memory: &mut Memory, timed: bool) -> Option<Outcome> {
    let started = timed.then(Instant::now);
    let judged = record::judge(engine, line, memory)?;
    if let Some(started) = started {
        meters.classify.record(started.elapsed());
    }
    let failed = |reason: &String| {
        meters.panics.increment(1);
        let Line { topic, partition, offset, .. } = line;
        tracing::error!(topic, partition, offset, "the classifier failed; the line goes out unjudged: {reason}");
    };
    judged.inspect_err(failed).ok()
}
