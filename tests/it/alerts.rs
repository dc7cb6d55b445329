//! Alerts on a real broker: daemons that are killed and restarted while they count, held against a naive replay of what
//! they were given; and a real Alertmanager that is told.

mod alertmanager;
mod clock;
mod exact;
mod memory;
mod replay;
mod story;
mod told;

use std::fs;

use told::{difference, over, told};

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
