//! `fingerpost scan`: what is said of the files in `tests/cases/scan`, in every format; what becomes of files that are odd;
//! and that what it finds is what `classify` tags.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use fastrand::Rng;
use serde_json::Value;

use fingerpost::cli::packs;
use fingerpost::engine::{Engine, Settings};
use fingerpost::flow::PacksFrom;

use crate::program;

const CASES: &str = "tests/cases/scan";

/// Exit code, stdout, stderr.
type Ended = (Option<i32>, String, String);

fn scan(directory: &Path, arguments: &[&str], stdin: &[u8]) -> Ended {
    // A file and no pipe: nobody has to write and read at the same time.
    let mut file = tempfile();
    file.write_all(stdin).unwrap();
    file.rewind().unwrap();
    let output = program::fingerpost()
        .arg("scan")
        .args(arguments)
        .current_dir(directory)
        .env("COLUMNS", "100")
        .env_remove("FINGERPOST_CONFIG")
        .stdin(file)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A file without a name.
fn tempfile() -> fs::File {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("fingerpost-stdin-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let file = fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

#[test]
fn files_are_reported_as_expected_in_every_format() {
    let settings = ["--packs", "packs", "--set", "runbooks.base_url=https://runbooks"];
    for (format, extension) in [("text", "txt"), ("json", "json"), ("markdown", "md"), ("slack", "slack")] {
        for file in ["master-info.log", "stream.ndjson"] {
            let arguments: Vec<&str> = settings.into_iter().chain(["--format", format, file]).collect();
            let (code, out, err) = scan(Path::new(CASES), &arguments, b"");
            assert_eq!((code, err.as_str()), (Some(0), ""), "{file} as {format}");
            let expected = PathBuf::from(format!("{CASES}/{file}.{extension}"));
            let expected = snapbox::Data::read_from(&expected, Some(snapbox::data::DataFormat::Text));
            snapbox::assert_data_eq!(out, expected.raw());
        }
    }
}

/// What a file is, what is found in it, how it ends, and what is told on stderr.
struct Odd {
    name: &'static str,
    bytes: Vec<u8>,
    finds: usize,
    code: i32,
    told: &'static str,
}

fn odd(name: &'static str, bytes: impl Into<Vec<u8>>, finds: usize, code: i32, told: &'static str) -> Odd {
    Odd { name, bytes: bytes.into(), finds, code, told }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn odd_files() -> Vec<Odd> {
    const LINE: &[u8] = b"a KEY_DELETED_ERR in it\n";
    let many: Vec<u8> = (0..20_000_u64).flat_map(|n| format!("{n} {:x}\n", n * n * 7919).into_bytes()).collect();
    let found_first = [LINE, &many].concat();
    let part = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let damaged = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0xa5);
        bytes
    };
    let long = [LINE, &vec![b'x'; 5 << 20], b" KEY_DELETED_ERR\n", LINE].concat();
    vec![
        odd("plain.log", LINE, 1, 0, ""),
        odd("no-newline.log", &LINE[..LINE.len() - 1], 1, 0, ""),
        odd("crlf.log", "nothing\r\nKEY_DELETED_ERR\r\n\r\nKEY_DELETED_ERR\r", 2, 0, ""),
        odd("empty.log", "", 0, 0, "note: `empty.log` is empty\n"),
        odd("only-newlines.log", "\n\n\n", 0, 0, ""),
        odd("garbage.bin", b"\x7fELF\0\0\x01\xff\xfeKEY_DELETED_ERR\x1b[2J\0\x80\n\xff\xff", 1, 0, "holds NUL bytes"),
        odd("wide.txt", b"\xff\xfeK\0E\0Y\0", 0, 0, ""),
        odd("long-line.log", long, 2, 0, ""),
        odd("packed.txt", gzip(LINE), 1, 0, ""),
        odd("packed-twice-over.gz", [gzip(LINE), gzip(LINE)].concat(), 2, 0, ""),
        odd("packed-zstd", [zstd(LINE), zstd(LINE)].concat(), 2, 0, ""),
        odd("not-packed.gz", LINE, 1, 0, ""),
        odd("cut-off.gz", part(gzip(&found_first)), 1, 2, "ends in the midst of its gzip data: it was cut off"),
        odd("cut-off.zst", part(zstd(&found_first)), 1, 2, "ends in the midst of its zstd data: it was cut off"),
        odd("damaged.gz", damaged(gzip(&found_first)), 1, 2, "the gzip data of `damaged.gz` is damaged"),
        odd(
            "foreign.xz",
            b"\xfd7zXZ\0\0\x04",
            0,
            2,
            "is packed with xz; unpack it: xz -dc foreign.xz | fingerpost scan -",
        ),
    ]
}

#[test]
fn odd_files_get_a_clear_answer() {
    let directory = std::env::temp_dir().join(format!("fingerpost-scan-{}", std::process::id()));
    fs::create_dir_all(directory.join("folder")).unwrap();
    let files = odd_files();
    let mut all = vec!["--format", "json"];
    for Odd { name, bytes, finds, code, told } in &files {
        fs::write(directory.join(name), bytes).unwrap();
        let (ended, out, err) = scan(&directory, &["--format", "json", name], b"");
        assert_eq!((found(&out), ended), (*finds, Some(*code)), "{name}: {out}{err}");
        assert!(err.contains(told) && err.is_empty() == told.is_empty(), "{name}: {err}");
        let (_, text, _) = scan(&directory, &[name], b"");
        let is_clean = |c: char| !c.is_control() || c == '\n';
        assert!(text.chars().all(is_clean), "{name}: {text:?}");
        all.push(name);
    }
    // One after the other: what is wrong with some keeps nobody from reading the rest.
    all.extend(["folder", "missing.log", "plain.log"]);
    let (code, out, err) = scan(&directory, &all, b"");
    assert_eq!((code, found(&out)), (Some(2), files.iter().map(|file| file.finds).sum::<usize>() + 1), "{err}");
    assert!(
        err.contains("`folder` is a directory") && err.contains("`missing.log` cannot be read: No such file"),
        "{err}"
    );
    let troubles = out.lines().filter(|line| line.contains(r#""type":"trouble""#)).count();
    assert_eq!(troubles, 6, "{out}");
    let (_, summary) = out.trim_end().rsplit_once('\n').unwrap();
    let summary: Value = serde_json::from_str(summary).unwrap();
    assert_eq!((&summary["type"], &summary["too_long"]), (&"summary".into(), &1.into()));
    // By stdin, packed too.
    assert_eq!(found(&scan(&directory, &["--format", "json", "-"], &gzip(b"KEY_DELETED_ERR")).1), 1);
    let (code, out, _) = scan(&directory, &[], b"nothing\n");
    assert_eq!((code, out.as_str()), (Some(0), "nothing that a rule knows, 1 line of 1 file read\n"));
    fs::remove_dir_all(&directory).unwrap();
}

fn found(out: &str) -> usize {
    out.lines().filter(|line| line.contains(r#""type":"finding""#)).count()
}

#[test]
fn what_is_found_is_what_classify_tags() {
    let engine = packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine;
    let mut rng = Rng::with_seed(11);
    let mut text = Vec::new();
    while text.len() < 2 << 20 {
        // Nothing around them: in files parts that a runtime cut are joined.
        let line = super::lines::bare(&mut rng).payload;
        // A line is what stands between newlines.
        text.extend(line.into_iter().filter(|byte| !b"\r\n".contains(byte)));
        text.extend(b"\n");
    }
    let expected = tagged(&engine, &text);
    assert!(expected.len() > 1000);
    let (code, out, err) = scan(Path::new("."), &["--format", "json"], &text);
    assert_eq!(code, Some(0), "{err}");
    let findings = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let findings: Vec<Value> = findings.filter(|value| value["type"] == "finding").collect();
    assert_eq!(findings.len(), expected.len());
    let mut underlined = 0;
    for (finding, (number, added)) in findings.iter().zip(expected) {
        assert_eq!((finding["line"].as_u64(), &finding["fingerpost"]), (Some(number), &added));
        let line = finding["text"].as_str().unwrap();
        let spans = finding["spans"].as_array().unwrap();
        for span in spans {
            let (start, end) = (span[0].as_u64().unwrap() as usize, span[1].as_u64().unwrap() as usize);
            assert!(line.get(start..end).is_some_and(|marked| !marked.is_empty()), "{span} of {line}");
        }
        underlined += usize::from(!spans.is_empty());
    }
    assert!(underlined * 100 > findings.len() * 99, "{underlined} of {} are underlined", findings.len());
}

fn tagged(engine: &Engine, text: &[u8]) -> Vec<(u64, Value)> {
    let mut memory = engine.memory();
    let lines = text.split(|byte| *byte == b'\n').zip(1..);
    let tag = |(line, number): (&[u8], u64)| {
        let outcome = engine.classify(line, Some("stdin"), &mut memory);
        let added = outcome.added(fingerpost::engine::Detail::Full)?.into_owned();
        Some((number, serde_json::from_str(&added).unwrap()))
    };
    lines.filter_map(tag).collect()
}

#[test]
fn whom_to_call_in_goes_by_the_line_its_time_and_the_configuration() {
    let failed = |operation: &str, time: &str| {
        let text = format!("*FAILED* *{operation}* on Carrier: *c1* (10.0.0.1) at {time}");
        serde_json::json!({ "time": time, "msg": text }).to_string() + "\n"
    };
    // A Monday in summer: eight in the morning UTC is nine in London.
    let (work, night) = ("2024-06-03T08:00:00Z", "2024-06-03T07:59:59Z");
    let told = |line: &str, more: &[&str]| {
        let (code, out, err) = scan(Path::new("."), &[&["--format", "json", "-"], more].concat(), line.as_bytes());
        assert_eq!(code, Some(0), "{err}");
        let finding: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        finding["escalation"].as_str().unwrap_or_default().to_owned()
    };
    assert!(told(&failed("deploy", work), &[]).contains("@deploy @update"));
    assert!(told(&failed("deploy", night), &[]).contains("issue"));
    assert!(told(&failed("deploy", work), &["--set", "escalation.zone=UTC"]).contains("issue"));
    assert!(told(&failed("deploy", night), &["--set", "escalation.cie=true"]).contains("PT2ZIIQ"));
    assert!(told(&failed("delete", night), &["--set", "escalation.cie=true"]).contains("resolve the alert by hand"));
    assert_eq!(told("KEY_DELETED_ERR", &[]), "");
}
