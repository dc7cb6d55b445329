//! What of a configuration may be shown. A complaint shows the line that it is about, and a person may have written a secret
//! anywhere: under a name that is none of ours, in an address, in a file that is no TOML.
//!
//! So a value is shown only where its key is known and names no secret; everything else is stars, byte for byte as long, so
//! that places in the copy are places in the file. A file that does not parse is looked at line by line by the same rule.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, OPTION_TABLES};
use super::value::Value;
use crate::flow::known::is_known;

/// True for names whose value looks like a secret, typos included: who writes `sasl.pasword` writes the password too.
pub(crate) fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = ["pass", "pwd", "secret", "pem", "jaas", "token", "apikey", "oauthbearerconfig"];
    const HARMLESS: [&str; 7] = ["file", "location", "path", "paths", "url", "capem", "certificatepem"];
    let name = name.to_lowercase();
    let typo = name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| {
        [("password", 2), ("passphrase", 2), ("passwd", 1), ("secret", 1)]
            .iter()
            .any(|(word, slips)| strsim::osa_distance(part, word) <= *slips)
    });
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    (typo || WORDS.iter().any(|word| name.contains(word))) && !HARMLESS.iter().any(|end| name.ends_with(end))
}

/// Whether the value of a key may be shown: `kafka.group_id`, or a setting of librdkafka as in `kafka.options.linger.ms`.
fn is_shown(name: &str) -> bool {
    keys::find(name).is_some() || OPTION_TABLES.iter().any(|table| option(name, table).is_some_and(is_shown_option))
}

/// Whether the value of a setting of librdkafka may be shown.
pub(crate) fn is_shown_option(name: &str) -> bool {
    is_known(name) && !names_a_secret(name)
}

fn option<'n>(name: &'n str, table: &str) -> Option<&'n str> {
    name.strip_prefix(table)?.strip_prefix('.')
}

/// The same text with stars in place of what must not be shown.
pub(crate) fn mask(text: &str) -> String {
    let mut hidden = Vec::new();
    let (table, errors) = DeTable::parse_recoverable(text);
    in_table("", table.get_ref(), &mut hidden);
    in_comments(text, &mut hidden);
    if !errors.is_empty() {
        in_lines(text, &mut hidden);
    }
    hidden.extend(in_addresses(text));
    let mut bytes = text.as_bytes().to_vec();
    for span in hidden {
        bytes[span].iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
    }
    // A span that ends inside a character would leave half of it; then rather show nothing of the file.
    String::from_utf8(bytes).unwrap_or_else(|_| text.chars().map(|c| if c == '\n' { c } else { '*' }).collect())
}

fn in_table(path: &str, table: &DeTable<'_>, hidden: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        in_value(&path, value, hidden);
    }
}

fn in_value(path: &str, value: &Spanned<DeValue<'_>>, hidden: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => in_table(path, table, hidden),
        _ if is_shown(path) => {}
        _ => hidden.push(value.span()),
    }
}

/// A comment may quote a secret as well, as in a setting that was switched off by a `#`.
fn in_comments(text: &str, hidden: &mut Vec<Range<usize>>) {
    each_line(text, |start, line| {
        let mut names = line.split('=');
        let last = names.next_back().unwrap_or_default();
        if line.contains('#') && names.any(names_a_secret) {
            hidden.push(start + line.find('=').unwrap_or(line.len() - last.len())..start + line.len());
        }
    });
}

/// For files that do not parse: what is shown are headers, comments, and values of known keys with the lines that go on
/// with them.
fn in_lines(text: &str, hidden: &mut Vec<Range<usize>>) {
    let mut section = Some(String::new());
    let mut is_shown = false;
    each_line(text, |start, line| {
        let told = line.trim();
        if told.is_empty() || told.starts_with('#') {
            return;
        }
        if let Some(name) = header(told) {
            (section, is_shown) = (name, false);
            return;
        }
        let value = match line.split_once('=') {
            Some((name, _)) => {
                is_shown = is_shown_key(section.as_deref(), name);
                start + name.len() + 1
            }
            None => start,
        };
        if !is_shown {
            hidden.push(value..start + line.len());
        }
    });
}

/// The table that a header opens, `None` within for one that has no end; nothing where a line is no header.
fn header(line: &str) -> Option<Option<String>> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = line.strip_prefix('[')?;
    let length = name.find(|c| !belongs(c)).unwrap_or(name.len());
    let rest = name[length..].trim_start();
    match rest.strip_prefix(']').map(str::trim_start) {
        Some(rest) if rest.is_empty() || rest.starts_with('#') => Some(Some(name[..length].to_owned())),
        None if rest.is_empty() => Some(None),
        _ => None,
    }
}

/// Where it is not known in which section a key stands, it is enough that some section has it.
fn is_shown_key(section: Option<&str>, name: &str) -> bool {
    let name = name.trim().replace(['"', '\''], "");
    match section {
        Some("") => is_shown(&name),
        Some(section) => is_shown(&format!("{section}.{name}")),
        None => KEYS.iter().any(|key| key.leaf() == name) && !names_a_secret(&name),
    }
}

fn each_line(text: &str, mut look: impl FnMut(usize, &str)) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        look(start, line);
        start += line.len();
    }
}

/// What stands before the `@` of an address, where some write a user name and a password; those may have any character but
/// white space and quotes. Without `://` it must have the colon of a password: a user name may be a mail address.
fn in_addresses(text: &str) -> Vec<Range<usize>> {
    let user = |(at, _): (usize, &str)| {
        let ends_before = |c: char| c.is_whitespace() || "\"'`<>=".contains(c);
        let word = text[..at].rfind(ends_before).map_or(0, |before| before + 1);
        // White space may have more than one byte.
        let word = text.ceil_char_boundary(word);
        match text[word..at].find("://") {
            Some(scheme) => Some(word + scheme + "://".len()..at),
            None if text[word..at].contains(':') => Some(word..at),
            None => None,
        }
    };
    let mut found: Vec<Range<usize>> = Vec::new();
    for span in text.match_indices('@').filter_map(user).filter(|span| !span.is_empty()) {
        match found.last_mut() {
            // A password with an `@` in it.
            Some(last) if last.start == span.start => *last = span,
            _ => found.push(span),
        }
    }
    found
}

/// A text as it may be shown, without what stands before the `@` of an address.
pub(crate) fn without_users(text: &str) -> String {
    let mut shown = text.to_owned();
    for span in in_addresses(text).into_iter().rev() {
        shown.replace_range(span, "<hidden>");
    }
    shown
}

/// A value as `config show` has it. In the environment a comma in a password parts it, so of a list in which somebody wrote a
/// user name into an address nothing is shown.
pub(crate) fn shown(value: &Value) -> String {
    let has_user = |text: &str| text.find('@').is_some_and(|at| at > 0 && !text[..at].ends_with('.'));
    match value {
        Value::List(items) if items.iter().any(|item| has_user(&item.text)) => "<hidden>".to_owned(),
        value => without_users(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_places_and_hides_secrets() {
        let text = "[kafka]\nsasl_password = \"hünter2\" # hunter2\nsasl_password_file = \"a\"\n[kafka.options]\n\
                    ssl.key.pem = \"\"\"\nhunter2\nmore\n\"\"\"\nlinger.ms = 5\nx = { \"sasl.password\" = \"hunter2\", y = 1 }\n";
        let masked = mask(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("nter2"), "{masked}");
        assert!(masked.contains("sasl_password_file = \"a\"") && masked.contains("linger.ms = 5"), "{masked}");
    }

    #[test]
    fn a_value_whose_key_nobody_knows_is_hidden() {
        let text = "key = 'hunter2'\n[kafka]\nsasl_user = 'hunter2'\ngroup_id = 'logs'\nauth = { id = 'hunter2' }\n[alerts]\n\
                    apikey2 = ['hunter2']\nrepeat_interval = '1m'\n[http]\ncookie.value = 'hunter2'\n[tls]\nx = 'hunter2'\n\
                    [output.options]\nsasl.passwort = 'hunter2'\nno.such = 'hunter2'\n# token = 'hunter2'\n";
        let masked = mask(text);
        assert!(!masked.contains("hunter2"), "{masked}");
        assert!(masked.contains("'logs'") && masked.contains("'1m'") && masked.contains("apikey2 = "), "{masked}");
    }

    #[test]
    fn a_mask_holds_when_the_file_does_not_parse() {
        for text in [
            "sasl_password = \"hunter2",
            "sasl.password = '''\nhunter2\n",
            "[kafka\nsasl_pasword hunter2 = hunter2",
            "[kafka]\nsasl_password: \"hunter2\"",
            "[kafka]\nkey = \"hunter2",
            "[http]\ncookie = [\n  \"hunter2\",\n",
            "[alerts]\nalertmanager = \"http://me:hun/ter2,hunter2@a",
            "[kafka.options]\nno.such = hunter2",
            "hunter2",
        ] {
            let masked = mask(text);
            let after = masked.rsplit_once('=').map_or(masked.as_str(), |(_, after)| after);
            assert!(!after.contains("hunter2"), "{text}\n{masked}");
        }
        let text = "[input\ntopics = [\n  \"logs\",\n]\n[output]\ntopic = logs # here\n";
        assert_eq!(mask(text), text, "what is known is shown");
    }

    #[test]
    fn no_password_of_an_address_is_shown() {
        for (text, shown) in [
            ("http://me:hunter2@a:1", "http://<hidden>@a:1"),
            ("`https://hunter2@a`, `http://b`", "`https://<hidden>@a`, `http://b`"),
            ("me:hunter2@a:1", "<hidden>@a:1"),
            ("http://me:hun/ter#2?x@y@a", "http://<hidden>@a"),
            ("me@example.com", "me@example.com"),
            ("[\"a:1\", \"http://@b\"]", "[\"a:1\", \"http://@b\"]"),
        ] {
            assert_eq!(without_users(text), shown);
        }
    }

    #[test]
    fn settings_without_a_secret_are_shown() {
        let keys = KEYS.iter().map(|key| key.name);
        for name in keys.chain(crate::flow::known::names()) {
            assert!(!names_a_secret(name), "{name} would be hidden");
        }
        for name in ["sasl.password", "sasl.pasword", "ssl.key.pem", "kafka.sasl_pw_secert", "sasl.oauthbearer.config"]
        {
            assert!(names_a_secret(name), "{name} would be shown");
        }
    }
}
