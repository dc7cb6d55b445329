//! JSON Schemas: of a pack file, for editors, and of what is added to a line, for whoever reads it.
//!
//! They say what may stand where, of which type. What a schema cannot say (that a name leads somewhere, that an example
//! holds) is `check`'s.

use serde_json::{Map, Value as Json, json};

use super::{Kind, Packs, Severity, codes};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Of a pack file read as TOML (`#:schema …` in an editor that knows TOML).
#[must_use]
pub fn pack() -> Json {
    json!({
        "$schema": DRAFT,
        "title": format!("A pack of {}", crate::NAME),
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "pack": table(json!({
                "runbook": text("File name of the runbook this pack comes from."),
                "link": { "type": "string", "pattern": "^/[^# ]*$", "description": "Path of the runbook's page." },
                "waive": one_or_more(waiver(), "Findings of `check` that are let pass anywhere in the file."),
                "ignore": one_or_more(with_reason("What the runbook shows and no rule is to claim; `*` is any run of characters."), "What reads like a log line in the runbook and is none."),
                "todo": texts("What a draft leaves to a person."),
            }), &[]),
            "sections": {
                "type": "object",
                "description": "Anchors that rules may name, with the texts of their headings.",
                "additionalProperties": { "type": "string" },
            },
            "capture": {
                "type": "object",
                "description": "Every fact that a rule may produce, with its type.",
                "propertyNames": { "pattern": "^[a-z0-9_]+$", "not": { "enum": super::FIXED_MEMBERS } },
                "additionalProperties": { "enum": ["string", "int", "float", "bool"] },
            },
            "table": {
                "type": "object",
                "description": "Lookup tables; the first row that fits is taken.",
                "additionalProperties": { "type": "array", "items": { "type": "object", "additionalProperties": scalar() } },
            },
            "context": one_or_more(context(), "Something a source said, remembered for its later lines."),
            "rule": one_or_more(rule(), "A rule."),
            "facts": one_or_more(shared(), "What several rules capture."),
            "alert": one_or_more(alert(), "Too many lines of some rules in a window of event time."),
            "test": one_or_more(test(), "A sequence of lines on a virtual clock, and what an alert makes of it."),
        },
    })
}

/// Of the added object, for these packs: with their facts, and their ids.
#[must_use]
pub fn output(packs: &Packs) -> Json {
    let severities: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
    let numbers: Vec<u8> = Severity::ALL.iter().map(|severity| severity.number()).collect();
    let mut ids: Vec<&str> = packs.rules.iter().flat_map(super::Rule::ids).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut properties = members(json!({
        "v": { "const": 1, "description": "Version of this object." },
        "rule": { "enum": ids, "description": "The primary rule." },
        "rules": {
            "type": "array", "minItems": 1, "uniqueItems": true, "items": { "enum": ids },
            "description": "All rules that matched, the primary first.",
        },
        "severity": { "enum": severities },
        "severity_number": { "enum": numbers, "description": "OpenTelemetry's number of the severity." },
        "title": text("One sentence."),
        "section": text("Heading of the runbook's section."),
        "runbook": text("Link to the section."),
        "action": text("What to do."),
        "contact": text("Whom to ask."),
        "see": text("A further page."),
        "snooze": text("How long snoozing is fine."),
        "record": text("Of a payload that is a list of records: path of the primary's."),
        "records": {
            "type": "array", "minItems": 1, "items": { "type": "string" },
            "description": "Of a payload that is a list of records: paths of those that matched, the first of them.",
        },
        "pack": { "type": "string", "pattern": "^.+@[0-9a-f]{8}$", "description": "The pack that spoke, and the digest of its text." },
    }));
    for fact in &packs.facts {
        let kind = match fact.kind {
            Kind::String => "string",
            Kind::Int => "integer",
            Kind::Float => "number",
            Kind::Bool => "boolean",
        };
        properties.insert(fact.name.clone(), json!({ "type": kind, "description": "A captured fact." }));
    }
    let required = ["v", "rule", "rules", "severity", "severity_number", "pack"];
    let mut schema = table(Json::Object(properties), &required);
    schema["$schema"] = DRAFT.into();
    schema["title"] = format!("The member `{}` of a line that matches", crate::NAME).into();
    schema
}

fn rule() -> Json {
    let mut properties = report();
    properties.extend(conditions());
    properties.extend(captures());
    properties.extend(examples());
    properties.extend(members(json!({
        "app": texts("Apps in scope; none is any."),
        "app_required": flag("A line that names no app is outside."),
        "level": { "const": "error", "description": "When the line has a level it must be an error." },
        "unless": texts("Ids or `family.*`: dropped when one of them matched the same line."),
        "not_in_runbook": one_or_more(with_reason("A phrase that is ours."), "Phrases that are ours, not the runbook's."),
        "todo": texts("What a draft leaves to a person."),
        "waive": one_or_more(waiver(), "Findings of `check` about this rule that are let pass."),
        "case": one_or_more(case(), "The first case that holds changes what is reported."),
    })));
    table(Json::Object(properties), &["id", "title", "severity", "section"])
}

fn case() -> Json {
    let mut properties = report();
    properties.extend(examples());
    properties.extend(members(json!({
        "when": {
            "type": "object",
            "description": "Facts, each with the value or values that it must have.",
            "additionalProperties": { "anyOf": [scalar(), { "type": "array", "items": scalar() }] },
        },
        "also": one_or_more(condition(), "Conditions that must all hold."),
        "earlier": texts("Contexts that the source has said."),
    })));
    table(Json::Object(properties), &[])
}

fn context() -> Json {
    let mut properties = conditions();
    properties.extend(captures());
    properties.extend(members(json!({
        "id": text("The name that cases use in `earlier`."),
        "set": { "type": "object", "description": "Facts that the source has from now on.", "additionalProperties": scalar() },
        "waive": one_or_more(waiver(), "Findings of `check` about this context that are let pass."),
    })));
    table(Json::Object(properties), &["id"])
}

fn shared() -> Json {
    let mut properties = captures();
    properties.insert("rules".to_owned(), texts("Ids or `family.*` of the rules; \"*\" is every rule."));
    table(Json::Object(properties), &["rules"])
}

fn alert() -> Json {
    let severities: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
    let row = table(
        json!({
            "when": { "type": "object", "description": "Facts that must have one of these values.", "additionalProperties": one_or_more(scalar(), "A value, or several.") },
            "cie": flag("A customer impacting event must be on."),
            "business_hours": flag("It must be within business hours, by the event's own time."),
            "text": text("What to do then."),
        }),
        &["text"],
    );
    let named = |description: &str| json!({ "type": "object", "description": description, "additionalProperties": { "type": "string" } });
    table(
        json!({
            "id": { "type": "string", "pattern": "^[A-Za-z0-9_./:-]+$", "description": "Its name, and the label `alertname`." },
            "from": texts("Ids of rules whose lines count; `family.*` for all of a family."),
            "except": texts("Ids of rules whose lines do not count all the same."),
            "unless": texts("While one of these alerts fires for the same group, this one does not."),
            "group_by": texts("Facts and fields by which lines are counted apart."),
            "distinct": text("Only lines with different values of this fact count."),
            "members": texts("Members of the line that templates may name."),
            "todo": texts("What a draft leaves to a person."),
            "window": text("How long a line counts, as in 15m."),
            "count": { "type": "string", "pattern": "^ *>=? *[0-9]+ *$", "description": "How many lines are enough, as in `>= 5`." },
            "severity": { "enum": severities },
            "labels": named("Templates of labels."),
            "annotations": named("Templates of annotations."),
            "action": text("What to do, where the rules say nothing."),
            "contact": text("Whom to ask, where the rules say nothing."),
            "snooze": text("How long snoozing is fine, as in 2h."),
            "escalate": one_or_more(row, "Whom to call in: the first row that holds."),
        }),
        &["id", "from", "window", "count", "severity"],
    )
}

fn test() -> Json {
    let texts_by_name = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let moment = json!({ "anyOf": [
        { "type": "string", "description": "How long after the beginning, as in 14m59s." },
        table(json!({ "at": text("How long after the beginning."), "labels": texts_by_name, "annotations": texts_by_name }), &["at"]),
    ] });
    table(
        json!({
            "name": text("One sentence: what this sequence shows."),
            "alert": text("The alert that it is about."),
            "start": { "type": "string", "format": "date-time", "description": "When it begins." },
            "cie": flag("A customer impacting event is on."),
            "lines": texts("`14m59s {…}`: when, maybe `x4` and `+6m`, and the line."),
            "fires": one_or_more(moment.clone(), "When it fires."),
            "resolves": one_or_more(moment, "When it is over."),
            "silent": flag("It never fires."),
        }),
        &["name", "alert", "lines"],
    )
}

/// What a rule says, and a case may change.
fn report() -> Map<String, Json> {
    let severities: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
    members(json!({
        "id": { "type": "string", "pattern": r"^[a-z0-9-]+\.[a-z0-9-]+$", "description": "`family.name`" },
        "title": text("One short sentence."),
        "severity": { "enum": severities },
        "priority": { "type": "integer", "description": "Breaks ties between rules of one severity; 0 unless told." },
        "section": text("An anchor of `[sections]`."),
        "action": text("What to do."),
        "contact": text("Whom to ask."),
        "see": text("A further page."),
        "snooze": text("How long snoozing is fine, as in 2h."),
    }))
}

fn conditions() -> Map<String, Json> {
    members(json!({
        "all": one_or_more(condition(), "Conditions that must all hold."),
        "any": one_or_more(condition(), "Conditions of which one must hold."),
        "none": one_or_more(condition(), "Conditions of which none may hold."),
    }))
}

fn condition() -> Json {
    json!({ "anyOf": [
        text("The phrase occurs in some text value."),
        table(json!({ "phrase": text("A phrase."), "then": texts("What follows it, after optional white space.") }), &["phrase"]),
        table(json!({ "words": texts("All occur in one value, each as a whole word.") }), &["words"]),
        table(json!({ "re": text("The expression matches in some text value.") }), &["re"]),
        table(json!({ "level": { "const": "error", "description": "The line has a level and it is an error." } }), &["level"]),
    ] })
}

fn captures() -> Map<String, Json> {
    members(json!({
        "get": one_or_more(table(json!({
            "name": text("The fact."),
            "path": text("The member at that path."),
            "re": text("The groups of this expression, joined; or its whole match."),
            "from": text("Another fact on which the expression runs."),
            "required": flag("No capture, no match."),
            "upper": flag("ASCII letters are made upper case."),
            "every": flag("All distinct captures of the line, joined by spaces."),
            "except": text("With `every`: but the value of that fact."),
        }), &["name"]), "Captures, tried in order."),
        "inherit": texts("Facts taken from what the same source said last."),
        "lookup": table(json!({
            "table": text("The `[[table.NAME]]` to look in."),
            "by": text("The fact, and the key of the rows, that is compared."),
            "re": text("What is compared instead is what this expression finds."),
        }), &["table", "by"]),
    }))
}

fn examples() -> Map<String, Json> {
    let line =
        json!({ "anyOf": [{ "type": "string" }, { "type": "array", "minItems": 1, "items": { "type": "string" } }] });
    members(json!({
        "match": one_or_more(line.clone(), "Lines that must be claimed; an inner array is a sequence of one source."),
        "no_match": one_or_more(line, "Lines that must not be claimed."),
    }))
}

fn with_reason(phrase: &str) -> Json {
    table(json!({ "phrase": text(phrase), "reason": text("Why.") }), &["phrase", "reason"])
}

fn waiver() -> Json {
    let lints: Vec<&str> = codes::TABLE.iter().filter(|row| row.is_lint()).map(|row| row.code).collect();
    table(
        json!({
            "code": { "enum": lints },
            "reason": text("Why it is right as it is."),
            "until": { "type": "string", "format": "date", "description": "The last day (UTC) on which it holds." },
        }),
        &["code", "reason"],
    )
}

fn table(properties: Json, required: &[&str]) -> Json {
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        table["required"] = required.into();
    }
    table
}

/// A value, or an array of such.
fn one_or_more(item: Json, description: &str) -> Json {
    json!({ "description": description, "anyOf": [{ "type": "array", "items": item }, item] })
}

fn text(description: &str) -> Json {
    json!({ "type": "string", "description": description })
}

fn texts(description: &str) -> Json {
    one_or_more(json!({ "type": "string" }), description)
}

fn flag(description: &str) -> Json {
    json!({ "type": "boolean", "description": description })
}

fn scalar() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

/// The members of an object that was written as one.
fn members(object: Json) -> Map<String, Json> {
    match object {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}
