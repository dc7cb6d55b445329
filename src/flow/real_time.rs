//! What time it is, by two clocks: the wall clock, which somebody may set, and the monotonic clock, which nobody can and which
//! does not know the date.
//!
//! While the two go together the wall clock is right. When it jumps, the monotonic clock is believed: how far the partitions
//! are that nobody writes to goes by it and is committed, so one daemon's wrong clock would else be everybody's. The wall clock
//! is believed again when the world says the same as it does:
//!
//! - at once, when it goes with the monotonic clock again, as after somebody set it back to where it was;
//! - at once, when it has gone ahead, as after a machine slept, and the clock of some partition has got as far: lines do not come
//!   from the future;
//! - after some minutes in which lines that came as they happened were as old as it says and none was newer (`witnesses`). That
//!   is what puts right a clock that was ahead at the start. A backlog bears nothing out, wherever it lay.
//!
//! Where all who write are wrong by as much as the wall clock is, that is what time it is, as far as anybody can know.
//!
//! All of a process go by one such pair ([`look`], [`now_ms`]): what is written carries its time, and brokers and Alertmanagers
//! take nothing from a time that is far from theirs.

mod witnesses;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::alert::LEAP_MS;
pub(crate) use witnesses::Fresh;
use witnesses::Witnesses;

/// The two may drift apart by so much between two looks; more is a jump.
const DRIFT_MS: i64 = 2_000;

/// See the top of the file.
#[derive(Debug)]
struct RealTime {
    /// At this moment it was so late, by the clock that is believed.
    known: (Instant, i64),
    /// What the wall clock said then.
    wall_ms: i64,
    /// What lines say of it while it is not believed.
    witnesses: Witnesses,
}

static SHARED: Mutex<Option<RealTime>> = Mutex::new(None);

fn shared() -> MutexGuard<'static, Option<RealTime>> {
    // Plain numbers: nothing can be half done in there.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at both clocks, once in a while. `furthest_ms` is the furthest clock of a partition, `fresh_ms` the newest line that
/// came as it happened since the last look ([`Fresh`]).
pub(crate) fn look(furthest_ms: Option<i64>, fresh_ms: Option<i64>) -> Seen {
    let (wall_ms, now) = (wall_ms(), Instant::now());
    shared().get_or_insert_with(|| RealTime::new(wall_ms, now)).look(wall_ms, now, furthest_ms, fresh_ms)
}

/// What time it is, milliseconds since 1970. Before the first look it is what the wall clock says.
pub(crate) fn now_ms() -> i64 {
    shared().as_ref().map_or_else(wall_ms, |known| known.at(Instant::now()))
}

/// See [`RealTime::latest_ms`].
pub(crate) fn latest_ms() -> i64 {
    shared().as_ref().map_or(i64::MAX, RealTime::latest_ms)
}

/// See [`RealTime::of`].
pub(crate) fn of(wall_ms: i64) -> Option<i64> {
    shared().as_ref().map_or(Some(wall_ms), |known| known.of(wall_ms, Instant::now()))
}

/// What the wall clock says, milliseconds since 1970: the one place that reads it.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).saturating_add(shift_ms())
}

/// By how much a test has set the wall clock: what stands in the file that `SHIFTED_CLOCK` names. Not in releases.
pub(crate) fn shift_ms() -> i64 {
    static FILE: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return 0;
    }
    let file = FILE.get_or_init(|| std::env::var_os("SHIFTED_CLOCK")).as_ref();
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// What a look at the clocks has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing new.
    Steady,
    /// The wall clock has jumped by so many milliseconds, and is not believed.
    Jumped(i64),
    /// It is believed again.
    Believed,
}

impl RealTime {
    fn new(wall_ms: i64, now: Instant) -> Self {
        Self { known: (now, wall_ms), wall_ms, witnesses: Witnesses::default() }
    }

    /// See [`look`].
    fn look(&mut self, wall_ms: i64, now: Instant, furthest_ms: Option<i64>, fresh_ms: Option<i64>) -> Seen {
        let was_off = self.wall_ms - self.known.1;
        let time = self.at(now);
        let off = wall_ms - time;
        let is_borne_out = furthest_ms.is_some_and(|furthest| {
            furthest > time.saturating_add(LEAP_MS) && furthest <= wall_ms.saturating_add(LEAP_MS)
        });
        let (time, seen) = if off.abs() <= DRIFT_MS {
            (wall_ms, if was_off.abs() > DRIFT_MS { Seen::Believed } else { Seen::Steady })
        } else if is_borne_out {
            (wall_ms, Seen::Believed)
        } else if (off - was_off).abs() > DRIFT_MS {
            self.witnesses = Witnesses::default();
            (time, Seen::Jumped(off - was_off))
        } else if fresh_ms.is_some_and(|fresh| self.witnesses.see(wall_ms - fresh, off, now)) {
            (wall_ms, Seen::Believed)
        } else {
            (time, Seen::Steady)
        };
        if time == wall_ms {
            self.witnesses = Witnesses::default();
        }
        (self.known, self.wall_ms) = ((now, time), wall_ms);
        seen
    }

    /// What time it is at a moment.
    fn at(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.known.0);
        self.known.1.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The latest that it can be, by either clock: a line from later than that is from nowhere.
    fn latest_ms(&self) -> i64 {
        self.known.1.max(self.wall_ms)
    }

    /// The time of something that happened lately, when the wall clock said this. `None` when that is not yet: the wall
    /// clock has jumped between it and the last look.
    fn of(&self, wall_ms: i64, now: Instant) -> Option<i64> {
        let time = wall_ms.saturating_add(self.known.1 - self.wall_ms);
        let latest = self.at(now);
        (time <= latest.saturating_add(DRIFT_MS)).then_some(time.min(latest))
    }
}

impl Seen {
    /// Says it, when it is something new.
    pub(crate) fn tell(self) {
        match self {
            Self::Steady => {}
            Self::Jumped(by_ms) => tracing::warn!(
                by_s = by_ms / 1000,
                "the wall clock of this machine has jumped, and is not followed; is it set by NTP?"
            ),
            Self::Believed => tracing::info!("the wall clock of this machine is believed again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WALL: i64 = 1_790_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn look(real: &mut RealTime, began: Instant, after_s: u64, ahead_ms: i64, furthest: Option<i64>) -> (Seen, i64) {
        let wall = WALL + after_s as i64 * 1000 + ahead_ms;
        let now = began + Duration::from_secs(after_s);
        let seen = real.look(wall, now, furthest, None);
        (seen, real.of(wall, now).unwrap() - WALL)
    }

    #[test]
    fn a_clock_that_jumps_is_not_followed_and_one_that_drifts_is() {
        for jump in [HOUR, -HOUR, 3_000, -3_000] {
            let began = Instant::now();
            let mut real = RealTime::new(WALL, began);
            assert_eq!(look(&mut real, began, 1, 0, None), (Seen::Steady, 1_000));
            assert_eq!(look(&mut real, began, 2, 1_500, None), (Seen::Steady, 3_500));
            assert_eq!(look(&mut real, began, 3, 1_500 + jump, None), (Seen::Jumped(jump), 4_500));
            assert_eq!(look(&mut real, began, 4, 1_500 + jump, None), (Seen::Steady, 5_500));
            // What was heard before the jump, and is asked for after it, is not after now.
            let heard_before = real.of(WALL + 4_500, began + Duration::from_secs(4));
            assert!(heard_before.is_none_or(|time| time <= WALL + 5_500), "{heard_before:?}");
            assert_eq!(real.latest_ms(), WALL + 5_500 + jump.max(0));
            assert_eq!(look(&mut real, began, 5, 1_500, None), (Seen::Believed, 6_500));
        }
    }

    /// Else a jump bears itself out: a partition read to its end would be as far ahead as the wall clock.
    #[test]
    fn a_jump_that_nobody_has_seen_yet_is_no_time_to_go_by() {
        let began = Instant::now();
        let mut real = RealTime::new(WALL, began);
        assert_eq!(look(&mut real, began, 1, 0, None), (Seen::Steady, 1_000));
        let half_past = began + Duration::from_millis(1_500);
        assert_eq!(real.of(WALL + 1_500 + HOUR, half_past), None);
        assert_eq!(real.of(WALL + 1_900, half_past), Some(WALL + 1_500), "it drifts");
        assert_eq!(look(&mut real, began, 2, HOUR, None), (Seen::Jumped(HOUR), 2_000));
    }

    #[test]
    fn a_machine_that_slept_learns_the_time_from_what_it_reads() {
        let began = Instant::now();
        let mut real = RealTime::new(WALL, began);
        assert_eq!(look(&mut real, began, 1, 8 * HOUR, Some(WALL)), (Seen::Jumped(8 * HOUR), 1_000));
        // One that says something else does not bear it out.
        assert_eq!(look(&mut real, began, 2, 8 * HOUR, Some(WALL + 20 * HOUR)), (Seen::Steady, 2_000));
        let read = WALL + 8 * HOUR;
        assert_eq!(look(&mut real, began, 3, 8 * HOUR, Some(read)), (Seen::Believed, 8 * HOUR + 3_000));
        assert_eq!(look(&mut real, began, 4, 8 * HOUR, Some(read)), (Seen::Steady, 8 * HOUR + 4_000));
    }
    /// It was three hours ahead at the start, and somebody puts it right.
    #[test]
    fn a_clock_that_was_ahead_at_the_start_is_believed_when_lines_as_they_happen_say_so() {
        for written_ms in [0, 3 * HOUR] {
            let began = Instant::now();
            let mut real = RealTime::new(WALL + 3 * HOUR, began);
            let mut look = |second: u64, ahead_ms: i64, fresh: Option<i64>| {
                let (wall, now) = (WALL + second as i64 * 1000 + ahead_ms, began + Duration::from_secs(second));
                (real.look(wall, now, Some(WALL + 3 * HOUR), fresh), real.at(now) - now_of(WALL, second))
            };
            assert_eq!(look(1, 3 * HOUR, None), (Seen::Steady, 3 * HOUR));
            assert_eq!(look(2, 0, Some(WALL)), (Seen::Jumped(-3 * HOUR), 3 * HOUR));
            // A backlog from earlier, and no line as it happens: nothing is known.
            assert!((3..1000).all(|second| look(second, 0, None) == (Seen::Steady, 3 * HOUR)));
            let seen: Vec<(Seen, i64)> =
                (1000..1400).map(|second| look(second, 0, Some(now_of(WALL, second) + written_ms - 500))).collect();
            let believed = seen.iter().filter(|(seen, _)| *seen == Seen::Believed).count();
            assert_eq!((believed, seen[399].1), if written_ms == 0 { (1, 0) } else { (0, 3 * HOUR) });
        }
    }

    fn now_of(began: i64, second: u64) -> i64 {
        began + second as i64 * 1000
    }
}
