//! What alerts count: the matches of a line, which share its ticket and its batch, and, each second, how far each input
//! partition is.
//!
//! A match goes to the partition of the matches topic that its alert and group name, so all that is to be counted
//! together meets there, whoever read the lines. A watermark goes to all of them, behind the matches of the lines before
//! it: one producer keeps the order. Nothing reads the clock for a line: what time it is, for those that are read as they happen,
//! is looked at once a second ([`real_time`]); what an input partition without lines may say is the source's knowledge, see
//! [`Source::idle`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lane::Doubt;
use super::{BESIDE_OVERHEAD, Worker};
use crate::alert::{self, Alerts, Place, Watermark, partition_of};
use crate::engine::{Countable, Engine};
use crate::flow::alerts::meters::MatchMeters;
use crate::flow::kafka::topics::Route;
use crate::flow::ledger::Ticket;
use crate::flow::meters;
use crate::flow::real_time;
use crate::flow::record::{Line, Writer};
use crate::flow::status::now_ms;
use crate::flow::transport::{Sink, Source, To};
use crate::flow::{Failure, Settings};
use crate::telemetry::Seldom;

/// Between two watermarks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a worker needs to write what alerts count.
pub(super) struct Counting {
    alerts: Arc<Alerts>,
    /// Of the matches topic.
    partitions: i32,
    /// Bytes of a record batch that it takes.
    pub(super) limit: usize,
    meters: MatchMeters,
    next: Instant,
    next_look: Instant,
    too_late: Seldom,
    not_believed: Seldom,
    /// Watermarks not acknowledged. While there are some, telling more would only fill the queue.
    pub(super) in_flight: usize,
}

impl Counting {
    /// `None` where nobody counts.
    pub(super) fn new(settings: &Settings, engine: &Arc<Engine>, route: Route, now: Instant) -> Option<Self> {
        let alerts = Arc::new(Alerts::new(engine, settings.alerts.as_ref()?.counting.clone()));
        let meters = MatchMeters::new(&alerts);
        let Route { matches_partitions: partitions, matches_limit: limit, .. } = route;
        (partitions > 0).then(|| Self {
            alerts,
            partitions,
            limit,
            meters,
            next: now,
            next_look: now,
            too_late: Seldom::of(1),
            not_believed: Seldom::of(1),
            in_flight: 0,
        })
    }

    /// Other rules.
    pub(super) fn exchange(&mut self, engine: &Arc<Engine>) {
        self.alerts = Arc::new(Alerts::new(engine, self.alerts.settings().clone()));
        self.meters = MatchMeters::new(&self.alerts);
    }
}

impl<K: Sink> Worker<K> {
    /// Writes what alerts count of a line.
    pub(super) fn count_matches(
        &mut self,
        line: &Line<'_>,
        ticket: &Ticket,
        countable: &Countable,
        now: Instant,
    ) -> Result<(), Failure> {
        let (Some(counting), Some(lane)) = (&mut self.counting, self.lanes.of(ticket)) else { return Ok(()) };
        let place = Place { topic: line.topic.to_owned(), partition: line.partition, offset: line.offset };
        let counted = counting.alerts.count(countable, &place, line.timestamp_ms, lane.clock);
        counting.meters.count(&counted);
        if !counted.too_late.is_empty()
            && let Some(kept_back) = counting.too_late.say(now)
        {
            tracing::warn!(
                behind_s = counted.behind_ms / 1000,
                limit_s = counting.alerts.settings().lateness_ms / 1000,
                more = kept_back,
                "the line at {place} is further behind its partition than alerts.lateness, and no alert counts it"
            );
        }
        let (partitions, limit) = (counting.partitions, counting.limit);
        for found in counted.matches {
            let key = found.key();
            let json = alert::Record::Match(found).to_json();
            let record = Writer::text(To::Matches, partition_of(&key, partitions), Some(&key), Some(&json), now_ms());
            if record.weight() + BESIDE_OVERHEAD > limit {
                self.meters.match_too_large.increment(1);
                continue;
            }
            self.send_beside(&record, ticket)?;
        }
        Ok(())
    }

    /// A record's timestamp is not believed.
    pub(super) fn doubts(&mut self, line: &Line<'_>, doubt: Doubt, now: Instant) {
        let Some(counting) = &mut self.counting else { return };
        meters::not_believed(if doubt.is_future { "future" } else { "leap" });
        if let Some(kept_back) = counting.not_believed.say(now) {
            tracing::warn!(
                timestamp = crate::alert::time(doubt.timestamp_ms),
                more = kept_back,
                "the record at {}/{}/{} is ahead of {}: its timestamp does not move the clock of its partition",
                line.topic,
                line.partition,
                doubt.offset,
                if doubt.is_future { "now" } else { "those around it" },
            );
        }
    }

    /// Looks what time it is, once a second.
    fn look_at_clocks<S: Source>(&mut self, source: &S, now: Instant) {
        let Some(counting) = self.counting.as_mut().filter(|counting| now >= counting.next_look) else { return };
        counting.next_look = now + INTERVAL;
        let furthest = self.lanes.iter().filter_map(|lane| lane.clock.now()).max();
        let now_ms = now_ms();
        let fresh =
            self.lanes.iter_mut().filter_map(|lane| lane.fresh.look(source.idle(&lane.partition), now_ms)).max();
        real_time::look(furthest, fresh).tell();
        self.lanes.none_is_later(real_time::latest_ms());
    }

    /// Tells how far the partitions are, when it is time.
    pub(super) fn tell_watermarks<S: Source>(&mut self, source: &S, now: Instant) -> Result<(), Failure> {
        self.look_at_clocks(source, now);
        let Some(counting) = &self.counting else { return Ok(()) };
        // Blocked, nothing is known of the ends of paused partitions, and nothing more is to wait for the output.
        let nobody_counts = counting.alerts.ids().next().is_none();
        let must_wait = now < counting.next || counting.in_flight > 0 || self.holding || self.is_full();
        if nobody_counts || must_wait || self.batch.is_small() || self.lanes.is_empty() {
            return Ok(());
        }
        let partitions = counting.partitions;
        if !self.begin(source, None)? {
            return Ok(());
        }
        let inputs = source.inputs();
        for lane in self.lanes.iter_mut() {
            if let Some(time) = source.idle(&lane.partition) {
                lane.clock.idle(time);
            }
        }
        let watermarks: Vec<Watermark> = self.lanes.iter().filter_map(|lane| lane.watermark(&inputs)).collect();
        for watermark in watermarks {
            let json = alert::Record::Watermark(watermark).to_json();
            for partition in 0..partitions {
                self.tell_watermark(partition, &json)?;
            }
        }
        if let Some(counting) = &mut self.counting {
            counting.next = now + INTERVAL;
        }
        Ok(())
    }

    fn tell_watermark(&mut self, partition: i32, json: &str) -> Result<(), Failure> {
        let record = Writer::text(To::Matches, partition, None, Some(json), now_ms());
        if self.send(&record, None, Ticket::nobodys())? {
            self.counting.iter_mut().for_each(|counting| counting.in_flight += 1);
        }
        Ok(())
    }
}
