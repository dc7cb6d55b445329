//! Where a line of plain text has its time: at its beginning, or behind a few words that are no prose.

use super::epoch;
use super::scan::Scan;
use super::shapes::shape;
use super::told::{Moment, Precision, Zone};

/// Words before a time: an address, a process, a file, a thread, a level.
const WORDS_BEFORE: usize = 6;
/// No line has its time further behind than this, in bytes; behind a colour, a bracket or a name it may be a few more.
const BYTES_BEFORE: usize = 160;
/// What opens and what closes it again.
const BRACKETS: [(u8, u8); 4] = [(b'[', b']'), (b'(', b')'), (b'<', b'>'), (b'"', b'"')];
/// Names of a time in lines of names and values.
const NAMES: [&str; 6] = ["time=", "ts=", "timestamp=", "t=", "date=", "msg=audit("];

/// Where a line has its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'t> {
    /// The time.
    pub moment: Moment<'t>,
    /// Where it begins, in bytes, with the bracket before it.
    pub start: usize,
    /// How many bytes it took from the line's beginning, with the bracket behind it: what follows is the rest of the line.
    pub end: usize,
}

/// See [`super::head`].
pub(super) fn head(line: &str) -> Option<Head<'_>> {
    let mut scan = Scan::new(line, false);
    let _ = scan.text("\u{feff}");
    scan.blanks();
    scan.colours();
    // JSON has its time in a member.
    if scan.peek() == Some(b'{') {
        return None;
    }
    let _ = scan.maybe(priority);
    at_beginning(scan).or_else(|| behind_words(scan))
}

/// `<165>`, and the version `1 ` of RFC 5424.
fn priority(scan: &mut Scan<'_>) -> Option<()> {
    scan.one_of(b"<")?;
    scan.number(1, 3)?;
    scan.one_of(b">")?;
    let _ = scan.maybe(|scan| (scan.text("1") && scan.blanks() > 0).then_some(()));
    Some(())
}

/// Here any clock will do, since nothing else looks like one, and a number that is one of this century.
fn at_beginning(mut scan: Scan<'_>) -> Option<Head<'_>> {
    let _ = scan.maybe(sign_before);
    named(scan).or_else(|| {
        framed(scan, |scan| scan.maybe(|scan| shape(scan).filter(is_clock)).or_else(|| epoch::in_line(scan)))
    })
}

/// WebLogic and Cisco have signs before the time, Redis had its process.
fn sign_before(scan: &mut Scan<'_>) -> Option<()> {
    let process = scan.maybe(|scan| {
        scan.one_of(b"[")?;
        scan.number(1, 7)?;
        scan.text("] ").then_some(())
    });
    process.or_else(|| (scan.text("####") || scan.one_of(b"*.").is_some()).then_some(()))
}

/// Behind words a time must be a whole one, as a number or half a date may be anything there.
fn behind_words(mut scan: Scan<'_>) -> Option<Head<'_>> {
    let (from, mut prose) = (scan, false);
    for before in 0..WORDS_BEFORE {
        let word = scan.word();
        prose |= !is_no_prose(word);
        scan.blanks();
        scan.colours();
        if scan.is_over() || scan.at() > BYTES_BEFORE {
            return None;
        }
        let found = match (before, prose) {
            _ if is_access_log(scan) => framed(scan, shape),
            (0, false) if is_label(word) => framed(scan, epoch::in_line).or_else(|| whole(scan)),
            (3, _) if from.run() > 0 => cluster(from, scan).or_else(|| (!prose).then(|| whole(scan)).flatten()),
            (_, false) => whole(scan),
            (_, true) => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// With a year and seconds, or by name.
fn whole(scan: Scan<'_>) -> Option<Head<'_>> {
    named(scan).or_else(|| framed(scan, |scan| shape(scan).filter(|moment| moment.has_year && is_clock(moment))))
}

/// `time="2024-03-05T09:19:24Z"`.
fn named(mut scan: Scan<'_>) -> Option<Head<'_>> {
    let start = scan.at();
    NAMES.iter().any(|name| scan.text(name)).then_some(())?;
    let head = framed(scan, |scan| scan.maybe(|scan| shape(scan).filter(is_clock)).or_else(|| epoch::in_line(scan)))?;
    Some(Head { start, ..head })
}

/// `[05/Mar/2024:09:19:24 +0000]` stands behind a name that somebody chose, so behind anything.
fn is_access_log(scan: Scan<'_>) -> bool {
    matches!(scan.rest().as_bytes(), [b'[', b'0'..=b'9', b'0'..=b'9', b'/', month, ..] if month.is_ascii_alphabetic())
}

/// The time of an HPC cluster's event is its fifth word, behind its number, the node and what happened in two words.
fn cluster<'t>(from: Scan<'t>, scan: Scan<'t>) -> Option<Head<'t>> {
    let mut number = from;
    number.number(1, 9)?;
    (number.blanks() > 0 && scan.run() == 10).then(|| framed(scan, epoch::in_line))?
}

/// What a step finds here, with the brackets around it. The word ends where the time does.
fn framed<'t>(mut scan: Scan<'t>, step: impl FnOnce(&mut Scan<'t>) -> Option<Moment<'t>>) -> Option<Head<'t>> {
    let start = scan.at();
    let bracket = BRACKETS.iter().find(|(opens, _)| scan.one_of(&[*opens]).is_some());
    let moment = step(&mut scan)?;
    if !scan.is_at_end_of_word() {
        return None;
    }
    let _ = bracket.and_then(|(_, closes)| scan.one_of(&[*closes]));
    scan.colours();
    Some(Head { moment, start, end: scan.at() })
}

/// Hours and minutes alone are a clock where everything else of a time is written.
fn is_clock(moment: &Moment<'_>) -> bool {
    match moment.precision {
        Precision::Day => false,
        Precision::Minute => moment.has_year && moment.zone != Zone::None,
        Precision::Second | Precision::Fraction(_) => true,
    }
}

/// `-`, `KERNDTLB`.
fn is_label(word: &str) -> bool {
    word == "-" || word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// It has something that words of sentences have not: a digit, a sign, capitals only.
fn is_no_prose(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ':', ';', '!', '?']);
    let is_odd = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_punctuation() && byte != b'\'';
    word.bytes().any(is_odd) || word.bytes().all(|byte| byte.is_ascii_uppercase())
}
