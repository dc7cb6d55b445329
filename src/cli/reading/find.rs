//! Which files there are to read, and in which order. Directories are gone through name by name, as people count; files of one
//! log come in the order of time. A link inside a directory is not followed: what it leads to inside is read anyhow, and what it
//! leads to outside nobody asked for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::arguments::{STDIN, STDIN_NAME};
use super::rotation::{self, Age, Piece};
use crate::sanitize::dotted;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    /// Nobody named it, it lies in a directory that somebody named.
    pub is_found: bool,
}

/// What somebody named, or what lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A file.
    File(Place),
    /// Passed by, as in "`name` {why}".
    Skipped {
        /// What is passed by.
        name: String,
        /// Why.
        why: String,
    },
    /// Cannot be looked at.
    Trouble {
        /// What cannot.
        name: String,
        /// A sentence.
        what: String,
    },
}

impl Place {
    /// Whether it is stdin.
    #[must_use]
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new(STDIN) && !self.is_found
    }

    /// What it is called in reports. What nobody named may have any name, and that steers nothing.
    #[must_use]
    pub fn name(&self) -> String {
        match () {
            () if self.is_stdin() => STDIN_NAME.to_owned(),
            () if self.is_found => shown(&self.path),
            () => self.path.display().to_string(),
        }
    }
}

/// What is to be read where these were named. `by_time`: files of one log that were named come in the order of time, too, at
/// the places where they were named.
#[must_use]
pub fn list(named: &[PathBuf], recursive: bool, by_time: bool) -> Vec<Listed> {
    let mut places: Vec<Place> = named.iter().map(|path| Place { path: path.clone(), is_found: false }).collect();
    if by_time {
        order(&mut places);
    }
    let mut listed = Vec::new();
    for place in places {
        match (place.path.is_dir() && !place.is_stdin(), recursive) {
            (false, _) => listed.push(Listed::File(place)),
            (true, true) => {
                Walk { root: fs::canonicalize(&place.path).unwrap_or_default(), listed: &mut listed }.go(&place.path)
            }
            (true, false) => {
                let name = place.name();
                let what = format!("`{name}` is a directory; to read the files in it, add --recursive (-r)");
                listed.push(Listed::Trouble { name, what });
            }
        }
    }
    listed
}

/// Puts files of one log into the order of time, and leaves all others where they are.
fn order(places: &mut [Place]) {
    let mut logs: HashMap<PathBuf, Vec<usize>> = HashMap::new();
    for (at, place) in places.iter().enumerate() {
        logs.entry(place.path.with_file_name(part(&place.path).0)).or_default().push(at);
    }
    for slots in logs.into_values().filter(|slots| slots.len() > 1) {
        let mut parts: Vec<Place> = slots.iter().map(|at| places[*at].clone()).collect();
        parts.sort_by_key(|place| part(&place.path).1);
        slots.into_iter().zip(parts).for_each(|(at, place)| places[at] = place);
    }
}

fn part(path: &Path) -> (String, Age) {
    rotation::part(&path.file_name().unwrap_or_default().to_string_lossy())
}

fn shown(path: &Path) -> String {
    dotted(&path.to_string_lossy()).into_owned()
}

/// One directory that was named, with all that is below it.
struct Walk<'w> {
    /// Where it really is.
    root: PathBuf,
    listed: &'w mut Vec<Listed>,
}

impl Walk<'_> {
    fn go(&mut self, directory: &Path) {
        // A stack of its own: the depth of a tree is not ours to choose.
        let mut ahead = vec![(directory.to_owned(), None)];
        while let Some((path, kind)) = ahead.pop() {
            match kind {
                Some(kind) => self.entry(path, kind),
                None => match entries(&path) {
                    Ok(entries) => ahead.extend(
                        entries
                            .into_iter()
                            .rev()
                            .map(|(name, kind)| (path.join(name), (!kind.is_dir()).then_some(kind))),
                    ),
                    Err(error) => {
                        let name = shown(&path);
                        let what = format!("`{name}` cannot be read: {error}");
                        self.listed.push(Listed::Trouble { name, what });
                    }
                },
            }
        }
    }

    fn entry(&mut self, path: PathBuf, kind: FileType) {
        if kind.is_file() {
            return self.listed.push(Listed::File(Place { path, is_found: true }));
        }
        let why = match () {
            () if kind.is_symlink() => match fs::canonicalize(&path) {
                Ok(target) if target.starts_with(&self.root) => return,
                Ok(_) => "is a link out of the directory, which is not followed; name it by itself to have it read",
                Err(_) => "is a link that leads nowhere",
            },
            () if kind.is_fifo() => "is a pipe",
            () if kind.is_socket() => "is a socket",
            () => "is a device",
        };
        self.listed.push(Listed::Skipped { name: shown(&path), why: why.to_owned() });
    }
}

/// What is in a directory, in order.
fn entries(directory: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let entry = |entry: io::Result<fs::DirEntry>| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)));
    let mut entries = fs::read_dir(directory)?.map(entry).collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_cached_key(|(name, _)| key(name));
    Ok(entries)
}

fn key(name: &OsString) -> (Vec<Piece>, Age, OsString) {
    let (log, age) = rotation::part(&name.to_string_lossy());
    (rotation::pieces(&log), age, name.clone())
}
