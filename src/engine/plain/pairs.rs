//! `key=value key="a value"`, as logfmt has it and many others do.

use std::borrow::Cow;

use crate::level::{Extra, Level, Scale, read};

/// Pairs of a line, in their order. What is none is passed over.
struct Pairs<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Pairs<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                return None;
            }
            let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@');
            let key = self.rest.bytes().take_while(is_key).count();
            let behind = &self.rest[key..];
            if let Some(value) = behind.strip_prefix('=').filter(|_| key > 0) {
                let pair = (&self.rest[..key], &value[..value_end(value)]);
                self.rest = &value[pair.1.len()..];
                return Some(pair);
            }
            // A word, or a text in quotes, in which what looks like a pair is none.
            let end = if behind.starts_with('"') { quote_end(behind) } else { word_end(behind) };
            self.rest = &behind[end.max(behind.chars().next().map_or(0, char::len_utf8))..];
        }
    }
}

fn value_end(value: &str) -> usize {
    if value.starts_with('"') { quote_end(value) } else { word_end(value) }
}

fn word_end(text: &str) -> usize {
    text.find([' ', '\t']).unwrap_or(text.len())
}

/// Behind the quote that ends what a quote begins; the end of the word where none does.
fn quote_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    word_end(text)
}

/// The level of a line of pairs: one that begins with a pair, or has two.
pub(super) fn level(text: &str, keys: &[&str]) -> Option<Level> {
    memchr::memchr(b'=', text.as_bytes())?;
    let begins = text.bytes().take_while(|byte| !byte.is_ascii_whitespace()).any(|byte| byte == b'=');
    let (mut level, mut pairs) = (None, usize::from(begins));
    for (key, value) in (Pairs { rest: text }) {
        pairs += 1;
        if level.is_none() && is_among(keys, key) {
            level = read(value, Scale::Word, &Extra::default()).level();
        }
        if level.is_some() && pairs > 1 {
            return level;
        }
    }
    None
}

/// The message of a line of pairs. Elsewhere a pair is a part of the message, unless it is plain that somebody is quoted.
pub(super) fn message<'t>(text: &'t str, keys: &[&str]) -> Option<Cow<'t, str>> {
    let begins = text.bytes().take_while(|byte| !byte.is_ascii_whitespace()).any(|byte| byte == b'=');
    let is_quoted = || Pairs { rest: text }.any(|(key, value)| is_among(keys, key) && value.starts_with('"'));
    if begins || is_quoted() { value(text, keys) } else { None }
}

/// The value of the first of these keys that a line has, without its quotes.
pub(super) fn value<'t>(text: &'t str, keys: &[&str]) -> Option<Cow<'t, str>> {
    memchr::memchr(b'=', text.as_bytes())?;
    let is_said = |value: &str| !["", "null", "nil", "<nil>", "none", "-"].contains(&value);
    let (_, value) = Pairs { rest: text }.find(|(key, value)| is_among(keys, key) && is_said(value))?;
    Some(quoted(value).map_or(Cow::Borrowed(value), |(text, _)| text)).filter(|text| !text.trim().is_empty())
}

fn is_among(keys: &[&str], key: &str) -> bool {
    keys.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// What stands in quotes here, and what behind.
pub(super) fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    if !text.starts_with('"') {
        return None;
    }
    let (quoted, rest) = text.split_at(quote_end(text));
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let text = if inside.contains('\\') { Cow::Owned(unescaped(inside)) } else { Cow::Borrowed(inside) };
    Some((text, rest))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some(other) => plain.push(other),
                None => {}
            },
            c => plain.push(c),
        }
    }
    plain
}
