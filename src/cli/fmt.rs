//! `fingerpost fmt`: lays pack files out in one way, in place; `--check` only says which are not.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use super::arguments::FmtArguments;
use super::{Exit, packs, print, print_exactly, show};
use crate::diagnostic::Source;
use crate::files::TEXT_MAX;
use crate::pack::fmt::format;

/// The verb.
///
/// # Errors
/// When a file or stdin cannot be read, or a file not written.
pub fn run(arguments: &FmtArguments) -> Result<Exit> {
    let mut exit = Exit::Fine;
    for path in &arguments.packs {
        if path.as_os_str() == "-" {
            exit = worse(exit, stdin(arguments.check)?);
            continue;
        }
        for file in files(path)? {
            exit = worse(exit, one(&file, arguments.check)?);
        }
    }
    Ok(exit)
}

fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Fine { b } else { a }
}

/// The file itself, or the packs of a directory.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let names = packs::names(path).with_context(|| format!("`{}` cannot be listed", path.display()))?;
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

fn stdin(check: bool) -> Result<Exit> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("stdin cannot be read as UTF-8")?;
    let source = Arc::new(Source { name: "stdin".to_owned(), text });
    match format(&source) {
        Err(problems) => {
            show(&problems);
            Ok(Exit::Findings)
        }
        Ok(laid_out) if check => differs(&source, &laid_out),
        Ok(laid_out) => print_exactly(&laid_out).map(|()| Exit::Fine),
    }
}

fn one(path: &Path, check: bool) -> Result<Exit> {
    let source = packs::read_text(path, TEXT_MAX)
        .map_err(|why| anyhow!("`{}` cannot be read as UTF-8 text: {why}", path.display()))?;
    let source = Arc::new(source);
    match format(&source) {
        Err(problems) => {
            show(&problems);
            Ok(Exit::Findings)
        }
        Ok(laid_out) if check => differs(&source, &laid_out),
        Ok(laid_out) => {
            if laid_out != source.text {
                replace(path, &laid_out)?;
                print(&format!("laid out {}\n", source.name))?;
            }
            Ok(Exit::Fine)
        }
    }
}

/// Written beside the file and put in its place, so that a daemon that watches never sees half of it.
fn replace(path: &Path, text: &str) -> Result<()> {
    // The file itself, when the path is a link to it.
    let path = fs::canonicalize(path)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".fmt");
    let beside = path.with_file_name(name);
    let written = fs::write(&beside, text)
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(&path)?.permissions()))
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("`{}` cannot be written", path.display()))
}

fn differs(source: &Source, laid_out: &str) -> Result<Exit> {
    if laid_out == source.text {
        return Ok(Exit::Fine);
    }
    let same = source.text.lines().zip(laid_out.lines()).take_while(|(a, b)| a == b).count();
    print(&format!("{}:{}: is not laid out as `fingerpost fmt` does\n", source.name, same + 1))?;
    Ok(Exit::Findings)
}
