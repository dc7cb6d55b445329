//! Zones behind a time: `Z`, `+02:00`, ` CET`, `[Europe/Berlin]`.

use super::scan::Scan;
use super::told::Zone;

const HOUR: i32 = 3600;

/// Names that mean one thing wherever they are written, in hours and minutes east of UTC.
const NAMES: [(&str, i32, i32); 43] = [
    ("UTC", 0, 0),
    ("GMT", 0, 0),
    ("UT", 0, 0),
    ("WET", 0, 0),
    ("WEST", 1, 0),
    ("CET", 1, 0),
    ("CEST", 2, 0),
    ("MEZ", 1, 0),
    ("MESZ", 2, 0),
    ("MET", 1, 0),
    ("MEST", 2, 0),
    ("EET", 2, 0),
    ("EEST", 3, 0),
    ("SAST", 2, 0),
    ("MSK", 3, 0),
    ("TRT", 3, 0),
    ("PKT", 5, 0),
    ("WIB", 7, 0),
    ("HKT", 8, 0),
    ("SGT", 8, 0),
    ("AWST", 8, 0),
    ("JST", 9, 0),
    ("KST", 9, 0),
    ("ACST", 9, 30),
    ("ACDT", 10, 30),
    ("AEST", 10, 0),
    ("AEDT", 11, 0),
    ("NZST", 12, 0),
    ("NZDT", 13, 0),
    ("BRT", -3, 0),
    ("NST", -3, -30),
    ("NDT", -2, -30),
    ("ADT", -3, 0),
    ("EDT", -4, 0),
    ("EST", -5, 0),
    ("CDT", -5, 0),
    ("MDT", -6, 0),
    ("MST", -7, 0),
    ("PDT", -7, 0),
    ("PST", -8, 0),
    ("AKDT", -8, 0),
    ("AKST", -9, 0),
    ("HST", -10, 0),
];

/// Names that mean several: Central America's and China's, India's, Ireland's and Israel's, …
const SEVERAL: [&str; 7] = ["CST", "IST", "BST", "AST", "GST", "SST", "AMT"];

/// No clock is further from UTC, in hours; Java takes no more either.
const HOURS_MAX: u32 = 18;

type Step = for<'t> fn(&mut Scan<'t>) -> Option<Zone<'t>>;
const ATTACHED: [Step; 3] = [offset, letter, name];
const BEHIND_BLANKS: [Step; 4] = [detached_offset, letter, name, unknown];

/// The zone that stands here, also behind blanks; where none does, nothing is taken.
pub(super) fn zone<'t>(scan: &mut Scan<'t>) -> Zone<'t> {
    let first = |scan: &mut Scan<'t>, steps: &[Step]| steps.iter().find_map(|step| scan.maybe(step));
    let zone = first(scan, &ATTACHED).or_else(|| {
        scan.maybe(|scan| {
            (scan.blanks() > 0).then_some(())?;
            first(scan, &BEHIND_BLANKS)
        })
    });
    also(scan, zone.unwrap_or(Zone::None))
}

fn letter<'t>(scan: &mut Scan<'t>) -> Option<Zone<'t>> {
    scan.one_of(b"Zz")?;
    scan.is_at_end_of_word().then_some(Zone::Utc)
}

/// `+02:00`, `+0200`, `+02`, with seconds too.
fn offset<'t>(scan: &mut Scan<'t>) -> Option<Zone<'t>> {
    let sign = if scan.one_of(b"+-")? == b'-' { -1 } else { 1 };
    let hours = scan.figures(2).filter(|hours| *hours <= HOURS_MAX)?;
    let sixtieths = |scan: &mut Scan<'t>| {
        scan.maybe(|scan| {
            let _ = scan.one_of(b":");
            scan.figures(2).filter(|number| *number < 60)
        })
    };
    let minutes = sixtieths(scan);
    let seconds = minutes.and_then(|_| sixtieths(scan));
    if !scan.is_at_end_of_word() {
        return None;
    }
    let seconds = hours * 3600 + minutes.unwrap_or(0) * 60 + seconds.unwrap_or(0);
    Some(from_seconds(sign * i32::try_from(seconds).ok()?))
}

/// Behind a blank two digits with a sign may be anything, unless a blank, a bracket or nothing comes then, and hours and
/// minutes must be all there is.
fn detached_offset<'t>(scan: &mut Scan<'t>) -> Option<Zone<'t>> {
    let from = scan.at();
    let zone = offset(scan)?;
    let ends = scan.peek().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b']' | b')' | b'"' | b'>' | b'|' | b','));
    (ends || scan.at() - from >= 5 && scan.peek() != Some(b':')).then_some(zone)
}

/// A known name, perhaps with hours (`GMT+0100`, `UTC+2`).
fn name<'t>(scan: &mut Scan<'t>) -> Option<Zone<'t>> {
    let written = scan.letters()?;
    if matches!(written, "UTC" | "GMT") {
        let hours = scan.maybe(offset).or_else(|| scan.maybe(one_hour));
        return Some(hours.unwrap_or(Zone::Utc)).filter(|_| scan.is_at_end_of_word() && scan.peek() != Some(b'-'));
    }
    // `EST-server` is a host.
    if !scan.is_at_end_of_word() || matches!(scan.peek(), Some(b'-' | b'.' | b'/')) {
        return None;
    }
    if SEVERAL.contains(&written) {
        return Some(Zone::Named(written));
    }
    let by_name = |written: &str| NAMES.iter().find(|(name, ..)| *name == written);
    let (_, hours, minutes) = by_name(written).or_else(|| by_name(utc(written)?))?;
    Some(from_seconds(hours * HOUR + minutes * 60))
}

/// Only this one is written small.
fn utc(written: &str) -> Option<&'static str> {
    ["UTC", "GMT"].into_iter().find(|name| name.eq_ignore_ascii_case(written))
}

fn one_hour<'t>(scan: &mut Scan<'t>) -> Option<Zone<'t>> {
    let sign = if scan.one_of(b"+-")? == b'-' { -1 } else { 1 };
    Some(from_seconds(sign * HOUR * i32::try_from(scan.number(1, 1)?).ok()?))
}

/// In a text that is a time and nothing else, what stands behind it is its zone, known or not. In a line it is the next word.
fn unknown<'t>(scan: &mut Scan<'t>) -> Option<Zone<'t>> {
    if !scan.alone {
        return None;
    }
    let name = scan.word();
    let is_short = (2..=6).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_short || is_place(name)).then_some(Zone::Named(name))
}

/// `Europe/Berlin`.
fn is_place(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    name.contains('/') && name.len() <= 40 && name.bytes().all(letters)
}

/// What stands behind a zone and says it once more: `[Europe/Berlin]`, ` (CET)`, Go's ` UTC` and ` m=+0.5`. A place in brackets
/// is the zone where there is none.
fn also<'t>(scan: &mut Scan<'t>, zone: Zone<'t>) -> Zone<'t> {
    let place = scan.maybe(|scan| {
        scan.one_of(b"[")?;
        let (place, _) = scan.rest().split_once(']')?;
        (is_place(place) || matches!(place, "UTC" | "Z" | "GMT"))
            .then(|| scan.text(place) && scan.text("]"))?
            .then_some(place)
    });
    match (zone, place) {
        (Zone::None, Some("UTC" | "Z" | "GMT")) => return Zone::Utc,
        (Zone::None, Some(place)) => return Zone::Named(place),
        (Zone::None, None) => return zone,
        _ => {}
    }
    let _ = scan.maybe(|scan| {
        (scan.blanks() > 0 && scan.text("(")).then_some(())?;
        let (words, _) = scan.rest().split_once(')').filter(|(words, _)| words.len() <= 48)?;
        let is_name = words.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
        (is_name && scan.text(words) && scan.text(")")).then_some(())
    });
    if matches!(zone, Zone::Utc | Zone::Offset(_)) {
        let _ = scan.maybe(|scan| {
            (scan.blanks() > 0).then_some(())?;
            name(scan)
        });
    }
    if scan.alone {
        let _ = scan.maybe(|scan| (scan.blanks() > 0 && scan.word().starts_with("m=")).then_some(()));
    }
    zone
}

fn from_seconds(seconds: i32) -> Zone<'static> {
    if seconds == 0 { Zone::Utc } else { Zone::Offset(seconds) }
}
