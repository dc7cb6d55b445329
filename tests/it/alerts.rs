//! Alerts on a real broker: daemons that are killed and restarted while they count, held against a naive replay of what
//! they were given; and a real Alertmanager that is told.

mod alertmanager;
mod clock;
mod exact;
mod memory;
mod replay;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value as Json;

use crate::stage::Stage;

/// Rules and alerts of these tests, and nothing else.
const PACK: &str = r##"
[pack]
runbook = "counting.md"
link = "/counting.html"

[sections]
what-to-do = "What to do"

[capture]
cluster = "string"
job = "string"

[[rule]]
id = "count.failed"
title = "A job failed"
any = ["the job has failed"]
get = [{ name = "cluster", path = "cluster" }, { name = "job", path = "job" }]
severity = "error"
section = "what-to-do"
action = "Start it again."
contact = "#jobs"
snooze = "2h"
match = ['''{"cluster":"c1","msg":"the job has failed"}''']
no_match = ['''{"cluster":"c1","msg":"the job has ended"}''']

[[rule]]
id = "count.stuck"
title = "A job is stuck"
any = ["nothing has moved"]
get = [{ name = "cluster", path = "cluster" }, { name = "job", path = "job" }]
severity = "warning"
section = "what-to-do"
match = ['''{"cluster":"c1","msg":"nothing has moved"}''']
no_match = ['''{"cluster":"c1","msg":"something has moved"}''']

[[rule]]
id = "count.known"
title = "It is known"
any = ["this is known"]
get = [{ name = "cluster", path = "cluster" }]
severity = "info"
section = "what-to-do"
match = ['''{"cluster":"c1","msg":"this is known"}''']
no_match = ['''{"cluster":"c1","msg":"this is not"}''']
ALERTS"##;

/// A stage whose daemons count these alerts.
fn stage(broker: &str, test: &str, alerts: &str) -> Stage {
    let mut stage = Stage::new(broker, test);
    let packs = stage.dir.join("packs");
    fs::create_dir_all(&packs).unwrap();
    fs::write(packs.join("counting.toml"), PACK.replace("ALERTS", alerts)).unwrap();
    stage.config += &format!(
        "[packs]\ndir = \"{}\"\n[matches]\ntopic = \"{name}.matches\"\n[input.options]\n\"session.timeout.ms\" = \"6000\"\n\
         \"heartbeat.interval.ms\" = \"1500\"\n[alerts]\ntopic = \"{name}.alerts\"\n",
        packs.display(),
        name = stage.name,
    );
    stage
}

/// A stretch in which an alert fired: alert, group, startsAt, resolved at.
type Fired = (String, Vec<String>, i64, i64);

/// Records of the alerts topic, partition by partition.
fn told(stage: &Stage) -> Vec<Json> {
    let records = stage.read(&format!("{}.alerts", stage.name)).concat();
    records.iter().filter_map(|record| serde_json::from_slice(record.value.as_deref()?).ok()).collect()
}

/// How far on something was told of a stretch, and until when it fired by that.
type Word = ((i64, u64), Option<i64>);

/// What stands in the end: of the words on one stretch of a group the one told furthest on holds.
fn over(records: &[Json]) -> BTreeSet<Fired> {
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

fn difference(found: &BTreeSet<Fired>, wanted: &BTreeSet<Fired>) -> String {
    let list = |set: Vec<&Fired>| set.iter().map(|fired| format!("\n  {fired:?}")).collect::<String>();
    format!(
        "{} wanted, {} found; missing:{}\nnot wanted:{}",
        wanted.len(),
        found.len(),
        list(wanted.difference(found).collect()),
        list(found.difference(wanted).collect()),
    )
}
