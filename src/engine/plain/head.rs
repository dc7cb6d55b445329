//! What stands in front of a message: a time, a level, numbers of processes, the host.

use crate::engine::listed::is_among;
use crate::level::{Extra, Level, Scale, read};

/// Words that are levels in brackets, in capitals, or in front with a colon; in the order of the alphabet, as all lists here.
#[rustfmt::skip]
const LEVELS: [&str; 28] = [
    "alert", "crit", "critical", "dbg", "debug", "emerg", "emergency", "err", "error", "fatal", "fine", "finer", "finest",
    "ftl", "inf", "info", "information", "notice", "panic", "pnc", "severe", "trace", "trc", "verbose", "vrb", "warn",
    "warning", "wrn",
];
/// Words that are levels in brackets only.
const BRACKETED: [&str; 4] = ["fail", "failed", "note", "system"];
/// PostgreSQL's, in capitals and with a colon.
const WITH_COLON: [&str; 5] = ["context", "detail", "hint", "log", "statement"];
/// Letters that are levels behind a time.
const LETTERS: &[u8] = b"CDEFIVW";
/// Words of a time, beside its numbers.
#[rustfmt::skip]
const CALENDAR: [&str; 30] = [
    "am", "apr", "aug", "cest", "cet", "dec", "est", "feb", "fri", "gmt", "jan", "jul", "jun", "mar", "may", "mon", "ms",
    "nov", "oct", "pm", "pst", "sat", "sep", "sun", "t", "thu", "tue", "utc", "wed", "z",
];
/// No level is longer, in bytes.
const LONGEST: usize = 12;
/// Words without a digit that may be the level, from the beginning; and words of any kind.
const LEVEL_WITHIN: usize = 12;
const LOOKED_AT: usize = 48;
/// Bytes of klog's head.
const KLOG_MAX: usize = 256;

/// The level that stands in front of the message, or a few words into it where it is written as only levels are.
pub(super) fn level(text: &str) -> Option<Level> {
    if let Some(sign) = redis(text) {
        return told(sign, Scale::Redis);
    }
    // Only what belongs to a time has come so far; and so many numbers.
    let (mut in_front, mut numbers, mut words) = (true, 0, 0);
    for run in runs(text).take(LOOKED_AT) {
        let first = run.word().as_bytes()[0];
        if run.word().bytes().any(|byte| byte.is_ascii_digit()) {
            numbers += 1;
            in_front &= first.is_ascii_digit();
            continue;
        }
        if let Some(level) = run.level(in_front).or_else(|| run.letter(in_front && numbers > 1)) {
            return Some(level);
        }
        in_front &= is_among(&CALENDAR, run.word());
        words += 1;
        if words == LEVEL_WITHIN {
            break;
        }
    }
    None
}

fn told(text: &str, scale: Scale) -> Option<Level> {
    read(text, scale, &Extra::default()).level()
}

/// Letters and digits, and where in the text they stand.
struct Run<'t> {
    text: &'t str,
    start: usize,
    end: usize,
}

fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(u8::is_ascii_alphanumeric)?;
        at = start + bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        Some(Run { text, start, end: at })
    })
}

impl Run<'_> {
    fn word(&self) -> &str {
        &self.text[self.start..self.end]
    }

    fn before(&self) -> u8 {
        self.text[..self.start].bytes().next_back().unwrap_or(b' ')
    }

    fn behind(&self) -> u8 {
        self.text.as_bytes().get(self.end).copied().unwrap_or(b' ')
    }

    /// The level that this word is.
    fn level(&self, in_front: bool) -> Option<Level> {
        let word = self.word();
        let capitals = word.bytes().all(|byte| byte.is_ascii_uppercase());
        // Nearly all words are none of these, and need not be looked up.
        let has_signs =
            || matches!(self.before(), b'[' | b'<' | b'|' | b':') || matches!(self.behind(), b']' | b'>' | b'|' | b':');
        if !(3..=LONGEST).contains(&word.len()) || !(capitals || in_front || has_signs()) {
            return None;
        }
        let is_level = if is_among(&LEVELS, word) {
            capitals || self.is_bracketed() || in_front && self.is_set_apart() || self.is_behind_name()
        } else if is_among(&WITH_COLON, word) {
            capitals && self.behind() == b':'
        } else {
            is_among(&BRACKETED, word) && self.is_bracketed()
        };
        if is_level { told(word, Scale::Word) } else { None }
    }

    /// The level that this letter is, with nothing but a time and numbers in front of it.
    fn letter(&self, is_behind_time: bool) -> Option<Level> {
        let is_letter = self.word().len() == 1 && LETTERS.contains(&self.word().as_bytes()[0]);
        let stands_alone = self.before() == b' ' && self.behind() == b' ';
        if is_behind_time && is_letter && stands_alone { told(self.word(), Scale::Letter) } else { None }
    }

    /// `[error]`, `[core:error]`, `[WARN ]`, `|error|`, `<error>`.
    fn is_bracketed(&self) -> bool {
        let behind = self.text[self.end..].trim_start().bytes().next();
        let closes = matches!(behind, Some(b']' | b'>' | b'|'));
        let opens = || match self.before() {
            b'[' | b'<' | b'|' => true,
            b':' => self.text[..self.start].rfind([' ', '[']).is_some_and(|at| self.text[at..].starts_with('[')),
            b' ' => self.text[..self.start].trim_end().ends_with(['|', '[']),
            _ => false,
        };
        closes && opens()
    }

    /// `sshd[1]: error: …`, `x.c:7: warning: …`.
    fn is_behind_name(&self) -> bool {
        self.text[self.end..].starts_with(": ") && self.text[..self.start].ends_with(": ")
    }

    /// `error: …`, `Error   …`, `error - …`.
    fn is_set_apart(&self) -> bool {
        let behind = &self.text[self.end..];
        let is_name = self.word().starts_with(|c: char| c.is_ascii_uppercase());
        behind.starts_with(": ") || is_name && ["  ", "\t", " - ", " | "].iter().any(|gap| behind.starts_with(gap))
    }
}

/// `1234:M 05 Mar 2024 09:19:24.123 # `: the sign.
fn redis(text: &str) -> Option<&str> {
    let (process, rest) = text.split_once(':').filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))?;
    let is_role = process.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with(['M', 'C', 'S', 'X']);
    if is_role { rest.get(1..)?.strip_prefix(' ')?.split(' ').nth(4) } else { None }
}

/// `E0507 12:04:17.597069       1 x.go:169] `: the level, and what stands behind.
pub(super) fn klog(text: &str) -> Option<(Level, &str)> {
    const SHAPE: &[u8] = b"L0000 00:00:00.0";
    let head = text.as_bytes().get(..SHAPE.len())?;
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'L' => b"IWEF".contains(byte),
        b'0' => byte.is_ascii_digit(),
        sign => byte == sign,
    };
    if !head.iter().zip(SHAPE).all(fits) {
        return None;
    }
    let end = text.floor_char_boundary(KLOG_MAX);
    let behind = text[..end].find("] ").map_or(SHAPE.len(), |at| at + 2);
    Some((told(&text[..1], Scale::Letter)?, text[behind..].trim_start()))
}

/// Whether a time stands at the beginning.
pub(super) fn begins_with_time(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace().map(|word| word.trim_matches(['[', ']', ',', '(']));
    let first = words.next().unwrap_or_default();
    let signs = |sign: u8| first.bytes().filter(|byte| *byte == sign).count();
    if is_among(&CALENDAR, first) {
        return words.next().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
    }
    first.starts_with(|c: char| c.is_ascii_digit()) && [b':', b'-', b'/'].iter().any(|sign| signs(*sign) > 1)
}

/// The message, behind all that is only a time, a level, a number or signs, and behind syslog's host.
pub(super) fn message(text: &str) -> &str {
    let of_syslog = is_among(&CALENDAR, first_word(text).0);
    let (mut rest, mut numbers) = (text.trim(), 0);
    loop {
        let (word, behind) = first_word(rest);
        if word.is_empty() || !is_of_head(word, behind, numbers > 1) {
            break;
        }
        numbers += usize::from(word.bytes().any(|byte| byte.is_ascii_digit()));
        rest = behind.trim_start();
    }
    let (host, behind) = first_word(rest);
    let next = first_word(behind.trim_start()).0;
    let is_host = is_program(next) || of_syslog && next.ends_with(':');
    if is_host && !host.ends_with(':') { behind.trim_start() } else { rest }
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', '\t']).unwrap_or(text.len()))
}

/// `sshd[19939]:`, as syslog names a program and its process.
fn is_program(word: &str) -> bool {
    let process = word.strip_suffix("]:").and_then(|word| word.rsplit_once('[')).map(|(_, process)| process);
    process.is_some_and(|process| !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Only a time, a level, a number, or signs.
fn is_of_head(word: &str, behind: &str, is_behind_time: bool) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if is_behind_time && word.len() == 1 && LETTERS.contains(&word.as_bytes()[0]) {
        return true;
    }
    let is_capital = |byte: u8| byte.is_ascii_uppercase();
    let is_sentence = bare.len() == word.len() && !bare.bytes().all(is_capital) && !behind.starts_with("  ");
    let is_level =
        |part: &str| !is_sentence && (is_among(&LEVELS, part) || is_among(&WITH_COLON, part) && word.ends_with(':'));
    let parts = word
        .split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|run| run.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()));
    let mut letters = parts.filter(|part| !part[0].is_ascii_digit()).filter_map(|part| std::str::from_utf8(part).ok());
    word.is_ascii() && letters.all(|part| is_among(&CALENDAR, part) || is_level(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order_and_their_words_are_levels() {
        for list in [&LEVELS[..], &BRACKETED, &WITH_COLON, &CALENDAR] {
            assert!(list.is_sorted() && list.iter().all(|word| word.len() <= LONGEST), "{list:?}");
        }
        for word in LEVELS.iter().chain(&BRACKETED).chain(&WITH_COLON) {
            assert!(told(word, Scale::Word).is_some(), "{word}");
        }
    }
}
