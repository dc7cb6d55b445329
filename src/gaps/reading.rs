//! A line's words, as they are held against those of other lines: numbers, ids and the like taken out (`mask`), quantities,
//! times and lists made one word each, so that lines of one event have the same number of words.

use super::template::{Limits, NUMBER, WHY};
use super::words::{Words, cut};
use super::{lists, mask};

/// Bytes of a word whose numbers are taken out; what is behind them is dropped.
const UNMASKED_MAX: usize = 1024;
/// Words that are gone over, for each that is kept: lists become one.
const GONE_OVER: usize = 4;
/// Units that stand behind their number as words. Which one a program chooses depends on the number.
#[rustfmt::skip]
const UNITS: [&str; 36] = [
    "byte", "bytes", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "k", "m", "g", "ns", "nanoseconds",
    "us", "ms", "msec", "msecs", "millis", "millisecond", "milliseconds", "microseconds", "s", "sec", "secs",
    "second", "seconds", "min", "mins", "minute", "minutes", "hour", "hours", "days",
];
/// Words of a time, beside its numbers.
const CALENDAR: [&str; 25] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu",
    "fri", "sat", "sun", "am", "pm", "utc", "gmt", "cet", "z",
];

/// Fills in what a line says.
pub(super) fn read(words: &mut Words, says: &[String], limits: Limits) {
    words.clear();
    for said in says {
        if words.len() > 0 {
            words.write(|text| text.push_str(WHY));
        }
        let first = words.len();
        let room = limits.words.saturating_sub(first);
        // What follows the first line is a stack trace, or the like.
        let line = said.trim_start().lines().next().unwrap_or_default();
        for word in line.split_ascii_whitespace().take(room * GONE_OVER) {
            take(words, cut(word, UNMASKED_MAX), first);
        }
        lists::fold(words, first);
        words.truncate(first + room);
    }
    words.finish(limits.word);
}

/// Takes in a word; those before `first` belong to another text.
fn take(words: &mut Words, word: &str, first: usize) {
    let is_behind_number = words.last(first).is_some_and(|last| last.ends_with(NUMBER));
    words.write(|text| mask::mask(word, text));
    let masked = words.len() - 1;
    if is_behind_number && let Some(signs) = adds_nothing(words.get(masked)) {
        // Punctuation behind the unit stands behind the number then, but for a bracket that was opened and left away.
        let closes = words.get(masked).as_bytes()[words.get(masked).len() - signs..].starts_with(b")");
        words.pop();
        let is_open = words.last(first).is_some_and(|last| last.contains('('));
        words.append(signs - usize::from(closes && !is_open));
        return;
    }
    if words.get(masked).starts_with(NUMBER) {
        words.leave_out_before_last(|word, at| at >= first && is_calendar(word));
    }
    // `an<n> an<n> an<n>` is a list, too.
    let last = words.len() - 1;
    if last > first && words.get(last) == words.get(last - 1) && words.get(last).contains(NUMBER) {
        words.pop();
    }
}

/// Whether a word behind a number says no more than the number: a unit, a zone, the same number again in other units, or
/// the name that the address has. How many bytes at its end are punctuation.
fn adds_nothing(word: &str) -> Option<usize> {
    // `1.2.3.4 (one.example.com)`, or `()` where nobody knows.
    let aside = word.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    if aside.is_some_and(|aside| aside.is_empty() || aside.contains('.') && !aside.contains(['(', '='])) {
        return Some(0);
    }
    let core = word.trim_end_matches([',', '.', ';', ':', ')', ']', '}', '"', '\'']);
    let is_again = core.strip_prefix('(').unwrap_or(core) == NUMBER;
    let is_unit = UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(core));
    (is_again || is_unit || is_calendar(core)).then_some(word.len() - core.len())
}

fn is_calendar(word: &str) -> bool {
    let word = word.trim_matches(['[', ',', '(']);
    word.len() <= 3 && CALENDAR.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaps::words;

    fn read(says: &[&str], limits: Limits) -> String {
        let mut words = Words::default();
        super::read(&mut words, &says.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), limits);
        words::text(words.iter())
    }

    #[test]
    fn quantities_times_and_what_is_said_twice_are_one_word() {
        for (line, expected) in [
            ("sent 1426 bytes (1.39 KB), received 0 bytes, lifetime <1 sec", "sent <n>, received <n>, lifetime <n>"),
            ("from 10.0.0.1 (one.example.com) at Fri Jun 17 07:07:00 2005", "from <n> at <n>"),
            ("from 10.0.0.1 () at Fri Jun 17 07:07:00 2005", "from <n> at <n>"),
            ("name an1 an2 an3 an4", "name an<n>"),
            ("took 12 seconds to spawn", "took <n> to spawn"),
            ("2024-03-05 09:19:24.123 UTC gone", "<n> gone"),
            ("May I", "May I"),
        ] {
            assert_eq!(read(&[line], Limits::default()), expected, "{line}");
        }
    }

    #[test]
    fn the_first_line_of_each_text_counts_and_no_more_words_than_there_is_room_for() {
        assert_eq!(read(&["2 went\n at x", "why 5"], Limits::default()), "<n> went ⏎ why <n>");
        assert_eq!(read(&["", " "], Limits::default()), "");
        let limits = Limits { words: 4, word: 3, ..Limits::default() };
        assert_eq!(read(&["alphabet b c d e f", "g"], limits), "alp b c d ⏎");
    }
}
