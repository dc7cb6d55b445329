//! `POST /-/reload`: loads the packs anew and answers with what came of it.
//!
//! It is the one request that changes something, so it must come from somebody who may. With a token configured, that is
//! who brings it. Without one, it is a program on this machine: the daemon listens on loopback, and the request is none
//! that a browser makes for some page. A browser would name the page's `Origin`, or, where the page has bent a name of
//! its own to 127.0.0.1, that name as `Host`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Room;
use super::access::{Token, is_loopback, unauthorized};
use crate::diagnostic::{Diagnostic, Grade, Places, draw};
use crate::flow::reload::{Answer, Outcome, Refused};

/// The request.
pub(crate) async fn reload(State(room): State<Room>, headers: HeaderMap) -> Response {
    if let Err(refusal) = permit(room.access.token.as_ref(), room.access.on_loopback, &headers) {
        return refusal.into_response();
    }
    match room.reloads.ask().await {
        Ok(answer) => answered(&answer),
        Err(refused) => why_not(refused).into_response(),
    }
}

/// Why a caller may not reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No token, or another.
    Token,
    /// Not surely a program on this machine; why.
    Elsewhere(&'static str),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Token => unauthorized(),
            Self::Elsewhere(why) => {
                let sentence = format!("{why}; set http.token_file to a file with a token, and bring that\n");
                (StatusCode::FORBIDDEN, sentence).into_response()
            }
        }
    }
}

fn permit(token: Option<&Token>, on_loopback: bool, headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(token) = token {
        return if token.is_brought(headers) { Ok(()) } else { Err(Refusal::Token) };
    }
    if !on_loopback {
        return Err(Refusal::Elsewhere("without a token, a reload is allowed only where http.listen is on loopback"));
    }
    if headers.contains_key(header::ORIGIN) {
        return Err(Refusal::Elsewhere(
            "without a token, no web page may ask for a reload (the request has an Origin)",
        ));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) if is_loopback(host) => Ok(()),
        _ => Err(Refusal::Elsewhere("without a token, a reload is allowed only under the name localhost or 127.0.0.1")),
    }
}

fn why_not(refused: Refused) -> (StatusCode, &'static str) {
    match refused {
        Refused::Builtin => (
            StatusCode::CONFLICT,
            "the built-in packs are in use, and there is nothing to load them from; set packs.dir and start anew\n",
        ),
        Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many wait for a reload already; ask again later\n"),
        Refused::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping: nothing is reloaded any more\n"),
    }
}

fn answered(answer: &Answer) -> Response {
    let Answer { outcome, digest, rules } = answer;
    match outcome {
        Outcome::Loaded(changes) => Json(json!({
            "result": "loaded", "digest": digest, "rules": rules,
            "added": changes.added, "removed": changes.removed, "changed": changes.changed,
        }))
        .into_response(),
        Outcome::Unchanged => Json(json!({ "result": "unchanged", "digest": digest, "rules": rules })).into_response(),
        Outcome::Failed(rejected) => {
            let mut places = Places::default();
            let diagnostics: Vec<Value> = rejected.diagnostics.iter().map(|it| told(it, &mut places)).collect();
            let body = json!({
                "result": "failed", "digest": digest, "rules": rules,
                "diagnostics": diagnostics, "text": draw(&rejected.diagnostics, false),
            });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
    }
}

/// A diagnostic for programs: what has no file has no place either.
fn told<'d>(problem: &'d Diagnostic, places: &mut Places<'d>) -> Value {
    let place = problem.place.as_ref().map(|(source, span)| (&source.name, places.line_column(source, span.start)));
    json!({
        "code": problem.code,
        "grade": match problem.grade { Grade::Warning => "warning", Grade::Error => "error" },
        "message": problem.message,
        "file": place.map(|(file, _)| file),
        "line": place.map(|(_, (line, _))| line),
        "column": place.map(|(_, (_, column))| column),
        "help": problem.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::access::tests::headers;

    fn is_elsewhere(permitted: Result<(), Refusal>) -> bool {
        matches!(permitted, Err(Refusal::Elsewhere(_)))
    }

    #[test]
    fn the_token_is_asked_for_wherever_there_is_one() {
        let token = Token::new("tr\u{e4}um");
        let permitted = |pairs: &[(&'static str, &'static str)]| permit(Some(&token), true, &headers(pairs));
        assert_eq!(permitted(&[("authorization", "bearer tr\u{e4}um"), ("origin", "https://a.example")]), Ok(()));
        assert_eq!(permitted(&[("authorization", "Bearer tr\u{e4}u")]), Err(Refusal::Token));
        assert_eq!(permitted(&[("host", "localhost")]), Err(Refusal::Token));
    }

    #[test]
    fn without_a_token_only_programs_on_this_machine_may() {
        let permitted =
            |on_loopback, pairs: &[(&'static str, &'static str)]| permit(None, on_loopback, &headers(pairs));
        for host in ["localhost", "LocalHost:9640", "127.0.0.1", "127.0.0.1:9640", "[::1]:9640", "127.9.9.9"] {
            assert_eq!(permitted(true, &[("host", host)]), Ok(()), "{host}");
            assert!(is_elsewhere(permitted(false, &[("host", host)])), "{host}");
            assert!(is_elsewhere(permitted(true, &[("host", host), ("origin", "null")])), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9640",
            "10.0.0.1",
            "",
            "[::1",
            "localhost:x",
        ] {
            assert!(is_elsewhere(permitted(true, &[("host", host)])), "{host}");
        }
        assert!(is_elsewhere(permitted(true, &[])));
        assert!(is_elsewhere(permitted(true, &[("host", "localhost"), ("host", "evil.example")])));
    }

    #[test]
    fn a_diagnostic_tells_its_place() {
        let source =
            std::sync::Arc::new(crate::diagnostic::Source { name: "a.toml".into(), text: "x\ny = 1\n".into() });
        let placed = Diagnostic::error("P002", "no").at(&source, 2..3, "here").help("do");
        let expected = json!({ "code": "P002", "grade": "error", "message": "no", "file": "a.toml", "line": 2, "column": 1, "help": "do" });
        assert_eq!(told(&placed, &mut Places::default()), expected);
        let gone = Diagnostic::error("P027", "gone");
        assert_eq!(told(&gone, &mut Places::default())["file"], Value::Null);
    }
}
