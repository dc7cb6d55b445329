//! Broken packs: what `check` prints for each is a snapshot. Each names the place, the problem and the remedy.

use std::fs;
use std::path::Path;

use fingerpost::cli::check::check;
use fingerpost::engine::Settings;
use fingerpost::flow::PacksFrom;

#[test]
fn broken_packs_say_what_is_wrong_where_and_what_to_do() {
    let mut cases: Vec<_> = fs::read_dir("tests/cases/packs").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in cases {
        let printed = printed(&case);
        assert!(printed.contains("help: "), "{} offers no remedy", case.display());
        assert!(!printed.contains("panicked"));
        let expected = snapbox::Data::read_from(&case.join("check.txt"), Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(printed, expected.raw());
    }
}

fn printed(case: &Path) -> String {
    let mut out = Vec::new();
    let sound = check(&PacksFrom::Directory(case.into()), Settings::default(), false, &mut out).unwrap();
    assert!(!sound, "{} is accepted", case.display());
    String::from_utf8(out).unwrap()
}
