//! What others put into lines, names and directories, and what it must not do: steer a terminal, make a verb wait, take its
//! memory, or show what was not meant to be shown. And an output that cannot be written is told as that.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fingerpost::sanitize::steers;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::program;
use crate::stage::eventually;

/// Clears the screen, makes a link, turns the direction of writing, is not seen, and C1's one byte for `ESC [`.
const HOSTILE: &str = "me\u{1b}[2J\u{1b}]8;;http://x\u{7}\u{202e}\u{200b}\u{9b}31m";

/// Nothing here takes longer, unless it waits for somebody.
const PATIENCE: Duration = Duration::from_secs(60);

const PACK: &str = r#"
[pack]
link = "/disk.html"
[sections]
full = "Disk full"
[capture]
user = "string"
[[rule]]
id = "disk.full"
title = "A disk is full"
any = ["no space left on device"]
severity = "critical"
section = "full"
match = ['{"msg":"no space left on device user=me"}']
no_match = ['{"msg":"space left"}']
get = [{ name = "user", re = 'user=([^ ]+)' }]
"#;

/// A directory of its own, with a pack in `packs`; gone at the end.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("packs")).unwrap();
        let room = Self(path);
        room.write("packs/disk.toml", PACK);
        room
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn pipe(&self, name: &str) {
        mkfifo(&self.0.join(name), Mode::S_IRWXU).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.finish(program::fingerpost().args(arguments), arguments)
    }

    /// With so many kilobytes of memory to be had, used or not.
    fn run_within(&self, kilobytes: usize, arguments: &[&str]) -> Output {
        let program = program::fingerpost();
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &kilobytes.to_string()]);
        self.finish(shell.arg(program.get_program()).args(arguments), arguments)
    }

    fn finish(&self, command: &mut Command, arguments: &[&str]) -> Output {
        let [out, err] = ["out", "err"].map(|name| self.0.join(name));
        let child = command
            .current_dir(&self.0)
            .env("COLUMNS", "100")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn();
        let mut running = Running(child.unwrap());
        let status = eventually(&format!("an end of {arguments:?}"), PATIENCE, || running.0.try_wait().unwrap());
        Output { status, stdout: fs::read(out).unwrap(), stderr: fs::read(err).unwrap() }
    }
}

/// Does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What was printed, our own colours taken out.
fn plain(bytes: &[u8]) -> String {
    let mut text = String::from_utf8(bytes.to_vec()).unwrap();
    while let Some(at) = text.find("\u{1b}[") {
        let length = text[at + 2..].find(|c: char| !c.is_ascii_digit() && c != ';').unwrap();
        assert_eq!(&text[at + 2 + length..][..1], "m", "no colour: {:?}", &text[at..]);
        text.replace_range(at..at + length + 3, "");
    }
    text
}

fn assert_tame(what: &str, output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let text = plain(stream);
        let wild: Vec<char> = text.chars().filter(|c| steers(*c) && *c != '\n').collect();
        assert!(wild.is_empty(), "{what} lets {wild:?} out:\n{text}");
    }
}

#[test]
fn nothing_that_a_log_says_steers_a_terminal() {
    let room = Room::new("terminal");
    let name = format!("a{HOSTILE}.log").replace('/', "");
    let line = format!("no space left on device user={HOSTILE} failed\n");
    let unclaimed = format!("{}\n", serde_json::json!({ "level": "error", "msg": format!("cannot open {HOSTILE}") }));
    fs::write(room.0.join(&name), line.clone() + &unclaimed).unwrap();
    let found = |arguments: &[&str]| {
        let output = room.run(&[&["--color", "always"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_tame(&arguments.join(" "), &output);
        String::from_utf8(output.stdout).unwrap()
    };
    for format in ["text", "json", "markdown", "slack"] {
        let told = found(&["scan", "--packs", "packs", "--format", format, &name]);
        assert!(told.contains("disk.full") && told.contains("user=me"), "{told}");
    }
    for format in ["text", "json"] {
        assert!(found(&["explain", "--packs", "packs", "--format", format, line.trim_end()]).contains("disk.full"));
        assert!(found(&["backtest", "--packs", "packs", "--format", format, &name]).contains("disk.full"));
        assert!(found(&["gaps", "--packs", "packs", "--format", format, &name]).contains("cannot open"));
    }
    assert!(found(&["backtest", "--packs", "packs", "--format", "junit", &name]).contains("disk.full"));
}

#[test]
fn programs_read_what_the_log_says() {
    let room = Room::new("programs");
    let line = format!("no space left on device user={HOSTILE}");
    let path = room.write("a.log", &format!("{line}\n"));
    let output = room.run(&["scan", "--packs", "packs", "--format", "json", path.to_str().unwrap()]);
    let finding: Value = serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(finding["text"], line.as_str());
    // A colour code is no text, and captures lose their other control characters; marks that are none stay, and are not shown.
    assert_eq!(finding["fingerpost"]["user"], "me]8;;http://x\u{202e}\u{200b}31m");
    let output = room.run(&["classify", "--packs", "packs", path.to_str().unwrap()]);
    let tagged: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tagged["_line"], line.as_str());
}

#[test]
fn nothing_in_a_file_steers_a_terminal_that_hears_what_is_wrong_with_it() {
    let room = Room::new("diagnostics");
    room.write(
        "packs/disk.toml",
        &PACK.replace("severity = \"critical\"", "severity = \"\u{202e}\u{9b}loud\"\nodd\u{1b}[2J = 1"),
    );
    room.write("fingerpost.toml", "[kafka]\nsecurity_protocol = \"\\u001b[2J\u{202e}\"\n# \u{200b}\n\"\\u009b\" = 1\n");
    for arguments in [
        &["check", "packs"][..],
        &["check", "packs", "--format", "json"],
        &["check", "packs", "--format", "junit"],
        &["config", "show", "-c", "fingerpost.toml"],
        &["config", "show", "--json", "-c", "fingerpost.toml"],
        &["scan", "no\u{1b}[2J\u{202e}file"],
        &["classify", "no\u{1b}[2J\u{202e}file"],
        &["fmt", "no\u{1b}[2J\u{202e}file"],
        &["scan", "--packs", "no\u{1b}[2J\u{202e}file"],
    ] {
        let output = room.run(&[&["--color", "always"], arguments].concat());
        assert_ne!(output.stdout.len() + output.stderr.len(), 0);
        assert_tame(&arguments.join(" "), &output);
    }
}

#[test]
fn packs_runbooks_and_configuration_are_files_and_nothing_else() {
    let room = Room::new("files");
    let told = |arguments: &[&str]| {
        let output = room.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    room.pipe("packs/pipe.toml");
    symlink("/dev/zero", room.0.join("packs/zero.toml")).unwrap();
    fs::create_dir(room.0.join("packs/folder.toml")).unwrap();
    let (code, text) = told(&["check", "packs"]);
    assert_eq!(code, Some(1), "{text}");
    for (name, what) in [("pipe", "a pipe"), ("zero", "a device"), ("folder", "a directory")] {
        let sentence = format!("the pack `packs/{name}.toml` cannot be read: it is {what}, and must be a regular file");
        assert!(text.contains(&sentence), "{text}");
    }
    assert_eq!(told(&["fmt", "--check", "packs/pipe.toml"]).0, Some(2));
    assert_eq!(told(&["extract", "packs/pipe.toml"]).0, Some(2));

    room.pipe("pipe");
    for name in ["pipe", "/dev/zero", "packs"] {
        let (code, text) = told(&["config", "show", "-c", name]);
        assert!(code == Some(78) && text.contains("must be a regular file"), "{text}");
        let set = format!("kafka.sasl_password_file={name}");
        let arguments = ["config", "show", "--set", "kafka.security_protocol=sasl_ssl", "--set", &set];
        assert!(told(&arguments).1.contains("must be a regular file"), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_that_was_typed_steers_a_terminal() {
    let room = Room::new("typed");
    // In a colour that is none of ours.
    let coloured = format!("\u{1b}[35m{HOSTILE}");
    let file = coloured.replace('/', "");
    for arguments in [
        &["--color", "always", &coloured][..],
        &["--color", "always", "scan", &format!("--{coloured}")],
        &["--color", "always", "scan", "--format", &coloured, "x"],
        &["--color", "always", "scan", &file],
        &["--color", "always", "check", &file],
        &["--color", "always", "config", "show", "-c", &file],
        &["--color", "always", "config", "show", "--set", &coloured],
        &["--color", "always", "config", "show", "--set", &format!("{coloured}=1")],
        &["--color", &coloured, "scan"],
    ] {
        let output = room.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
        assert_tame(&format!("{arguments:?}"), &output);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!told.contains("\u{1b}[35m"), "a colour of somebody else: {told:?}");
    }
    let help = room.run(&["scan", "--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("Usage: fingerpost scan"));
}

/// Whoever forgets the `=` has typed the secret all the same.
#[test]
fn a_value_that_is_no_setting_is_not_repeated() {
    let room = Room::new("setting");
    let output = room.run(&["config", "show", "--set", "kafka.sasl_password:hunter2"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--set") && told.contains("KEY=VALUE") && !told.contains("hunter2"), "{told}");
}

/// A file of nothing but mistakes: each is told of in some hundred bytes, so only the first are.
#[test]
fn memory_does_not_grow_with_mistakes() {
    let room = Room::new("mistakes");
    for unit in ["=", "\r", "[", "\"", "#\0", "{", "a.", "\0", "a=1\n", "[a]\n", "é", "\\"] {
        for bytes in [2_000_000, 12_000_000] {
            let text = unit.repeat(bytes / unit.len());
            room.write("packs/disk.toml", &text);
            room.write("fingerpost.toml", &text);
            for arguments in [&["check", "packs"][..], &["config", "show", "-c", "fingerpost.toml"]] {
                let output = room.run_within(700 << 10, arguments);
                assert!(matches!(output.status.code(), Some(1 | 78)), "{unit:?} {arguments:?}: {:?}", output.status);
                assert!(output.stdout.len() + output.stderr.len() < 4 << 20, "{unit:?} {arguments:?}");
            }
        }
    }
}

#[test]
fn a_link_out_of_the_directory_shows_nothing_of_what_it_leads_to() {
    let room = Room::new("links");
    // A neighbour's, and in another mount; no TOML, which a complaint about it would quote.
    room.write("neighbour.toml", "Linux");
    for target in ["../neighbour.toml", "/proc/version"] {
        let _ = fs::remove_file(room.0.join("packs/version.toml"));
        symlink(target, room.0.join("packs/version.toml")).unwrap();
        let output = room.run(&["check", "packs"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("a link leads out of the directory"), "{text}");
        assert!(!text.contains("Linux"), "{text}");
    }

    fs::remove_file(room.0.join("packs/version.toml")).unwrap();
    fs::create_dir(room.0.join("runbooks")).unwrap();
    symlink("/proc/version", room.0.join("runbooks/disk.md")).unwrap();
    for name in ["disk.md", "../fingerpost.toml", "/proc/version"] {
        room.write("fingerpost.toml", "Linux");
        room.write("packs/disk.toml", &PACK.replace("[pack]\n", &format!("[pack]\nrunbook = \"{name}\"\n")));
        let output = room.run(&["check", "packs", "--runbooks", "runbooks"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("lead") && text.contains("out of the directory") && !text.contains("Linux"),
            "{name}: {text}"
        );
    }
}

#[test]
fn thousands_of_unknown_keys_are_told_without_an_end_to_it() {
    let room = Room::new("unknown");
    let keys = |separator: &str| (0..50_000).map(|n| format!("colour_{n} = 1")).collect::<Vec<_>>().join(separator);
    // Each on a line of its own, and all on one.
    for file in [format!("{}\n{PACK}", keys("\n")), format!("context = [{{ {} }}]\n{PACK}", keys(", "))] {
        room.write("packs/disk.toml", &file);
        for format in ["text", "json", "junit"] {
            let output = room.run(&["check", "packs", "--format", format]);
            assert_eq!(output.status.code(), Some(1));
            assert!(output.stdout.len() < 4 << 20, "{} bytes", output.stdout.len());
        }
    }
    let many: String = (0..3000).map(|n| format!("colour_{n} = 1\n")).collect();
    room.write("packs/disk.toml", &PACK.replace("[[rule]]\n", &format!("[[rule]]\n{many}")));
    let text = String::from_utf8(room.run(&["check", "packs"]).stdout).unwrap();
    assert!(text.contains("unknown key `colour_0`") && text.contains("2000 more of these"), "{}", text.len());
    room.write("fingerpost.toml", &format!("[kafka]\n{}", keys("\n")));
    let output = room.run(&["config", "show", "-c", "fingerpost.toml"]);
    assert!(output.status.code() == Some(78) && output.stderr.len() < 4 << 20);
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_told_as_that() {
    let room = Room::new("full");
    room.write("a.log", "no space left on device\n");
    room.write("odd.toml", "[pack]\nlink='/disk.html'\n");
    room.write("disk.md", "# Disk\n\n## Full\n\n`no space left on device`\n");
    for arguments in [
        &["classify", "--packs", "packs", "a.log"][..],
        &["scan", "--packs", "packs", "a.log"],
        &["scan", "--packs", "packs", "--format", "json", "a.log"],
        &["scan", "--packs", "packs", "--format", "slack", "a.log"],
        &["explain", "--packs", "packs", "no space left on device"],
        &["check", "packs"],
        &["check", "packs", "--format", "json"],
        &["check", "--list"],
        &["backtest", "--packs", "packs", "a.log"],
        &["backtest", "--packs", "packs", "--format", "junit", "a.log"],
        &["gaps", "--packs", "packs", "a.log"],
        &["gaps", "--packs", "packs", "--format", "draft", "a.log"],
        &["fmt", "--check", "odd.toml"],
        &["fmt", "-"],
        &["extract", "disk.md"],
        &["config", "keys"],
        &["config", "show", "--json"],
        &["schema", "config"],
        &["completions", "bash"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let stdin = fs::File::open(room.0.join("odd.toml")).unwrap();
        let output =
            program::fingerpost().args(arguments).current_dir(&room.0).stdin(stdin).stdout(full).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("the output cannot be written: No space left on device"), "{arguments:?}: {told}");
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {told}");
        assert!(!told.contains("reading"), "{arguments:?}: {told}");
    }
}
