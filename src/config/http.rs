//! `[http]`: where to listen, by which names, and who must bring the token.

use std::net::{IpAddr, SocketAddr};

use super::layers::{Given, Origin};
use super::resolve::Resolver;
use super::value::{Item, Value};
use super::{codes, secret};
use crate::diagnostic::Diagnostic;
use crate::http::{Part, Token};

/// Where probes and metrics are served.
pub(super) fn listen(resolver: &mut Resolver<'_>) -> Option<SocketAddr> {
    let (text, origin) = resolver.text("http.listen")?;
    if text.is_empty() || text.eq_ignore_ascii_case("off") {
        return None;
    }
    let parsed = text.parse::<SocketAddr>();
    let problem = match &parsed {
        Err(_) => Some(
            origin
                .error(
                    codes::BAD_VALUE,
                    format!("`http.listen` is `{text}`, and must be an IP address and a port"),
                    "not an address",
                )
                .help("as in \"127.0.0.1:9640\" or \"[::1]:9640\"; \"off\" for no HTTP at all"),
        ),
        Ok(address) if !is_loopback(address.ip()) => in_the_open(resolver, *address, origin),
        Ok(_) => None,
    };
    resolver.problems.extend(problem);
    parsed.ok()
}

/// Nothing to say where all that is worth reading asks for the token.
fn in_the_open(resolver: &Resolver<'_>, address: SocketAddr, origin: &Origin) -> Option<Diagnostic> {
    let guarded = resolver.items("http.token_paths");
    if Part::PATHS.iter().all(|path| guarded.iter().any(|item| item.text == *path)) {
        return None;
    }
    let message = format!("`http.listen` is {address}: other machines can read probes and metrics");
    let help = "nothing asks them for a password; let a firewall or network policy say who may, use 127.0.0.1, or have a \
                token brought (`http.token_paths`)";
    Some(origin.warning(codes::OPEN_ADDRESS, message, "not loopback").help(help))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// What must be brought.
pub(super) fn token(resolver: &mut Resolver<'_>) -> Option<Token> {
    const KEY: &str = "http.token_file";
    let Some(Given { value: Value::SecretFile(path), origin }) = resolver.given(KEY) else { return None };
    let (path, origin) = (path.clone(), origin.clone());
    secret::read(KEY, &path, &origin, &mut resolver.problems).map(|secret| Token::new(secret.reveal()))
}

/// For what it must be brought.
pub(super) fn token_parts(resolver: &mut Resolver<'_>) -> Vec<Part> {
    const KEY: &str = "http.token_paths";
    let items = resolver.items(KEY);
    let Some(origin) = resolver.given(KEY).map(|given| given.origin.clone()) else { return Vec::new() };
    let unknown = items.iter().filter(|item| item.text.parse::<Part>().is_err()).map(|item| {
        // It may be the token.
        let message = format!("`{KEY}` has something other than paths for which a token can be asked");
        let help = "the paths are \"/api\" and \"/metrics\"; probes are open, and a reload asks for the token anyway";
        origin.locate(Diagnostic::error(codes::BAD_VALUE, message), "no such path", item.span.clone()).help(help)
    });
    let mut problems: Vec<Diagnostic> = unknown.collect();
    if !items.is_empty() && !resolver.is_set("http.token_file") {
        let message = format!("`{KEY}` is set without `http.token_file`");
        let problem = origin.error(codes::MISSING, message, "asks for a token that nobody knows");
        problems.push(problem.help("put a token into a file and set `http.token_file` to its path"));
    }
    resolver.problems.extend(problems);
    items.iter().filter_map(|item| item.text.parse().ok()).collect()
}

/// Names by which it may be asked.
pub(super) fn hosts(resolver: &mut Resolver<'_>) -> Vec<String> {
    const KEY: &str = "http.hosts";
    let items = resolver.items(KEY);
    let Some(origin) = resolver.given(KEY).map(|given| given.origin.clone()) else { return Vec::new() };
    let wrong = items.iter().filter(|item| !is_name(&item.text)).map(|item: &Item| {
        let message = format!("`{KEY}` has `{}`, which is no name of a host", item.text);
        let help =
            "write names without scheme, port and path, as in \"fingerpost.monitoring.svc\"; addresses need no entry";
        origin.locate(Diagnostic::error(codes::BAD_VALUE, message), "no name", item.span.clone()).help(help)
    });
    let problems: Vec<Diagnostic> = wrong.collect();
    resolver.problems.extend(problems);
    items.into_iter().map(|item| item.text).collect()
}

fn is_name(text: &str) -> bool {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(belongs) && text.parse::<IpAddr>().is_err()
}
