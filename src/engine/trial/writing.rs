//! The same line, written otherwise: with other escapes, in another wrapper, with other white space, in capitals.
//!
//! A line that is a JSON object is written anew string by string, so that everything else in it stays (key order,
//! duplicate keys, `1e400`); any other line is text, and becomes the value of a member.

use serde::de::IgnoredAny;

/// One way to write a line; nothing when it cannot be written so.
pub(super) struct Writing {
    /// For the reader of a finding.
    pub(super) name: &'static str,
    pub(super) write: fn(&str) -> Option<String>,
}

/// The ways that must not matter at all.
pub(super) const WRITINGS: [Writing; 13] = [
    Writing { name: "with `\\/` for `/`", write: |line| anew(line, Escapes::Slashes) },
    Writing { name: "with `\\u0027`, `\\u003c` and the like", write: |line| anew(line, Escapes::Html) },
    Writing { name: "with some letters as `\\u…`", write: |line| anew(line, Escapes::Letters) },
    Writing { name: "in ASCII only", write: |line| anew(line, Escapes::Ascii) },
    Writing { name: "with every character as `\\u…`", write: |line| anew(line, Escapes::Everything) },
    Writing { name: "with white space around every token", write: spaced },
    Writing { name: "as JSON within `_line`", write: |line| Some(member("_line", line, Escapes::Needed)) },
    Writing { name: "as JSON within `_line`, with `\\/`", write: |line| Some(member("_line", line, Escapes::Slashes)) },
    Writing {
        name: "as JSON within `_line`, every character as `\\u…`",
        write: |line| Some(member("_line", line, Escapes::Everything)),
    },
    Writing {
        name: "with `\\u…` in JSON within `_line`",
        write: |line| Some(member("_line", &anew(line, Escapes::Everything)?, Escapes::Html)),
    },
    Writing { name: "within `msg`", write: |line| (!is_json(line)).then(|| member("msg", line, Escapes::Html)) },
    Writing {
        name: "within `_source`",
        write: |line| is_object(line).then(|| format!("{{\"_source\":{}}}", line.trim())),
    },
    Writing { name: "with CRLF at its end", write: |line| Some(format!("{line}\r\n")) },
];

/// Which characters are written as escapes.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    /// Those that must be.
    Needed,
    /// `/` as well, as PHP does.
    Slashes,
    /// `< > & = '` as well, as encoders for web pages do.
    Html,
    /// Every third character if it is a letter, with capital hexadecimal digits.
    Letters,
    /// Everything beyond ASCII as well, as Python does.
    Ascii,
    Everything,
}

/// A JSON object.
pub(super) fn is_object(line: &str) -> bool {
    line.trim_start().starts_with('{') && is_json(line)
}

/// An object or an array.
fn is_json(line: &str) -> bool {
    line.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

fn anew(line: &str, escapes: Escapes) -> Option<String> {
    rewrite(line, &|text, _| written(text, escapes))
}

fn member(name: &str, value: &str, escapes: Escapes) -> String {
    format!("{{\"{name}\":{}}}", written(value, escapes))
}

/// White space, line ends among it, wherever JSON allows some.
fn spaced(line: &str) -> Option<String> {
    if !is_object(line) {
        return None;
    }
    let mut spaced = String::new();
    for part in parts(line) {
        match part {
            Part::Text { raw, .. } => spaced.push_str(raw),
            Part::Between(between) => {
                for c in between.chars() {
                    match c {
                        ',' | ':' | '[' | ']' | '{' | '}' => spaced.extend([' ', c, '\r', '\n', '\t']),
                        other => spaced.push(other),
                    }
                }
            }
        }
    }
    Some(spaced)
}

/// The line with these phrases (in lower case) in capitals wherever they stand in a value. Values that are `kept` stay.
pub(super) fn in_capitals(line: &str, phrases: &[String], kept: &[String]) -> String {
    let value = |text: &str| {
        if kept.iter().any(|kept| kept == text) { text.to_owned() } else { in_capitals(text, phrases, kept) }
    };
    let object =
        rewrite(line, &|text, is_key| written(&if is_key { text.to_owned() } else { value(text) }, Escapes::Needed));
    object.unwrap_or_else(|| raised(line, phrases))
}

fn raised(text: &str, phrases: &[String]) -> String {
    let lower = text.to_ascii_lowercase();
    let mut bytes = text.as_bytes().to_vec();
    for phrase in phrases {
        for (at, _) in lower.match_indices(phrase.as_str()) {
            bytes[at..at + phrase.len()].make_ascii_uppercase();
        }
    }
    // Only ASCII letters have changed, so it is as much UTF-8 as before.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// An object with each of its strings written anew; `write` gets the decoded text and whether it is a key.
fn rewrite(line: &str, write: &dyn Fn(&str, bool) -> String) -> Option<String> {
    if !is_object(line) {
        return None;
    }
    let mut rewritten = String::new();
    for part in parts(line) {
        match part {
            Part::Between(between) => rewritten.push_str(between),
            // Lone surrogates are no text that could be written otherwise.
            Part::Text { raw, is_key } => match serde_json::from_str::<String>(raw) {
                Ok(text) => rewritten.push_str(&write(&text, is_key)),
                Err(_) => rewritten.push_str(raw),
            },
        }
    }
    Some(rewritten)
}

/// A piece of a JSON text.
enum Part<'l> {
    /// A string with its quotes.
    Text { raw: &'l str, is_key: bool },
    /// What stands between strings.
    Between(&'l str),
}

/// The pieces of a JSON text that is known to be valid.
fn parts(line: &str) -> Vec<Part<'_>> {
    let bytes = line.as_bytes();
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(quote) = line[at..].find('"').map(|found| at + found) {
        parts.push(Part::Between(&line[at..quote]));
        let mut end = quote + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        at = (end + 1).min(bytes.len());
        parts.push(Part::Text { raw: &line[quote..at], is_key: line[at..].trim_start().starts_with(':') });
    }
    parts.push(Part::Between(&line[at..]));
    parts
}

/// A text as a JSON string.
fn written(text: &str, escapes: Escapes) -> String {
    let mut string = String::from("\"");
    for (nth, c) in text.chars().enumerate() {
        let code = match escapes {
            Escapes::Everything => true,
            Escapes::Letters => nth % 3 == 0 && c.is_alphabetic(),
            Escapes::Html => "<>&='".contains(c),
            Escapes::Ascii => !c.is_ascii(),
            Escapes::Needed | Escapes::Slashes => false,
        };
        match c {
            _ if code => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let capitals = escapes == Escapes::Letters;
                    string += &if capitals { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
                }
            }
            '/' if escapes == Escapes::Slashes => string.push_str("\\/"),
            '"' => string.push_str("\\\""),
            '\\' => string.push_str("\\\\"),
            '\n' => string.push_str("\\n"),
            '\r' => string.push_str("\\r"),
            '\t' => string.push_str("\\t"),
            c if c < ' ' => string.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => string.push(c),
        }
    }
    string.push('"');
    string
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_otherwise_says_the_same() {
        let line = r#"{ "msg":"it\u0027s \"a/b\" <c> é 𝄞", "n" : 1e400, "n":[true, {"x":"\\"}]}"#;
        for writing in &WRITINGS[..6] {
            let other = (writing.write)(line).unwrap();
            assert_ne!(other, line, "{}", writing.name);
            let text = |line: &str| {
                parts(line)
                    .iter()
                    .filter_map(|part| match part {
                        Part::Text { raw, .. } => Some(serde_json::from_str::<String>(raw).unwrap()),
                        Part::Between(_) => None,
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(text(&other), text(line), "{}", writing.name);
            assert!(is_object(&other), "{other}");
        }
        assert!(anew(line, Escapes::Everything).unwrap().contains(r"\u0061\u002f\u0062"));
        assert!(anew(r#"{"msg":"Kiln"}"#, Escapes::Letters).unwrap().contains(r"\u004Bil\u006E"));
        assert!(anew(line, Escapes::Slashes).unwrap().contains(r"a\/b"));
        assert!(anew(line, Escapes::Ascii).unwrap().contains(r"\ud834\udd1e"));
        assert_eq!(member("_line", "a\"b", Escapes::Needed), r#"{"_line":"a\"b"}"#);
    }

    #[test]
    fn capitals_stand_where_the_phrases_stand_and_nowhere_else() {
        let phrases = ["key deleted".to_owned(), "app".to_owned()];
        let line = r#"{"app":"app","msg":"the Key deleted","_line":"{\"key deleted\":\"a key deleted\"}"}"#;
        let raised = r#"{"app":"app","msg":"the KEY DELETED","_line":"{\"key deleted\":\"a KEY DELETED\"}"}"#;
        assert_eq!(in_capitals(line, &phrases, &["app".to_owned()]), raised);
        assert_eq!(in_capitals("plain: key deleted", &phrases, &[]), "plain: KEY DELETED");
    }
}
