//! The oracle: a second, naive reading of the catalog, which the tests hold the engine against.
//!
//! Responsible for the right answer to "what is this line?", worked out in the dullest way: decode everything, lower
//! the case, search. It deliberately knows neither the packs nor the engine: every rule is written out by hand in
//! `catalog.rs`, JSON is read by `json.rs`, and nothing here is fast. It knows no envelopes either: it judges what an
//! application wrote, and is told what stood around that ([`Told`]). Where the catalog leaves room, a comment that
//! starts with "Interpretation:" says which reading was taken.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::lines::Made;
use reading::Reading;

mod captures;
mod catalog;
mod examples;
mod json;
mod reading;

/// The name of the member that Fingerpost adds.
const OURS: &str = "fingerpost";
/// The app of the probe line that LogDNA sends when a stream is set up.
const PROBE_APP: &str = "logdna-selfstream-config-validation";

pub(crate) type Facts = BTreeMap<String, Value>;

/// What must be said about one line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Expected {
    /// All ids that match, the primary first.
    pub(crate) matches: Vec<&'static str>,
    /// Severity of the primary; empty when nothing matches.
    pub(crate) severity: &'static str,
    /// Section anchor of the primary; empty when nothing matches.
    pub(crate) section: &'static str,
    pub(crate) facts: Facts,
    /// The payload is a JSON object, so that the added member has a place in it.
    pub(crate) is_object: bool,
    /// The set-up probe, which passes through uncounted.
    pub(crate) probe: bool,
    /// Of a list, where the record stands that speaks for all.
    pub(crate) record: Option<String>,
}

/// A line as the application wrote it, and what those say of it who put something around it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) line: Vec<u8>,
    /// Its app and its source, where it does not say so itself.
    pub(crate) app: Option<String>,
    pub(crate) source: Option<String>,
    /// Whether its level is an error, where it has none itself.
    pub(crate) own: Option<bool>,
    /// What a collector gives it for a level, where nobody says better: an error is one, anything else says nothing.
    pub(crate) stamp: Option<bool>,
    /// Where in the payload it stands, when that is a list.
    pub(crate) path: Option<String>,
}

/// What a source has said so far. Absent means unknown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    service_to_service: bool,
    kms_version: Option<&'static str>,
    provider: Option<&'static str>,
}

/// The classifier, with what each source said earlier.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    sources: HashMap<String, Said>,
}

impl Oracle {
    /// Judges the next line, which has nothing around it. `fallback_source` stands in for a line that names no source itself.
    pub(crate) fn classify(&mut self, line: &[u8], fallback_source: Option<&str>) -> Expected {
        let told = Told { line: line.to_owned(), ..Told::default() };
        self.lines(line, &[told], fallback_source)
    }

    /// Judges the next payload, by what was told with it.
    pub(crate) fn judge(&mut self, made: &Made) -> Expected {
        match made.told.as_slice() {
            [] => self.classify(&made.payload, made.source.as_deref()),
            told => self.lines(&made.payload, told, made.source.as_deref()),
        }
    }

    /// Interpretation: of several lines in one payload the most severe speaks for all, and of such the first; its rules come
    /// first, then those of the others that are not among them, in their order.
    fn lines(&mut self, payload: &[u8], told: &[Told], fallback_source: Option<&str>) -> Expected {
        let judged: Vec<Judged> = told.iter().filter_map(|told| self.line(told, fallback_source)).collect();
        let claimed = judged.iter().filter(|judged| !judged.0.is_empty());
        let rank = |judged: &&Judged| judged.0.first().map(|found| (found.rank().0, found.rank().1));
        let primary = claimed.clone().min_by_key(rank);
        let mut expected = Expected { probe: judged.is_empty(), ..Expected::default() };
        expected.is_object = json::object(payload).is_some();
        if let Some(Judged(found, path)) = primary {
            expected.severity = found[0].severity.word();
            expected.section = found[0].section;
            expected.record.clone_from(path);
            for (name, value) in found.iter().flat_map(|rule| &rule.facts) {
                expected.facts.entry(name.clone()).or_insert(value.clone());
            }
        }
        for rule in primary.into_iter().chain(claimed).flat_map(|judged| &judged.0) {
            if !expected.matches.contains(&rule.id) {
                expected.matches.push(rule.id);
            }
        }
        expected
    }

    /// The rules of one line, the primary first. Interpretation: the probe passes through altogether, so its words are no
    /// context either.
    fn line(&mut self, told: &Told, fallback_source: Option<&str>) -> Option<Judged> {
        let reading = Reading::of(told);
        if reading.app() == Some(PROBE_APP) {
            return None;
        }
        let source = reading.source().or(fallback_source);
        let said = self.remember(source, &reading);
        let mut found = catalog::matches(&reading, &said);
        found.sort_by_key(catalog::Match::rank);
        Some(Judged(found, told.path.clone()))
    }

    fn remember(&mut self, source: Option<&str>, reading: &Reading) -> Said {
        let mut said = source.and_then(|source| self.sources.get(source)).cloned().unwrap_or_default();
        catalog::listen(&mut said, reading);
        if let Some(source) = source {
            self.sources.insert(source.to_owned(), said.clone());
        }
        said
    }
}

/// The rules that hold for a line, and where it stands.
struct Judged(Vec<catalog::Match>, Option<String>);

/// The line as it must go out when nothing is added: with stale members of ours cut out.
///
/// Interpretation: several stale members are cut one after the other, the first one first.
pub(crate) fn expected_untouched(line: &[u8]) -> Vec<u8> {
    let mut bytes = line.to_vec();
    // Spares reading most lines: our name stands in none of them, nor an escape behind which it could hide.
    if !line.contains(&b'\\') && !line.windows(OURS.len()).any(|part| part == OURS.as_bytes()) {
        return bytes;
    }
    while let Some(members) = json::object(&bytes) {
        let Some(stale) = members.iter().position(is_ours) else { break };
        bytes.drain(place_of(&members, stale));
    }
    bytes
}

/// The output line without the member that was added to it, which is the last one.
pub(crate) fn strip(output: &[u8]) -> Vec<u8> {
    let mut bytes = output.to_vec();
    let members = json::object(output).unwrap_or_default();
    if members.last().is_some_and(is_ours) {
        bytes.drain(place_of(&members, members.len() - 1));
    }
    bytes
}

fn is_ours(member: &json::Member) -> bool {
    let json::Value::Object(inner) = &member.value else { return false };
    member.key == OURS && inner.iter().any(|member| member.key == "v" || member.key == "rule")
}

fn place_of(members: &[json::Member], index: usize) -> std::ops::Range<usize> {
    let member = &members[index];
    match (member.comma_before, members.get(index + 1).and_then(|next| next.comma_before)) {
        (Some(comma), _) => comma..member.end,
        (None, Some(comma)) => member.start..comma + 1,
        (None, None) => member.start..member.end,
    }
}
