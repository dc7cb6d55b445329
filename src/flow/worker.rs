//! One worker: a thread with a consumer, a producer, and the ledgers between them. Nothing else touches these.
//!
//! [`Worker::turn`] is the whole life of it: look what happens next, deal with it, look after what runs beside. A line
//! is judged and handed to the producer while it still lies in the consumer's memory. At most a window of lines is in
//! flight; when it is full, nothing is read until the output acknowledges some: memory, and what a crash doubles, stay
//! bounded, and no line is ever dropped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::kafka::clients::{MAX_POLL_INTERVAL_MS, WINDOW_BYTES, WINDOW_LINES};
use super::kafka::sink::{Ack, Sink, Unsent};
use super::kafka::source::{Delivery, Event, Problem, Source};
use super::kafka::topics::Route;
use super::kafka::{Code, Partition, means_lost};
use super::ledger::{LANES, Ledger, Ticket};
use super::meters::{Meters, SAMPLED};
use super::record::{Line, Notes, Record, Writer};
use super::shutdown::{Drained, StopFlag};
use super::status::{LaneStatus, WorkerStatus, now_ms};
use super::{Failure, Settings};
use crate::engine::{Engine, Memory, Outcome};
use crate::telemetry::{caught, foreign};

/// How long to wait for a line when nothing is in flight, and so how late a request to stop is seen at worst.
const IDLE: Duration = Duration::from_millis(100);
/// How long to wait for a line while acknowledgements may come, which only a look at the producer shows.
const BUSY: Duration = Duration::from_millis(5);
/// One look at the producer while nothing may be read.
const BLOCKED: Duration = Duration::from_millis(1);
/// Lines between two looks at the producer and the clock.
const LINES_PER_BEAT: u32 = 32;
/// How often the status is written.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Blocked for longer, the partitions are paused, so that polling can go on and the group does not take us for dead.
const HOLD_AFTER: Duration = Duration::from_millis(MAX_POLL_INTERVAL_MS / 4);
/// Without an acknowledgement for longer, although there is something in flight, the output is not well.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(10);

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

/// One assigned partition.
struct Lane {
    partition: Partition,
    ledger: Ledger,
    memory: Memory,
    evicted: u64,
    /// Where reading began; `None` at the beginning of the partition.
    start: Option<i64>,
    /// What the group has, as far as we know.
    committed: Option<i64>,
    last_timestamp_ms: i64,
    status: Arc<LaneStatus>,
}

impl Lane {
    /// The offset to commit, when there is a new one.
    fn news(&self) -> Option<i64> {
        self.ledger.commit().filter(|offset| self.committed.is_none_or(|committed| *offset > committed))
    }
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

/// Counted line by line, told now and then.
#[derive(Debug, Default)]
struct Tally {
    matched: u64,
    unmatched: u64,
    tombstone: u64,
    filtered: u64,
    probe: u64,
    bytes_in: u64,
    bytes_out: u64,
    published: u64,
}

/// See the top of the file.
pub(crate) struct Worker {
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
    lanes: Vec<Lane>,
    /// Index into `lanes` of the line before: lines come in runs of one partition.
    current: usize,
    next_lane: u32,
    window: Window,
    acks: Vec<Ack>,
    tally: Tally,
    /// Lines judged and acknowledged so far, for taking every so-manieth.
    judged: u64,
    acked: u64,
    lines_since_beat: u32,
    blocked_since: Option<Instant>,
    holding: bool,
    /// The group refused a commit: no more of them until it has said who owns what.
    doubtful: bool,
    last_ack: Instant,
    next_report: Instant,
    next_commit: Instant,
}

impl Worker {
    /// Connects the output in the background.
    pub(crate) fn new(
        engine: Arc<Engine>,
        settings: &Settings,
        route: Route,
        status: Arc<WorkerStatus>,
        stop: StopFlag,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        Ok(Self {
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
            lanes: Vec::new(),
            current: 0,
            next_lane: 0,
            window: Window::default(),
            acks: Vec::new(),
            tally: Tally::default(),
            judged: 0,
            acked: 0,
            lines_since_beat: 0,
            blocked_since: None,
            holding: false,
            doubtful: false,
            last_ack: now,
            next_report: now,
            next_commit: now + settings.delivery.commit_interval,
        })
    }

    /// Moves lines until asked to stop or unable to go on, then leaves in good order.
    pub(crate) fn run(mut self, source: Source) -> Result<Drained, Failure> {
        let ended = self.turn(&source);
        let drained = self.leave(source);
        ended.map(|()| drained)
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
        let full = self.window.is_full();
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

    fn line(&mut self, delivery: &Delivery<'_>) -> Result<(), Failure> {
        let line = delivery.line();
        // A line of a partition that was given up since the client fetched it is its new owner's.
        let Some(lane) = find_lane(&self.lanes, &mut self.current, line.topic, line.partition) else { return Ok(()) };
        let lane = &mut self.lanes[lane];
        let Some(ticket) = lane.ledger.open(line.offset, line.timestamp_ms) else { return Ok(()) };
        lane.last_timestamp_ms = line.timestamp_ms;
        self.tally.bytes_in += (line.key.map_or(0, <[u8]>::len) + line.value.map_or(0, <[u8]>::len)) as u64;
        let outcome = self.judge(&line);
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

    /// What the engine says of the line at `current`; `None` for a tombstone. A line at which it fails goes out
    /// unjudged: one line must never stop all others.
    fn judge(&mut self, line: &Line<'_>) -> Option<Outcome> {
        let value = line.value?;
        // An empty key names nobody: lines that have one would all share a memory.
        let source = line.key.filter(|key| !key.is_empty()).map(String::from_utf8_lossy);
        let memory = &mut self.lanes[self.current].memory;
        let engine = &self.engine;
        let started = self.judged.is_multiple_of(SAMPLED).then(Instant::now);
        self.judged += 1;
        let judged = caught(AssertUnwindSafe(|| engine.classify(value, source.as_deref(), memory)));
        if let Some(started) = started {
            self.meters.classify.record(started.elapsed());
        }
        judged
            .inspect_err(|reason| {
                self.meters.panics.increment(1);
                let Line { topic, partition, offset, .. } = line;
                tracing::error!(
                    topic,
                    partition,
                    offset,
                    "the classifier failed; the line goes out unjudged: {reason}"
                );
            })
            .ok()
    }

    fn count(&mut self, line: &Line<'_>, outcome: Option<&Outcome>, record: Option<&Record<'_>>, notes: Notes) {
        let tally = &mut self.tally;
        let verdict = outcome.and_then(|outcome| outcome.verdict.as_ref());
        let result = match (record, verdict, outcome) {
            (None, ..) => &mut tally.filtered,
            (_, Some(_), _) => &mut tally.matched,
            (_, _, Some(outcome)) if outcome.probe => &mut tally.probe,
            _ if line.value.is_none() => &mut tally.tombstone,
            _ => &mut tally.unmatched,
        };
        *result += 1;
        if let Some(verdict) = verdict {
            self.meters.rules(&verdict.rules);
        }
        if let Some(outcome) = outcome {
            self.meters.crossed(outcome.crossed);
        }
        if notes.header_cut {
            self.meters.header_cut();
        }
        if let Some(record) = record {
            self.meters.step(record.step);
        }
    }

    fn publish(&mut self, record: &Record<'_>, delivery: &Delivery<'_>, mut ticket: Ticket) -> Result<(), Failure> {
        loop {
            let Err((why, back)) = self.sink.send(record, delivery, ticket) else { break };
            match why {
                // The window is smaller than the queue, so this takes a record of unusual size.
                Unsent::Full => {
                    self.sink.wait(BLOCKED);
                    self.take_acks()?;
                    if self.stop.is_raised() {
                        return Ok(());
                    }
                }
                Unsent::Refused(code) => return Err(self.refused(&back, record.bytes(), code)),
            }
            ticket = back;
        }
        self.window.lines += 1;
        self.window.bytes += record.bytes();
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
        self.window.bytes = self.window.bytes.saturating_sub(ack.bytes);
        let ticket = Ticket::unpack(ack.ticket);
        if let Some(code) = ack.refused {
            return Err(self.refused(&ticket, ack.bytes, code));
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
        let Some(lane) = lane_of_ticket(&mut self.lanes, self.current, &ticket) else { return -1 };
        lane.ledger.settle(ticket).map_or(-1, |entry| entry.timestamp_ms)
    }

    /// The output will never take this record: nothing after it may be committed, so nothing goes on.
    fn refused(&mut self, ticket: &Ticket, bytes: usize, code: Code) -> Failure {
        self.meters.refused(code);
        let lane = lane_of_ticket(&mut self.lanes, self.current, ticket);
        let place = lane.and_then(|lane| {
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

    fn group(&mut self, source: &Source, event: Event) -> Result<(), Failure> {
        match event {
            Event::Assigned(partitions) => self.take_over(source, partitions),
            Event::Revoked(partitions) => self.hand_over(source, &partitions),
            Event::Lost(partitions) => {
                self.meters.lost.increment(1);
                tracing::warn!(partitions = partitions.len(), "lost partitions; what was not committed is done again");
                self.forget(&partitions);
                source.release(&partitions)
            }
        }
    }

    fn take_over(&mut self, source: &Source, partitions: Vec<Partition>) -> Result<(), Failure> {
        self.meters.assigned.increment(1);
        self.forget(&partitions);
        let starts = source.assign(&partitions)?;
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "took over partitions");
        for (partition, start) in partitions.into_iter().zip(starts) {
            tracing::debug!(topic = %partition.topic, partition = partition.number, start, "took over");
            self.open_lane(partition, start);
        }
        // What the group has just said settles any doubt, and new partitions are not paused.
        self.doubtful = false;
        self.holding = false;
        self.status.joined.store(true, Relaxed);
        Ok(())
    }

    fn open_lane(&mut self, partition: Partition, start: Option<i64>) {
        let number = self.next_lane;
        self.next_lane = (self.next_lane + 1) % LANES;
        self.lanes.push(Lane {
            status: self.status.add(partition.topic.clone(), partition.number, start.unwrap_or(-1)),
            partition,
            ledger: Ledger::new(number),
            memory: self.engine.memory(),
            evicted: 0,
            start,
            committed: start,
            last_timestamp_ms: -1,
        });
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
        self.forget(partitions);
        tracing::info!(worker = self.status.number(), partitions = partitions.len(), "gave up partitions");
        source.release(partitions)
    }

    fn forget(&mut self, partitions: &[Partition]) {
        let status = &self.status;
        self.lanes.retain(|lane| {
            let goes = partitions.contains(&lane.partition);
            if goes {
                status.remove(&lane.status);
            }
            !goes
        });
        self.current = 0;
    }

    fn trouble(&mut self, source: &Source, problem: Problem) -> Result<(), Failure> {
        match problem {
            Problem::Passing => Ok(()),
            Problem::Final(sentence) => Err(Failure::unavailable(sentence)),
            Problem::OutOfRange => {
                let next: Vec<(Partition, i64)> =
                    self.lanes.iter().filter_map(|lane| Some((lane.partition.clone(), next_offset(lane)?))).collect();
                Err(Failure::unavailable(source.out_of_range(&self.group, &next)))
            }
        }
    }

    /// Blocked for long, keeps the group's patience by pausing what it reads.
    fn hold(&mut self, source: &Source) -> Result<(), Failure> {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        if self.holding || since.elapsed() < HOLD_AFTER {
            return Ok(());
        }
        let reason = self.sink.last_word();
        tracing::warn!("the output has not taken anything for {} s, reading is paused{reason}", HOLD_AFTER.as_secs());
        self.holding = true;
        source.pause(&self.partitions(), true)
    }

    /// Back to reading once half of the window is free.
    fn release_hold(&mut self, source: &Source) -> Result<(), Failure> {
        if self.window.is_full() {
            return Ok(());
        }
        self.blocked_since = None;
        if self.holding && self.window.lines <= WINDOW_LINES / 2 && self.window.bytes <= WINDOW_BYTES / 2 {
            self.holding = false;
            tracing::info!("the output takes lines again");
            source.pause(&self.partitions(), false)?;
        }
        Ok(())
    }

    fn partitions(&self) -> Vec<Partition> {
        self.lanes.iter().map(|lane| lane.partition.clone()).collect()
    }

    /// What runs beside the lines: acknowledgements, status, commits.
    fn beat(&mut self, source: &Source) -> Result<(), Failure> {
        self.take_acks()?;
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

    /// Commits what is settled and not committed yet.
    fn commit(&mut self, source: &Source) {
        let news: Vec<(Partition, i64)> =
            self.lanes.iter().filter_map(|lane| Some((lane.partition.clone(), lane.news()?))).collect();
        if self.doubtful || news.is_empty() {
            return;
        }
        match source.commit(&news) {
            Ok(()) => {
                self.meters.committed.increment(1);
                for lane in &mut self.lanes {
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

    fn report(&mut self, now: Instant) {
        self.status.turn();
        self.tell_tally();
        for lane in &mut self.lanes {
            let oldest_ms = lane.ledger.oldest().map_or(lane.last_timestamp_ms, |entry| entry.timestamp_ms);
            lane.status.stands(lane.ledger.commit(), lane.ledger.unsettled(), oldest_ms);
            lane.status.sources.store(lane.memory.len() as u64, Relaxed);
            self.meters.sources.increment(lane.memory.evicted() - lane.evicted);
            lane.evicted = lane.memory.evicted();
        }
        self.status.in_flight.store(self.window.lines as u64, Relaxed);
        if self.window.lines == 0 {
            self.last_ack = now;
        }
        self.status.output_waits.store(now.duration_since(self.last_ack) > OUTPUT_PATIENCE, Relaxed);
    }

    fn tell_tally(&mut self) {
        let tally = std::mem::take(&mut self.tally);
        let (meters, status) = (&self.meters, &self.status);
        meters.matched.increment(tally.matched);
        meters.unmatched.increment(tally.unmatched);
        meters.tombstone.increment(tally.tombstone);
        meters.filtered.increment(tally.filtered);
        meters.probe.increment(tally.probe);
        meters.bytes_in.increment(tally.bytes_in);
        meters.bytes_out.increment(tally.bytes_out);
        let read = tally.matched + tally.unmatched + tally.tombstone + tally.filtered + tally.probe;
        status.read.fetch_add(read, Relaxed);
        status.matched.fetch_add(tally.matched, Relaxed);
        status.published.fetch_add(tally.published, Relaxed);
        status.filtered.fetch_add(tally.filtered, Relaxed);
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
        self.commit(&source);
        self.report(Instant::now());
        source.close();
        self.status.done.store(true, Relaxed);
        let unsettled = self.lanes.iter().map(|lane| lane.ledger.unsettled()).sum();
        self.forget(&self.partitions());
        Drained { unsettled }
    }
}

/// The offset that a lane is to read next, as far as it can be known.
fn next_offset(lane: &Lane) -> Option<i64> {
    lane.ledger.last_seen().map(|offset| offset + 1).or(lane.start)
}

/// Index of the lane of a partition; `current`, where the last one was found, is looked at first and set.
fn find_lane(lanes: &[Lane], current: &mut usize, topic: &str, number: i32) -> Option<usize> {
    let fits = |lane: &Lane| lane.partition.number == number && *lane.partition.topic == *topic;
    if !lanes.get(*current).is_some_and(fits) {
        *current = lanes.iter().position(fits)?;
    }
    Some(*current)
}

fn lane_of_ticket<'l>(lanes: &'l mut [Lane], current: usize, ticket: &Ticket) -> Option<&'l mut Lane> {
    let number = ticket.lane();
    if lanes.get(current).is_some_and(|lane| lane.ledger.lane() == number) {
        return lanes.get_mut(current);
    }
    lanes.iter_mut().find(|lane| lane.ledger.lane() == number)
}
