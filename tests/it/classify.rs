//! What comes out of `classify` for the lines of `tests/cases/classify/*.in`, with the small pack beside them.
//!
//! Whatever the case, the laws hold: a line out per line in; taking the added member out gives the line without stale
//! members; classifying the output again changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use fingerpost::cli::classify::classify;
use fingerpost::cli::packs;
use fingerpost::cli::reading::arguments::ReadingArguments;
use fingerpost::engine::{Engine, Settings};
use fingerpost::flow::PacksFrom;

#[test]
fn cases_come_out_as_expected() {
    let engine = engine();
    let mut cases: Vec<PathBuf> =
        fs::read_dir("tests/cases/classify").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
    cases.sort();
    assert!(cases.len() >= 5);
    for case in cases {
        let out = run(&engine, &case);
        let input = fs::read(&case).unwrap();
        assert_eq!(newlines(&out), newlines(&input), "{}: a line out per line in", case.display());
        let again = std::env::temp_dir().join(format!("fingerpost-{}.ndjson", std::process::id()));
        fs::write(&again, &out).unwrap();
        assert_eq!(run(&engine, &again), out, "{}: classifying the output again changes it", case.display());
        fs::remove_file(&again).unwrap();
        let expected = snapbox::Data::read_from(&case.with_extension("out"), Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(String::from_utf8(out).unwrap(), expected.raw());
    }
}

fn engine() -> Engine {
    let from = PacksFrom::Directory("tests/cases/classify/packs".into());
    match packs::load(&from, Settings { base_url: "https://runbooks".into(), ..Settings::default() }) {
        Ok(loaded) => loaded.engine,
        Err(problems) => panic!("{}", fingerpost::diagnostic::draw(&problems, false)),
    }
}

fn run(engine: &Engine, file: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    classify(engine, &[file.to_owned()], &ReadingArguments::default(), &mut out).unwrap();
    out
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
