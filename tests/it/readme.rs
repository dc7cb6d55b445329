//! The README cannot lie: every ```console block in it is run, in a directory that holds what the README names, and must
//! print what stands there. `[..]` stands for any text of one line.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{self, unset};

/// Blocks of a Markdown text between ```console and ```.
fn transcripts(text: &str) -> Vec<String> {
    text.split("```console\n").skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

/// The commands of a transcript, each with what it prints.
fn commands(transcript: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in transcript.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("a transcript begins with `$ `: {line}"),
        }
    }
    commands
}

fn run(command: &str, directory: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_fingerpost")).parent().unwrap().to_owned();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let output = unset(&mut Command::new("sh"))
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// Three thousand lines of which most are about nothing, some look like a match and a few are one.
fn app_log() -> String {
    let line = |n: usize| match n % 200 {
        0 => format!(r#"{{"app":"storage","n":{n},"msg":"no space left on device"}}"#),
        1..=20 => format!(r#"{{"app":"network","n":{n},"msg":"no space left on device"}}"#),
        _ => format!(r#"{{"app":"storage","n":{n},"msg":"written in {:04} microseconds"}}"#, n * 7 % 1000),
    };
    (1000..4000).map(|n| line(n) + "\n").collect()
}

#[test]
fn transcripts_are_true() {
    let directory = std::env::temp_dir().join(format!("fingerpost-readme-{}", std::process::id()));
    fs::create_dir_all(directory.join("runbooks")).unwrap();
    fs::copy("tests/cases/readme/runbooks/volumes.md", directory.join("runbooks/volumes.md")).unwrap();
    fs::create_dir_all(directory.join("my-packs")).unwrap();
    fs::copy("tests/cases/readme/my-packs/storage.toml", directory.join("my-packs/storage.toml")).unwrap();
    fs::create_dir_all(directory.join("broken")).unwrap();
    fs::copy("tests/cases/readme/broken/storage.toml", directory.join("broken/storage.toml")).unwrap();
    fs::copy("tests/cases/readme/master-info.txt", directory.join("master-info.txt")).unwrap();
    fs::copy("tests/cases/gaps/lines.log", directory.join("errors.log")).unwrap();
    fs::write(directory.join("app.log"), app_log()).unwrap();
    let readme = fs::read_to_string("README.md").unwrap();
    let mut run_any = 0;
    for transcript in transcripts(&readme) {
        for (command, expected) in commands(&transcript) {
            let printed = run(&command, &directory);
            snapbox::assert_data_eq!(printed, expected);
            run_any += 1;
        }
    }
    fs::remove_dir_all(&directory).unwrap();
    assert!(run_any >= 4, "only {run_any} commands in the README");
}

#[test]
fn the_demo_shows_every_rule() {
    let output = program::fingerpost().args(["demo", "--for", "10s", "--assert"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("every rule was seen on the output"), "{printed}");
    // "294 lines in, 294 out, 49 tagged, the first after 0.7 s; …"
    let end = printed.lines().rev().find(|line| line.contains(" lines in, ")).unwrap();
    let counts: Vec<u64> = end.split([' ', ',']).filter_map(|word| word.parse().ok()).take(3).collect();
    assert!(counts[0] > 100 && counts[0] == counts[1] && counts[2] < counts[0], "{end}");
}
