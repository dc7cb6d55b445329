//! Reads a TOML file key by key and remembers everything that is wrong with it.
//!
//! Packs and the configuration are both TOML files written by people; both want all mistakes at once, with places and
//! a "did you mean". [`Reader`] holds the file and the list of problems, [`Table`] hands out typed values and knows
//! which keys nobody asked for. The syntax itself, with recovery after an error, is the `toml` crate's (`parsing`).

mod parsing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Source};

pub use parsing::{Mistake, Parsed, parse};

/// A value and the byte range it stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// The codes for what can be wrong with any such file, so that packs and configuration number theirs apart.
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// The TOML does not parse.
    pub syntax: &'static str,
    /// A key that means nothing here.
    pub unknown_key: &'static str,
    /// A value of the wrong type.
    pub wrong_type: &'static str,
    /// A key that must be there is not.
    pub missing_key: &'static str,
}

/// A file being read, and what was found wrong so far.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    codes: Codes,
    problems: RefCell<Vec<Diagnostic>>,
    /// How many there were of each code.
    counts: RefCell<BTreeMap<&'static str, usize>>,
}

/// Problems of one code that are told of one file. Who has more of them has one mistake, many times.
const TOLD_MAX: usize = 1000;
/// Bytes of a sentence that are told.
const SENTENCE_MAX: usize = 2 << 10;

/// Takes the middle out of a sentence that is too long.
fn shorten(sentence: &mut String) {
    if sentence.len() > SENTENCE_MAX {
        let head = sentence.floor_char_boundary(SENTENCE_MAX / 2);
        let tail = sentence.ceil_char_boundary(sentence.len() - SENTENCE_MAX / 2);
        sentence.replace_range(head..tail, "…");
    }
}

impl Reader {
    /// Starts reading a file.
    #[must_use]
    pub fn new(source: Arc<Source>, codes: Codes) -> Self {
        Self { source, codes, problems: RefCell::default(), counts: RefCell::default() }
    }

    /// The file.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Parses the file; what does not parse becomes problems, what does is handed to `visit`.
    pub fn read<T>(&self, visit: impl FnOnce(Table<'_>) -> T) -> T {
        self.read_parsed(&parse(&self.source.text), visit)
    }

    /// The same for a text that must not be shown as it is: the source is then a copy of equal length, for the eye only.
    pub fn read_parsed<T>(&self, parsed: &Parsed<'_>, visit: impl FnOnce(Table<'_>) -> T) -> T {
        for Mistake { span, says, help } in &parsed.mistakes {
            if self.wants(self.codes.syntax) {
                self.add(Diagnostic::error(self.codes.syntax, says).at(&self.source, span.clone(), "here").help(*help));
            }
        }
        visit(Table::new(self, parsed.table.get_ref(), parsed.table.span(), String::new()))
    }

    /// Adds a problem; of very many of one kind, the last ones are only counted.
    pub fn report(&self, diagnostic: Diagnostic) {
        if self.wants(diagnostic.code) {
            self.add(diagnostic);
        }
    }

    /// Counts a problem. False where it is one too many to be told, so that who has a million of them need not put each into
    /// words, most of all not compare each with all that is known.
    pub fn wants(&self, code: &'static str) -> bool {
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(code).or_default();
        *count += 1;
        *count <= TOLD_MAX
    }

    /// Adds a problem that [`Self::wants`] has counted. A name may be as long as the file; nobody reads one to its end.
    pub fn add(&self, mut diagnostic: Diagnostic) {
        let Diagnostic { message, label, help, .. } = &mut diagnostic;
        [message, label].into_iter().chain(help).for_each(shorten);
        self.problems.borrow_mut().push(diagnostic);
    }

    /// Adds an error that points at a spot.
    pub fn error(&self, code: &'static str, span: Range<usize>, message: impl Into<String>, label: &str, help: &str) {
        if !self.wants(code) {
            return;
        }
        let mut diagnostic = Diagnostic::error(code, message).at(&self.source, span, label);
        if !help.is_empty() {
            diagnostic = diagnostic.help(help);
        }
        self.add(diagnostic);
    }

    /// How many problems there are so far.
    #[must_use]
    pub fn found(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Everything found wrong.
    #[must_use]
    pub fn into_problems(self) -> Vec<Diagnostic> {
        let mut problems = self.problems.into_inner();
        for (code, count) in self.counts.into_inner() {
            // Told at the last that was told of, so that it comes behind all of them.
            let last = problems.iter().rev().find(|problem| problem.code == code).filter(|_| count > TOLD_MAX);
            if let Some(Diagnostic { grade, place, .. }) = last {
                let message = format!("{} more of these in this file are not shown", count - TOLD_MAX);
                let more = Diagnostic { grade: *grade, place: place.clone(), ..Diagnostic::error(code, message) };
                problems.push(more.help("mend those that are shown, then look again"));
            }
        }
        problems
    }
}

/// A table of the file. Ask it for its keys, then call [`Table::finish`], which reports the keys nobody asked for.
pub struct Table<'a> {
    reader: &'a Reader,
    table: &'a DeTable<'a>,
    /// Where the table stands.
    pub span: Range<usize>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    fn new(reader: &'a Reader, table: &'a DeTable<'a>, span: Range<usize>, path: String) -> Self {
        Self { reader, table, span, path, asked: RefCell::default() }
    }

    /// The dotted name of this table, as in `rule.case`; empty for the file itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &Spanned<DeValue<'_>>) {
        let found = value.get_ref().type_str();
        let help = match wanted {
            "a string" => "write it in quotes: \"…\", or '…' where nothing is to be escaped",
            "true or false" => "write it without quotes: true or false",
            "a whole number" => "write digits without quotes and without a point",
            "a table" => "write { key = value, … }",
            _ => "write [\"…\", \"…\"]",
        };
        self.reader.error(
            self.reader.codes.wrong_type,
            value.span(),
            format!("`{key}` wants {wanted}, found {} {found}", article(found)),
            &format!("expected {wanted}"),
            help,
        );
    }

    fn typed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        convert: impl Fn(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<Placed<T>> {
        let value = self.value(key)?;
        let converted = convert(value.get_ref());
        if converted.is_none() {
            self.wrong_type(key, wanted, value);
        }
        converted.map(|converted| Placed { value: converted, span: value.span() })
    }

    /// True when the key is there; does not count as asking for it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A string.
    #[must_use]
    pub fn string(&self, key: &'static str) -> Option<Placed<String>> {
        self.typed(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A string that must be there.
    #[must_use]
    pub fn required_string(&self, key: &'static str, help: &str) -> Option<Placed<String>> {
        if !self.has(key) {
            let place = if self.path.is_empty() { "the file".to_owned() } else { format!("`[{}]`", self.path) };
            let span = self.span.clone();
            let message = format!("{place} has no `{key}`");
            self.reader.error(self.reader.codes.missing_key, span, message, &format!("`{key}` is missing"), help);
        }
        self.string(key)
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(&self, key: &'static str) -> Option<Placed<bool>> {
        self.typed(key, "true or false", DeValue::as_bool)
    }

    /// A whole number.
    #[must_use]
    pub fn integer(&self, key: &'static str) -> Option<Placed<i64>> {
        self.typed(key, "a whole number", as_i64)
    }

    /// Strings; a single string counts as a list of one.
    #[must_use]
    pub fn strings(&self, key: &'static str) -> Option<Vec<Placed<String>>> {
        let value = self.value(key)?;
        if let Some(text) = value.get_ref().as_str() {
            return Some(vec![Placed { value: text.to_owned(), span: value.span() }]);
        }
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(key, "an array of strings", value);
            return None;
        };
        let mut strings = Vec::new();
        for element in array.iter() {
            match element.get_ref().as_str() {
                Some(text) => strings.push(Placed { value: text.to_owned(), span: element.span() }),
                None => self.wrong_type(key, "only strings in this array", element),
            }
        }
        Some(strings)
    }

    /// The elements of an array as they are; a value that is no array counts as a list of one.
    #[must_use]
    pub fn values(&self, key: &'static str) -> Vec<&'a Spanned<DeValue<'a>>> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => match value.get_ref().as_array() {
                Some(array) => array.iter().collect(),
                None => vec![value],
            },
        }
    }

    /// A sub-table.
    #[must_use]
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let value = self.value(key)?;
        self.as_table(value, key)
    }

    /// An array of tables, or one table as a list of one.
    #[must_use]
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        self.values(key).into_iter().filter_map(|value| self.as_table(value, key)).collect()
    }

    /// This value as a sub-table named `key`; reports when it is none.
    #[must_use]
    pub fn as_table(&self, value: &'a Spanned<DeValue<'a>>, key: &str) -> Option<Table<'a>> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        match value.get_ref().as_table() {
            Some(table) => Some(Table::new(self.reader, table, value.span(), path)),
            None => {
                self.wrong_type(key, "a table", value);
                None
            }
        }
    }

    /// All members, for a table whose keys are the author's own (facts, headings, librdkafka settings).
    pub fn members(&self) -> impl Iterator<Item = (Placed<String>, &'a Spanned<DeValue<'a>>)> {
        self.table.iter().map(|(key, value)| (Placed { value: key.get_ref().to_string(), span: key.span() }, value))
    }

    /// Reports every key that nobody asked for. `elsewhere` names keys of the table above, for the hint about a key
    /// that landed in a sub-table by accident.
    pub fn finish(self, elsewhere: &[&str]) {
        let asked = self.asked.borrow();
        let unknown_key = self.reader.codes.unknown_key;
        for (key, _) in self.table.iter().filter(|(key, _)| !asked.contains(&key.get_ref().as_ref())) {
            if !self.reader.wants(unknown_key) {
                continue;
            }
            let name = key.get_ref().as_ref();
            let place = if self.path.is_empty() { "this file".to_owned() } else { format!("`{}`", self.path) };
            let help = if elsewhere.contains(&name) {
                let parent = self.path.rsplit_once('.').map_or("", |(parent, _)| parent);
                format!(
                    "`{name}` belongs to `[[{parent}]]`: a key belongs to the table header above it, so move this line above the `[[{}]]` header",
                    self.path
                )
            } else {
                did_you_mean(name, asked.iter().copied())
            };
            let message = format!("unknown key `{name}` in {place}");
            let diagnostic = Diagnostic::error(unknown_key, message);
            self.reader.add(diagnostic.at(&self.reader.source, key.span(), "nobody reads this key").help(help));
        }
    }
}

/// A TOML integer that fits 64 bits.
#[must_use]
pub fn as_i64(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

/// Nobody who writes a longer name means one of ours, and likeness takes time by the product of lengths.
const NAME_MAX: usize = 64;
/// Names that one is compared with.
const KNOWN_MAX: usize = 1000;
/// Names that are listed.
const LISTED_MAX: usize = 60;

/// "did you mean `x`?", or the list of what there is.
#[must_use]
pub fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let mut known: Vec<&str> = known.take(KNOWN_MAX).collect();
    known.sort_unstable();
    known.dedup();
    let likeness = |other: &&&str| strsim::jaro_winkler(name, other);
    let nearest = known.iter().filter(|_| name.len() <= NAME_MAX).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(nearest) if strsim::jaro_winkler(name, nearest) > 0.8 => format!("did you mean `{nearest}`?"),
        _ if known.is_empty() => String::from("nothing is known by that name here"),
        _ if known.len() > LISTED_MAX => format!("known here: {}, …", known[..LISTED_MAX].join(", ")),
        _ => format!("known here: {}", known.join(", ")),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// A table as JSON, places left out: to compare what two files say, and to hold a file against a JSON Schema. Dates
/// become strings; what is no number of JSON (an integer beyond 64 bits, `nan`) stays its text.
#[must_use]
pub fn json(table: &DeTable<'_>) -> serde_json::Value {
    let members = table.iter().map(|(key, value)| (key.get_ref().to_string(), json_of(value.get_ref())));
    serde_json::Value::Object(members.collect())
}

fn json_of(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Integer(integer) => as_i64(value).map_or_else(|| integer.to_string().into(), Into::into),
        DeValue::Float(float) => {
            let number = float.as_str().replace('_', "").parse().ok().and_then(serde_json::Number::from_f64);
            number.map_or_else(|| float.as_str().into(), serde_json::Value::Number)
        }
        DeValue::Datetime(date) => date.to_string().into(),
        DeValue::Array(array) => array.iter().map(|element| json_of(element.get_ref())).collect(),
        DeValue::Table(table) => json(table),
    }
}
