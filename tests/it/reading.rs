//! Files as people have them, read by the program: directories of pods, archives, rotated, packed and UTF-16 files, parts that a
//! container runtime cut; by each verb that reads files. Findings are those of the packs of `tests/cases/scan`: `unwrap failed`
//! tells by its fact `endpoint` what its source said before, `lease expired` needs the app `lock-keeper`.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::program;

const UID: &str = "0b7e4a91-6c2d-4f0e-9a51-3c6f0d2b8e77";
/// A line that any pod's rule knows.
const LINE: &str = "unwrap failed\n";

/// A directory of its own for each test, gone with it.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fingerpost-reading-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a run ended.
struct Ended {
    code: i32,
    out: Vec<u8>,
    told: String,
}

fn run(room: &Room, arguments: &[&str], stdin: &[u8]) -> Ended {
    // A file and no pipe: nobody has to write and read at the same time.
    let mut file =
        fs::File::options().read(true).write(true).create(true).truncate(true).open(room.0.join(".stdin")).unwrap();
    file.write_all(stdin).unwrap();
    file.rewind().unwrap();
    fs::remove_file(room.0.join(".stdin")).unwrap();
    let packs = fs::canonicalize("tests/cases/scan/packs").unwrap();
    let (verb, rest) = arguments.split_first().unwrap();
    let output = program::fingerpost()
        .args([verb, "--packs"])
        .arg(packs)
        .args(rest)
        .current_dir(&room.0)
        .stdin(file)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    Ended { code: output.status.code().unwrap(), out: output.stdout, told }
}

/// What `scan` finds, as `file:line rule endpoint`, and how it ended.
fn scan(room: &Room, arguments: &[&str], stdin: &[u8]) -> (Vec<String>, Ended) {
    let ended = run(room, &[&["scan", "--format", "json"], arguments].concat(), stdin);
    let lines = String::from_utf8(ended.out.clone()).unwrap();
    let values = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let found = values.filter(|value| value["type"] == "finding").map(|value| {
        let added = &value["fingerpost"];
        let endpoint = added["endpoint"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{}:{} {}{endpoint}", value["file"].as_str().unwrap(), value["line"], added["rule"].as_str().unwrap())
    });
    (found.collect(), ended)
}

/// What `scan` finds where nothing is wrong and nothing is worth a word.
fn found(room: &Room, arguments: &[&str], stdin: &[u8]) -> Vec<String> {
    let (found, ended) = scan(room, arguments, stdin);
    assert_eq!((ended.code, ended.told.as_str()), (0, ""), "{arguments:?}");
    found
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_ref()).unwrap();
    packer.finish().unwrap()
}

fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(text.as_ref(), 1).unwrap()
}

fn wide(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_directory_is_read_when_somebody_says_so() {
    let room = Room::new("flag");
    room.write("logs/a.log", LINE);
    for verb in ["scan", "gaps", "backtest", "classify"] {
        let refused = run(&room, &[verb, "logs"], b"");
        let told = "error: `logs` is a directory; to read the files in it, add --recursive (-r)\n";
        assert_eq!((refused.code, refused.told.as_str()), (2, told), "{verb}");
        let read = run(&room, &[verb, "-r", "logs"], b"");
        assert_eq!((read.code, read.told.as_str()), (0, ""), "{verb}");
        let out = String::from_utf8(read.out).unwrap();
        assert!(out.contains("vault.sealed") || out.contains("1 lines, 1 error lines"), "{verb}: {out}");
    }
}

#[test]
fn a_directory_is_read_in_order_without_links_and_binary_files() {
    let room = Room::new("order");
    for name in ["logs/10.log", "logs/9.log", "logs/b/x.log", "logs/a.log", "elsewhere/y.log"] {
        room.write(name, LINE);
    }
    room.write("logs/core", [b"\x7fELF\0\0", LINE.as_bytes()].concat());
    room.write("logs/empty.log", "");
    room.write("logs/old.xz", b"\xfd7zXZ\0\0\x04");
    symlink("../elsewhere", room.0.join("logs/c")).unwrap();
    symlink("../elsewhere/y.log", room.0.join("logs/y.log")).unwrap();
    symlink("a.log", room.0.join("logs/inside.log")).unwrap();
    symlink("..", room.0.join("logs/b/up")).unwrap();
    symlink("nowhere", room.0.join("logs/broken")).unwrap();
    nix::unistd::mkfifo(&room.0.join("logs/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (found, ended) = scan(&room, &["-r", "logs"], b"");
    let at = |name: &str| format!("logs/{name}:1 vault.sealed");
    assert_eq!(found, ["9.log", "10.log", "a.log", "b/x.log"].map(at));
    assert_eq!(ended.code, 0);
    let out_of_it = "is a link out of the directory, which is not followed; name it by itself to have it read";
    let told = |name: &str, why: &str| format!("note: `logs/{name}` {why}: it is skipped");
    assert_eq!(
        ended.told.lines().collect::<Vec<_>>(),
        [
            told("broken", "is a link that leads nowhere"),
            told("c", out_of_it),
            told("core", "is binary"),
            told("old.xz", "is packed with xz, which is not undone here: xz -dc"),
            told("pipe", "is a pipe"),
            told("y.log", out_of_it),
        ]
    );
    let summary: Json = serde_json::from_str(String::from_utf8(ended.out).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((&summary["skipped"], summary["files"].as_array().unwrap().len()), (&6.into(), 5));
    let text = String::from_utf8(run(&room, &["scan", "-r", "logs"], b"").out).unwrap();
    assert!(text.ends_with("4 lines found, 4 lines of 5 files read, 6 files skipped\n"), "{text}");
    // Who names a link means what it leads to.
    assert_eq!(scan(&room, &["-r", "logs/c"], b"").0, ["logs/c/y.log:1 vault.sealed"]);
}

#[test]
fn many_files_that_are_skipped_are_counted() {
    let room = Room::new("many");
    for n in 0..12 {
        room.write(&format!("logs/{n}"), "\0");
    }
    let (_, ended) = scan(&room, &["-r", "logs"], b"");
    assert_eq!(ended.told.lines().count(), 11, "{}", ended.told);
    assert!(ended.told.ends_with("note: 2 more files are skipped\n"), "{}", ended.told);
}

/// What a path says of a line: which pod said something before, and whether it is the lock keeper.
#[test]
fn a_path_names_the_pod_and_the_container() {
    let room = Room::new("pods");
    let pod = |pod: &str| format!("pods/masters_{pod}_{UID}");
    let said = "connecting to one\n";
    // What a container of the pod said holds for the others; the next pod said nothing.
    room.write(&format!("{}/keeper/0.log", pod("m-1")), said);
    room.write(&format!("{}/lock-keeper/0.log", pod("m-1")), "lease expired\nunwrap failed\n");
    room.write(&format!("{}/lock-keeper/0.log", pod("m-2")), "unwrap failed\n");
    room.write(&format!("{}/other/0.log", pod("m-2")), "lease expired\n");
    let keeper = format!("{}/lock-keeper/0.log", pod("m-1"));
    let second = format!("{}/lock-keeper/0.log", pod("m-2"));
    let of_pods =
        [format!("{keeper}:1 locks.lost"), format!("{keeper}:2 vault.sealed one"), format!("{second}:1 vault.sealed")];
    assert_eq!(found(&room, &["-r", "pods"], b""), of_pods);
    // What must-gather collects, and the kubelet's links.
    let gathered = |file: &str| format!("gather/namespaces/masters/pods/m-1/lock-keeper/lock-keeper/logs/{file}.log");
    room.write(&gathered("previous"), said);
    room.write(&gathered("current"), "unwrap failed\nlease expired\n");
    let current = gathered("current");
    let of_gathered = [format!("{current}:1 vault.sealed one"), format!("{current}:2 locks.lost")];
    assert_eq!(found(&room, &["-r", "gather"], b""), of_gathered);
    let link = format!("containers/m-1_masters_lock-keeper-{}.log", "0f".repeat(32));
    room.write(&link, "lease expired\n");
    assert_eq!(found(&room, &[&link], b""), [format!("{link}:1 locks.lost")]);
    // And `classify` knows it as well.
    let tagged = String::from_utf8(run(&room, &["classify", &link], b"").out).unwrap();
    assert!(tagged.contains("locks.lost"), "{tagged}");
}

#[test]
fn the_command_line_says_what_a_file_does_not() {
    let room = Room::new("told");
    room.write("a.log", "connecting to one\n");
    room.write(
        "b.log",
        "unwrap failed\nlease expired\n{\"app\":\"x\",\"pod\":\"p\",\"msg\":\"lease expired, unwrap failed\"}\n",
    );
    assert_eq!(found(&room, &["a.log", "b.log"], b""), ["b.log:1 vault.sealed", "b.log:3 vault.sealed"]);
    // What the line says itself counts more.
    let told = ["--app", "lock-keeper", "--source", "s", "a.log", "b.log"];
    assert_eq!(found(&room, &told, b""), ["b.log:1 vault.sealed one", "b.log:2 locks.lost", "b.log:3 vault.sealed"]);
    // What a path says counts less.
    let path = format!("masters_m-1_{UID}/other/0.log");
    room.write(&path, "lease expired\n");
    assert_eq!(found(&room, &["--app", "lock-keeper", &path], b""), [format!("{path}:1 locks.lost")]);
    let refused = run(&room, &["gaps", "--topic", "logs", "--app", "x"], b"");
    assert_eq!(refused.code, 2);
    assert!(refused.told.contains("'--app <NAME>'"), "{}", refused.told);
}

#[test]
fn alerts_count_by_the_region_that_the_command_line_names() {
    let room = Room::new("region");
    let pack = r#"
        [pack]
        link = "/disks.html"
        [sections]
        full = "Full"
        [[rule]]
        id = "disks.full"
        title = "A disk is full"
        all = ["no space left on device"]
        severity = "error"
        section = "full"
        match = ["no space left on device"]
        no_match = ["space left on device"]
        [[alert]]
        id = "full"
        from = ["disks.full"]
        group_by = ["region"]
        window = "1m"
        count = ">= 1"
        severity = "error"
        labels = { region = "{region}" }
        [[test]]
        name = "one is enough"
        alert = "full"
        lines = ["0m no space left on device"]
        fires = "0m"
    "#;
    room.write("packs/disks.toml", pack);
    let line =
        |more: &str| format!(r#"{{"time":"2024-03-05T09:19:24Z","msg":"no space left on device"{more}}}"#) + "\n";
    room.write("a.log", line("") + &line(r#","region":"us-east""#));
    let regions = |arguments: &[&str]| {
        let arguments = [&["backtest", "--packs", "packs", "--format", "json", "a.log"], arguments].concat();
        let (code, out) = program::quiet(&room.0, &arguments);
        assert_eq!(code, Some(0));
        let report: Json = serde_json::from_str(&out).unwrap();
        let alerts = report["alerts"].as_array().unwrap().iter();
        let mut regions: Vec<String> = alerts.map(|alert| alert["labels"]["region"].to_string()).collect();
        regions.sort();
        regions
    };
    assert_eq!(regions(&["--region", "eu-de"]), [r#""eu-de""#, r#""us-east""#]);
    assert_eq!(regions(&[]).len(), 2);
    assert!(!regions(&[]).contains(&r#""eu-de""#.to_owned()));
}

#[test]
fn parts_of_a_rotated_log_come_in_the_order_of_time_and_have_one_source() {
    let room = Room::new("rotated");
    let name = |n: &str| format!("connecting to {n}\nunwrap failed\n");
    room.write("logs/0.log.20240305-091924.gz", gzip(name("one")));
    room.write("logs/0.log.20240305-101924", name("two"));
    room.write("logs/0.log", "unwrap failed\n");
    room.write("logs/app.log.10.gz", gzip(name("one")));
    room.write("logs/app.log.2.gz", gzip("unwrap failed\n"));
    room.write("logs/app.log.1", name("two"));
    room.write("logs/app.log", "unwrap failed\n");
    let expected = [
        "0.log.20240305-091924.gz:2 vault.sealed one",
        "0.log.20240305-101924:2 vault.sealed two",
        "0.log:1 vault.sealed two",
        "app.log.10.gz:2 vault.sealed one",
        "app.log.2.gz:1 vault.sealed one",
        "app.log.1:2 vault.sealed two",
        "app.log:1 vault.sealed two",
    ]
    .map(|found| format!("logs/{found}"));
    assert_eq!(found(&room, &["-r", "logs"], b""), expected);
    // As a shell lists them.
    let named = ["logs/app.log", "logs/app.log.1", "logs/app.log.10.gz", "logs/app.log.2.gz"];
    assert_eq!(found(&room, &named, b""), expected[3..]);
}

#[test]
fn parts_that_a_runtime_cut_are_one_line() {
    let room = Room::new("cut");
    let stamp = "2024-03-05T09:19:24.123456789Z";
    let cri = format!(
        "{stamp} stdout P unwr\n{stamp} stderr F lease\n{stamp} stdout P ap fai\n{stamp} stdout F led\n{stamp} stdout F unwrap failed\n"
    );
    room.write("cri.log", &cri);
    let docker =
        |stream: &str, text: &str| format!(r#"{{"log":"{text}","stream":"{stream}","time":"{stamp}"}}"#) + "\r\n";
    let docker =
        docker("stdout", "unwrap ") + &docker("stderr", r"other\n") + &docker("stdout", r"failed\n") + "unwrap failed";
    room.write("docker.log", &docker);
    for name in ["cri.log", "docker.log"] {
        let last = if name == "cri.log" { 5 } else { 4 };
        let expected = [format!("{name}:1 vault.sealed"), format!("{name}:{last} vault.sealed")];
        assert_eq!(found(&room, &[name], b""), expected);
    }
    let backtest = |name: &str| {
        let out = run(&room, &["backtest", "--format", "json", name], b"").out;
        serde_json::from_slice::<Json>(&out).unwrap()["tagged"].clone()
    };
    assert_eq!((backtest("cri.log"), backtest("docker.log")), (2.into(), 2.into()));
    let gaps = run(&room, &["gaps", "--all", "--format", "json", "cri.log"], b"").out;
    assert_eq!(serde_json::from_slice::<Json>(&gaps).unwrap()["lines"], 3);
    // What comes out of `classify` is line for line what went in.
    for text in [cri, docker] {
        let out = String::from_utf8(run(&room, &["classify", "-"], text.as_bytes()).out).unwrap();
        assert_eq!(out.matches('\n').count(), text.matches('\n').count());
        assert_eq!(out.matches("vault.sealed\"").count() / 2, 1, "{out}");
        let untouched = out.split_inclusive('\n').filter(|line| text.contains(*line)).count();
        assert_eq!(untouched, text.lines().count() - 1);
    }
}

#[test]
fn a_cut_line_is_bounded_as_any_line_is() {
    let room = Room::new("long");
    let stamp = "2024-03-05T09:19:24.123456789Z stdout";
    let part = |tag: &str| format!("{stamp} {tag} {}\n", "x".repeat(16 << 10));
    room.write("long.log", part("P").repeat(4) + &format!("{stamp} F unwrap failed\n{stamp} F unwrap failed\n"));
    let (found, ended) = scan(&room, &["--set", "limits.payload=32KiB", "long.log"], b"");
    assert_eq!(found, ["long.log:6 vault.sealed"]);
    let out = String::from_utf8(ended.out).unwrap();
    assert!(out.contains(r#""too_long":1"#), "{out}");
    assert_eq!(self::found(&room, &["long.log"], b"").len(), 2);
}

#[test]
fn marks_and_line_ends_of_windows_are_no_part_of_a_line() {
    let room = Room::new("windows");
    let json = r#"{"app":"lock-keeper","msg":"lease expired"}"#;
    let text = format!("{json}\r\n{LINE}é lease\r\n");
    for (name, bytes) in [
        ("marked.log", format!("\u{feff}{text}").into_bytes()),
        ("wide.log", wide(&text)),
        ("wide.log.gz", gzip(wide(&text))),
        ("big.log", wide(&text).chunks(2).flat_map(|unit| [unit[1], unit[0]]).collect()),
    ] {
        room.write(name, &bytes);
        let expected = |name: &str| [format!("{name}:1 locks.lost"), format!("{name}:2 vault.sealed")];
        assert_eq!(found(&room, &[name], b""), expected(name));
        assert_eq!(found(&room, &["-"], &bytes), expected("stdin"));
        // `classify` keeps the mark where it can; UTF-16 comes out as UTF-8. The object is put into the first line.
        let out = String::from_utf8(run(&room, &["classify", name], b"").out).unwrap();
        assert_eq!(out.starts_with('\u{feff}'), name == "marked.log", "{name}");
        let lines: Vec<&str> = out.trim_start_matches('\u{feff}').split('\n').collect();
        assert!(lines[0].starts_with(r#"{"app":"lock-keeper","msg":"lease expired","fingerpost""#), "{name}: {out}");
        assert!(lines[0].ends_with("}\r") && lines[1].ends_with("}}"), "{name}: {out}");
        assert_eq!(lines[2..], ["é lease\r", ""], "{name}");
    }
}

#[test]
fn classify_unpacks_what_scan_unpacks_and_refuses_the_rest() {
    let room = Room::new("packed");
    let plain = run(&room, &["classify", "-"], LINE.as_bytes()).out;
    assert!(plain.starts_with(br#"{"_line":"unwrap failed","fingerpost""#));
    for (name, bytes) in
        [("a.gz", gzip(LINE)), ("a.zst", zstd(LINE)), ("a.tgz", gzip(tar(&[("a.log", LINE.as_bytes())])))]
    {
        room.write(name, &bytes);
        for (arguments, stdin) in [(["classify", name], [].as_slice()), (["classify", "-"], &bytes)] {
            let ended = run(&room, &arguments, stdin);
            assert_eq!((ended.code, ended.told.as_str()), (0, ""), "{name}");
            assert_eq!(ended.out, plain, "{name}");
        }
    }
    for (name, magic, tool) in
        [("a.bz2", b"BZh91AY".as_slice(), "bzip2 -dc"), ("a.zip", b"PK\x03\x04\x14\0", "unzip -p")]
    {
        room.write(name, magic);
        for verb in ["classify", "scan", "gaps", "backtest"] {
            let ended = run(&room, &[verb, name], b"");
            let remedy = format!("unpack it: {tool} {name} | fingerpost {verb} -\n");
            assert_eq!(ended.code, 2, "{verb} {name}");
            assert!(ended.told.ends_with(&remedy), "{verb} {name}: {}", ended.told);
            assert!(verb != "classify" || ended.out.is_empty());
        }
        let ended = run(&room, &["classify"], magic);
        let remedy = format!("unpack it first: … | {tool} | fingerpost classify -\n");
        assert!(ended.code == 2 && ended.told.ends_with(&remedy), "{}", ended.told);
    }
    // What was packed and is cut off is no good end.
    room.write("half.gz", &gzip(LINE.repeat(50_000))[..100]);
    let ended = run(&room, &["classify", "half.gz"], b"");
    assert_eq!(ended.code, 2);
    assert!(ended.told.contains("while reading `half.gz`"), "{}", ended.told);
}

#[test]
fn files_do_not_run_into_each_other() {
    let room = Room::new("between");
    room.write("a", "one");
    room.write("b", "");
    room.write("c", "two");
    assert_eq!(run(&room, &["classify", "a", "b", "c"], b"").out, b"one\ntwo");
}

#[test]
fn a_tar_is_read_member_by_member() {
    let room = Room::new("tar");
    let deep = format!("must-gather/{}/namespaces/masters/pods/m-1/lock-keeper/lock-keeper/logs", "deep/".repeat(40));
    let (previous, current) = (format!("{deep}/previous.log"), format!("{deep}/current.log"));
    let inner = tar(&[("x.log", LINE.as_bytes())]);
    let packed = gzip("nothing\nunwrap failed");
    let archive = tar(&[
        (&previous, b"connecting to one\n"),
        (&current, b"unwrap failed\nlease expired"),
        ("core", b"\x7fELF\0"),
        ("empty.log", b""),
        ("packed.log.gz", &packed),
        ("inner.tar", &inner),
        ("last.log", b"lease expired\nunwrap failed\n"),
    ]);
    room.write("dump.tar", &archive);
    room.write("dump.tar.gz", gzip(&archive));
    room.write("dump.tgz", gzip(&archive));
    room.write("dump.tar.zst", zstd(&archive));
    room.write("logs/dump.tar", &archive);
    for (arguments, name) in [
        (["dump.tar"].as_slice(), "dump.tar"),
        (&["dump.tar.gz"], "dump.tar.gz"),
        (&["dump.tgz"], "dump.tgz"),
        (&["dump.tar.zst"], "dump.tar.zst"),
        (&["-"], "stdin"),
        (&["-r", "logs"], "logs/dump.tar"),
    ] {
        let (found, ended) = scan(&room, arguments, &archive);
        let expected = [
            format!("{current}:1 vault.sealed one"),
            format!("{current}:2 locks.lost"),
            "packed.log.gz:2 vault.sealed".to_owned(),
            "last.log:2 vault.sealed".to_owned(),
        ];
        assert_eq!(found, expected.map(|found| format!("{name}:{found}")));
        let told = [format!("`{name}:core` is binary"), format!("`{name}:inner.tar` is an archive in an archive")];
        let told: String = told.iter().map(|told| format!("note: {told}: it is skipped\n")).collect();
        assert_eq!((ended.code, ended.told), (0, told), "{name}");
    }
    // As other programs write it.
    room.write("d/a.log", LINE);
    room.write("d/ü.log", LINE);
    symlink("a.log", room.0.join("d/link.log")).unwrap();
    fs::hard_link(room.0.join("d/a.log"), room.0.join("d/hard.log")).unwrap();
    for format in ["v7", "oldgnu", "gnu", "ustar", "posix"] {
        let made = std::process::Command::new("tar")
            .args(["--format", format, "--sort=name", "-cf", "made.tar", "d"])
            .current_dir(&room.0)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "{format}");
        let found = found(&room, &["made.tar"], b"");
        assert_eq!(found, ["made.tar:d/a.log:1 vault.sealed", "made.tar:d/ü.log:1 vault.sealed"], "{format}");
    }
}

/// A header with this size, whatever follows it.
fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn a_tar_that_lies_costs_no_more_than_its_bytes() {
    let room = Room::new("lies");
    let block = |text: &str| [text.as_bytes(), &vec![b'\n'; 512 - text.len()]].concat();
    let line = block(LINE);
    let told = |name: &str, bytes: Vec<u8>| {
        room.write(name, bytes);
        let (found, ended) = scan(&room, &[name], b"");
        (found, ended.code, ended.told)
    };
    // Bytes that are not there.
    for size in [513, 1 << 40, u64::MAX >> 1] {
        let (found, code, words) = told("claims.tar", [header("a.log", b'0', size), line.clone()].concat());
        assert_eq!((found.len(), code), (1, 2), "{size}: {words}");
        assert!(words.contains("`claims.tar:a.log` cannot be read any further"), "{size}: {words}");
        assert_eq!(words.lines().count(), 1, "{size}: {words}");
    }
    // Fewer than are there.
    let (found, code, words) = told("hides.tar", [header("a.log", b'0', 14), line.clone(), line.clone()].concat());
    assert_eq!((found.len(), code), (1, 2));
    assert!(
        words.contains("the archive `hides.tar` is damaged (where a member should begin there is none)"),
        "{words}"
    );
    // Cut off between two members is no damage that could be seen; within a header it is.
    let whole = [header("a.log", b'0', 14), line.clone()].concat();
    assert_eq!(told("ends.tar", whole.clone()).1, 0);
    let (found, code, words) = told("cut.tar", [whole.clone(), header("b.log", b'0', 14)[..200].to_vec()].concat());
    assert_eq!((found.len(), code), (1, 2));
    assert!(words.contains("the archive `cut.tar` is cut off"), "{words}");
    // A name without an end, and a file that is nothing but a hole: 16 EiB of zeros from a block.
    let names = gzip([header("././@LongLink", b'L', 64 << 20), vec![b'x'; 64 << 20], whole.clone()].concat());
    let (found, code, words) = told("names.tgz", names);
    assert_eq!((found.len(), code), (0, 2));
    assert!(words.contains("a member's name takes 67108864 bytes, the limit is 1048576"), "{words}");
    let mut hole = tar::Header::from_byte_slice(&header("hole.log", b'S', 0)).clone();
    hole.as_gnu_mut().unwrap().set_real_size(u64::MAX >> 1);
    hole.set_cksum();
    let (found, code, words) = told("hole.tar", [hole.as_bytes().to_vec(), whole].concat());
    assert_eq!((found.len(), code), (1, 0), "{words}");
    assert!(words.contains("`hole.tar:hole.log` is kept as a sparse file"), "{words}");
}

#[test]
fn a_name_that_others_chose_steers_nothing() {
    let room = Room::new("names");
    let name = "a\u{1b}[2J\nerror: b";
    room.write("made.tar", tar(&[(&format!("{name}.log"), LINE.as_bytes()), (name, b"\0")]));
    room.write(&format!("logs/{name}.log"), LINE);
    room.write(&format!("logs/{name}"), "\0");
    for (arguments, before) in [(["made.tar"].as_slice(), "made.tar:"), (&["-r", "logs"], "logs/")] {
        let (found, ended) = scan(&room, arguments, b"");
        assert_eq!(found, [format!("{before}a·[2J error: b.log:1 vault.sealed")]);
        assert_eq!(ended.told, format!("note: `{before}a·[2J error: b` is binary: it is skipped\n"));
    }
}

/// Somebody writes the second line only when the first was told.
#[test]
fn a_line_of_a_pipe_is_told_at_once() {
    use std::io::{BufRead as _, BufReader};
    let packs = fs::canonicalize("tests/cases/scan/packs").unwrap();
    for verb in ["scan", "classify"] {
        let mut command = program::fingerpost();
        let mut child =
            command.args([verb, "--packs"]).arg(&packs).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..2 {
            stdin.write_all(LINE.as_bytes()).unwrap();
            let told = out.find(|line| line.as_ref().unwrap().contains("vault.sealed"));
            assert!(told.is_some(), "{verb}");
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_file_that_unpacks_to_itself_ends() {
    let room = Room::new("again");
    let twice = gzip(gzip(LINE));
    room.write("twice.gz", &twice);
    let (found, ended) = scan(&room, &["twice.gz"], b"");
    assert_eq!((found.len(), ended.code), (0, 0));
    assert!(ended.told.contains("holds NUL bytes"), "{}", ended.told);
}
