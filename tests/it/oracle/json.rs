//! Reading JSON: one value, strictly by its grammar, with the places of an object's members.
//!
//! It knows RFC 8259 and nothing of log lines. Some things are looser than the letter: numbers are never evaluated,
//! Python's `NaN` and `Infinity` are null, a byte order mark may stand first, lone surrogate escapes and invalid UTF-8 inside
//! strings are read as U+FFFD. It keeps its own stack, so no nesting
//! overflows; containers below `DEEPEST` are checked but not kept.

/// Containers at a deeper level than this are read as [`Value::TooDeep`]. The outermost one is at level 1.
pub(super) const DEEPEST: usize = 64;

#[derive(Debug)]
pub(super) enum Value {
    Null,
    /// `true`, `false` or a number, as written.
    Plain(String),
    Text(String),
    Array(Vec<Value>),
    Object(Vec<Member>),
    /// An array or object whose content is not looked at.
    TooDeep,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) value: Value,
    /// Where the comma stands that separates it from the member before.
    pub(super) comma_before: Option<usize>,
    /// Where the key's opening quote stands.
    pub(super) start: usize,
    /// Just behind the value.
    pub(super) end: usize,
}

/// The members of the object that these bytes are, white space around it aside.
pub(super) fn object(bytes: &[u8]) -> Option<Vec<Member>> {
    match whole(bytes)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// The object or array that these bytes are, white space around it aside.
pub(super) fn container(bytes: &[u8]) -> Option<Value> {
    whole(bytes).filter(|value| matches!(value, Value::Object(_) | Value::Array(_)))
}

fn whole(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { bytes, at: if bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 } };
    let value = reader.value()?;
    reader.skip_white_space();
    (reader.at == bytes.len()).then_some(value)
}

/// A container whose end was not reached yet.
enum Open {
    Array(Vec<Value>),
    Object(Vec<Member>, Pending),
}

/// A member whose value is being read.
struct Pending {
    key: String,
    comma_before: Option<usize>,
    start: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Value> {
        let mut open = Vec::new();
        loop {
            let Some(mut value) = self.scalar_or_opening(&mut open)? else { continue };
            // A complete value ends containers as long as closing brackets follow it.
            loop {
                match open.pop() {
                    None => return Some(value),
                    Some(container) => match self.after_value(container, value, open.len() + 1)? {
                        Step::Closed(closed) => value = closed,
                        Step::Goes(container) => {
                            open.push(container);
                            break;
                        }
                    },
                }
            }
        }
    }

    /// A scalar or an empty container as a value; nothing when a container was opened.
    fn scalar_or_opening(&mut self, open: &mut Vec<Open>) -> Option<Option<Value>> {
        self.skip_white_space();
        match self.peek()? {
            b'{' => self.opening_object(open),
            b'[' => self.opening_array(open),
            b'"' => self.string().map(|text| Some(Value::Text(text))),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'N' => self.word("NaN"),
            b'I' => self.word("Infinity"),
            b'-' if self.bytes[self.at..].starts_with(b"-I") => self.word("-Infinity"),
            _ => self.number(),
        }
    }

    fn opening_object(&mut self, open: &mut Vec<Open>) -> Option<Option<Value>> {
        self.at += 1;
        self.skip_white_space();
        if self.eat(b'}') {
            return Some(Some(kept(Value::Object(Vec::new()), open.len() + 1)));
        }
        let pending = self.key(None)?;
        open.push(Open::Object(Vec::new(), pending));
        Some(None)
    }

    fn opening_array(&mut self, open: &mut Vec<Open>) -> Option<Option<Value>> {
        self.at += 1;
        self.skip_white_space();
        if self.eat(b']') {
            return Some(Some(kept(Value::Array(Vec::new()), open.len() + 1)));
        }
        open.push(Open::Array(Vec::new()));
        Some(None)
    }

    fn after_value(&mut self, container: Open, value: Value, level: usize) -> Option<Step> {
        let end = self.at;
        self.skip_white_space();
        match container {
            Open::Array(mut items) => {
                items.push(value);
                if self.eat(b']') {
                    return Some(Step::Closed(kept(Value::Array(items), level)));
                }
                self.eat(b',').then_some(Step::Goes(Open::Array(items)))
            }
            Open::Object(mut members, Pending { key, comma_before, start }) => {
                members.push(Member { key, value, comma_before, start, end });
                if self.eat(b'}') {
                    return Some(Step::Closed(kept(Value::Object(members), level)));
                }
                let comma = self.at;
                if !self.eat(b',') {
                    return None;
                }
                let pending = self.key(Some(comma))?;
                Some(Step::Goes(Open::Object(members, pending)))
            }
        }
    }

    fn key(&mut self, comma_before: Option<usize>) -> Option<Pending> {
        self.skip_white_space();
        let start = self.at;
        let key = self.string()?;
        self.skip_white_space();
        self.eat(b':').then_some(Pending { key, comma_before, start })
    }

    fn word(&mut self, word: &str) -> Option<Option<Value>> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end)? != word.as_bytes() {
            return None;
        }
        self.at = end;
        Some(Some(if !matches!(word, "true" | "false") { Value::Null } else { Value::Plain(word.to_owned()) }))
    }

    fn number(&mut self) -> Option<Option<Value>> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let raw = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        Some(Some(Value::Plain(raw)))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        if !self.eat(b'"') {
            return None;
        }
        let mut decoded = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Some(String::from_utf8_lossy(&decoded).into_owned()),
                b'\\' => self.escape(&mut decoded)?,
                0..=0x1f => return None,
                byte => decoded.push(byte),
            }
        }
    }

    fn escape(&mut self, decoded: &mut Vec<u8>) -> Option<()> {
        let byte = match self.next()? {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'u' => {
                let character = self.unicode()?;
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        };
        decoded.push(byte);
        Some(())
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.four_hex()?;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.four_hex()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = back;
        }
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_hex(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code * 16 + char::from(self.next()?).to_digit(16)?;
        }
        Some(code)
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let fits = self.peek() == Some(byte);
        self.at += usize::from(fits);
        fits
    }
}

enum Step {
    /// The container ended: it is a value now.
    Closed(Value),
    /// A comma: the container goes on with another value.
    Goes(Open),
}

fn kept(container: Value, level: usize) -> Value {
    if level > DEEPEST { Value::TooDeep } else { container }
}
