//! Lines that no shipped rule knows: whatever real systems write, as it is and wrapped as JSON, nothing is tagged and no
//! byte is changed.
//!
//! `FINGERPOST_BENIGN_LOGS` names a directory of `*.log.gz` files (the LogHub samples, say); without it this is skipped.

use std::fs;
use std::process::Command;

use fingerpost::cli::packs;
use fingerpost::engine::{Detail, Settings};
use fingerpost::flow::PacksFrom;

use crate::skip::skipped;

#[test]
fn nobody_elses_lines_are_tagged() {
    let Some(directory) = std::env::var_os("FINGERPOST_BENIGN_LOGS") else {
        skipped("benign logs: FINGERPOST_BENIGN_LOGS names no directory of *.log.gz files");
        return;
    };
    let engine = packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine;
    let mut lines = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let unpacked = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
        assert!(unpacked.status.success(), "{}", path.display());
        let mut memory = engine.memory();
        for line in unpacked.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let text = String::from_utf8_lossy(line);
            let wrapped = serde_json::json!({"app": "compute-identity", "level": "error", "msg": text}).to_string();
            let line_json = serde_json::json!({"_app": "armada-kp-events", "_line": text}).to_string();
            for payload in [line, wrapped.as_bytes(), line_json.as_bytes()] {
                let outcome = engine.classify(payload, Some("file"), &mut memory);
                assert!(outcome.verdict.is_none(), "{}: {text}", path.display());
                assert_eq!(*outcome.value(payload, Detail::Full), *payload);
            }
            lines += 1;
        }
    }
    println!("{lines} lines, none tagged");
    assert!(lines > 1000, "only {lines} lines in {}", directory.display());
}
