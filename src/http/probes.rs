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

/// 200 when partitions were given, rules are loaded and the output answers; 503 with what is missing.
pub(crate) async fn ready(State(room): State<Room>) -> (StatusCode, String) {
    answer(room.status.unready())
}

fn answer(trouble: Option<String>) -> (StatusCode, String) {
    match trouble {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence + "\n"),
    }
}

/// The Prometheus text.
pub(crate) async fn metrics(State(room): State<Room>) -> impl IntoResponse {
    let text = room.metrics.render(&room.status, room.rules.borrow().digest());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// What runs here.
#[derive(Serialize)]
pub(crate) struct Version {
    name: &'static str,
    version: &'static str,
    librdkafka: String,
    packs: String,
}

/// What runs here, as JSON.
pub(crate) async fn version(State(room): State<Room>) -> Json<Version> {
    Json(Version {
        name: crate::NAME,
        version: env!("CARGO_PKG_VERSION"),
        librdkafka: crate::flow::client_version(),
        packs: room.rules.borrow().digest().to_owned(),
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
