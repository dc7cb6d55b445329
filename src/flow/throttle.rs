//! Brokers with quotas answer late on purpose, and say so only in passing. A daemon that is throttled looks slow for no
//! reason, and may look dead; this keeps what brokers said, tells it no more often than somebody wants to read it, and
//! lets the probes know.
//!
//! There is one for each side of the process: producers come and go, and what one was told must not go with it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The metric's name.
pub(crate) const THROTTLED: &str = concat!(env!("CARGO_PKG_NAME"), "_throttled_requests_total");

/// Of what reads.
pub(crate) static INPUT: Throttle = Throttle::new("input");
/// Of what writes.
pub(crate) static OUTPUT: Throttle = Throttle::new("output");

/// Between two lines of the log.
const INTERVAL: Duration = Duration::from_secs(60);
/// Held back for as long, what is on its way is too much.
const LONG: Duration = Duration::from_secs(2);
/// Beyond the time for which answers are held back: until the next one has come, and was heard of.
const GRACE: Duration = Duration::from_secs(15);

/// What brokers said to one side.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// As the metric's label has it.
    side: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    told: Option<Instant>,
    /// Answers are held back until then.
    until: Option<Instant>,
    /// The same, of those that are held back for long.
    long_until: Option<Instant>,
}

/// Whether brokers hold answers back at this moment, on either side: nothing moves then, and nothing is wrong.
pub(crate) fn holds(now: Instant) -> bool {
    INPUT.holds(now) || OUTPUT.holds(now)
}

impl Throttle {
    const fn new(side: &'static str) -> Self {
        Self { side, state: Mutex::new(State { told: None, until: None, long_until: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many answers were held back since this was told last, for so long at most.
    pub(crate) fn hear(&self, answers: u64, longest: Duration, now: Instant) {
        if answers == 0 {
            return;
        }
        metrics::counter!(THROTTLED, "side" => self.side).increment(answers);
        if self.takes_in(longest, now) {
            tracing::warn!(
                "the brokers throttle the {}, as quotas have it: answers are held back for up to {longest:?}; lines move \
                 as fast as the quota lets them",
                self.side
            );
        }
    }

    /// True when it is time to tell.
    fn takes_in(&self, longest: Duration, now: Instant) -> bool {
        let mut state = self.state();
        let until = now.checked_add(longest + GRACE);
        state.until = state.until.max(until);
        if longest >= LONG {
            state.long_until = state.long_until.max(until);
        }
        let is_due = state.told.is_none_or(|told| now.saturating_duration_since(told) >= INTERVAL);
        if is_due {
            state.told = Some(now);
        }
        is_due
    }

    /// Whether answers are held back at this moment.
    pub(crate) fn holds(&self, now: Instant) -> bool {
        self.state().until.is_some_and(|until| now < until)
    }

    /// Whether they are held back for so long that less should be on its way: a transaction has only so much time.
    pub(crate) fn holds_long(&self, now: Instant) -> bool {
        self.state().long_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn it_is_told_once_a_minute() {
        let throttle = Throttle::new("input");
        let start = Instant::now();
        let at = |after: u64| throttle.takes_in(seconds(1), start + seconds(after));
        assert_eq!([at(0), at(5), at(59), at(60), at(61), at(120)], [true, false, false, true, false, true]);
    }

    #[test]
    fn nothing_moves_while_answers_are_held_back() {
        let throttle = Throttle::new("output");
        let start = Instant::now();
        assert!(!throttle.holds(start));
        throttle.takes_in(seconds(50), start);
        throttle.takes_in(seconds(1), start + seconds(5));
        assert!(throttle.holds(start + seconds(64)), "the longer one counts");
        assert!(!throttle.holds(start + seconds(65)));
        assert!(throttle.holds_long(start + seconds(64)));
    }

    #[test]
    fn a_short_time_is_no_reason_to_send_less() {
        let throttle = Throttle::new("output");
        let start = Instant::now();
        throttle.takes_in(seconds(1), start);
        assert!(throttle.holds(start) && !throttle.holds_long(start));
    }
}
