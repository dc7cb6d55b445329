//! What the engine may be told: where fields stand in a line, how large things may get, where runbooks live.

use std::str::FromStr;

use super::envelope::{Row, table};
use crate::level::Extra;

/// Where the configuration says that things stand in a line: dotted paths, tried in order; the first that the line has is taken.
/// Without one, and where the line has none of them, it is the envelope's own place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Name of the app that wrote the line.
    pub app: Vec<String>,
    /// What the memory of earlier lines is kept by.
    pub source: Vec<String>,
    /// Region of the cloud.
    pub region: Vec<String>,
    /// Time of the line.
    pub time: Vec<String>,
    /// Level of the line.
    pub level: Vec<String>,
}

/// How big things may get. Crossing a limit is counted, the line still goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a payload; a longer one is passed on unjudged.
    pub payload: usize,
    /// Levels of objects, arrays and JSON inside strings; what lies deeper is not looked at.
    pub nesting: usize,
    /// Phrase occurrences looked at per line; further ones are not.
    pub hits: usize,
    /// Bytes of one captured fact; a longer one is cut.
    pub capture: usize,
    /// How many times its own length judging a line may cost; what would cost more is not looked at. A unit is a byte that
    /// an expression, words or what follows a phrase is looked for in.
    pub work: usize,
    /// Sources remembered per input partition; the one not heard of longest is forgotten.
    pub sources: usize,
    /// Bytes of the `fingerpost` header; a larger object is stepped down.
    pub header: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload: 4 << 20, nesting: 64, hits: 4096, capture: 1024, work: 64, sources: 10_000, header: 16 << 10 }
    }
}

/// The shape of the input records. Found per record when `Auto`; a forced one looks for the fields of the outermost object where
/// that shape has them and nowhere else. What is inside is found as ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// All places that any known shape uses.
    #[default]
    Auto,
    /// The application's own JSON.
    Bare,
    /// LogDNA / Mezmo: `_line`, `_app`, `_host`, `_ts`.
    LogDna,
    /// The ingest shape: `line`, `app`, `timestamp`, `meta`.
    Ingest,
    /// IBM Cloud Logs: `applicationName`, `subsystemName`, `text` / `json`.
    IbmCloudLogs,
    /// Kubernetes collectors: `log` / `message`, `kubernetes.*`.
    Kubernetes,
    /// Elastic Common Schema.
    Ecs,
    /// OpenTelemetry log JSON.
    Otel,
    /// Never JSON: every payload is text as a whole.
    Text,
}

impl Shape {
    /// The names as configuration has them.
    pub const NAMES: [&str; 9] =
        ["auto", "bare", "logdna", "ingest", "ibm-cloud-logs", "kubernetes", "ecs", "otel", "text"];

    /// What the outermost object is taken for, whatever it looks like.
    pub(super) fn row(self) -> Option<&'static Row> {
        let id = match self {
            Self::Auto | Self::Text => return None,
            Self::Bare => return Some(&table::BARE),
            Self::LogDna => "mezmo",
            Self::Ingest => "mezmo-line",
            Self::IbmCloudLogs => "ibm-cloud-logs",
            Self::Kubernetes => "fluent",
            Self::Ecs => "ecs",
            Self::Otel => "otel-record",
        };
        table::ROWS.iter().find(|row| row.id == id)
    }
}

impl FromStr for Shape {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "auto" => Self::Auto,
            "bare" => Self::Bare,
            "logdna" => Self::LogDna,
            "ingest" => Self::Ingest,
            "ibm-cloud-logs" => Self::IbmCloudLogs,
            "kubernetes" => Self::Kubernetes,
            "ecs" => Self::Ecs,
            "otel" => Self::Otel,
            "text" => Self::Text,
            _ => return Err(()),
        })
    }
}

/// Everything the engine is told besides the packs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where fields stand.
    pub fields: Fields,
    /// What the outermost object is taken for; `Text` switches JSON off.
    pub shape: Shape,
    /// Words for levels beside those that everybody knows.
    pub levels: Extra,
    /// Bounds.
    pub limits: Limits,
    /// Base URL of the runbooks, without a slash at the end.
    pub base_url: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fields: Fields::default(),
            shape: Shape::Auto,
            levels: Extra::default(),
            limits: Limits::default(),
            base_url: DEFAULT_BASE_URL.to_owned(),
        }
    }
}

/// Where the shipped packs' runbooks live unless configured otherwise.
pub const DEFAULT_BASE_URL: &str = "https://pages.github.ibm.com/alchemy-conductors/documentation-pages/docs/runbooks";
