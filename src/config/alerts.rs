//! Alerts: the two topics that counting needs, the Alertmanagers to tell, and how to sign in there.

use axum::http::Uri;

use super::layers::{Given, Origin};
use super::resolve::Resolver;
use super::value::{Item, Value};
use super::{codes, secret, topics};
use crate::alert::{self, Limits};
use crate::diagnostic::Diagnostic;
use crate::files::{self, TEXT_MAX};
use crate::flow::Roles;
use crate::flow::alerts::Settings;
use crate::flow::notify::{self, Address, SignIn};
use crate::sanitize::secrets::open_part;

/// What nobody hears of without the topics.
const NOTIFYING: [&str; 5] =
    ["alerts.alertmanager", "alerts.username", "alerts.password_file", "alerts.token_file", "alerts.ssl_ca_file"];

/// `None`: no alert is counted.
pub(super) fn resolve(resolver: &mut Resolver<'_>, counting: &alert::Settings) -> Option<Settings> {
    let matches = topics::written(resolver, "matches.topic");
    let topic = topics::written(resolver, "alerts.topic");
    let alertmanagers = alertmanagers(resolver);
    let sign_in = sign_in(resolver, &alertmanagers);
    let authorities = authorities(resolver);
    let repeat_interval = resolver.duration("alerts.repeat_interval");
    match (matches, topic) {
        (Some(matches), Some(topic)) => {
            let (found_late, max_firing) = (resolver.duration("alerts.found_late"), resolver.size("alerts.max_firing"));
            let notify =
                notify::Settings { alertmanagers, sign_in, authorities, repeat_interval, found_late, max_firing };
            let (groups, bytes) = (resolver.size("limits.alert_groups"), resolver.size("limits.alert_memory"));
            let limits = Limits { groups, bytes };
            Some(Settings { matches, topic, counting: counting.clone(), limits, notify })
        }
        (None, None) => {
            let telling = NOTIFYING.into_iter().find(|key| resolver.is_set(key));
            if let Some(key) = telling {
                needs(resolver, key, "matches.topic", "fingerpost.matches");
            }
            None
        }
        (Some(_), None) => {
            needs(resolver, "matches.topic", "alerts.topic", "fingerpost.alerts");
            None
        }
        (None, Some(_)) => {
            needs(resolver, "alerts.topic", "matches.topic", "fingerpost.matches");
            None
        }
    }
}

/// One key is of no use without the other.
fn needs(resolver: &mut Resolver<'_>, key: &str, other: &str, example: &str) {
    let Some(Given { origin, .. }) = resolver.given(key) else { return };
    let message = format!("`{key}` is set without `{other}`");
    let problem = origin.error(codes::MISSING, message, "counts no alerts by itself");
    resolver.problems.push(problem.help(format!("alerts need both topics: set `{other}`, as in \"{example}\"")));
}

/// What this daemon does.
pub(super) fn roles(resolver: &mut Resolver<'_>) -> Roles {
    const WORDS: [&str; 2] = ["classify", "alert"];
    const HELP: &str = "roles are \"classify\" and \"alert\"; without the key it has both";
    let items = resolver.items("delivery.roles");
    let origin = resolver.given("delivery.roles").map(|given| given.origin.clone());
    let has = |word: &str| items.iter().any(|item| item.text == word);
    if let Some(origin) = origin {
        let unknown = items.iter().filter(|item| !WORDS.contains(&item.text.as_str())).map(|item| {
            let message = format!("`delivery.roles` has `{}`, which is no role", item.text);
            origin.locate(Diagnostic::error(codes::BAD_VALUE, message), "no role", item.span.clone()).help(HELP)
        });
        let nothing = items.is_empty().then(|| {
            origin.error(codes::BAD_VALUE, "`delivery.roles` is empty: the daemon would do nothing", "empty").help(HELP)
        });
        let problems: Vec<Diagnostic> = unknown.chain(nothing).collect();
        resolver.problems.extend(problems);
        let topics = ["matches.topic", "alerts.topic"];
        if has("alert") && !has("classify") && topics.iter().any(|key| resolver.text(key).is_none()) {
            let message = "`delivery.roles` is \"alert\", and there are no topics to count from";
            let problem = origin.error(codes::MISSING, message, "has nothing to do");
            resolver
                .problems
                .push(problem.help("set `matches.topic` and `alerts.topic`, as the other daemons have them"));
        }
    }
    Roles { classify: has("classify"), alert: has("alert") }
}

/// Their addresses, without a slash at the end.
fn alertmanagers(resolver: &mut Resolver<'_>) -> Vec<Address> {
    let Some(Given { origin, .. }) = resolver.given("alerts.alertmanager") else { return Vec::new() };
    let origin = origin.clone();
    let items = resolver.items("alerts.alertmanager");
    // In the environment a comma in a password parts it: then no element is quoted, nor complained of, but the one with the @.
    let is_parted = !matches!(origin, Origin::File(..)) && any_user(&items);
    let is_told = |item: &&Item| !is_parted || item.text.contains('@');
    let problems: Vec<Diagnostic> = items.iter().filter(is_told).filter_map(|item| complain(item, &origin)).collect();
    resolver.problems.extend(problems);
    items.into_iter().map(|item| Address::new(item.text.trim_end_matches('/'))).collect()
}

/// Somebody wrote a user name, and most likely a password, into an address.
fn any_user(items: &[Item]) -> bool {
    items.iter().any(|item| item.text.contains('@'))
}

fn complain(item: &Item, origin: &Origin) -> Option<Diagnostic> {
    const KEY: &str = "alerts.alertmanager";
    let bad = |message: String, help: &str| {
        let diagnostic = Diagnostic::error(codes::BAD_VALUE, message);
        Some(origin.locate(diagnostic, "no such address", item.span.clone()).help(help))
    };
    if item.text.contains('@') {
        let message = format!("`{KEY}` would hold a secret in the open");
        let diagnostic = Diagnostic::error(codes::INLINE_SECRET, message);
        let help = "leave what stands before the @ away; set `alerts.username` and `alerts.password_file`, and change \
                    the secret: it has been seen";
        return Some(origin.locate(diagnostic, "a secret is never written here", item.span.clone()).help(help));
    }
    let why = address_problem(&item.text)?;
    bad(
        format!("`{KEY}` has what is no address of an Alertmanager: {why}"),
        "write it as in \"http://alertmanager:9093\"; /api/v2/alerts is added to it",
    )
}

/// The address itself is not told: where it is wrong, any part of it may be a secret that belongs elsewhere.
fn address_problem(text: &str) -> Option<&'static str> {
    let is_one = text.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some());
    match () {
        () if !text.starts_with("http://") && !text.starts_with("https://") => {
            Some("it does not begin with http:// or https://")
        }
        () if text.contains('?') => Some("it has a query"),
        () if text.contains('#') => Some("it has a fragment"),
        () if open_part(text) == 0 || !is_one => Some("what stands behind :// is no host, or no host and port"),
        () => None,
    }
}

fn sign_in(resolver: &mut Resolver<'_>, alertmanagers: &[Address]) -> Option<SignIn> {
    let name = resolver.text("alerts.username").map(|(name, origin)| (name.to_owned(), origin.clone()));
    // RFC 7617 has none in it.
    if let Some((_, origin)) = name.as_ref().filter(|(name, _)| name.contains(':')) {
        let problem =
            origin.error(codes::INLINE_SECRET, "`alerts.username` has a colon in it", "a name alone belongs here");
        resolver.problems.push(problem.help(
            "if what stands behind the colon is a password: put it into a file, set `alerts.password_file` to its path, and \
             change it: it has been seen",
        ));
    }
    let password = secret_file(resolver, "alerts.password_file");
    let token = secret_file(resolver, "alerts.token_file");
    if let (Some((_, origin)), Some(_)) = (&token, &password) {
        let message = "`alerts.token_file` and `alerts.password_file` are two ways to sign in";
        let problem = origin.error(codes::SECURITY, message, "one of them is enough");
        resolver.problems.push(problem.help("keep the one that the Alertmanagers want"));
    }
    let half = match (&name, &password) {
        (Some((_, origin)), None) => Some((origin, "alerts.username", "alerts.password_file")),
        (None, Some((_, origin))) => Some((origin, "alerts.password_file", "alerts.username")),
        _ => None,
    };
    if let Some((origin, one, other)) = half {
        let message = format!("`{one}` is set without `{other}`");
        let problem = origin.error(codes::SECURITY, message, "half of a pair");
        resolver.problems.push(problem.help("signing in takes a user name and a password"));
    }
    let open = alertmanagers.iter().find(|address| address.is_unencrypted());
    if let (Some(address), Some((_, origin))) = (open, token.as_ref().or(password.as_ref())) {
        let message = format!("the secret crosses the network unencrypted: {address} has no TLS");
        let problem = origin.warning(codes::WEAK_SECURITY, message, "sent in the open");
        resolver.problems.push(problem.help("use an address that begins with https://"));
    }
    match (token, name, password) {
        (Some((file, _)), ..) => Some(SignIn::Bearer { file }),
        (None, Some((name, _)), Some((file, _))) => Some(SignIn::Password { name, file }),
        _ => None,
    }
}

/// A file with a secret that can be used now; it is read again each time it is needed, as secrets change.
fn secret_file(resolver: &mut Resolver<'_>, key: &'static str) -> Option<(std::path::PathBuf, Origin)> {
    let Some(Given { value: Value::SecretFile(path), origin }) = resolver.given(key) else { return None };
    let (path, origin) = (path.clone(), origin.clone());
    secret::read(key, &path, &origin, &mut resolver.problems)?;
    Some((path, origin))
}

fn authorities(resolver: &mut Resolver<'_>) -> Option<Vec<u8>> {
    const KEY: &str = "alerts.ssl_ca_file";
    let Some(Given { value: Value::Path(path), origin }) = resolver.given(KEY) else { return None };
    let (path, origin) = (path.clone(), origin.clone());
    let read = files::read(&path, TEXT_MAX).map_err(|error| error.to_string());
    match read.and_then(|pem| notify::check_authorities(&pem).map(|()| pem)) {
        Ok(pem) => Some(pem),
        Err(why) => {
            let message = format!("`{KEY}`: {}: {why}", files::shown(&path));
            let problem = origin.error(codes::BAD_FILE, message, "this file");
            resolver.problems.push(problem.help("name a PEM file with certificates that the daemon's user can read"));
            None
        }
    }
}
