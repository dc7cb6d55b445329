//! What of a foreign text may be shown: log lines, file names, what brokers say, also what stands in packs and configuration.
//!
//! A terminal does what certain characters say: `ESC [ 2 J` clears it, `ESC ] 8` makes a link, U+202E turns the direction of
//! writing, and U+200B is not seen at all. [`steers`] knows them, and it is the only place that does. How each is shown in
//! place of doing its work depends on who reads: [`escaped`] for logs and messages, [`dotted`] where columns count,
//! [`json`] and [`xml`] for programs, which read the same text as before, and [`terminal`] for all that a verb prints, in
//! which our own colours stay. What of a text may be a secret is the business of [`secrets`].

pub mod secrets;

use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands in one column for what must not be shown.
pub const DOT: char = '·';

/// Control characters (C0, DEL, C1), line separators, and what changes the direction of writing or is not seen at all.
#[must_use]
pub fn steers(c: char) -> bool {
    // Nearly all that is ever asked.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9F}' | '\u{AD}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// Without control characters (C0, DEL, C1): what is captured of a line goes into tickets, labels and shells.
pub fn remove_controls(text: &mut String) {
    // No control character takes more than two bytes, and the first of two is always this one.
    if text.bytes().any(|byte| byte.is_ascii_control() || byte == 0xC2) {
        text.retain(|c| !c.is_control());
    }
}

/// A text without the codes that colour it on a terminal (`ESC [ … letter`).
#[must_use]
pub fn colourless(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.as_bytes().contains(&0x1b) || !text.contains("\u{1b}[") {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let code = &rest[at + 2..];
        let length = code.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':' | b'?')).count();
        // A code ends with a letter; what does not is left as it is.
        rest = match code.as_bytes().get(length) {
            Some(byte) if byte.is_ascii_alphabetic() => &code[length + 1..],
            _ => {
                plain.push_str("\u{1b}[");
                code
            }
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Each that steers as `\u{1b}`, `\n` and the like.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, steers, |c, out| out.extend(c.escape_default()))
}

/// Each that steers as a dot, white space as a space: as many columns as characters, on one line.
#[must_use]
pub fn dotted(text: &str) -> Cow<'_, str> {
    replaced(text, steers, |c, out| out.push(dot(c)))
}

/// What stands for a character that steers where columns count; any other stands for itself.
#[must_use]
pub fn dot(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        c if steers(c) => DOT,
        c => c,
    }
}

/// JSON in which nothing steers. Outside of its strings JSON is ASCII, so each character that steers stands in one, where
/// `\u009b` is the same: whoever parses it reads the same text.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let is_raw = |c: char| !matches!(c, '\n' | '\t' | '\r') && steers(c);
    replaced(text, is_raw, |c, out| {
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// XML in which nothing steers; whoever parses it reads the same text. What XML has no way to say becomes U+FFFD.
#[must_use]
pub fn xml(text: &str) -> Cow<'_, str> {
    let is_raw = |c: char| !matches!(c, '\n' | '\t' | '\r') && steers(c);
    replaced(text, is_raw, |c, out| {
        let _ = match c {
            '\0'..='\u{1F}' => write!(out, "\u{FFFD}"),
            c => write!(out, "&#x{:x};", u32::from(c)),
        };
    })
}

/// What a verb prints for people: lines, tabs and our own colours (`ESC [ … m`, of the few that `anstyle` writes) stay, all
/// else that steers is escaped. Foreign text should have gone through [`escaped`] or [`dotted`] before, as it could bring colours.
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| steers(c) && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(steers) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let kept = if rest.starts_with(['\n', '\t']) { 1 } else { colour(rest) };
        if kept > 0 {
            out.push_str(&rest[..kept]);
            rest = &rest[kept..];
        } else if let Some(c) = rest.chars().next() {
            out.extend(c.escape_default());
            rest = &rest[c.len_utf8()..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of the colour that a text begins with; 0 where it begins with none.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    // No number is 0; one that is too long is none of ours.
    let number = |digits: &str| if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u32::MAX) };
    let is_known = is_colour(parameters[..length].split(';').map(number));
    if parameters[length..].starts_with('m') && is_known { length + 3 } else { 0 }
}

/// Bold, dim, italic, underlined, colours by name and by number; neither blinking nor hidden.
fn is_colour(mut numbers: impl Iterator<Item = u32>) -> bool {
    while let Some(number) = numbers.next() {
        let is_fine = match number {
            38 | 48 => numbers.next() == Some(5) && numbers.next().is_some_and(|colour| colour < 256),
            0..=4 | 22..=24 | 30..=49 | 90..=107 => true,
            _ => false,
        };
        if !is_fine {
            return false;
        }
    }
    true
}

fn replaced(text: &str, is_wrong: impl Fn(char) -> bool, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&is_wrong) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_wrong(c) { replace(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clears the screen, makes a link, turns the direction of writing, hides, and the one-byte forms of the same.
    const HOSTILE: &str = "a\u{1b}[2J\u{1b}]8;;http://x\u{7}b\u{202e}c\u{200b}\u{9b}31m\u{85}\u{7f}\u{61c}\u{e0041}\r";

    #[test]
    fn nothing_that_steers_is_left() {
        for shown in [escaped(HOSTILE), dotted(HOSTILE), json(HOSTILE), xml(HOSTILE), terminal(HOSTILE)] {
            assert!(!shown.chars().any(|c| steers(c) && c != '\r'), "{shown:?}");
        }
        assert_eq!(dotted("a\tb\nc\u{1b}d"), "a b c·d");
        assert_eq!(escaped("a\u{1b}b\n"), "a\\u{1b}b\\n");
        assert!(matches!(terminal("plain, ä 鍵\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn programs_read_the_same_text() {
        let text = serde_json::Value::from(HOSTILE).to_string();
        assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), HOSTILE);
        assert_eq!(xml("\u{9b}\u{202e}\u{1b}"), "&#x9b;&#x202e;\u{FFFD}");
    }

    #[test]
    fn our_own_colours_stay_and_no_other_sequence_does() {
        let own = format!("{0}x{0:#} {1}y{1:#}\n", anstyle::Style::new().bold(), anstyle::AnsiColor::Red.on_default());
        assert_eq!(terminal(&own), own);
        assert_eq!(terminal("\u{1b}[38;5;9mx\u{1b}[0m"), "\u{1b}[38;5;9mx\u{1b}[0m");
        for sequence in ["\u{1b}[2J", "\u{1b}[8m", "\u{1b}[5m", "\u{1b}[1", "\u{1b}", "\u{1b}[1;1H", "\u{1b}[99999m"] {
            assert_eq!(terminal(sequence), sequence.replace('\u{1b}', "\\u{1b}"));
        }
        assert_eq!(terminal("a\rb\tc"), "a\\rb\tc");
    }

    #[test]
    fn captured_text_loses_control_characters_only() {
        let mut text = "a\u{1b}[1m\tb\n\u{9b}ä\u{a0}\u{202e}".to_owned();
        remove_controls(&mut text);
        assert_eq!(text, "a[1mbä\u{a0}\u{202e}");
    }
}
