//! The tables that are handed to librdkafka: what may stand there, and which client gets it.

use std::collections::BTreeMap;

use super::layers::{GivenOption, Origin};
use super::mask::is_repeated;
use super::resolve::Resolver;
use super::topics::also;
use super::{codes, keys, secret};
use crate::diagnostic::{Diagnostic, Grade};
use crate::document::did_you_mean;
use crate::flow::OWNED_OPTIONS;
use crate::flow::known::{Refusal, Side, check, names, side};

/// Settings by the client that gets them.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) both: Vec<(String, String)>,
    pub(super) consumer: Vec<(String, String)>,
    pub(super) producer: Vec<(String, String)>,
}

/// Checks every setting, and sorts them. What only one client knows goes to that one, wherever it stood: the other
/// would log a complaint at each start.
pub(super) fn resolve(resolver: &mut Resolver<'_>) -> Options {
    let (mut both, mut consumer, mut producer) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut problems = Vec::new();
    // In the order of the tables' names reversed, [kafka.options] would win over [input.options]; so: common ones first.
    for table in keys::OPTION_TABLES {
        for ((_, name), given) in resolver.raw.options.iter().filter(|((at, _), _)| *at == table) {
            let found = complain(resolver, table, name, given);
            let refused = found.iter().any(|problem| problem.grade == Grade::Error);
            problems.extend(found);
            let side = match (table, side(name)) {
                ("input.options", _) => Side::Consumer,
                ("output.options", _) => Side::Producer,
                (_, side) => side,
            };
            let client = match side {
                Side::Both => &mut both,
                Side::Consumer => &mut consumer,
                Side::Producer => &mut producer,
            };
            if !refused {
                client.insert(name.clone(), given.text.clone());
            }
        }
    }
    resolver.problems.extend(problems);
    let list = |map: BTreeMap<String, String>| map.into_iter().collect();
    Options { both: list(both), consumer: list(consumer), producer: list(producer) }
}

/// What is wrong with one setting; the first reason is enough.
fn complain(resolver: &Resolver<'_>, table: &str, name: &str, given: &GivenOption) -> Option<Diagnostic> {
    let origin = &given.origin;
    secret_in_the_open(table, name, origin)
        .or_else(|| forbidden(table, name, origin))
        .or_else(|| typed(resolver, table, name, origin))
        .or_else(|| owned(table, name, origin))
        .or_else(|| refused(table, name, given))
        .or_else(|| wrong_side(table, name, origin))
        .or_else(|| weak(table, name, given))
}

fn secret_in_the_open(table: &str, name: &str, origin: &Origin) -> Option<Diagnostic> {
    secret::option_twin(name).map(|twin| secret::inline(&format!("{table}.{name}"), twin, origin))
}

fn forbidden(table: &str, name: &str, origin: &Origin) -> Option<Diagnostic> {
    let why = match name {
        "plugin.library.paths" | "ssl.providers" => "it would load code into the daemon",
        _ if name.starts_with("ssl.engine") => "it would load code into the daemon",
        _ if name.starts_with("test.mock") => "it would replace the brokers by a mock; `fingerpost demo` does that",
        _ => return None,
    };
    let message = format!("`{name}` in `[{table}]` is not let through: {why}");
    Some(origin.error_at_key(codes::FORBIDDEN_OPTION, message, "not let through").help("take it out"))
}

/// Settings that have a key of ours.
const TYPED: [(&str, &str); 13] = [
    ("bootstrap.servers", "kafka.bootstrap_servers"),
    ("metadata.broker.list", "kafka.bootstrap_servers"),
    ("group.id", "kafka.group_id"),
    ("security.protocol", "kafka.security_protocol"),
    ("sasl.mechanism", "kafka.sasl_mechanism"),
    ("sasl.mechanisms", "kafka.sasl_mechanism"),
    ("sasl.username", "kafka.sasl_username"),
    ("ssl.ca.location", "kafka.ssl_ca_file"),
    ("ssl.certificate.location", "kafka.ssl_certificate_file"),
    ("ssl.key.location", "kafka.ssl_key_file"),
    ("allow.auto.create.topics", "kafka.create_topics"),
    ("auto.commit.interval.ms", "delivery.commit_interval"),
    ("transactional.id", "delivery.mode"),
];

/// What has a key is never taken twice, so that no file says two different things.
fn typed(resolver: &Resolver<'_>, table: &str, name: &str, origin: &Origin) -> Option<Diagnostic> {
    let (_, by) = TYPED.iter().find(|(typed, _)| *typed == name)?;
    let key = keys::find(by)?;
    let message = format!("`{name}` in `[{table}]` clashes with `{by}`, which decides the same");
    let diagnostic = origin.error_at_key(codes::OWNED_OPTION, message, "decided elsewhere");
    Some(match resolver.given(by).filter(|given| given.origin != Origin::Default) {
        Some(given) => {
            let help = format!("take `{name}` out: `{by}` is already set ({})", given.origin);
            also(diagnostic, &given.origin, "decided here").help(help)
        }
        None => diagnostic.help(format!("write it as `{}` in `[{}]`", key.leaf(), key.section())),
    })
}

/// What delivery rests on is the flow's alone to set.
fn owned(table: &str, name: &str, origin: &Origin) -> Option<Diagnostic> {
    let (_, why) = OWNED_OPTIONS.iter().find(|(owned, _)| *owned == name)?;
    let message = format!("`{name}` in `[{table}]` is for Fingerpost alone to set: {why}");
    Some(origin.error_at_key(codes::OWNED_OPTION, message, "takes no value here").help("take it out"))
}

fn refused(table: &str, name: &str, given: &GivenOption) -> Option<Diagnostic> {
    match check(name, &given.text).err()? {
        Refusal::Unknown => {
            let near = did_you_mean(name, names());
            let help = if near.starts_with("did you mean") {
                near
            } else {
                "https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md lists what there is".to_owned()
            };
            let message = format!("`{name}` in `[{table}]`: librdkafka has no such setting");
            Some(given.origin.error_at_key(codes::REFUSED_OPTION, message, "unknown to librdkafka").help(help))
        }
        Refusal::Value(words) => {
            let mut message = format!("`{name}` in `[{table}]`: librdkafka does not take this value");
            if is_repeated(name) {
                message += &format!(": {}", words.trim());
            }
            let help = "https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md has the range of every setting";
            Some(given.origin.error(codes::REFUSED_OPTION, message, "refused").help(help))
        }
    }
}

fn wrong_side(table: &str, name: &str, origin: &Origin) -> Option<Diagnostic> {
    let (whose, right) = match (table, side(name)) {
        ("input.options", Side::Producer) => ("producer", "output.options"),
        ("output.options", Side::Consumer) => ("consumer", "input.options"),
        _ => return None,
    };
    let message = format!("`{name}` in `[{table}]` is a setting of the {whose}");
    Some(origin.error_at_key(codes::WRONG_SIDE, message, "has no effect here").help(format!("move it to `[{right}]`")))
}

fn weak(table: &str, name: &str, given: &GivenOption) -> Option<Diagnostic> {
    let off = match name {
        "enable.ssl.certificate.verification" => given.text == "false",
        "ssl.endpoint.identification.algorithm" => given.text == "none",
        _ => false,
    };
    let message = format!("`{name}` in `[{table}]` is {}: whoever stands between can pose as the broker", given.text);
    off.then(|| {
        given
            .origin
            .warning(codes::WEAK_SECURITY, message, "the broker's identity is not checked")
            .help("name the authority that vouches for the brokers in `kafka.ssl_ca_file` instead")
    })
}
