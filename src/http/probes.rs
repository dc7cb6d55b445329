//! The four answers that a supervisor, a load balancer and Prometheus want.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use super::Room;

/// 200 while lines that wait are being settled; 503 with the reason when starting the process anew may help.
pub(crate) async fn live(State(room): State<Room>) -> (StatusCode, String) {
    answer(room.status.stall(room.stall))
}

/// 200 when partitions were given, rules are loaded and the output answers, with what is promised; 503 with what is
/// missing. Packs that cannot
/// be loaded are told in a second line and change nothing else: the last good ones do their work, and a bad pack must
/// not take all daemons out at once.
pub(crate) async fn ready(State(room): State<Room>) -> (StatusCode, String) {
    let (code, text) = match (room.status.unready(), room.status.mode()) {
        (None, Some(mode)) => (StatusCode::OK, format!("ok: delivering {}\n", mode.words())),
        (trouble, _) => answer(trouble),
    };
    (code, text + &stale(&room))
}

fn stale(room: &Room) -> String {
    let Some(rejected) = room.reloads.state().rejected else { return String::new() };
    let digest = room.rules.borrow().digest().to_owned();
    format!("packs: the last good ones ({digest}) stay in use since {:.0}: {}\n", rejected.since, rejected.summary())
}

fn answer(trouble: Option<String>) -> (StatusCode, String) {
    match trouble {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence + "\n"),
    }
}

/// The Prometheus text.
pub(crate) async fn metrics(State(room): State<Room>) -> impl IntoResponse {
    let text = room.metrics.render(&room.status, room.rules.borrow().digest(), &room.reloads.state());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// What runs here.
#[derive(Serialize)]
pub(crate) struct Version {
    name: &'static str,
    version: &'static str,
    librdkafka: String,
    /// Digest of those in use.
    packs: String,
    packs_loaded: String,
    /// Why those in the directory are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    packs_failure: Option<String>,
}

/// What runs here, as JSON.
pub(crate) async fn version(State(room): State<Room>) -> Json<Version> {
    let packs = room.reloads.state();
    Json(Version {
        name: crate::NAME,
        version: env!("CARGO_PKG_VERSION"),
        librdkafka: crate::flow::client_version(),
        packs: room.rules.borrow().digest().to_owned(),
        packs_loaded: format!("{:.0}", packs.loaded),
        packs_failure: packs.rejected.map(|rejected| rejected.summary()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_a_sentence() {
        assert_eq!(answer(None), (StatusCode::OK, "ok\n".into()));
        assert_eq!(answer(Some("no".into())), (StatusCode::SERVICE_UNAVAILABLE, "no\n".into()));
    }
}
