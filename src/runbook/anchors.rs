//! The anchors that GitHub Pages gives to headings.
//!
//! Jekyll's default is kramdown with the GFM parser, whose ids are not those of kramdown alone: a leading digit stays.
//! The rules are `generate_gfm_header_id` and `update_raw_text` in
//! <https://github.com/kramdown/parser-gfm/blob/master/lib/kramdown/parser/gfm.rb>: of what a reader sees (the text of code
//! and links included, typographic symbols as the characters they become) everything but letters, marks, decimal digits,
//! connecting punctuation, `-`, space and tab goes; letters become lower case; each space or tab becomes `-`; the second of equal
//! ids gets `-1`, the third `-2`. An id that is written (`## Heading {#id}`, `{: #id}`) is taken as it is and counts for none.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::liquid::pattern;

static NON_WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\p{L}\p{M}\p{Nd}\p{Pc}\- \t]"));

/// What kramdown turns into typographic symbols, of which none is left in an id. The space beside `<<` and `>>` becomes
/// one that does not break, and goes with them.
static TYPOGRAPHIC: LazyLock<Regex> = LazyLock::new(|| pattern(r"---|--|\.\.\.|<< | >>"));

/// `## Heading {#id}`, as `HEADER_ID` in kramdown's `parser/kramdown/header.rb` has it.
static WRITTEN: LazyLock<Regex> = LazyLock::new(|| pattern(r"[ \t]+\{#([A-Za-z][\w:-]*)\}[ \t]*$"));

/// Counts the ids of one page.
///
/// ```
/// let mut ids = fingerpost::runbook::anchors::Ids::default();
/// assert_eq!(ids.of("1) Locate the slack message"), "1-locate-the-slack-message");
/// assert_eq!(ids.of("1) Locate the Slack message!"), "1-locate-the-slack-message-1");
/// ```
#[derive(Debug, Default)]
pub struct Ids {
    seen: HashMap<String, usize>,
}

impl Ids {
    /// The id of the next heading that has none written; empty when nothing of its text can stand in one.
    pub fn of(&mut self, text: &str) -> String {
        let id = NON_WORD.replace_all(&text.to_lowercase(), "").replace([' ', '\t'], "-");
        let before = self.seen.entry(id.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => id,
            more => format!("{id}-{}", more - 1),
        }
    }
}

/// Text of a heading that is no code, without what becomes a typographic symbol.
pub(super) fn untypographic(text: &str) -> String {
    TYPOGRAPHIC.replace_all(text, "").into_owned()
}

/// The heading's text without the id written behind it, and that id.
pub(super) fn written(text: &str) -> (&str, Option<&str>) {
    match WRITTEN.captures(text).and_then(|found| Some((found.get(0)?, found.get(1)?))) {
        Some((all, id)) => (text[..all.start()].trim_end(), Some(id.as_str())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::diagnostic::Source;
    use crate::runbook::Runbook;

    fn ids(text: &str) -> Vec<String> {
        let source = Source { name: "a.md".into(), text: text.into() };
        Runbook::read(&Arc::new(source)).headings.into_iter().map(|heading| heading.id).collect()
    }

    /// The cases of kramdown's own test, `test/testcases/header_ids` of kramdown-parser-gfm, in other words.
    #[test]
    fn ids_are_those_of_kramdown() {
        let cases = [
            ("### asked for {#mine}", "mine"),
            ("### snake_case", "snake_case"),
            ("### one two öúß", "one-two-öúß"),
            ("### 17 steps 18", "17-steps-18"),
            ("### ;.;;", ""),
            ("### snake_case", "snake_case-1"),
            ("### snake_case", "snake_case-2"),
            ("### ;;", "-1"),
            ("### left \tof the tab", "left--of-the-tab"),
            ("### holds `code`", "holds-code"),
            ("### holds &nbsp;&auml;&nbsp;these", "holds-äthese"),
            ("### Holds \"clever\" quotes", "holds-clever-quotes"),
            ("### or --- << symbols >> ... too", "or--symbols--too"),
            ("### or $$n=2$$", "or-n2"),
        ];
        let text: String = cases.iter().map(|(heading, _)| format!("{heading}\n\n")).collect();
        assert_eq!(ids(&text), cases.map(|(_, id)| id));
    }

    #[test]
    fn ids_of_headings_as_runbooks_have_them() {
        let cases = [
            ("## 1) Find the *failed* message", "1-find-the-failed-message"),
            ("## Example Alert(s)", "example-alerts"),
            ("##### `failed to get it` & more", "failed-to-get-it--more"),
            ("## [A link](https://example.com/x)", "a-link"),
            ("## What's on -- and off", "whats-on--and-off"),
            ("## <a name=\"old\"></a>New", "new"),
            ("## Closed ##", "closed"),
            ("Set\n===", "set"),
            ("## With {{ site.name }}name\n", "with-name"),
            ("## Listed\n{: #by-list .label}", "by-list"),
            ("## Listed", "listed"),
        ];
        let text: String = cases.iter().map(|(heading, _)| format!("{heading}\n\n")).collect();
        let mut found = ids(&text);
        // What Liquid puts into a heading is not known, so nor is its id.
        assert_eq!(found.remove(8), "");
        let mut wanted: Vec<&str> = cases.iter().map(|(_, id)| *id).collect();
        wanted.remove(8);
        assert_eq!(found, wanted);
    }
}
