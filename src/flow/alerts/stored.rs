//! What stands on the alerts topic, for a person who asks: read from end to end, outside of every group.

use std::collections::BTreeMap;

use super::Settings;
use crate::alert::{Change, Place, State};
use crate::flow::kafka::lookup;
use crate::flow::kafka::reader::Reader;
use crate::flow::kafka::survey::Survey;
use crate::flow::transport::Partition;
use crate::flow::{self, Failure};

/// What the alerts topic says.
#[derive(Debug, Default)]
pub struct Told {
    /// The latest word on each alert and group, by the time since when it fires.
    pub alerts: Vec<Change>,
    /// Records that this program cannot read.
    pub unreadable: usize,
}

/// The alerts topic of a configuration.
///
/// # Errors
/// When none is configured.
fn configured(settings: &flow::Settings) -> Result<&Settings, Failure> {
    settings
        .alerts
        .as_ref()
        .ok_or_else(|| Failure::config("no alerts are counted; name matches.topic and alerts.topic".to_owned()))
}

/// Reads what fires in the whole fleet; with `all`, what is over and still on the topic, too.
///
/// # Errors
/// When no alerts topic is configured, or it cannot be read.
pub fn told(settings: &flow::Settings, all: bool) -> Result<Told, Failure> {
    let topic = &configured(settings)?.topic;
    let survey = Survey::new(settings)?;
    let mut latest: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for partition in 0..survey.partitions(topic)? {
        let marks = survey.marks(topic, partition)?;
        for record in Reader::new(settings, (topic, partition), (marks.start, marks.end), &|_| ())? {
            let record = record?;
            let key = record.key.unwrap_or_default();
            match record.value {
                Some(value) => latest.insert(key, value),
                None => latest.remove(&key),
            };
        }
    }
    let mut told = Told::default();
    for value in latest.values() {
        match Change::from_json(value) {
            // What is not so any more is nobody's.
            Ok(change) if change.withdrawn => {}
            Ok(change) if all || change.state == State::Firing => told.alerts.push(change),
            Ok(_) => {}
            Err(_) => told.unreadable += 1,
        }
    }
    told.alerts.sort_by(|a, b| (a.starts_at, &a.alert, &a.group).cmp(&(b.starts_at, &b.alert, &b.group)));
    Ok(told)
}

/// The lines at these places as they came, `None` where the input has them no longer.
///
/// # Errors
/// When the input cannot be read.
pub fn lines(settings: &flow::Settings, places: &[Place]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let lookup = lookup::Lookup::new(settings);
    let line = |place: &Place| {
        let partition = Partition { topic: place.topic.as_str().into(), number: place.partition };
        lookup.value(&partition, place.offset)
    };
    places.iter().map(line).collect()
}
