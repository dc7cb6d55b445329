//! Files that somebody names in a configuration or puts into a directory of packs or runbooks: read without ever waiting,
//! and never more than a bound.
//!
//! What such a name leads to is not known before it is open. Opening a pipe waits for whoever writes into it, reading a
//! device may never end, and a link may lead to what the directory's owner cannot read himself. So only regular files are
//! read, opened with `O_NONBLOCK` and looked at again when open, and a link inside a directory must not leave its mount.
//! Kubernetes swaps the files of a ConfigMap by links (`rules.toml → ..data/rules.toml`), which stay inside of it.
//!
//! Files with log lines are not read by this: a pipe is a fine source of lines.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

/// A text that a person writes, or a list of certificates, may have this many bytes.
pub const TEXT_MAX: u64 = 16 << 20;
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
/// As [`open`]; a name that leads up or begins at the root, and a link by which it leaves the mount of the directory.
pub fn open_inside(directory: &Path, name: &Path) -> io::Result<File> {
    let denied = |why: &str| Err(io::Error::new(ErrorKind::PermissionDenied, why));
    if !name.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        return denied("its name leads out of the directory");
    }
    let file = open(&directory.join(name))?;
    let leaves = match (mount(&File::open(directory)?), mount(&file)) {
        (Some(own), Some(other)) => own != other,
        // A kernel before Linux 5.8 does not tell.
        _ => false,
    };
    // A file that is mounted by itself into the directory was put there on purpose by who owns the machine.
    if leaves && leads_through_a_link(directory, name) {
        return denied("a link leads out of the directory's file system; put the file itself there");
    }
    Ok(file)
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

/// Whether any step of the way is a link.
fn leads_through_a_link(directory: &Path, name: &Path) -> bool {
    let mut path = PathBuf::from(directory);
    name.components().any(|component| {
        path.push(component);
        fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink())
    })
}

/// What tells mounts apart, binds of one file system included; the device would not, and in containers it differs between
/// the files and the directories of one mount.
#[cfg(target_os = "linux")]
fn mount(file: &File) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let told = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (told.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(told.stx_mnt_id)
}

/// The device, where the system has no better.
#[cfg(not(target_os = "linux"))]
fn mount(file: &File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().ok().map(|metadata| metadata.dev())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_may_not_leave_the_mount() {
        let room = room("mount");
        fs::create_dir_all(room.join("..41")).unwrap();
        fs::write(room.join("..41/rules.toml"), "").unwrap();
        symlink("..41", room.join("..data")).unwrap();
        symlink("..data/rules.toml", room.join("rules.toml")).unwrap();
        symlink("/proc/version", room.join("secret.toml")).unwrap();
        symlink("/proc", room.join("elsewhere")).unwrap();
        assert!(open_inside(&room, Path::new("rules.toml")).is_ok(), "as ConfigMaps are mounted");
        for name in ["secret.toml", "elsewhere/version", "../rules.toml", "/proc/version"] {
            let refused = open_inside(&room, Path::new(name)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{name}");
        }
        assert!(open_inside(Path::new("/"), Path::new("proc/version")).is_ok(), "a mount below is no link");
        fs::remove_dir_all(&room).unwrap();
    }
}
