//! `explain` tells what the engine did, and nothing else: for every example of the shipped packs and for made-up lines by
//! the hundred thousand, what it names is what `classify` says, and the clauses that it shows hold exactly where a rule
//! matches.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rdkafka::producer::Producer;
use serde_json::Value;

use fingerpost::cli::packs;
use fingerpost::diagnostic::Source;
use fingerpost::engine::explain::{Asks, Clause, Explanation, Fate};
use fingerpost::engine::{Engine, Limits, Memory, Outcome, Settings, Writer};
use fingerpost::flow::PacksFrom;
use fingerpost::pack::{self, Condition};

use super::broker::broker;
use super::records::Record;
use super::stage::Stage;
use crate::program;

/// Made-up lines, and those of one seed; sources are remembered within them.
const LINES: usize = 100_000;
const BATCH: usize = 5_000;

fn engine() -> Engine {
    packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine
}

#[test]
fn the_primary_is_classifys_for_every_example() {
    let engine = engine();
    let (mut tagged, mut not) = (0, 0);
    let examples = engine.packs().rules.iter().flat_map(|rule| rule.reports()).map(|(_, examples)| examples);
    for example in examples.flat_map(|examples| examples.yes.iter().chain(&examples.no)) {
        let (mut memory, mut other) = (engine.memory(), engine.memory());
        for line in &example.lines {
            match agree(&engine, line.as_bytes(), Some("example"), &mut memory, &mut other) {
                true => tagged += 1,
                false => not += 1,
            }
        }
    }
    assert!(tagged > 100 && not > 50, "{tagged} tagged, {not} not");
}

/// Many rules ask for words, and the line has very many texts: all of it would take minutes.
#[test]
fn of_a_line_that_asks_for_too_much_only_so_many_rules_are_told_in_full() {
    let rule = |number: usize| {
        format!(
            "[[rule]]\nid = \"many.rule-{number:03}\"\ntitle = \"t\"\nseverity = \"info\"\nsection = \"s\"\n\
             all = [\"phrase number {number:03}\", {{ words = [\"complaining\"] }}]\n"
        )
    };
    let rules: String = (0..200).map(rule).collect();
    let text = format!("[pack]\nlink = \"/many.html\"\n[sections]\ns = \"S\"\n{rules}");
    let (packs, problems) = pack::parse(&[Arc::new(Source { name: "many.toml".into(), text })]);
    let settings = Settings { limits: Limits { work: 1, ..Limits::default() }, ..Settings::default() };
    let engine = Engine::new(packs.unwrap_or_else(|| panic!("{problems:?}")), settings).unwrap();
    let texts = vec!["x"; 20_000];
    let line = serde_json::json!({ "msg": "phrase number 123 complaining", "texts": texts }).to_string();
    let told = engine.explain(line.as_bytes(), Writer::default(), &mut engine.memory());
    let primary = told.primary().expect("one rule matches");
    assert!(primary.report.id == "many.rule-123" && primary.is_told && all_hold(&primary.clauses), "{primary:?}");
    assert!((100..199).contains(&told.untold()), "{} of {}", told.untold(), told.trials.len());
    for trial in told.trials.iter().filter(|trial| !trial.is_told) {
        assert!(trial.clauses.is_empty() && trial.fate == Fate::Unmatched, "{trial:?}");
    }
    let ids: Vec<&str> = told.trials[1..].iter().map(|trial| trial.report.id.as_str()).collect();
    assert!(ids.is_sorted(), "the others are in the order of the packs");
}

#[test]
fn the_primary_is_classifys_for_made_up_lines() {
    let engine = engine();
    let run = |worker: usize, workers: usize| -> usize {
        (worker..LINES / BATCH).step_by(workers).map(|seed| agree_on_seed(&engine, seed as u64)).sum()
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let tagged: usize = thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..workers).map(|worker| scope.spawn(move || run(worker, workers))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(tagged > LINES / 3, "{tagged} tagged");
}

fn agree_on_seed(engine: &Engine, seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let (mut memory, mut other) = (engine.memory(), engine.memory());
    let lines = (0..BATCH).filter(|_| {
        let (line, source) = super::lines::line(&mut rng);
        agree(engine, &line, source.as_deref(), &mut memory, &mut other)
    });
    lines.count()
}

/// Holds an explanation against a classification; true when the line is tagged.
fn agree(engine: &Engine, line: &[u8], source: Option<&str>, memory: &mut Memory, other: &mut Memory) -> bool {
    let outcome = engine.classify(line, source, memory);
    let explanation = engine.explain(line, Writer { source, ..Writer::default() }, other);
    if let Err(problem) = compare(engine, &outcome, &explanation) {
        panic!("{problem}: {}", String::from_utf8_lossy(line));
    }
    outcome.verdict.is_some()
}

fn compare(engine: &Engine, outcome: &Outcome, told: &Explanation<'_>) -> Result<(), String> {
    let ids = |outcome: &Outcome| -> Vec<&str> {
        let rules = outcome.verdict.as_ref().map(|verdict| verdict.rules.as_slice()).unwrap_or_default();
        rules.iter().map(|rule| engine.reported()[*rule].id.as_str()).collect()
    };
    let claimed = ids(outcome);
    if ids(&told.outcome) != claimed || told.outcome.verdict != outcome.verdict {
        return Err(format!("the outcome is {:?}", ids(&told.outcome)));
    }
    // Of a list one record is told of, without what those before it in the list said.
    if told.records > 1 {
        let is_told = told.primary().is_some() != claimed.is_empty();
        return if is_told { Ok(()) } else { Err("the record that speaks for all is not told of".to_owned()) };
    }
    let primary = told.primary().map(|trial| trial.report.id.as_str());
    if primary != claimed.first().copied() {
        return Err(format!("the primary is {primary:?}"));
    }
    let mut reported: Vec<&str> = Vec::new();
    let mut last = None;
    for trial in &told.trials {
        if let Fate::Matched(standing) = trial.fate
            && !reported.contains(&trial.report.id.as_str())
        {
            if last.is_some_and(|last| standing > last) {
                return Err(format!("{} stands above what is before it", trial.report.id));
            }
            last = Some(standing);
            reported.push(&trial.report.id);
        }
        if !trial.is_told {
            return Err(format!("{} is told without its clauses", trial.report.id));
        }
        let holds = all_hold(&trial.clauses);
        if holds != (trial.fate != Fate::Unmatched) && !outcome.crossed.hits {
            return Err(format!("{}: its clauses hold: {holds}, but {:?}", trial.report.id, trial.fate));
        }
        for case in &trial.cases {
            if all_hold(&case.clauses) != case.holds {
                return Err(format!("{}: its case {} holds: {}", trial.report.id, case.report.id, case.holds));
            }
        }
        let chosen = trial.cases.iter().position(|case| case.is_chosen);
        if chosen != trial.cases.iter().position(|case| case.holds) {
            return Err(format!("{}: case {chosen:?} was chosen", trial.report.id));
        }
        for clause in &trial.clauses {
            spots_are_true(told, clause)?;
        }
    }
    (reported == claimed).then_some(()).ok_or_else(|| format!("reported are {reported:?}"))
}

/// All of them, and one of `any`.
fn all_hold(clauses: &[Clause<'_>]) -> bool {
    let is_any = |clause: &&Clause<'_>| matches!(clause.asks, Asks::Any(_));
    let mut any = clauses.iter().filter(is_any).peekable();
    let others = clauses.iter().filter(|clause| !is_any(clause)).all(|clause| clause.holds);
    others && (any.peek().is_none() || any.any(|clause| clause.holds))
}

fn spots_are_true(told: &Explanation<'_>, clause: &Clause<'_>) -> Result<(), String> {
    let (Asks::All(condition) | Asks::Any(condition)) = clause.asks else { return Ok(()) };
    let has_place = !matches!(condition, Condition::LevelError);
    if has_place && clause.holds == clause.spots.is_empty() {
        return Err(format!("{condition:?} holds: {}, and is at {:?}", clause.holds, clause.spots));
    }
    for spot in &clause.spots {
        let there = &told.texts[spot.text][spot.span.clone()];
        let is_it = match condition {
            Condition::Phrase(phrase) => there.eq_ignore_ascii_case(phrase),
            Condition::PhraseThen { phrase, then } => {
                let there = there.to_ascii_lowercase();
                there.starts_with(&phrase.to_ascii_lowercase())
                    && then.iter().any(|then| there.ends_with(&then.to_ascii_lowercase()))
            }
            Condition::Words(words) => words.iter().any(|word| there.eq_ignore_ascii_case(word)),
            Condition::Regex(regex) => regex.is_match(there) || !there.is_empty(),
            Condition::LevelError => false,
        };
        if !is_it {
            return Err(format!("{condition:?} is said to be met by {there:?}"));
        }
    }
    Ok(())
}

/// Exit code, stdout, stderr.
fn explain(arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let of_thread = format!("{:?}", thread::current().id()).replace(['(', ')'], "-");
    let path = std::env::temp_dir().join(format!("fingerpost-explain-{}-{of_thread}", std::process::id()));
    fs::write(&path, stdin).unwrap();
    let output = program::fingerpost()
        .arg("explain")
        .args(arguments)
        .env("COLUMNS", "100")
        .env_remove("FINGERPOST_CONFIG")
        .stdin(fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    fs::remove_file(&path).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const SETTINGS: [&str; 4] = ["--packs", "tests/cases/scan/packs", "--set", "runbooks.base_url=https://runbooks"];

#[test]
fn lines_are_explained_as_expected() {
    let lines = fs::read_to_string("tests/cases/explain/lines").unwrap();
    let from = PacksFrom::Directory("tests/cases/scan/packs".into());
    let engine = packs::load(&from, Settings::default()).expect("sound packs").engine;
    let (mut memory, mut other) = (engine.memory(), engine.memory());
    for line in lines.lines() {
        agree(&engine, line.as_bytes(), Some("-"), &mut memory, &mut other);
    }
    for (format, extension) in [("text", "txt"), ("json", "json")] {
        let arguments: Vec<&str> = SETTINGS.into_iter().chain(["--format", format, "-"]).collect();
        let (code, out, err) = explain(&arguments, &lines);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let expected = std::path::PathBuf::from(format!("tests/cases/explain/lines.{extension}"));
        let expected = snapbox::Data::read_from(&expected, Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(out, expected.raw());
    }
}

#[test]
fn a_place_on_kafka_is_explained_with_what_its_source_said_there() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new(&broker, "explain");
    stage.create(&stage.name, 2, &[]);
    let config = stage.dir.join("fingerpost.toml");
    let packs = fs::canonicalize("tests/cases/scan/packs").unwrap();
    fs::write(&config, format!("{}[packs]\ndir = {:?}\n", stage.config, packs)).unwrap();
    let producer = stage.producer();
    for (partition, line) in [
        (0, r#"{"pod":"a","msg":"starting"}"#),
        (0, r#"{"pod":"a","msg":"mounted read-only"}"#),
        (0, r#"{"pod":"b","msg":"unwrap failed"}"#),
        (1, r#"{"pod":"a","msg":"unwrap failed"}"#),
        (0, r#"{"pod":"a","msg":"unwrap failed"}"#),
        (0, r#"{"pod":"b","msg":"mounted read-only"}"#),
    ] {
        Record::plain(line, 1_700_000_000_000).send(&producer, &stage.name, partition);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    let told = |place: &str, more: &[&str]| {
        let arguments = [&["-c", config.to_str().unwrap(), "--format", "json", place], more].concat();
        let (code, out, err) = explain(&arguments, "");
        assert_eq!(code, Some(0), "{place}: {err}");
        let told: Value = serde_json::from_str(&out).unwrap();
        let since = told["contexts"][0]["since"].as_i64();
        (told["primary"].as_str().unwrap_or_default().to_owned(), since)
    };
    let name = &stage.name;
    let sealed = || "vault.sealed".to_owned();
    assert_eq!(told(&format!("{name}:0:0"), &[]), (String::new(), None));
    assert_eq!(told(&format!("{name}:0:1"), &[]), (String::new(), Some(1)));
    // Another pod said it, and this one later.
    assert_eq!(told(&format!("{name}:0:2"), &[]), (sealed(), None));
    assert_eq!(told(&format!("{name}/0/3"), &[]), ("vault.frozen".to_owned(), Some(1)));
    // It was said in another partition, or before what was asked for.
    assert_eq!(told(&format!("{name}:1:0"), &[]), (sealed(), None));
    assert_eq!(told(&format!("{name}:0:3"), &["--before", "1"]), (sealed(), None));
    for (place, why) in [
        (format!("{name}:0:5"), "has offsets 0 to 4; there is no line at 5"),
        (format!("{name}:2:0"), "has partitions 0 to 1, not 2"),
        (format!("{name}.other:0:0"), "does not exist"),
    ] {
        let (code, out, err) = explain(&["-c", config.to_str().unwrap(), &place], "");
        assert!(code == Some(69) && out.is_empty() && err.contains(why), "{place}: {code:?} {out}{err}");
    }
}
