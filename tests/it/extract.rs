//! Drafts from runbooks: they hold the phrases and the alerts that the runbook shows, and `check` has nothing to say of them but
//! what is left to decide. Whatever the file holds, what comes out is a pack.
//!
//! `FINGERPOST_RUNBOOKS` names a directory of the real runbooks, `FINGERPOST_OTHER_RUNBOOKS` one of Markdown files of any kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fingerpost::cli::check::{Report, check_sources};
use fingerpost::cli::extract::extracted;
use fingerpost::cli::packs;
use fingerpost::diagnostic::Source;
use fingerpost::engine::Settings;
use fingerpost::flow::PacksFrom;
use fingerpost::pack::{Condition, Packs, parse};
use fingerpost::runbook::{Runbook, alerts};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::drift::real;
use crate::program;
use crate::skip::skipped;

fn read(path: &Path) -> Source {
    Source { name: path.display().to_string(), text: fs::read_to_string(path).unwrap() }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn pack(text: &str) -> Arc<Source> {
    Arc::new(Source { name: "draft.toml".into(), text: text.into() })
}

fn checked(text: &str) -> Report {
    check_sources(vec![pack(text)], Settings::default(), None, "2026-01-01".parse().unwrap())
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn a_draft_has_what_the_runbook_shows() {
    let output = program::fingerpost()
        .args(["extract", "tests/cases/drift/runbooks/storage-volume-failures.md"])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = Path::new("tests/cases/extract/storage-volume-failures.toml");
    let expected = snapbox::Data::read_from(expected, Some(snapbox::data::DataFormat::Text));
    snapbox::assert_data_eq!(String::from_utf8(output.stdout).unwrap(), expected.raw());
    let missing = program::fingerpost().args(["extract", "nowhere.md"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn the_phrases_of_packs_are_found_in_their_runbooks() {
    let packs = PacksFrom::Directory("tests/cases/drift/packs".into());
    assert_eq!(compared(&packs, Path::new("tests/cases/drift/runbooks")), 1);
}

#[test]
fn the_phrases_of_the_shipped_packs_are_found_in_the_real_runbooks() {
    if let Some(directory) = real("extract") {
        assert_eq!(compared(&PacksFrom::Builtin, &directory), 3);
    }
}

/// Drafts a pack of each runbook and holds it against the pack that a person wrote; gives the number of alerts shown.
fn compared(from: &PacksFrom, directory: &Path) -> usize {
    let (packs, _) = parse(&packs::sources(from).unwrap());
    let packs = packs.unwrap();
    let (mut there, mut found, mut shown) = (0, 0, 0);
    for (index, name) in
        packs.packs.iter().enumerate().filter_map(|(index, pack)| Some((index, pack.runbook.as_ref()?)))
    {
        let source = read(&directory.join(name));
        let runbook = Runbook::read(&Arc::new(read(&directory.join(name))));
        let text = extracted(source, name);
        let report = checked(&text);
        let codes: BTreeSet<_> = report.diagnostics.iter().map(|it| it.code).collect();
        assert!(report.loadable && codes == BTreeSet::from(["L45"]), "{name}: {}", report.text(false));
        let (draft, _) = parse(&[pack(&text)]);
        let draft = draft.unwrap();
        let drafted: Vec<String> = phrases(&draft, 0).collect();
        for phrase in phrases(&packs, index).filter(|phrase| phrase.len() > 5 && is_marked(&runbook, phrase)) {
            there += 1;
            if drafted.iter().any(|drafted| drafted.contains(&phrase)) {
                found += 1;
            } else {
                println!("{name}: `{phrase}` is not in the draft");
            }
        }
        for (alert, drafted) in alerts::shown(&runbook).iter().zip(&draft.alerts) {
            let file = toml::de::DeTable::parse(&text).unwrap();
            let file = fingerpost::document::json(file.get_ref());
            let written = &file["alert"][0];
            for (label, value) in &alert.labels {
                let there = match label.as_str() {
                    "alertname" => &written["id"],
                    "severity" => &written["severity"],
                    _ => &written["labels"][label.as_str()],
                };
                assert_eq!(there, value, "{name}: label {label}");
            }
            for (annotation, value) in alert.annotations.iter().filter(|(annotation, _)| annotation != "runbook") {
                assert_eq!(&written["annotations"][annotation.as_str()], value, "{name}: annotation {annotation}");
            }
            assert_eq!(drafted.id, alert.label("alertname").unwrap());
            shown += 1;
        }
    }
    println!("{found} of {there} phrases that stand in code marks or blocks are in the drafts");
    assert!(there >= 8 && found * 10 >= there * 9, "{found} of {there}");
    shown
}

/// Phrases that rules and contexts of a pack ask for, in lower case.
fn phrases(packs: &Packs, pack: usize) -> impl Iterator<Item = String> {
    let rules = packs.rules.iter().filter(move |rule| rule.pack == pack);
    let own = rules.flat_map(|rule| {
        let also = rule.cases.iter().flat_map(|case| &case.also);
        rule.all.iter().chain(&rule.any).chain(also)
    });
    let phrases = own.filter_map(|condition| match condition {
        Condition::Phrase(phrase) | Condition::PhraseThen { phrase, .. } => Some(phrase.to_ascii_lowercase()),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    phrases.filter(move |phrase| seen.insert(phrase.clone()))
}

/// Whether it stands in code marks or in a block, by the plainest reading: between backquotes, or in a fence.
fn is_marked(runbook: &Runbook, phrase: &str) -> bool {
    let mut in_fence = false;
    runbook.source.text.to_ascii_lowercase().lines().any(|line| {
        let fence = line.trim_start();
        if fence.starts_with("~~~") || fence.starts_with("```") {
            in_fence = !in_fence;
            return false;
        }
        let marked = |line: &str| line.split('`').skip(1).step_by(2).any(|code| code.contains(phrase));
        if in_fence { line.contains(phrase) } else { marked(line) }
    })
}

/// It does not fail, and what comes out can be loaded, every example proven; gives the number of rules.
fn always(source: Source, name: &str) -> usize {
    let shown = source.name.clone();
    let text = extracted(source, name);
    let report = checked(&text);
    assert!(report.loadable, "{shown}: {}\n{text}", report.text(false));
    let others: BTreeSet<_> = report.diagnostics.iter().map(|it| it.code).filter(|code| *code != "L45").collect();
    assert!(others.is_empty(), "{shown}: {others:?}");
    parse(&[pack(&text)]).0.unwrap().rules.len()
}

#[test]
fn pages_that_are_no_runbooks_give_packs() {
    for path in
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "patterns/README.md", "tests/FAULTS.md", "tests/CHAOS.md"]
    {
        always(read(Path::new(path)), &file_name(Path::new(path)));
    }
    for text in [
        "",
        "---\n",
        "---\nlink: '",
        "{% comment %}",
        "`",
        "~~~",
        "# ",
        "* - \n",
        "<a name=",
        "| |\n|-|",
        "\u{feff}# é`",
    ] {
        always(Source { name: text.to_owned(), text: text.to_owned() }, "");
    }
}

#[test]
fn an_alert_without_phrases_is_left_to_a_person() {
    let text = "## Example Alerts\n\n~~~\nLabels:\n - alertname = a/b\n - team = {x}\n~~~\n";
    let draft = extracted(Source { name: "a.md".into(), text: text.into() }, "a.md");
    let report = checked(&draft);
    assert!(draft.contains("# id = \"a/b\"") && draft.contains("#   team = \"{{x}}\""), "{draft}");
    assert!(report.diagnostics.iter().any(|it| it.code == "L45" && it.message.contains("alerts: ")), "{draft}");
}

#[test]
fn runbooks_of_others_give_packs() {
    let Some(directory) = std::env::var_os("FINGERPOST_OTHER_RUNBOOKS") else {
        skipped("extract of others' runbooks: FINGERPOST_OTHER_RUNBOOKS names no directory of Markdown files");
        return;
    };
    let mut paths = Vec::new();
    below(Path::new(&directory), &mut paths);
    let rules: Vec<usize> = paths.iter().map(|path| always(read(path), &file_name(path))).collect();
    let with = rules.iter().filter(|rules| **rules > 0).count();
    println!("{} files, each a pack; {with} with rules, {} rules in all", paths.len(), rules.iter().sum::<usize>());
    assert!(paths.len() >= 30, "only {} files", paths.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Pieces of runbooks in any order, cut anywhere.
    #[test]
    fn whatever_is_cut_and_put_together_gives_a_pack(cuts in prop::collection::vec((any::<bool>(), any::<Index>(), 0usize..400), 1..6)) {
        let texts = ["storage-volume-failures", "queue-stuck"]
            .map(|name| fs::read_to_string(format!("tests/cases/drift/runbooks/{name}.md")).unwrap());
        let mut text = String::new();
        for (which, start, length) in cuts {
            let from = &texts[usize::from(which)];
            let start = from.floor_char_boundary(start.index(from.len()));
            let end = from.floor_char_boundary((start + length).min(from.len()));
            text.push_str(&from[start..end]);
        }
        always(Source { name: "cut.md".into(), text }, "cut.md");
    }
}
