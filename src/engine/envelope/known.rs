//! What the table of envelopes knows, for people: `docs/envelopes.md` is made of it.

use super::row::{At, Row};
use super::table;

/// An envelope of the table, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Its name for programs, as `explain` has it among the layers.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Where its facts stand: app, source, level, time, and the message or the line inside. Paths, the first that is there
    /// counting; empty where it has none.
    pub app: Vec<String>,
    /// Likewise.
    pub source: Vec<String>,
    /// Likewise; a collector's stamp is marked as one.
    pub level: Vec<String>,
    /// Likewise.
    pub time: Vec<&'static str>,
    /// Likewise; of a list of records, where that stands.
    pub says: Vec<&'static str>,
}

/// Every envelope that is known by its members, in the order in which they are tried. What texts begin with is told beside.
#[must_use]
pub fn envelopes() -> Vec<Envelope> {
    table::ROWS.iter().map(Envelope::of).collect()
}

impl Envelope {
    fn of(row: &'static Row) -> Self {
        let own = row.level.iter().map(|(path, _)| (*path).to_owned());
        let stamp = row.stamp.iter().map(|(path, _)| format!("{path} (stamp)"));
        Self {
            id: row.id,
            name: row.name,
            app: row.app.iter().map(|at| place(*at)).collect(),
            source: row.source.iter().map(|at| place(*at)).collect(),
            level: own.chain(stamp).collect(),
            time: row.time.to_vec(),
            says: row.records.iter().chain(row.says).copied().collect(),
        }
    }
}

fn place(at: At) -> String {
    match at {
        At::Is(name) => format!("always {name}"),
        At::Last(path) => format!("the last part of {path}"),
        other => other.path().unwrap_or_default().to_owned(),
    }
}
