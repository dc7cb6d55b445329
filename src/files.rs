//! Files that somebody names in a configuration or puts into a directory of packs or runbooks: read without ever waiting,
//! and never more than a bound.
//!
//! What such a name leads to is not known before it is open. Opening a pipe waits for whoever writes into it, reading a
//! device may never end, and a link may lead to what the directory's owner cannot read himself (`/etc/shadow`, or a
//! neighbour's file), of which a complaint would show a piece. So only regular files are read, opened with `O_NONBLOCK` and
//! looked at again when open, and a file of a directory must lie in it, whatever links lead there. Kubernetes swaps the files
//! of a ConfigMap by links (`rules.toml → ..data/rules.toml`), which stay inside of it; the directory itself may be a link.
//!
//! Files with log lines are not read by this: a pipe is a fine source of lines.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};

use rustix::fs::OFlags;

use crate::sanitize::secrets::HIDDEN;

/// A text that a person writes, or a list of certificates, may have this many bytes.
pub const TEXT_MAX: u64 = 16 << 20;
/// A runbook's page may have this many bytes. What reads Markdown takes a hundred for each of them, and with some pages time by
/// the square of their length.
pub const PAGE_MAX: u64 = 1 << 20;
/// A secret may have this many bytes.
pub const SECRET_MAX: u64 = 64 << 10;

/// Opens a regular file.
///
/// # Errors
/// What the system says, and anything that is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening alone may do something: a watchdog starts, a tape is wound back. So what is there is asked first.
    regular(&fs::metadata(path)?)?;
    let without_waiting = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    // It may have been exchanged meanwhile.
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file of a directory, or of a directory below it.
///
/// # Errors
/// As [`open`]; a name that leads up or begins at the root, and a link by which it leaves the directory.
pub fn open_inside(directory: &Path, name: &Path) -> io::Result<File> {
    if !name.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        return denied("its name leads out of the directory");
    }
    let path = directory.join(name);
    for _ in 0..LOOKS_MAX {
        let file = open(&path)?;
        let place = fs::canonicalize(&path)?;
        if !place.starts_with(fs::canonicalize(directory)?) {
            return denied("a link leads out of the directory; put the file itself there");
        }
        // The links may have been exchanged since it was opened, as those of a ConfigMap are.
        if is_same(&file.metadata()?, &fs::symlink_metadata(place)?) {
            return Ok(file);
        }
    }
    denied("it is another file each time it is looked at")
}

/// Files that are exchanged while they are opened are opened again.
const LOOKS_MAX: usize = 5;

fn denied<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(ErrorKind::PermissionDenied, why))
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Reads a regular file of at most so many bytes.
///
/// # Errors
/// As [`open`], and a longer file.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_open(open(path)?, limit)
}

/// The rest of an open file, of at most so many bytes.
///
/// # Errors
/// What the system says, and a longer file.
pub fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0));
    // It may grow while it is read, and files of `/proc` tell no size.
    let read = if size > limit { size } else { file.take(limit + 1).read_to_end(&mut bytes)? as u64 };
    if read > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has {read} bytes, the limit is {limit}")));
    }
    Ok(bytes)
}

/// The text of a secret's file. The line break at the end is the editor's, not the secret's.
#[must_use]
pub fn secret_text(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

/// Whether a path leads to something, be it a link that leads nowhere.
#[must_use]
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A configured path as it may be shown: of one that leads nowhere only the directories that are there. Where a secret's file
/// belongs somebody may have put the secret itself.
#[must_use]
pub fn shown(path: &Path) -> String {
    if is_there(path) {
        return path.display().to_string();
    }
    let there = path.ancestors().skip(1).find(|directory| is_there(directory));
    there.map_or(HIDDEN.to_owned(), |directory| directory.join(HIDDEN).display().to_string())
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, and must be a regular file")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A directory of its own for each test.
    fn room(name: &str) -> PathBuf {
        let room = std::env::temp_dir().join(format!("fingerpost-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&room);
        fs::create_dir_all(&room).unwrap();
        room
    }

    fn why(result: io::Result<Vec<u8>>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
        let room = room("regular");
        let pipe = room.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink("/dev/zero", room.join("device")).unwrap();
        fs::write(room.join("file"), "text").unwrap();
        symlink("file", room.join("link")).unwrap();
        assert_eq!(why(read(&pipe, 9)), "it is a pipe, and must be a regular file");
        assert_eq!(why(read(&room.join("device"), 9)), "it is a device, and must be a regular file");
        assert_eq!(why(read(&room, 9)), "it is a directory, and must be a regular file");
        assert_eq!(read(&room.join("link"), 4).unwrap(), b"text");
        assert_eq!(why(read(&room.join("link"), 3)), "it has 4 bytes, the limit is 3");
        fs::remove_dir_all(&room).unwrap();
    }

    #[test]
    fn a_file_that_tells_no_size_is_read_up_to_the_bound() {
        assert_eq!(why(read(Path::new("/proc/self/status"), 10)), "it has 11 bytes, the limit is 10");
    }

    #[test]
    fn a_link_may_not_leave_the_directory() {
        let room = room("links");
        let packs = room.join("packs");
        fs::create_dir_all(packs.join("..41")).unwrap();
        fs::write(packs.join("..41/rules.toml"), "").unwrap();
        fs::write(room.join("neighbour.toml"), "").unwrap();
        symlink("..41", packs.join("..data")).unwrap();
        symlink("..data/rules.toml", packs.join("rules.toml")).unwrap();
        symlink(packs.join("rules.toml"), packs.join("absolute.toml")).unwrap();
        symlink("../packs/rules.toml", packs.join("back.toml")).unwrap();
        symlink("packs", room.join("current")).unwrap();
        symlink("../neighbour.toml", packs.join("neighbour.toml")).unwrap();
        symlink("neighbour.toml", packs.join("twice.toml")).unwrap();
        symlink("/proc/version", packs.join("version.toml")).unwrap();
        symlink("/proc", packs.join("elsewhere")).unwrap();
        symlink("..", packs.join("up")).unwrap();
        for directory in [&packs, &room.join("current")] {
            for name in ["rules.toml", "..data/rules.toml", "absolute.toml", "back.toml", "up/packs/rules.toml"] {
                assert!(open_inside(directory, Path::new(name)).is_ok(), "{name}");
            }
            for name in [
                "neighbour.toml",
                "twice.toml",
                "version.toml",
                "elsewhere/version",
                "up/neighbour.toml",
                "../packs/rules.toml",
                "/proc/version",
            ] {
                let refused = open_inside(directory, Path::new(name)).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{name}");
            }
        }
        assert!(open_inside(Path::new("/"), Path::new("proc/version")).is_ok(), "what is mounted below is inside");
        assert_eq!(open_inside(&packs, Path::new("none.toml")).unwrap_err().kind(), ErrorKind::NotFound);
        fs::remove_dir_all(&room).unwrap();
    }

    #[test]
    fn of_a_path_that_leads_nowhere_only_what_is_there_is_shown() {
        let room = room("shown");
        let (file, none) = (room.join("file"), room.join("none/S"));
        fs::write(&file, "").unwrap();
        assert_eq!(shown(&file), file.display().to_string());
        assert_eq!(shown(&none), room.join(HIDDEN).display().to_string());
        assert_eq!((shown(Path::new("S")), shown(Path::new("/S"))), (HIDDEN.to_owned(), format!("/{HIDDEN}")));
        fs::remove_dir_all(&room).unwrap();
    }
}
