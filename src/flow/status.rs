//! What the flow tells about itself: a few numbers per worker and per partition, written by the workers now and then,
//! read by probes and metrics.
//!
//! Workers store into atomics, a few times a second and never per line. The lists are behind locks that are taken when
//! partitions come and go and when somebody asks.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::alerts::View;
use super::coverage::Coverage;
pub(crate) use super::real_time::now_ms;
use super::unjudged::NO_LINE;
use super::{Mode, throttle};

/// The flow as a whole. Made before it starts, so that the probes can already say so.
#[derive(Debug)]
pub struct Status {
    started: Instant,
    workers: RwLock<Vec<Arc<WorkerStatus>>>,
    /// Of workers that are gone.
    before: Mutex<Counts>,
    mode: OnceLock<Mode>,
    /// Bytes of memory that the process takes at most; 0 until it is known.
    memory_bound: AtomicU64,
    alerts: Arc<View>,
    coverage: Arc<Coverage>,
    stopping: AtomicBool,
}

/// Lines since the start, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Read.
    pub read: u64,
    /// Of these, matched by a rule.
    pub matched: u64,
    /// Of these, published and acknowledged.
    pub published: u64,
    /// Of these, left out by `output.lines`.
    pub filtered: u64,
}

/// One partition that is ours.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionReport {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
    /// Lines not settled, `None` while the end of the partition is not known.
    pub lag: Option<i64>,
    /// Age of the oldest line not settled, by its record's timestamp; zero when there is none.
    pub oldest_age: Duration,
    /// Since when nothing was settled although there was something to settle.
    pub stalled: Duration,
    /// Sources remembered.
    pub sources: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            workers: RwLock::default(),
            before: Mutex::default(),
            mode: OnceLock::new(),
            memory_bound: AtomicU64::new(0),
            alerts: Arc::default(),
            coverage: Arc::default(),
            stopping: AtomicBool::new(false),
        }
    }
}

impl Status {
    pub(crate) fn add_worker(&self) -> Arc<WorkerStatus> {
        self.add(Reads::Lines)
    }

    /// The one that counts alerts.
    pub(crate) fn add_counter(&self) -> Arc<WorkerStatus> {
        self.add(Reads::Matches)
    }

    fn add(&self, reads: Reads) -> Arc<WorkerStatus> {
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        let worker = Arc::new(WorkerStatus::new(workers.len(), reads, self));
        workers.push(worker.clone());
        worker
    }

    /// The brokers can keep this, and it is what is being done.
    pub(crate) fn promise(&self, mode: Mode) {
        let _ = self.mode.set(mode);
    }

    /// What is promised; `None` until the start is over.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode.get().copied()
    }

    /// It takes so many bytes of memory at most.
    pub(crate) fn bound(&self, bytes: usize) {
        self.memory_bound.store(bytes as u64, Relaxed);
    }

    /// Bytes of memory that it takes at most; `None` until the start is over.
    #[must_use]
    pub fn memory_bound(&self) -> Option<u64> {
        Some(self.memory_bound.load(Relaxed)).filter(|bytes| *bytes > 0)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// The workers are gone, and others will come. What they counted stays.
    pub(crate) fn begin_anew(&self) {
        let counts = self.counts();
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.clear();
        self.alerts.clear();
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    fn workers(&self) -> Vec<Arc<WorkerStatus>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let before = *self.before.lock().unwrap_or_else(PoisonError::into_inner);
        self.workers().iter().fold(before, |sum, worker| Counts {
            read: sum.read + worker.read.load(Relaxed),
            matched: sum.matched + worker.matched.load(Relaxed),
            published: sum.published + worker.published.load(Relaxed),
            filtered: sum.filtered + worker.filtered.load(Relaxed),
        })
    }

    /// Lines read and not acknowledged.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.workers().iter().map(|worker| worker.in_flight.load(Relaxed)).sum()
    }

    /// The input partitions that are ours now.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionReport> {
        self.partitions_of(Reads::Lines)
    }

    /// The partitions of the matches topic that are ours now.
    #[must_use]
    pub fn counted_partitions(&self) -> Vec<PartitionReport> {
        self.partitions_of(Reads::Matches)
    }

    fn partitions_of(&self, reads: Reads) -> Vec<PartitionReport> {
        let now = now_ms();
        let workers = self.workers();
        workers.iter().filter(|worker| worker.reads == reads).flat_map(|worker| worker.reports(now)).collect()
    }

    /// What fires, among what this process counts.
    #[must_use]
    pub fn alerts(&self) -> &Arc<View> {
        &self.alerts
    }

    /// What no rule claims, among what this process reads.
    #[must_use]
    pub fn coverage(&self) -> &Arc<Coverage> {
        &self.coverage
    }

    /// Why the process should be started anew, in a sentence; `None` while all is well. Nothing has to be settled: a
    /// worker without lag, or without partitions, is alive as long as its loop turns.
    #[must_use]
    pub fn stall(&self, longest: Duration) -> Option<String> {
        self.stall_unless(throttle::holds(Instant::now()), longest)
    }

    /// The same; while brokers hold answers back, that nothing moves is no reason.
    fn stall_unless(&self, is_throttled: bool, longest: Duration) -> Option<String> {
        for worker in self.workers() {
            let quiet = worker.quiet();
            if quiet > longest && !worker.done.load(Relaxed) {
                let judging =
                    worker.line_in_hand().map_or_else(String::new, |line| format!(", judging the line {line}"));
                return Some(format!("{} has not turned for {} s{judging}", worker.name(), quiet.as_secs()));
            }
            let stalled = worker.reports(0).into_iter().find(|report| report.stalled > longest);
            if let Some(report) = stalled.filter(|_| !is_throttled) {
                return Some(format!(
                    "topic {} partition {}: {} lines wait and none was settled for {} s",
                    report.topic,
                    report.partition,
                    report.lag.map_or_else(|| "some".to_owned(), |lag| lag.to_string()),
                    report.stalled.as_secs()
                ));
            }
        }
        None
    }

    /// Which worker hangs, and in what: its loop has not turned for `turn`, or one of its transactional calls has been out
    /// for `call`. Neither can be helped from inside the process. In the client, unless it has a line in hand.
    #[must_use]
    pub(crate) fn hangs(&self, turn: Duration, call: Duration) -> Option<String> {
        self.workers().iter().filter(|worker| !worker.done.load(Relaxed)).find_map(|worker| {
            let (quiet, calling, name) = (worker.quiet(), worker.calling(), worker.name());
            if calling > call {
                let seconds = calling.as_secs();
                return Some(format!(
                    "the Kafka client hangs: {name}: a transactional call has not come back for {seconds} s"
                ));
            }
            let seconds = quiet.as_secs();
            (quiet > turn).then(|| match worker.line_in_hand() {
                Some(line) => format!(
                    "{name} has been judging the line {line} for {seconds} s and comes to no end; to let that line pass \
                     unjudged, add it to the configuration: input.unjudged = [\"{line}\"]"
                ),
                None => format!("the Kafka client hangs: {name} has not turned for {seconds} s"),
            })
        })
    }

    /// True when no worker goes on: all have drained, or one has failed and the others followed.
    #[must_use]
    pub fn ended(&self) -> bool {
        let workers = self.workers();
        !workers.is_empty() && workers.iter().all(|worker| worker.done.load(Relaxed))
    }

    /// What keeps the flow from being ready, in a sentence; `None` when it is.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let workers = self.workers();
        if self.stopping.load(Relaxed) {
            return Some("stopping".to_owned());
        }
        if workers.is_empty() {
            return Some("starting: topics are being looked up".to_owned());
        }
        let waiting = workers.iter().find(|worker| !worker.joined.load(Relaxed));
        if let Some(worker) = waiting {
            return Some(format!("{} has not been given its partitions yet", worker.name()));
        }
        let renewing = workers.iter().find(|worker| worker.renewing.load(Relaxed));
        if let Some(worker) = renewing {
            return Some(format!("{}: the transactional producer is not ready", worker.name()));
        }
        let blocked = workers.iter().find(|worker| worker.output_waits.load(Relaxed))?;
        Some(format!("{}: the output topic has acknowledged nothing for a while", blocked.name()))
    }
}

/// What somebody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// The input.
    Lines,
    /// What alerts count.
    Matches,
}

/// One worker's numbers.
#[derive(Debug)]
pub(crate) struct WorkerStatus {
    number: usize,
    reads: Reads,
    started: Instant,
    /// Of all workers together.
    pub(crate) coverage: Arc<Coverage>,
    turned_ms: AtomicU64,
    lanes: Mutex<Vec<Arc<LaneStatus>>>,
    pub(crate) joined: AtomicBool,
    pub(crate) done: AtomicBool,
    pub(crate) output_waits: AtomicBool,
    /// The transactional producer is not ready.
    pub(crate) renewing: AtomicBool,
    /// Since when a call of the client is out that may never come back, for each of two producers; 0 while none is.
    call_ms: [AtomicU64; 2],
    pub(crate) in_flight: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) matched: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) filtered: AtomicU64,
}

impl WorkerStatus {
    fn new(number: usize, reads: Reads, status: &Status) -> Self {
        let started = status.started;
        let zero = || AtomicU64::new(0);
        let no = || AtomicBool::new(false);
        let turned_ms = AtomicU64::new(millis(started.elapsed()));
        Self {
            number,
            reads,
            started,
            coverage: status.coverage.clone(),
            turned_ms,
            lanes: Mutex::default(),
            joined: no(),
            done: no(),
            output_waits: no(),
            renewing: no(),
            call_ms: [zero(), zero()],
            in_flight: zero(),
            read: zero(),
            matched: zero(),
            published: zero(),
            filtered: zero(),
        }
    }

    /// From 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    fn name(&self) -> String {
        match self.reads {
            Reads::Lines => format!("worker {}", self.number),
            Reads::Matches => "the counting of alerts".to_owned(),
        }
    }

    /// The worker's loop goes round.
    pub(crate) fn turn(&self) {
        self.turned_ms.store(millis(self.started.elapsed()), Relaxed);
    }

    /// A call of one of the producers that may never come back begins, or came back.
    pub(crate) fn calls(&self, producer: usize, begins: bool) {
        let now = if begins { millis(self.started.elapsed()).max(1) } else { 0 };
        self.call_ms[producer].store(now, Relaxed);
    }

    /// How long such a call has been out.
    fn calling(&self) -> Duration {
        let since = self.call_ms.iter().map(|since| since.load(Relaxed)).filter(|since| *since > 0).min();
        since.map_or(Duration::ZERO, |since| self.started.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    /// The line that is being judged, as `topic:partition:offset`.
    fn line_in_hand(&self) -> Option<String> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = lanes.iter().map(|lane| (lane, lane.at_hand.load(Relaxed)));
        let in_hand = places.find(|(_, offset)| *offset != NO_LINE);
        in_hand.map(|(lane, offset)| format!("{}:{}:{offset}", lane.topic, lane.partition))
    }

    fn quiet(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.turned_ms.load(Relaxed)))
    }

    /// A partition came. `mark`: the offset to be settled next, negative when not known.
    pub(crate) fn add(&self, topic: Arc<str>, partition: i32, mark: i64) -> Arc<LaneStatus> {
        let unknown = || AtomicI64::new(-1);
        let lane = Arc::new(LaneStatus {
            topic,
            partition,
            started: self.started,
            mark: AtomicI64::new(mark),
            end: unknown(),
            read_to: unknown(),
            open: AtomicU64::new(0),
            oldest_ms: unknown(),
            moved_ms: AtomicU64::new(millis(self.started.elapsed())),
            sources: AtomicU64::new(0),
            at_hand: AtomicI64::new(NO_LINE),
        });
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(lane.clone());
        lane
    }

    /// A partition went.
    pub(crate) fn remove(&self, lane: &Arc<LaneStatus>) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, lane));
    }

    /// Where a partition begins and ends, and up to where it was handed over (negative when not known).
    pub(crate) fn reaches(&self, topic: &str, partition: i32, low: i64, end: i64, read_to: i64) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in lanes.iter().filter(|lane| lane.partition == partition && *lane.topic == *topic) {
            // Until its first line is settled, a partition read from its beginning stands there.
            let _ = lane.mark.compare_exchange(-1, low, Relaxed, Relaxed);
            lane.end.store(end, Relaxed);
            lane.read_to.store(read_to, Relaxed);
        }
    }

    fn reports(&self, now_ms: i64) -> Vec<PartitionReport> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|lane| lane.report(now_ms)).collect()
    }
}

/// One assigned partition's numbers.
#[derive(Debug)]
pub(crate) struct LaneStatus {
    topic: Arc<str>,
    partition: i32,
    started: Instant,
    mark: AtomicI64,
    end: AtomicI64,
    read_to: AtomicI64,
    open: AtomicU64,
    /// Timestamp of the oldest line not settled, or of the last one seen when all that was read is settled.
    oldest_ms: AtomicI64,
    moved_ms: AtomicU64,
    pub(crate) sources: AtomicU64,
    /// Offset of the line that is being judged; [`NO_LINE`] while none is.
    pub(crate) at_hand: AtomicI64,
}

impl LaneStatus {
    /// Where the partition stands: `mark`, the offset to be settled next; lines open; timestamp of the oldest of them
    /// or, when none is open, of the last line.
    pub(crate) fn stands(&self, mark: Option<i64>, open: usize, oldest_ms: i64) {
        let before = self.mark.load(Relaxed);
        if let Some(mark) = mark {
            self.mark.store(mark, Relaxed);
        }
        self.open.store(open as u64, Relaxed);
        // Caught up, nothing is old: the next line may come after hours, and must not look as old as the last one.
        let caught_up = open == 0 && self.lag() == Some(0);
        self.oldest_ms.store(if caught_up { -1 } else { oldest_ms }, Relaxed);
        if mark.is_some_and(|mark| mark != before) || self.lag() == Some(0) {
            self.moved_ms.store(millis(self.started.elapsed()), Relaxed);
        }
    }

    fn lag(&self) -> Option<i64> {
        let (mark, end) = (self.mark.load(Relaxed), self.end.load(Relaxed));
        if end < 0 {
            return None;
        }
        if self.open.load(Relaxed) == 0 && self.read_to.load(Relaxed) >= end {
            return Some(0);
        }
        (mark >= 0).then(|| (end - mark).max(0))
    }

    fn report(&self, now_ms: i64) -> PartitionReport {
        let lag = self.lag();
        let moved = Duration::from_millis(self.moved_ms.load(Relaxed));
        let since_moved = self.started.elapsed().saturating_sub(moved);
        let oldest_ms = self.oldest_ms.load(Relaxed);
        let waits = lag.is_some_and(|lag| lag > 0) || self.open.load(Relaxed) > 0;
        // Before the first line of a partition is read, what is known of the age is how long we have had it.
        let age = if oldest_ms >= 0 { Duration::from_millis((now_ms - oldest_ms).max(0) as u64) } else { since_moved };
        PartitionReport {
            topic: self.topic.clone(),
            partition: self.partition,
            lag,
            oldest_age: if waits { age } else { Duration::ZERO },
            stalled: if waits { since_moved } else { Duration::ZERO },
            sources: self.sources.load(Relaxed),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (Status, Arc<WorkerStatus>, Arc<LaneStatus>) {
        let status = Status::default();
        let worker = status.add_worker();
        let lane = worker.add("logs".into(), 0, 10);
        (status, worker, lane)
    }

    #[test]
    fn lag_is_what_is_not_settled() {
        let (status, worker, lane) = one();
        assert_eq!(status.partitions()[0].lag, None);
        worker.reaches("logs", 0, 0, 30, -1);
        assert_eq!(status.partitions()[0].lag, Some(20));
        lane.stands(Some(25), 3, now_ms() - 5000);
        let report = &status.partitions()[0];
        assert_eq!(report.lag, Some(5));
        assert!(report.oldest_age >= Duration::from_secs(5) && report.oldest_age < Duration::from_secs(6));
        lane.stands(Some(30), 0, now_ms() - 5000);
        assert_eq!((status.partitions()[0].lag, status.partitions()[0].oldest_age), (Some(0), Duration::ZERO));
    }

    #[test]
    fn markers_at_the_end_are_no_lag() {
        let (status, worker, lane) = one();
        worker.reaches("logs", 0, 0, 30, 30);
        lane.stands(Some(29), 0, 0);
        assert_eq!(status.partitions()[0].lag, Some(0));
        lane.stands(Some(28), 1, 0);
        assert_eq!(status.partitions()[0].lag, Some(2));
    }

    #[test]
    fn ready_once_every_worker_has_joined() {
        let status = Status::default();
        assert!(status.unready().unwrap().starts_with("starting"));
        let worker = status.add_worker();
        assert!(status.unready().unwrap().contains("worker 0"));
        worker.joined.store(true, Relaxed);
        assert_eq!(status.unready(), None);
        worker.output_waits.store(true, Relaxed);
        assert!(status.unready().is_some());
        status.stop();
        assert_eq!(status.unready().unwrap(), "stopping");
    }

    #[test]
    fn what_was_counted_stays_when_the_workers_are_others() {
        let (status, worker, _) = one();
        worker.read.store(7, Relaxed);
        worker.joined.store(true, Relaxed);
        status.begin_anew();
        assert_eq!((status.counts().read, status.partitions().len()), (7, 0));
        assert!(status.unready().unwrap().starts_with("starting"));
        let next = status.add_worker();
        next.read.store(2, Relaxed);
        assert_eq!((status.counts().read, next.number()), (9, 0));
    }

    #[test]
    fn a_call_that_does_not_come_back_is_a_hang() {
        let minute_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let status = Status { started: minute_ago, ..Status::default() };
        let worker = status.add_worker();
        let (turn, call) = (Duration::from_secs(50), Duration::from_secs(20));
        assert_eq!(status.hangs(turn, call), None);
        worker.call_ms[0].store(1, Relaxed);
        worker.calls(1, true);
        worker.calls(1, false);
        assert!(status.hangs(turn, call).unwrap().contains("has not come back"));
        worker.calls(0, true);
        assert_eq!(status.hangs(turn, call), None);
        worker.turned_ms.store(0, Relaxed);
        assert_eq!(status.hangs(turn, call).unwrap(), "the Kafka client hangs: worker 0 has not turned for 60 s");
    }

    #[test]
    fn a_line_that_is_judged_without_end_is_named_and_not_the_client() {
        let minute_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let status = Status { started: minute_ago, ..Status::default() };
        let worker = status.add_worker();
        let (_other, lane) = (worker.add("logs".into(), 0, 10), worker.add("app.logs".into(), 7, 10));
        worker.turned_ms.store(0, Relaxed);
        lane.at_hand.store(1234, Relaxed);
        let (turn, call) = (Duration::from_secs(50), Duration::from_secs(20));
        let sentence = status.hangs(turn, call).unwrap();
        assert!(sentence.starts_with("worker 0 has been judging the line app.logs:7:1234 for 60 s"), "{sentence}");
        assert!(sentence.ends_with(r#"input.unjudged = ["app.logs:7:1234"]"#), "{sentence}");
        assert!(status.stall(turn).unwrap().ends_with("judging the line app.logs:7:1234"));
        lane.at_hand.store(NO_LINE, Relaxed);
        assert!(status.hangs(turn, call).unwrap().starts_with("the Kafka client hangs"));
    }

    #[test]
    fn a_partition_with_lag_that_does_not_move_is_a_stall() {
        let (mut status, _, _) = one();
        status.started = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let worker = status.add_worker();
        let lane = worker.add("logs".into(), 0, 10);
        worker.reaches("logs", 0, 0, 30, -1);
        let longest = Duration::from_secs(10);
        assert_eq!(status.stall(longest), None);
        lane.stands(Some(12), 0, 0);
        lane.moved_ms.store(0, Relaxed);
        let sentence = status.stall(longest).unwrap();
        assert_eq!(sentence, "topic logs partition 0: 18 lines wait and none was settled for 60 s");
        assert_eq!(status.stall_unless(true, longest), None, "the brokers hold answers back");
        lane.stands(Some(30), 0, 0);
        assert_eq!(status.stall(longest), None);
        worker.turned_ms.store(0, Relaxed);
        assert_eq!(status.stall(longest).unwrap(), "worker 1 has not turned for 60 s");
        assert!(status.stall_unless(true, longest).is_some(), "a loop turns whatever brokers do");
    }
}
