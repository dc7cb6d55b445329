//! From a pack directory (or the packs compiled in) to an engine that may be used: files read, parsed, compiled, and
//! every example and every alert's sequence proven. Whatever is wrong comes back as diagnostics, all of it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::alert::sequence;
use crate::diagnostic::{self, Diagnostic, Source};
use crate::engine::{Engine, Settings, examples};
use crate::files::{self, TEXT_MAX};
use crate::flow::PacksFrom;
use crate::pack;

/// All packs of a directory together may have this many bytes.
const DIRECTORY_MAX: usize = 64 << 20;
/// A directory that is another each time it is read is given up after so many times.
const READINGS_MAX: usize = 20;
/// Bytes of a file that are digested at a time.
const PIECE: usize = 64 << 10;

/// An engine and what is worth saying about its packs.
#[derive(Debug)]
pub struct Loaded {
    /// Ready for use.
    pub engine: Engine,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// What was run; all of it holds.
    pub run: Run,
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
    let proof = proven(&engine);
    if !proof.failures.is_empty() {
        let mut all = problems;
        all.extend(proof.failures);
        diagnostic::sort(&mut all);
        return Err(all);
    }
    Ok(Loaded { engine, warnings: problems, run: proof.run })
}

/// What packs prove themselves by, run.
pub(crate) struct Proven {
    /// What does not hold.
    pub(crate) failures: Vec<Diagnostic>,
    pub(crate) run: Run,
}

/// How much was run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// Of rules.
    pub examples: usize,
    /// Of alerts.
    pub sequences: usize,
}

/// Runs all that packs prove themselves by.
pub(crate) fn proven(engine: &Engine) -> Proven {
    let (of_examples, of_sequences) = (examples::prove(engine), sequence::prove(engine));
    let failures = of_examples.failures.into_iter().chain(of_sequences.failures).collect();
    let run = Run { examples: of_examples.run, sequences: of_sequences.run };
    Proven { failures: fails_anyhow(engine, failures), run }
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

/// What [`pack::digest`] tells of these packs, without holding more than a piece of them; nothing when they cannot be read.
/// Files that are being replaced may give the digest of none that ever stood together.
#[must_use]
pub fn digest(from: &PacksFrom) -> Option<String> {
    match from {
        PacksFrom::Builtin => Some(pack::digest(&pack::builtin())),
        PacksFrom::Directory(directory) => digest_directory(directory).ok(),
    }
}

fn digest_directory(directory: &Path) -> std::io::Result<String> {
    let named = |name: PathBuf| (pack::pack_name(&directory.join(&name).display().to_string()).to_owned(), name);
    let mut packs: Vec<(String, PathBuf)> = names(directory)?.into_iter().map(named).collect();
    packs.sort_unstable();
    let (mut digesting, mut piece) = (pack::Digesting::default(), vec![0; PIECE]);
    for (pack, name) in packs {
        digesting.begin(&pack);
        let mut file = files::open_inside(directory, &name)?.take(TEXT_MAX + 1);
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => digesting.piece(&piece[..read]),
            }
        }
        digesting.end();
    }
    Ok(digesting.digest())
}

fn read_directory(directory: &Path) -> Result<Vec<Arc<Source>>, Vec<Diagnostic>> {
    let cannot = |error: &std::io::Error| {
        let message = format!("the pack directory `{}` cannot be read: {error}", directory.display());
        vec![Diagnostic::error("P027", message).help("name a directory that holds the packs as `*.toml` files")]
    };
    let names = names(directory).map_err(|error| cannot(&error))?;
    if names.is_empty() {
        let message = format!("there is no pack in `{}`", directory.display());
        return Err(vec![
            Diagnostic::error("P027", message)
                .help("a pack is a `*.toml` file in that directory (not in a folder below it)"),
        ]);
    }
    let (mut sources, mut problems, mut bytes) = (Vec::new(), Vec::new(), 0);
    for name in names {
        match read_file(directory, &name) {
            Ok(source) => {
                bytes += source.text.len();
                sources.push(Arc::new(source));
            }
            Err(problem) => problems.push(*problem),
        }
        if bytes > DIRECTORY_MAX {
            let message =
                format!("the packs in `{}` have more than {DIRECTORY_MAX} bytes together", directory.display());
            return Err(vec![Diagnostic::error("P027", message).help("take out what is no pack")]);
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

/// The packs of a directory, in order of their names: `*.toml`, none that are hidden, none in folders below it.
///
/// # Errors
/// When the directory cannot be read.
pub fn names(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = PathBuf::from(entry?.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        if name.extension().is_some_and(|extension| extension == "toml") && !hidden {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_file(directory: &Path, name: &Path) -> Result<Source, Box<Diagnostic>> {
    let shown = directory.join(name).display().to_string();
    let cannot = |why: String, help: &str| {
        Box::new(Diagnostic::error("P028", format!("the pack `{shown}` cannot be read: {why}")).help(help))
    };
    let source = read_text_inside(directory, name, TEXT_MAX)
        .map_err(|why| cannot(why, "make it a file of UTF-8 that this user may read"))?;
    // Nobody means an empty pack: this one is still to be written, or was lost.
    if source.text.trim().is_empty() {
        return Err(cannot("it is empty".to_owned(), "write the pack, or remove the file"));
    }
    Ok(source)
}

/// A text file that a person wrote; or why it cannot be had.
///
/// # Errors
/// What is not there, is no regular file, is no UTF-8, or has more bytes than the limit.
pub fn read_text(path: &Path, limit: u64) -> Result<Source, String> {
    as_text(path, files::read(path, limit))
}

/// The same for a file of a directory, or of one below it, whose name somebody else may have written.
///
/// # Errors
/// As [`read_text`], and a link that leads out of the directory.
pub fn read_text_inside(directory: &Path, name: &Path, limit: u64) -> Result<Source, String> {
    let open = files::open_inside(directory, name);
    as_text(&directory.join(name), open.and_then(|file| files::read_open(file, limit)))
}

fn as_text(path: &Path, read: std::io::Result<Vec<u8>>) -> Result<Source, String> {
    match String::from_utf8(read.map_err(|error| error.to_string())?) {
        Ok(text) => Ok(Source { name: path.display().to_string(), text }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(format!("line {line} is not UTF-8 (byte {at})"))
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
    fn the_digest_of_files_is_that_of_their_packs() {
        let directory = std::env::temp_dir().join(format!("fingerpost-digest-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        // As files and as packs they have different orders; one takes more than a piece.
        for (name, text) in [("a", "# a\n".repeat(PIECE)), ("a-b", "# b\n".to_owned()), ("a.b", "# c\n".to_owned())] {
            fs::write(directory.join(format!("{name}.toml")), text).unwrap();
        }
        let from = PacksFrom::Directory(directory.clone());
        let (told, read) = (digest(&from), pack::digest(&sources(&from).unwrap()));
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(told, Some(read));
        assert_eq!(digest(&from), None);
        assert_eq!(digest(&PacksFrom::Builtin), Some(pack::digest(&pack::builtin())));
    }

    #[test]
    fn the_shipped_packs_load_with_any_shape_and_tight_limits() {
        for name in Shape::NAMES {
            let shape: Shape = name.parse().expect("a shape");
            let settings = Settings { shape, ..Settings::default() };
            assert!(load(&PacksFrom::Builtin, settings).is_ok(), "{name}");
        }
        let limits = Limits { payload: 64, nesting: 1, hits: 1, capture: 16, work: 1, sources: 1, header: 256 };
        assert!(load(&PacksFrom::Builtin, Settings { limits, ..Settings::default() }).is_ok());
    }
}
