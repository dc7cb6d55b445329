//! The few rules about the code itself that are worth holding: import direction, pure rooms stay pure, a story at the top
//! of each file, `unsafe` only where it is named.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the bottom of the picture up: a room may name only those before it.
const ROOMS: [&str; 9] = ["runbook", "pack", "engine", "alert", "gaps", "flow", "http", "config", "cli"];

/// What rooms that only think must not name.
const IMPURE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "rdkafka",
    "tokio",
    "std::env",
];

/// Files that may hold `unsafe`.
const UNSAFE: [&str; 7] = [
    "benches/pipeline/passthrough.rs",
    "src/cli/demo/mock.rs",
    "src/engine/filter/simd.rs",
    "src/flow/kafka/raw.rs",
    "src/flow/kafka/raw/inlet.rs",
    "src/flow/kafka/raw/outlet.rs",
    "src/main.rs",
];

/// Where the Kafka client may be named.
const KAFKA: [&str; 3] = ["src/flow", "src/cli/demo", "src/cli/config.rs"];

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

fn room(path: &str) -> Option<usize> {
    let name = path.strip_prefix("src/")?.split(['/', '.']).next()?;
    ROOMS.iter().position(|room| *room == name)
}

/// The code without its tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_import_only_from_rooms_above_them() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = room(&path) else { continue };
        for (index, other) in ROOMS.iter().enumerate().skip(own + 1) {
            if code(&text).contains(&format!("crate::{other}")) {
                wrong.push(format!("{path} names crate::{other}, room {index} from {own}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_rooms_stay_pure() {
    let mut wrong = Vec::new();
    let pure =
        ["src/runbook", "src/pack", "src/engine", "src/alert", "src/gaps", "src/diagnostic.rs", "src/document.rs"];
    for (path, text) in sources().into_iter().filter(|(path, _)| pure.iter().any(|room| path.starts_with(room))) {
        wrong.extend(
            IMPURE.iter().filter(|name| code(&text).contains(*name)).map(|name| format!("{path} names {name}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lints are for whoever writes rules: packs are loaded the same whatever a lint thinks of them.
#[test]
fn only_check_runs_the_lints() {
    let may = ["src/pack/", "src/pack.rs", "src/engine/trial", "src/cli/check"];
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|(path, text)| {
            let code = code(text);
            !may.iter().any(|room| path.starts_with(room)) && (code.contains("lint::") || code.contains("trial::"))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_kafka_client_is_named_in_one_room() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|(path, text)| code(text).contains("rdkafka::") && !KAFKA.iter().any(|room| path.starts_with(room)))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_begins_with_its_story() {
    let files = sources().into_iter().chain(below("benches"));
    let wrong: Vec<String> = files.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_stands_only_where_it_is_named() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .chain(below("benches"))
        .filter(|(path, text)| {
            ["unsafe ", "unsafe("].iter().any(|word| code(text).contains(word)) && !UNSAFE.contains(&path.as_str())
        })
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
