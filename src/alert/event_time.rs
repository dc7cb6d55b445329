//! When a line happened: its own time, unless there is none or it cannot be right. Milliseconds since 1970 throughout.

use super::clock::Clock;
use crate::moment::{self, Resolve, Resolved};

/// A line's own time this far ahead of its record's timestamp is believed; one further ahead is not.
const AHEAD_MS: i64 = 60 * 60 * 1000;
/// 2000-01-01T00:00:00Z: lines do not come from before that.
const OLDEST_MS: i64 = 946_684_800_000;

/// When a line happened, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Who says so.
    pub origin: Origin,
}

/// Where an event time is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The line itself.
    Line,
    /// The record's timestamp, as the line has no time.
    Absent,
    /// The record's timestamp, as the line's time means nothing to us.
    Unreadable,
    /// The record's timestamp, as the line's time is before 2000.
    Old,
    /// The record's timestamp, as the line's time is more than an hour ahead of it.
    Ahead,
}

/// When a line happened: its own time, unless there is none or it cannot be right; then the record's timestamp.
///
/// Times are read by [`moment::read`]. One without a zone is UTC, and one without a year is in that in which it is nearest to
/// the record's. `timestamp_ms` is negative when the record has none; `clock` is what holds then.
///
/// ```
/// use fingerpost::alert::{Clock, Origin, event_time};
///
/// let time = event_time(Some("2021-06-17T10:38:20.461"), 1_623_926_301_000, Clock::default());
/// assert_eq!((time.at, time.origin), (1_623_926_300_461, Origin::Line));
/// let time = event_time(Some("1623930000"), 1_623_926_301_000, Clock::default());
/// assert_eq!((time.at, time.origin), (1_623_926_301_000, Origin::Ahead));
/// ```
#[must_use]
pub fn event_time(text: Option<&str>, timestamp_ms: i64, clock: Clock) -> EventTime {
    let record = if timestamp_ms >= 0 { Some(timestamp_ms) } else { clock.newest() };
    let own = text.map(|text| read(text, record));
    let instead = |origin| EventTime { at: record.unwrap_or(0), origin };
    match own {
        None => instead(Origin::Absent),
        Some(None) => instead(Origin::Unreadable),
        Some(Some(at)) if at < OLDEST_MS => instead(Origin::Old),
        Some(Some(at)) if record.is_some_and(|record| at > record.saturating_add(AHEAD_MS)) => instead(Origin::Ahead),
        Some(Some(at)) => EventTime { at, origin: Origin::Line },
    }
}

/// Nothing when it is no time, or nobody can tell which.
fn read(text: &str, record: Option<i64>) -> Option<i64> {
    let by = Resolve { zone: None, reference_ms: record };
    match moment::read(text)?.as_utc_where_nobody_says(by) {
        Resolved::At(at) => Some(at),
        Resolved::UnknownZone | Resolved::NoYear => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_709_630_364_120;

    #[test]
    fn times_are_read_as_loggers_write_them() {
        for text in [
            "2024-03-05T09:19:24.120Z",
            "2024-03-05T09:19:24.120",
            "2024-03-05 09:19:24.120",
            "2024-03-05T10:19:24.120+01:00",
            "2024-03-05T10:19:24.120+0100",
            "2024-03-05T09:19:24.120999999Z",
            "1709630364120",
            "1709630364120999",
            "1709630364120999999",
            "1709630364.120",
            "1709630364.1209",
            " 1709630364120 ",
        ] {
            assert_eq!(
                event_time(Some(text), AT, Clock::default()),
                EventTime { at: AT, origin: Origin::Line },
                "{text}"
            );
        }
        assert_eq!(read("1709630364", None), Some(AT - 120));
        assert_eq!(read("2024-03-05", None), Some(AT - AT % 86_400_000), "a day begins at midnight");
        assert_eq!(read("Mar  5 09:19:24", Some(AT)), Some(AT - 120), "the year is the record's");
        assert_eq!(read("05/Mar/2024:10:19:24 +0100", None), Some(AT - 120));
        // Of the last one nobody can tell the zone.
        for text in ["", "yesterday", ".", "1.2.3", "12:30", "2024-13-05T00:00:00Z", "٣", "2024-03-05 09:19:24 IST"] {
            assert_eq!(event_time(Some(text), AT, Clock::default()).origin, Origin::Unreadable, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_right_is_the_records_time() {
        let time = |text| event_time(text, AT, Clock::default());
        assert_eq!(time(None), EventTime { at: AT, origin: Origin::Absent });
        assert_eq!(time(Some("946684799999")), EventTime { at: AT, origin: Origin::Old });
        assert_eq!(time(Some("946684800000")), EventTime { at: 946_684_800_000, origin: Origin::Line });
        assert_eq!(time(Some("-5")).origin, Origin::Old);
        let ahead = (AT + AHEAD_MS).to_string();
        assert_eq!(time(Some(&ahead)).origin, Origin::Line);
        let ahead = (AT + AHEAD_MS + 1).to_string();
        assert_eq!(time(Some(&ahead)), EventTime { at: AT, origin: Origin::Ahead });
    }

    #[test]
    fn a_record_without_a_time_has_the_clocks() {
        let mut clock = Clock::default();
        clock.see(-1);
        assert_eq!(event_time(None, -1, clock).at, 0);
        clock.see(AT);
        clock.see(AT - 1);
        assert_eq!(event_time(None, -1, clock).at, AT);
    }
}
