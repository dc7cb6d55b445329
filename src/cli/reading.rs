//! Log files as people have them, for every verb that reads lines of files: single files and pipes, whole directories,
//! archives; packed, in UTF-16, of a pod, rotated.
//!
//! `find` lists files, in the order of time by `rotation`; `origin` knows whose lines a file holds; `unpack` undoes what a stream
//! is packed in and `wide` its encoding; `archive` walks through a tar. What comes out of [`each`] is one text after the
//! other. Whoever asked cuts it with `lines`, and has `parts` put together what a container runtime cut; `classify`, which keeps
//! every byte, does neither. What the lines say is nobody's business here.

pub mod archive;
pub mod arguments;
pub mod find;
pub mod lines;
pub mod origin;
pub mod parts;
pub mod rotation;
pub mod unpack;
pub mod wide;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::progress::bar_of_file;
use crate::files;
use crate::sanitize::dotted;
use archive::{Archive, Kind};
use arguments::{ReadingArguments, STDIN, STDIN_NAME};
use find::{Listed, Place};
use origin::Origin;
use unpack::{Content, Foreign, Opened, Plain};

/// So many files that are passed by are named; then they are only counted.
const NAMED_MAX: u64 = 10;

/// How a verb wants files read.
#[derive(Debug, Clone, Copy)]
pub struct How<'h> {
    /// What was asked for.
    pub arguments: &'h ReadingArguments,
    /// The verb, for commands that people can use instead.
    pub verb: &'static str,
    /// Big files have a progress bar.
    pub has_progress: bool,
    /// Files of one log are read in the order of time, in whatever order they were named.
    pub by_time: bool,
}

/// What is found where somebody said to look.
pub enum Found<'r> {
    /// Lines to read.
    Text(Text<'r>),
    /// Passed by on purpose.
    Skipped {
        /// The file, or the member of an archive.
        name: &'r str,
        /// As in "`name` {why}".
        why: &'r str,
    },
    /// Cannot be read, or not to its end.
    Trouble {
        /// The file, or the archive.
        name: &'r str,
        /// A sentence.
        what: &'r str,
    },
}

/// A text to read lines from.
pub struct Text<'r> {
    /// The file as it was named, or the archive and its member: `dump.tar:namespaces/x/pods/y/…/current.log`.
    pub name: String,
    /// Whose lines it holds.
    pub origin: Origin,
    /// The text, unpacked and in UTF-8, without its byte order mark.
    pub reader: Box<dyn Read + 'r>,
    /// The byte order mark that stood before it.
    pub mark: &'static [u8],
    /// What it was packed with: `gzip` or `zstd`.
    pub packed: Option<&'static str>,
    /// Something about it that the reader should know, as in "`name` {note}".
    pub note: Option<&'static str>,
}

/// Reads files one after the other; none, and `-`, is stdin.
///
/// # Errors
/// What `visit` gives back ends the reading.
pub fn each<E>(files: &[PathBuf], how: &How<'_>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    let stdin = [PathBuf::from(STDIN)];
    let files = if files.is_empty() { &stdin } else { files };
    for listed in find::list(files, how.arguments.recursive, how.by_time) {
        match listed {
            Listed::File(place) => read(&place, how, visit)?,
            Listed::Skipped { name, why } => visit(Found::Skipped { name: &name, why: &why }, &ProgressBar::hidden())?,
            Listed::Trouble { name, what } => {
                visit(Found::Trouble { name: &name, what: &what }, &ProgressBar::hidden())?
            }
        }
    }
    Ok(())
}

/// Who is told of what is found. The bar has to be put aside while something is written to the terminal.
pub type Visit<'v, E> = dyn FnMut(Found<'_>, &ProgressBar) -> Result<(), E> + 'v;

fn read<E>(place: &Place, how: &How<'_>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    let bar = if how.has_progress { bar_of_file(&place.path) } else { ProgressBar::hidden() };
    let name = place.name();
    match open(place) {
        Ok(input) => {
            let found = if place.is_found { Whence::Directory } else { Whence::Named };
            let stream = Stream { how, bar: &bar, path: place.path.to_string_lossy().into_owned(), name, found };
            stream.read(Box::new(bar.wrap_read(input)), visit)?;
        }
        Err(error) => visit(Found::Trouble { name: &name, what: &cannot(&name, &error) }, &bar)?,
    }
    bar.finish_and_clear();
    Ok(())
}

fn open(place: &Place) -> io::Result<Box<dyn Read>> {
    if place.is_stdin() {
        return Ok(Box::new(io::stdin()));
    }
    // What is named may be a pipe, which is worth waiting for; in a directory only files are.
    Ok(Box::new(if place.is_found { files::open(&place.path)? } else { File::open(&place.path)? }))
}

fn cannot(name: &str, error: &io::Error) -> String {
    format!("`{name}` cannot be read: {error}")
}

/// How somebody came upon a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    Named,
    Directory,
    Archive,
}

/// A stream of which it is not known yet what it holds.
struct Stream<'s> {
    how: &'s How<'s>,
    bar: &'s ProgressBar,
    name: String,
    /// What tells whose lines it holds.
    path: String,
    found: Whence,
}

impl Stream<'_> {
    fn read<E>(&self, input: Box<dyn Read + '_>, visit: &mut Visit<'_, E>) -> Result<(), E> {
        match unpack::open(input) {
            Ok(Opened { content: Content::Text(plain), packed }) => self.text(plain, packed, visit),
            Ok(Opened { content: Content::Tar(reader), .. }) => self.members(Archive::new(reader), visit),
            Ok(Opened { content: Content::Foreign(foreign), .. }) => self.foreign(&foreign, visit),
            Err(error) => self.trouble(&cannot(&self.name, &error), visit),
        }
    }

    fn text<E>(&self, plain: Plain<'_>, packed: Option<&'static str>, visit: &mut Visit<'_, E>) -> Result<(), E> {
        let Plain { reader, mark, is_empty, has_nul } = plain;
        let is_named = self.found == Whence::Named;
        if has_nul && !is_named {
            return self.skip("is binary", visit);
        }
        let note = match () {
            () if has_nul => Some("holds NUL bytes, as no text does; it is read as if it were one"),
            () if is_empty && is_named => Some("is empty"),
            () => None,
        };
        let origin = Origin::of(&self.name, &self.path, self.how.arguments);
        visit(Found::Text(Text { name: self.name.clone(), origin, reader, mark, packed, note }), self.bar)
    }

    /// What is packed in a way that cannot be undone here, but by a pipe.
    fn foreign<E>(&self, Foreign { kind, tool }: &Foreign, visit: &mut Visit<'_, E>) -> Result<(), E> {
        let (name, verb) = (&self.name, self.how.verb);
        if self.found != Whence::Named {
            return self.skip(&format!("is packed with {kind}, which is not undone here: {tool}"), visit);
        }
        let remedy = match name.as_str() {
            STDIN_NAME => format!("unpack it first: … | {tool} | fingerpost {verb} -"),
            _ => format!("unpack it: {tool} {name} | fingerpost {verb} -"),
        };
        self.trouble(&format!("`{name}` is packed with {kind}; {remedy}"), visit)
    }

    fn members<E>(&self, mut archive: Archive<'_>, visit: &mut Visit<'_, E>) -> Result<(), E> {
        if self.found == Whence::Archive {
            return self.skip("is an archive in an archive", visit);
        }
        loop {
            let member = match archive.advance() {
                Ok(Some(member)) => member,
                Ok(None) => return Ok(()),
                Err(error) => return self.trouble(&ends_early(&self.name, &error), visit),
            };
            // Whoever made the archive chose the name.
            let name = format!("{}:{}", self.name, dotted(&member.path));
            let inner = Stream { how: self.how, bar: self.bar, name, path: member.path, found: Whence::Archive };
            match member.kind {
                Kind::File => inner.read(Box::new(&mut archive), visit)?,
                Kind::Sparse => {
                    inner.skip("is kept as a sparse file, and archives do not keep those line by line", visit)?
                }
                Kind::Other => {}
            }
        }
    }

    fn skip<E>(&self, why: &str, visit: &mut Visit<'_, E>) -> Result<(), E> {
        visit(Found::Skipped { name: &self.name, why }, self.bar)
    }

    fn trouble<E>(&self, what: &str, visit: &mut Visit<'_, E>) -> Result<(), E> {
        visit(Found::Trouble { name: &self.name, what }, self.bar)
    }
}

fn ends_early(archive: &str, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => format!("the archive `{archive}` is cut off; what stands before that is told"),
        _ => format!("the archive `{archive}` is damaged ({error}); what stands before that is told"),
    }
}

/// Files that were passed by: the first are named, all are counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Skipped {
    /// How many there are.
    pub count: u64,
}

impl Skipped {
    /// Counts one; gives what is to be told of it.
    pub fn one(&mut self, name: &str, why: &str) -> Option<String> {
        self.count += 1;
        (self.count <= NAMED_MAX).then(|| format!("`{name}` {why}: it is skipped"))
    }

    /// What is to be told in the end of those that were not named.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        let rest = self.count.saturating_sub(NAMED_MAX);
        (rest > 0).then(|| format!("{rest} more file{} skipped", if rest == 1 { " is" } else { "s are" }))
    }
}
