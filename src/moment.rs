//! What time a text tells: as loggers, collectors and platforms write times, in some fifty ways.
//!
//! [`read`] is for a text that is a time and nothing else, [`head`] for a line of plain text that has one at its beginning.
//! What comes of it is a [`Moment`]: what calendar and clock show, the zone as it was written, whether the year was, and how
//! exactly. [`Moment::resolve`] makes an instant of it, with the record's own timestamp and the zone that somebody configured
//! at hand. A new way of writing times is a row in `shapes.rs`, a zone's name one in `zone.rs`.
//!
//! ```
//! use fingerpost::moment::{Resolve, Resolved, Zone, head, read};
//!
//! let moment = read("2024-03-05 09:19:24,123").expect("a time");
//! assert_eq!((moment.zone, moment.resolve(Resolve::default())), (Zone::None, Resolved::At(1_709_630_364_123)));
//! // An hour ahead of its record: such a clock hangs in another zone.
//! let by = Resolve { reference_ms: Some(1_709_626_764_500), zone: None };
//! assert_eq!(moment.resolve(by), Resolved::UnknownZone);
//!
//! let line = "Mar  5 09:19:24 node-1 sshd[24200]: Connection closed";
//! let head = head(line).expect("a time");
//! assert_eq!(&line[head.end..], " node-1 sshd[24200]: Connection closed");
//! // The year is the one in which it is nearest to the record.
//! let by = Resolve { reference_ms: Some(1_709_630_365_000), zone: None };
//! assert_eq!(head.moment.resolve(by), Resolved::At(1_709_630_364_000));
//! ```

mod clock;
mod epoch;
mod line;
mod names;
mod resolve;
mod scan;
mod shapes;
mod told;
mod zone;

pub use line::Head;
pub use resolve::{Resolve, Resolved};
pub use told::{Moment, Precision, Zone};

use scan::Scan;

/// The time that a text is, and nothing else: a date with or without a clock, or a number since 1970, which is seconds,
/// milliseconds, microseconds or nanoseconds by its magnitude, with the borders at 10¹¹, 10¹⁴ and 10¹⁷.
#[must_use]
pub fn read(text: &str) -> Option<Moment<'_>> {
    let text = text.trim();
    alone(text).or_else(|| alone(wrapped(text)?))
}

fn alone(text: &str) -> Option<Moment<'_>> {
    let mut scan = Scan::new(text, true);
    let shaped = shapes::shape(&mut scan);
    scan.blanks();
    shaped.filter(|_| scan.is_over()).or_else(|| epoch::number(text))
}

/// What stands in brackets or quotes, or in `/Date(1709630364120+0100)/`, which .NET writes; the offset says nothing more.
fn wrapped(text: &str) -> Option<&str> {
    let within = |before, behind| text.strip_prefix(before)?.strip_suffix(behind);
    if let Some(date) = within("/Date(", ")/") {
        let offset = date.bytes().skip(1).position(|byte| matches!(byte, b'+' | b'-'));
        return Some(offset.map_or(date, |at| &date[..=at]));
    }
    within("[", "]").or_else(|| within("\"", "\""))
}

/// The time at the beginning of a line, or behind a few words that are no prose: an address, a process, a level. A line of
/// which the text is JSON has none here.
#[must_use]
pub fn head(line: &str) -> Option<Head<'_>> {
    line::head(line)
}

#[cfg(test)]
mod tests;
