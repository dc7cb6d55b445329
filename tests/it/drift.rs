//! Packs held against runbooks: what is in step says nothing, and each of a dozen edits to the runbooks is told, and nothing else.
//!
//! The runbooks and packs of `tests/cases/drift` are made up. `FINGERPOST_RUNBOOKS` names a directory of the real ones,
//! against which the shipped packs are held in the same way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fingerpost::cli::check::check;
use fingerpost::cli::packs;
use fingerpost::diagnostic::{Diagnostic, Source, draw};
use fingerpost::engine::Settings;
use fingerpost::flow::PacksFrom;
use fingerpost::pack::lint::{Shelf, drift};
use fingerpost::pack::{Condition, Packs, parse};
use fingerpost::runbook::{Runbook, heading_text};
use toml::de::DeTable;

use crate::program;
use crate::skip::skipped;

const MADE_UP: &str = "tests/cases/drift/runbooks";

/// Where the real runbooks are.
pub(crate) fn real(what: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("FINGERPOST_RUNBOOKS").map(PathBuf::from);
    if directory.is_none() {
        skipped(&format!("{what}: FINGERPOST_RUNBOOKS names no directory of runbooks"));
    }
    directory
}

fn made_up() -> PacksFrom {
    PacksFrom::Directory("tests/cases/drift/packs".into())
}

fn checked(from: &PacksFrom, runbooks: &Path) {
    let report = check(from, Settings::default(), Some(runbooks), "2026-01-01".parse().unwrap());
    assert!(report.loadable && report.diagnostics.is_empty(), "{}", report.text(false));
    assert!(report.text(false).contains(" held against "), "{}", report.text(false));
}

#[test]
fn what_is_in_step_says_nothing() {
    checked(&made_up(), Path::new(MADE_UP));
}

#[test]
fn the_shipped_packs_are_in_step_with_the_real_runbooks() {
    if let Some(directory) = real("drift") {
        checked(&PacksFrom::Builtin, &directory);
    }
}

#[test]
fn every_edit_of_a_runbook_is_told_and_nothing_else() {
    edited(&made_up(), Path::new(MADE_UP));
}

#[test]
fn every_edit_of_a_real_runbook_is_told_and_nothing_else() {
    if let Some(directory) = real("drift after edits") {
        edited(&PacksFrom::Builtin, &directory);
    }
}

/// A runbook and what of it its pack names.
struct Target {
    runbook: String,
    text: String,
    /// Line of the heading of a section.
    heading: String,
    /// A section whose anchor begins with a letter, as ids that are written must.
    lettered: Option<(String, String)>,
    /// A phrase that stands there once, and the line it is on.
    phrase: Option<(String, String)>,
    ours: Option<String>,
    ignored: Option<String>,
}

/// What an edit makes of a text, and which codes tell of it.
struct Edit {
    name: &'static str,
    text: String,
    codes: &'static [&'static str],
    /// What the message of each speaks of.
    told: String,
}

fn edits(target: &Target) -> Vec<Edit> {
    let Target { text, heading, .. } = target;
    let mut edits = Vec::new();
    let mut edit = |name, text: String, codes: &'static [&'static str], told: &str| {
        edits.push(Edit { name, text, codes, told: told.to_owned() });
    };
    let below = |more: &str| text.replacen(heading.as_str(), &format!("{heading}\n\n{more}\n"), 1);
    edit("a heading is renamed", text.replacen(heading.as_str(), &format!("{heading} now"), 1), &["L16"], "no anchor");
    edit(
        "a heading gets an id",
        text.replacen(heading.as_str(), &format!("{heading} {{#elsewhere}}"), 1),
        &["L16"],
        "no anchor",
    );
    edit("a heading is gone", text.replacen(heading.as_str(), "", 1), &["L16"], "no anchor");
    if let Some((id, line)) = &target.lettered {
        let level = line.split(' ').next().unwrap_or_default();
        let other = format!("{level} Something else {{#{id}}}");
        edit("a heading reads otherwise", text.replacen(line.as_str(), &other, 1), &["L19"], "Something else");
    }
    if let Some((phrase, line)) = &target.phrase {
        let (first, rest) = phrase.split_at(phrase.len() / 2);
        let other = text.replacen(phrase.as_str(), &format!("{first}zz{rest}"), 1);
        edit("a phrase is changed", other, &["L17", "L18"], "");
        edit("the line of a phrase is deleted", text.replacen(line.as_str(), "", 1), &["L17"], "is not in the runbook");
    }
    edit(
        "a bullet is added",
        below("* `cannot frobnicate the widget store` - Ask."),
        &["L18"],
        "cannot frobnicate the widget store",
    );
    edit(
        "a bullet without marks is added",
        below("* Failed to frobnicate widgets - Ask."),
        &["L18"],
        "Failed to frobnicate widgets",
    );
    edit("a block is added", below("~~~\nWIDGET_GONE_ERR: no widget left\n~~~"), &["L18"], "WIDGET_GONE_ERR");
    edit(
        "a quoted error is added",
        below("If the error matches \"widget store lost its frobnicator,\" ask."),
        &["L18"],
        "lost its frobnicator",
    );
    edit(
        "an emphasised error is added",
        below("a. _frobnicating the widgets_ error message says so."),
        &["L18"],
        "frobnicating the widgets",
    );
    if let Some(ours) = &target.ours {
        edit("a phrase of ours comes in", below(&format!("Of late it also says {ours}.")), &["L44"], ours);
    }
    if let Some(ignored) = &target.ignored {
        let other = text.lines().filter(|line| !line.contains(ignored.as_str())).collect::<Vec<_>>().join("\n");
        edit("what is ignored is gone", other, &["L44"], ignored);
    }
    edit("lines end otherwise", text.replace('\n', "\r\n"), &[], "");
    edit("prose is added", below("Nothing of this is news to the team, which was asked on Monday."), &[], "");
    edit("a word is set in bold", text.replacen(" the ", " the **very** ", 1), &[], "");
    edits
}

fn edited(from: &PacksFrom, directory: &Path) {
    let (packs, _) = parse(&packs::sources(from).unwrap());
    let packs = packs.unwrap();
    let mut runbooks = BTreeMap::new();
    for pack in packs.packs.iter().filter_map(|pack| pack.runbook.clone()) {
        runbooks.insert(pack.clone(), fs::read_to_string(directory.join(&pack)).unwrap());
    }
    assert!(told(&packs, &runbooks).is_empty(), "nothing is edited yet");
    let mut kinds = BTreeMap::new();
    for (index, pack) in packs.packs.iter().enumerate().filter(|(_, pack)| pack.runbook.is_some()) {
        let target = target(&packs, index, &runbooks);
        for edit in edits(&target) {
            let name = format!("{}: {}", target.runbook, edit.name);
            let mut copies = runbooks.clone();
            assert_ne!(copies.insert(target.runbook.clone(), edit.text.clone()).unwrap(), edit.text, "{name}");
            let found = told(&packs, &copies);
            let drawn = draw(&found, false);
            let codes: Vec<_> = found.iter().map(|it| it.code).collect();
            assert_eq!(codes.is_empty(), edit.codes.is_empty(), "{name}:\n{drawn}");
            assert!(codes.iter().all(|code| edit.codes.contains(code)), "{name}:\n{drawn}");
            assert!(edit.codes.is_empty() || codes.contains(&edit.codes[0]), "{name}:\n{drawn}");
            assert!(found.iter().all(|it| it.message.contains(&edit.told)), "{name}:\n{drawn}");
            // A line may hold several phrases; all else is one thing, told once.
            let once = edit.codes.first().is_none_or(|code| *code == "L17" || found.len() == 1);
            assert!(once, "{name}:\n{drawn}");
            *kinds.entry(edit.name).or_insert(0) += 1;
        }
        let mut copies = runbooks.clone();
        copies.remove(pack.runbook.as_ref().unwrap());
        let found = told(&packs, &copies);
        assert_eq!(found.iter().map(|it| it.code).collect::<Vec<_>>(), ["L16"], "{}", draw(&found, false));
    }
    let changed = each_phrase_changed(&packs, &runbooks);
    println!("{changed} phrases, each told when the runbook says it otherwise");
    assert!(changed >= 12, "only {changed} phrases");
    assert!(kinds.len() >= 16, "every kind of edit was made: {kinds:?}");
    println!("{kinds:?}");
}

/// Changes every phrase, wherever its runbook has it; gives how many there were.
fn each_phrase_changed(packs: &Packs, runbooks: &BTreeMap<String, String>) -> usize {
    let mut changed = 0;
    for rule in &packs.rules {
        let Some(name) = &packs.packs[rule.pack].runbook else { continue };
        for condition in rule.all.iter().chain(&rule.any).chain(rule.cases.iter().flat_map(|case| &case.also)) {
            let Condition::Phrase(phrase) = condition else { continue };
            let text = runbooks[name].to_ascii_lowercase();
            let (first, rest) = phrase.split_at(phrase.len() / 2);
            let other = text.replace(&phrase.to_ascii_lowercase(), &format!("{first}\u{1f9ed}{rest}"));
            if other == text {
                continue;
            }
            let copies = BTreeMap::from([(name.clone(), other)]);
            let found = told(packs, &copies);
            let is_told = |it: &Diagnostic| it.code == "L17" && it.message.starts_with(&format!("`{phrase}`"));
            assert!(found.iter().any(is_told), "`{phrase}` is changed in {name}, and nobody says so");
            changed += 1;
        }
    }
    changed
}

fn told(packs: &Packs, runbooks: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let read = |(name, text): (&String, &String)| {
        let source = Source { name: name.clone(), text: text.clone() };
        (name.clone(), Ok(Runbook::read(&Arc::new(source))))
    };
    let shelf = Shelf { directory: "copies".into(), runbooks: runbooks.iter().map(read).collect() };
    drift(packs, &shelf).into_iter().map(|finding| finding.diagnostic).collect()
}

fn target(packs: &Packs, index: usize, runbooks: &BTreeMap<String, String>) -> Target {
    let pack = &packs.packs[index];
    let runbook = pack.runbook.clone().unwrap();
    let text = runbooks[&runbook].clone();
    let file = DeTable::parse(&pack.source.text).unwrap();
    let file = fingerpost::document::json(file.get_ref());
    // The first lines that are the heading of a section, by nothing but their look.
    let line_of = |heading: &str| {
        let fits = |line: &&str| {
            line.starts_with('#') && heading_text(line.trim_start_matches('#').trim()) == heading_text(heading)
        };
        text.lines().find(fits).filter(|line| text.matches(*line).count() == 1).map(str::to_owned)
    };
    let sections = file["sections"].as_object().unwrap().iter();
    let lines: Vec<(String, String)> =
        sections.filter_map(|(id, heading)| Some((id.clone(), line_of(heading.as_str()?)?))).collect();
    let phrases =
        packs.rules.iter().filter(|rule| rule.pack == index).flat_map(|rule| rule.all.iter().chain(&rule.any));
    let phrases = phrases.filter_map(|condition| match condition {
        Condition::Phrase(phrase) => Some(phrase.as_str()),
        _ => None,
    });
    let phrases: Vec<&str> = phrases.collect();
    let once = |phrase: &str| text.to_lowercase().matches(&phrase.to_lowercase()).count() == 1 && text.contains(phrase);
    let line =
        |phrase: &str| text.lines().find(|line| line.contains(phrase) && !line.starts_with('#')).map(str::to_owned);
    let phrase = phrases.iter().copied().find(|phrase| phrase.len() > 8 && once(phrase) && line(phrase).is_some());
    let rules = file["rule"].as_array().unwrap();
    let ours = rules.iter().filter_map(|rule| rule["not_in_runbook"]["phrase"].as_str());
    let ours = ours.into_iter().find(|phrase| phrase.contains(' ')).map(str::to_owned);
    let ignored = file["pack"]["ignore"].as_array().into_iter().flatten().filter_map(|entry| entry["phrase"].as_str());
    // Not one that a phrase goes with.
    let mut ignored = ignored.map(|phrase| phrase.trim_end_matches(" *").to_owned());
    let ignored = ignored.find(|ignored| phrases.iter().all(|it| !ignored.to_lowercase().contains(&it.to_lowercase())));
    Target {
        heading: lines.first().unwrap().1.clone(),
        lettered: lines.iter().find(|(id, _)| id.starts_with(|c: char| c.is_ascii_alphabetic())).cloned(),
        phrase: phrase.map(|phrase| (phrase.to_owned(), line(phrase).unwrap())),
        runbook,
        text,
        ours,
        ignored,
    }
}

#[test]
fn the_place_in_the_runbook_is_shown_to_people_and_programs() {
    let packs = "tests/cases/lints/L18/fails";
    let runbooks = format!("{packs}/runbooks");
    let run = |arguments: &[&str]| {
        let output = program::fingerpost().args(["check", packs]).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, out) = run(&["--runbooks", &runbooks]);
    assert!(code == 0 && out.contains("--> tests/cases/lints/L18/fails/runbooks/storage.md:"), "{out}");
    assert_eq!(run(&["--runbooks", &runbooks, "--deny", "L18"]).0, 1);
    assert!(!run(&[]).1.contains("L18"), "nothing is compared unless asked for");
    assert_eq!(run(&["--runbooks", "nowhere"]).0, 2);
    let (_, out) = run(&["--runbooks", &runbooks, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let found = &report["diagnostics"][0];
    assert_eq!((&found["code"], &report["runbooks"]), (&"L18".into(), &1.into()));
    assert!(found["file"].as_str().unwrap().ends_with("storage.md") && found["line"].as_u64() > Some(1), "{found}");
    let (_, out) = run(&["--runbooks", &runbooks, "--deny", "L18", "--format", "junit"]);
    let report = quick_junit::Report::deserialize_from_str(&out).unwrap();
    let suite = report.test_suites.iter().find(|suite| suite.name.as_str().ends_with("storage.md")).unwrap();
    assert!(!matches!(suite.test_cases[0].status, quick_junit::TestCaseStatus::Success { .. }), "{out}");
}
