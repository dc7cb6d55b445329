//! Going over the texts of a line with an expression, paid for from what the line may cost.
//!
//! Two things are done once that would otherwise be done again and again. What an expression gives is kept while the line
//! is judged, for other rules that use the same one. And a line of many texts is gone over as one: an expression that is
//! found nowhere in
//!
//! ```text
//! first text ⏎ second text ⏎ third text
//! ```
//!
//! is in none of the three, and of one that is found in the third, the first two need no look. What is found there may
//! reach over an end of line and be in no text; so the text itself always has the last word. An expression that speaks of
//! the beginning or the end of its text is another one there, and is tried on each text.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow::{self, Break, Continue};

use regex::Regex;

use super::line::Line;
use super::work::{LOOK, Work};
use crate::pack::Kind;

/// So often may what is found in all of them be in none, before each is looked at.
const FALSE_ALARMS: usize = 4;

/// A captured text, no longer than it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) text: String,
    /// It was longer.
    pub(super) cut: bool,
}

/// The same expression, whoever uses it: the packs share equal ones. It is known by where its text lies.
type Id = (usize, usize);

fn id(regex: &Regex) -> Id {
    (regex.as_str().as_ptr() as usize, regex.as_str().len())
}

/// See the top of the file.
pub(super) struct Looks<'a> {
    line: &'a Line<'a>,
    pub(super) work: Work,
    /// What going over all texts costs, but for an expression.
    size: u64,
    /// Several rules are judged, which may use the same expressions. For one alone nothing is kept.
    pub(super) shares: Cell<bool>,
    /// Expressions that were tried, and whether they match.
    matches: RefCell<HashMap<Id, bool>>,
    /// Captures that were tried, and what they gave.
    captured: RefCell<HashMap<(Id, Kind), Option<Captured>>>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(line: &'a Line<'a>, work: Work) -> Self {
        let size = line.texts.iter().map(|text| text.len() as u64 + 1).sum();
        Self { line, work, size, shares: Cell::new(false), matches: RefCell::default(), captured: RefCell::default() }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.line.texts.iter().map(AsRef::as_ref)
    }

    /// Pays for going over all texts with plain comparisons, so many times.
    pub(super) fn pay_for_all(&self, times: usize) -> bool {
        self.work.pay((LOOK + self.size).saturating_mul(times as u64))
    }

    /// Whether an expression matches in some text.
    pub(super) fn matches(&self, regex: &Regex) -> bool {
        let find = || self.find(regex, |text| regex.is_match(text).then_some(())).is_some();
        if !self.shares.get() {
            return find();
        }
        if let Some(known) = self.matches.borrow().get(&id(regex)) {
            return *known;
        }
        let found = find();
        if !self.work.is_used_up() {
            self.matches.borrow_mut().insert(id(regex), found);
        }
        found
    }

    /// What an expression captures as a fact of this kind: `take` says what it gives in a text.
    pub(super) fn captured(
        &self,
        regex: &Regex,
        kind: Kind,
        take: impl Fn(&'a str) -> Option<Captured>,
    ) -> Option<Captured> {
        if !self.shares.get() {
            return self.find(regex, take);
        }
        let key = (id(regex), kind);
        if let Some(known) = self.captured.borrow().get(&key) {
            return known.clone();
        }
        let found = self.find(regex, take);
        if !self.work.is_used_up() {
            self.captured.borrow_mut().insert(key, found.clone());
        }
        found
    }

    /// The first that `take` gives of a text in which the expression may match. Nothing when it is too much work.
    pub(super) fn find<T>(&self, regex: &Regex, take: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let mut found = None;
        self.each(regex, |text| {
            found = take(text);
            if found.is_some() { Break(()) } else { Continue(()) }
        });
        found
    }

    /// Shows the texts in which an expression may match, in their order, until the visitor has seen enough or it is too
    /// much work.
    pub(super) fn each(&self, regex: &Regex, mut visit: impl FnMut(&'a str) -> ControlFlow<()>) {
        let texts = &self.line.texts;
        let mut from = 0;
        if self.line.has_many_texts() && is_of_any_place(regex.as_str()) {
            let joined = self.line.joined();
            let mut false_alarms = 0;
            while false_alarms < FALSE_ALARMS && from < texts.len() {
                let start = joined.starts[from];
                if !self.work.pay(LOOK + (joined.text.len() - start) as u64) {
                    return;
                }
                let Some(found) = regex.find_at(&joined.text, start) else { return };
                let at = joined.text_at(found.start());
                let text = texts[at].as_ref();
                if !self.work.pay(LOOK + text.len() as u64) || visit(text).is_break() {
                    return;
                }
                from = at + 1;
                false_alarms += 1;
            }
        }
        for text in &texts[from..] {
            if !self.work.pay(LOOK + text.len() as u64) || visit(text).is_break() {
                return;
            }
        }
    }

    /// The member at a dotted path.
    pub(super) fn member(&self, path: &str) -> Option<String> {
        if self.work.pay(LOOK + 2 * self.line.members as u64) { self.line.member(path) } else { None }
    }
}

/// Whether an expression matches in a text wherever it matches there as a part of a longer one, with line feeds around:
/// it does not speak of the beginning or the end of the text. Told from how it is written, and rather no than yes. The
/// edges of words are where they were, as a line feed is no word.
fn is_of_any_place(regex: &str) -> bool {
    let bytes = regex.as_bytes();
    let begins = |(at, byte): (usize, &u8)| {
        // In `[^…]` it is another thing; not in `\[^…`.
        let excludes = at > 0 && bytes[at - 1] == b'[' && (at < 2 || bytes[at - 2] != b'\\');
        *byte == b'^' && !excludes
    };
    !regex.contains('$') && !regex.contains("\\A") && !regex.contains("\\z") && !bytes.iter().enumerate().any(begins)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn line(texts: &[String]) -> Line<'_> {
        let mut line = Line::default();
        line.texts.extend(texts.iter().map(|text| Cow::Borrowed(text.as_str())));
        line
    }

    #[test]
    fn an_expression_of_the_whole_text_is_tried_on_each() {
        for (regex, is) in [
            ("a", true),
            (r"\bkey=(\S+)", true),
            (r"[^:]*", true),
            ("^a", false),
            ("a$", false),
            (r"\[^a", false),
            (r"\Aa", false),
            (r"a\z", false),
        ] {
            assert_eq!(is_of_any_place(regex), is, "{regex}");
        }
    }

    #[test]
    fn many_texts_are_gone_over_as_one_and_the_same_expression_once() {
        let texts: Vec<String> = (0..10_000).map(|number| format!("t{number}")).collect();
        let line = line(&texts);
        let looks = Looks::new(&line, Work::unlimited());
        looks.shares.set(true);
        let absent = Regex::new("z([0-9]+)").expect("an expression");
        let before = looks.work.left();
        assert!(!looks.matches(&absent));
        let cost = before - looks.work.left();
        assert!(cost < 2 * looks.size, "one pass over {} bytes cost {cost}", looks.size);
        assert!(!looks.matches(&absent) && !looks.matches(&absent.clone()));
        assert_eq!(before - looks.work.left(), cost, "the same one again costs nothing");
    }

    #[test]
    fn what_was_not_looked_at_is_not_remembered_as_absent() {
        let texts = vec!["a".repeat(100), "b".to_owned()];
        let line = line(&texts);
        let limits = crate::engine::Limits { work: 0, ..crate::engine::Limits::default() };
        let looks = Looks::new(&line, Work::of(&limits, 0));
        looks.shares.set(true);
        let regex = Regex::new("b").expect("an expression");
        assert!(!looks.matches(&regex) && looks.work.is_crossed());
        assert!(looks.matches.borrow().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// However many texts there are, and whatever reaches from one into the next.
        #[test]
        fn the_texts_shown_are_those_that_may_match(
            texts in prop::collection::vec("[ab \n]{0,4}", 0..40),
            before in prop::sample::select(vec!["", "\\b", "\\B"]),
            parts in prop::collection::vec(
                prop::sample::select(vec!["a", "b", "[ab]", "[^a]", "[^b]*b", "a+", "\\s", "\\s*a", "\\W", "\\n", "(a|b )"]),
                1..4,
            ),
            behind in prop::sample::select(vec!["", "\\b", "\\B"]),
        ) {
            let regex = Regex::new(&format!("{before}{}{behind}", parts.concat())).expect("an expression");
            let line = line(&texts);
            let looks = Looks::new(&line, Work::unlimited());
            let mut shown = Vec::new();
            looks.each(&regex, |text| {
                shown.extend(regex.is_match(text).then_some(text));
                Continue(())
            });
            let all: Vec<&str> = texts.iter().map(String::as_str).filter(|text| regex.is_match(text)).collect();
            prop_assert_eq!(shown, all);
            prop_assert_eq!(looks.matches(&regex), texts.iter().any(|text| regex.is_match(text)));
        }
    }
}
