//! Who is called in: the rows of an alert's escalation list, by what the line said, by whether a customer impacting event
//! is on, and by business hours at the place where people work. The hour is that of the line, not of now.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::counting::{Settings, text};
use crate::pack::Escalate;

/// Business hours: days and hours in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    zone: TimeZone,
    days: Vec<Weekday>,
    from: Time,
    to: Time,
}

impl Default for Hours {
    /// Monday to Friday, 9:00 to 17:00, in London.
    fn default() -> Self {
        Self::new("Europe/London", "Mon-Fri", "09:00-17:00").unwrap_or_else(|_| Self {
            zone: TimeZone::UTC,
            days: Vec::new(),
            from: Time::midnight(),
            to: Time::midnight(),
        })
    }
}

/// The days as `days` names them, in order.
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// What is wrong with business hours as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// There is no such zone.
    Zone(String),
    /// These are no days of the week.
    Days(String),
    /// These are no hours of a day.
    Hours(String),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zone(zone) => write!(f, "there is no time zone `{zone}`"),
            Self::Days(days) => write!(f, "`{days}` are no days of the week"),
            Self::Hours(hours) => write!(f, "`{hours}` are no hours of a day"),
        }
    }
}

impl std::error::Error for Wrong {}

impl Hours {
    /// Reads `Europe/London`, `Mon-Fri` (or `Mon,Wed,Fri`, or both mixed), `09:00-17:00`. The end is outside; hours that end
    /// before they begin go over midnight and belong to the day on which they begin. The zones are compiled in.
    ///
    /// # Errors
    /// The first of the three that means nothing.
    ///
    /// ```
    /// use fingerpost::alert::Hours;
    ///
    /// let hours = Hours::new("Europe/London", "Mon-Fri", "09:00-17:00").unwrap();
    /// assert!(hours.hold(1_717_401_600_000), "Monday, 3 June 2024, 9:00 in London, which is 8:00 UTC");
    /// assert!(!hours.hold(1_717_401_599_999));
    /// ```
    pub fn new(zone: &str, days: &str, hours: &str) -> Result<Self, Wrong> {
        let zone = TimeZone::get(zone).map_err(|_| Wrong::Zone(zone.to_owned()))?;
        let listed = days.split(',').map(|part| range_of_days(part.trim())).collect::<Option<Vec<_>>>();
        let days = listed.ok_or_else(|| Wrong::Days(days.to_owned()))?.concat();
        let written = || Wrong::Hours(hours.to_owned());
        let (from, to) = hours.split_once('-').ok_or_else(written)?;
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| written());
        Ok(Self { zone, days, from: time(from)?, to: time(to)? })
    }

    /// Whether an event time, in milliseconds since 1970, is within them.
    #[must_use]
    pub fn hold(&self, at: i64) -> bool {
        let Ok(at) = Timestamp::from_millisecond(at) else { return false };
        let local = at.to_zoned(self.zone.clone());
        let (time, day) = (local.time(), local.weekday());
        if self.from <= self.to {
            return self.days.contains(&day) && self.from <= time && time < self.to;
        }
        (self.days.contains(&day) && self.from <= time) || (self.days.contains(&day.previous()) && time < self.to)
    }
}

fn range_of_days(text: &str) -> Option<Vec<Weekday>> {
    let day = |name: &str| DAYS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (day(from)?, day(to)?),
        None => (day(text)?, day(text)?),
    };
    // `Sat-Mon` goes over the end of the week.
    let length = (to + DAYS.len() - from) % DAYS.len();
    Some((from..=from + length).map(|day| DAYS[day % DAYS.len()].1).collect())
}

/// The first row that holds for a line of this event time; `value` is what it said of a fact.
pub(super) fn escalation<'a, 'v>(
    rows: &'a [Escalate],
    settings: &Settings,
    at: i64,
    value: impl Fn(usize) -> Option<&'v str>,
) -> Option<&'a str> {
    let said = |row: &Escalate| {
        row.when
            .iter()
            .all(|(fact, values)| value(*fact).is_some_and(|said| values.iter().any(|value| text(value) == said)))
    };
    let holds =
        |row: &&Escalate| said(row) && (!row.cie || settings.cie) && (!row.business_hours || settings.hours.hold(at));
    rows.iter().find(holds).map(|row| row.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(hours: &Hours, at: &str) -> bool {
        hours.hold(at.parse::<Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn hours_are_those_of_the_zone_summer_and_winter() {
        let hours = Hours::default();
        // London is an hour ahead of UTC on 3 June 2024, a Monday, and level with it on 3 January, a Wednesday.
        for (at, within) in [
            ("2024-06-03T07:59:59.999Z", false),
            ("2024-06-03T08:00:00Z", true),
            ("2024-06-03T15:59:59Z", true),
            ("2024-06-03T16:00:00Z", false),
            ("2024-01-03T08:59:59Z", false),
            ("2024-01-03T09:00:00Z", true),
            ("2024-01-03T16:59:59Z", true),
            ("2024-01-06T12:00:00Z", false),
            ("2024-01-07T12:00:00Z", false),
        ] {
            assert_eq!(hold(&hours, at), within, "{at}");
        }
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let hours = Hours::new("UTC", "Sat-Mon, Wed", "22:00-06:00").expect("hours");
        for (at, within) in [
            ("2024-01-05T23:00:00Z", false),
            ("2024-01-06T05:00:00Z", false),
            ("2024-01-06T22:00:00Z", true),
            ("2024-01-09T05:59:59Z", true),
            ("2024-01-09T06:00:00Z", false),
            ("2024-01-10T23:00:00Z", true),
            ("2024-01-11T01:00:00Z", true),
        ] {
            assert_eq!(hold(&hours, at), within, "{at}");
        }
    }

    #[test]
    fn what_means_nothing_is_named() {
        let wrong = |zone, days, hours| Hours::new(zone, days, hours).expect_err("wrong");
        assert_eq!(wrong("Mars/Base", "Mon", "9:00-10:00"), Wrong::Zone("Mars/Base".into()));
        assert_eq!(wrong("UTC", "Mon-Fry", "09:00-10:00"), Wrong::Days("Mon-Fry".into()));
        for hours in ["9-17", "09:00", "09:00-25:00", ""] {
            assert_eq!(wrong("UTC", "Mon", hours), Wrong::Hours(hours.into()));
        }
    }
}
