//! The few rules about the code itself that are worth holding: import direction, pure rooms stay pure, circles of files
//! only shrink, a story at the top of each file, `unsafe` only where it is named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use reading::{Name, Source};

mod circles;
mod planted;
mod reading;

/// Rooms from the bottom of the picture up: a room may name only those before it.
const ROOMS: [&str; 16] = [
    "level",
    "moment",
    "sanitize",
    "files",
    "telemetry",
    "diagnostic",
    "document",
    "runbook",
    "pack",
    "engine",
    "alert",
    "gaps",
    "flow",
    "http",
    "config",
    "cli",
];

/// Rooms that only think.
const PURE: [&str; 10] =
    ["level", "moment", "sanitize", "diagnostic", "document", "runbook", "pack", "engine", "alert", "gaps"];

/// What they must not name.
const IMPURE: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "rdkafka",
    "tokio",
    "std::env",
    "crate::files",
    "crate::telemetry",
];

/// Files that may hold `unsafe`.
const UNSAFE: [&str; 10] = [
    "benches/pipeline/passthrough.rs",
    "src/cli/demo/mock.rs",
    "src/engine/filter/simd.rs",
    "src/flow/kafka/raw.rs",
    "src/flow/kafka/raw/ask.rs",
    "src/flow/kafka/raw/credentials.rs",
    "src/flow/kafka/raw/inlet.rs",
    "src/flow/kafka/raw/outlet.rs",
    "src/flow/kafka/raw/rights.rs",
    "src/main.rs",
];

/// Where the Kafka client may be named.
const KAFKA: [&str; 3] = ["src/flow", "src/cli/demo", "src/cli/config.rs"];

/// Where the lints may be named: they are for whoever writes rules, and packs are loaded the same whatever they think.
const LINTS: [&str; 4] = ["src/pack/", "src/pack.rs", "src/engine/trial", "src/cli/check"];

/// How many files of a room need each other in a circle, circle by circle. What a file only passes on is no need of its
/// own. The list may only shrink: whoever cuts a circle lowers its number here.
const CIRCLES: [(&str, &[usize]); 8] = [
    ("alert", &[2]),
    ("cli", &[31, 2]),
    ("config", &[10, 2]),
    ("engine", &[4, 2]),
    ("flow", &[15, 7, 5, 3, 2, 2]),
    ("http", &[5]),
    ("pack", &[9, 2, 2]),
    ("runbook", &[3]),
];

pub(crate) fn sources() -> Vec<(String, String)> {
    below("src")
}

fn below(directory: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(Path::new(directory), &mut files);
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The room that a file is in; `lib` and `main` are the door.
fn room(path: &str) -> &str {
    path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default()
}

/// Whether a name is this one, or lies below it. Of a glob it is not known what it takes, so it may be anything below.
fn is_below(name: &Name, place: &str) -> bool {
    let mut words = name.iter();
    place.split("::").all(|word| words.next().is_some_and(|own| own == word || own == "*"))
}

/// What of a file's names its room may not name.
fn names_of_rooms_above(path: &str, text: &str) -> Vec<String> {
    let Some(own) = ROOMS.iter().position(|known| *known == room(path)) else { return Vec::new() };
    let above = &ROOMS[own + 1..];
    wrong(path, text, |name| above.iter().any(|other| is_below(name, &format!("crate::{other}"))))
}

/// What of a pure file's names waits, touches files or reads a clock.
fn impurities(path: &str, text: &str) -> Vec<String> {
    let is_impure = |name: &Name| IMPURE.iter().any(|place| is_below(name, place));
    if PURE.contains(&room(path)) { wrong(path, text, is_impure) } else { Vec::new() }
}

fn names_of_lints(path: &str, text: &str) -> Vec<String> {
    let is_lint = |name: &Name| ["crate::pack::lint", "crate::engine::trial"].iter().any(|place| is_below(name, place));
    if LINTS.iter().any(|may| path.starts_with(may)) { Vec::new() } else { wrong(path, text, is_lint) }
}

fn names_of_the_client(path: &str, text: &str) -> Vec<String> {
    let may = KAFKA.iter().any(|may| path.starts_with(may));
    if may { Vec::new() } else { wrong(path, text, |name| is_below(name, "rdkafka")) }
}

fn unnamed_unsafe(path: &str, text: &str) -> Vec<String> {
    let wrong = !UNSAFE.contains(&path) && Source::new(path, text).has_word("unsafe");
    if wrong { vec![format!("{path} holds `unsafe`")] } else { Vec::new() }
}

fn wrong(path: &str, text: &str, is_wrong: impl Fn(&Name) -> bool) -> Vec<String> {
    let names = Source::new(path, text).names();
    names.iter().filter(|name| is_wrong(name)).map(|name| format!("{path} names {}", name.join("::"))).collect()
}

/// Nothing is wrong with any of these files.
fn hold(rule: impl Fn(&str, &str) -> Vec<String>, files: impl IntoIterator<Item = (String, String)>) {
    let wrong: Vec<String> = files.into_iter().flat_map(|(path, text)| rule(&path, &text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_is_known() {
    let unknown: Vec<String> = sources()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !ROOMS.contains(&room(path)) && !["lib", "main"].contains(&room(path)))
        .collect();
    assert!(unknown.is_empty(), "give it a floor in ROOMS: {unknown:#?}");
}

#[test]
fn rooms_import_only_from_rooms_above_them() {
    hold(names_of_rooms_above, sources());
}

#[test]
fn pure_rooms_stay_pure() {
    hold(impurities, sources());
}

#[test]
fn only_check_runs_the_lints() {
    hold(names_of_lints, sources());
}

#[test]
fn the_kafka_client_is_named_in_one_room() {
    hold(names_of_the_client, sources());
}

#[test]
fn unsafe_stands_only_where_it_is_named() {
    hold(unnamed_unsafe, sources().into_iter().chain(below("benches")));
}

#[test]
fn circles_of_files_only_shrink() {
    let listed: BTreeMap<String, Vec<usize>> =
        CIRCLES.iter().map(|(room, sizes)| ((*room).to_owned(), sizes.to_vec())).collect();
    let now = circles::by_room(&sources());
    let sizes: BTreeMap<String, Vec<usize>> =
        now.iter().map(|(room, circles)| (room.clone(), circles.iter().map(Vec::len).collect())).collect();
    assert!(
        sizes == listed,
        "circles are {sizes:?}, and listed {listed:?}: cut the new one, or lower the number\n{now:#?}"
    );
}

#[test]
fn every_file_begins_with_its_story() {
    let files = sources().into_iter().chain(below("benches"));
    let wrong: Vec<String> = files.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
