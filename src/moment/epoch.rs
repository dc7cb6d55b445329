//! Numbers since 1970: seconds, milliseconds, microseconds or nanoseconds, by how large they are.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::scan::Scan;
use super::told::{Moment, Precision, Zone};

/// From here on a number is milliseconds, microseconds, nanoseconds.
const BORDERS: [(u64, u8); 3] = [(100_000_000_000_000_000, 9), (100_000_000_000_000, 6), (100_000_000_000, 3)];

/// Seconds that a number in a line may be without being anything else: from 2001, when they got ten digits, to 2065.
const IN_LINES: std::ops::Range<u64> = 1_000_000_000..3_000_000_000;

/// A text that is a number: `1709630364`, `1709630364.120`, `1709630364120`, `1.709630364e9`, `-5`.
pub(super) fn number(text: &str) -> Option<Moment<'static>> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if let Some((whole, fraction)) = parted(digits) {
        return moment(whole, fraction, is_negative);
    }
    // JSON writes large fractions with an exponent. A double has fewer digits than nanoseconds take, and nobody has more.
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains(['e', 'E']);
    let number: f64 = if is_number { digits.parse().ok()? } else { return None };
    moment_of_float(number, is_negative)
}

/// A number at a place in a line, with as many digits as one of this century has: `1709630364`, `1709630364.123`.
pub(super) fn in_line<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let (run, rest) = (scan.run(), scan.rest());
    let seconds = matches!(run, 10 | 13 | 16 | 19).then(|| rest.get(..10)?.parse::<u64>().ok()).flatten()?;
    if !IN_LINES.contains(&seconds) {
        return None;
    }
    let fraction =
        rest[run..].strip_prefix('.').map_or(0, |fraction| fraction.bytes().take_while(u8::is_ascii_digit).count());
    let length = if run == 10 && fraction > 0 { run + 1 + fraction } else { run };
    let text = &rest[..length];
    scan.text(text).then(|| number(text))?
}

/// The digits before the point and those behind it.
fn parted(text: &str) -> Option<(u64, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) || text.ends_with('.') {
        return None;
    }
    Some((whole.parse().ok()?, fraction))
}

fn moment(whole: u64, fraction: &str, is_negative: bool) -> Option<Moment<'static>> {
    let digits = BORDERS.iter().find(|(border, _)| whole >= *border).map_or(0, |(_, digits)| *digits);
    let unit = 10_u64.pow(u32::from(digits));
    // What lies below the number's own unit goes on where its digits end.
    let behind = Scan::new(fraction, true).fraction().unwrap_or((0, 0));
    let nanoseconds = whole % unit * (1_000_000_000 / unit) + u64::try_from(behind.0).ok()? / unit;
    let precision = match digits.saturating_add(behind.1) {
        0 => Precision::Second,
        digits => Precision::Fraction(digits),
    };
    at(i64::try_from(whole / unit).ok()?, i32::try_from(nanoseconds).ok()?, is_negative, precision)
}

fn moment_of_float(number: f64, is_negative: bool) -> Option<Moment<'static>> {
    let digits = BORDERS.iter().find(|(border, _)| number >= *border as f64).map_or(0, |(_, digits)| *digits);
    let seconds = number / 10_f64.powi(i32::from(digits));
    // A double of seconds is good to the microsecond.
    let microseconds = (seconds * 1e6).round();
    if !(0.0..1e18).contains(&microseconds) {
        return None;
    }
    let microseconds = microseconds as i64;
    let nanosecond = i32::try_from(microseconds % 1_000_000).ok()? * 1000;
    at(microseconds / 1_000_000, nanosecond, is_negative, Precision::Fraction(6))
}

fn at(second: i64, nanosecond: i32, is_negative: bool, precision: Precision) -> Option<Moment<'static>> {
    let (second, nanosecond) = if is_negative { (-second, -nanosecond) } else { (second, nanosecond) };
    let civil = TimeZone::UTC.to_datetime(Timestamp::new(second, nanosecond).ok()?);
    Some(Moment { civil, has_year: true, zone: Zone::Utc, precision })
}
