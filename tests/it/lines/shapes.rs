//! What is built around the words: the shapes in which collectors and platforms deliver a line, and the strange ones.
//!
//! It knows which member stands where in each shape. It does not know what the words mean.

use fastrand::Rng;

use super::content::Content;
use super::json::{Members, Node, Style, write};
use super::{percent, pick, text};

/// Any record that is a JSON object.
pub(super) fn record(rng: &mut Rng, content: &Content) -> Node {
    let mut members = match rng.u8(..13) {
        0..3 => bare(rng, content),
        3 => logdna(rng, content),
        4 => logdna_promoted(rng, content),
        5 => source_wrapper(rng, content),
        6 => ingest(rng, content),
        7 => cloud_logs(rng, content),
        8 => kubernetes(rng, content),
        9 => ecs(rng, content),
        10 => open_telemetry(rng, content),
        11 => nested(rng, content),
        _ => wrapped(rng, content),
    };
    if percent(rng, 8) {
        repeat_a_member(rng, &mut members, content);
    }
    if percent(rng, 15) {
        insert_ours(rng, &mut members);
    }
    Node::Object(members)
}

pub(super) fn plain(rng: &mut Rng, content: &Content) -> String {
    let said = content.texts.join(pick(rng, &[" ", ": ", "\n", " | "]));
    let app = content.app.as_deref().unwrap_or("-");
    match rng.u8(..4) {
        0 => format!("2024-03-05T10:00:00Z ERROR [{app}] {said}"),
        1 => {
            let inner = Node::Object(bare(rng, content));
            format!("{said} {}", write(rng, &inner, Style::any))
        }
        _ => said,
    }
}

/// Whole JSON that is no object, and lines of next to nothing.
pub(super) fn odd(rng: &mut Rng, content: &Content) -> String {
    let inner = match rng.u8(..4) {
        0 => text(content.texts.join(" ")),
        1 => Node::Array(content.texts.iter().map(text).collect()),
        2 => Node::Array(vec![Node::Object(bare(rng, content))]),
        _ => Node::Raw((pick(rng, &["", "{}", "[]", "null", "1e999", " ", "{ }", "\"\"", "{\"\":\"\"}"])).to_owned()),
    };
    write(rng, &inner, Style::any)
}

fn named(name: &str, value: impl Into<Node>) -> (String, Node) {
    (name.to_owned(), value.into())
}

impl From<&str> for Node {
    fn from(value: &str) -> Node {
        text(value)
    }
}

impl From<&String> for Node {
    fn from(value: &String) -> Node {
        text(value)
    }
}

impl From<Members> for Node {
    fn from(members: Members) -> Node {
        Node::Object(members)
    }
}

fn field(members: &mut Members, name: &str, value: Option<&String>) {
    members.extend(value.map(|value| named(name, value)));
}

/// What an application writes itself: the first text is the message, the others stand around it.
fn bare(rng: &mut Rng, content: &Content) -> Members {
    let key = pick(rng, &["msg", "msg", "message", "text", "event"]);
    let mut members = spoken(rng, content, key);
    members.insert(0, named("ts", Node::Raw("1709632800.123".to_owned())));
    let level = pick(rng, &["level", "level", "level", "severity", "log.level"]);
    members.extend(content.level.clone().map(|value| named(level, value)));
    let app = pick(rng, &["app", "app", "_app", "service.name", "applicationName"]);
    field(&mut members, app, content.app.as_ref());
    let pod = pick(rng, &["pod", "pod", "_pod", "_host", "kubernetes.pod_name"]);
    field(&mut members, pod, content.source.as_ref());
    if percent(rng, 30) {
        rng.shuffle(&mut members);
    }
    members
}

fn spoken(rng: &mut Rng, content: &Content, key: &str) -> Members {
    const KEYS: &[&str] = &["error", "err", "details", "caller", "app_error", "cause", "stack", "_source"];
    let mut members = Members::new();
    for (index, said) in content.texts.iter().enumerate() {
        let name = if index == 0 { key } else { pick(rng, KEYS) };
        // Of two wrappers it would be open which one is the wrapper.
        let name = if members.iter().any(|(taken, _)| taken == name) { "more" } else { name };
        let value = spoken_value(rng, said);
        members.push(named(name, value));
    }
    members.extend(content.members.iter().cloned());
    members
}

fn spoken_value(rng: &mut Rng, said: &str) -> Node {
    match rng.u8(..14) {
        0 => Node::Object(vec![named("message", said), named("code", Node::Raw("7".to_owned()))]),
        1 => Node::Array(vec![text("first"), text(said)]),
        2 | 3 => in_strings(rng, Node::Object(vec![named("msg", said)])),
        4 => in_strings(rng, Node::Array(vec![text(said)])),
        _ => text(said),
    }
}

/// JSON in a string, in a string, up to four levels.
fn in_strings(rng: &mut Rng, node: Node) -> Node {
    let mut node = Node::Json(Box::new(node));
    for _ in 0..pick(rng, &[0, 0, 0, 1, 1, 2, 3]) {
        node = Node::Json(Box::new(Node::Object(vec![named("inner", node)])));
    }
    node
}

fn json_line(rng: &mut Rng, content: &Content) -> (Members, Node) {
    let record = bare(rng, content);
    let line = Node::Json(Box::new(Node::Object(record.clone())));
    (record, line)
}

fn logdna(rng: &mut Rng, content: &Content) -> Members {
    let line = if percent(rng, 30) { json_line(rng, content).1 } else { text(content.texts.join(" ")) };
    let mut members = vec![named("_line", line), named("_ts", Node::Raw("1709632800123".to_owned()))];
    field(&mut members, "_app", content.app.as_ref());
    field(&mut members, pick(rng, &["_host", "_pod"]), content.source.as_ref());
    members.extend(content.level.clone().map(|value| named("_level", value)));
    members.push(named("_meta", vec![named("region", "KEY_DELETED_ERR")]));
    members
}

fn logdna_promoted(rng: &mut Rng, content: &Content) -> Members {
    let (record, line) = json_line(rng, content);
    let mut members = vec![named("_line", line)];
    members.extend(record);
    field(&mut members, "_app", content.app.as_ref());
    members
}

fn source_wrapper(rng: &mut Rng, content: &Content) -> Members {
    let mut inner = if rng.bool() { bare(rng, content) } else { logdna(rng, content) };
    inner.retain(|(key, _)| key != "_source");
    let mut members = vec![named("_index", "logs-7"), named("_source", inner)];
    if percent(rng, 20) {
        field(&mut members, "app", content.app.as_ref());
    }
    if percent(rng, 30) {
        members.push(named("sort", Node::Array(vec![text("region"), text("BXNIM0410E")])));
        members.rotate_left(1);
    }
    members
}

fn ingest(rng: &mut Rng, content: &Content) -> Members {
    let line = if rng.bool() { json_line(rng, content).1 } else { text(content.texts.join(" ")) };
    let mut members = vec![named("line", line), named("timestamp", "1709632800")];
    field(&mut members, "app", content.app.as_ref());
    let mut meta = content.members.clone();
    field(&mut meta, "pod", content.source.as_ref());
    members.push(named("meta", meta));
    members.extend(content.level.clone().map(|value| named("level", value)));
    members
}

fn cloud_logs(rng: &mut Rng, content: &Content) -> Members {
    let mut members = Members::new();
    field(&mut members, "applicationName", content.app.as_ref());
    field(&mut members, "subsystemName", content.source.as_ref());
    members.push(named("severity", Node::Raw("5".to_owned())));
    let (record, line) = json_line(rng, content);
    members.push(if rng.bool() { named("text", line) } else { named("json", record) });
    members
}

fn kubernetes(rng: &mut Rng, content: &Content) -> Members {
    let line = if rng.bool() { json_line(rng, content).1 } else { text(format!("{}\n", content.texts.join(" "))) };
    let mut about = Members::new();
    if percent(rng, 70) {
        field(&mut about, "container_name", content.app.as_ref());
    }
    match &content.app {
        Some(app) if rng.bool() => about.push(named("labels", vec![named("app", app)])),
        Some(app) if percent(rng, 20) => about.push(named("labels.app", app)),
        _ => {}
    }
    field(&mut about, "pod_name", content.source.as_ref());
    let mut members = vec![named(pick(rng, &["log", "message"]), line), named("stream", "stderr")];
    members.push(named("kubernetes", about));
    members.extend(content.members.iter().cloned());
    members
}

fn ecs(rng: &mut Rng, content: &Content) -> Members {
    let mut members = vec![named("@timestamp", "2024-03-05T10:00:00.000Z")];
    members.extend(spoken(rng, content, "message"));
    match &content.level {
        Some(level) if rng.bool() => members.push(named("log", vec![named("level", level.clone())])),
        Some(level) => members.push(named("log.level", level.clone())),
        None => {}
    }
    if let Some(app) = &content.app {
        let nested = rng.bool();
        members.push(if nested { named("service", vec![named("name", app)]) } else { named("service.name", app) });
    }
    field(&mut members, "host", content.source.as_ref());
    members
}

fn open_telemetry(rng: &mut Rng, content: &Content) -> Members {
    let mut resource = Members::new();
    field(&mut resource, "service.name", content.app.as_ref());
    let resource = if rng.bool() { vec![named("attributes", resource)] } else { resource };
    let body = if rng.bool() { Node::Object(spoken(rng, content, "stringValue")) } else { json_line(rng, content).1 };
    let mut members = vec![named("timeUnixNano", "1709632800123000000"), named("body", body)];
    members.extend(content.level.clone().map(|value| named("severityText", value)));
    members.push(named("resource", resource));
    members
}

/// The message under many arrays and objects, on both sides of the depth that is looked at.
fn nested(rng: &mut Rng, content: &Content) -> Members {
    let mut members = bare(rng, content);
    let mut node = spoken_value(rng, &content.texts.join(" "));
    let levels = if rng.bool() { rng.usize(1..9) } else { rng.usize(58..68) };
    for _ in 0..levels {
        node = if rng.bool() { Node::Array(vec![node]) } else { Node::Object(vec![named("n", node)]) };
    }
    members.retain(|(key, _)| !["msg", "message", "text", "event"].contains(&key.as_str()));
    members.push(named("deep", node));
    members
}

/// How `classify` hands on a line that was no JSON object.
fn wrapped(rng: &mut Rng, content: &Content) -> Members {
    let line = match rng.u8(..5) {
        0 => json_line(rng, content).1,
        1 => Node::Json(Box::new(Node::Array(vec![Node::Object(bare(rng, content))]))),
        2 => Node::Json(Box::new(Node::Object(vec![named("_line", plain(rng, content).as_str())]))),
        _ => text(plain(rng, content)),
    };
    let mut members = vec![named("_line", line)];
    if percent(rng, 70) {
        members.push(named("fingerpost", ours(rng)));
    }
    members
}

fn repeat_a_member(rng: &mut Rng, members: &mut Members, content: &Content) {
    let names: Vec<&String> = members.iter().map(|(name, _)| name).filter(|name| *name != "_source").collect();
    if names.is_empty() {
        return;
    }
    let name = (pick(rng, &names)).clone();
    let value = match rng.u8(..5) {
        0 => Node::Raw("null".to_owned()),
        1 => text(""),
        2 => text("armada-kp-events"),
        3 => text(content.texts.join(" ")),
        _ => text("pod-b"),
    };
    members.insert(rng.usize(..=members.len()), (name, value));
}

/// A member of our name: a stale one of ours, or somebody else's.
fn insert_ours(rng: &mut Rng, members: &mut Members) {
    for _ in 0..pick(rng, &[1, 1, 1, 1, 2, 3]) {
        let value = if percent(rng, 65) { ours(rng) } else { foreign(rng) };
        members.insert(rng.usize(..=members.len()), named("fingerpost", value));
    }
}

fn ours(rng: &mut Rng) -> Node {
    let mut members = vec![named("title", "BXNIM0410E: the owner of the API key is gone")];
    if rng.bool() {
        members.insert(0, named("v", Node::Raw("1".to_owned())));
    }
    if members.len() == 1 || rng.bool() {
        members.push(named("rule", "kms.user-not-found"));
    }
    Node::Object(members)
}

fn foreign(rng: &mut Rng) -> Node {
    match rng.u8(..6) {
        0 => text("KEY_DELETED_ERR"),
        1 => Node::Object(vec![named("title", "KEY_DELETED_ERR")]),
        2 => Node::Array(vec![ours(rng)]),
        3 => Node::Object(vec![named("inner", ours(rng))]),
        4 => Node::Json(Box::new(ours(rng))),
        _ => Node::Raw("null".to_owned()),
    }
}
