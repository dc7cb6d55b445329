//! When somebody is told: alerts as packs define them, and the sequences of lines by which they prove themselves.
//!
//! An alert counts lines that certain rules matched, per group, in a sliding window of event time. Its labels and
//! annotations are templates: `"{crn}"` is a value of the line, `"{crn:5}"` the part of it behind the fifth colon.

use std::ops::Range;

use super::{IdPattern, Severity, Value};

/// An alert, every name in it resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Index of its pack.
    pub pack: usize,
    /// Unique over all packs; the label `alertname`.
    pub id: String,
    /// Rules whose lines count.
    pub from: Vec<IdPattern>,
    /// Rules of `from` whose lines do not count, as they accompany a line that does.
    pub except: Vec<IdPattern>,
    /// Rules whose lines keep the alert from firing while one is in the window, in the same group.
    pub unless: Vec<IdPattern>,
    /// What is counted apart; each is a label.
    pub group_by: Vec<Name>,
    /// Lines with one value of this count once in a window; a line without it counts by itself.
    pub distinct: Option<Name>,
    /// Length of the window in milliseconds, at least 1.
    pub window_ms: i64,
    /// When there are enough.
    pub count: Threshold,
    /// How bad it is; the label `severity`.
    pub severity: Severity,
    /// Labels beside `alertname` and `severity`, in order; one whose values are absent is absent.
    pub labels: Vec<(String, Template)>,
    /// Annotations, in order; one whose values are absent is absent.
    pub annotations: Vec<(String, Template)>,
    /// What to do; absent: what the rule of the line says.
    pub action: Option<String>,
    /// Whom to ask; absent: what the rule of the line says.
    pub contact: Option<String>,
    /// How long snoozing is fine, as in `2h`; absent: what the rule of the line says.
    pub snooze: Option<String>,
    /// Who is called in; the first that holds.
    pub escalate: Vec<Escalate>,
    /// Where its id stands in the pack's file.
    pub span: Range<usize>,
}

/// How many are enough, the operator written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// The least number that is enough, at least 1: 5 for `">= 5"`, 51 for `"> 50"`.
    pub least: u32,
}

/// A value of a line that an alert uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A captured fact, by index.
    Fact(usize),
    /// The app that wrote the line.
    App,
    /// Its region: the fact of that name, when some pack declares one and the line has it, else the configured field.
    Region(Option<usize>),
    /// A member of the line that is no fact, by its dotted path.
    Member(String),
}

/// Text with values of the line in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(pub Vec<Piece>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// A value, or one part of it between colons, counted from 0.
    Value(Name, Option<usize>),
    /// How many lines were counted.
    Count,
}

/// A row of an escalation list.
#[derive(Debug, Clone, PartialEq)]
pub struct Escalate {
    /// Facts that must have one of these values.
    pub when: Vec<(usize, Vec<Value>)>,
    /// Only while a customer impacting event is on.
    pub cie: bool,
    /// Only in business hours, by event time.
    pub business_hours: bool,
    /// What to do then.
    pub text: String,
}

/// A sequence of lines on a virtual clock, and what the alerts must make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// Index of its pack.
    pub pack: usize,
    /// What it shows.
    pub name: String,
    /// Index of the alert it is about.
    pub alert: usize,
    /// When it begins, milliseconds since 1970.
    pub start_ms: i64,
    /// A customer impacting event is on.
    pub cie: bool,
    /// The lines, in the order in which they come.
    pub steps: Vec<Step>,
    /// Each time it fires, in order; empty: never.
    pub fires: Vec<Moment>,
    /// Each time it resolves, in order; nothing: whenever it does.
    pub resolves: Option<Vec<Moment>>,
    /// Where it stands in the pack's file.
    pub span: Range<usize>,
}

/// Some lines at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds since the sequence began.
    pub at_ms: i64,
    /// How many such lines.
    pub times: u32,
    /// How long after `at_ms` the line is read, in milliseconds.
    pub read_after_ms: i64,
    /// The line.
    pub line: String,
}

/// Something that must happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Milliseconds since the sequence began.
    pub at_ms: i64,
    /// Labels that it must have then, among others.
    pub labels: Vec<(String, String)>,
    /// Annotations that it must have then, among others.
    pub annotations: Vec<(String, String)>,
    /// Where it stands in the pack's file.
    pub span: Range<usize>,
}

impl Alert {
    /// Whether a label's template is the plain value of something that the alert is grouped by.
    #[must_use]
    pub fn is_group_label(&self, template: &Template) -> bool {
        matches!(template.0.as_slice(), [Piece::Value(name, None)] if self.group_by.contains(name))
    }
}
