//! Writing JSON in all the ways that writers do: escapes, white space, and characters that are none.
//!
//! It knows how values are written, not what stands in them.

use fastrand::Rng;

use super::{percent, pick};

/// Stands for a lone surrogate: an escape in JSON, three invalid bytes in plain text.
pub(super) const LONE: char = '\u{e000}';
/// Stands for the byte FF, which is never UTF-8.
pub(super) const INVALID: char = '\u{e001}';
/// Stands for the first two bytes of a three-byte character.
pub(super) const TORN: char = '\u{e002}';

pub(super) type Members = Vec<(String, Node)>;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    /// A number, `true`, `false` or `null`, as it is to be written.
    Raw(String),
    Array(Vec<Node>),
    Object(Members),
    /// JSON inside a string.
    Json(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Escape {
    Minimal,
    /// `\/`
    Slashes,
    /// `\u0061` for some letters, in either case of hexadecimal.
    SomeLetters,
    /// `<`, `>`, `&` and `'` as numbers.
    Html,
    /// All that is not ASCII as numbers.
    Ascii,
    Everything,
}

const ESCAPES: &[Escape] =
    &[Escape::Minimal, Escape::Slashes, Escape::SomeLetters, Escape::Html, Escape::Ascii, Escape::Everything];

#[derive(Debug, Clone, Copy)]
enum Spacing {
    Compact,
    Wide,
    Indented,
    Odd,
}

/// How one writer writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    escape: Escape,
    /// Chooses anew for each string.
    fickle: bool,
    spacing: Spacing,
}

impl Style {
    pub(super) fn any(rng: &mut Rng) -> Style {
        let spacing = match rng.u8(..10) {
            0 => Spacing::Indented,
            1 => Spacing::Odd,
            2 | 3 => Spacing::Wide,
            _ => Spacing::Compact,
        };
        let escape = if rng.bool() { Escape::Minimal } else { pick(rng, ESCAPES) };
        Style { escape, fickle: percent(rng, 25), spacing }
    }

    /// For JSON inside strings, where a long way of escaping would multiply with each level.
    fn inside(rng: &mut Rng) -> Style {
        let escape = pick(rng, &[Escape::Minimal, Escape::Minimal, Escape::Slashes, Escape::Html, Escape::SomeLetters]);
        Style { escape, fickle: false, ..Style::any(rng) }
    }
}

pub(super) fn write(rng: &mut Rng, node: &Node, style: impl Fn(&mut Rng) -> Style) -> String {
    let style = style(rng);
    let mut writer = Writer { out: String::new(), depth: 0, style, rng };
    writer.node(node);
    writer.out
}

/// The bytes of a line, with what cannot stand in a `String` put in its place.
pub(super) fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match character {
            LONE => bytes.extend_from_slice(b"\xed\xa0\x80"),
            INVALID => bytes.push(0xff),
            TORN => bytes.extend_from_slice(b"\xe2\x82"),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

struct Writer<'a> {
    out: String,
    depth: usize,
    style: Style,
    rng: &'a mut Rng,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node) {
        match node {
            Node::Text(text) => self.string(text),
            Node::Raw(raw) => self.out.push_str(raw),
            Node::Array(items) => self.list('[', items, ']', Self::node),
            Node::Object(members) => self.list('{', members, '}', Self::member),
            Node::Json(inner) => {
                let written = write(self.rng, inner, Style::inside);
                self.string(&written);
            }
        }
    }

    fn member(&mut self, (key, value): &(String, Node)) {
        self.string(key);
        self.space();
        self.out.push(':');
        if matches!(self.style.spacing, Spacing::Wide | Spacing::Indented) {
            self.out.push(' ');
        }
        self.space();
        self.node(value);
    }

    fn list<T>(&mut self, open: char, items: &[T], close: char, item: impl Fn(&mut Self, &T)) {
        self.out.push(open);
        self.depth += 1;
        for (index, each) in items.iter().enumerate() {
            if index > 0 {
                self.space();
                self.out.push(',');
            }
            self.line_break();
            item(self, each);
        }
        self.depth -= 1;
        self.line_break();
        self.out.push(close);
    }

    fn line_break(&mut self) {
        match self.style.spacing {
            Spacing::Indented => {
                self.out.push('\n');
                // Deep nesting would be mostly indentation.
                self.out.push_str(&"  ".repeat(self.depth.min(8)));
            }
            Spacing::Odd | Spacing::Wide => self.space(),
            Spacing::Compact => {}
        }
    }

    fn space(&mut self) {
        if let Spacing::Odd = self.style.spacing {
            self.out.push_str(pick(self.rng, &["", "", " ", "\t", "\n", "\r\n", "   "]));
        }
    }

    fn string(&mut self, text: &str) {
        let escape = if self.style.fickle { pick(self.rng, ESCAPES) } else { self.style.escape };
        self.out.push('"');
        for character in text.chars() {
            self.character(character, escape);
        }
        self.out.push('"');
    }

    fn character(&mut self, character: char, escape: Escape) {
        match character {
            LONE => self.out.push_str(pick(self.rng, &["\\ud83d", "\\uDC00", "\\uDBFF"])),
            INVALID | TORN => self.out.push(character),
            '"' | '\\' if escape != Escape::Everything => self.out.extend(['\\', character]),
            '\0'..' ' if escape != Escape::Everything => self.control(character),
            '/' if escape == Escape::Slashes => self.out.push_str("\\/"),
            _ if self.as_number(character, escape) => self.number(character),
            _ => self.out.push(character),
        }
    }

    fn as_number(&mut self, character: char, escape: Escape) -> bool {
        match escape {
            Escape::Minimal | Escape::Slashes => false,
            Escape::SomeLetters => character.is_alphabetic() && percent(self.rng, 15),
            Escape::Html => "<>&'\u{2028}\u{2029}".contains(character),
            Escape::Ascii => !character.is_ascii(),
            Escape::Everything => true,
        }
    }

    fn control(&mut self, character: char) {
        let short = match character {
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            _ => None,
        };
        match short.filter(|_| percent(self.rng, 80)) {
            Some(short) => self.out.extend(['\\', short]),
            None => self.number(character),
        }
    }

    fn number(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let written = if self.rng.bool() { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
            self.out.push_str(&written);
        }
    }
}
