//! `fingerpost backtest`: what is told of the lines in `tests/cases/backtest`, in every format; that two packs which differ
//! in one rule show just that; and, on a real broker, that it tells what the daemon published.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use serde_json::Value as Json;

use fingerpost::cli::packs;
use fingerpost::engine::{Engine, Settings};
use fingerpost::flow::PacksFrom;

use crate::broker::broker;
use crate::lines;
use crate::program::quiet;
use crate::records::{Record, make};
use crate::stage::{Stage, eventually};

const CASES: &str = "tests/cases/backtest";

fn backtest(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    quiet(directory, &[&["backtest"], arguments].concat())
}

fn json(directory: &Path, arguments: &[&str]) -> (Option<i32>, Json) {
    let (code, out) = backtest(directory, &[arguments, &["--format", "json"]].concat());
    (code, serde_json::from_str(&out).unwrap())
}

#[test]
fn a_day_is_reported_as_expected_in_every_format() {
    for (format, extension) in [("text", "txt"), ("json", "json"), ("junit", "xml")] {
        let arguments = ["--packs", "packs", "--against", "other", "--format", format, "day.ndjson"];
        let (code, out) = backtest(Path::new(CASES), &arguments);
        assert_eq!(code, Some(1), "{format}");
        let expected = PathBuf::from(format!("{CASES}/day.{extension}"));
        let expected = snapbox::Data::read_from(&expected, Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(out, expected.raw());
    }
}

#[test]
fn the_same_packs_show_no_difference() {
    let (code, report) = json(Path::new(CASES), &["--packs", "packs", "--against", "packs", "day.ndjson"]);
    assert_eq!((code, &report["against"]["clean"]), (Some(0), &Json::Bool(true)));
    // Without anything to compare with there is nothing to find.
    assert_eq!(backtest(Path::new(CASES), &["--packs", "packs", "day.ndjson"]).0, Some(0));
}

/// The packs of the repository, with an edit in one of them.
fn edited(name: &str, edit: impl Fn(&str) -> String) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("fingerpost-backtest-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let mut edits = 0;
    for entry in fs::read_dir("patterns").unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let new = edit(&text);
            edits += usize::from(new != text);
            fs::write(directory.join(entry.file_name()), new).unwrap();
        }
    }
    assert_eq!(edits, 1, "{name}");
    directory
}

fn engine(directory: &Path) -> Engine {
    packs::load(&PacksFrom::Directory(directory.to_owned()), Settings::default()).expect("they load").engine
}

/// Ids of each line, by the engine alone.
fn tags(engine: &Engine, lines: &[String]) -> Vec<Vec<String>> {
    let mut memory = engine.memory();
    let ids = |line: &String| {
        let verdict = engine.classify(line.as_bytes(), Some("lines.log"), &mut memory).verdict;
        let rules = verdict.into_iter().flat_map(|verdict| verdict.rules);
        rules.map(|rule| engine.reported()[rule].id.clone()).collect()
    };
    lines.iter().map(ids).collect()
}

#[test]
fn packs_that_differ_in_one_rule_show_just_that() {
    let other = edited("one-rule", |text| {
        // One of its lines is let go.
        let rule = "[\"KEY_DELETED_ERR\"]\n";
        text.replace(rule, &format!("{rule}none = [\"gone forever\"]\n"))
    });
    let mut random = fastrand::Rng::with_seed(11);
    let mut made: Vec<String> = (0..6000)
        .map(|_| String::from_utf8_lossy(&lines::bare(&mut random).payload).replace(['\n', '\r'], " "))
        .collect();
    for (at, text) in [
        (100, "KEY_DELETED_ERR: gone forever"),
        (2000, "Gone forever: KEY_DELETED_ERR"),
        (5000, "a key_deleted_err, gone forever"),
    ] {
        made.insert(at, format!(r#"{{"level":"error","msg":"{text}"}}"#));
    }
    fs::write(other.join("lines.log"), made.join("\n") + "\n").unwrap();
    let (before, after) = (tags(&engine(&other), &made), tags(&engine(Path::new("patterns")), &made));
    let differing: Vec<usize> = (0..made.len()).filter(|at| before[*at] != after[*at]).collect();
    assert_eq!(differing.len(), 3, "{differing:?}");

    let patterns = fs::canonicalize("patterns").unwrap();
    let arguments =
        ["--packs", patterns.to_str().unwrap(), "--against", ".", "--samples", "100", "--seed", "3", "lines.log"];
    let (code, report) = json(&other, &arguments);
    assert_eq!((code, report["lines"].as_u64()), (Some(1), Some(made.len() as u64)));
    let ids = |value: &Json| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut found: Vec<usize> = Vec::new();
    for difference in report["against"]["differences"].as_array().unwrap() {
        let places = difference["samples"].as_array().unwrap();
        assert_eq!(difference["lines"].as_u64(), Some(places.len() as u64), "all of them are shown");
        for sample in places {
            let at: usize = sample["place"].as_str().unwrap().strip_prefix("lines.log:").unwrap().parse().unwrap();
            assert_eq!((&before[at - 1], &after[at - 1]), (&ids(&difference["before"]), &ids(&difference["after"])));
            assert!(before[at - 1] != after[at - 1] && !after[at - 1].is_empty());
            found.push(at - 1);
        }
    }
    found.sort_unstable();
    assert_eq!(found, differing);
    let tagged = after.iter().filter(|ids| !ids.is_empty()).count() as u64;
    assert_eq!(report["tagged"].as_u64(), Some(tagged));
    fs::remove_dir_all(other).unwrap();
}

#[test]
fn a_new_text_is_a_difference_and_a_new_example_is_none() {
    let day = fs::canonicalize(format!("{CASES}/day.ndjson")).unwrap();
    let directory = std::env::temp_dir().join(format!("fingerpost-backtest-{}-texts", std::process::id()));
    let pack = fs::read_to_string(format!("{CASES}/packs/storage.toml")).unwrap();
    for (name, text) in [
        ("text", pack.replace("Wait, then", "Call somebody, then")),
        ("comment", format!("# Another edition.\n{pack}")),
    ] {
        fs::create_dir_all(directory.join(name)).unwrap();
        fs::write(directory.join(name).join("storage.toml"), text).unwrap();
    }
    let packs = fs::canonicalize(format!("{CASES}/packs")).unwrap();
    let against =
        |name| json(&directory, &["--packs", packs.to_str().unwrap(), "--against", name, day.to_str().unwrap()]);
    assert_eq!(against("comment").0, Some(0));
    let (code, report) = against("text");
    let difference = &report["against"]["differences"][0];
    assert_eq!((code, &difference["kind"]), (Some(1), &Json::from("otherwise")));
    assert_eq!((&difference["members"], &difference["lines"]), (&serde_json::json!(["action"]), &Json::from(12)));
    assert_eq!(report["against"]["differences"].as_array().unwrap().len(), 1);
    fs::remove_dir_all(directory).unwrap();
}

// ---------------------------------------------------------------------------------------------------------------------
// On a real broker.

const PARTITIONS: usize = 3;
const LINES: usize = 20_000;

/// How many records have each primary rule, by the header.
fn by_rule<'r>(records: impl IntoIterator<Item = &'r Record>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for rule in records.into_iter().filter_map(|record| record.header("fingerpost-rule")) {
        *counts.entry(rule).or_default() += 1;
    }
    counts
}

fn primaries(report: &Json) -> BTreeMap<String, u64> {
    let rules = report["rules"].as_array().unwrap().iter();
    let counts = rules.map(|row| (row["rule"].as_str().unwrap().to_owned(), row["primary"].as_u64().unwrap()));
    counts.filter(|(_, primary)| *primary > 0).collect()
}

#[test]
fn a_topic_gives_what_the_daemon_published() {
    let Some(broker) = broker() else { return };
    let lines = LINES;
    let stage = Stage::new(&broker, "backtest");
    stage.create(&stage.name, PARTITIONS as i32, &[]);
    let (producer, mut random) = (stage.producer(), fastrand::Rng::with_seed(77));
    let base = 1_790_000_000_000;
    let mut inputs = vec![Vec::new(); PARTITIONS];
    for n in 0..lines {
        // From 8 on, to leave out the lines of a megabyte: tags do not fit on them.
        let (partition, sequence) = (n % PARTITIONS, 8 + n / PARTITIONS % 15_000);
        let mut record = make(&mut random, partition, sequence, base);
        record.timestamp = base + (n / PARTITIONS) as i64;
        record.send(&producer, &stage.name, partition as i32);
        inputs[partition].push(record.timestamp);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let mut daemon = stage.start();
    let ends: Vec<Option<i64>> = inputs.iter().map(|records| Some(records.len() as i64)).collect();
    eventually("all lines committed", Duration::from_secs(600), || {
        (stage.committed(&stage.name, PARTITIONS as i32) == ends).then_some(())
    });
    daemon.stop();
    let outputs = stage.read(&stage.output());

    let groups = || {
        let list = stage.reader().fetch_group_list(None, Duration::from_secs(120)).unwrap();
        list.groups()
            .iter()
            .map(|group| group.name().to_owned())
            .filter(|name| name.contains(&stage.name))
            .collect::<Vec<_>>()
    };
    let before = groups();
    let whole = ["--topic", &stage.name, "--brokers", &broker, "--samples", "1"];
    let began = std::time::Instant::now();
    let (code, report) = json(Path::new("."), &whole);
    println!("{lines} lines backtested in {:?}, {} tagged", began.elapsed(), report["tagged"]);
    assert_eq!((code, report["lines"].as_u64()), (Some(0), Some(lines as u64)));
    assert_eq!(primaries(&report), by_rule(outputs.iter().flatten()));
    assert!(report["tagged"].as_u64().unwrap() > lines as u64 / 50);
    let tombstones = outputs.iter().flatten().filter(|record| record.value.is_none()).count() as u64;
    assert_eq!(report["tombstones"].as_u64(), Some(tombstones));
    // The samples are lines that have the tag on the output.
    for row in report["rules"].as_array().unwrap().iter().filter(|row| row["primary"] == row["lines"]) {
        let place = row["samples"][0]["place"].as_str().unwrap();
        let tagged =
            outputs.iter().flatten().find(|record| record.header("fingerpost-source").as_deref() == Some(place));
        assert_eq!(
            tagged.and_then(|record| record.header("fingerpost-rule")).as_deref(),
            row["rule"].as_str(),
            "{place}"
        );
    }
    assert_eq!(groups(), before, "no group came");
    assert_eq!(stage.committed(&stage.name, PARTITIONS as i32), ends, "nothing was committed");

    // A range by offsets, and one by times. State is not known at its beginning, so counts are those of lines only.
    let (code, report) =
        json(Path::new("."), &[&whole[..], &["--from", "100", "--to", "350", "--partition", "1"]].concat());
    assert_eq!((code, report["lines"].as_u64()), (Some(0), Some(250)));
    let time = |ms: i64| rfc3339(base + ms);
    let (from, to) = (time(1000), time(1500));
    let (_, report) = json(Path::new("."), &[&whole[..], &["--from", &from, "--to", &to]].concat());
    assert_eq!(report["lines"].as_u64(), Some(500 * PARTITIONS as u64));
}

/// `base` is 2026-09-21T14:13:20Z.
fn rfc3339(ms: i64) -> String {
    let (seconds, rest) = ((ms - 1_790_000_000_000) / 1000, ms % 1000);
    format!("2026-09-21T14:13:{:02}.{rest:03}Z", 20 + seconds)
}
