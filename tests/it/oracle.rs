//! The oracle: a second, naive reading of the catalog, which the tests hold the engine against.
//!
//! Responsible for the right answer to "what is this line?", worked out in the dullest way: decode everything, lower
//! the case, search. It deliberately knows neither the packs nor the engine: every rule is written out by hand in
//! `catalog.rs`, JSON is read by `json.rs`, and nothing here is fast. Where the catalog leaves room, a comment that
//! starts with "Interpretation:" says which reading was taken.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

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
    /// Judges the next line. `fallback_source` stands in for a line that names no source itself.
    pub(crate) fn classify(&mut self, line: &[u8], fallback_source: Option<&str>) -> Expected {
        let reading = Reading::of(line);
        let mut expected = Expected { is_object: json::object(line).is_some(), ..Expected::default() };
        // Interpretation: the probe passes through altogether, so its words are no context either.
        if reading.app() == Some(PROBE_APP) {
            expected.probe = true;
            return expected;
        }
        let source = reading.source().or(fallback_source);
        let said = self.remember(source, &reading);
        let mut found = catalog::matches(&reading, &said);
        found.sort_by_key(catalog::Match::rank);
        if let Some(primary) = found.first() {
            expected.severity = primary.severity.word();
            expected.section = primary.section;
        }
        for rule in found {
            expected.matches.push(rule.id);
            for (name, value) in rule.facts {
                expected.facts.entry(name).or_insert(value);
            }
        }
        expected
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
