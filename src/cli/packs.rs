//! From a pack directory (or the packs compiled in) to an engine that may be used: files read, parsed, compiled, and
//! every example and every alert's sequence proven. Whatever is wrong comes back as diagnostics, all of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::alert::sequence;
use crate::diagnostic::{self, Diagnostic, Source};
use crate::engine::{Engine, Settings, examples};
use crate::flow::PacksFrom;
use crate::pack;

/// A pack file may have this many bytes.
const FILE_MAX: u64 = 16 << 20;
/// A directory that is another each time it is read is given up after so many times.
const READINGS_MAX: usize = 20;

/// An engine and what is worth saying about its packs.
#[derive(Debug)]
pub struct Loaded {
    /// Ready for use.
    pub engine: Engine,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// Examples that were run; all hold.
    pub examples: usize,
    /// Sequences of alerts that were run; all hold.
    pub sequences: usize,
}

/// Loads packs and proves them.
///
/// # Errors
/// Everything that forbids using them: unreadable files, mistakes in them, examples or sequences that do not hold.
pub fn load(from: &PacksFrom, settings: Settings) -> Result<Loaded, Vec<Diagnostic>> {
    compile(&sources(from)?, settings)
}

/// Makes an engine of these files, and proves it.
///
/// # Errors
/// Mistakes in them, examples or sequences that do not hold.
pub fn compile(sources: &[Arc<Source>], settings: Settings) -> Result<Loaded, Vec<Diagnostic>> {
    let (packs, problems) = pack::parse(sources);
    let Some(packs) = packs else { return Err(problems) };
    let engine = Engine::new(packs, settings)
        .map_err(|error| vec![Diagnostic::error("P026", format!("the phrases do not fit one automaton: {error}"))])?;
    let (failures, proof) = proven(&engine);
    if !failures.is_empty() {
        let mut all = problems;
        all.extend(failures);
        diagnostic::sort(&mut all);
        return Err(all);
    }
    Ok(Loaded { engine, warnings: problems, examples: proof.examples, sequences: proof.sequences })
}

/// How much packs prove themselves by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// Examples that were run.
    pub examples: usize,
    /// Sequences of alerts that were run.
    pub sequences: usize,
}

/// Runs all that packs prove themselves by: what does not hold, and how much was run.
pub(super) fn proven(engine: &Engine) -> (Vec<Diagnostic>, Proof) {
    let (of_examples, of_sequences) = (examples::prove(engine), sequence::prove(engine));
    let failures = of_examples.failures.into_iter().chain(of_sequences.failures).collect();
    (fails_anyhow(engine, failures), Proof { examples: of_examples.run, sequences: of_sequences.run })
}

/// The failures that are not the settings' doing. Examples come in many shapes, and the configuration may say that lines
/// come in one, or set a limit that an example crosses: what holds with the default settings is proof enough.
fn fails_anyhow(engine: &Engine, failures: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if failures.is_empty() {
        return failures;
    }
    let prove = |engine: &Engine| [examples::prove(engine).failures, sequence::prove(engine).failures].concat();
    let by_default = Engine::new(engine.packs().clone(), Settings::default()).map(|engine| prove(&engine));
    let place = |failure: &Diagnostic| failure.place.as_ref().map(|(source, span)| (source.name.clone(), span.clone()));
    match by_default {
        Ok(others) => {
            failures.into_iter().filter(|failure| others.iter().any(|other| place(other) == place(failure))).collect()
        }
        Err(_) => failures,
    }
}

/// Reads the files as they stood together at one moment: two readings in a row must agree, so that a directory that is
/// being replaced is never taken half old and half new.
///
/// # Errors
/// A directory or file that cannot be read, is too large or is no UTF-8; a directory without any pack, or one that does
/// not come to rest.
pub fn sources(from: &PacksFrom) -> Result<Vec<Arc<Source>>, Vec<Diagnostic>> {
    match from {
        PacksFrom::Builtin => Ok(pack::builtin()),
        PacksFrom::Directory(directory) => at_one_moment(|| read_directory(directory)).unwrap_or_else(|| {
            let message = format!("the packs in `{}` change while they are read", directory.display());
            Err(vec![
                Diagnostic::error("P030", message).help("write them elsewhere and rename the directory when done"),
            ])
        }),
    }
}

/// What `read` gives twice in a row: both readings were made of what stood there between them.
fn at_one_moment<T: PartialEq>(mut read: impl FnMut() -> T) -> Option<T> {
    let mut before = read();
    for _ in 1..READINGS_MAX {
        let again = read();
        if again == before {
            return Some(again);
        }
        before = again;
    }
    None
}

fn read_directory(directory: &Path) -> Result<Vec<Arc<Source>>, Vec<Diagnostic>> {
    let cannot = |error: &std::io::Error| {
        let message = format!("the pack directory `{}` cannot be read: {error}", directory.display());
        vec![Diagnostic::error("P027", message).help("name a directory that holds the packs as `*.toml` files")]
    };
    let paths = files(directory).map_err(|error| cannot(&error))?;
    if paths.is_empty() {
        let message = format!("there is no pack in `{}`", directory.display());
        return Err(vec![
            Diagnostic::error("P027", message)
                .help("a pack is a `*.toml` file in that directory (not in a folder below it)"),
        ]);
    }
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match read_file(&path) {
            Ok(source) => sources.push(Arc::new(source)),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

/// The packs of a directory, in order of their names: `*.toml`, none that are hidden, none in folders below it.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|extension| extension == "toml") && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
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
        // Nobody means an empty pack: this one is still to be written, or was lost.
        Ok(text) if text.trim().is_empty() => {
            Err(cannot("it is empty".to_owned(), "write the pack, or remove the file"))
        }
        Ok(text) => Ok(Source { name, text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(cannot(format!("line {line} is not UTF-8 (byte {at})"), "save the file as UTF-8"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Limits, Shape};

    #[test]
    fn a_reading_counts_when_the_next_one_agrees() {
        let mut answers = [Err("gone"), Ok(1), Ok(2), Ok(2), Ok(3)].into_iter();
        assert_eq!(at_one_moment(|| answers.next().unwrap()), Some(Ok(2)));
        let mut never = 0;
        let restless = || {
            never += 1;
            never
        };
        assert_eq!(at_one_moment(restless), None);
        assert_eq!(never, READINGS_MAX);
    }

    #[test]
    fn the_shipped_packs_load_with_any_shape_and_tight_limits() {
        for name in Shape::NAMES {
            let shape: Shape = name.parse().expect("a shape");
            let settings = Settings { shape, fields: shape.fields(), ..Settings::default() };
            assert!(load(&PacksFrom::Builtin, settings).is_ok(), "{name}");
        }
        let limits = Limits { payload: 64, nesting: 1, hits: 1, capture: 16, sources: 1, header: 256 };
        assert!(load(&PacksFrom::Builtin, Settings { limits, ..Settings::default() }).is_ok());
    }
}
