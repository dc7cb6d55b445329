//! Values of the configuration: how they are read from TOML and from text, and how they are written down again.
//!
//! A value that cannot be read becomes a [`Complaint`], which knows what is wrong but not where: the layer that the
//! value came from adds the place. Text in the environment and on the command line has no types, so there `5` is a
//! number when the key wants one; in the file it is only what TOML says it is.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes;
use super::keys::Kind;
use crate::document::{as_i64, did_you_mean};

/// A value that fits its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Any text, or one of the words of a choice.
    Text(String),
    /// Texts.
    List(Vec<Item>),
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Count(u64),
    /// A size.
    Bytes(u64),
    /// A length of time.
    Duration(Duration),
    /// A path, already made relative to where it was written.
    Path(PathBuf),
    /// The path of a file that holds a secret.
    SecretFile(PathBuf),
}

/// An element of a list, with its place when it came from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The text.
    pub text: String,
    /// Its place in the file.
    pub span: Option<Range<usize>>,
}

impl Item {
    /// An element without a place.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), span: None }
    }
}

/// Why a value does not fit; the sentence goes on after the name of the key.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    pub(crate) code: &'static str,
    pub(crate) says: String,
    pub(crate) label: String,
    pub(crate) help: Option<String>,
    /// The element of a list that is to blame.
    pub(crate) span: Option<Range<usize>>,
}

impl Complaint {
    fn new(code: &'static str, says: String, label: &str) -> Self {
        Self { code, says, label: label.to_owned(), help: None, span: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn wrong_type(kind: Kind, found: &str) -> Self {
        let article = if found.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let wanted = kind.wanted();
        let label = format!("expected {wanted}");
        let complaint = Self::new(codes::WRONG_TYPE, format!("wants {wanted}, found {article} {found}"), &label);
        match kind {
            Kind::Duration(..) => complaint.help("write the unit too, as in \"5s\" or \"250ms\""),
            _ => complaint,
        }
    }
}

impl Kind {
    fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Choice(_) => "one of its words, as a string",
            Self::List => "an array of strings",
            Self::Boolean => "true or false",
            Self::Count(..) => "a whole number",
            Self::Bytes(..) => "a number of bytes, or a size as in \"4MiB\"",
            Self::Duration(..) => "a length of time, as in \"5s\"",
            Self::Path | Self::SecretFile => "a path, as a string",
        }
    }

    /// Reads a value of the file.
    pub(crate) fn convert(self, found: &Spanned<DeValue<'_>>) -> Result<Value, Complaint> {
        let value = found.get_ref();
        let unfit = || Complaint::wrong_type(self, value.type_str());
        match self {
            Self::List => list(found).map(Value::List),
            Self::Boolean => value.as_bool().map(Value::Boolean).ok_or_else(unfit),
            Self::Count(..) => {
                let number = value.as_integer().ok_or_else(unfit)?;
                self.parse_one(&as_i64(value).map_or_else(|| number.to_string(), |number| number.to_string()))
            }
            Self::Bytes(..) if value.as_integer().is_some() => {
                self.parse_one(&as_i64(value).map_or_else(String::new, |number| number.to_string()))
            }
            _ => self.parse_one(value.as_str().ok_or_else(unfit)?),
        }
    }

    /// Reads texts of the environment or the command line; more than one only makes sense for a list.
    pub(crate) fn parse(self, texts: &[String]) -> Result<Value, Complaint> {
        if self != Self::List {
            return self.parse_one(texts.last().map_or("", String::as_str));
        }
        let mut items = Vec::new();
        for text in texts {
            items.extend(split(text)?.into_iter().map(Item::new));
        }
        Ok(Value::List(items))
    }

    fn parse_one(self, text: &str) -> Result<Value, Complaint> {
        let bad = |says: String, label: &str| Complaint::new(codes::BAD_VALUE, says, label);
        let value = match self {
            Self::Text => Value::Text(text.to_owned()),
            Self::List => Value::List(vec![Item::new(text)]),
            Self::Choice(words) => return choose(words, text),
            Self::Boolean => Value::Boolean(
                text.parse()
                    .map_err(|_| bad(format!("is `{text}`, and must be true or false"), "neither true nor false"))?,
            ),
            Self::Count(from, to) => Value::Count(text.parse().map_err(|_| {
                bad(format!("is `{text}`, and must be a whole number from {from} to {to}"), "not such a number")
            })?),
            Self::Bytes(..) => Value::Bytes(text.parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| {
                bad(format!("is `{text}`, and must be a number of bytes or a size"), "not a size")
                    .help("sizes look like 65536, \"64KiB\" or \"4MiB\"")
            })?),
            Self::Duration(..) => Value::Duration(duration(text).ok_or_else(|| {
                bad(format!("is `{text}`, and must be a length of time"), "not a length of time")
                    .help("lengths of time look like \"250ms\", \"5s\" or \"1m 30s\"")
            })?),
            Self::Path if !text.is_empty() => Value::Path(PathBuf::from(text)),
            Self::SecretFile if !text.is_empty() => Value::SecretFile(PathBuf::from(text)),
            Self::Path | Self::SecretFile => return Err(bad("is empty, and must be a path".into(), "empty")),
        };
        self.check(value)
    }

    /// Lets a value pass that is inside its range.
    pub(crate) fn check(self, value: Value) -> Result<Value, Complaint> {
        let inside = match (self, &value) {
            (Self::Count(from, to), Value::Count(number)) | (Self::Bytes(from, to), Value::Bytes(number)) => {
                (from..=to).contains(number)
            }
            (Self::Duration(from, to), Value::Duration(time)) => (from..=to).contains(time),
            _ => true,
        };
        if inside {
            return Ok(value);
        }
        let (from, to) = self.range();
        let says = format!("is {value}, and must be from {from} to {to}");
        Err(Complaint::new(codes::OUT_OF_RANGE, says, "outside its range"))
    }

    /// The range of a kind that has one.
    pub(crate) fn range(self) -> (Value, Value) {
        match self {
            Self::Bytes(from, to) => (Value::Bytes(from), Value::Bytes(to)),
            Self::Duration(from, to) => (Value::Duration(from), Value::Duration(to)),
            Self::Count(from, to) => (Value::Count(from), Value::Count(to)),
            _ => (Value::Count(0), Value::Count(u64::MAX)),
        }
    }
}

fn choose(words: &[&str], text: &str) -> Result<Value, Complaint> {
    if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(Value::Text((*word).to_owned()));
    }
    let says = format!("is `{text}`, and must be one of: {}", words.join(", "));
    let complaint = Complaint::new(codes::BAD_VALUE, says, "none of these");
    let advice = did_you_mean(text, words.iter().copied());
    Err(if advice.starts_with("did you mean") { complaint.help(advice) } else { complaint })
}

fn list(found: &Spanned<DeValue<'_>>) -> Result<Vec<Item>, Complaint> {
    if let Some(text) = found.get_ref().as_str() {
        return Ok(vec![Item { text: text.to_owned(), span: Some(found.span()) }]);
    }
    let wrong_type = |value: &Spanned<DeValue<'_>>| Complaint::wrong_type(Kind::List, value.get_ref().type_str());
    let array = found.get_ref().as_array().ok_or_else(|| wrong_type(found))?;
    let item = |element: &Spanned<DeValue<'_>>| {
        let Some(text) = element.get_ref().as_str() else {
            return Err(Complaint { span: Some(element.span()), label: "not a string".into(), ..wrong_type(element) });
        };
        Ok(Item { text: text.to_owned(), span: Some(element.span()) })
    };
    array.iter().map(item).collect()
}

/// `a,b` is two elements. A text with a comma of its own, as regular expressions have them, is written as a TOML array.
fn split(text: &str) -> Result<Vec<String>, Complaint> {
    if !text.trim_start().starts_with('[') {
        return Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect());
    }
    let unfit = || {
        Complaint::new(codes::BAD_VALUE, "starts like an array and is none".into(), "")
            .help("write a,b or [\"a\", \"b\"]")
    };
    let document = format!("list = {text}");
    let table = DeTable::parse(&document).map_err(|_| unfit())?;
    let array = table.get_ref().get("list").ok_or_else(unfit)?;
    Ok(list(array)?.into_iter().map(|item| item.text).collect())
}

/// A length of time as people write it: `5s`, `250ms`, `1m 30s`; never negative.
pub fn duration(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()
}

/// As the value would stand in the file.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(&quote(text)),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quote(&item.text)).collect();
                write!(out, "[{}]", items.join(", "))
            }
            Self::Boolean(yes) => write!(out, "{yes}"),
            Self::Count(number) => write!(out, "{number}"),
            Self::Bytes(number) => match number {
                0 => out.write_str("0"),
                _ if number % (1 << 20) == 0 => write!(out, "\"{}MiB\"", number >> 20),
                _ if number % (1 << 10) == 0 => write!(out, "\"{}KiB\"", number >> 10),
                _ => write!(out, "{number}"),
            },
            Self::Duration(time) => match SignedDuration::try_from(*time) {
                Ok(time) => write!(out, "\"{time:#}\""),
                Err(_) => write!(out, "\"{}s\"", time.as_secs()),
            },
            Self::Path(path) => out.write_str(&quote(&path.to_string_lossy())),
            // Angle brackets, not quotes: what is configured is what the file holds, and that is never shown.
            Self::SecretFile(path) => write!(out, "<from {}>", path.display()),
        }
    }
}

/// JSON's way to write a string is also TOML's.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
