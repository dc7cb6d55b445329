//! Who may ask what.
//!
//! Every path asks for a name by which this server may be called, so that no web page can bend a name of its own to this
//! address and read what is here (DNS rebinding): the names of loopback, those of `http.hosts`, and, where the daemon
//! listens on more than loopback, any IP address. An address cannot be bent, and kubelets and Prometheus ask pods by theirs.
//! Who brings the token may use any name: no web page has it.
//!
//! `http.token_paths` says for which parts the token must be brought. `/livez`, `/readyz` and `/version` never ask for it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::telemetry::foreign;

/// What a caller must bring. Does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

impl Token {
    /// Keeps this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.as_bytes().into())
    }

    /// Whether it was brought. How long it takes tells at most that the length is another.
    pub(crate) fn is_brought(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|given| self.0.ct_eq(given).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<token>")
    }
}

/// What stands behind `Bearer`, a word whose case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = given.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

/// A part of what can be asked for which the token may be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything below `/api`.
    Api,
    /// `/metrics`.
    Metrics,
}

impl Part {
    /// As `http.token_paths` has them.
    pub const PATHS: [&str; 2] = ["/api", "/metrics"];

    fn of(path: &str) -> Option<Self> {
        match path {
            "/metrics" => Some(Self::Metrics),
            _ => path.strip_prefix("/api").filter(|rest| rest.is_empty() || rest.starts_with('/')).map(|_| Self::Api),
        }
    }
}

impl FromStr for Part {
    type Err = ();

    fn from_str(path: &str) -> Result<Self, ()> {
        match path {
            "/api" => Ok(Self::Api),
            "/metrics" => Ok(Self::Metrics),
            _ => Err(()),
        }
    }
}

/// What it depends on.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) token: Option<Token>,
    /// For what the token must be brought.
    pub(crate) token_parts: Vec<Part>,
    /// Names of this server, besides those of loopback.
    pub(crate) hosts: Vec<String>,
    /// It listens on loopback only.
    pub(crate) on_loopback: bool,
}

/// Lets pass who may ask.
pub(crate) async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    let brings = access.token.as_ref().is_some_and(|token| token.is_brought(headers));
    let is_probe = request.version() == Version::HTTP_10 && ["/livez", "/readyz"].contains(&path);
    if !brings && let Some(name) = wrong_name(&access, request.uri().host(), headers, is_probe) {
        return refused(&name).into_response();
    }
    if !brings && Part::of(path).is_some_and(|part| access.token_parts.contains(&part)) {
        return unauthorized();
    }
    next.run(request).await
}

/// The name that a request asks by, when it is none of ours. There must be exactly one; none at all may stand in front of
/// a probe in HTTP/1.0, as old load balancers ask it, and no browser does.
fn wrong_name(access: &Access, of_target: Option<&str>, headers: &HeaderMap, is_probe: bool) -> Option<String> {
    let given: Vec<&[u8]> = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes).collect();
    if given.is_empty() && is_probe {
        return None;
    }
    let [host] = given.as_slice() else { return Some(String::new()) };
    let names = [Some(*host), of_target.map(str::as_bytes)];
    let Access { hosts, on_loopback, .. } = access;
    let is_ours = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| is_ours(name, hosts, *on_loopback));
    names.into_iter().flatten().find(|name| !is_ours(name)).map(foreign)
}

fn refused(name: &str) -> (StatusCode, String) {
    let sentence = format!(
        "`{name}` is no name of this server: ask by its address or as localhost, set http.hosts to the names that it has, \
         or bring the token of http.token_file\n"
    );
    (StatusCode::FORBIDDEN, sentence)
}

/// What is answered to who does not bring the token.
pub(crate) fn unauthorized() -> Response {
    let sentence = "bring the token that http.token_file holds: `authorization: Bearer …`\n";
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], sentence).into_response()
}

fn is_ours(host: &str, names: &[String], on_loopback: bool) -> bool {
    let Some(name) = name_of(host) else { return false };
    if let Ok(address) = name.parse::<IpAddr>() {
        let address = address.to_canonical();
        // Browsers take the unspecified address for this machine, as they do a name that was bent.
        return address.is_loopback() || (!on_loopback && !address.is_unspecified());
    }
    let name = name.trim_end_matches('.');
    let is = |known: &str| known.trim_end_matches('.').eq_ignore_ascii_case(name);
    is("localhost") || names.iter().any(|known| is(known))
}

/// A host without its port; nothing where it is no host.
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some(bracketed) => bracketed,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (is_port && !name.is_empty()).then_some(name)
}

/// Whether only this machine can be meant by a host, with or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    is_ours(host, &[], true)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::http) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_is_brought_as_it_is() {
        let token = Token::new("tr\u{e4}um");
        let brings = |given: &'static str| token.is_brought(&headers(&[("authorization", given)]));
        assert!(brings("Bearer tr\u{e4}um") && brings("bearer  tr\u{e4}um "));
        for given in [
            "Bearer",
            "Bearer ",
            "Bearer tr\u{e4}u",
            "Bearer tr\u{e4}um1",
            "Basic tr\u{e4}um",
            "tr\u{e4}um",
            "B\u{e4}\u{e4}",
        ] {
            assert!(!brings(given), "{given}");
        }
        assert!(!token.is_brought(&headers(&[("host", "localhost")])));
        assert_eq!(format!("{token:?}"), "<token>");
    }

    #[test]
    fn names_of_loopback_are_ours_everywhere() {
        for host in ["localhost", "LocalHost.:9640", "127.0.0.1", "127.0.0.1:9640", "[::1]:9640", "127.9.9.9"] {
            assert!(is_ours(host, &[], true) && is_ours(host, &[], false) && is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_name_that_could_be_bent_to_us_is_not_ours() {
        let names = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9640", "2130706433", "0x7f.1"];
        for host in names.into_iter().chain(["", "[::1", "localhost:x", ":9640", "::1", "0.0.0.0:9640", "[::]"]) {
            assert!(!is_ours(host, &["fingerpost".into()], true), "{host}");
            assert!(!is_ours(host, &["fingerpost".into()], false), "{host}");
        }
    }

    #[test]
    fn whoever_can_reach_an_address_may_ask_by_it() {
        for host in ["10.1.2.3:9640", "[fd00::7]:9640", "192.0.2.1"] {
            assert!(is_ours(host, &[], false) && !is_ours(host, &[], true), "{host}");
        }
    }

    #[test]
    fn configured_names_are_ours() {
        let names = ["fingerpost".to_owned(), "tags.example.".to_owned()];
        for host in ["fingerpost:9640", "FingerPost", "tags.example", "tags.example.:80"] {
            assert!(is_ours(host, &names, true), "{host}");
        }
        assert!(!is_ours("a.tags.example", &names, true));
    }

    #[test]
    fn a_probe_alone_may_ask_without_a_name() {
        let access = Access { token: None, token_parts: Vec::new(), hosts: Vec::new(), on_loopback: true };
        assert_eq!(wrong_name(&access, None, &HeaderMap::new(), true), None);
        assert_eq!(wrong_name(&access, None, &HeaderMap::new(), false), Some(String::new()));
        let twice = headers(&[("host", "localhost"), ("host", "evil.example")]);
        assert!(wrong_name(&access, None, &twice, true).is_some());
    }

    #[test]
    fn parts_are_paths_and_not_beginnings() {
        let parts = ["/api", "/api/v1/alerts", "/metrics"].map(Part::of);
        assert_eq!(parts, [Some(Part::Api), Some(Part::Api), Some(Part::Metrics)]);
        assert_eq!(["/apis", "/metrics/x", "/livez", "/"].map(Part::of), [None; 4]);
        assert!(Part::PATHS.iter().all(|path| path.parse::<Part>().is_ok()));
    }
}
