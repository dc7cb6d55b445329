//! From a pack directory (or the packs compiled in) to an engine that may be used: files read, parsed, compiled, and
//! every example proven. Whatever is wrong comes back as diagnostics, all of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{self, Diagnostic, Source};
use crate::engine::{Engine, Settings, examples};
use crate::flow::PacksFrom;
use crate::pack;

/// A pack file may have this many bytes.
const FILE_MAX: u64 = 16 << 20;

/// An engine and what is worth saying about its packs.
#[derive(Debug)]
pub struct Loaded {
    /// Ready for use.
    pub engine: Engine,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// Examples that were run; all hold.
    pub examples: usize,
}

/// Loads packs and proves them.
///
/// # Errors
/// Everything that forbids using them: unreadable files, mistakes in them, examples that do not hold.
pub fn load(from: &PacksFrom, settings: Settings) -> Result<Loaded, Vec<Diagnostic>> {
    let sources = sources(from)?;
    let (packs, problems) = pack::parse(&sources);
    let Some(packs) = packs else { return Err(problems) };
    let engine = Engine::new(packs, settings)
        .map_err(|error| vec![Diagnostic::error("P026", format!("the phrases do not fit one automaton: {error}"))])?;
    let proof = examples::prove(&engine);
    if !proof.failures.is_empty() {
        let mut all = problems;
        all.extend(proof.failures);
        diagnostic::sort(&mut all);
        return Err(all);
    }
    Ok(Loaded { engine, warnings: problems, examples: proof.run })
}

/// Reads the files.
///
/// # Errors
/// A directory or file that cannot be read, is too large or is no UTF-8; a directory without any pack.
pub fn sources(from: &PacksFrom) -> Result<Vec<Arc<Source>>, Vec<Diagnostic>> {
    match from {
        PacksFrom::Builtin => Ok(pack::builtin()),
        PacksFrom::Directory(directory) => read_directory(directory),
    }
}

fn read_directory(directory: &Path) -> Result<Vec<Arc<Source>>, Vec<Diagnostic>> {
    let cannot = |error: &std::io::Error| {
        let message = format!("the pack directory `{}` cannot be read: {error}", directory.display());
        vec![Diagnostic::error("P027", message).help("name a directory that holds the packs as `*.toml` files")]
    };
    let entries = fs::read_dir(directory).map_err(|error| cannot(&error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot(&error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|extension| extension == "toml") && !hidden {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let message = format!("there is no pack in `{}`", directory.display());
        return Err(vec![
            Diagnostic::error("P027", message)
                .help("a pack is a `*.toml` file in that directory (not in a folder below it)"),
        ]);
    }
    paths.sort();
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match read_file(&path) {
            Ok(source) => sources.push(Arc::new(source)),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

fn read_file(path: &Path) -> Result<Source, Box<Diagnostic>> {
    let name = path.display().to_string();
    let cannot = |why: String, help: &str| {
        Box::new(Diagnostic::error("P028", format!("the pack `{name}` cannot be read: {why}")).help(help))
    };
    let readable = "make it a file that this user may read";
    let size = fs::metadata(path).map_err(|error| cannot(error.to_string(), readable))?.len();
    if size > FILE_MAX {
        return Err(cannot(format!("it has {size} bytes, the limit is {FILE_MAX}"), "split it into several packs"));
    }
    let bytes = fs::read(path).map_err(|error| cannot(error.to_string(), readable))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { name, text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(cannot(format!("line {line} is not UTF-8 (byte {at})"), "save the file as UTF-8"))
        }
    }
}
