//! A line's words, numbers and ids taken out of them. What is numbered differently from line to line is then the same:
//! `blk_38865049064139660` is `blk_<n>`, and `10.0.3.4:443`, a time and a UUID are `<n>` each.

use std::fmt::Write as _;

use super::{Limits, NUMBER, WHY};
use crate::engine::Gist;

/// Bytes of a text that are kept as a sample.
const SAMPLE: usize = 512;
/// Bytes of a word whose numbers are taken out; what is behind them is dropped.
const UNMASKED_MAX: usize = 1024;
/// Words with digits in them that are names.
const NAMES: [&str; 16] = [
    "x509", "ipv4", "ipv6", "http2", "sha1", "sha256", "sha512", "utf8", "base64", "oauth2", "k8s", "s3", "e2e", "p2p",
    "ed25519", "l2tp",
];
/// Words in front of what a line says, in logs that are not JSON.
const HEADING: [&str; 38] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu",
    "fri", "sat", "sun", "trace", "debug", "info", "notice", "warn", "warning", "error", "err", "fatal", "critical",
    "severe", "panic", "t", "z", "utc", "am", "pm", "gmt", "v",
];

/// The words of what a line says, masked.
pub(super) fn words(says: &[String], limits: Limits) -> Vec<Box<str>> {
    let mut words: Vec<Box<str>> = Vec::new();
    for text in says {
        if !words.is_empty() {
            words.push(WHY.into());
        }
        // What follows the first line is a stack trace, or the like.
        let line = text.trim_start().lines().next().unwrap_or_default();
        let room = limits.words.saturating_sub(words.len());
        // What is cut first would end anywhere, by how long its numbers are.
        let masked = line.split_whitespace().map(|word| mask(cut(word, UNMASKED_MAX)));
        let masked = masked.map(|word| cut(&word, limits.word).to_owned());
        let mut said = masked.skip_while(|word| is_heading(word)).peekable();
        let host = said.next_if(|word| !is_program(word));
        // Before the program stands the host that it runs on, as syslog writes it.
        let host = host.filter(|_| !said.peek().is_some_and(|word| is_program(word)));
        words.extend(host.into_iter().chain(said).take(room).map(String::into_boxed_str));
    }
    words.dedup_by(|a, b| a == b && &**a == NUMBER);
    words
}

/// As a person reads it.
pub(super) fn text(words: &[Box<str>]) -> String {
    words.join(" ")
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

/// A word that is only a time, a level, or signs.
fn is_heading(masked: &str) -> bool {
    let rest = masked.replace(NUMBER, "");
    rest.split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .all(|part| HEADING.iter().any(|known| known.eq_ignore_ascii_case(part)))
}

/// `sshd[<n>]:`, as syslog names a program and its process.
fn is_program(masked: &str) -> bool {
    masked.ends_with("[<n>]:")
}

/// A word with its numbers and ids taken out.
fn mask(word: &str) -> String {
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    let runs: Vec<&str> = word.split_inclusive(is_sign).flat_map(without_sign).collect();
    let mut masked = String::new();
    for (at, run) in runs.iter().enumerate() {
        let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().any(|at| runs.get(at) == Some(&"-"));
        if is_id(run, beside) {
            masked.push_str(NUMBER);
        } else {
            numbers(run, &mut masked);
        }
    }
    joined(&masked)
}

fn is_sign(c: char) -> bool {
    !c.is_ascii_alphanumeric()
}

/// A run, and the sign behind it by itself.
fn without_sign(run: &str) -> impl Iterator<Item = &str> {
    let sign = run.char_indices().next_back().filter(|(_, c)| is_sign(*c)).map_or(run.len(), |(at, _)| at);
    [&run[..sign], &run[sign..]].into_iter().filter(|part| !part.is_empty())
}

/// Hexadecimal: of six digits and more with a numeral in it, or a part of a UUID.
fn is_id(run: &str, beside_hyphen: bool) -> bool {
    let hexadecimal = run.bytes().all(|byte| byte.is_ascii_hexdigit());
    let numeral = run.bytes().any(|byte| byte.is_ascii_digit());
    hexadecimal && (numeral && run.len() >= 6 || beside_hyphen && matches!(run.len(), 4 | 8 | 12))
}

/// Appends a run with its numerals taken out, unless it is a name.
fn numbers(run: &str, to: &mut String) {
    if NAMES.iter().any(|name| name.eq_ignore_ascii_case(run)) {
        to.push_str(run);
        return;
    }
    // In `a7x9k2` nothing is fixed; in `node12` the word is.
    let changes = run.as_bytes().windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit()).count();
    if changes > 2 {
        to.push_str(NUMBER);
        return;
    }
    for part in run.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let text = std::str::from_utf8(part).unwrap_or_default();
        to.push_str(if part[0].is_ascii_digit() { NUMBER } else { text });
    }
}

/// Numbers that only signs join are one: addresses, times, versions, UUIDs.
fn joined(masked: &str) -> String {
    let mut text = masked.to_owned();
    loop {
        let before = text.len();
        for sign in ["", ".", ":", "-", ",", "/", "_", "+", "T", "x"] {
            text = text.replace(&format!("{NUMBER}{sign}{NUMBER}"), NUMBER);
        }
        // A number below zero is a number.
        for sign in ["_", "=", ":", "("] {
            text = text.replace(&format!("{sign}-{NUMBER}"), &format!("{sign}{NUMBER}"));
        }
        if text.len() == before {
            return text.strip_prefix('-').filter(|rest| rest.starts_with(NUMBER)).unwrap_or(&text).to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_taken_out_of_words() {
        for (word, expected) in [
            ("10.0.3.4:443:", "<n>:"),
            ("blk_38865049064139660", "blk_<n>"),
            ("0b7e6c1a-9d2f-4c3b-8e5a-abcdefabcdef,", "<n>,"),
            ("2015-07-29T17:41:44.747Z", "<n>Z"),
            ("crn=cafe12", "crn=<n>"),
            ("x509:", "x509:"),
            ("blk_-17", "blk_<n>"),
            ("-1", "<n>"),
            ("node12", "node<n>"),
            ("kp-events-7f9c4d", "kp-events-<n>"),
            ("sshd(pam_unix)[19939]:", "sshd(pam_unix)[<n>]:"),
            ("face-to-face", "face-to-face"),
            ("größe=3", "größe=<n>"),
        ] {
            assert_eq!(mask(word), expected, "{word}");
        }
    }

    #[test]
    fn what_stands_in_front_of_a_message_is_left_out() {
        let of = |text: &str| super::text(&words(&[text.to_owned()], Limits::default()));
        assert_eq!(of("2015-07-29 17:41:44,747 - ERROR  [main] - odd 3 thing"), "[main] - odd <n> thing");
        assert_eq!(of("Jun 14 15:16:01 combo sshd[19939]: no"), "sshd[<n>]: no");
        assert_eq!(of("[Thu Jun 09 06:07:04 2005] [error] env.create()"), "env.create()");
        assert_eq!(of("ERROR"), "");
        let both = words(&["2 went\n at x".into(), "why 5".into()], Limits::default());
        assert_eq!(super::text(&both), "went ⏎ why <n>");
    }
}
