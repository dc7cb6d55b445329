//! What Jekyll takes out of a page before Markdown is read: front matter, Liquid, and kramdown's attribute lists. All of it is
//! overwritten with spaces, so that every byte that stays keeps its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Comments with what is in them, output tags, other tags.
static LIQUID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?s)\{%-?\s*comment\s*-?%\}.*?\{%-?\s*endcomment\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}|<!--.*?-->")
});

/// A line that holds nothing but an attribute list, as in `{: .label #id}`.
static ATTRIBUTES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^[ ]{0,3}\{:([^}\n]*)\}[ \t]*$"));

pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed expression compiles")
}

/// What is left of a page, and what was taken out.
pub(super) struct Page {
    /// As long as the file.
    pub(super) text: String,
    pub(super) front: BTreeMap<String, String>,
    /// Ids in attribute lists, with the place of the list.
    pub(super) ids: Vec<(Range<usize>, String)>,
}

pub(super) fn page(file: &str) -> Page {
    let body = front_matter(file);
    let front = fields(&file[..body]);
    let mut text = blank(&file[..body]);
    let rest = LIQUID.replace_all(&file[body..], |found: &regex::Captures<'_>| blank(&found[0]));
    let mut ids = Vec::new();
    for list in ATTRIBUTES.captures_iter(&rest) {
        let (Some(all), Some(inside)) = (list.get(0), list.get(1)) else { continue };
        let id = inside.as_str().split_whitespace().find_map(|word| word.strip_prefix('#'));
        ids.extend(id.map(|id| (body + all.start()..body + all.end(), id.to_owned())));
    }
    text.push_str(&ATTRIBUTES.replace_all(&rest, |found: &regex::Captures<'_>| blank(&found[0])));
    Page { text, front, ids }
}

/// As many bytes of nothing, on as many lines.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// Where the front matter ends: it begins and ends with a line `---`.
fn front_matter(file: &str) -> usize {
    let mut lines = file.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return 0 };
    let mut end = first.len();
    for line in lines {
        end += line.len();
        if line.trim_end() == "---" {
            return end;
        }
    }
    0
}

/// The `key: text` lines. The rest of YAML holds nothing that is asked for here.
fn fields(front: &str) -> BTreeMap<String, String> {
    let pairs = front.lines().filter(|line| !line.starts_with([' ', '-', '#'])).filter_map(|line| line.split_once(':'));
    let unquoted = |text: &str| {
        let text = text.trim();
        let inside = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        inside.unwrap_or(text).to_owned()
    };
    pairs.map(|(key, text)| (key.trim().to_owned(), unquoted(text))).collect()
}
