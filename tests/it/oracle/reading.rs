//! What a line says: its text values, its fields and its members, as the catalog's "How rows are read" defines them.
//!
//! It knows the shapes of lines and the default field paths. It knows no rule and no phrase.

use super::json::{self, DEEPEST, Member, Value};

const APP: &[&str] = &[
    "app",
    "_app",
    "kubernetes.labels.app",
    "kubernetes.container_name",
    "applicationName",
    "service.name",
    "resource.service.name",
    "resource.attributes.service.name",
];
const SOURCE: &[&str] = &["pod", "_pod", "kubernetes.pod_name", "_host"];
const REGION: &[&str] = &["region", "_meta.region", "crn_region"];
const TIME: &[&str] = &["time", "_ts", "timestamp", "@timestamp", "ts"];
const LEVEL: &[&str] = &["level", "severity", "_level", "log.level", "severityText"];

/// The scalars of one JSON object of the line: path and value, in document order.
type Document = Vec<(String, String)>;

/// A line, decoded.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// All text values, in document order.
    pub(super) texts: Vec<String>,
    /// The same in lower case, as far as ASCII goes.
    pub(super) lowered: Vec<String>,
    /// The record, its `_source` wrapper, then the JSON objects found in strings.
    documents: Vec<Document>,
    /// The same without control characters: what is captured loses them.
    clean: Vec<Document>,
}

impl Reading {
    pub(super) fn of(payload: &[u8]) -> Reading {
        let Some(members) = json::object(payload) else {
            let mut reading = Reading::default();
            reading.say(&String::from_utf8_lossy(payload));
            return reading;
        };
        let members: Vec<Member> = members.into_iter().filter(|member| !super::is_ours(member)).collect();
        if let [Member { key, value: Value::Text(line), .. }] = members.as_slice()
            && key == "_line"
        {
            // Interpretation: "as if it were the payload" holds again for what stands inside, a `_line` in it included.
            return Reading::of(line.as_bytes());
        }
        let mut reading = Reading::default();
        reading.record(&members);
        reading
    }

    pub(super) fn app(&self) -> Option<&str> {
        field(&self.documents, APP)
    }

    pub(super) fn source(&self) -> Option<&str> {
        field(&self.documents, SOURCE)
    }

    pub(super) fn level(&self) -> Option<&str> {
        field(&self.documents, LEVEL)
    }

    /// What is captured at the first of these paths that the line has, in the first document that has it.
    pub(super) fn member(&self, paths: &[&str]) -> Option<&str> {
        field(&self.clean, paths)
    }

    fn record(&mut self, members: &[Member]) {
        self.add_document();
        // Interpretation: of several `_source` objects the last is the wrapper.
        let wrapper = members.iter().rposition(|member| member.key == "_source" && is_object(&member.value));
        if wrapper.is_some() {
            self.add_document();
        }
        for (index, member) in members.iter().enumerate() {
            let homes = [Home { document: 0, path: member.key.clone() }];
            match &member.value {
                Value::Object(inner) if wrapper == Some(index) => self.wrapped(inner),
                value => self.value(value, 1, &homes),
            }
        }
    }

    fn wrapped(&mut self, members: &[Member]) {
        for member in members {
            let in_root = Home { document: 0, path: format!("_source.{}", member.key) };
            let in_wrapper = Home { document: 1, path: member.key.clone() };
            self.value(&member.value, 2, &[in_root, in_wrapper]);
        }
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
        if homes.iter().any(|home| is_field(&home.path)) {
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

/// The scalar at the first of these paths that the line has, in the first document that has it.
fn field<'a>(documents: &'a [Document], paths: &[&str]) -> Option<&'a str> {
    paths.iter().find_map(|path| documents.iter().find_map(|document| scalar_at(document, path)))
}

/// Interpretation: of several members at one path the last scalar counts; a null or empty one after it takes nothing
/// back, because it "is not there".
fn scalar_at<'a>(document: &'a Document, path: &str) -> Option<&'a str> {
    let fits = document.iter().rev().find(|(at, scalar)| at == path && !scalar.is_empty());
    fits.map(|(_, scalar)| scalar.as_str())
}

fn is_field(path: &str) -> bool {
    [APP, SOURCE, REGION, TIME, LEVEL].iter().any(|paths| paths.contains(&path))
}

fn is_object(value: &Value) -> bool {
    matches!(value, Value::Object(_))
}
