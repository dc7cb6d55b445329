//! Log lines by the million, from a seed: what applications write, and that in every envelope, every way to escape, with
//! the catalog's phrases in them and things that only look alike. About half of the lines say something.
//!
//! It is responsible for variety. It does not know what a line means, nor whether any rule claims it: that is the
//! oracle's part. The oracle knows nothing of envelopes: a line comes with what stands in them, and with what they say.
//! `content.rs` decides what is said, `shapes.rs` how an application writes it, `onion.rs` puts layers around that, `envelopes.rs`
//! is how they look, `lists.rs` are payloads of several lines, `json.rs` is how anything is written.

use fastrand::Rng;

use super::oracle::Told;
use json::{Node, Style};

mod content;
mod envelopes;
mod json;
mod lists;
mod onion;
mod shapes;

/// A payload, and what is to be known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    pub(crate) payload: Vec<u8>,
    /// What stands in for a source when it names none (the record's key, or a file's name).
    pub(crate) source: Option<String>,
    /// The lines in it. Empty where the payload itself is what the application wrote.
    pub(crate) told: Vec<Told>,
    /// The layers, the innermost first, of each line.
    pub(crate) layers: Vec<Vec<&'static str>>,
}

/// The next line, in anything or in nothing.
pub(crate) fn made(rng: &mut Rng) -> Made {
    match rng.u8(..100) {
        0..45 => bare(rng),
        45..90 => enveloped(rng),
        _ => lists::list(rng),
    }
}

/// The payload of the next line, and what stands in for its source.
pub(crate) fn line(rng: &mut Rng) -> (Vec<u8>, Option<String>) {
    let made = made(rng);
    (made.payload, made.source)
}

/// The next line as an application writes it: with nothing around it.
pub(crate) fn bare(rng: &mut Rng) -> Made {
    let content = content::content(rng);
    let text = match rng.u8(..100) {
        0..13 => shapes::plain(rng, &content),
        13..17 => shapes::odd(rng, &content),
        17..25 => broken(rng, &content),
        _ => whole(rng, &content),
    };
    let mut payload = json::to_bytes(&text);
    if rng.u8(..100) < 2 {
        flip_a_byte(rng, &mut payload);
    }
    Made { payload, source: fallback(rng), told: Vec::new(), layers: Vec::new() }
}

/// The next line, with a few layers around it.
fn enveloped(rng: &mut Rng) -> Made {
    let content = content::content(rng);
    let mut onion = onion::core(rng, &content);
    for _ in 0..pick(rng, &[0, 1, 1, 1, 1, 2, 2, 3]) {
        onion.wrap(rng, &content);
    }
    if let onion::Inner::Object(members) = &mut onion.inner
        && percent(rng, 10)
    {
        members.insert(rng.usize(..=members.len()), ("fingerpost".to_owned(), shapes::ours(rng)));
    }
    let payload = match &onion.inner {
        onion::Inner::Object(_) => json::write(rng, &onion.node(), Style::any),
        onion::Inner::Text(text) => text.clone(),
    };
    let told = vec![onion.told(None)];
    Made { payload: json::to_bytes(&payload), source: fallback(rng), told, layers: vec![onion.layers] }
}

/// A text that nobody takes for one with a head, or for one with a level in front.
fn guarded(text: &str) -> String {
    const LEVELS: &[&str] = &[
        "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "ERR", "FATAL", "CRIT", "SEVERE", "ALERT", "EMERG",
        "PANIC",
    ];
    let text = text.replace(":  ", ": ").replace(":  ", ": ");
    let begins = text.trim_start();
    let is_bracketed = begins.starts_with(['[', '<', '(']) && !begins.starts_with("[]");
    if is_bracketed || LEVELS.iter().any(|level| begins.starts_with(level)) { format!("so {text}") } else { text }
}

fn fallback(rng: &mut Rng) -> Option<String> {
    let key = pick(rng, &["key-1", "key-2", "pod-a", "logs/kms.log"]);
    rng.bool().then(|| key.to_owned())
}

fn whole(rng: &mut Rng, content: &content::Content) -> String {
    let record = shapes::record(rng, content);
    let written = json::write(rng, &record, Style::any);
    let space = |rng: &mut Rng| pick(rng, &["", "", "", "", "", " ", "\n", "\r\n", " \t "]);
    format!("{}{written}{}", space(rng), space(rng))
}

/// JSON that is none: cut off, followed by something, or spoilt in the middle.
fn broken(rng: &mut Rng, content: &content::Content) -> String {
    let mut text = whole(rng, content);
    match rng.u8(..6) {
        0 | 1 => text.truncate(text.floor_char_boundary(rng.usize(..=text.len()))),
        2 => text.push_str(pick(rng, &["}", " trailing", ",", "{}", "\u{a0}", "\0", "KEY_DELETED_ERR"])),
        3 => text.insert_str(0, pick(rng, &["x", "so ", "\u{b}"])),
        4 => text = text.replacen("\":", pick(rng, &["\" :: ", "\" ", "\":01,\"x\":", "\":nan,\"y\":", "\\q\":"]), 1),
        _ => text = text.replacen(' ', "\t", 1).replacen('e', "\u{1}", 1),
    }
    text
}

fn flip_a_byte(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    match rng.u8(..3) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => drop(bytes.remove(at)),
        _ => bytes.insert(at, pick(rng, b"\"\\{}[],: \n\xff0e")),
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// True in so many of a hundred cases.
fn percent(rng: &mut Rng, chance: u8) -> bool {
    rng.u8(..100) < chance
}

fn text(text: impl Into<String>) -> Node {
    Node::Text(text.into())
}

#[test]
fn a_seed_gives_the_same_lines_again() {
    let lines = |seed| -> Vec<_> {
        let mut rng = Rng::with_seed(seed);
        (0..200).map(|_| line(&mut rng)).collect()
    };
    assert_eq!(lines(1), lines(1));
    assert_ne!(lines(1), lines(2));
}

#[test]
fn every_layer_is_put_around_a_line() {
    let mut rng = Rng::with_seed(5);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8_000 {
        let made = made(&mut rng);
        assert_eq!(made.told.len(), made.layers.len());
        seen.extend(made.layers.concat());
    }
    let missing: Vec<&str> =
        envelopes::TEMPLATES.iter().map(|(name, _)| *name).filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for name in ["byte-order-mark", "cri", "compose", "stern", "syslog-5424", "klog", "logfmt", "otlp", "loki-push"] {
        assert!(seen.contains(name), "{name}");
    }
}

#[test]
fn about_half_of_the_lines_say_something_and_every_rule_is_among_them() {
    let (mut rng, mut oracle) = (Rng::with_seed(7), super::oracle::Oracle::default());
    let (mut claimed, mut objects) = (0, 0);
    let mut ids = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..8_000 {
        let expected = oracle.judge(&made(&mut rng));
        claimed += usize::from(!expected.matches.is_empty());
        objects += usize::from(expected.is_object);
        expected.matches.iter().for_each(|id| *ids.entry(id).or_default() += 1);
    }
    assert!((3_000..5_000).contains(&claimed), "{claimed} lines claimed");
    assert!((4_500..7_200).contains(&objects), "{objects} objects");
    assert_eq!(ids.len(), 37, "{ids:?}");
    assert!(ids.values().all(|&count| count >= 5), "{ids:?}");
}
