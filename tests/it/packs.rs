//! Broken packs: what `check` prints for each is a snapshot. Each names the place, the problem and the remedy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fingerpost::cli::check::{Report, check};
use fingerpost::engine::Settings;
use fingerpost::flow::PacksFrom;
use fingerpost::pack::codes;

/// Codes that no directory of packs can show: two files of one name, too many phrases, no directory, a mistake of
/// ours, files that never rest, and `fmt`'s own.
const NOT_OF_PACKS: [&str; 7] = ["P024", "P026", "P027", "P029", "P030", "P040", "P051"];

pub(crate) fn checked(packs: &Path) -> Report {
    let today = "2026-01-01".parse().unwrap();
    // Some cases are about what the runbooks beside them say.
    let runbooks = packs.join("runbooks");
    check(&PacksFrom::Directory(packs.into()), Settings::default(), runbooks.is_dir().then_some(&*runbooks), today)
}

pub(crate) fn directories(of: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths
}

#[test]
fn broken_packs_say_what_is_wrong_where_and_what_to_do() {
    let cases = directories("tests/cases/packs");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    let mut seen = BTreeSet::new();
    for case in cases {
        let report = checked(&case);
        assert!(!report.loadable, "{} is accepted", case.display());
        seen.extend(report.diagnostics.iter().map(|diagnostic| diagnostic.code));
        let printed = report.text(false);
        assert!(printed.contains("help: "), "{} offers no remedy", case.display());
        assert!(!printed.contains("panicked"));
        let expected = snapbox::Data::read_from(&case.join("check.txt"), Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(printed, expected.raw());
    }
    let untried: Vec<_> = codes::TABLE
        .iter()
        .map(|row| row.code)
        .filter(|code| code.starts_with('P') && !seen.contains(code) && !NOT_OF_PACKS.contains(code))
        .collect();
    assert!(untried.is_empty(), "no case shows {untried:?}");
}
