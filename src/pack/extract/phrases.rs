//! Which phrases a runbook gives: what it mentions of log lines, taken apart at what differs from line to line (numbers, ids,
//! addresses, times, paths, placeholders), since a phrase is found only as it stands.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::runbook::{Excerpt, Kind, Mention, Runbook};

/// Stands for the anchor where the page has none.
pub(super) const NO_ANCHOR: &str = "top";

/// Longer texts are cut, at a word.
const TITLE_MAX: usize = 72;
const ACTION_MAX: usize = 240;
/// A rule asks for no more phrases than this.
const PARTS_MAX: usize = 6;

/// What a rule is drafted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Each is enough; its phrases stand in a line together.
    pub alternatives: Vec<Vec<String>>,
    /// How the first is marked.
    pub kind: Kind,
    /// Where the first stands in the runbook.
    pub at: usize,
    prose: usize,
    end: usize,
}

impl Candidate {
    /// What it is known by: all its phrases.
    #[must_use]
    pub fn key(&self) -> String {
        self.alternatives.iter().map(|phrases| phrases.join(" … ")).collect::<Vec<_>>().join(" | ")
    }

    pub(super) fn first(&self) -> &str {
        longest(&self.alternatives[0])
    }
}

/// What differs from line to line, and what stands between two values of a JSON object.
static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
          \{\{.*?\}\} | <[^<>\s][^<>]*> | '?\*\*\*[^*]*\*\*\*'? | \.\.\.|…
        | [A-Za-z][A-Za-z0-9+.-]*://[^\s"'\\]+
        | \b[0-9a-fA-F]{8}-[0-9a-fA-F-]{12,}\b | \b(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]+)?\b
        | \b[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T\x20][0-9:.,]+)?(?:Z|[+-][0-9:]+)?
        | \b[0-9a-z]*(?:[0-9][a-z]+|[a-z]+[0-9])[0-9a-z]{10,}\b
        | \b[A-Za-z0-9.]+(?:-[A-Za-z0-9.]+)*-[A-Za-z.]*[0-9]+[A-Za-z0-9.-]*
        | (?:^|[\s='(])(?:/[A-Za-z0-9._*-]+){2,}/? | \b[A-Z]+_(?:ID|NAME|URL|IP)\b | \bXX+\b
        | \b0x[0-9a-fA-F]+\b | (?:^|[\s=:(,\[\#'])[0-9]+(?:[.:,][0-9]+)*(?:ms|us|s|m|h|%|[KMG]i?B?)?\b
        | \\*" | ` | \$\{?[A-Za-z_]+\}? | \\[nt]"#,
    )
    .ok()
});

/// Words by which a paragraph says that it quotes a log.
static QUOTES_A_LOG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\b(?:logs?|logged|messages?|errors?|phrases?|keywords?)\b").ok());

/// Every phrase that is worth a rule, in the order of the runbook, each once.
#[must_use]
pub fn candidates(runbook: &Runbook) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut seen = BTreeSet::new();
    for mention in runbook.mentions.iter().filter(|mention| is_wanted(runbook, mention)) {
        for text in mention_texts(mention) {
            let phrases = parts(&text);
            if phrases.is_empty() || !seen.insert(phrases.join("\n").to_ascii_lowercase()) {
                continue;
            }
            // `one` or `other` - do this: one rule for both.
            let beside = found.last_mut().filter(|last| {
                let marked = last.kind == Kind::Code && mention.kind == Kind::Code;
                marked && last.prose == mention.prose && mention.end <= head(&runbook.prose[mention.prose])
            });
            match beside {
                Some(last) => {
                    last.alternatives.push(phrases);
                    last.end = mention.end;
                }
                None => found.push(Candidate {
                    alternatives: vec![phrases],
                    kind: mention.kind,
                    at: mention.span.start,
                    prose: mention.prose,
                    end: mention.end,
                }),
            }
        }
    }
    found
}

fn is_wanted(runbook: &Runbook, mention: &Mention) -> bool {
    let quoted = || {
        let prose = runbook.prose.get(mention.prose).map_or("", Excerpt::text);
        mention.block.is_none() && QUOTES_A_LOG.as_ref().is_some_and(|word| word.is_match(prose))
    };
    mention.reads_like_a_log(runbook, mention.is_under_errors(runbook) || quoted())
}

/// Of a logged object the texts that speak of trouble, or else its message.
fn mention_texts(mention: &Mention) -> Vec<String> {
    let texts = mention.texts();
    if texts.len() == 1 {
        return texts;
    }
    let worth = |text: &&String| text.split_whitespace().count() >= 3;
    texts.iter().filter(worth).take(1).cloned().collect()
}

/// Where the head of a list item ends: before the dash.
fn head(prose: &Excerpt) -> usize {
    let text = prose.text();
    [" - ", " – ", " — "].iter().filter_map(|dash| text.find(dash)).min().unwrap_or(0)
}

/// What stays the same from line to line.
fn parts(text: &str) -> Vec<String> {
    let text = one_line(text);
    let fixed = VARIABLE.as_ref().map_or_else(|| vec![text.as_str()], |variable| variable.split(&text).collect());
    let trimmed = fixed.into_iter().map(|part| {
        part.trim_start_matches(|c: char| !c.is_alphanumeric())
            .trim_end_matches(|c: char| c.is_whitespace() || "([{<*-,.;`'=_#@!?".contains(c))
    });
    let mut parts: Vec<String> = Vec::new();
    for part in trimmed.filter(|part| is_phrase(part)) {
        // Of two of which one contains the other, the longer says all.
        let within = |a: &str, b: &str| b.to_ascii_lowercase().contains(&a.to_ascii_lowercase());
        if !parts.iter().any(|known| within(part, known)) {
            parts.retain(|known| !within(known, part));
            parts.push(part.to_owned());
        }
    }
    parts.truncate(PARTS_MAX);
    parts
}

/// Long enough to be looked for: two words, or one long one.
fn is_phrase(part: &str) -> bool {
    let letters = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count();
    let words = part.split_whitespace().filter(|word| letters(word) >= 2).count();
    super::super::atom(part).len() >= 6 && (words >= 2 || letters(part) >= 5)
}

pub(super) fn longest(phrases: &[String]) -> &str {
    phrases.iter().max_by_key(|phrase| phrase.len()).map_or("", String::as_str)
}

/// Anchor and heading of the section in which it stands.
pub(super) fn section(runbook: &Runbook, candidate: &Candidate) -> (String, String) {
    let above = runbook.section_at(candidate.at);
    let heading = above.and_then(|index| runbook.ancestry(index).find(|heading| !heading.id.is_empty()));
    heading.map_or_else(
        || (NO_ANCHOR.to_owned(), "Top of the page".to_owned()),
        |heading| (heading.id.clone(), heading.text.clone()),
    )
}

/// What the runbook says behind it.
pub(super) fn action(runbook: &Runbook, candidate: &Candidate) -> Option<String> {
    let prose = runbook.prose.get(candidate.prose)?;
    if runbook.section_at(prose.place(0..1).start) != runbook.section_at(candidate.at) {
        return None;
    }
    let text = one_line(prose.text().get(candidate.end..).unwrap_or_default());
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    (text.split(' ').count() >= 3).then(|| cut(text, ACTION_MAX))
}

pub(super) fn title(candidate: &Candidate) -> String {
    let phrase = candidate.first();
    let mut letters = phrase.chars();
    let title = letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
    cut(title.trim_end_matches([':', '.', ',']), TITLE_MAX)
}

/// Lines with the phrases, one for each alternative.
pub(super) fn examples(candidate: &Candidate) -> Vec<String> {
    match &candidate.alternatives[..] {
        [phrases] => vec![line(&phrases.join(" x "))],
        several => several.iter().map(|phrases| line(longest(phrases))).collect(),
    }
}

/// The first of them.
pub(super) fn example(candidate: &Candidate) -> String {
    examples(candidate).swap_remove(0)
}

/// A line that lacks the end of the first phrase.
pub(super) fn near_miss(candidate: &Candidate) -> String {
    let phrase = &candidate.alternatives[0][0];
    let short = phrase.rsplit_once(' ').map_or_else(
        || phrase.chars().take(phrase.chars().count().saturating_sub(1)).collect(),
        |(short, _)| short.to_owned(),
    );
    line(&short)
}

fn line(message: &str) -> String {
    serde_json::json!({ "level": "error", "msg": message }).to_string()
}

/// Without control characters and line ends.
pub(super) fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.trim().to_owned()
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let short = &text[..text.floor_char_boundary(most)];
    let end = short.rfind(". ").filter(|end| *end > most / 3).map(|end| end + 1);
    let end = end.or_else(|| short.rfind(' ')).unwrap_or(short.len());
    short[..end].to_owned()
}

/// Lower-case words with `-` between them, of at most so many bytes.
pub(super) fn slug(text: &str, most: usize) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = String::new();
    for word in words {
        if !slug.is_empty() && slug.len() + 1 + word.len() > most {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug.truncate(most);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_line_to_line_is_no_part_of_a_phrase() {
        for (line, phrases) in [
            ("put request returned status code: 507", vec!["put request returned status code:"]),
            (
                "error on 10.1.2.3:2379: dial https://a.example/x?y=1: connection refused (try 17)",
                vec!["error on", "connection refused (try"],
            ),
            (
                "the volume '***hidden***' is gone\",\"error\":\"lease of writer lost.`",
                vec!["the volume", "is gone", "lease of writer lost"],
            ),
            ("BXABC0417E Provided token is wrong", vec!["BXABC0417E Provided token is wrong"]),
            ("V2.0 path, read from file: /tmp/store/key", vec!["V2.0 path, read from file:"]),
            ("see `reasons` for (STORE_KEY_ERR)", vec!["reasons", "for (STORE_KEY_ERR)"]),
            ("2026-01-05T10:00:00Z lost 6f0d2c4b-8a1e-4f37-95d6-3b7c1e9a0f52 of <tenant>", vec![]),
        ] {
            let wanted: Vec<&str> = phrases.into_iter().filter(|phrase| is_phrase(phrase)).collect();
            assert_eq!(parts(line), wanted, "{line}");
        }
    }

    #[test]
    fn ids_are_short_and_of_letters() {
        assert_eq!(slug("KEY_DELETED_ERR: Key has already been deleted.", 30), "key-deleted-err-key-has");
        assert_eq!(slug("…", 30), "");
        assert_eq!(slug(&"x".repeat(90), 10), "xxxxxxxxxx");
    }
}
