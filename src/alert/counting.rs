//! From a judged line to the matches that alerts count.

use std::sync::Arc;

use super::clock::{Clock, Origin};
use super::record::{Match, Place};
use crate::engine::{Countable, Engine};

/// What alerts are told besides the packs.
#[derive(Debug, Clone, Default)]
pub struct Settings {}

/// The alerts of a pack set, ready to count and to be told of. Made beside an engine, and exchanged with it.
#[derive(Debug)]
pub struct Alerts {
    engine: Arc<Engine>,
    settings: Settings,
}

/// What became of a line that alerts look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// For the matches topic, one for each alert at most.
    pub matches: Vec<Match>,
    /// Alerts that would have counted it had it not been too late, as indexes into [`Alerts::ids`].
    pub late: Vec<usize>,
    /// Alerts for which a value of the group is missing, as indexes into [`Alerts::ids`].
    pub ungrouped: Vec<usize>,
    /// Where its event time is from.
    pub time: Origin,
}

impl Alerts {
    /// Those of the engine's packs.
    #[must_use]
    pub fn new(engine: Arc<Engine>, settings: Settings) -> Self {
        Self { engine, settings }
    }

    /// Ids of all alerts; other numbers here are indexes into it.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.engine.packs().alerts.iter().map(|alert| alert.id.as_str())
    }

    /// What they were told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Which alerts count a line: `clock` is that of its partition, its own record seen; `timestamp_ms` is its record's,
    /// negative when it has none.
    #[must_use]
    pub fn count(&self, line: &Countable, place: &Place, timestamp_ms: i64, clock: Clock) -> Counted {
        let time = super::event_time(line.time.as_deref(), timestamp_ms, clock);
        let _ = place;
        Counted { matches: Vec::new(), late: Vec::new(), ungrouped: Vec::new(), time: time.origin }
    }
}
