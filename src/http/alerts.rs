//! `GET /api/v1/alerts`: what fires in the partitions that this process counts. Each is what stands on the alerts topic: an
//! alert as Alertmanager takes it, with an object of ours that says since when, why, and which lines were counted.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::Room;

/// The answer.
#[derive(Serialize)]
pub(crate) struct Alerts {
    /// Partitions of the matches topic that this process counts; the rest is told by others.
    partitions: Vec<i32>,
    alerts: Vec<Value>,
}

/// What fires here.
pub(crate) async fn alerts(State(room): State<Room>) -> Json<Alerts> {
    let mut partitions: Vec<i32> =
        room.status.counted_partitions().into_iter().map(|report| report.partition).collect();
    partitions.sort_unstable();
    let firing = room.status.alerts().firing();
    let alerts = firing.iter().filter_map(|change| serde_json::from_str(&change.to_json()).ok()).collect();
    Json(Alerts { partitions, alerts })
}
