//! Which instant a time is: its year and its zone are found where they were not written, or it is said that they cannot be.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::told::{Moment, Precision, Zone};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const MINUTE_MS: i64 = 60 * 1000;
/// Zones lie whole quarters of an hour apart.
const QUARTER_MS: i64 = 15 * MINUTE_MS;
/// A time this near to a whole quarter's distance from its record is in another zone.
const NEAR_MS: u64 = 2 * MINUTE_MS as u64;
/// No zone is further from UTC.
const FARTHEST_MS: u64 = 14 * 60 * MINUTE_MS as u64;

/// What is known beside a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resolve<'z> {
    /// The zone of times without one, if somebody said which.
    pub zone: Option<&'z TimeZone>,
    /// When the time was about to be written, in milliseconds since 1970: its record's timestamp, if it has any.
    pub reference_ms: Option<i64>,
}

/// Which instant a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// This one, in milliseconds since 1970. What lies below a millisecond is gone.
    At(i64),
    /// Nobody knows, as the zone is not known: the record's own time must do.
    UnknownZone,
    /// Nobody knows, as neither the time nor anything beside it has a year.
    NoYear,
}

impl Moment<'_> {
    /// Which instant it is.
    ///
    /// - A time without a year is in the year in which it is nearest to the reference.
    /// - A time without a zone is in the zone that somebody said it is in. If nobody did it is UTC, unless it is off the
    ///   reference by whole quarters of an hour, up to 14 hours (give or take 2 minutes): so far off are clocks of other zones.
    /// - A name that means nothing by itself is the zone that somebody said if that one is called so at that time.
    #[must_use]
    pub fn resolve(&self, by: Resolve<'_>) -> Resolved {
        match self.as_utc_where_nobody_says(by) {
            Resolved::At(at)
                if self.is_in_doubt(by) && by.reference_ms.is_some_and(|reference| is_zones_away(at, reference)) =>
            {
                Resolved::UnknownZone
            }
            resolved => resolved,
        }
    }

    /// The same, and a time without a zone is UTC whatever the reference is.
    #[must_use]
    pub fn as_utc_where_nobody_says(&self, by: Resolve<'_>) -> Resolved {
        let Some(civil) = self.dated(by) else { return Resolved::NoYear };
        in_zone(civil, self.zone, by).map_or(Resolved::UnknownZone, Resolved::At)
    }

    /// A clock of which nobody said where it hangs.
    fn is_in_doubt(&self, by: Resolve<'_>) -> bool {
        self.zone == Zone::None && by.zone.is_none() && self.precision > Precision::Day
    }

    /// With the year in which it is nearest to the reference, where none is written. 29 February is not in each.
    fn dated(&self, by: Resolve<'_>) -> Option<DateTime> {
        if self.has_year {
            return Some(self.civil);
        }
        let reference = by.reference_ms?;
        let year = Timestamp::from_millisecond(reference).ok()?.to_zoned(TimeZone::UTC).year();
        let years = year.saturating_sub(4)..=year.saturating_add(4);
        let dates = years.filter_map(|year| self.civil.with().year(year).build().ok());
        dates.min_by_key(|civil| in_utc(*civil).abs_diff(reference))
    }
}

/// Nothing when the zone is only a name.
fn in_zone(civil: DateTime, zone: Zone<'_>, by: Resolve<'_>) -> Option<i64> {
    match (zone, by.zone) {
        (Zone::Utc, _) | (Zone::None, None) => Some(in_utc(civil)),
        (Zone::Offset(seconds), _) => Some(in_utc(civil) - i64::from(seconds) * 1000),
        (Zone::None, Some(said)) => Some(on_clock_of(said, civil, by)),
        (Zone::Named(name), said) => {
            let called_so = said.filter(|said| is_called(said, civil, name));
            let place = || TimeZone::get(name).ok().filter(|_| name.contains('/'));
            called_so.cloned().or_else(place).map(|zone| on_clock_of(&zone, civil, by))
        }
    }
}

/// When such a clock shows it. Where it does twice, as one hour of autumn, it is the time nearer to the reference; where it
/// never does, as one of spring, the clock was not put forward yet.
fn on_clock_of(zone: &TimeZone, civil: DateTime, by: Resolve<'_>) -> i64 {
    let times = zone.to_ambiguous_timestamp(civil);
    let earlier = times.compatible();
    let later = if matches!(times.offset(), AmbiguousOffset::Fold { .. }) { times.later().ok() } else { None };
    let both = earlier.into_iter().chain(later).map(Timestamp::as_millisecond);
    // The earlier of the two where nothing is known beside it. What jiff cannot tell lies at the ends of its calendar.
    both.min_by_key(|at| by.reference_ms.map_or(0, |reference| at.abs_diff(reference))).unwrap_or_else(|| in_utc(civil))
}

fn is_called(zone: &TimeZone, civil: DateTime, name: &str) -> bool {
    let at = zone.to_ambiguous_timestamp(civil).compatible();
    at.is_ok_and(|at| zone.to_offset_info(at).abbreviation() == name)
}

/// Whole milliseconds, of times before 1970 too.
fn in_utc(civil: DateTime) -> i64 {
    let since = civil.duration_since(EPOCH);
    i64::try_from(since.as_nanos().div_euclid(1_000_000)).unwrap_or_default()
}

fn is_zones_away(at: i64, reference: i64) -> bool {
    let off = at.saturating_sub(reference);
    let quarters = off.saturating_add(QUARTER_MS / 2).div_euclid(QUARTER_MS).saturating_mul(QUARTER_MS);
    quarters != 0 && quarters.unsigned_abs() <= FARTHEST_MS && off.abs_diff(quarters) <= NEAR_MS
}
