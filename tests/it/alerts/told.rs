//! What daemons said on the alerts topic, and what of it stands in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::stage::Stage;

/// A stretch in which an alert fired: alert, group, startsAt, resolved at.
pub(crate) type Fired = (String, Vec<String>, i64, i64);

/// Records of the alerts topic, partition by partition.
pub(crate) fn told(stage: &Stage) -> Vec<Json> {
    let records = stage.read(&format!("{}.alerts", stage.name)).concat();
    records.iter().filter_map(|record| serde_json::from_slice(record.value.as_deref()?).ok()).collect()
}

/// How far on something was told of a stretch, and until when it fired by that.
type Word = ((i64, u64), Option<i64>);

/// What stands in the end: of the words on one stretch of a group the one told furthest on holds.
pub(crate) fn over(records: &[Json]) -> BTreeSet<Fired> {
    let mut last: BTreeMap<(String, Vec<String>, i64), Word> = BTreeMap::new();
    for record in records {
        let own = &record["fingerpost"];
        let group =
            own["group"].as_object().unwrap().values().map(|value| value.as_str().unwrap().to_owned()).collect();
        let key = (own["id"].as_str().unwrap().to_owned(), group, own["starts_at"].as_i64().unwrap());
        let far = (own["read_to"].as_i64().unwrap(), own["word"].as_u64().unwrap_or(0));
        let ends_at = own["ends_at"].as_i64();
        let known = last.entry(key).or_insert((far, None));
        if known.0 <= far {
            *known = (far, ends_at.filter(|_| own["withdrawn"] != true));
        }
    }
    last.into_iter().filter_map(|((id, group, start), (_, end))| Some((id, group, start, end?))).collect()
}

pub(crate) fn difference(found: &BTreeSet<Fired>, wanted: &BTreeSet<Fired>) -> String {
    let list = |set: Vec<&Fired>| set.iter().map(|fired| format!("\n  {fired:?}")).collect::<String>();
    format!(
        "{} wanted, {} found; missing:{}\nnot wanted:{}",
        wanted.len(),
        found.len(),
        list(wanted.difference(found).collect()),
        list(found.difference(wanted).collect()),
    )
}
