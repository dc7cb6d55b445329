//! When what lingers in the producer is sent.
//!
//! librdkafka sends a batch when it is full, or when its oldest record is `linger.ms` old. An idempotent producer has one
//! request of a partition on its way, and if the answer takes longer than the next records may linger, librdkafka's thread
//! polls without a pause until it is there: with one partition, a tenth of all our time. So where partitions are few,
//! `linger.ms` is long, and the worker has the records sent by [`Sink::hurry`](crate::flow::transport::Sink::hurry)
//! instead, but not while what went the last time is still on its way. What that misses goes after `linger.ms`.
//!
//! Where partitions are many, a moment of hurrying would leave most of them behind, as a connection takes five requests at
//! a time; `linger.ms` is short then, and nothing is done here.

use std::time::{Duration, Instant};

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Linger {
    /// `None` where librdkafka alone decides.
    time: Option<Duration>,
    next: Instant,
    /// Of the records that went the last time, those that are not acknowledged.
    on_the_way: usize,
}

impl Linger {
    /// Records linger for this long.
    pub(super) fn new(time: Option<Duration>, now: Instant) -> Self {
        Self { time, next: now, on_the_way: 0 }
    }

    /// A record is acknowledged. Which one is not looked at: those that went the last time are first, more or less.
    pub(super) fn acknowledged(&mut self) {
        self.on_the_way = self.on_the_way.saturating_sub(1);
    }

    /// Nothing is on its way any more.
    pub(super) fn forget(&mut self) {
        self.on_the_way = 0;
    }

    /// Whether the records that are in the producer are to be sent; those are on their way from now on.
    pub(super) fn is_over(&mut self, now: Instant, records: usize) -> bool {
        let Some(time) = self.time.filter(|_| records > 0 && self.on_the_way == 0 && now >= self.next) else {
            return false;
        };
        self.next = now + time;
        self.on_the_way = records;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(25);

    #[test]
    fn a_lone_record_goes_at_once_and_the_next_ones_together() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut linger = Linger::new(Some(LINGER), start);
        assert!(!linger.is_over(at(50), 0), "there is nothing");
        assert!(linger.is_over(at(50), 1));
        linger.acknowledged();
        assert!(!linger.is_over(at(74), 7));
        assert!(linger.is_over(at(75), 8));
    }

    #[test]
    fn nothing_goes_behind_what_is_on_its_way() {
        let start = Instant::now();
        let mut linger = Linger::new(Some(LINGER), start);
        assert!(linger.is_over(start, 2));
        assert!(!linger.is_over(start + 4 * LINGER, 500));
        linger.acknowledged();
        assert!(!linger.is_over(start + 4 * LINGER, 499));
        linger.acknowledged();
        assert!(linger.is_over(start + 4 * LINGER, 498));
    }

    #[test]
    fn a_configured_time_is_the_clients_own_business() {
        let start = Instant::now();
        assert!(!Linger::new(None, start).is_over(start + LINGER, 1));
    }
}
