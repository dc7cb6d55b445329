//! What the engine may be told: where fields stand in a line, how large things may get, where runbooks live.

use std::str::FromStr;

/// Where to find things in a line: dotted paths, tried in order; the first that the line has is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Default for Fields {
    fn default() -> Self {
        Shape::Auto.fields()
    }
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

/// The shape of the input records. Found per record when `Auto`; a forced shape looks for the fields where that shape
/// has them and nowhere else.
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

    /// The places where this shape has the fields.
    #[must_use]
    pub fn fields(self) -> Fields {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let fields = |app: &[&str], source: &[&str], region: &[&str], time: &[&str], level: &[&str]| Fields {
            app: list(app),
            source: list(source),
            region: list(region),
            time: list(time),
            level: list(level),
        };
        match self {
            Self::Auto => fields(
                &[
                    "app",
                    "_app",
                    "kubernetes.labels.app",
                    "kubernetes.container_name",
                    "applicationName",
                    "service.name",
                    "resource.service.name",
                    "resource.attributes.service.name",
                ],
                &["pod", "_pod", "kubernetes.pod_name", "_host"],
                &["region", "_meta.region", "crn_region"],
                &["time", "_ts", "timestamp", "@timestamp", "ts"],
                &["level", "severity", "_level", "log.level", "severityText"],
            ),
            Self::Bare => fields(
                &["app"],
                &["pod"],
                &["region", "crn_region"],
                &["time", "ts", "timestamp"],
                &["level", "severity"],
            ),
            Self::LogDna => {
                fields(&["_app"], &["_pod", "pod", "_host"], &["_meta.region"], &["_ts"], &["_level", "level"])
            }
            Self::Ingest => fields(&["app"], &["meta.pod", "host"], &["meta.region"], &["timestamp"], &["level"]),
            Self::IbmCloudLogs => fields(
                &["applicationName"],
                &["kubernetes.pod_name", "subsystemName"],
                &["region"],
                &["timestamp", "@timestamp"],
                &["severity"],
            ),
            Self::Kubernetes => fields(
                &["kubernetes.labels.app", "kubernetes.container_name"],
                &["kubernetes.pod_name"],
                &["region"],
                &["time", "@timestamp"],
                &["level"],
            ),
            Self::Ecs => fields(
                &["service.name"],
                &["kubernetes.pod.name", "host.name"],
                &["cloud.region"],
                &["@timestamp"],
                &["log.level"],
            ),
            Self::Otel => fields(
                &["resource.service.name", "resource.attributes.service.name"],
                &["resource.k8s.pod.name", "resource.attributes.k8s.pod.name"],
                &["resource.cloud.region", "resource.attributes.cloud.region"],
                &["timeUnixNano", "Timestamp"],
                &["severityText", "SeverityText"],
            ),
            Self::Text => fields(&[], &[], &[], &[], &[]),
        }
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
    /// Shape of the input, already reflected in `fields`; `Text` switches JSON off.
    pub shape: Shape,
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
            limits: Limits::default(),
            base_url: DEFAULT_BASE_URL.to_owned(),
        }
    }
}

/// Where the shipped packs' runbooks live unless configured otherwise.
pub const DEFAULT_BASE_URL: &str = "https://pages.github.ibm.com/alchemy-conductors/documentation-pages/docs/runbooks";
