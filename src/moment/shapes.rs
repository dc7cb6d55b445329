//! The table of ways in which dates and clocks stand together.

use jiff::civil::DateTime;

use super::clock::{Clock, clock, compact_clock};
use super::names::{month, weekday};
use super::scan::Scan;
use super::told::{Moment, Precision, Zone};
use super::zone::zone;

type Shape = for<'t> fn(&mut Scan<'t>) -> Option<Moment<'t>>;

/// Each is tried, in this order. A new way of writing times is a row here.
const SHAPES: [Shape; 9] =
    [year_first, together, short_year, numbers, without_year, day_first, month_first, behind_weekday, klog];

/// The time that stands here, in whatever shape.
pub(super) fn shape<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    SHAPES.iter().find_map(|shape| scan.maybe(shape))
}

/// `2024-03-05T09:19:24.123Z`, `2024/03/05 9:19:24`, `2024-03-05-15.42.50.675872`, `2024 Mar 05 09:19:24`, `2024-03-05`.
fn year_first<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let year = scan.number(4, 4)?;
    let sign = scan.one_of(b"-/. ")?;
    let month = if sign == b' ' { month(scan)? } else { month_or_number(scan)? };
    scan.one_of(&[sign])?;
    if sign == b' ' {
        scan.blanks();
    }
    let day = number(scan, 1, 2)?;
    let date = Date { year: Some(long(year)?), month, day };
    let time = scan.maybe(|scan| match scan.one_of(b"Tt") {
        Some(_) => compact_clock(scan),
        None => between(scan).and_then(|()| clock(scan)),
    });
    match time {
        Some(time) => date.at(time, zone(scan)),
        None => date.whole(scan),
    }
}

/// `20240305T091924Z`, `20240305 09:19:24.123`, `20171223-22:15:29:606`, `20240305091924`.
fn together<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let run = scan.run();
    if !matches!(run, 8 | 14 | 17) {
        return None;
    }
    let year = scan.figures(4)?;
    let date = Date { year: Some(long(year)?), month: number_of(scan.figures(2)?)?, day: number_of(scan.figures(2)?)? };
    if run > 8 {
        // A number of seconds or the like has as many digits. It would be some time of the 27th century, or the like.
        (1970..=2100).contains(&year).then_some(())?;
    } else if scan.one_of(b"Tt").is_none() {
        between(scan)?;
    }
    let time = compact_clock(scan)?;
    date.at(time, zone(scan))
}

/// `081109 203615` (HDFS), `240305  9:19:24` (MySQL of old).
fn short_year<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    if scan.run() != 6 {
        return None;
    }
    let date = Date {
        year: Some(of_two(scan.figures(2)?)),
        month: number_of(scan.figures(2)?)?,
        day: number_of(scan.figures(2)?)?,
    };
    (scan.blanks() > 0).then_some(())?;
    let time = compact_clock(scan).filter(|time| time.precision >= Precision::Second)?;
    date.at(time, zone(scan))
}

/// Three numbers of which the first is no year of four digits, or a name in the midst: `05/Mar/2024:09:19:24 +0000`,
/// `05-Mar-2024 09:19:24.123`, `17/06/09 20:10:40` (Spark), `05.03.2024 09:19:24`, `3/5/2024 9:19:24 AM`.
fn numbers<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let first = number(scan, 1, 2)?;
    let sign = scan.one_of(b"/-.")?;
    let second = Second::here(scan)?;
    scan.one_of(&[sign])?;
    let digits = scan.run();
    let third = scan.number(2, 4).filter(|_| digits != 3)?;
    between(scan)?;
    let time = clock(scan)?;
    let year = if digits == 4 { long(third)? } else { of_two(third) };
    let date = match second {
        Second::Month(month) => Date { year: Some(year), month, day: first },
        Second::Number(second) => match order(first, second, sign, digits, time.is_american)? {
            Order::Day => Date { year: Some(year), month: second, day: first },
            Order::Month => Date { year: Some(year), month: first, day: second },
            Order::Year => {
                Date { year: Some(of_two(u32::try_from(first).ok()?)), month: second, day: number_of(third)? }
            }
        },
    };
    date.at(time, zone(scan))
}

/// What stands between two signs.
enum Second {
    Month(i8),
    Number(i8),
}

impl Second {
    fn here(scan: &mut Scan<'_>) -> Option<Self> {
        scan.maybe(month).map(Self::Month).or_else(|| number(scan, 1, 2).map(Self::Number))
    }
}

/// What comes first.
enum Order {
    Day,
    Month,
    Year,
}

/// Nothing where nobody can tell: `05/03/2024` is a day in March or in May.
fn order(first: i8, second: i8, sign: u8, year_digits: usize, is_american: bool) -> Option<Order> {
    match (sign, year_digits) {
        (b'.', _) => Some(Order::Day),
        (_, 4) if first > 12 => Some(Order::Day),
        (_, 4) if second > 12 => Some(Order::Month),
        _ if is_american && sign == b'/' => Some(Order::Month),
        (_, 4) => None,
        _ => Some(Order::Year),
    }
}

/// `03-17 16:13:38.811` (logcat), `10.30 16:49:06` (Proxifier), `03/17 16:13:38`. A month goes first.
fn without_year<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let month = number(scan, 2, 2)?;
    scan.one_of(b"-./")?;
    let day = number(scan, 2, 2)?;
    (scan.blanks() > 0).then_some(())?;
    let time = clock(scan).filter(|time| time.precision >= Precision::Second)?;
    Date { year: None, month, day }.at(time, zone(scan))
}

/// `05 Mar 2024 09:19:24.123`, `5 March 2024, 09:19:24 +0100`, `05 Mar 09:19:24` (Redis of old).
fn day_first<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let day = number(scan, 1, 2)?;
    (scan.blanks() > 0).then_some(())?;
    let month = month(scan)?;
    let year = scan.maybe(|scan| {
        (scan.blanks() > 0).then_some(())?;
        year(scan)
    });
    between(scan)?;
    let time = clock(scan)?;
    Date { year, month, day }.at(time, zone(scan))
}

/// `Mar  5 09:19:24` (syslog), `Mar 05, 2024 9:19:24 AM`, `Mar  5 2024 09:19:24`, `Mar  5 09:19:24 CET 2024`.
fn month_first<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    let month = month(scan)?;
    (scan.blanks() > 0).then_some(())?;
    let day = number(scan, 1, 2)?;
    let _ = scan.one_of(b",");
    let year = scan.maybe(|scan| {
        (scan.blanks() > 0).then_some(())?;
        long(scan.number(4, 4)?)
    });
    between(scan)?;
    let time = clock(scan)?;
    if year.is_some() {
        return Date { year, month, day }.at(time, zone(scan));
    }
    let (zone, year) = scan.maybe(zone_and_year).map_or_else(|| (zone(scan), None), |(zone, year)| (zone, Some(year)));
    Date { year, month, day }.at(time, zone)
}

/// What ctime, Java and Ruby have behind the clock: ` 2024`, ` CET 2024`, ` +0100 2024`.
fn zone_and_year<'t>(scan: &mut Scan<'t>) -> Option<(Zone<'t>, i16)> {
    let year = |scan: &mut Scan<'t>| {
        (scan.blanks() > 0).then_some(())?;
        let year = long(scan.number(4, 4)?).filter(|year| (1970..=2100).contains(year));
        // `2001:db8::1` is a host.
        let ends = scan.peek().is_none_or(|byte| b" \t])\">|,".contains(&byte)) || scan.rest().starts_with(": ");
        year.filter(|_| ends)
    };
    if let Some(year) = scan.maybe(year) {
        return Some((zone(scan), year));
    }
    // A name in the midst is a zone, whether or not it means something.
    let written = scan.maybe(|scan| Some(zone(scan)).filter(|zone| *zone != Zone::None)).or_else(|| {
        scan.maybe(|scan| {
            (scan.blanks() > 0).then_some(())?;
            scan.letters().filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase())).map(Zone::Named)
        })
    });
    Some((written?, year(scan)?))
}

/// `Tue, 05 Mar 2024 09:19:24 GMT`, `Tue Mar  5 09:19:24 2024`, `Tuesday, 05-Mar-24 09:19:24 GMT`, `Tue 2024-03-05 09:19:24 UTC`,
/// `Tue Mar 05 2024 09:19:24 GMT+0100 (CET)`.
fn behind_weekday<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    weekday(scan)?;
    [month_first as Shape, day_first, numbers, year_first].iter().find_map(|shape| scan.maybe(shape))
}

/// `I0305 09:19:24.123456`, or with a year before the month: klog and glog. The letter is the level, which is not ours.
fn klog<'t>(scan: &mut Scan<'t>) -> Option<Moment<'t>> {
    scan.one_of(b"IWEFDC")?;
    let year = match scan.run() {
        4 => None,
        8 => Some(long(scan.figures(4)?)?),
        _ => return None,
    };
    let (month, day) = (number_of(scan.figures(2)?)?, number_of(scan.figures(2)?)?);
    (scan.blanks() > 0).then_some(())?;
    let time = clock(scan).filter(|time| time.precision > Precision::Second)?;
    Date { year, month, day }.at(time, Zone::None)
}

/// A day.
#[derive(Clone, Copy)]
struct Date {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Date {
    fn at<'t>(self, time: Clock, zone: Zone<'t>) -> Option<Moment<'t>> {
        let Clock { hour, minute, second, nanosecond, precision, .. } = time;
        let year = self.year.unwrap_or(2000);
        let civil = DateTime::new(year, self.month, self.day, hour, minute, second, nanosecond).ok()?;
        Some(Moment { civil, has_year: self.year.is_some(), zone, precision })
    }

    /// Without a clock: only where the text is nothing else.
    fn whole<'t>(self, scan: &Scan<'t>) -> Option<Moment<'t>> {
        let civil = DateTime::new(self.year?, self.month, self.day, 0, 0, 0, 0).ok()?;
        scan.is_over().then_some(Moment { civil, has_year: true, zone: Zone::None, precision: Precision::Day })
    }
}

/// What stands between a date and a clock: blanks, a comma, ` at `, `_`, `-`, `:`.
fn between(scan: &mut Scan<'_>) -> Option<()> {
    let comma = scan.one_of(b",").is_some();
    if scan.blanks() > 0 {
        let _ = scan.text("at ");
        return Some(());
    }
    (comma || scan.one_of(b":_-").is_some()).then_some(())
}

fn month_or_number(scan: &mut Scan<'_>) -> Option<i8> {
    scan.maybe(month).or_else(|| number(scan, 1, 2))
}

fn number(scan: &mut Scan<'_>, least: usize, most: usize) -> Option<i8> {
    number_of(scan.number(least, most)?)
}

fn number_of(number: u32) -> Option<i8> {
    i8::try_from(number).ok()
}

/// Four digits, or two.
fn year(scan: &mut Scan<'_>) -> Option<i16> {
    match scan.run() {
        4 => long(scan.number(4, 4)?),
        // Not an hour.
        2 => Some(of_two(scan.number(2, 2)?)).filter(|_| scan.peek() == Some(b' ')),
        _ => None,
    }
}

fn long(year: u32) -> Option<i16> {
    i16::try_from(year).ok().filter(|year| *year > 0)
}

/// The turn of the century is where POSIX has it.
fn of_two(year: u32) -> i16 {
    let year = i16::try_from(year % 100).unwrap_or_default();
    if year < 69 { 2000 + year } else { 1900 + year }
}
