//! The tables of alerts, and of the sequences by which they prove themselves.

use serde_json::{Value as Json, json};

use super::{flag, one_or_more, scalar, table, text, texts};
use crate::pack::Severity;

pub(super) fn alert() -> Json {
    let severities: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
    let escalate = json!({
        "when": {
            "type": "object",
            "description": "Facts, each with the value or values that it must have.",
            "additionalProperties": { "anyOf": [scalar(), { "type": "array", "items": scalar() }] },
        },
        "cie": flag("Only while a customer impacting event is on."),
        "business_hours": flag("Only when the alert begins in business hours."),
        "text": text("Whom to call in then."),
    });
    let properties = json!({
        "id": { "type": "string", "pattern": "^[A-Za-z0-9_./:-]+$", "description": "The label `alertname`." },
        "from": texts("Rules whose lines count: ids or `family.*`."),
        "except": texts("Rules of `from` whose lines do not count."),
        "unless": texts("Rules that keep it from firing while one of their lines is in the window."),
        "group_by": texts("What is counted apart: facts, `app`, `region`, members."),
        "distinct": text("Lines with one value of this count once in a window."),
        "window": text("How long a line counts, as in 15m; from 1ms to 168h."),
        "count": { "type": "string", "pattern": "^\\s*>=?\\s*[0-9]+\\s*$", "description": "How many are enough, as in \">= 5\"." },
        "severity": { "enum": severities },
        "labels": named("Labels beside `alertname` and `severity`: templates."),
        "annotations": named("What a person wants to know: templates."),
        "members": texts("Members of the line that templates may name beside facts."),
        "action": text("What to do; absent: what the rule of the line says."),
        "contact": text("Whom to ask; absent: what the rule of the line says."),
        "snooze": text("How long snoozing is fine; absent: what the rule of the line says."),
        "escalate": one_or_more(table(escalate, &["text"]), "The first row that holds tells whom to call in."),
        "todo": texts("What a draft leaves to a person."),
    });
    table(properties, &["id", "from", "window", "count", "severity"])
}

pub(super) fn test() -> Json {
    let moment = json!({ "at": text("When."), "labels": named("Labels that it has."), "annotations": named("Annotations that it has.") });
    let moment = json!({ "anyOf": [{ "type": "string" }, table(moment, &["at"])] });
    let properties = json!({
        "name": text("What it shows."),
        "alert": text("Of which alert."),
        "lines": texts("When it happens, `xN` for N of them, `+T` when it is read later, then the line."),
        "fires": one_or_more(moment.clone(), "When it fires, in order."),
        "resolves": one_or_more(moment, "When it is over, in order."),
        "silent": flag("It never fires."),
        "start": text("When the sequence begins."),
        "cie": flag("A customer impacting event is on."),
    });
    table(properties, &["name", "alert", "lines"])
}

fn named(description: &str) -> Json {
    json!({ "type": "object", "description": description, "additionalProperties": { "type": "string" } })
}
