//! The JSON Schema of the configuration file, made of the table of keys, so that it cannot fall behind.

use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key, Kind, OPTION_TABLES, Standard};
use super::value::Value;

/// The schema, as of JSON Schema 2020-12. Ranges of sizes and lengths of time stand in the descriptions: as texts with
/// units they are out of a schema's reach.
#[must_use]
pub fn config() -> Json {
    let mut sections = Map::new();
    for keys in KEYS.chunk_by(|a, b| a.section() == b.section()) {
        let members: Map<String, Json> = keys.iter().map(|key| (key.leaf().to_owned(), described(key))).collect();
        sections.insert(keys[0].section().to_owned(), object(members));
    }
    for table in OPTION_TABLES {
        let Some((section, name)) = table.split_once('.') else { continue };
        let options = json!({
            "type": "object",
            "description": "Any setting of librdkafka.",
            "additionalProperties": { "type": ["string", "integer", "number", "boolean", "object"] },
        });
        sections.entry(section).or_insert_with(|| object(Map::new()))["properties"][name] = options;
    }
    let mut schema = object(sections);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = format!("Configuration of {}", crate::NAME).into();
    schema
}

/// A table of which every key is known. Nothing is required: each value may come from the environment instead.
fn object(properties: Map<String, Json>) -> Json {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn described(key: &Key) -> Json {
    let mut schema = match key.kind {
        Kind::Text | Kind::Path | Kind::SecretFile | Kind::Duration(..) => json!({ "type": "string" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::List => json!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "string" }] }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Count(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Kind::Bytes(from, to) => {
            json!({ "anyOf": [{ "type": "integer", "minimum": from, "maximum": to }, { "type": "string" }] })
        }
    };
    let range = match key.kind {
        Kind::Bytes(..) | Kind::Duration(..) => key.kind.says(),
        _ => String::new(),
    };
    let absent = match key.default {
        Standard::Required => " Required, here or elsewhere.".to_owned(),
        Standard::Nothing(means) => format!(" Without it: {means}."),
        _ => String::new(),
    };
    schema["description"] =
        format!("{}{absent}{} ({})", key.doc, range.replace("; from", " From"), key.variable()).into();
    if let Some(default) = key.standard() {
        schema["default"] = written(&default);
    }
    schema
}

/// A value as it would stand in the file.
fn written(value: &Value) -> Json {
    match value {
        Value::Count(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::List(items) => items.iter().map(|item| Json::from(item.text.as_str())).collect(),
        other => other.to_string().trim_matches('"').into(),
    }
}
