//! How far an input partition is. Milliseconds since 1970 throughout.
//!
//! One record may say anything, so none is believed by itself when it is far ahead of all before it: the clock moves by more
//! than [`LEAP_MS`] only to a time that two records have reached, and so does it begin.
//!
//! ```text
//! records   12:00  12:01  13:00  12:02  12:03  …     one host is an hour ahead
//! clock       -    12:01  12:01  12:02  12:03  …     13:00 waits for a second record, and is passed in an hour
//!
//! records   12:00  12:01  12:30  12:31  …            nothing came for half an hour
//! clock       -    12:01  12:01  12:31  …            the second one bears the first one out
//! ```
//!
//! It is one rule, whether lines come as they happen or out of a backlog, so that what is judged again is judged alike. Who
//! reads lines as they happen knows something more, what time it is: a record ahead of that is not believed, however many say
//! the same ([`Clock::see_by`]).

/// A line this far behind its partition's clock is not late.
pub const LATENESS_MS: i64 = 5 * 60 * 1000;
/// How far the clock of a partition in which nothing comes stays behind the wall clock.
pub const IDLE_BEHIND_MS: i64 = 60 * 1000;
/// A timestamp this far ahead of the clock is believed at once; one further ahead waits for a second.
pub const LEAP_MS: i64 = 5 * 60 * 1000;

/// How far an input partition is: the largest timestamp of its records so far that was believed. It belongs to an offset, and
/// is committed with it ([`Clock::to_metadata`]).
///
/// ```
/// use fingerpost::alert::{Clock, LEAP_MS};
///
/// let mut clock = Clock::default();
/// [0, 1_000, 2_000 + LEAP_MS].into_iter().for_each(|timestamp| _ = clock.see(timestamp));
/// assert_eq!(clock.now(), Some(1_000));
/// clock.see(3_000 + LEAP_MS);
/// assert_eq!(clock.now(), Some(3_000 + LEAP_MS));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    now: Option<i64>,
    /// The largest timestamp that waits for a second one.
    ahead: Option<i64>,
}

impl Clock {
    /// The next record of the partition has this timestamp; negative: none. Called for every record, in order, before its
    /// line is judged late or not. False when it is not believed, or not yet.
    pub fn see(&mut self, timestamp_ms: i64) -> bool {
        if timestamp_ms < 0 {
            return true;
        }
        if self.now.is_some_and(|now| timestamp_ms <= now.saturating_add(LEAP_MS)) {
            self.reach(timestamp_ms);
            return true;
        }
        let Some(ahead) = self.ahead else {
            self.ahead = Some(timestamp_ms);
            return false;
        };
        // Both have reached the lower of the two.
        self.reach(timestamp_ms.min(ahead));
        let higher = timestamp_ms.max(ahead);
        if higher <= timestamp_ms.min(ahead).saturating_add(LEAP_MS) {
            self.reach(higher);
        } else {
            self.ahead = Some(higher);
        }
        self.now >= Some(timestamp_ms)
    }

    /// The same while lines are read as they happen: `real_ms` is what time it is, and a timestamp more than [`LEAP_MS`] ahead
    /// of that is not believed, whatever comes after it.
    pub fn see_by(&mut self, timestamp_ms: i64, real_ms: i64) -> bool {
        timestamp_ms <= real_ms.saturating_add(LEAP_MS) && self.see(timestamp_ms)
    }

    fn reach(&mut self, time: i64) {
        self.now = self.now.max(Some(time));
        self.ahead = self.ahead.filter(|ahead| self.now < Some(*ahead));
    }

    /// The partition has been read to its end and nothing comes; `real_ms` is what time it is.
    pub fn idle(&mut self, real_ms: i64) {
        let time = real_ms.saturating_sub(IDLE_BEHIND_MS);
        if time >= 0 {
            self.reach(time);
        }
    }

    /// Milliseconds since 1970; nothing before the second record.
    #[must_use]
    pub fn now(self) -> Option<i64> {
        self.now
    }

    /// The same, and what the first record says before there is a second.
    #[must_use]
    pub fn newest(self) -> Option<i64> {
        self.now.or(self.ahead)
    }

    /// How far a line of this event time is behind, in milliseconds; 0 when it is not.
    #[must_use]
    pub fn behind(self, at: i64) -> i64 {
        self.now.map_or(0, |now| now.saturating_sub(at).max(0))
    }

    /// A clock that stands here, and nothing waits.
    #[must_use]
    pub fn at(now: Option<i64>, ahead: Option<i64>) -> Self {
        Self { now, ahead: ahead.filter(|ahead| now < Some(*ahead)) }
    }

    /// The timestamp that waits for a second one.
    #[must_use]
    pub fn ahead(self) -> Option<i64> {
        self.ahead
    }

    /// For the metadata string of the commit of an offset: the clock when every line before that offset has been seen. An
    /// earlier build knows the first word only, and takes a text with further ones for a clock that is not known.
    #[must_use]
    pub fn to_metadata(self) -> String {
        let word = |name: &str, time: Option<i64>| time.map(|time| format!("{name}={time}"));
        [word("clock", self.now), word("ahead", self.ahead)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// What [`Clock::to_metadata`] wrote, among other words or none. Of any other text it is the clock before the first record.
    #[must_use]
    pub fn from_metadata(metadata: &str) -> Self {
        let value = |name: &str| metadata.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
        Self::at(value("clock="), value("ahead="))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_709_630_364_120;
    const MINUTE: i64 = 60_000;

    fn after(minutes: &[i64]) -> Clock {
        let mut clock = Clock::default();
        minutes.iter().for_each(|minute| _ = clock.see(AT + minute * MINUTE));
        clock
    }

    fn now(minutes: &[i64]) -> Option<i64> {
        after(minutes).now().map(|now| (now - AT) / MINUTE)
    }

    #[test]
    fn a_leap_is_believed_when_a_second_record_has_reached_it() {
        for (minutes, expected) in [
            (vec![], None),
            (vec![0], None),
            (vec![0, 0], Some(0)),
            (vec![0, 1, 6], Some(6)),
            (vec![0, 1, 7], Some(1)),
            (vec![0, 1, 60, 2, 3], Some(3)),
            (vec![0, 1, 60, 2, 61], Some(61)),
            (vec![0, 1, 60, 30], Some(30)),
            (vec![0, 1, 30, 60], Some(30)),
            (vec![0, 1, 30, 60, 90], Some(60)),
            // The first one is two days ahead.
            (vec![2880, 0], Some(0)),
            (vec![2880, 0, 1, 2], Some(2)),
        ] {
            assert_eq!(now(&minutes), expected, "{minutes:?}");
        }
        // What was passed waits for nothing any more.
        assert_eq!(now(&[0, 1, 8, 4, 8, 60, 9]), Some(9));
    }

    #[test]
    fn by_what_time_it_is_nothing_ahead_is_believed() {
        let mut clock = after(&[0, 0]);
        for _ in 0..3 {
            assert!(!clock.see_by(AT + 20 * MINUTE, AT + 10 * MINUTE));
        }
        assert_eq!(clock, after(&[0, 0]));
        assert!(clock.see_by(AT + 3 * MINUTE, AT + 10 * MINUTE));
    }

    #[test]
    fn a_clock_is_what_its_note_says() {
        for clock in [after(&[]), after(&[7]), after(&[0, 1]), after(&[0, 1, 60])] {
            assert_eq!(Clock::from_metadata(&clock.to_metadata()), clock);
            assert_eq!(Clock::from_metadata(&format!("{} other=1", clock.to_metadata())), clock);
        }
        // As the build before this one wrote it, and reads it while nothing is ahead.
        assert_eq!(Clock::from_metadata(&format!("clock={AT}")), after(&[0, 0]));
        assert_eq!(after(&[0, 0]).to_metadata(), format!("clock={AT}"));
        assert_eq!(Clock::from_metadata("somebody else's"), Clock::default());
    }

    #[test]
    fn in_silence_it_follows_the_time_of_day() {
        let mut clock = Clock::default();
        clock.idle(AT + IDLE_BEHIND_MS);
        assert_eq!((clock.now(), clock.behind(AT - 3), clock.behind(AT + 3)), (Some(AT), 3, 0));
        clock.idle(AT);
        assert_eq!(clock.now(), Some(AT));
    }
}
