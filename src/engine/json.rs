//! JSON as log lines have it: parsed into a tree that borrows from the line and remembers where members stand.
//!
//! The grammar is RFC 8259's, with the leniencies that let real log lines through untouched: numbers are never
//! evaluated (`1e400` is fine), Python's `NaN` and `Infinity` are `null`, lone surrogates decode to U+FFFD, and so do bytes that are not UTF-8 inside strings.
//! A general parser will not do: none keeps the places of members (the splice needs them) and takes all of the above.
//! Nesting is bounded: what lies deeper is checked for well-formedness without recursion, and not looked at.

use std::borrow::Cow;

/// A value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    /// A string, escapes decoded.
    String(Cow<'a, str>),
    /// A number as it is written.
    Number(Cow<'a, str>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// The values of an array.
    Array(Vec<Json<'a>>),
    /// The members of an object, in order, duplicates and all.
    Object(Vec<Member<'a>>),
    /// An object or array below the nesting limit.
    TooDeep,
}

/// A member of an object, with its place in the line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Json<'a>,
    /// Offset of the key's opening quote.
    pub(super) start: usize,
    /// Offset behind the value.
    pub(super) end: usize,
    /// Offset of the comma before the key, if there is one.
    pub(super) comma_before: Option<usize>,
    /// Offset of the comma behind the value, if there is one.
    pub(super) comma_after: Option<usize>,
}

impl Json<'_> {
    /// The same, free of the text it was parsed from.
    pub(super) fn into_owned(self) -> Json<'static> {
        match self {
            Json::String(text) => Json::String(Cow::Owned(text.into_owned())),
            Json::Number(text) => Json::Number(Cow::Owned(text.into_owned())),
            Json::Bool(flag) => Json::Bool(flag),
            Json::Null => Json::Null,
            Json::Array(values) => Json::Array(values.into_iter().map(Json::into_owned).collect()),
            Json::Object(members) => Json::Object(members.into_iter().map(Member::into_owned).collect()),
            Json::TooDeep => Json::TooDeep,
        }
    }
}

impl Member<'_> {
    /// The same, free of the text it was parsed from.
    pub(super) fn into_owned(self) -> Member<'static> {
        let Self { key, value, start, end, comma_before, comma_after } = self;
        Member { key: Cow::Owned(key.into_owned()), value: value.into_owned(), start, end, comma_before, comma_after }
    }
}

/// The document is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

type Result<T> = std::result::Result<T, NotJson>;

/// A whole document: one value and nothing but white space around it. `room` is how many levels of objects and arrays
/// may be looked into. Also gives the offset behind the value.
pub(super) fn parse(bytes: &[u8], room: usize) -> Result<(Json<'_>, usize)> {
    // A byte order mark is what some editors and collectors put first of all.
    let mut parser = Parser { bytes, at: if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } };
    parser.white_space();
    let value = parser.value(room)?;
    let end = parser.at;
    parser.white_space();
    if parser.at == bytes.len() { Ok((value, end)) } else { Err(NotJson) }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over this byte if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(NotJson) }
    }

    fn literal(&mut self, text: &[u8]) -> Result<()> {
        if !self.bytes[self.at..].starts_with(text) {
            return Err(NotJson);
        }
        self.at += text.len();
        Ok(())
    }

    fn value(&mut self, room: usize) -> Result<Json<'a>> {
        match self.peek().ok_or(NotJson)? {
            b'{' | b'[' if room == 0 => self.skip().map(|()| Json::TooDeep),
            b'{' => self.object(room - 1),
            b'[' => self.array(room - 1),
            b'"' => self.string().map(Json::String),
            b't' => self.literal(b"true").map(|()| Json::Bool(true)),
            b'f' => self.literal(b"false").map(|()| Json::Bool(false)),
            b'n' => self.literal(b"null").map(|()| Json::Null),
            // Python's json module writes these.
            b'N' => self.literal(b"NaN").map(|()| Json::Null),
            b'I' => self.literal(b"Infinity").map(|()| Json::Null),
            b'-' if self.bytes.get(self.at + 1) == Some(&b'I') => self.literal(b"-Infinity").map(|()| Json::Null),
            _ => self.number().map(|text| Json::Number(Cow::Borrowed(text))),
        }
    }

    fn array(&mut self, room: usize) -> Result<Json<'a>> {
        self.expect(b'[')?;
        let mut values = Vec::new();
        self.white_space();
        if self.eat(b']') {
            return Ok(Json::Array(values));
        }
        loop {
            self.white_space();
            values.push(self.value(room)?);
            self.white_space();
            if !self.eat(b',') {
                self.expect(b']')?;
                return Ok(Json::Array(values));
            }
        }
    }

    fn object(&mut self, room: usize) -> Result<Json<'a>> {
        self.expect(b'{')?;
        let mut members: Vec<Member<'a>> = Vec::new();
        self.white_space();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        let mut comma_before = None;
        loop {
            self.white_space();
            let start = self.at;
            let key = self.string()?;
            self.white_space();
            self.expect(b':')?;
            self.white_space();
            let value = self.value(room)?;
            let end = self.at;
            self.white_space();
            let comma_after = (self.peek() == Some(b',')).then_some(self.at);
            members.push(Member { key, value, start, end, comma_before, comma_after });
            if !self.eat(b',') {
                self.expect(b'}')?;
                return Ok(Json::Object(members));
            }
            comma_before = comma_after;
        }
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(NotJson) }
    }

    fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        std::str::from_utf8(&self.bytes[start..self.at]).map_err(|_| NotJson)
    }

    /// The raw inside of a string, and whether there is an escape in it.
    fn raw_string(&mut self) -> Result<(&'a [u8], bool)> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.peek().ok_or(NotJson)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(NotJson),
            }
        }
        let raw = &self.bytes[start..self.at];
        self.at += 1;
        Ok((raw, escaped))
    }

    /// Checks what follows a backslash.
    fn escape(&mut self) -> Result<()> {
        let kind = self.peek().ok_or(NotJson)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4).ok_or(NotJson)?;
                self.at += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(NotJson) }
            }
            _ => Err(NotJson),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>> {
        let (raw, escaped) = self.raw_string()?;
        if escaped {
            let decoded = String::from_utf8(unescape(raw));
            let replaced = |error: std::string::FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
            return Ok(Cow::Owned(decoded.unwrap_or_else(replaced)));
        }
        // Nearly all of it is UTF-8, and only to see that is quicker.
        Ok(std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed))
    }

    /// Steps over an object or array of any depth, checking it, without recursion.
    fn skip(&mut self) -> Result<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.white_space();
            let next = self.peek().ok_or(NotJson)?;
            if matches!(next, b'{' | b'[') {
                self.at += 1;
                self.white_space();
                let close = if next == b'{' { b'}' } else { b']' };
                if !self.eat(close) {
                    open.push(close);
                    self.skip_key(close)?;
                    continue;
                }
            } else {
                self.value(0)?;
            }
            // A value has ended: go on behind the comma, or close what it was the last of.
            loop {
                let Some(&close) = open.last() else { return Ok(()) };
                self.white_space();
                if self.eat(b',') {
                    self.skip_key(close)?;
                    break;
                }
                self.expect(close)?;
                open.pop();
            }
        }
    }

    /// In an object, steps over the key and the colon that stand before the next value.
    fn skip_key(&mut self, close: u8) -> Result<()> {
        if close == b'}' {
            self.white_space();
            self.raw_string()?;
            self.white_space();
            self.expect(b':')?;
        }
        Ok(())
    }
}

/// How many bytes stand before the first quote, backslash or control character: all of them when there is none.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The highest bit of every byte that is zero; above the lowest one that is, others may be marked, too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quotes, backslashes) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special = zeros(quotes) | zeros(backslashes) | control;
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Decodes the escapes of a checked string. What is no UTF-8 stays for the caller to replace.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        decoded.extend_from_slice(&rest[..backslash]);
        let kind = rest[backslash + 1];
        rest = &rest[backslash + 2..];
        match kind {
            b'b' => decoded.push(0x08),
            b'f' => decoded.push(0x0c),
            b'n' => decoded.push(b'\n'),
            b'r' => decoded.push(b'\r'),
            b't' => decoded.push(b'\t'),
            b'u' => {
                let (c, used) = unicode_escape(rest);
                decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[used..];
            }
            itself => decoded.push(itself),
        }
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// The character of a `\u` escape (what follows the `u`), and how many bytes it took: 4, or 10 for a pair.
fn unicode_escape(rest: &[u8]) -> (char, usize) {
    let unit = |at: usize| -> Option<u32> {
        let digits = std::str::from_utf8(rest.get(at..at + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let high = unit(0).unwrap_or(0xfffd);
    if let Some(c) = char::from_u32(high) {
        return (c, 4);
    }
    let low = if rest[4..].starts_with(b"\\u") { unit(6) } else { None };
    match low {
        Some(low @ 0xdc00..=0xdfff) if high < 0xdc00 => {
            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10)
        }
        _ => (char::REPLACEMENT_CHARACTER, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok(text: &str) -> bool {
        parse(text.as_bytes(), 64).is_ok()
    }

    #[test]
    fn strings_decode() {
        for (text, decoded) in [
            (r#""a\/b\n\u0041""#, "a/b\nA"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        ] {
            assert_eq!(parse(text.as_bytes(), 1).map(|(json, _)| json), Ok(Json::String(decoded.into())), "{text}");
        }
        assert_eq!(parse(b"\"a\xffb\"", 1).map(|(json, _)| json), Ok(Json::String("a\u{fffd}b".into())));
    }

    #[test]
    fn members_know_their_places() {
        let text = br#"{ "a" : 1 , "b":[ ] }"#;
        let Ok((Json::Object(members), end)) = parse(text, 8) else { panic!("an object") };
        assert_eq!(end, text.len());
        assert_eq!((members[0].start, members[0].end, members[0].comma_after), (2, 9, Some(10)));
        assert_eq!((members[1].comma_before, members[1].comma_after), (Some(10), None));
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}1{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
        assert!(ok(&deep));
        assert!(!ok(&deep[..deep.len() - 1]));
        assert!(matches!(parse(b"[[1]]", 1), Ok((Json::Array(values), _)) if values == [Json::TooDeep]));
    }

    proptest! {
        #[test]
        fn strings_are_plain_up_to_what_ends_them(bytes in prop::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\\'), Just(0x1f_u8), Just(0x20), Just(0x21), Just(0x7f), Just(0x80), Just(0xff), b'a'..=b'z'],
            0..40,
        )) {
            let naive = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
            prop_assert_eq!(plain(&bytes), naive);
            let clean: Vec<u8> = bytes.iter().map(|byte| byte | 0x80).collect();
            prop_assert_eq!(plain(&clean), bytes.len());
        }

        /// Whatever serde_json takes as well-formed we take, and the other way round, for text that is UTF-8.
        #[test]
        fn grammar_is_serde_jsons(text in "[\\[\\]{},:\"a0-9eE.+\\\\/untrfals -]{0,24}") {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(ok(&text), theirs, "{}", text);
            // The same through the path that only checks.
            let wrapped = format!("[{text}]");
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&wrapped).is_ok();
            prop_assert_eq!(parse(wrapped.as_bytes(), 0).is_ok(), theirs, "{}", wrapped);
        }
    }
}
