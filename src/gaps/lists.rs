//! Lists are as long as they are by chance, and their order is nobody's: each becomes one word.
//!
//! ```text
//! checks="[pod is a DaemonSet pod, pod has local storage]"                   →  checks="[<*>]"
//! nodes are available: 3 Insufficient cpu, 4 node(s) had untolerated taint.   →  nodes are available: <*>
//! ```

use super::template::{NUMBER, PARTS};
use super::words::Words;

/// Ends of keys whose values are what the line says.
const TELLING: [&str; 8] = ["err", "error", "msg", "message", "reason", "cause", "exception", "detail"];

/// Makes lists one word each, from this word on.
pub(super) fn fold(words: &mut Words, first: usize) {
    let mut at = first;
    while at < words.len() {
        bracketed(words, at);
        quoted(words, at);
        counted(words, at, first);
        at += 1;
    }
}

/// What stands in brackets from this word on, with commas.
fn bracketed(words: &mut Words, at: usize) {
    let word = words.get(at);
    let Some((open, close)) = opened(word) else { return };
    let has_comma = |index: usize| words.get(index).ends_with(',');
    let Some(end) = (at + 1..words.len()).find(|index| words.get(*index).contains(close)) else { return };
    if !(at..end).any(has_comma) {
        return;
    }
    let (front, behind) = (words.range(at), words.range(end));
    let closing = words.get(end).find(close).unwrap_or_default();
    words.replace(at..end + 1, front.start..front.start + open + 1, behind.start + closing..behind.end);
}

/// Where a bracket opens that does not close, and how it would.
fn opened(word: &str) -> Option<(usize, char)> {
    let (open, close) =
        [('[', ']'), ('{', '}')].into_iter().find_map(|(open, close)| Some((word.find(open)?, close)))?;
    (!word[open..].contains(close)).then_some((open, close))
}

/// What stands in quotes behind a key is one value, unless it is what the line says.
fn quoted(words: &mut Words, at: usize) {
    let word = words.get(at);
    let Some((key, value)) = word.split_once("=\"") else { return };
    if value.contains('"') || TELLING.iter().any(|telling| key.to_ascii_lowercase().ends_with(telling)) {
        return;
    }
    let quote = key.len() + 1;
    let Some(end) = (at + 1..words.len()).find(|index| words.get(*index).contains('"')) else { return };
    let (front, behind) = (words.range(at), words.range(end));
    let closing = words.get(end).find('"').unwrap_or_default();
    words.replace(at..end + 1, front.start..front.start + quote + 1, behind.start + closing..behind.end);
}

/// What is counted behind a colon, to the end of the sentence: two and more things, or the parts of `0/7`.
fn counted(words: &mut Words, at: usize, first: usize) {
    if at == first || words.get(at) != NUMBER || !words.get(at - 1).ends_with(':') {
        return;
    }
    let sentence = (at..words.len()).find(|index| words.get(*index).ends_with('.')).map_or(words.len(), |end| end + 1);
    let begins_another = |index: &usize| words.get(*index) == NUMBER && words.get(index - 1).ends_with(',');
    let is_list = (at + 1..sentence).any(|index| begins_another(&index));
    let is_share = (first..at).any(|index| words.get(index) == PARTS);
    if sentence > at + 1 && (is_list || is_share) {
        let end = words.range(sentence - 1).end;
        words.replace(at..sentence, end..end, end..end);
    }
}

#[cfg(test)]
mod tests {
    use crate::gaps::words::{self, Words};
    use crate::gaps::{Limits, reading};

    fn read(text: &str) -> String {
        let mut words = Words::default();
        reading::read(&mut words, &[text.to_owned()], Limits::default());
        words::text(words.iter())
    }

    #[test]
    fn a_list_is_one_word() {
        for (line, expected) in [
            (
                "0/7 nodes are available: 3 Insufficient cpu, 4 node(s) had untolerated taint {a: b}, 1 gone.",
                "<n>/<n> nodes are available: <*>",
            ),
            (
                "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No victims found.",
                "<n>/<n> nodes are available: <*> preemption: <n>/<n> nodes are available: <*>",
            ),
            ("pod=\"a\" checks=\"[pod is a DaemonSet pod, pod has a name]\" x", "pod=\"a\" checks=\"[<*>]\" x"),
            ("lost: 3 files, 4 links", "lost: <*>"),
            ("lost: 3 files", "lost: <n> files"),
            ("for [TERM, HUP, INT]; done", "for [<*>]; done"),
            ("in state [a b] now", "in state [a b] now"),
            ("tag=\"View Lock\", name=x", "tag=\"<*>\", name=x"),
            ("err=\"no such file\"", "err=\"no such file\""),
            ("an open [bracket, and no end", "an open [bracket, and no end"),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
