//! A warning that would come again and again: said a few times in a while, and then only with how often it was kept back.

use std::time::{Duration, Instant};

/// Within this.
const INTERVAL: Duration = Duration::from_secs(60);

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Seldom {
    times: u32,
    since: Option<Instant>,
    said: u32,
    kept_back: u64,
}

impl Default for Seldom {
    /// Five times in a minute.
    fn default() -> Self {
        Self::of(5)
    }
}

impl Seldom {
    /// So many times in a minute.
    pub(crate) fn of(times: u32) -> Self {
        Self { times, since: None, said: 0, kept_back: 0 }
    }

    /// It happened again. How often it was kept back since it was last said, when it is to be said now.
    pub(crate) fn say(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) >= INTERVAL) {
            (self.since, self.said) = (Some(now), 0);
        }
        if self.said == self.times {
            self.kept_back += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_said_a_few_times_in_a_while_and_then_with_a_count() {
        let (start, mut seldom) = (Instant::now(), Seldom::default());
        let mut say = |seconds| seldom.say(start + Duration::from_secs(seconds));
        assert!((0..5).all(|second| say(second) == Some(0)));
        assert_eq!([say(5), say(59)], [None, None]);
        assert_eq!([say(60), say(61)], [Some(2), Some(0)]);
        let mut once = Seldom::of(1);
        let said = [0, 1, 59, 60, 61, 130].map(|second| once.say(start + Duration::from_secs(second)));
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
