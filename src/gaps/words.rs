//! A line's words, as they are held against those of other lines: numbers, ids and the like taken out (`mask`), quantities,
//! times and lists made one word each, so that lines of one event have the same number of words.

use std::fmt::Write as _;
use std::ops::Range;

use super::events::Kind;
use super::{ANYTHING, Limits, NUMBER, WHY, lists, mask};
use crate::engine::Gist;

/// Bytes of a text that are kept as a sample.
const SAMPLE: usize = 512;
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

/// The words of a line. Made once and filled again for each.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// All words, and what they were made of.
    text: String,
    words: Vec<Range<usize>>,
    /// Of each word.
    digests: Vec<u64>,
    /// Of each word, once somebody has asked.
    kinds: Vec<Kind>,
}

impl Words {
    /// Takes in what a line says.
    pub(super) fn read(&mut self, says: &[String], limits: Limits) {
        self.text.clear();
        self.words.clear();
        for said in says {
            if !self.words.is_empty() {
                self.push(WHY);
            }
            let first = self.words.len();
            let room = limits.words.saturating_sub(first);
            // What follows the first line is a stack trace, or the like.
            let line = said.trim_start().lines().next().unwrap_or_default();
            for word in line.split_ascii_whitespace().take(room * GONE_OVER) {
                self.take(cut(word, UNMASKED_MAX), first);
            }
            lists::fold(self, first);
            self.words.truncate(first + room);
        }
        for range in &mut self.words {
            range.end = range.start + cut(&self.text[range.clone()], limits.word).len();
        }
        self.kinds.clear();
        self.digests.clear();
        self.digests.extend(self.words.iter().map(|range| digest(&self.text[range.clone()])));
    }

    /// Takes in a word; those before `first` belong to another text.
    fn take(&mut self, word: &str, first: usize) {
        let start = self.text.len();
        mask::mask(word, &mut self.text);
        let masked = start..self.text.len();
        if self.last(first).is_some_and(|last| last.ends_with(NUMBER))
            && let Some(tail) = adds_nothing(&self.text[masked.clone()])
        {
            // Punctuation behind the unit stands behind the number then.
            self.append(masked.end - tail..masked.end);
            return;
        }
        if self.text[masked.clone()].starts_with(NUMBER) {
            while self.last(first).is_some_and(is_calendar) {
                self.words.pop();
            }
        }
        // `an<n> an<n> an<n>` is a list, too.
        let again = self.last(first).is_some_and(|last| last == &self.text[masked.clone()] && last.contains(NUMBER));
        if !again {
            self.words.push(masked);
        }
    }

    /// The last word of the text that begins with the word `first`.
    fn last(&self, first: usize) -> Option<&str> {
        self.words.get(first..)?.last().map(|range| &self.text[range.clone()])
    }

    /// Puts signs that stand somewhere behind the last word.
    fn append(&mut self, signs: Range<usize>) {
        let Some(last) = self.words.last().cloned() else { return };
        // The bracket that it closes was left away.
        let closes = self.text[signs.clone()].starts_with(')') && !self.text[last.clone()].contains('(');
        let signs = signs.start + usize::from(closes)..signs.end;
        if signs.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.extend_from_within(last);
        self.text.extend_from_within(signs);
        self.words.pop();
        self.words.push(start..self.text.len());
    }

    fn push(&mut self, word: &str) {
        let start = self.text.len();
        self.text.push_str(word);
        self.words.push(start..self.text.len());
    }

    /// Puts one word, that ends in "anything", in the place of several: what stands in front of it and behind.
    pub(super) fn replace(&mut self, words: Range<usize>, front: Range<usize>, behind: Range<usize>) {
        let start = self.text.len();
        self.text.extend_from_within(front);
        self.text.push_str(ANYTHING);
        self.text.extend_from_within(behind);
        self.words[words.start] = start..self.text.len();
        self.words.drain(words.start + 1..words.end);
    }

    /// The same for the same words, and hardly ever for others.
    pub(super) fn digest(&self) -> u64 {
        self.digests.iter().fold(0, |digest, word| mixed(digest, *word))
    }

    /// Finds out what each word is; [`Words::kind`] knows it then.
    pub(super) fn look_at_kinds(&mut self) {
        let Self { text, words, kinds, .. } = self;
        if kinds.is_empty() {
            kinds.extend(words.iter().map(|range| Kind::of(&text[range.clone()])));
        }
    }

    pub(super) fn kind(&self, index: usize) -> Kind {
        self.kinds[index]
    }

    /// The same for the same word, and hardly ever for others.
    pub(super) fn digest_of(&self, index: usize) -> u64 {
        self.digests[index]
    }

    pub(super) fn range(&self, index: usize) -> Range<usize> {
        self.words[index].clone()
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn get(&self, index: usize) -> &str {
        &self.text[self.words[index].clone()]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().map(|range| &self.text[range.clone()])
    }
}

/// Of a word. It must be the same on all machines, and needs no key: whoever makes two words alike makes them one word.
pub(super) fn digest(word: &str) -> u64 {
    let (pieces, rest) = word.as_bytes().as_chunks::<8>();
    let digest = pieces.iter().fold(word.len() as u64, |digest, piece| mixed(digest, u64::from_le_bytes(*piece)));
    mixed(digest, rest.iter().fold(0, |piece, byte| piece << 8 | u64::from(*byte)))
}

/// The golden ratio's multiplier, as in Knuth, The Art of Computer Programming, 6.4.
fn mixed(digest: u64, piece: u64) -> u64 {
    let product = (digest.rotate_left(5) ^ piece).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
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

/// As a person reads it.
pub(super) fn text<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// What is kept of a line to show it.
pub(super) fn sample(gist: &Gist) -> String {
    let mut sample = String::new();
    for (index, text) in gist.says.iter().enumerate() {
        let _ = write!(sample, "{}{}", if index > 0 { " ⏎ " } else { "" }, cut(text.trim(), SAMPLE));
    }
    sample
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(says: &[&str], limits: Limits) -> String {
        let mut words = Words::default();
        words.read(&says.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), limits);
        text(words.iter())
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
