//! What is told when an alert fires or is over: Alertmanager's postable alert, and our own object beside it.

use super::record::Place;

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It fires; told again when its `startsAt` moves to an earlier time.
    Firing,
    /// It is over.
    Resolved,
}

/// Something to tell about one group of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Id of the alert.
    pub alert: String,
    /// Names and values of its group.
    pub group: Vec<(String, String)>,
    /// Whether it fires.
    pub state: State,
    /// Event time at which the condition first held, milliseconds since 1970.
    pub starts_at: i64,
    /// Event time from which it did not hold any more; of one that fires, nothing.
    pub ends_at: Option<i64>,
    /// How many lines were in the window at `starts_at`.
    pub count: usize,
    /// Where some of them stand, the oldest first, at most [`LINES_MAX`].
    pub lines: Vec<Place>,
    /// What identifies it, `alertname` and `severity` included.
    pub labels: Vec<(String, String)>,
    /// What a person wants to know.
    pub annotations: Vec<(String, String)>,
}

/// Lines told of as a proof.
pub const LINES_MAX: usize = 10;

impl Change {
    /// Key of its record on the alerts topic; that of the matches it came from.
    #[must_use]
    pub fn key(&self) -> String {
        super::record::key(&self.alert, self.group.iter().map(|(_, value)| value.as_str()))
    }

    /// The value of its record on the alerts topic: a postable alert with our own object in it.
    #[must_use]
    pub fn to_json(&self) -> String {
        String::new()
    }

    /// The same without our object, as Alertmanager's `POST /api/v2/alerts` takes it, in an array with others.
    #[must_use]
    pub fn to_postable(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
