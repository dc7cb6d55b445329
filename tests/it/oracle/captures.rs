//! Finding things in a text value: phrases, codes, tokens, addresses, CRNs, the Failed Master Operation message.
//!
//! Each function answers for one text value (or for all of them in order) and knows how the thing looks, not which rule
//! wants it.

use super::reading::Reading;

/// Where a phrase occurs, ASCII case aside; occurrences may overlap.
pub(super) fn occurrences(text: &str, phrase: &str) -> Vec<usize> {
    let (text, phrase) = (text.as_bytes(), phrase.as_bytes());
    let here = |at: &usize| text[*at..*at + phrase.len()].eq_ignore_ascii_case(phrase);
    (0..(text.len() + 1).saturating_sub(phrase.len())).filter(here).collect()
}

/// The rests of a text behind each occurrence of a phrase, ASCII case aside.
pub(super) fn behind<'a>(text: &'a str, phrase: &str) -> Vec<&'a str> {
    occurrences(text, phrase).into_iter().map(|at| &text[at + phrase.len()..]).collect()
}

/// The rests of a text behind each occurrence of a phrase, in exactly this spelling.
fn behind_exactly<'a>(text: &'a str, phrase: &str) -> Vec<&'a str> {
    text.match_indices(phrase).map(|(at, _)| &text[at + phrase.len()..]).collect()
}

pub(super) fn says(reading: &Reading, phrase: &str) -> bool {
    let phrase = phrase.to_ascii_lowercase();
    reading.lowered.iter().any(|text| text.contains(&phrase))
}

/// The beginning of a text, as far as the characters belong; nothing when that is empty.
fn token(text: &str, belongs: impl Fn(char) -> bool) -> Option<&str> {
    let end = text.find(|c: char| !belongs(c)).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// The rest of a text behind a beginning, ASCII case aside.
fn after<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let head = text.as_bytes().get(..beginning.len())?;
    head.eq_ignore_ascii_case(beginning.as_bytes()).then(|| &text[beginning.len()..])
}

fn after_white_space(text: &str) -> Option<&str> {
    let rest = text.trim_start();
    (rest.len() < text.len()).then_some(rest)
}

pub(super) fn starts_with(text: &str, beginning: &str) -> bool {
    after(text, beginning).is_some()
}

/// The digits that a text begins with, when they are exactly this many.
fn exactly(count: usize, text: &str) -> Option<&str> {
    token(text, |c| c.is_ascii_digit()).filter(|digits| digits.len() == count)
}

/// All words in one text, each with no ASCII letter, digit or underscore at its sides.
pub(super) fn has_words(text: &str, words: &[&str]) -> bool {
    words.iter().all(|word| occurrences(text, word).into_iter().any(|at| stands_alone(text, at, word.len())))
}

fn stands_alone(text: &str, at: usize, len: usize) -> bool {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    !bytes[..at].last().is_some_and(in_word) && !bytes[at + len..].first().is_some_and(in_word)
}

/// The code of an IAM message: `BXNIM`, four digits and `E`, joined and in upper case; all of a text.
pub(super) fn bxnim_codes(text: &str) -> Vec<String> {
    let code = |rest: &str| {
        let rest = rest.trim_start();
        let digits = exactly(4, rest)?;
        starts_with(rest[4..].trim_start(), "E").then(|| format!("BXNIM{digits}E"))
    };
    behind(text, "BXNIM").into_iter().filter_map(code).collect()
}

/// A failed request to IAM, as the compute identity service reports it.
pub(super) struct Response {
    pub(super) code: String,
    /// The word before "request".
    pub(super) request: Option<String>,
}

pub(super) const RESPONSE: &str = "request returned a non-successful return code:";

pub(super) fn responses(text: &str) -> Vec<Response> {
    let response = |at: usize| {
        let code = exactly(3, text[at + RESPONSE.len()..].trim_start())?.to_owned();
        let before = &text[..at];
        let word_end = before.trim_end();
        let start =
            word_end.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| next_char(word_end, at));
        let spaced = word_end.len() < before.len() && start < word_end.len();
        Some(Response { code, request: spaced.then(|| word_end[start..].to_owned()) })
    };
    occurrences(text, RESPONSE).into_iter().filter_map(response).collect()
}

fn next_char(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(0, char::len_utf8)
}

/// The first three-digit code in parentheses.
pub(super) fn code_in_parentheses(text: &str) -> Option<&str> {
    let inside = |rest| exactly(3, rest).filter(|_| rest[3..].starts_with(')'));
    behind_exactly(text, "(").into_iter().find_map(inside)
}

/// Everything behind `http://` and `https://`.
fn addresses(text: &str) -> Vec<&str> {
    let behind_scheme = |at: usize| ["https://", "http://"].iter().find_map(|scheme| after(&text[at..], scheme));
    text.char_indices().filter_map(|(at, _)| behind_scheme(at)).collect()
}

/// The host of the request's address: the first behind this phrase.
pub(super) fn host_behind<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    behind(text, phrase).first().and_then(|rest| host(rest))
}

/// The host of the first address.
///
/// Interpretation: the scheme may be in any case, as for providers.
pub(super) fn host(text: &str) -> Option<&str> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    addresses(text).into_iter().find_map(|address| token(address, belongs))
}

/// The KMS provider that the first address of one names.
pub(super) fn provider(text: &str) -> Option<&'static str> {
    addresses(text).into_iter().find_map(|address| {
        let host = token(address, |c| c.is_ascii_alphanumeric() || c == '.' || c == '-')?;
        let ends_well = |c: char| c.is_whitespace() || r#":/?#"'\,;)]}>"#.contains(c);
        let rest = &address[host.len()..];
        if rest.is_empty() || rest.starts_with(ends_well) { provider_of(&host.to_ascii_lowercase()) } else { None }
    })
}

fn provider_of(host: &str) -> Option<&'static str> {
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|label| !label.is_empty());
    let bluemix = host.strip_prefix("keyprotect.").and_then(|rest| rest.strip_suffix(".bluemix.net"));
    if below(".kms.cloud.ibm.com") || bluemix.is_some_and(|region| !region.is_empty()) {
        Some("key-protect")
    } else if below(".hs-crypto.cloud.ibm.com") {
        Some("hyper-protect")
    } else {
        None
    }
}

/// Interpretation: `correlation_id=` and `/keys/` are looked for in exactly this case.
pub(super) fn correlation_id(text: &str) -> Option<&str> {
    behind_exactly(text, "correlation_id=").into_iter().find_map(|rest| {
        let rest = rest.trim_start_matches(['"', '\'', '\\']);
        token(rest, |c| c.is_ascii_alphanumeric() || c == '-')
    })
}

/// The id of the key in the request's address: the first behind this phrase that has one.
pub(super) fn key_id_behind<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    behind(text, phrase).first().and_then(|rest| key_id(rest))
}

/// The id of the key in the first address that has one.
pub(super) fn key_id(text: &str) -> Option<&str> {
    let in_address =
        |address: &str| address.find(|c: char| c.is_whitespace() || "\"'\\".contains(c)).unwrap_or(address.len());
    let id = |rest| token(rest, |c| c.is_ascii_alphanumeric() || c == '-');
    addresses(text)
        .into_iter()
        .find_map(|address| behind_exactly(&address[..in_address(address)], "/keys/").into_iter().find_map(id))
}

/// Interpretation: quotes, backslashes and asterisks may stand around the colon, as in JSON that was cut off and is text;
/// the full stop of a sentence is not part of it.
pub(super) fn corr_id(text: &str) -> Option<&str> {
    let marks = ['"', '\'', '\\', '*'];
    behind_exactly(text, "CorrID").into_iter().find_map(|rest| {
        let rest = rest.trim_start_matches(marks).trim_start().strip_prefix([':', '='])?;
        let rest = rest.trim_start().trim_start_matches(marks);
        let id = token(rest, |c| c.is_ascii_alphanumeric() || "._-".contains(c))?.trim_end_matches('.');
        (!id.is_empty()).then_some(id)
    })
}

/// All CRNs of a text, from left to right.
pub(super) fn crns(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(ahead) = text[at..].find("crn:v") {
        at += ahead;
        match crn(&text[at..]) {
            Some(crn) => {
                found.push(crn);
                at += crn.len();
            }
            None => at += 1,
        }
    }
    found
}

/// The same, also those that begin inside another.
pub(super) fn crns_starting_anywhere(text: &str) -> Vec<&str> {
    text.match_indices("crn:v").filter_map(|(at, _)| crn(&text[at..])).collect()
}

fn crn(text: &str) -> Option<&str> {
    let run = token(text, |c| !c.is_whitespace() && !"\"',()[]{}<>;`\\".contains(c))?;
    let crn = run.trim_end_matches('.');
    let (version, rest) = crn.strip_prefix("crn:v")?.split_once(':')?;
    let digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    // The colon behind the version was taken off already.
    (digits && rest.matches(':').count() >= 7).then_some(crn)
}

pub(super) fn crn_segment(crn: &str, index: usize) -> &str {
    crn.split(':').nth(index).unwrap_or_default()
}

/// The Failed Master Operation message.
pub(super) struct Operation<'a> {
    pub(super) status: &'a str,
    pub(super) operation: &'a str,
    /// What stands behind `Carrier:`.
    rest: &'a str,
}

/// Such messages of a text.
pub(super) fn operations(text: &str) -> impl Iterator<Item = Operation<'_>> {
    occurrences(text, "FAILED").into_iter().filter_map(|at| {
        let (status, rest) = text[at..].split_at("FAILED".len());
        let rest = without_star(after_white_space(without_star(rest))?);
        let operation = token(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-')?;
        let rest = after_white_space(without_star(&rest[operation.len()..]))?;
        let rest = after(rest, "on Carrier:")?;
        Some(Operation { status, operation, rest })
    })
}

fn without_star(text: &str) -> &str {
    text.strip_prefix('*').unwrap_or(text)
}

impl<'a> Operation<'a> {
    pub(super) fn carrier(&self) -> Option<&'a str> {
        token(without_star(self.rest.trim_start()), in_place)
    }

    /// What stands in parentheses directly behind the carrier.
    pub(super) fn node_ip(&self) -> Option<&'a str> {
        let rest = without_star(self.rest.trim_start());
        let rest = without_star(&rest[self.carrier()?.len()..]).trim_start().strip_prefix('(')?;
        token(rest, in_place)
    }

    /// A date and time behind ` at `.
    pub(super) fn finished_at(&self) -> Option<&'a str> {
        behind(self.rest, "at").into_iter().find_map(|rest| {
            let before = &self.rest[..self.rest.len() - rest.len() - 2];
            let value = without_star(after_white_space(rest)?);
            exactly(4, value).filter(|_| value[4..].starts_with('-') && before.ends_with(char::is_whitespace))?;
            let time = token(value, |c| c.is_ascii_digit() || "TZ:.+-tz".contains(c))?;
            let time = time.trim_end_matches(|c: char| !c.is_ascii_digit() && !"Zz".contains(c));
            (time.len() > 4).then_some(time)
        })
    }

    /// The value behind a label, stars aside.
    ///
    /// Interpretation: labels are found in any case, like the message itself, as whole words; the first with a value
    /// counts. Quotes and backslashes end it, as in JSON that was cut off and is text.
    pub(super) fn labelled(&self, label: &str) -> Option<&'a str> {
        behind(self.rest, label).into_iter().find_map(|rest| {
            let before = &self.rest[..self.rest.len() - rest.len() - label.len()];
            let in_word = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let value = token(without_star(rest.trim_start()), |c| !c.is_whitespace() && !"*,\"\\".contains(c));
            value.filter(|_| !in_word)
        })
    }
}

fn in_place(c: char) -> bool {
    !c.is_whitespace() && !"*,\"\\()".contains(c)
}
