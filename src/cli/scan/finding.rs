//! What `scan` found in a line, and the sums over all of it: how often each advice was given, and where first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};

use super::sections::Section;
use crate::cli::reading::Skipped;
use crate::pack::{FIXED_MEMBERS, Severity};
use crate::sanitize::dotted;

/// Places remembered of each advice.
const PLACES_MAX: usize = 5;
/// Bytes of a line that are kept of it.
const LINE_MAX: usize = 4096;

/// A line that a rule knows.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Where it stands.
    pub place: Place,
    /// What it stands under.
    pub section: Section,
    /// The line, or of a long one the part around what was found.
    pub line: Vec<u8>,
    /// Only a part of the line is kept.
    pub is_part: bool,
    /// What was found: bytes of `line`.
    pub spans: Vec<Range<usize>>,
    /// How bad.
    pub severity: Severity,
    /// The object that the line would be given.
    pub added: Map<String, Value>,
    /// Whom to call in when that does not help.
    pub escalation: Option<String>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// Number of the line, from 1.
    pub number: u64,
}

impl Finding {
    /// Keeps of a line what will be shown of it.
    #[must_use]
    pub fn new(
        place: Place,
        section: Section,
        line: &[u8],
        spans: &[Range<usize>],
        severity: Severity,
        added: Map<String, Value>,
    ) -> Self {
        let from = spans.first().map_or(0, |span| span.start.saturating_sub(LINE_MAX / 4));
        let part = if line.len() > LINE_MAX { from..line.len().min(from + LINE_MAX) } else { 0..line.len() };
        let moved = |span: &Range<usize>| span.start - part.start..span.end - part.start;
        let spans = spans.iter().filter(|span| span.end <= part.end).map(moved).collect();
        let is_part = part.len() < line.len();
        Self { place, section, is_part, line: line[part].to_vec(), spans, severity, added, escalation: None }
    }

    /// A member of the added object as text; empty when it is absent.
    #[must_use]
    pub fn member(&self, name: &str) -> &str {
        self.added.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The same, fit to be shown: a pack's texts may come from anywhere, and links hold what was captured.
    #[must_use]
    pub fn shown(&self, name: &str) -> Cow<'_, str> {
        dotted(self.member(name))
    }

    /// The other rules that matched.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let rules = self.added.get("rules").and_then(Value::as_array);
        rules.into_iter().flatten().skip(1).filter_map(Value::as_str)
    }

    /// The captured facts.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.added.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !FIXED_MEMBERS.contains(name))
    }

    /// Lines of which this is the same need not be told again what to do.
    fn advice(&self) -> Vec<String> {
        let members =
            ["rule", "runbook", "action", "contact", "see", "snooze"].map(|name| self.member(name).to_owned());
        members.into_iter().chain(self.escalation.clone()).collect()
    }
}

/// Findings that call for the same.
#[derive(Debug, Clone)]
pub struct Group {
    /// The first of them.
    pub first: Finding,
    /// How many there are.
    pub count: u64,
    /// Where the first few are.
    pub places: Vec<Place>,
}

/// Every advice given, the size of which is bounded by what the packs hold.
#[derive(Debug, Default)]
pub struct Tally {
    groups: BTreeMap<Vec<String>, Group>,
    /// Lines read.
    pub lines: u64,
    /// Bytes read, unpacked.
    pub bytes: u64,
    /// Lines longer than `limits.payload`, which were not judged.
    pub too_long: u64,
    /// The files that were read.
    pub files: Vec<String>,
    /// Those that were passed by.
    pub skipped: Skipped,
}

impl Tally {
    /// Counts a finding; gives where the same advice was given first, if it was before.
    pub fn count(&mut self, finding: &Finding) -> Option<Place> {
        match self.groups.get_mut(&finding.advice()) {
            Some(group) => {
                group.count += 1;
                if group.places.len() < PLACES_MAX {
                    group.places.push(finding.place.clone());
                }
                Some(group.first.place.clone())
            }
            None => {
                let places = vec![finding.place.clone()];
                self.groups.insert(finding.advice(), Group { first: finding.clone(), count: 1, places });
                None
            }
        }
    }

    /// All lines that were found.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }

    /// The worst first, then the most frequent.
    #[must_use]
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by(|a, b| {
            let key = |group: &Group| (group.first.severity, group.count);
            key(b).cmp(&key(a)).then_with(|| a.first.member("rule").cmp(b.first.member("rule")))
        });
        groups
    }
}
