//! Log lines by the million, from a seed: every shape, every way to escape, with the catalog's phrases in them and
//! things that only look alike. About half of the lines say something.
//!
//! It is responsible for variety. It does not know what a line means, nor whether any rule claims it: that is the
//! oracle's part. `content.rs` decides what is said, `shapes.rs` what is built around it, `json.rs` how it is written.

use fastrand::Rng;

use json::{Node, Style};

mod content;
mod json;
mod shapes;

/// The next line, and what stands in for a source when it names none (the record's key, or a file's name).
pub(crate) fn line(rng: &mut Rng) -> (Vec<u8>, Option<String>) {
    let content = content::content(rng);
    let text = match rng.u8(..100) {
        0..10 => shapes::plain(rng, &content),
        10..13 => shapes::odd(rng, &content),
        13..20 => broken(rng, &content),
        _ => whole(rng, &content),
    };
    let mut bytes = json::to_bytes(&text);
    if rng.u8(..100) < 2 {
        flip_a_byte(rng, &mut bytes);
    }
    (bytes, fallback(rng))
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
        3 => text.insert_str(0, pick(rng, &["\u{feff}", "x", "2024-01-01 ", "\u{b}"])),
        4 => text = text.replacen("\":", pick(rng, &["\" :: ", "\" ", "\":01,\"x\":", "\":NaN,\"y\":", "\\q\":"]), 1),
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
fn about_half_of_the_lines_say_something_and_every_rule_is_among_them() {
    let (mut rng, mut oracle) = (Rng::with_seed(7), super::oracle::Oracle::default());
    let (mut claimed, mut objects) = (0, 0);
    let mut ids = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..8_000 {
        let (line, source) = line(&mut rng);
        let expected = oracle.classify(&line, source.as_deref());
        claimed += usize::from(!expected.matches.is_empty());
        objects += usize::from(expected.is_object);
        expected.matches.iter().for_each(|id| *ids.entry(id).or_default() += 1);
    }
    assert!((3_000..5_000).contains(&claimed), "{claimed} lines claimed");
    assert!((5_500..7_200).contains(&objects), "{objects} objects");
    assert_eq!(ids.len(), 37, "{ids:?}");
    assert!(ids.values().all(|&count| count >= 5), "{ids:?}");
}
