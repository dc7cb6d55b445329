//! The way to the brokers: addresses, TLS and sign-in, checked together and turned into librdkafka's settings.

use std::path::{Path, PathBuf};

use super::layers::{Given, Origin};
use super::resolve::Resolver;
use super::topics::also;
use super::value::{Item, Value};
use super::{codes, secret};
use crate::diagnostic::Diagnostic;
use crate::files;
use crate::sanitize::secrets::open_part;

const SASL_KEYS: [&str; 3] = ["kafka.sasl_username", "kafka.sasl_password_file", "kafka.sasl_mechanism"];
const SSL_KEYS: [&str; 4] =
    ["kafka.ssl_ca_file", "kafka.ssl_certificate_file", "kafka.ssl_key_file", "kafka.ssl_key_password_file"];

/// The brokers as librdkafka wants them.
pub(super) fn bootstrap_servers(resolver: &mut Resolver<'_>) -> String {
    const KEY: &str = "kafka.bootstrap_servers";
    resolver.demand(KEY);
    let Some(origin) = resolver.given(KEY).map(|given| given.origin.clone()) else { return String::new() };
    let items: Vec<Item> = resolver.items(KEY).iter().flat_map(|item| addresses(item, &origin)).collect();
    if items.is_empty() {
        let problem = origin.error(codes::BAD_VALUE, format!("`{KEY}` is an empty list"), "empty").help(ADDRESS_HELP);
        resolver.problems.push(problem);
    }
    if items.iter().any(|item| item.text.contains('@')) {
        let message = format!("`{KEY}` has a user name in an address");
        let help = "leave what stands before the @ away; set `kafka.sasl_username` and `kafka.sasl_password_file`, and change \
                    the secret: it has been seen";
        resolver.problems.push(origin.error(codes::INLINE_SECRET, message, "not an address").help(help));
        // Whatever else is wrong may be a part of a password.
        return String::new();
    }
    resolver.problems.extend(items.iter().filter_map(|item| {
        let why = address_problem(&item.text)?;
        let diagnostic =
            Diagnostic::error(codes::BAD_VALUE, format!("`{KEY}` has what is no address of a broker: {why}"));
        Some(origin.locate(diagnostic, "not an address", item.span.clone()).help(ADDRESS_HELP))
    }));
    let texts: Vec<String> = items.into_iter().map(|item| item.text).collect();
    texts.join(",")
}

/// In the file, one string with commas is as good as an array.
fn addresses(item: &Item, origin: &Origin) -> Vec<Item> {
    let place = |text: &str| match (origin, &item.span) {
        // Nothing is escaped in it, and there is one quote before and behind.
        (Origin::File(..), Some(span)) if span.len() == item.text.len() + 2 => {
            let start = span.start + 1 + (text.as_ptr().addr() - item.text.as_ptr().addr());
            Some(start..start + text.len())
        }
        _ => None,
    };
    let address = |text: &str| Item { text: text.to_owned(), span: place(text).or_else(|| item.span.clone()) };
    item.text.split(',').map(str::trim).map(address).collect()
}

const ADDRESS_HELP: &str = "addresses look like \"broker-1.example.com:9092\", several with a comma between";

/// The address itself is not told: where it is wrong, any part of it may be a secret that belongs elsewhere.
fn address_problem(text: &str) -> Option<&'static str> {
    if text.contains("://") {
        return Some("the protocol is said by `kafka.security_protocol`, not in the address");
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Some("the port is missing") };
    if port.parse::<u16>().map_or(true, |port| port == 0) {
        return Some("the port is not a number from 1 to 65535");
    }
    (host.is_empty() || open_part(text) < text.len()).then_some("the host is not one")
}

/// librdkafka's settings for TLS and sign-in.
pub(super) struct Security {
    pub(super) options: Vec<(String, String)>,
    /// The names of those that are secret.
    pub(super) secret_options: Vec<String>,
    /// Those of them that are set, and where they were read.
    pub(super) secret_files: Vec<(String, PathBuf)>,
}

/// The keys of secrets, and librdkafka's names.
const SECRETS: [(&str, &str); 2] =
    [("kafka.sasl_password_file", "sasl.password"), ("kafka.ssl_key_password_file", "ssl.key.password")];

/// Checks the keys for TLS and sign-in, together.
pub(super) fn resolve(resolver: &mut Resolver<'_>) -> Security {
    let protocol = resolver.text("kafka.security_protocol").map_or("plaintext", |(word, _)| word).to_owned();
    let mut options = Vec::new();
    let mut secrets = Vec::new();
    let mut set = |name: &str, value: String| options.push((name.to_owned(), value));
    set("security.protocol", protocol.clone());
    if protocol.starts_with("sasl_") {
        for (name, value) in sign_in(resolver) {
            set(name, value);
        }
        secrets.push("sasl.password".to_owned());
    } else {
        useless(resolver, &SASL_KEYS, "no sign-in takes place", "\"sasl_ssl\"");
    }
    if protocol.ends_with("ssl") {
        for (name, value) in tls(resolver) {
            set(name, value);
        }
        secrets.push("ssl.key.password".to_owned());
    } else {
        let instead = if protocol == "plaintext" { "\"ssl\"" } else { "\"sasl_ssl\"" };
        useless(resolver, &SSL_KEYS, "the connection has no TLS", instead);
    }
    let is_used = |option: &str| options.iter().any(|(name, _)| name == option);
    let used = SECRETS.into_iter().filter(|(_, option)| is_used(option));
    let secret_files = used.filter_map(|(key, option)| Some((option.to_owned(), path_of(resolver, key)?.0.into())));
    Security { secret_files: secret_files.collect(), options, secret_options: secrets }
}

/// A key that is set and cannot matter is a mistake: most likely the protocol was forgotten.
fn useless(resolver: &mut Resolver<'_>, keys: &[&str], why: &str, instead: &str) {
    let Some(key) = keys.iter().find(|key| resolver.is_set(key)) else { return };
    let Some((protocol, decided)) = resolver.text("kafka.security_protocol") else { return };
    let Some(given) = resolver.given(key) else { return };
    let by = if *decided == Origin::Default { ", as nothing else is set" } else { "" };
    let message = format!("`{key}` is set, but {why}: `kafka.security_protocol` is \"{protocol}\"{by}");
    let diagnostic = also(given.origin.error(codes::SECURITY, message, "has no effect"), decided, "decided here");
    resolver.problems.push(diagnostic.help(format!("set `security_protocol = {instead}` in `[kafka]`")));
}

fn sign_in(resolver: &mut Resolver<'_>) -> Vec<(&'static str, String)> {
    let mechanism = resolver.text("kafka.sasl_mechanism").map_or("PLAIN", |(word, _)| word).to_owned();
    let protocol = resolver.text("kafka.security_protocol").map(|(word, origin)| (word.to_owned(), origin.clone()));
    if let Some((word, origin)) = protocol {
        for key in ["kafka.sasl_username", "kafka.sasl_password_file"] {
            if resolver.raw.is_missing(key) {
                let message = format!("`kafka.security_protocol` is \"{word}\", and `{key}` is not set");
                let diagnostic = origin.error(codes::MISSING, message, "wants a user name and a password");
                resolver.problems.push(diagnostic.help(sign_in_help(key)));
            }
        }
        if word == "sasl_plaintext" && mechanism == "PLAIN" {
            let message = "the password crosses the network unencrypted: \"sasl_plaintext\" with PLAIN";
            let diagnostic = origin.warning(codes::WEAK_SECURITY, message, "no TLS");
            resolver
                .problems
                .push(diagnostic.help("use \"sasl_ssl\", or a SCRAM mechanism, which does not send the password"));
        }
    }
    let mut options = vec![("sasl.mechanisms", mechanism)];
    options.extend(resolver.text("kafka.sasl_username").map(|(name, _)| ("sasl.username", name.to_owned())));
    options.extend(read_secret(resolver, "kafka.sasl_password_file").map(|text| ("sasl.password", text)));
    options
}

fn sign_in_help(key: &str) -> &'static str {
    if key == "kafka.sasl_username" {
        "set `sasl_username` in `[kafka]`; for IBM Event Streams it is \"token\""
    } else {
        "put the password into a file of its own and set `sasl_password_file` in `[kafka]` to its path"
    }
}

fn tls(resolver: &mut Resolver<'_>) -> Vec<(&'static str, String)> {
    let mut options = Vec::new();
    for (key, option) in
        [("kafka.ssl_ca_file", "ssl.ca.location"), ("kafka.ssl_certificate_file", "ssl.certificate.location")]
    {
        options.extend(readable(resolver, key).map(|path| (option, path)));
    }
    options.extend(readable(resolver, "kafka.ssl_key_file").map(|path| ("ssl.key.location", path)));
    options.extend(read_secret(resolver, "kafka.ssl_key_password_file").map(|text| ("ssl.key.password", text)));
    for (one, other) in
        [("kafka.ssl_certificate_file", "kafka.ssl_key_file"), ("kafka.ssl_key_file", "kafka.ssl_certificate_file")]
    {
        let Some(given) = resolver.given(one).filter(|_| resolver.raw.is_missing(other)) else {
            continue;
        };
        let message = format!("`{one}` is set without `{other}`");
        let problem = given.origin.error(codes::SECURITY, message, "half of a pair");
        resolver.problems.push(problem.help("a client certificate needs both its certificate and its private key"));
    }
    options
}

/// librdkafka reads these files itself, and says little when it cannot: so they are tried here first.
fn readable(resolver: &mut Resolver<'_>, key: &str) -> Option<String> {
    let (path, is_secret, origin) = path_of(resolver, key)?;
    match files::open(Path::new(&path)) {
        Ok(_) => {
            resolver
                .problems
                .extend(is_secret.then(|| secret::others_can_read(key, Path::new(&path), &origin)).flatten());
        }
        Err(error) => resolver.problems.push(bad_file(key, &path, &error.to_string(), &origin)),
    }
    Some(path)
}

fn bad_file(key: &str, path: &str, why: &str, origin: &Origin) -> Diagnostic {
    origin
        .error(codes::BAD_FILE, format!("`{key}`: {}: {why}", files::shown(Path::new(path))), "this file")
        .help("name a PEM file that the daemon's user can read")
}

fn read_secret(resolver: &mut Resolver<'_>, key: &str) -> Option<String> {
    let (path, _, origin) = path_of(resolver, key)?;
    secret::read(key, Path::new(&path), &origin, &mut resolver.problems).map(|secret| secret.reveal().to_owned())
}

fn path_of(resolver: &Resolver<'_>, key: &str) -> Option<(String, bool, Origin)> {
    match resolver.given(key)? {
        Given { value: Value::Path(path), origin } => Some((path.display().to_string(), false, origin.clone())),
        Given { value: Value::SecretFile(path), origin } => Some((path.display().to_string(), true, origin.clone())),
        _ => None,
    }
}
