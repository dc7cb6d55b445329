//! What of a configuration may be shown. A complaint shows the line that it is about, and a person may have written a secret
//! anywhere: under a name that is none of ours, in an address, in a file that is no TOML.
//!
//! So a value is shown only where its key is known and names no secret, and of an address, a user name, or the path of a
//! secret's file only what can be none ([`Sight`]). Everything else is stars, byte for byte as long, so that places in the
//! copy are places in the file. A file that does not parse is looked at line by line by the same rule, but more strictly.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, Kind, OPTION_TABLES};
use super::value::{Item, Value, quote};
use crate::document::Parsed;
use crate::files;
use crate::flow::known::is_known;
use crate::http::Part;
use crate::sanitize::secrets::{self, HIDDEN};

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

/// What of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All of it, but what stands before and behind the hosts of addresses.
    Whole,
    /// All of it: it goes out with every line.
    Public,
    /// Of addresses that are right, scheme, host and port; of others nothing.
    Address,
    /// What stands before a colon.
    User,
    /// A path, if something is there. What leads nowhere may be the secret itself, and not its file.
    File,
    /// Only these words.
    Words(&'static [&'static str]),
    /// Nothing.
    Nothing,
}

/// What may be shown of the value of a key (`kafka.group_id`), or of a setting of librdkafka (`kafka.options.linger.ms`).
fn sight(name: &str) -> Sight {
    let kind = keys::find(name).map(|key| key.kind);
    match name {
        "alerts.alertmanager" | "kafka.bootstrap_servers" => Sight::Address,
        "alerts.username" | "kafka.sasl_username" => Sight::User,
        "http.token_paths" => Sight::Words(&Part::PATHS),
        "runbooks.base_url" => Sight::Public,
        _ if kind == Some(Kind::SecretFile) || (kind.is_some() && name.ends_with("_file")) => Sight::File,
        _ if kind.is_some() => Sight::Whole,
        _ => OPTION_TABLES.iter().find_map(|table| option(name, table)).map_or(Sight::Nothing, sight_of_option),
    }
}

/// What may be shown of a setting of librdkafka.
fn sight_of_option(name: &str) -> Sight {
    match name {
        "bootstrap.servers" | "metadata.broker.list" => Sight::Address,
        "sasl.username" => Sight::User,
        // Commands and lists of anything.
        "sasl.kerberos.kinit.cmd" | "sasl.oauthbearer.extensions" => Sight::Nothing,
        _ if !is_known(name) || names_a_secret(name) => Sight::Nothing,
        _ if [".location", ".file", ".keytab"].iter().any(|end| name.ends_with(end)) => Sight::File,
        _ => Sight::Whole,
    }
}

/// Whether a complaint may repeat the value of a setting of librdkafka.
pub(super) fn is_repeated(option: &str) -> bool {
    sight_of_option(option) == Sight::Whole
}

fn option<'n>(name: &'n str, table: &str) -> Option<&'n str> {
    name.strip_prefix(table)?.strip_prefix('.')
}

/// The same text with stars in place of what must not be shown. Paths in it are meant from `folder`.
pub(super) fn mask(text: &str, parsed: &Parsed<'_>, folder: &Path) -> String {
    if parsed.is_refused {
        return all_stars(text);
    }
    let mut veil = Veil { text, folder, hidden: Vec::new(), read: Vec::new() };
    veil.table(Some(String::new()), parsed.table.get_ref());
    veil.comments();
    let mut hidden = veil.hidden;
    if !parsed.mistakes.is_empty() {
        in_lines(text, &mut hidden);
    }
    hidden.extend(secrets::users(text));
    let mut bytes = text.as_bytes().to_vec();
    for span in hidden {
        bytes[span].iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
    }
    // A span that ends inside a character would leave half of it; then rather show nothing of the file.
    String::from_utf8(bytes).unwrap_or_else(|_| all_stars(text))
}

/// Byte for byte, so that places stay.
fn all_stars(text: &str) -> String {
    text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' }).collect()
}

/// What is to be hidden of a file, found by what TOML makes of it.
struct Veil<'t> {
    text: &'t str,
    folder: &'t Path,
    hidden: Vec<Range<usize>>,
    /// Keys and values: a `#` in one of them begins no comment.
    read: Vec<Range<usize>>,
}

/// No name of ours is longer, and no longer one is spelled out for each member below it.
const PATH_MAX: usize = 128;

impl Veil<'_> {
    /// Without a path nothing is known by the names.
    fn table(&mut self, path: Option<String>, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            self.read.push(key.span());
            let name = key.get_ref();
            let is_short = |path: &String| path.len() + name.len() < PATH_MAX;
            let path = path.as_ref().filter(|path| is_short(path)).map(|path| match path.as_str() {
                "" => name.to_string(),
                path => format!("{path}.{name}"),
            });
            self.value(path, value);
        }
    }

    fn value(&mut self, path: Option<String>, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(path, table),
            DeValue::Array(array) => array.iter().for_each(|element| self.value(path.clone(), element)),
            _ => {
                self.read.push(value.span());
                let hidden = self.hidden_of(path.as_deref().map_or(Sight::Nothing, sight), value.span());
                self.hidden.extend(hidden);
            }
        }
    }

    /// What is to be hidden of a scalar at this place.
    fn hidden_of(&self, sight: Sight, span: Range<usize>) -> Vec<Range<usize>> {
        let raw = &self.text[span.clone()];
        let inside = raw.trim_matches(['"', '\'']);
        let start = span.start + (inside.as_ptr().addr() - raw.as_ptr().addr());
        let behind = |shown: usize| std::iter::once(start + shown..start + inside.len()).collect();
        match sight {
            Sight::Public if is_public(inside) => Vec::new(),
            Sight::Whole => {
                secrets::tails(raw).into_iter().map(|tail| span.start + tail.start..span.start + tail.end).collect()
            }
            // What is escaped is not what it looks like.
            _ if raw.starts_with('"') && raw.contains('\\') => vec![span],
            Sight::Address => hidden_of_addresses(inside).map(|part| start + part.start..start + part.end).collect(),
            Sight::User => behind(inside.find(':').unwrap_or(inside.len())),
            Sight::File if files::is_there(&self.folder.join(inside)) => Vec::new(),
            Sight::Words(words) if words.contains(&inside) => Vec::new(),
            Sight::Public | Sight::File | Sight::Words(_) | Sight::Nothing => vec![span],
        }
    }

    /// All of them: a comment may quote a secret as well, as in a setting that was switched off by a `#`, and no complaint is
    /// about one.
    fn comments(&mut self) {
        self.read.sort_unstable_by_key(|span| span.start);
        let mut read = self.read.iter().peekable();
        let mut at = 0;
        while let Some(sign) = self.text[at..].find('#').map(|found| at + found) {
            while read.next_if(|span| span.end <= sign).is_some() {}
            match read.peek().filter(|span| span.start <= sign) {
                Some(span) => at = span.end,
                None => {
                    at = end_of_line(self.text, sign);
                    self.hidden.push(sign + 1..at);
                }
            }
        }
    }
}

fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// Of one address, or of several with commas between.
fn hidden_of_addresses(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split(',').filter_map(|part| {
        let address = part.trim();
        let start = address.as_ptr().addr() - text.as_ptr().addr();
        let open = secrets::open_part(address);
        (&address[open..] != "/").then(|| start + open..start + address.len())
    })
}

/// An address to which pages can be added.
fn is_public(address: &str) -> bool {
    secrets::open_part(address) > 0 && !address.contains(['?', '#'])
}

/// For files that do not parse: what is shown are headers, and values of known keys that may be shown as they are, with the
/// lines that go on with them.
fn in_lines(text: &str, hidden: &mut Vec<Range<usize>>) {
    let mut section = Some(String::new());
    let mut is_shown = false;
    each_line(text, |start, line| {
        // Whether it begins a comment or stands in a string is not sure.
        let comment = line.find('#').unwrap_or(line.len());
        hidden.push((start + comment + 1).min(start + line.len())..start + line.len());
        let told = line[..comment].trim();
        if told.is_empty() {
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
        if is_shown {
            hidden.extend(secrets::tails(line).into_iter().map(|tail| start + tail.start..start + tail.end));
        } else {
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

/// Where it is not known in which section a key stands, it is enough that some section has it and that none hides it.
fn is_shown_key(section: Option<&str>, name: &str) -> bool {
    let name = name.trim();
    if name.len() > PATH_MAX {
        return false;
    }
    let name = name.replace(['"', '\''], "");
    let is_shown = |name: &str| sight(name) == Sight::Whole;
    match section {
        Some("") => is_shown(&name),
        Some(section) => is_shown(&format!("{section}.{name}")),
        None => {
            let mut keys = KEYS.iter().filter(|key| key.leaf() == name).peekable();
            keys.peek().is_some() && keys.all(|key| is_shown(key.name))
        }
    }
}

fn each_line(text: &str, mut look: impl FnMut(usize, &str)) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        look(start, line);
        start += line.len();
    }
}

/// What a complaint says, as it may be shown: it may quote an address.
pub(super) fn without_secrets(text: &str) -> String {
    let text = secrets::hide(text, &secrets::users(text));
    secrets::hide(&text, &secrets::tails(&text))
}

/// Advice is ours, and has addresses of documentation; only what it repeats of somebody else's may hold a password.
pub(super) fn without_users(text: &str) -> String {
    secrets::hide(text, &secrets::users(text))
}

/// The value of a key as `config show` has it.
pub(super) fn shown(name: &str, value: &Value) -> String {
    let sight = sight(name);
    match value {
        Value::List(items) => shown_list(sight, items),
        Value::Text(text) => shown_text(sight, text),
        Value::Path(path) if sight == Sight::File => quote(&files::shown(path)),
        Value::SecretFile(path) => format!("<from {}>", files::shown(path)),
        value => without_secrets(&value.to_string()),
    }
}

/// In the environment a comma in a password parts it: so of a list in which anything is hidden, nothing is shown.
fn shown_list(sight: Sight, items: &[Item]) -> String {
    let texts: Vec<String> = items.iter().map(|item| shown_text(sight, &item.text)).collect();
    let has_user = |text: &str| text.find('@').is_some_and(|at| at > 0 && !text[..at].ends_with('.'));
    let is_hidden = texts.iter().any(|text| text.contains(HIDDEN) && sight != Sight::Address || text == &quote(HIDDEN));
    match is_hidden || items.iter().any(|item| has_user(&item.text)) {
        true => HIDDEN.to_owned(),
        false => format!("[{}]", texts.join(", ")),
    }
}

fn shown_text(sight: Sight, text: &str) -> String {
    quote(&match sight {
        Sight::Public if is_public(text) => text.to_owned(),
        Sight::Whole => without_secrets(text),
        Sight::Address => secrets::address(text).into_owned(),
        Sight::User => secrets::user_name(text).into_owned(),
        Sight::File => files::shown(Path::new(text)),
        Sight::Words(words) if words.contains(&text) => text.to_owned(),
        Sight::Public | Sight::Words(_) | Sight::Nothing => HIDDEN.to_owned(),
    })
}

/// The value of a setting of librdkafka as `config show` has it.
pub(super) fn shown_option(name: &str, text: &str) -> String {
    match sight_of_option(name) {
        Sight::Nothing => HIDDEN.to_owned(),
        sight => shown_text(sight, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is there that a path could lead to.
    fn mask(text: &str) -> String {
        super::mask(text, &crate::document::parse(text), Path::new("/not/there"))
    }

    #[test]
    fn a_mask_keeps_places_and_hides_secrets() {
        let text = "[kafka]\nsasl_password = \"hünter2\" # hunter2\nsasl_password_file = \"a\"\n[kafka.options]\n\
                    ssl.key.pem = \"\"\"\nhunter2\nmore\n\"\"\"\nlinger.ms = 5\nx = { \"sasl.password\" = \"hunter2\", y = 1 }\n";
        let masked = mask(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("nter2"), "{masked}");
        assert!(masked.contains("sasl_password_file = ***") && masked.contains("linger.ms = 5"), "{masked}");
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
        let text = "[input\ntopics = [\n  \"logs\",\n]\n[output]\ntopic = logs #here\n";
        assert_eq!(mask(text), text.replace("here", "****"), "what is known is shown");
    }

    #[test]
    fn of_addresses_names_and_paths_only_what_can_be_no_secret_is_shown() {
        for (text, shown) in [
            (
                "[alerts]\nalertmanager = [\"http://a:1\", 'https://b/S']",
                "[alerts]\nalertmanager = [\"http://a:1\", 'https://b**']",
            ),
            ("[alerts]\nalertmanager = \"http://:1/S\"", "[alerts]\nalertmanager = \"***********\""),
            ("[alerts]\nalertmanager = \"http://b\\u002fS\"", "[alerts]\nalertmanager = *****************"),
            ("[kafka]\nbootstrap_servers = 'a:1, b:2'", "[kafka]\nbootstrap_servers = 'a:1, b:2'"),
            ("[kafka]\nbootstrap_servers = 'a:1, S'", "[kafka]\nbootstrap_servers = 'a:1, *'"),
            ("[kafka]\nsasl_username = 'u:S'", "[kafka]\nsasl_username = 'u**'"),
            ("[kafka.options]\nsasl.username = 'u:S'", "[kafka.options]\nsasl.username = 'u**'"),
            ("[kafka]\nssl_ca_file = 'S'", "[kafka]\nssl_ca_file = ***"),
            ("[http]\ntoken_paths = ['/api', 'S']", "[http]\ntoken_paths = ['/api', ***]"),
            ("[[kafka.options]]\nsasl.password = 'S'", "[[kafka.options]]\nsasl.password = ***"),
            ("[runbooks]\nbase_url = 'https://a/b'", "[runbooks]\nbase_url = 'https://a/b'"),
            ("[kafka]\ngroup_id = 'http://a/S'", "[kafka]\ngroup_id = 'http://a**'"),
            ("[kafka] # S\ngroup_id = '#a' #S", "[kafka] #**\ngroup_id = '#a' #*"),
        ] {
            assert_eq!(mask(text), shown);
        }
    }

    #[test]
    fn what_was_not_read_at_all_is_stars() {
        let text = "S\n".repeat(2 << 20);
        assert!(!mask(&text).contains('S'));
        assert_eq!(mask(&text).len(), text.len());
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
