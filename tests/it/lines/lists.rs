//! Payloads in which several lines lie, each with its own app, source and level, or with those that stand around all of them.

use fastrand::Rng;

use super::super::oracle::Told;
use super::content::{self, Content};
use super::json::{self, Members, Node, Style};
use super::onion::{self, Inner, Onion, Said};
use super::{Made, envelopes, fallback, percent, pick, text};

/// A line of a list, with what was said and where it stands.
struct Entry {
    onion: Onion,
    path: String,
}

/// The next list.
pub(super) fn list(rng: &mut Rng) -> Made {
    let (list, mut entries) = match rng.u8(..6) {
        0 => open_telemetry(rng),
        1 => cloudwatch(rng),
        2 => loki(rng),
        3 => lines(rng, "mezmo-line", "lines"),
        4 => lines(rng, "azure", "records"),
        _ => array(rng),
    };
    let payload = json::write(rng, &list, Style::any);
    entries.iter_mut().for_each(|entry| entry.onion.layers.push("list"));
    let told: Vec<Told> = entries.iter().map(|entry| entry.onion.told(Some(entry.path.clone()))).collect();
    let layers = entries.into_iter().map(|entry| entry.onion.layers).collect();
    Made { payload: json::to_bytes(&payload), source: fallback(rng), told, layers }
}

fn named(name: &str, value: Node) -> (String, Node) {
    (name.to_owned(), value)
}

/// A line, in something now and then.
fn entry(rng: &mut Rng) -> (Onion, Content) {
    let content = content::content(rng);
    let mut onion = onion::core(rng, &content);
    if percent(rng, 20) {
        onion.wrap(rng, &content);
    }
    (onion, content)
}

fn count(rng: &mut Rng) -> usize {
    pick(rng, &[1, 1, 2, 3, 4])
}

/// Whom what stands around several lines names.
fn anybody(rng: &mut Rng) -> (Option<String>, Option<String>) {
    let content = content::content(rng);
    onion::who(rng, &content)
}

/// The line as a text.
fn written(rng: &mut Rng, onion: &Onion) -> Node {
    text(onion.inner.text(rng))
}

/// Objects of one kind in a list.
fn lines(rng: &mut Rng, kind: &str, list: &str) -> (Node, Vec<Entry>) {
    let templates: Vec<_> = envelopes::TEMPLATES.iter().filter(|(name, _)| *name == kind).collect();
    let mut entries = Vec::new();
    for index in 0..count(rng) {
        let (mut onion, content) = entry(rng);
        let template = pick(rng, &templates);
        onion.envelope(rng, &content, template);
        entries.push(Entry { onion, path: format!("{list}[{index}]") });
    }
    let nodes = entries.iter().map(|entry| entry.onion.node()).collect();
    (Node::Object(vec![named(list, Node::Array(nodes))]), entries)
}

/// A list of whatever there is; the first of it is an object.
fn array(rng: &mut Rng) -> (Node, Vec<Entry>) {
    let mut entries = Vec::new();
    for index in 0..count(rng) {
        let (mut onion, content) = entry(rng);
        while index == 0 && matches!(onion.inner, Inner::Text(_)) {
            onion.wrap(rng, &content);
        }
        entries.push(Entry { onion, path: format!("[{index}]") });
    }
    (Node::Array(entries.iter().map(|entry| entry.onion.node()).collect()), entries)
}

fn cloudwatch(rng: &mut Rng) -> (Node, Vec<Entry>) {
    let (app, source) = anybody(rng);
    let app = app.unwrap_or("kms".to_owned());
    let (mut entries, mut events) = (Vec::new(), Vec::new());
    for index in 0..count(rng) {
        let (mut onion, _) = entry(rng);
        let message = written(rng, &onion);
        events.push(Node::Object(vec![
            named("id", text("3719")),
            named("timestamp", Node::Raw("1709632800123".to_owned())),
            named("message", message),
        ]));
        onion.object_around(Said::of(Some(&app), source.as_ref()), false);
        entries.push(Entry { onion, path: format!("logEvents[{index}]") });
    }
    let mut members = vec![
        named("messageType", text("DATA_MESSAGE")),
        named("logGroup", text(format!("/aws/containerinsights/{app}"))),
        named("logEvents", Node::Array(events)),
    ];
    members.extend(source.map(|source| named("logStream", text(source))));
    (Node::Object(members), entries)
}

fn loki(rng: &mut Rng) -> (Node, Vec<Entry>) {
    let (mut entries, mut streams) = (Vec::new(), Vec::new());
    for stream in 0..pick(rng, &[1, 1, 2]) {
        let (app, source) = anybody(rng);
        let mut said = Said::of(app.as_ref(), source.as_ref());
        let mut labels = vec![named("namespace", text("ns"))];
        labels.extend(app.map(|app| named(pick(rng, &["app", "job"]), text(app))));
        labels.extend(source.map(|source| named("pod", text(source))));
        let (level, is_error) = envelopes::level(rng, "word");
        match rng.u8(..3) {
            0 => {
                labels.push(named("level", level));
                said = said.with(is_error, None);
            }
            1 => {
                labels.push(named("detected_level", level));
                said = said.with(None, is_error);
            }
            _ => {}
        }
        let mut values = Vec::new();
        for index in 0..count(rng) {
            let (mut onion, _) = entry(rng);
            let mut value = vec![text("1709632800123000000"), written(rng, &onion)];
            if percent(rng, 20) {
                value.push(Node::Object(vec![named("trace_id", text("0af7651916cd43dd"))]));
            }
            values.push(Node::Array(value));
            onion.object_around(said.clone(), false);
            onion.layers.push("loki-push");
            entries.push(Entry { onion, path: format!("streams[{stream}].values[{index}]") });
        }
        streams.push(Node::Object(vec![named("stream", Node::Object(labels)), named("values", Node::Array(values))]));
    }
    (Node::Object(vec![named("streams", Node::Array(streams))]), entries)
}

fn open_telemetry(rng: &mut Rng) -> (Node, Vec<Entry>) {
    let (mut entries, mut resources) = (Vec::new(), Vec::new());
    for resource in 0..pick(rng, &[1, 1, 2]) {
        let (app, source) = anybody(rng);
        let around = Said::of(app.as_ref(), source.as_ref());
        let mut attributes = vec![pair("telemetry.sdk.language", "go")];
        attributes.extend(app.map(|app| pair(pick(rng, &["service.name", "k8s.container.name"]), &app)));
        attributes.extend(source.map(|source| pair("k8s.pod.name", &source)));
        let mut scopes = Vec::new();
        for scope in 0..pick(rng, &[1, 1, 2]) {
            let mut records = Vec::new();
            for record in 0..count(rng) {
                let (mut onion, _) = entry(rng);
                let mut members = vec![
                    named("timeUnixNano", text("1709632800123000000")),
                    named("body", value(written(rng, &onion))),
                    named("attributes", Node::Array(vec![pair("k", "v")])),
                ];
                let said = open_telemetry_level(rng, &mut members, around.clone());
                records.push(Node::Object(members));
                onion.object_around(said, false);
                onion.layers.push("otlp");
                let path = format!("resourceLogs[{resource}].scopeLogs[{scope}].logRecords[{record}]");
                entries.push(Entry { onion, path });
            }
            let about = Node::Object(vec![named("name", text("com.example"))]);
            scopes.push(Node::Object(vec![named("scope", about), named("logRecords", Node::Array(records))]));
        }
        let about = Node::Object(vec![named("attributes", Node::Array(attributes))]);
        resources.push(Node::Object(vec![named("resource", about), named("scopeLogs", Node::Array(scopes))]));
    }
    (Node::Object(vec![named("resourceLogs", Node::Array(resources))]), entries)
}

/// A level as a word, as a number or not at all.
fn open_telemetry_level(rng: &mut Rng, members: &mut Members, around: Said) -> Said {
    let (name, scale) = pick(rng, &[("severityText", "word"), ("severityNumber", "otel"), ("", "")]);
    if name.is_empty() {
        return around;
    }
    let (level, is_error) = envelopes::level(rng, scale);
    members.push(named(name, level));
    around.with(is_error, None)
}

fn pair(key: &str, of: &str) -> Node {
    Node::Object(vec![named("key", text(key)), named("value", value(text(of)))])
}

fn value(node: Node) -> Node {
    Node::Object(vec![named("stringValue", node)])
}
