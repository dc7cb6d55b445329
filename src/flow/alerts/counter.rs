//! One member of the group that counts: a thread with a consumer, a producer, and the windows of its partitions.
//!
//! Unlike a worker of lines it does one thing after the other: it reads for a while, then tells what came of it and
//! commits (`settle`), and reads nothing meanwhile. Alerts are few, and what is to be counted waits in the matches topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::found_late::{self, FoundLate};
use super::lane::{Lane, Past, bookmark};
use super::lately::Lately;
use super::meters::AlertMeters;
use super::settle::Producing;
use super::view::View;
use crate::alert::{self, Alerts, Bookmark, Change, Untold, Windows, partition_of};
use crate::flow::kafka::topics::Route;
use crate::flow::notify::Board;
use crate::flow::real_time;
use crate::flow::shutdown::{Drained, StopFlag, Turn, Word, turns};
use crate::flow::status::{WorkerStatus, now_ms};
use crate::flow::transport::{Delivery, Event, Partition, Problem, Sink, Source, Standing};
use crate::flow::{Failure, Rules, Settings};
use crate::telemetry::{Seldom, foreign};

/// How long to wait for a record, and so how late a request to stop is seen at worst.
const IDLE: Duration = Duration::from_millis(100);
/// How often what is read is committed when there is nothing to tell.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// So much is told at a time, at most.
const CHANGES_MAX: usize = 1000;
/// So many are put into words at a time.
const AT_A_TIME: usize = 100;
/// How often it is looked whether there is something to delete.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);
/// Between two attempts to commit in the end.
const COMMIT_PAUSE: Duration = Duration::from_millis(50);
/// How often the status is written.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Who asks what fires is not kept waiting for longer by what is being committed.
pub(super) const LONG_WAIT: Duration = Duration::from_secs(2);
/// Something to tell, and the partition that counts it.
#[derive(Debug)]
pub(super) struct News {
    pub(super) partition: i32,
    pub(super) untold: Untold,
    told_ms: Option<i64>,
}

/// Adds what there is to be told.
fn add(news: &mut Vec<News>, lane: &mut Lane) {
    let (partition, now_ms) = (lane.partition.number, now_ms());
    for untold in lane.windows.news() {
        let told_ms = lane.told_ms(&untold, now_ms);
        news.push(News { partition, untold, told_ms });
    }
}

/// See the top of the file.
pub(crate) struct Counter<K> {
    rules: Rules,
    alerts: Arc<Alerts>,
    pub(super) limits: alert::Limits,
    /// The role's own, see [`super::settings`].
    pub(super) settings: Settings,
    pub(super) route: Route,
    pub(super) sink: K,
    pub(super) status: Arc<WorkerStatus>,
    pub(super) stop: StopFlag,
    view: Arc<View>,
    board: Option<Arc<Board>>,
    found_late: FoundLate,
    pub(super) meters: AlertMeters,
    pub(super) lanes: Vec<Lane>,
    pub(super) news: Vec<News>,
    pub(super) producing: Producing,
    /// The windows hold what was not committed, and are to be made anew.
    pub(super) is_stale: bool,
    /// A commit is under way.
    pub(super) committing: bool,
    /// Of records of the matches topic.
    unreadable: Seldom,
    next_commit: Instant,
    next_report: Instant,
    next_trim: Instant,
}

impl<K: Sink> Counter<K> {
    pub(crate) fn new(
        mut rules: Rules,
        (settings, alerts): (&Settings, &super::Settings),
        route: Route,
        sink: K,
        status: Arc<WorkerStatus>,
        stop: StopFlag,
        (view, board): (Arc<View>, Option<Arc<Board>>),
    ) -> Self {
        let engine = rules.borrow_and_update().clone();
        let counted = Arc::new(Alerts::new(&engine, alerts.counting.clone()));
        let now = Instant::now();
        Self {
            rules,
            meters: AlertMeters::new(&counted),
            alerts: counted,
            limits: alerts.limits,
            found_late: FoundLate::new(alerts.notify.found_late, alerts.counting.lateness_ms),
            producing: Producing::new(settings.delivery.mode),
            settings: settings.clone(),
            route,
            sink,
            status,
            stop,
            view,
            board,
            lanes: Vec::new(),
            news: Vec::new(),
            is_stale: false,
            committing: false,
            unreadable: Seldom::default(),
            next_commit: now,
            next_report: now,
            next_trim: now + TRIM_INTERVAL,
        }
    }

    /// Counts until asked to stop or unable to go on, then leaves in good order.
    pub(crate) fn run<S: Source>(mut self, source: S, tell: &dyn Fn(Word)) {
        self.view.begin();
        turns(|| self.step(&source), tell);
        self.view.end();
        self.leave(source, |drained| tell(Word::Drained(drained)));
    }

    /// Deals with the next thing that happens.
    fn step<S: Source>(&mut self, source: &S) -> Result<Turn, Failure> {
        self.status.turn();
        // What is news is not committed yet, and will be in a moment.
        let is_told = self.news.is_empty() && !self.is_stale;
        self.answer(if is_told { Duration::ZERO } else { LONG_WAIT });
        if self.stop.is_raised() {
            return Ok(Turn::Stop);
        }
        if let Some(event) = source.event() {
            self.group(source, event)?;
            return Ok(Turn::On);
        }
        let is_quiet = match source.poll(IDLE) {
            Some(Ok(delivery)) => {
                self.read(&delivery);
                false
            }
            Some(Err(problem)) => {
                self.trouble(source, problem)?;
                true
            }
            None => true,
        };
        let now = source.now();
        if is_quiet {
            self.look_at_ends(source);
        }
        let is_due = !self.news.is_empty() && (is_quiet || self.news.len() >= CHANGES_MAX) || now >= self.next_commit;
        if is_due {
            self.next_commit = now + COMMIT_INTERVAL;
            self.look_at_clocks(source);
            self.renew_rules();
            self.settle(source)?;
            self.trim(source, now);
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.report();
        }
        Ok(Turn::On)
    }

    fn look_at_clocks<S: Source>(&mut self, source: &S) {
        let (now_ms, classifies) = (now_ms(), self.settings.roles.classify);
        let horizon = self.lanes.iter().map(|lane| lane.windows.bookmark().horizon).max();
        let fresh =
            self.lanes.iter_mut().filter_map(|lane| lane.fresh.look(source.idle(&lane.partition), now_ms)).max();
        // What a process wrote itself says only what it believes.
        real_time::look(horizon, fresh.filter(|_| !classifies)).tell();
    }

    fn read(&mut self, delivery: &impl Delivery) {
        let line = delivery.line();
        if self.is_stale {
            return;
        }
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.partition.is_of(&line)) else { return };
        lane.fresh.see(line.timestamp_ms);
        match lane.read(line.offset, line.value) {
            Ok(()) => add(&mut self.news, lane),
            Err(why) => {
                self.meters.unreadable.increment(1);
                let why = foreign(why.to_string().as_bytes());
                if let Some(kept_back) = self.unreadable.say(Instant::now()) {
                    tracing::warn!(
                        partition = line.partition,
                        offset = line.offset,
                        kept_back,
                        "a match cannot be read and is left out: {why}"
                    );
                }
            }
        }
    }

    /// Where everything has been read, silence is over.
    fn look_at_ends<S: Source>(&mut self, source: &S) {
        for lane in self.lanes.iter_mut().filter(|lane| !lane.is_live() && source.idle(&lane.partition).is_some()) {
            lane.at_its_end();
            add(&mut self.news, lane);
        }
    }

    /// What is to be told, in words. Nothing of a partition that is another's by now.
    pub(super) fn in_words(&self, news: &News) -> Option<Change> {
        let lane = self.lanes.iter().find(|lane| lane.partition.number == news.partition)?;
        Some(Change { told_ms: news.told_ms, ..lane.windows.in_words(&news.untold) })
    }

    fn trouble<S: Source>(&self, source: &S, problem: Problem) -> Result<(), Failure> {
        match problem {
            Problem::Passing => Ok(()),
            Problem::Final(sentence) => Err(Failure::unavailable(format!("alerts: {sentence}"))),
            Problem::OutOfRange => {
                let next = self.lanes.iter().filter_map(|lane| Some((lane.partition.clone(), lane.reads_next()?)));
                let next: Vec<(Partition, i64)> = next.collect();
                Err(Failure::unavailable(source.out_of_range(&self.settings.kafka.group_id, &next)))
            }
        }
    }

    /// Answers what the group did. A failure leaves the event for [`Source::close`].
    fn group<S: Source>(&mut self, source: &S, event: Event) -> Result<(), Failure> {
        let answered = match &event {
            Event::Assigned(partitions) => self.take_over(source, partitions.clone()),
            Event::Revoked(partitions) => {
                if !self.settle(source)? {
                    tracing::warn!("alerts: not everything could be told in time; the next owner tells it");
                }
                self.forget(partitions);
                source.release(partitions)
            }
            Event::Lost(partitions) => {
                tracing::warn!(
                    partitions = partitions.len(),
                    "alerts: lost partitions; their next owner counts them again"
                );
                self.forget(partitions);
                self.status.joined.store(false, Relaxed);
                source.release(partitions)
            }
            Event::Positions(positions) => {
                self.reach(positions);
                return Ok(());
            }
        };
        answered.inspect_err(|_| source.put_back(event))
    }

    /// Takes in how far partitions were read, behind markers of transactions.
    fn reach(&mut self, positions: &[(Partition, i64)]) {
        let is_stale = self.is_stale;
        for lane in self.lanes.iter_mut().filter(|_| !is_stale) {
            let position = positions.iter().find(|(partition, _)| *partition == lane.partition);
            position.into_iter().for_each(|(_, offset)| lane.reach(*offset));
        }
    }

    fn forget(&mut self, partitions: &[Partition]) {
        self.news.retain(|news| !partitions.iter().any(|partition| partition.number == news.partition));
        self.lanes.retain(|lane| {
            let goes = partitions.contains(&lane.partition);
            if goes {
                let number = lane.partition.number;
                self.status.remove(&lane.status);
                self.view.forget(number);
                self.board.iter().for_each(|board| board.forget(number));
            }
            !goes
        });
    }

    fn take_over<S: Source>(&mut self, source: &S, partitions: Vec<Partition>) -> Result<(), Failure> {
        self.forget(&partitions);
        let committed = source.committed(&partitions)?;
        let mut lanes = Vec::with_capacity(partitions.len());
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.into_iter().zip(committed) {
            let (windows, past) = self.windows(source, &partition, committed.as_ref())?;
            let from = committed.is_some().then(|| bookmark(committed.as_ref()).from);
            starts.push((partition.clone(), from));
            let mark = committed.as_ref().map_or(-1, |standing| standing.offset);
            let status = self.status.add(partition.topic.clone(), partition.number, mark);
            lanes.push(Lane::new(partition, windows, status, committed).with(past));
        }
        source.assign(&starts)?;
        let partitions: Vec<Partition> = starts.into_iter().map(|(partition, _)| partition).collect();
        // The client remembers that a partition is paused even while it is another's.
        source.pause(&partitions, false)?;
        tracing::info!(partitions = partitions.len(), "alerts: took over partitions");
        self.lanes.extend(lanes);
        self.status.joined.store(true, Relaxed);
        Ok(())
    }

    /// Windows that know what fires; what they count is to be read yet. And what is known from the alerts topic besides.
    fn windows<S: Source>(
        &self,
        source: &S,
        partition: &Partition,
        committed: Option<&Standing>,
    ) -> Result<(Windows, Past), Failure> {
        let now_ms = now_ms();
        let bookmark = match committed {
            Some(_) => bookmark(committed),
            // Nobody of the group has counted this partition before.
            None => Bookmark { began: now_ms, ..Bookmark::start(0) },
        };
        let mut windows = Windows::new(self.alerts.clone(), self.limits, bookmark);
        let mut unreadable = 0_u64;
        let mut past = Past::default();
        let mut lately = Lately::new(now_ms);
        source.recall(partition, &|| self.status.turn(), &mut |key, value| {
            let Ok(key) = std::str::from_utf8(key) else { return unreadable += 1 };
            // The alerts topic may have more partitions, or once have had.
            if partition_of(key, self.route.matches_partitions) != partition.number {
                return;
            }
            unreadable += u64::from(windows.restore(key, value).is_err());
            let change = value.and_then(|value| Change::from_json(value).ok());
            past.says(key, change.as_ref());
            lately.says(key, change.filter(|_| self.board.is_some()));
        })?;
        if unreadable > 0 {
            tracing::warn!(partition = partition.number, unreadable, "records of the alerts topic that cannot be read");
        }
        lately.changes().for_each(|change| self.notify(partition.number, bookmark.began, change));
        Ok((windows, past))
    }

    /// Begins anew, with all windows, at what is committed.
    pub(super) fn rebuild<S: Source>(&mut self, source: &S) -> Result<(), Failure> {
        self.news.clear();
        let partitions: Vec<Partition> = self.lanes.iter().map(|lane| lane.partition.clone()).collect();
        let committed = source.committed(&partitions)?;
        let mut starts = Vec::with_capacity(partitions.len());
        let mut lanes = Vec::with_capacity(partitions.len());
        for (lane, committed) in std::mem::take(&mut self.lanes).into_iter().zip(committed) {
            starts.push((lane.partition.clone(), committed.is_some().then(|| bookmark(committed.as_ref()).from)));
            let (windows, past) = self.windows(source, &lane.partition, committed.as_ref())?;
            lanes.push(lane.again(windows, committed).with(past));
        }
        self.lanes = lanes;
        source.rewind(&starts)?;
        self.is_stale = false;
        Ok(())
    }

    /// Takes the newest alerts, if there are newer ones.
    fn renew_rules(&mut self) {
        // An error says that nobody will ever swap them.
        if !self.rules.has_changed().unwrap_or(false) {
            return;
        }
        let engine = self.rules.borrow_and_update().clone();
        self.alerts = Arc::new(Alerts::new(&engine, self.alerts.settings().clone()));
        self.meters = AlertMeters::new(&self.alerts);
        for lane in &mut self.lanes {
            lane.windows.swap(self.alerts.clone());
            add(&mut self.news, lane);
        }
    }

    /// What was to be told is on the alerts topic, and committed.
    pub(super) fn told(&mut self, news: &[News]) {
        // Alertmanagers are told what holds, not all that happened on the way.
        let mut last: BTreeMap<(i32, &str), &News> = BTreeMap::new();
        for news in news {
            self.meters.told(news.untold.alert(), news.untold.ends_at().is_some());
            last.insert((news.partition, news.untold.key()), news);
        }
        for ((partition, key), news) in last {
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.partition.number == partition) else { continue };
            lane.latest(key, &news.untold);
            let began = lane.windows.bookmark().began;
            if self.board.is_some()
                && let Some(change) = self.in_words(news)
            {
                self.notify(partition, began, &change);
            }
        }
        for lane in self.lanes.iter().filter(|lane| lane.is_live()) {
            let number = lane.partition.number;
            if !self.view.knows(number) {
                // What fires since before we had the partition.
                self.notify_all(number, &lane.windows);
            }
            self.tell_wanted(number, &lane.windows);
            if !self.view.knows(number) || news.iter().any(|news| news.partition == number) {
                self.view.set(number, lane.windows.firing_by_alert());
            }
        }
    }

    /// Tells who asked that long ago what fires, as far as it is counted.
    pub(super) fn answer(&self, waited: Duration) {
        if !self.view.is_asked() {
            return;
        }
        let of = |number: i32| self.lanes.iter().find(|lane| lane.partition.number == number);
        let page = |number: i32, behind: Option<&str>, limit| {
            of(number).map_or_else(Vec::new, |lane| lane.windows.firing_behind(behind, limit))
        };
        let numbers: Vec<i32> =
            self.lanes.iter().filter(|lane| lane.is_live()).map(|lane| lane.partition.number).collect();
        self.view.answer(waited, &numbers, page);
    }

    /// Tells of those for which there is room now.
    fn tell_wanted(&self, partition: i32, windows: &Windows) {
        let Some(board) = &self.board else { return };
        for key in board.wanted(partition, CHANGES_MAX) {
            match windows.fires(&key) {
                Some(change) => self.notify(partition, i64::MIN, &change),
                None => board.nothing_of(&key),
            }
        }
    }

    /// A part at a time, as all that fires takes many times what the windows do.
    fn notify_all(&self, partition: i32, windows: &Windows) {
        let mut behind: Option<String> = None;
        while self.board.is_some() {
            let changes = windows.firing_behind(behind.as_deref(), AT_A_TIME);
            changes.iter().for_each(|change| self.notify(partition, i64::MIN, change));
            match changes.last() {
                Some(last) if changes.len() == AT_A_TIME => behind = Some(last.key()),
                _ => return,
            }
        }
    }

    /// Has Alertmanagers told; `began` is when the group began to count.
    fn notify(&self, partition: i32, began: i64, change: &Change) {
        let Some(board) = &self.board else { return };
        let fires_for = self.found_late.fires_for(change, began, now_ms());
        board.put(found_late::notice(partition, change, fires_for));
    }

    /// Has deleted what no next owner will read.
    fn trim<S: Source>(&mut self, source: &S, now: Instant) {
        if now < self.next_trim {
            return;
        }
        self.next_trim = now + TRIM_INTERVAL;
        let needed: Vec<(Partition, i64)> =
            self.lanes.iter_mut().filter_map(|lane| Some((lane.partition.clone(), lane.trim()?))).collect();
        if !needed.is_empty() {
            source.trim(needed);
        }
    }

    fn report(&mut self) {
        for lane in &mut self.lanes {
            lane.report();
            let meters = lane.windows.meters();
            self.meters.counted(meters, lane.meters);
            lane.meters = meters;
            self.view.count(lane.partition.number, meters.groups);
        }
    }

    /// Tells and commits what it can, and leaves the group.
    fn leave<S: Source>(mut self, source: S, drained: impl FnOnce(Drained)) {
        let deadline = source.now() + self.settings.delivery.shutdown_timeout;
        let committed = loop {
            match self.settle(&source) {
                // In the middle of a rebalance the group takes nothing, for some milliseconds.
                Ok(false) if source.now() < deadline && !self.committing => self.sink.wait(COMMIT_PAUSE),
                Ok(done) => break done,
                Err(failure) => {
                    tracing::error!("{}", foreign(failure.message.as_bytes()));
                    break false;
                }
            }
        };
        drained(Drained { unsettled: 0, committed });
        drop(self.sink);
        if self.committing {
            // Closing would wait for a broker that does not answer. The group will miss us soon enough.
            std::mem::forget(source);
        } else {
            source.close();
        }
        self.status.done.store(true, Relaxed);
        for lane in &self.lanes {
            self.status.remove(&lane.status);
        }
    }
}
