//! What a worker tells: line by line into plain numbers, and from there, a few times a second, into the counters and the
//! status that others read.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Worker;
use crate::engine::Outcome;
use crate::flow::kafka::clients::{THROTTLED_WINDOW_BYTES, WINDOW_BYTES};
use crate::flow::record::{Line, Notes, Record};
use crate::flow::transport::Sink;
use crate::flow::{Mode, throttle};

/// Without an acknowledgement for longer, although there is something in flight, the output is not well.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(10);

/// Counted line by line, told now and then.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) matched: u64,
    pub(super) unmatched: u64,
    pub(super) tombstone: u64,
    pub(super) filtered: u64,
    pub(super) probe: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) published: u64,
}

impl<K: Sink> Worker<K> {
    /// Counts a line that was judged.
    pub(super) fn count(
        &mut self,
        line: &Line<'_>,
        outcome: Option<&Outcome>,
        record: Option<&Record<'_>>,
        notes: Notes,
    ) {
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
            self.sampler.saw(&verdict.rules);
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

    /// Writes the status.
    pub(super) fn report(&mut self, now: Instant) {
        self.status.turn();
        // Nothing of it is on its way, but it may have something to say of its connections.
        if let Some(ahead) = &self.ahead {
            ahead.acks(&mut self.acks);
        }
        self.tell_tally();
        self.sampler.rest(&self.engine);
        // What is settled in a transaction that is never committed is no progress.
        let exactly_once = self.settings.delivery.mode == Mode::ExactlyOnce;
        for lane in self.lanes.iter_mut() {
            let oldest_ms = lane.ledger.oldest().map_or(lane.last_timestamp_ms, |entry| entry.timestamp_ms);
            let done = if exactly_once { lane.committed() } else { lane.ledger.commit() };
            lane.status.stands(done, lane.ledger.unsettled(), oldest_ms);
            lane.status.sources.store(lane.memory.len() as u64, Relaxed);
            self.meters.sources.increment(lane.memory.evicted() - lane.evicted);
            lane.evicted = lane.memory.evicted();
        }
        self.status.in_flight.store(self.window.records as u64, Relaxed);
        self.tell_readiness();
        self.window_bytes = if throttle::OUTPUT.holds_long(now) { THROTTLED_WINDOW_BYTES } else { WINDOW_BYTES };
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
}
