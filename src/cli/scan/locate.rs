//! From a place in the decoded text of a line to the bytes of the line that say so, for underlining.
//!
//! Text that needed no decoding lies in the line itself, so its place is known. Else the spelling is looked for: every
//! character as it is, or escaped in any of the ways that JSON has, at any depth. What is not found is not underlined.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use crate::engine::{Examined, Spot};

/// Spellings remembered; a log has few.
const SPELLINGS_MAX: usize = 256;
/// Longer texts are looked for by their beginning.
const TEXT_MAX: usize = 200;

/// See the top of the file.
#[derive(Debug, Default)]
pub struct Locator {
    spellings: HashMap<String, Option<Regex>>,
}

impl Locator {
    /// Where in the line these spots are, ascending.
    pub fn locate(&mut self, line: &[u8], examined: &Examined<'_>, spots: &[Spot]) -> Vec<Range<usize>> {
        let texts: Vec<&str> = examined.texts().collect();
        let mut spans: Vec<Range<usize>> = spots
            .iter()
            .filter_map(|spot| match offset(line, texts[spot.text]) {
                Some(start) => Some(start + spot.span.start..start + spot.span.end),
                None => self.spelled(line, &texts[spot.text][spot.span.clone()]),
            })
            .collect();
        spans.sort_by_key(|span| span.start);
        spans.dedup();
        spans
    }

    fn spelled(&mut self, line: &[u8], text: &str) -> Option<Range<usize>> {
        let text = &text[..text.floor_char_boundary(TEXT_MAX)];
        if !self.spellings.contains_key(text) {
            if self.spellings.len() == SPELLINGS_MAX {
                self.spellings.clear();
            }
            self.spellings.insert(text.to_owned(), spelling(text));
        }
        self.spellings[text].as_ref()?.find(line).map(|found| found.range())
    }
}

/// Where a text begins that is a part of the line's own bytes.
fn offset(line: &[u8], text: &str) -> Option<usize> {
    let start = (text.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    (start + text.len() <= line.len()).then_some(start)
}

fn spelling(text: &str) -> Option<Regex> {
    let mut pattern = String::new();
    for c in text.chars() {
        let escaped = regex::escape(c.encode_utf8(&mut [0; 4]));
        let short = match c {
            '\n' => r"|\\+n",
            '\r' => r"|\\+r",
            '\t' => r"|\\+t",
            '\u{8}' => r"|\\+b",
            '\u{c}' => r"|\\+f",
            _ => "",
        };
        let units = c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |mut units, unit| {
            let _ = write!(units, r"\\+u{unit:04x}");
            units
        });
        let _ = write!(pattern, r"(?:\\*{escaped}|{units}{short})");
    }
    RegexBuilder::new(&pattern).case_insensitive(true).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::packs;
    use crate::engine::Settings;
    use crate::flow::PacksFrom;

    #[test]
    fn a_phrase_is_found_however_it_is_spelled() {
        let engine = packs::load(&PacksFrom::Builtin, Settings::default()).expect("packs").engine;
        let rule =
            engine.packs().rules.iter().position(|rule| rule.report.id == "key-rotation.attempt").expect("there");
        let mut locator = Locator::default();
        for (line, spelled) in [
            (r#"{"msg":"Rotation attempt failed"}"#, "Rotation attempt failed"),
            ("so: rotation ATTEMPT failed.", "rotation ATTEMPT failed"),
            (r#"{"msg":"é\n rotation attempt failed"}"#, "rotation attempt failed"),
            (r#"{"log":"{\"msg\":\"Rotation\u0020attempt failed\"}\n"}"#, r"Rotation\u0020attempt failed"),
            (r#"{"log":"{\"msg\":\"\\u0052otation attempt failed\"}"}"#, r"\\u0052otation attempt failed"),
        ] {
            let examined = engine.examine(line.as_bytes());
            let spans = locator.locate(line.as_bytes(), &examined, &examined.spots(rule, "key-rotation.attempt"));
            let found: Vec<&str> = spans.into_iter().map(|span| &line[span]).collect();
            assert_eq!(found, [spelled], "{line}");
        }
    }
}
