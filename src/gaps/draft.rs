//! Templates as draft rules in the pack language: a pack that loads, whose examples hold, and in which all that a person
//! must decide is marked with `TODO`. Examples are made of what the lines have in common, so that nothing of what varied
//! in them (names, numbers, keys) gets into a pack.

use std::collections::BTreeSet;

use super::template::{ANYTHING, MARKS, NUMBER, PATH, Template, WHY};

/// Bytes of a phrase; shorter ones are found too often.
const PHRASE_MIN: usize = 8;
/// Phrases of a rule, the longest.
const PHRASES_MAX: usize = 3;
/// Words of an id.
const ID_WORDS: usize = 5;
/// Bytes of a title.
const TITLE_MAX: usize = 70;

/// A draft pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafts {
    /// The pack's text.
    pub text: String,
    /// Rules in it.
    pub rules: usize,
    /// Ids of templates of which no rule can be made: too little in them is fixed, or another has the same phrases.
    pub left_out: Vec<String>,
}

/// Drafts a rule for each template.
#[must_use]
pub fn draft(templates: &[Template]) -> Drafts {
    let mut drafts = Drafts { text: HEAD.to_owned(), rules: 0, left_out: Vec::new() };
    let (mut ids, mut known) = (BTreeSet::new(), Vec::<Vec<String>>::new());
    for template in templates {
        let phrases = phrases(template);
        let folded: Vec<String> = phrases.iter().map(|phrase| phrase.to_ascii_lowercase()).collect();
        // A line of the one would be a line of the other.
        let claims = |some: &[String], all: &[String]| some.iter().all(|it| all.iter().any(|other| other.contains(it)));
        if phrases.is_empty() || known.iter().any(|other| claims(other, &folded) || claims(&folded, other)) {
            drafts.left_out.push(template.id.clone());
            continue;
        }
        known.push(folded);
        drafts.text.push_str(&rule(template, &phrases, &id(template, &mut ids)));
        drafts.rules += 1;
    }
    drafts
}

const HEAD: &str = "\
# Drafted from error lines that no rule claimed. What stands behind TODO is for a person to decide; then run
# `fingerpost check` on it. The most frequent come first.
[pack]
runbook = \"TODO.md\"
link = \"/TODO.html\"
[sections]
todo = \"TODO: the heading of the runbook's section\"
";

fn rule(template: &Template, phrases: &[String], id: &str) -> String {
    let lines = if template.lines == 1 { "1 line".to_owned() } else { format!("{} lines", template.lines) };
    let apps = template.apps.join(", ");
    let of = if apps.is_empty() { String::new() } else { format!(" of {apps}") };
    let list: Vec<String> = phrases.iter().map(|phrase| quoted(phrase)).collect();
    let example = serde_json::json!({ "level": "error", "msg": example(&template.text) }).to_string();
    format!(
        "\n# {lines}{of}, template {}: {}\n[[rule]]\nid = \"{id}\"\ntitle = {}\nall = [{}]\n\
         severity = \"error\" # TODO: critical, error, warning or info\nsection = \"todo\"\n\
         action = \"TODO: what to do\"\ncontact = \"TODO: whom to ask\"\nmatch = [{}]\n\
         no_match = [] # TODO: a line that is nearly the same, and must not be claimed\n",
        template.id,
        comment(&template.text),
        quoted(&title(phrases)),
        list.join(", "),
        quoted(&example),
    )
}

/// On one line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What is fixed in a template, piece by piece: the longest, in their order. A word of which a part varies is no piece of a
/// phrase: what is left of it may be a piece of somebody's name. Nor is one with quotes, which lines write in several ways.
fn phrases(template: &Template) -> Vec<String> {
    let varies =
        |word: &&str| MARKS.iter().any(|mark| word.contains(mark)) || word.contains(['"', '\\']) || *word == WHY;
    let words: Vec<&str> = template.text.split(' ').collect();
    let runs = words.split(varies).flat_map(|run| as_it_stands(run, &template.sample));
    // A quote, brace or the like at an end belongs to what varied.
    let ends = |c: char| c.is_whitespace() || "\"'`{}[]()<>,;:|…".contains(c);
    let pieces = runs.map(|run| run.trim_matches(ends).to_owned());
    let pieces = pieces.filter(|piece| is_enough(piece));
    let mut found: Vec<String> = Vec::new();
    for piece in pieces {
        let folded = piece.to_ascii_lowercase();
        if !found.iter().any(|known| known.to_ascii_lowercase().contains(&folded)) {
            found.retain(|known| !folded.contains(&known.to_ascii_lowercase()));
            found.push(piece);
        }
    }
    let mut lengths: Vec<usize> = found.iter().map(String::len).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let least = lengths.get(PHRASES_MAX - 1).copied().unwrap_or(0);
    found.into_iter().filter(|phrase| phrase.len() >= least).take(PHRASES_MAX).collect()
}

/// Words with what stands between them in the line: in a template that is one blank, wherever it was more.
fn as_it_stands(words: &[&str], line: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in words {
        let longer =
            pieces.last().map(|piece| format!("{piece} {word}")).filter(|longer| line.contains(longer.as_str()));
        match (longer, pieces.last_mut()) {
            (Some(longer), Some(piece)) => *piece = longer,
            _ => pieces.push((*word).to_owned()),
        }
    }
    pieces
}

/// The scan needs something to look for: the longest run of characters that no encoder escapes.
fn is_enough(piece: &str) -> bool {
    let atom = crate::pack::atom(piece).len();
    piece.len() >= PHRASE_MIN
        && atom >= PHRASE_MIN
        && piece.bytes().filter(u8::is_ascii_alphabetic).count() >= PHRASE_MIN / 2
}

/// A line of the template: what varied is a digit or a letter.
fn example(text: &str) -> String {
    text.replace(NUMBER, "0").replace(PATH, "/x").replace(ANYTHING, "x").replace(WHY, "-")
}

fn title(phrases: &[String]) -> String {
    let whole = phrases.join(" … ");
    whole[..whole.floor_char_boundary(TITLE_MAX)].trim_end().to_owned()
}

/// `draft.` and the first words; a number behind it where that is taken.
fn id(template: &Template, ids: &mut BTreeSet<String>) -> String {
    let fixed = MARKS.iter().fold(template.text.clone(), |text, mark| text.replace(mark, " "));
    let words = fixed.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 1);
    let words: Vec<String> = words.take(ID_WORDS).map(str::to_ascii_lowercase).collect();
    let name = if words.is_empty() { template.id.clone() } else { words.join("-") };
    let first = format!("draft.{name}");
    let id = if ids.contains(&first) { format!("{first}-{}", template.id) } else { first };
    ids.insert(id.clone());
    id
}

/// As TOML has it: literally where that is possible.
fn quoted(text: &str) -> String {
    if text.contains('\'') || text.chars().any(char::is_control) {
        let escaped = serde_json::Value::from(text).to_string();
        // TOML knows all of JSON's escapes but the one of the slash, which is not written here, and wants DEL escaped.
        return escaped.replace('\u{7f}', "\\u007f");
    }
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Gist;
    use crate::gaps::{Gaps, Limits};

    fn drafted(text: &str) -> String {
        let mut gaps = Gaps::new(Limits::default());
        let gist = Gist { app: None, says: vec![text.to_owned()], is_error: true, is_object: true };
        gaps.see(&gist, 1, || "file:1".to_owned());
        draft(&gaps.templates()).text
    }

    #[test]
    fn no_piece_of_a_time_an_id_an_address_a_pod_or_a_path_is_in_a_draft() {
        for varying in [
            "2026-01-01T00:00:00.740723141Z",
            "Thu Jun 09 06:07:04 2005",
            "[2015-07-29 17:41:44,747]",
            "0b7e6c1a-9d2f-4c3b-8e5a-abcdefabcdef",
            "q62wCcIkEOueqFKF",
            "req-38101a0b-2096-447d-96ea-a692162415ae",
            "10.0.3.4:443",
            "fe80::c6b3:1ff:fecd:467f",
            "00:11:43:e3:ba:c3",
            "database-main.example.com:5432",
            "proxy.cse.cuhk.edu.hk",
            "somebody.else@example.com",
            "pod=\"shopping/cartservice-6b5f6db455-zjjts\"",
            "shopping/cartservice-zjjts",
            "cartservice-frontend-0",
            "/var/log/pods/shopping/cartservice/current.log",
            "https://example.com/shopping/carts?all=yes",
            "C:\\Windows\\System32\\drivers.dll",
            "registry.example.com/shopping/cartservice@sha256:0b7e6c1a9d2f4c3b8e5aabcdefabcdef",
        ] {
            let draft = drafted(&format!("cannot find what was asked for {varying} among all of them"));
            let rule = draft.split("[[rule]]").nth(1).unwrap_or_default();
            assert!(
                rule.contains("all = ['cannot find what was asked for', 'among all of them']"),
                "{varying}: {draft}"
            );
        }
    }

    #[test]
    fn a_phrase_stands_in_the_line_as_it_is() {
        let draft = drafted("cannot go on:   what was asked for\tis not there, and \"nobody\" knows why it is so");
        let phrases = "all = ['what was asked for', 'is not there, and', 'knows why it is so']";
        assert!(draft.contains(phrases), "{draft}");
    }
}
