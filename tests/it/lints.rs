//! Lints: for each code a pack that it is about and one, nearly the same, that it is not. What is printed is a snapshot.

use std::collections::BTreeSet;
use std::path::Path;

use fingerpost::pack::codes;

use super::packs::{checked, directories};
use crate::program;

#[test]
fn each_lint_has_a_case_that_fails_and_one_that_passes() {
    let lints: BTreeSet<&str> = codes::TABLE.iter().filter(|row| row.is_lint()).map(|row| row.code).collect();
    let cases = directories("tests/cases/lints");
    let named: BTreeSet<&str> = cases.iter().map(|case| case.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(named, lints, "a directory for each lint of the table");
    for case in &cases {
        let code = case.file_name().unwrap().to_str().unwrap();
        let report = checked(&case.join("fails"));
        assert!(report.loadable, "{code}: a lint is about packs that load: {}", report.text(false));
        assert!(report.diagnostics.iter().any(|it| it.code == code), "{code} is not shown: {}", report.text(false));
        let expected = snapbox::Data::read_from(&case.join("check.txt"), Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(report.text(false), expected.raw());
        let report = checked(&case.join("passes"));
        assert!(report.diagnostics.is_empty(), "{code}: {}", report.text(false));
    }
}

#[test]
fn a_pack_with_forty_different_mistakes_shows_them_in_one_run() {
    let case = Path::new("tests/cases/forty");
    let report = checked(case);
    let told: BTreeSet<(&str, String, &str)> =
        report.diagnostics.iter().map(|it| (it.code, it.location().unwrap_or_default(), it.message.as_str())).collect();
    let kinds: BTreeSet<&str> = report.diagnostics.iter().map(|it| it.code).collect();
    assert!(kinds.len() >= 40, "{} kinds of mistakes: {kinds:?}", kinds.len());
    assert_eq!(told.len(), report.diagnostics.len(), "none is told twice");
    // Each stands under the comment that announces it; the head of the file holds four more.
    let text = std::fs::read_to_string(case.join("forty.toml")).unwrap();
    let announced = text.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.len() == 4);
    let unseen: Vec<&str> = announced.filter(|code| !kinds.contains(code)).collect();
    assert!(unseen.is_empty(), "announced, and not shown: {unseen:?}");
    let expected = snapbox::Data::read_from(&case.join("check.txt"), Some(snapbox::data::DataFormat::Text));
    snapbox::assert_data_eq!(report.text(false), expected.raw());
}

fn fingerpost(arguments: &[&str]) -> (i32, String, String) {
    let output = program::fingerpost().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn warnings_fail_the_check_when_they_are_denied() {
    let packs = "tests/cases/lints/L05/fails";
    let end = |arguments: &[&str]| fingerpost(&[&["check", packs], arguments].concat());
    let (code, out, _) = end(&[]);
    assert!(code == 0 && out.contains("warning[L05]"), "{code}: {out}");
    for denied in ["warnings", "L05", "l05"] {
        let (code, out, _) = end(&["--deny", denied]);
        assert!(code == 1 && out.contains("error[L05]"), "{code}: {out}");
    }
    assert_eq!(end(&["--deny", "L06"]).0, 0, "another code");
    let (code, _, err) = end(&["--deny", "L5"]);
    assert!(code == 2 && err.contains("L05"), "{code}: {err}");
    assert_eq!(fingerpost(&["check", "tests/cases/lints/L29/fails"]).0, 1, "an error fails it anyway");
    assert_eq!(fingerpost(&["check", "--builtin", "--deny", "warnings"]).0, 0, "the shipped packs are clean");
}

#[test]
fn every_code_is_explained_and_every_code_in_use_is_in_the_table() {
    let (code, list, _) = fingerpost(&["check", "--list"]);
    assert_eq!((code, list.lines().count()), (0, codes::TABLE.len()));
    for row in codes::TABLE {
        let (code, out, _) = fingerpost(&["check", "--explain", row.code]);
        assert!(code == 0 && out.contains(row.text) && out.contains(row.title), "{out}");
        assert!(list.contains(&format!("{}  ", row.code)));
    }
    // Whatever looks like a code in the rooms that report them.
    let mut used = BTreeSet::new();
    for (path, text) in super::tidy::sources() {
        if path == "src/pack/codes.rs"
            || !["src/pack", "src/engine", "src/alert", "src/cli"].iter().any(|room| path.starts_with(room))
        {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let quoted = text.split('"').filter(|word| word.len() == 4 || word.len() == 3);
        used.extend(quoted.filter(|word| is_code(word)).map(str::to_owned));
    }
    let known: BTreeSet<String> = codes::TABLE.iter().map(|row| row.code.to_owned()).collect();
    assert!(used.len() > 50, "only {} codes are found in the source", used.len());
    assert_eq!(used, known, "codes of the source, and of the table");
}

fn is_code(word: &str) -> bool {
    let digits = match word.split_at_checked(1) {
        Some(("P", digits)) if digits.len() == 3 => digits,
        Some(("L", digits)) if digits.len() == 2 => digits,
        _ => return false,
    };
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn programs_get_the_same_as_people() {
    let (code, out, _) = fingerpost(&["check", "tests/cases/lints/L03/fails", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["errors"], &report["warnings"], &report["loadable"]),
        (1, &1.into(), &1.into(), &true.into())
    );
    let first = &report["diagnostics"][0];
    assert_eq!(
        (&first["code"], &first["grade"], &first["also"][0]["label"]),
        (&"L03".into(), &"error".into(), &"and here".into())
    );
    assert!(first["line"].as_u64() > Some(1) && first["file"].as_str().unwrap().ends_with("storage.toml"), "{first}");

    let (code, out, _) = fingerpost(&["check", "tests/cases/lints/L40/passes", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["waived"][0]["code"], &report["warnings"]), (0, &"L05".into(), &0.into()));
    assert_eq!(report["waived"][0]["reason"], "the driver writes no more than that");
}

#[test]
fn ci_systems_get_a_test_for_each_rule() {
    let (code, out, _) = fingerpost(&["check", "tests/cases/lints/L03/fails", "--format", "junit"]);
    assert_eq!(code, 1);
    let report = quick_junit::Report::deserialize_from_str(&out).unwrap();
    let cases: Vec<_> = report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
    let failing = |name: &str| {
        let case = cases.iter().find(|case| case.name.as_str() == name).unwrap();
        !matches!(case.status, quick_junit::TestCaseStatus::Success { .. })
    };
    assert!(failing("disk.trouble") && !failing("disk.full"), "{out}");
    assert!(out.contains("type=\"L03\"") && out.contains("L27"), "the warning stands beside the error: {out}");
}
