//! `bench`: what it counts is exact, what is built to be dear comes first with its reason, and what is no sample is
//! refused. How long anything takes is never asserted.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use fingerpost::cli::bench::report::{Dear, Report};
use fingerpost::cli::bench::{bench, sample::Sample};
use fingerpost::cli::packs;
use fingerpost::engine::{Limits, Settings};
use fingerpost::flow::PacksFrom;

use crate::program;

const PACKS: &str = "tests/cases/bench/packs";

/// 400 lines in vain, 5 for the dear rule, 2 for the cheap one, a leader, an escape, 591 about nothing.
fn phrases() -> String {
    let mut lines = Vec::new();
    lines.extend((0..400).map(|n| format!(r#"{{"level":"info","msg":"ETCD is healthy, asked {n} times"}}"#)));
    lines.extend((0..5).map(|n| format!(r#"{{"msg":"etcd ran full, {n} MB over"}}"#)));
    lines.extend((0..2).map(|n| format!("{n}: no space left on device")));
    lines.push(r#"{"pod":"a","msg":"I lead from now on"}"#.into());
    lines.push(r#"{"msg":"a \u0062 b"}"#.into());
    lines.extend((0..591).map(|n| format!(r#"{{"msg":"request {n} handled"}}"#)));
    lines.join("\n")
}

fn measured(lines: &str, limits: Limits) -> Report {
    let settings = Settings { limits, ..Settings::default() };
    let engine = packs::load(&PacksFrom::Directory(PACKS.into()), settings).expect("sound packs").engine;
    let sample = Sample::read("sample", lines.as_bytes()).unwrap();
    bench(&engine, Duration::ZERO, &sample, Duration::from_millis(20)).unwrap()
}

fn dear<'r>(report: &'r Report, name: &str) -> &'r Dear {
    report.dearest.iter().find(|dear| dear.name == name).unwrap_or_else(|| panic!("{name}: {:?}", report.dearest))
}

#[test]
fn lines_are_counted_by_what_becomes_of_them() {
    let report = measured(&phrases(), Limits::default());
    let counts = [report.passed, report.in_vain, report.matched, report.all].map(|class| class.lines);
    assert_eq!(counts, [591, 402, 7, 1000]);
    assert_eq!(report.bytes, phrases().len() - 999);
    assert!(!report.cut && report.too_long == 0 && report.passes >= 3);
    let bill = |name| {
        let bill = dear(&report, name).bill;
        (bill.stops, bill.in_vain, bill.fits)
    };
    assert_eq!(bill("dear.phrase"), (405, 400, 5));
    assert_eq!(bill("cheap.rare"), (2, 0, 2));
    assert_eq!(bill("context leader"), (1, 1, 0));
    assert_eq!(bill("(escapes)"), (1, 1, 0));
    assert_eq!(report.dearest.len(), 4, "{:?}", report.dearest);
}

#[test]
fn bills_add_up_to_what_the_passes_took() {
    let report = measured(&phrases(), Limits::default());
    let bills: f64 = report.dearest.iter().map(|dear| dear.bill.total_ns()).sum();
    let classes = [report.in_vain, report.matched];
    let whole: f64 = classes.iter().map(|class| class.figure.unwrap().median_ns * class.lines as f64).sum();
    assert!(bills > 0.0 && (bills / whole - 1.0).abs() < 1e-6, "{bills} ns on the bills, {whole} ns in all");
}

#[test]
fn a_phrase_that_stops_in_vain_is_the_dearest_and_says_so() {
    let report = measured(&phrases(), Limits::default());
    let first = &report.dearest[0];
    assert_eq!((first.name.as_str(), first.reason.kind), ("dear.phrase", "phrase"));
    assert_eq!(
        first.reason.text,
        "its phrase `etcd` is in 40.5 % of the lines, and the rule matches 0.5 %: a longer phrase, or a longer second one \
         in `all`, would let the scan pass (it has 4 bytes; runs of 15 and more are found for nothing)"
    );
    assert_eq!(dear(&report, "(escapes)").reason.kind, "escape");
    assert!(dear(&report, "context leader").reason.text.starts_with("its phrase `I lead from now on` is in 0.1 %"));
}

#[test]
fn an_expression_that_takes_long_is_the_dearest_and_is_named() {
    // Beyond ASCII word boundaries take the slowest way through the line.
    let words = "söme words, more of them; ".repeat(150);
    let mut lines: String = (0..100).map(|n| format!("the request body was {n} {words}\n")).collect();
    lines += &"no space left on device\n".repeat(20);
    let report = measured(&lines, Limits::default());
    let first = &report.dearest[0];
    assert_eq!((first.name.as_str(), first.reason.kind), ("dear.expression", "expression"), "{first:?}");
    assert!(
        first.reason.text.starts_with(r"its expression `\b[a-z]+\b(?:[ ,;]+\b[a-z]+){12,20}[0-9]` takes "),
        "{first:?}"
    );
    assert!(first.reason.text.contains("on each line that the rule is tried on in vain"), "{first:?}");
    assert_eq!(dear(&report, "cheap.rare").reason.kind, "matches");
}

#[test]
fn lines_beyond_the_limit_are_told() {
    let limits = Limits { payload: 64, ..Limits::default() };
    let report = measured(&format!("etcd ran full\netcd {}\n", "x".repeat(64)), limits);
    assert_eq!((report.too_long, report.passed.lines, report.matched.lines), (1, 1, 1));
    assert!(report.text().contains("longer than limits.payload, so not judged: 1 line\n"));
}

fn fingerpost(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = program::fingerpost()
        .args([&["bench", "--for", "10ms"], arguments].concat())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read stdin may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn json_is_for_programs() {
    let output = fingerpost(&["-", "--packs", PACKS, "--json"], phrases().as_bytes());
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = ["passed", "in_vain", "matched", "all"].map(|class| json[class]["lines"].as_u64().unwrap());
    assert_eq!(lines, [591, 402, 7, 1000]);
    assert_eq!((json["sample"]["name"].as_str(), json["sample"]["lines"].as_u64()), (Some("-"), Some(1000)));
    assert!(json["lines_per_second"].as_f64().unwrap() > 0.0 && json["engine"]["memory_bytes"].as_u64().unwrap() > 0);
    let first = &json["dearest"][0];
    assert_eq!((first["name"].as_str(), first["reason"].as_str()), (Some("dear.phrase"), Some("phrase")));
    let parts: f64 = ["reading_ms", "judging_ms", "tagging_ms"].iter().map(|part| first[part].as_f64().unwrap()).sum();
    assert!((parts - first["ms_per_million_lines"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn without_a_file_the_demo_stands_in() {
    let output = fingerpost(&["--color", "never"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("sample  the demo's own lines: 20,000 lines, "), "{text}");
    assert!(text.contains("\n 10. ") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn what_is_no_sample_is_refused() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).unwrap();
        folder.join(name).display().to_string()
    };
    let refusals = [
        (folder.join("missing").display().to_string(), "cannot open `"),
        (folder.display().to_string(), "while reading `"),
        (file("empty", b""), "is empty: a sample has at least one line"),
        (file("packed.gz", b"\x1f\x8b\x08\0\0"), "is no text (byte 3 is zero): unpack it first, as in `zcat "),
    ];
    for (path, says) in refusals {
        let output = fingerpost(&[&path], b"");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(says) && output.stdout.is_empty(), "{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
    }
    let one = fingerpost(&[&file("one", b"etcd ran full"), "--packs", PACKS], b"");
    let text = String::from_utf8(one.stdout).unwrap();
    assert!(text.contains(": 1 line, 13 bytes") && text.contains("so few lines"), "{text}");
    assert_eq!(one.status.code(), Some(0));
    assert_eq!(fingerpost(&["--packs", "no-such-directory"], b"").status.code(), Some(78));
    fs::remove_dir_all(&folder).unwrap();
}
