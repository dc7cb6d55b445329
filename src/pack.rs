//! What are we looking for? Text in, rules and a list of diagnostics out.
//!
//! A pack is one TOML file, usually one per runbook; `patterns/README.md` is the language's reference. [`parse`] reads
//! any number of them into one [`Packs`], in which every name is resolved: a rule points at its sections, tables,
//! contexts and facts, shared facts are already attached to the rules they name. It reports everything that is wrong,
//! never just the first mistake. This room reads no files and knows nothing of lines: what a condition means is the
//! engine's business.

mod alert;
mod builtin;
mod changes;
pub mod codes;
mod digest;
pub mod extract;
pub mod fmt;
pub mod lint;
mod parse;
mod resolve;
pub mod schema;

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Source;

pub use alert::{Alert, Escalate, Moment, Name, Piece, Sequence, Step, Template, Threshold};
pub use builtin::builtin;
pub use changes::{Changes, changes};
pub use digest::digest;
pub(crate) use digest::{Digesting, hex, pack_name};
pub use parse::CODES;
pub use resolve::{parse, read};

/// Several packs, every name in them resolved.
#[derive(Debug, Clone, Default)]
pub struct Packs {
    /// The packs, by name.
    pub packs: Vec<Pack>,
    /// Every fact that any pack declares; the index is what captures refer to.
    pub facts: Vec<Fact>,
    /// What sources can be remembered to have said; the index is what cases refer to.
    pub contexts: Vec<Context>,
    /// All rules of all packs.
    pub rules: Vec<Rule>,
    /// All alerts of all packs.
    pub alerts: Vec<Alert>,
    /// The sequences by which alerts prove themselves.
    pub sequences: Vec<Sequence>,
    /// Digest over names and texts of all packs: 16 hexadecimal digits of SHA-256.
    pub digest: String,
}

impl Packs {
    /// Lets go of what an engine does not ask for once it stands, which is most of the memory: the texts of the files,
    /// conditions, examples and sequences. [`changes`] goes on telling what is different.
    pub fn let_go(&mut self) {
        for pack in &mut self.packs {
            pack.source = Arc::new(Source { name: pack.source.name.clone(), text: String::new() });
        }
        for rule in &mut self.rules {
            rule.asked = Some(rule.asks());
            (rule.all, rule.any, rule.none) = (Vec::new(), Vec::new(), Vec::new());
            rule.examples = Examples::default();
            for case in &mut rule.cases {
                (case.also, case.examples) = (Vec::new(), Examples::default());
            }
        }
        for context in &mut self.contexts {
            (context.all, context.any, context.none) = (Vec::new(), Vec::new(), Vec::new());
        }
        self.sequences = Vec::new();
    }
}

/// One file.
#[derive(Debug, Clone)]
pub struct Pack {
    /// The file's name without `.toml`.
    pub name: String,
    /// The file.
    pub source: Arc<Source>,
    /// First 8 hexadecimal digits of the text's SHA-256.
    pub digest: String,
    /// File name of the runbook.
    pub runbook: Option<String>,
    /// Path of the runbook's page, with a slash in front.
    pub link: Option<String>,
    /// Findings that are let pass anywhere in the file.
    pub waivers: Vec<Waiver>,
}

/// A finding of `check` that its author lets pass, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The code, as in `L05`.
    pub code: String,
    /// Why it is right as it is.
    pub reason: String,
    /// The last day (UTC) on which it holds; for ever when absent.
    pub until: Option<jiff::civil::Date>,
    /// Where it stands in the pack's file.
    pub span: Range<usize>,
}

impl Pack {
    /// `name@digest`: which text of which pack has spoken.
    #[must_use]
    pub fn edition(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}

/// A fact that captures produce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its name in the added object.
    pub name: String,
    /// Its type, the same on every line.
    pub kind: Kind,
}

/// The types that facts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Float,
    /// True or false.
    Bool,
}

impl Kind {
    /// The name used in `[capture]`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
        }
    }

    /// The fact that this text is, if it fits the type. Empty text is no fact.
    #[must_use]
    pub fn value_of(self, text: &str) -> Option<Value> {
        match self {
            Self::String => (!text.is_empty()).then(|| Value::String(text.to_owned())),
            Self::Int => text.parse().ok().map(Value::Int),
            Self::Float => text.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float),
            Self::Bool if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
            Self::Bool if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
            Self::Bool => None,
        }
    }
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// True or false.
    Bool(bool),
}

impl Value {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::String(_) => Kind::String,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Bool(_) => Kind::Bool,
        }
    }
}

/// How bad it is: PagerDuty's words, OpenTelemetry's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look when there is time.
    Warning,
    /// Something failed.
    Error,
    /// Somebody must act now.
    Critical,
}

impl Severity {
    /// From least to most severe.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The word used in packs, in the added object and in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// OpenTelemetry's severity number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Info => 9,
            Self::Warning => 13,
            Self::Error => 17,
            Self::Critical => 18,
        }
    }
}

/// One thing that must (or must not) hold for a line.
#[derive(Debug, Clone)]
pub enum Condition {
    /// The phrase occurs in some text value.
    Phrase(String),
    /// The phrase occurs and, after optional white space, one of the others follows in the same value.
    PhraseThen {
        /// What comes first.
        phrase: String,
        /// What may follow.
        then: Vec<String>,
    },
    /// All words occur in one value, each as a whole word.
    Words(Vec<String>),
    /// The expression matches in some text value.
    Regex(Arc<Regex>),
    /// The line has a level and it is an error.
    LevelError,
}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        mem::discriminant(self).hash(state);
        match self {
            Self::Phrase(phrase) => phrase.hash(state),
            Self::PhraseThen { phrase, then } => (phrase, then).hash(state),
            Self::Words(words) => words.hash(state),
            Self::Regex(regex) => regex.as_str().hash(state),
            Self::LevelError => {}
        }
    }
}

impl Condition {
    /// The literal text that every line contains which fulfils this condition; none when nothing literal is sure to be
    /// there.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Phrase(phrase) | Self::PhraseThen { phrase, .. } => Some(phrase),
            Self::Words(words) => words.iter().max_by_key(|word| word.len()).map(String::as_str),
            Self::Regex(_) | Self::LevelError => None,
        }
    }
}

/// A rule as the engine uses it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Index of its pack.
    pub pack: usize,
    /// Apps in scope; empty is any.
    pub app: Vec<String>,
    /// A line without any app is outside.
    pub app_required: bool,
    /// When the line has a level it must be an error.
    pub level_error: bool,
    /// All must hold.
    pub all: Vec<Condition>,
    /// One must hold, unless empty.
    pub any: Vec<Condition>,
    /// None may hold.
    pub none: Vec<Condition>,
    /// Its own captures first, then those of `[[facts]]` that name it.
    pub captures: Vec<Captures>,
    /// Ids that push it aside.
    pub unless: Vec<IdPattern>,
    /// What is reported when no case holds.
    pub report: Report,
    /// The first that holds changes the report.
    pub cases: Vec<Case>,
    /// Lines that prove it.
    pub examples: Examples,
    /// Findings about it that are let pass.
    pub waivers: Vec<Waiver>,
    /// Where its id stands in the pack's file.
    pub span: Range<usize>,
    /// What [`Packs::let_go`] has left of the conditions, those of cases too: a hash.
    pub asked: Option<u64>,
}

impl Rule {
    /// A hash of the conditions, those of cases too, by which one process tells others from them.
    fn asks(&self) -> u64 {
        self.asked.unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            let also = self.cases.iter().map(|case| &case.also);
            for conditions in [&self.all, &self.any, &self.none].into_iter().chain(also) {
                conditions.hash(&mut hasher);
            }
            hasher.finish()
        })
    }

    /// What it can report, and the lines that prove it: its own, then those of its cases.
    pub fn reports(&self) -> impl Iterator<Item = (&Report, &Examples)> {
        let of_cases = self.cases.iter().map(|case| (&case.report, &case.examples));
        std::iter::once((&self.report, &self.examples)).chain(of_cases)
    }

    /// Every id it can be reported under.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.reports().map(|(report, _)| report.id.as_str())
    }
}

/// What stands on the line when a rule (or its case) matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `family.name`
    pub id: String,
    /// One sentence.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// Breaks ties.
    pub priority: i64,
    /// Anchor in the runbook's page.
    pub anchor: String,
    /// Heading at that anchor.
    pub section: String,
    /// What to do.
    pub action: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// A further page.
    pub see: Option<String>,
    /// How long snoozing is fine.
    pub snooze: Option<String>,
}

/// A change of the report.
#[derive(Debug, Clone)]
pub struct Case {
    /// Facts that must have one of these values.
    pub when: Vec<(usize, Vec<Value>)>,
    /// Conditions that must all hold.
    pub also: Vec<Condition>,
    /// Contexts that the source must have said.
    pub earlier: Vec<usize>,
    /// The rule's report with the case's changes in it.
    pub report: Report,
    /// Lines that prove it.
    pub examples: Examples,
    /// Where it stands in the pack's file.
    pub span: Range<usize>,
}

/// Captures that belong together.
#[derive(Debug, Clone, Default)]
pub struct Captures {
    /// Tried in order; the first success per fact wins.
    pub get: Vec<Get>,
    /// Facts taken from the source's memory.
    pub inherit: Vec<usize>,
    /// A table row.
    pub lookup: Option<Lookup>,
}

/// One way to get a fact.
#[derive(Debug, Clone)]
pub struct Get {
    /// Index of the fact.
    pub fact: usize,
    /// Where from.
    pub from: Origin,
    /// No capture, no match.
    pub required: bool,
    /// Made upper case.
    pub upper: bool,
    /// Every distinct capture but the value of that other fact.
    pub every_except: Option<usize>,
}

/// Where a capture looks.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A member.
    Path(String),
    /// The text values.
    Text(Arc<Regex>),
    /// Another fact.
    Fact(usize, Arc<Regex>),
}

/// A table row chosen by a fact or by what an expression finds.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Index of the fact whose value is compared, when there is no expression.
    pub by: Option<usize>,
    /// Finds the value to compare in the text.
    pub re: Option<Arc<Regex>>,
    /// The table.
    pub rows: Arc<Vec<Row>>,
}

/// A row of a lookup table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What the value must be for this row.
    pub fits: Fits,
    /// Facts it gives.
    pub facts: Vec<(usize, Value)>,
    /// What to do, where the rule says nothing.
    pub action: Option<String>,
    /// Whom to ask, where the rule says nothing.
    pub contact: Option<String>,
    /// A further page, where the rule says nothing.
    pub see: Option<String>,
}

/// When a row fits. ASCII case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fits {
    /// Always.
    Always,
    /// The same text.
    Equal(String),
    /// Ends so, with something before it.
    Suffix(String),
    /// `*` stands for any run of characters.
    Glob(String),
}

impl Fits {
    /// Whether this value fits.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        match self {
            Self::Always => true,
            Self::Equal(text) => value.eq_ignore_ascii_case(text),
            Self::Suffix(suffix) => {
                value.len() > suffix.len() && value.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
            }
            Self::Glob(glob) => glob_fits(&glob.to_ascii_lowercase(), &value.to_ascii_lowercase()),
        }
    }
}

/// In time linear in the value for each piece of the glob.
fn glob_fits(glob: &str, value: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == value };
    let Some(mut value) = value.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    // Each piece as early as it can be, so that most is left for the next.
    for piece in middle.split('*') {
        let Some(at) = value.find(piece) else { return false };
        value = &value[at + piece.len()..];
    }
    value.ends_with(tail)
}

/// Something a source said, remembered.
#[derive(Debug, Clone)]
pub struct Context {
    /// The name that cases use.
    pub id: String,
    /// All must hold.
    pub all: Vec<Condition>,
    /// One must hold, unless empty.
    pub any: Vec<Condition>,
    /// None may hold.
    pub none: Vec<Condition>,
    /// Facts the source has from then on.
    pub set: Vec<(usize, Value)>,
    /// Captures that are remembered.
    pub captures: Captures,
    /// Findings about it that are let pass.
    pub waivers: Vec<Waiver>,
}

/// `family.name`, `family.*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPattern(pub String);

impl IdPattern {
    /// What every id that it names begins with.
    #[must_use]
    pub fn begins(&self) -> &str {
        self.0.strip_suffix('*').unwrap_or(&self.0)
    }

    /// Whether it names this id.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => id.starts_with(prefix),
            None => self.0 == id,
        }
    }
}

/// Lines that a rule must, or must not, claim. The inner list is a sequence of one source; its last line is judged.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    /// Must be claimed.
    pub yes: Vec<Example>,
    /// Must not be claimed.
    pub no: Vec<Example>,
}

/// One example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The lines, oldest first; never empty.
    pub lines: Vec<String>,
    /// Where it stands in the pack's file.
    pub span: Range<usize>,
}

/// The members of the added object that are not facts; no fact may take one of these names.
pub const FIXED_MEMBERS: [&str; 15] = [
    "v",
    "rule",
    "rules",
    "severity",
    "severity_number",
    "title",
    "section",
    "runbook",
    "action",
    "contact",
    "see",
    "snooze",
    "record",
    "records",
    "pack",
];

/// The longest run of a phrase that no encoder escapes: what the raw scan looks for.
///
/// ```
/// assert_eq!(fingerpost::pack::atom("Root Key:'***'"), "Root Key:");
/// ```
#[must_use]
pub fn atom(phrase: &str) -> &str {
    let (bytes, mut longest, mut start) = (phrase.as_bytes(), 0..0, 0);
    // Most phrases are their own atoms.
    if are_bare(bytes) {
        return phrase;
    }
    for end in 0..=bytes.len() {
        if bytes.get(end).is_some_and(|byte| is_bare_byte(*byte)) {
            continue;
        }
        if end > start && end - start >= longest.len() {
            longest = start..end;
        }
        start = end + 1;
    }
    &phrase[longest]
}

/// The `\u` escapes behind which a phrase can hide: those of what [`atom`]s are made of, and, in JSON within JSON, that of
/// the backslash of another escape.
pub fn escapes() -> impl Iterator<Item = String> {
    (' '..='~').filter(|c| *c == '\\' || is_bare(*c)).map(|c| format!("\\u{:04x}", u32::from(c)))
}

/// Whether every JSON encoder writes this character as it is.
fn is_bare(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_bare_byte)
}

/// The same of one byte of a text. Without branches, so that the compiler makes vector instructions of it.
#[inline(always)]
fn is_bare_byte(byte: u8) -> bool {
    let escaped = br#""\/'<>&="#.iter().fold(false, |escaped, other| escaped | (byte == *other));
    (byte.wrapping_sub(b' ') <= b'~' - b' ') & !escaped
}

/// The same of many bytes, 16 at a time; the last 16 again where they are no multiple.
fn are_bare(bytes: &[u8]) -> bool {
    let bare = |bytes: &[u8]| bytes.iter().fold(true, |bare, byte| bare & is_bare_byte(*byte));
    match bytes.last_chunk::<16>() {
        Some(last) => bytes.as_chunks::<16>().0.iter().chain([last]).all(|chunk| bare(chunk)),
        None => bare(bytes),
    }
}

/// A phrase whose atom is shorter than this (in bytes) would make the scan stop at nearly every line.
pub const ATOM_MIN: usize = 3;

/// Of which literals every line that fulfils these conditions must contain one; empty when nothing literal is sure.
///
/// Chosen for the longest shortest atom, because long literals are rare in lines that do not match; and then for the
/// fewest.
#[must_use]
pub fn triggers<'c>(all: &'c [Condition], any: &'c [Condition]) -> Vec<&'c str> {
    let conditions = all.iter().chain(any);
    let places = trigger_places(all, any);
    conditions.skip(places.start).take(places.len()).filter_map(Condition::literal).collect()
}

/// The conditions whose literals [`triggers`] are, as places among those of `all` and then those of `any`; each has one.
pub(crate) fn trigger_places(all: &[Condition], any: &[Condition]) -> Range<usize> {
    if all.is_empty() {
        // Nothing is to be compared.
        let has_atom = |literal: &str| literal.bytes().any(is_bare_byte);
        let sure = any.iter().all(|condition| condition.literal().is_some_and(has_atom));
        return if sure { 0..any.len() } else { 0..0 };
    }
    let shortest = |conditions: &[Condition]| {
        conditions
            .iter()
            .map(|condition| condition.literal().map_or(0, |literal| atom(literal).len()))
            .min()
            .unwrap_or(0)
    };
    let whole = all.len()..all.len() + any.len();
    let single = (0..all.len()).map(|at| (shortest(&all[at..=at]), at..at + 1));
    let best = single.chain([(shortest(any), whole)]).max_by_key(|(length, places)| (*length, Reverse(places.len())));
    best.filter(|(length, _)| *length > 0).map(|(_, places)| places).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_atom_is_the_last_of_the_longest_runs(phrase in "[a-c \"é=~]{0,12}|[ -~]{0,60}|[a-z ]{10,40}[a-z/é]{0,20}") {
            let bare = |c: char| matches!(c, ' '..='~') && !"\"\\/'<>&=".contains(c);
            let longest = phrase.split(|c| !bare(c)).max_by_key(|run| run.len());
            prop_assert_eq!(Some(atom(&phrase)), longest);
        }

        /// Whatever the order in which candidates are looked at, and however little of them.
        #[test]
        fn triggers_have_the_longest_shortest_atom(
            all in prop::collection::vec("[a=]{0,4}", 0..4),
            any in prop::collection::vec(prop::option::of("[a=]{0,4}"), 0..4),
        ) {
            let phrase = |phrase: String| Condition::Phrase(phrase);
            let all: Vec<Condition> = all.into_iter().map(phrase).collect();
            let any: Vec<Condition> = any.into_iter().map(|it| it.map_or(Condition::LevelError, phrase)).collect();
            let shortest = |literals: &[&str]| literals.iter().map(|literal| atom(literal).len()).min().unwrap_or(0);
            let told = triggers(&all, &any);
            let mut candidates: Vec<Vec<&str>> = all.iter().map(|it| it.literal().into_iter().collect()).collect();
            if any.iter().all(|it| it.literal().is_some()) {
                candidates.push(any.iter().filter_map(Condition::literal).collect());
            }
            let best = candidates.into_iter().max_by_key(|literals| (shortest(literals), Reverse(literals.len())));
            prop_assert_eq!(told, best.filter(|literals| shortest(literals) > 0).unwrap_or_default());
        }
    }
}
