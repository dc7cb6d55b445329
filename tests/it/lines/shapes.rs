//! What an application writes around the words, and strange things that it may. What others put around that is in `onion.rs`.
//!
//! It does not know what the words mean.

use fastrand::Rng;

use super::content::Content;
use super::json::{Members, Node, Style, write};
use super::{guarded, percent, pick, text};

/// Any JSON object that an application writes, or that `classify` makes of a line that is none.
pub(super) fn record(rng: &mut Rng, content: &Content) -> Node {
    let mut members = match rng.u8(..10) {
        0..6 => bare(rng, content),
        6 | 7 => nested(rng, content),
        _ => return wrapped(rng, content),
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
    let said = guarded(&content.texts.join(pick(rng, &[" ", ": ", "\n", " | "])));
    if percent(rng, 25) {
        let inner = Node::Object(bare(rng, content));
        return guarded(&format!("{said} {}", write(rng, &inner, Style::any)));
    }
    said
}

/// Whole JSON that is no object, and lines of next to nothing.
pub(super) fn odd(rng: &mut Rng, content: &Content) -> String {
    let inner = match rng.u8(..3) {
        0 => text(content.texts.join(" ")),
        1 => Node::Array(content.texts.iter().map(text).collect()),
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
pub(super) fn bare(rng: &mut Rng, content: &Content) -> Members {
    let key = pick(rng, &["msg", "msg", "message", "text"]);
    let mut members = spoken(rng, content, key);
    members.insert(0, named("ts", Node::Raw("1709632800.123".to_owned())));
    members.extend(content.level.clone().map(|value| named("level", value)));
    field(&mut members, "app", content.app.as_ref());
    field(&mut members, "pod", content.source.as_ref());
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

/// How `classify` hands on a line that was no JSON object, or what looks like it.
fn wrapped(rng: &mut Rng, content: &Content) -> Node {
    let bare = Node::Json(Box::new(Node::Object(bare(rng, content))));
    let line = match rng.u8(..5) {
        0 => bare,
        1 => Node::Json(Box::new(Node::Array(content.texts.iter().map(text).collect()))),
        2 => Node::Json(Box::new(Node::Object(vec![named("_line", plain(rng, content).as_str())]))),
        _ => text(plain(rng, content)),
    };
    let mut members = vec![named("_line", line)];
    if percent(rng, 70) {
        members.push(named("fingerpost", ours(rng)));
    }
    Node::Object(members)
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
        3 => text(guarded(&content.texts.join(" "))),
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

pub(super) fn ours(rng: &mut Rng) -> Node {
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
