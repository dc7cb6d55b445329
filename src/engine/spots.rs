//! Where phrases lie in a text: their occurrences, what follows them, whole words. ASCII case does not matter, nothing else
//! is folded. The judge asks whether; who shows a line to a person asks where ([`spots`]).

use std::ops::Range;

use crate::pack::Condition;

/// A place in the decoded text of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Which text value, in document order.
    pub text: usize,
    /// Bytes of it.
    pub span: Range<usize>,
}

/// Spots told of one condition: a phrase that fills a line with itself needs no list.
const SPOTS_MAX: usize = 8;

/// Where a condition is met; no place for one that looks at the level.
pub(super) fn spots<'t>(condition: &Condition, texts: impl Iterator<Item = &'t str>) -> Vec<Spot> {
    let of_text = |(text, value): (usize, &'t str)| {
        let spans = spans(condition, value).into_iter();
        spans.map(move |span| Spot { text, span })
    };
    texts.enumerate().flat_map(of_text).take(SPOTS_MAX).collect()
}

fn spans(condition: &Condition, text: &str) -> Vec<Range<usize>> {
    let whole = |phrase: &str| {
        let phrase = phrase.to_ascii_lowercase();
        occurrences(text, &phrase).map(|end| end - phrase.len()..end).take(SPOTS_MAX).collect::<Vec<_>>()
    };
    match condition {
        Condition::Phrase(phrase) => whole(phrase),
        Condition::PhraseThen { phrase, then } => {
            let longer = |span: Range<usize>| {
                let rest = &text[span.end..];
                let start = text.len() - rest.trim_start().len();
                let follows = then.iter().find(|then| then_follows(rest, std::slice::from_ref(then)))?;
                Some(span.start..start + follows.len())
            };
            whole(phrase).into_iter().filter_map(longer).collect()
        }
        Condition::Words(words) if words.iter().all(|word| has_word(text, word)) => {
            let first = |word: &String| words_in(text, word).next();
            words.iter().filter_map(first).collect()
        }
        Condition::Words(_) | Condition::LevelError => Vec::new(),
        Condition::Regex(regex) => regex.find_iter(text).map(|found| found.range()).take(SPOTS_MAX).collect(),
    }
}

/// Where the occurrences of a lower-case phrase end, in any ASCII case.
pub(super) fn occurrences<'t>(text: &'t str, phrase: &'t str) -> impl Iterator<Item = usize> {
    let windows = text.as_bytes().windows(phrase.len()).enumerate();
    windows.filter(|(_, window)| window.eq_ignore_ascii_case(phrase.as_bytes())).map(|(at, _)| at + phrase.len())
}

pub(super) fn then_follows(rest: &str, then: &[String]) -> bool {
    let rest = rest.trim_start().as_bytes();
    then.iter().any(|then| rest.get(..then.len()).is_some_and(|start| start.eq_ignore_ascii_case(then.as_bytes())))
}

/// Whether a word stands in a text, with no ASCII letter, digit or `_` directly before or after it.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    words_in(text, word).next().is_some()
}

fn words_in<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let in_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    occurrences(text, word).map(|end| end - word.len()..end).filter(move |span| {
        let before = span.start.checked_sub(1).and_then(|before| bytes.get(before));
        !in_word(bytes.get(span.end)) && !in_word(before)
    })
}
