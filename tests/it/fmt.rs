//! `fmt`: whatever a pack looks like, it is laid out in one way, says the same, and keeps every comment.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use fingerpost::diagnostic::{Source, draw};
use fingerpost::document;
use fingerpost::pack::fmt::format;
use toml::de::DeTable;

use crate::program;

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source { name: "a.toml".into(), text: text.into() })
}

/// What the text says.
fn meaning(text: &str) -> Option<serde_json::Value> {
    DeTable::parse(text).ok().map(|table| document::json(table.get_ref()))
}

/// Comments, found by the plainest reading that is right for texts without `#` in their strings.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| Some(line[line.find('#')?..].trim_end())).collect()
}

#[test]
fn a_messy_pack_is_laid_out_and_every_comment_stays() {
    let messy = fs::read_to_string("tests/cases/fmt/messy.toml").unwrap();
    let laid_out = format(&source(&messy)).unwrap();
    let expected = Path::new("tests/cases/fmt/messy.out.toml");
    let expected = snapbox::Data::read_from(expected, Some(snapbox::data::DataFormat::Text));
    snapbox::assert_data_eq!(laid_out.as_str(), expected.raw());
    assert_eq!(meaning(&laid_out), meaning(&messy));
    assert_eq!(comments(&laid_out), comments(&messy));
    assert_eq!(format(&source(&laid_out)).unwrap(), laid_out);
}

#[test]
fn the_shipped_packs_are_laid_out_so() {
    for pack in fingerpost::pack::builtin() {
        assert_eq!(format(&pack).unwrap(), pack.text, "{}", pack.name);
    }
}

/// Spoils the layout of a text at random lines; where a line is a part of a text, what it says as well.
fn spoilt(rng: &mut fastrand::Rng, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..rng.usize(1..60) {
        let at = rng.usize(..lines.len());
        let line = &mut lines[at];
        match rng.u8(..8) {
            0 => line.insert_str(0, "    "),
            1 => line.insert(0, '\t'),
            2 => *line = line.trim_start().to_owned(),
            3 => line.push_str("  \t"),
            4 => line.push_str("# aside"),
            5 => *line = line.replacen(" = ", rng.choice(["=", "  =  ", " =", "\t= "]).unwrap_or_default(), 1),
            6 => *line = line.replacen(", ", rng.choice([",", " ,  ", "  ,"]).unwrap_or_default(), 1),
            _ => lines.insert(at, rng.choice(["", "  ", "# above", "\t# aside"]).unwrap_or_default().to_owned()),
        }
    }
    lines.join(rng.choice(["\n", "\r\n"]).unwrap_or_default())
}

#[test]
fn no_layout_changes_what_a_pack_says() {
    let packs = fingerpost::pack::builtin();
    let (mut valid, mut refused) = (0, 0);
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let pack = &packs[rng.usize(..packs.len())];
        let text = spoilt(&mut rng, &pack.text);
        let before = meaning(&text);
        match format(&source(&text)) {
            Ok(laid_out) => {
                assert!(before.is_some(), "seed {seed}: not TOML, and laid out");
                assert_eq!(meaning(&laid_out), before, "seed {seed}");
                assert_eq!(format(&source(&laid_out)).unwrap(), laid_out, "seed {seed}");
                valid += 1;
            }
            Err(problems) if problems[0].code == "P051" => refused += 1,
            Err(problems) => {
                assert!(before.is_none() && !problems.is_empty(), "seed {seed}: {}", draw(&problems, false))
            }
        }
    }
    assert!(valid > 50, "only {valid} texts were valid TOML");
    assert!(refused * 20 < valid, "{refused} of {valid} valid texts were refused");
}

fn fmt(directory: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = program::fingerpost()
        .arg("fmt")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("fingerpost-fmt-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn check_names_the_files_and_changes_none_of_them() {
    let directory = directory("check");
    let messy = fs::read_to_string("tests/cases/fmt/messy.toml").unwrap();
    fs::write(directory.join("messy.toml"), &messy).unwrap();
    fs::write(directory.join("tidy.toml"), "[sections]\n").unwrap();

    let output = fmt(&directory, &["--check", "."], "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), printed.lines().count()), (Some(1), 1), "{printed}");
    assert!(printed.contains("messy.toml:2: "), "{printed}");
    assert_eq!(fs::read_to_string(directory.join("messy.toml")).unwrap(), messy);

    let output = fmt(&directory, &["."], "");
    assert_eq!(output.status.code(), Some(0));
    let expected = fs::read_to_string("tests/cases/fmt/messy.out.toml").unwrap();
    assert_eq!(fs::read_to_string(directory.join("messy.toml")).unwrap(), expected);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing is left beside them");
    assert_eq!(fmt(&directory, &["--check", "."], "").status.code(), Some(0));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn what_is_no_toml_stays_as_it_is() {
    let directory = directory("broken");
    fs::write(directory.join("broken.toml"), "[pack\nlink=1\n").unwrap();
    let output = fmt(&directory, &["broken.toml"], "");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("error[P001]") && complaint.contains("broken.toml:1"), "{complaint}");
    assert_eq!(fs::read_to_string(directory.join("broken.toml")).unwrap(), "[pack\nlink=1\n");
    let output = fmt(&directory, &["-"], "[pack]\nlink='/a.html'\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "[pack]\nlink = '/a.html'\n");
    fs::remove_dir_all(&directory).unwrap();
}
