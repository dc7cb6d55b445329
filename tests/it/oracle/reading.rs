//! What a line says: its text values, its fields and its members, as the catalog's "How rows are read" defines them.
//!
//! It knows what applications write themselves: JSON with `app`, `pod` and `level` in it, or text, and what `classify` makes
//! of text. It knows no rule, no phrase and no envelope: what stood around the line comes as [`Told`].

use super::Told;
use super::json::{self, DEEPEST, Member, Value};

/// Members whose values are no text.
const FIELDS: &[&str] = &["app", "pod", "level", "region", "crn_region", "time", "timestamp", "_ts", "ts"];
/// How a level is written that is an error, and how one that is none. Anything else is no level.
const ERRORS: &[&str] =
    &["error", "errors", "err", "fail", "failed", "fatal", "critical", "panic", "alert", "emerg", "50", "60"];
const NO_ERRORS: &[&str] = &["trace", "debug", "info", "notice", "warn", "warning", "10", "20", "30", "40"];

/// The scalars of one JSON object of the line: path and value, in document order.
type Document = Vec<(String, String)>;

/// A line, decoded.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// What stood around it.
    told: Told,
    /// All text values, in document order.
    pub(super) texts: Vec<String>,
    /// The same in lower case, as far as ASCII goes.
    pub(super) lowered: Vec<String>,
    /// The record, then the JSON objects found in strings.
    documents: Vec<Document>,
    /// The same without control characters: what is captured loses them.
    clean: Vec<Document>,
}

impl Reading {
    pub(super) fn of(told: &Told) -> Reading {
        let mut reading = Reading { told: told.clone(), ..Reading::default() };
        let Some(members) = json::object(&told.line) else {
            reading.text(&String::from_utf8_lossy(&told.line), 1, &[]);
            return reading;
        };
        let members: Vec<Member> = members.into_iter().filter(|member| !super::is_ours(member)).collect();
        match members.as_slice() {
            // Interpretation: "as if it were the payload" holds again for what stands inside, a `_line` in it included.
            [Member { key, value: Value::Text(line), .. }] if key == "_line" => reading.text(line, 1, &[]),
            members => reading.document(members, 1),
        }
        reading
    }

    pub(super) fn app(&self) -> Option<&str> {
        field(&self.documents, &["app"]).or(self.told.app.as_deref())
    }

    pub(super) fn source(&self) -> Option<&str> {
        field(&self.documents, &["pod"]).or(self.told.source.as_deref())
    }

    /// Whether its level is an error: its own word, else what is told of it.
    pub(super) fn error_level(&self) -> Option<bool> {
        let written = field(&self.documents, &["level"]).unwrap_or_default().to_ascii_lowercase();
        let word = written.trim_matches(|c: char| !c.is_alphanumeric());
        let own = match (ERRORS.contains(&word), NO_ERRORS.contains(&word)) {
            (false, false) => self.told.own,
            (is_error, _) => Some(is_error),
        };
        own.or(self.told.stamp.filter(|is_error| *is_error))
    }

    /// What is captured at the first of these paths that the line has, in the innermost document that has it.
    pub(super) fn member(&self, paths: &[&str]) -> Option<&str> {
        field(&self.clean, paths)
    }

    /// `level` is how many arrays, objects and strings with JSON stand around the value.
    fn value(&mut self, value: &Value, level: usize, homes: &[Home]) {
        if level > DEEPEST {
            return;
        }
        match value {
            Value::Null | Value::TooDeep => {}
            Value::Plain(raw) => self.note(homes, raw),
            Value::Text(text) => self.text(text, level, homes),
            Value::Array(items) => items.iter().for_each(|item| self.value(item, level + 1, &[])),
            Value::Object(members) => self.members(members, level + 1, homes),
        }
    }

    fn members(&mut self, members: &[Member], level: usize, homes: &[Home]) {
        for member in members {
            let homes: Vec<Home> = homes.iter().map(|home| home.down(&member.key)).collect();
            self.value(&member.value, level, &homes);
        }
    }

    fn text(&mut self, text: &str, level: usize, homes: &[Home]) {
        self.note(homes, text);
        if homes.iter().any(|home| FIELDS.contains(&home.path.as_str())) {
            return;
        }
        match json::container(text.as_bytes()) {
            None => self.say(text),
            Some(Value::Object(members)) if level + 2 <= DEEPEST => self.document(&members, level + 2),
            Some(inner) => self.value(&inner, level + 1, &[]),
        }
    }

    fn say(&mut self, text: &str) {
        self.texts.push(text.to_owned());
        self.lowered.push(text.to_ascii_lowercase());
    }

    fn document(&mut self, members: &[Member], level: usize) {
        let document = self.documents.len();
        self.add_document();
        for member in members {
            self.value(&member.value, level, &[Home { document, path: member.key.clone() }]);
        }
    }

    fn note(&mut self, homes: &[Home], scalar: &str) {
        for home in homes {
            self.documents[home.document].push((home.path.clone(), scalar.to_owned()));
            self.clean[home.document].push((home.path.clone(), without_controls(scalar)));
        }
    }

    fn add_document(&mut self) {
        self.documents.push(Document::new());
        self.clean.push(Document::new());
    }
}

/// Where a value stands in a document: the keys that lead to it, joined by full stops.
struct Home {
    document: usize,
    path: String,
}

impl Home {
    fn down(&self, key: &str) -> Home {
        Home { document: self.document, path: format!("{}.{key}", self.path) }
    }
}

/// C0, DEL and C1.
pub(super) fn without_controls(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')).collect()
}

/// The scalar at the first of these paths that the line has, in the innermost document that has it.
fn field<'a>(documents: &'a [Document], paths: &[&str]) -> Option<&'a str> {
    paths.iter().find_map(|path| documents.iter().rev().find_map(|document| scalar_at(document, path)))
}

/// Interpretation: of several members at one path the last scalar counts; a null or empty one after it takes nothing
/// back, because it "is not there".
fn scalar_at<'a>(document: &'a Document, path: &str) -> Option<&'a str> {
    let fits = document.iter().rev().find(|(at, scalar)| at == path && !scalar.is_empty());
    fits.map(|(_, scalar)| scalar.as_str())
}
