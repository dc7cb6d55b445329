//! What a text tells of a time, before anybody asks which instant that is.

use jiff::civil::DateTime;

/// A time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<'t> {
    /// What calendar and clock show. Digits behind the ninth of a fraction are gone, and a leap second is the one before it.
    /// Without a year it is one in 2000, a leap year.
    pub civil: DateTime,
    /// The year was written.
    pub has_year: bool,
    /// Where such a clock hangs.
    pub zone: Zone<'t>,
    /// How much of the clock was written.
    pub precision: Precision,
}

/// A zone as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone<'t> {
    /// None was.
    None,
    /// `Z`, `UTC`, `GMT`; a number since 1970 is in it, too.
    Utc,
    /// So many seconds east of UTC: `+02:00`, or a name that means the same everywhere, as `CET` does.
    Offset(i32),
    /// A name that means nothing by itself, or several things: `IST`, `XYZ`, `Europe/Berlin`.
    Named(&'t str),
}

/// How much of the clock was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// A date.
    Day,
    /// Hours and minutes.
    Minute,
    /// Seconds.
    Second,
    /// So many digits of a second.
    Fraction(u8),
}
