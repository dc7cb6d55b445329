//! `GET /api/v1/gaps`: what no rule claims of the error lines that this process reads, as templates or as draft rules; and
//! which rules no line has met.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::Room;
use crate::flow::coverage::Report;

/// What may be asked for.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asked {
    /// Templates, those of most lines; all with 0.
    top: usize,
    format: Format,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Draft,
}

impl Default for Asked {
    fn default() -> Self {
        Self { top: 20, format: Format::Json }
    }
}

/// The answer. A query that is not understood is 400 with the reason.
pub(crate) async fn gaps(State(room): State<Room>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let coverage = room.status.coverage();
    match asked {
        Ok(Query(Asked { top, format: Format::Json })) => Json(object(coverage.report(top))).into_response(),
        Ok(Query(Asked { top, format: Format::Draft })) => {
            ([(header::CONTENT_TYPE, "application/toml; charset=utf-8")], coverage.drafts(top)).into_response()
        }
        Err(wrong) => {
            let why = format!("{}; ask for top=N (0 is all) and format=json or format=draft\n", wrong.body_text());
            (StatusCode::BAD_REQUEST, why).into_response()
        }
    }
}

fn object(report: Report) -> Value {
    let mut object = report.census;
    object["packs"] = report.packs.into();
    object["since"] = format!("{:.0}", report.since).into();
    object["estimate"] = report.is_estimate.into();
    object["rules_unseen"] = report.unseen.into();
    object
}
