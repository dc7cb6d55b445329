//! `GET /api/v1/alerts`: what fires in the partitions that this process counts. Each is what stands on the alerts topic: an
//! alert as Alertmanager takes it, with an object of ours that says since when, why, and which lines were counted.
//!
//! It comes a page at a time, as hundreds of thousands may fire: `limit=N` alerts, 1,000 unless asked otherwise and at most
//! 2,000, and no more than a mebibyte of them. When there are more, the answer has `next`, and `after=<next>` asks for the page
//! behind it. What fires or ends between two pages is on them or not; all else is on exactly one. Few pages are there at a time:
//! whoever asks meanwhile waits, and a turn ends when the page has been taken, or its reader was too slow.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Room;
use crate::alert::Change;
use crate::flow::alerts::{Cursor, PAGE_MAX, PAGES_MAX, Page};
use crate::pack::hex;

/// Alerts on a page that nobody asked to be of another size.
const LIMIT_USUAL: usize = 1000;
/// How long the counting may take to answer, and who is before us to be served.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many pages at a time: what this takes in memory.
static TURNS: Semaphore = Semaphore::const_new(PAGES_MAX);

/// Bytes that somebody reads, and whose turn it is until they are gone.
struct Held<B>(B, #[expect(dead_code, reason = "it is let go with the bytes")] SemaphorePermit<'static>);

impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// An answer that keeps its turn until the last byte of it is with the system, or the connection is gone.
pub(super) fn held(body: impl AsRef<[u8]> + Send + 'static, turn: SemaphorePermit<'static>) -> Bytes {
    Bytes::from_owner(Held(body, turn))
}

/// What may be asked for.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asked {
    limit: usize,
    after: Option<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { limit: LIMIT_USUAL, after: None }
    }
}

/// What fires here. A query that is not understood is 400 with the reason; 503 when the counting does not answer in time.
pub(crate) async fn alerts(State(room): State<Room>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let (limit, after) = match understood(asked) {
        Ok(asked) => asked,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let page = timeout(PATIENCE, async {
        let turn = TURNS.acquire().await.ok()?;
        let page = room.status.alerts().ask(after, limit).await.ok()?;
        Some((page, turn))
    });
    let Ok(Some((Page { alerts, next }, turn))) = page.await else {
        let why = "the counting of alerts is busy or leaving; ask again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], why).into_response();
    };
    let mut partitions: Vec<i32> =
        room.status.counted_partitions().into_iter().map(|report| report.partition).collect();
    partitions.sort_unstable();
    let body = held(body(&partitions, alerts, next.as_ref()), turn);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The partitions of the matches topic that this process counts (the rest is told by others), the alerts, and, when there
/// are more, what to ask for next. Each alert is put in as it is written, and not taken apart again.
fn body(partitions: &[i32], alerts: Vec<Change>, next: Option<&Cursor>) -> String {
    let mut body = format!(r#"{{"partitions":{},"alerts":["#, json!(partitions));
    for (number, change) in alerts.into_iter().enumerate() {
        body.push_str(if number > 0 { "," } else { "" });
        body.push_str(&change.to_json());
    }
    body.push(']');
    if let Some(next) = next {
        body.push_str(&format!(r#","next":{}"#, json!(token(next))));
    }
    body.push('}');
    body
}

fn understood(asked: Result<Query<Asked>, QueryRejection>) -> Result<(usize, Option<Cursor>), String> {
    let Query(Asked { limit, after }) =
        asked.map_err(|wrong| format!("{}; ask for limit=N and after=<next of the page before>", wrong.body_text()))?;
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(format!("limit is {limit}, and must be from 1 to {PAGE_MAX}"));
    }
    let after = after.map(|token| cursor(&token).ok_or("after is no `next` of a page")).transpose()?;
    Ok((limit, after))
}

/// A place as a word that an address can hold: the key in hexadecimal digits, behind its partition.
fn token((partition, key): &Cursor) -> String {
    format!("{partition}-{}", hex(key.as_bytes(), key.len()))
}

fn cursor(token: &str) -> Option<Cursor> {
    let (partition, digits) = token.split_once('-')?;
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let key: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    let key = String::from_utf8(key?).ok().filter(|_| rest.is_empty())?;
    Some((partition.parse().ok()?, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for place in [(0, r#"["a.b","é"]"#.to_owned()), (11, String::new())] {
            assert_eq!(cursor(&token(&place)), Some(place));
        }
        let body: serde_json::Value =
            serde_json::from_str(&body(&[0, 3], Vec::new(), Some(&(0, "k".into())))).expect("JSON");
        assert_eq!(body, json!({ "partitions": [0, 3], "alerts": [], "next": "0-6b" }));
        for wrong in ["", "1", "x-00", "1-0", "1-zz", "1-ff", "1-+1"] {
            assert_eq!(cursor(wrong), None, "{wrong}");
        }
    }
}
