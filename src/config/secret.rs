//! Secrets: read from files, never shown.
//!
//! A secret is given by the name of a file that holds it (`kafka.sasl_password_file`), never in the configuration, in
//! the environment or on the command line, where process lists, shells and container inspectors show it. One that
//! stands there all the same is refused, and the complaint about it does not show it either.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes;
use super::keys::{KEYS, Kind};
use super::layers::Origin;
use crate::diagnostic::Diagnostic;

/// Text that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one who must have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

/// Reads the secret of a key. The line break at the end is the editor's, not the secret's.
pub(super) fn read(key: &str, path: &Path, origin: &Origin, problems: &mut Vec<Diagnostic>) -> Option<Secret> {
    let bad = |why: &str| {
        origin
            .error(codes::BAD_FILE, format!("`{key}`: {}: {why}", path.display()), "this file")
            .help("the file must hold the secret alone, and be readable by the user that the daemon runs as")
    };
    let text = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => {
            problems.push(bad("not UTF-8 text"));
            return None;
        }
        Err(error) => {
            problems.push(bad(&error.to_string()));
            return None;
        }
    };
    problems.extend(others_can_read(key, path, origin));
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        problems.push(bad("the file is empty"));
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

/// A warning, not an error: container platforms mount secrets readable for all, and there nobody else is.
pub(super) fn others_can_read(key: &str, path: &Path, origin: &Origin) -> Option<Diagnostic> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let message = format!("`{key}`: other users can read {} (mode {mode:03o})", path.display());
    (mode & 0o077 != 0).then(|| {
        origin.warning(codes::OPEN_FILE, message, "holds a secret").help(format!("chmod 600 {}", path.display()))
    })
}

/// The key to use in place of one that would hold the secret itself: `kafka.sasl_password_file` for `kafka.sasl_password`.
pub(super) fn twin(name: &str) -> Option<&'static str> {
    let file = |key: &&super::keys::Key| key.kind == Kind::SecretFile && key.name.strip_suffix("_file") == Some(name);
    KEYS.iter().find(file).map(|key| key.name)
}

/// The key to use in place of a librdkafka setting that would hold a secret.
pub(super) fn option_twin(option: &str) -> Option<&'static str> {
    match option {
        "sasl.password" | "sasl.oauthbearer.client.secret" | "sasl.oauthbearer.client.credentials.client.secret" => {
            Some("kafka.sasl_password_file")
        }
        "ssl.key.password" | "ssl.keystore.password" => Some("kafka.ssl_key_password_file"),
        "ssl.key.pem" | "ssl.keystore.location" => Some("kafka.ssl_key_file"),
        "sasl.oauthbearer.config" => Some("kafka.sasl_password_file"),
        _ if names_a_secret(option) => Some("kafka.sasl_password_file"),
        _ => None,
    }
}

/// Refuses a secret that stands in the open.
pub(super) fn inline(name: &str, twin: &str, origin: &Origin) -> Diagnostic {
    origin
        .error_at_key(codes::INLINE_SECRET, format!("`{name}` would hold a secret in the open"), "a secret is never written here")
        .help(format!(
            "put the secret alone into a file that only the daemon's user can read (chmod 600), set `{twin}` to its path, \
             and change the secret: it has been seen"
        ))
}

/// True for names whose value looks like a secret, typos included: who writes `sasl.pasword` writes the password too.
pub(super) fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = ["pass", "pwd", "secret", "pem", "jaas", "token", "apikey", "oauthbearerconfig"];
    const HARMLESS: [&str; 6] = ["file", "location", "path", "url", "capem", "certificatepem"];
    let name = name.to_lowercase();
    let typo = name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| {
        [("password", 2), ("passphrase", 2), ("passwd", 1), ("secret", 1)]
            .iter()
            .any(|(word, slips)| strsim::osa_distance(part, word) <= *slips)
    });
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    (typo || WORDS.iter().any(|word| name.contains(word))) && !HARMLESS.iter().any(|end| name.ends_with(end))
}

/// The same text with stars in place of secrets, byte for byte as long, so that places in the one are places in the other.
pub(super) fn mask(text: &str) -> String {
    let mut hidden = Vec::new();
    let (table, _) = DeTable::parse_recoverable(text);
    spans_in_table("", table.get_ref(), &mut hidden);
    spans_in_lines(text, &mut hidden);
    hidden.extend(in_addresses(text));
    let mut bytes = text.as_bytes().to_vec();
    for span in hidden {
        bytes[span].iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
    }
    // A span that ends inside a character would leave half of it; then rather show nothing of the file.
    String::from_utf8(bytes).unwrap_or_else(|_| text.chars().map(|c| if c == '\n' { c } else { '*' }).collect())
}

fn spans_in_table(path: &str, table: &DeTable<'_>, hidden: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        spans_in_value(&format!("{path}.{}", key.get_ref()), value, hidden);
    }
}

fn spans_in_value(path: &str, value: &Spanned<DeValue<'_>>, hidden: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => spans_in_table(path, table, hidden),
        _ if names_a_secret(path) => hidden.push(value.span()),
        _ => {}
    }
}

/// What stands before the `@` of an address, where some write a user name and a password.
fn in_addresses(text: &str) -> Vec<Range<usize>> {
    let user = |(slashes, _): (usize, &str)| {
        let start = slashes + "://".len();
        let end = text[start..].find(['/', '"', '\'', '\n', ' ', '?', '#']).map_or(text.len(), |length| start + length);
        text[start..end].rfind('@').map(|length| start..start + length)
    };
    text.match_indices("://").filter_map(user).collect()
}

/// A value as it may be shown, without what stands before the `@` of an address.
pub(super) fn without_users(text: &str) -> String {
    let mut shown = text.to_owned();
    for span in in_addresses(text).into_iter().rev() {
        shown.replace_range(span, "<hidden>");
    }
    shown
}

/// For files that do not parse: whatever follows the `=` after such a name on a line, and the lines of a long string.
fn spans_in_lines(text: &str, hidden: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let value =
            line.find('=').map(|equals| equals + 1 + line[equals + 1..].len() - line[equals + 1..].trim_start().len());
        let value = value.map(|value| start + value);
        if let Some(value) = value.filter(|_| lexically_secret(line)) {
            let long = ["\"\"\"", "'''"].into_iter().find(|quotes| text[value..end].contains(quotes));
            let close = long.and_then(|quotes| {
                let open = value + text[value..end].find(quotes)? + quotes.len();
                Some(text[open..].find(quotes).map_or(text.len(), |length| open + length))
            });
            hidden.push(value..close.unwrap_or(end).max(end));
        }
        start = end;
    }
}

/// Any of the names before an `=` on the line, inline tables included; a comment may quote a secret as well.
fn lexically_secret(line: &str) -> bool {
    let mut names: Vec<&str> = line.split('=').collect();
    names.pop();
    names.iter().any(|name| names_a_secret(name.rsplit([',', '{']).next().unwrap_or(name)))
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
    fn a_mask_holds_when_the_file_does_not_parse() {
        for text in
            ["sasl_password = \"hunter2", "sasl.password = '''\nhunter2\n", "[kafka\nsasl_pasword hunter2 = hunter2"]
        {
            assert!(!mask(text).rsplit('=').next().is_some_and(|end| end.contains("hunter2")), "{text}");
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

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(format!("{secret} {secret:?}"), "<secret> <secret>");
    }
}
