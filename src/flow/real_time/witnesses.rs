//! Lines that come as they happen bear out a wall clock that is not believed.
//!
//! What a line from earlier says proves nothing: it may be a backlog, on the brokers or in front of them. Three things tell it
//! from a line of now:
//!
//! - *Fresh* lines alone are looked at ([`Fresh`]): their partition had been read to its end a moment before they came, so
//!   they were written after that. A backlog on the brokers is never fresh.
//! - What is replicated late, or was kept by a collector that was away, is fresh and old. So the newest of the fresh lines counts:
//!   a single line from later than the wall clock says that it is wrong, and the count begins anew.
//! - Where all lines are old, who writes them catches up, and they come nearer to now from minute to minute. So for [`TERMS`]
//!   minutes in which there are fresh lines the newest of them must be as far behind the wall clock, to within [`STEADY_MS`].
//!
//! On a topic with `LogAppendTime` a line's time is that of its broker, and there is nothing to be fooled by.

use std::time::{Duration, Instant};

use crate::alert::LEAP_MS;

/// One look at how far the newest line is behind.
const TERM: Duration = Duration::from_secs(60);
/// So many looks in a row that say the same.
const TERMS: usize = 5;
/// How much two of them may differ.
const STEADY_MS: i64 = 10_000;
/// A line further behind says nothing of what time it is: collectors take their time.
const BEHIND_MAX_MS: i64 = 60_000;
/// A partition was at its end just now when that is no longer ago.
const JUST_NOW_MS: i64 = 5_000;

/// The newest line of a partition that came while it was read at its end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fresh {
    is_at_end: bool,
    newest_ms: Option<i64>,
}

impl Fresh {
    /// The next record of the partition has this timestamp, milliseconds since 1970; negative: none.
    pub(crate) fn see(&mut self, timestamp_ms: i64) {
        if self.is_at_end && timestamp_ms >= 0 {
            self.newest_ms = self.newest_ms.max(Some(timestamp_ms));
        }
    }

    /// The newest since the last look, which is to come every second. `idle_ms` is when the partition was last known to be read
    /// to its end; `now_ms` what time it is by the same clock.
    pub(crate) fn look(&mut self, idle_ms: Option<i64>, now_ms: i64) -> Option<i64> {
        self.is_at_end = idle_ms.is_some_and(|idle| now_ms.saturating_sub(idle) <= JUST_NOW_MS);
        self.newest_ms.take()
    }
}

/// What fresh lines have said of one wall clock. See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    /// When the term at hand began, and the least that a line was behind in it.
    term: Option<(Instant, i64)>,
    /// The same of the terms before it that agree.
    agree: Vec<i64>,
}

impl Witnesses {
    /// A fresh line is so far behind the wall clock, which is `off_ms` ahead of the time that is believed. True when the wall
    /// clock is borne out.
    pub(super) fn see(&mut self, behind_ms: i64, off_ms: i64, now: Instant) -> bool {
        // Clocks of hosts differ; by a part of what is in question they may.
        let ahead = (off_ms.saturating_abs() / 4).clamp(STEADY_MS, LEAP_MS);
        if behind_ms < -ahead {
            *self = Self::default();
            return false;
        }
        // A line must be nearer to the wall clock than to the time that is believed.
        let most = if off_ms > 0 { BEHIND_MAX_MS.min(off_ms / 2) } else { BEHIND_MAX_MS };
        if behind_ms > most {
            return false;
        }
        match &mut self.term {
            Some((began, least)) if now.saturating_duration_since(*began) < TERM => *least = behind_ms.min(*least),
            term => {
                let ended = term.replace((now, behind_ms));
                ended.into_iter().for_each(|(_, least)| self.end_term(least));
            }
        }
        self.agree.len() >= TERMS
    }

    fn end_term(&mut self, least: i64) {
        self.agree.retain(|known| known.saturating_sub(least).saturating_abs() <= STEADY_MS);
        self.agree.push(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// After how many seconds the wall clock is believed, when each second a line is so far behind it; within an hour.
    fn believed_after(off_ms: i64, behind: impl Fn(i64) -> Option<i64>) -> Option<i64> {
        let (mut witnesses, began) = (Witnesses::default(), Instant::now());
        (0..3600).find(|second| {
            let now = began + Duration::from_secs(*second as u64);
            behind(*second).is_some_and(|behind| witnesses.see(behind, off_ms, now))
        })
    }

    #[test]
    fn lines_as_they_happen_bear_a_clock_out_in_five_minutes() {
        for off in [-HOUR, HOUR, -3_000, 240_000, -48 * HOUR] {
            assert_eq!(believed_after(off, |_| Some(500)), Some(300), "{off}");
        }
        // Collectors that send every thirty seconds, hosts whose clocks differ, and some lines that are late.
        let usual = |second: i64| match second % 30 {
            0 => Some(28_000),
            7 => Some(-4_000),
            9 => Some(5 * HOUR),
            _ => None,
        };
        assert!(believed_after(-HOUR, usual).is_some_and(|second| second < 400));
        assert_eq!(believed_after(-HOUR, |_| None), None);
    }

    #[test]
    fn a_line_from_later_says_that_the_clock_is_wrong() {
        assert_eq!(believed_after(-HOUR, |_| Some(-HOUR)), None);
        let mostly_old = |second: i64| Some(if second % 200 == 0 { -HOUR } else { 500 });
        assert_eq!(believed_after(-HOUR, mostly_old), None);
        // As far behind as the clock jumped ahead: that is what time it is.
        assert_eq!(believed_after(50_000, |_| Some(50_500)), None);
    }

    #[test]
    fn who_catches_up_bears_nothing_out_on_the_way() {
        for percent in [5, 10, 50, 100, 1_000] {
            let catches_up = |second: i64| Some(30 * 60_000 - second * 10 * percent);
            assert_eq!(believed_after(-HOUR, catches_up), None, "{percent} % faster than time goes by");
        }
    }

    #[test]
    fn fresh_is_what_was_written_after_the_end_was_reached() {
        let mut fresh = Fresh::default();
        fresh.see(7);
        assert_eq!(fresh.look(None, 10_000), None, "it is not known to be at its end");
        fresh.see(7);
        assert_eq!(fresh.look(Some(9_000), 10_000), None);
        [8, 9, -1, 5].into_iter().for_each(|timestamp| fresh.see(timestamp));
        assert_eq!(fresh.look(Some(9_000), 15_000), Some(9));
        fresh.see(7);
        assert_eq!(fresh.look(None, 15_000), None, "it was at its end too long ago");
    }
}
