//! What is an accident once and a fault when it goes on: how often something happened lately.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back it looks.
pub(crate) const RECENT: Duration = Duration::from_secs(60);

/// Times at which something happened, the oldest first, none older than [`RECENT`] when it last did.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Instant>);

impl Recent {
    /// It happened again; returns how often it did within [`RECENT`], this time included.
    pub(crate) fn again(&mut self, now: Instant) -> usize {
        self.0.push_back(now);
        self.lately(now)
    }

    /// How often it happened within [`RECENT`].
    pub(crate) fn lately(&mut self, now: Instant) -> usize {
        while self.0.front().is_some_and(|first| now.duration_since(*first) > RECENT) {
            self.0.pop_front();
        }
        self.0.len()
    }
}
