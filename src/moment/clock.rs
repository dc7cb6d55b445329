//! Hours, minutes, seconds and what is left of them.

use super::scan::Scan;
use super::told::Precision;

/// A time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) hour: i8,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) nanosecond: i32,
    pub(super) precision: Precision,
    /// It goes round twice a day, or has milliseconds behind a colon. Both are American, and so is their date.
    pub(super) is_american: bool,
}

/// `09:19:24.123456`, `9:19:24 AM`, `15.42.50`.
pub(super) fn clock(scan: &mut Scan<'_>) -> Option<Clock> {
    scan.maybe(parted).and_then(valid)
}

/// The same, or without signs between: `0919`, `091924`, `091924123`.
pub(super) fn compact_clock(scan: &mut Scan<'_>) -> Option<Clock> {
    scan.maybe(compact).or_else(|| scan.maybe(parted)).and_then(valid)
}

/// A leap second is the one before it.
fn valid(clock: Clock) -> Option<Clock> {
    let is_valid = clock.hour < 24 && clock.minute < 60 && clock.second <= 60;
    is_valid.then(|| Clock { second: clock.second.min(59), ..clock })
}

fn compact(scan: &mut Scan<'_>) -> Option<Clock> {
    let has_seconds = match scan.run() {
        4 => false,
        // Milliseconds follow at once where there are nine.
        6 | 9 => true,
        _ => return None,
    };
    let (hour, minute) = (two(scan)?, two(scan)?);
    let second = if has_seconds { two(scan)? } else { 0 };
    let fraction = if scan.run() == 3 { scan.fraction() } else { has_seconds.then(|| fraction(scan)).flatten() };
    Some(told(hour, minute, has_seconds.then_some(second), fraction))
}

fn parted(scan: &mut Scan<'_>) -> Option<Clock> {
    let hour = part(scan)?;
    let sign = scan.one_of(b":.")?;
    let minute = part(scan)?;
    let second = scan.maybe(|scan| {
        scan.one_of(&[sign])?;
        part(scan)
    });
    // With dots it could be any number with a fraction, so all of it must be there.
    if sign == b'.' && second.is_none() {
        return None;
    }
    let plain = second.and_then(|_| fraction(scan));
    let colon = if second.is_some() && plain.is_none() { behind_colon(scan) } else { None };
    let mut clock = told(hour, minute, second, plain.or(colon));
    clock.is_american = colon.is_some();
    let half = scan.maybe(|scan| half_of_day(scan).filter(|_| (1..=12).contains(&clock.hour)));
    Some(half.map_or(clock, |half| Clock { hour: clock.hour % 12 + half, is_american: true, ..clock }))
}

fn part(scan: &mut Scan<'_>) -> Option<i8> {
    i8::try_from(scan.number(1, 2)?).ok()
}

fn two(scan: &mut Scan<'_>) -> Option<i8> {
    i8::try_from(scan.figures(2)?).ok()
}

/// Behind a dot or a comma.
fn fraction(scan: &mut Scan<'_>) -> Option<(i32, u8)> {
    scan.maybe(|scan| {
        scan.one_of(b".,")?;
        scan.fraction()
    })
}

/// Milliseconds behind a colon, also written without zeros before them; six digits are microseconds.
fn behind_colon(scan: &mut Scan<'_>) -> Option<(i32, u8)> {
    scan.maybe(|scan| {
        scan.one_of(b":")?;
        match scan.run() {
            1..=3 => Some((i32::try_from(scan.number(1, 3)?).ok()? * 1_000_000, 3)),
            6 => scan.fraction(),
            _ => None,
        }
    })
}

/// AM is 0 and PM 12. Newer Javas have a narrow blank before it.
fn half_of_day(scan: &mut Scan<'_>) -> Option<i8> {
    let _ = scan.blanks() > 0 || scan.text("\u{202f}");
    let half = if scan.one_of(b"aA").is_some() { 0 } else { scan.one_of(b"pP").map(|_| 12)? };
    let dots = scan.text(".");
    (scan.text("m") && (!dots || scan.text(".")) && scan.is_at_end_of_word()).then_some(half)
}

fn told(hour: i8, minute: i8, second: Option<i8>, fraction: Option<(i32, u8)>) -> Clock {
    let precision = match (second, fraction) {
        (None, _) => Precision::Minute,
        (Some(_), None) => Precision::Second,
        (Some(_), Some((_, digits))) => Precision::Fraction(digits),
    };
    let nanosecond = fraction.map_or(0, |(nanosecond, _)| nanosecond);
    Clock { hour, minute, second: second.unwrap_or(0), nanosecond, precision, is_american: false }
}
