//! Has the system tell when the pack directory changes, or when the way to it leads elsewhere.
//!
//! What is watched is directories: that of the packs, for its files and for the link `..data` by which Kubernetes swaps
//! all files of a ConfigMap at once; the one above it, to see it go and come back; and each one that holds a link on the
//! way, as in `packs -> releases/41`. Watches belong to directories and not to paths, so [`Watch::follow`] sets them
//! anew when the path leads to others. What no system tells (network file systems, a parent that was replaced), and
//! everything where watching is not to be had, is left to the poll.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::flow::reload::Reloads;

/// A path with more links in it is taken for a circle, as systems do.
const LINKS_MAX: usize = 40;

/// The watch over one directory.
pub(crate) struct Watch {
    directory: PathBuf,
    reloads: Reloads,
    /// Where the path led when the watches were set, and which directories these were.
    known: Option<(Way, Vec<(u64, u64)>)>,
    watcher: Option<RecommendedWatcher>,
    complained: bool,
}

/// How a path leads to a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Way {
    /// Where it ends.
    end: PathBuf,
    /// Names that decide where it ends: the links, and the last one.
    turns: Vec<PathBuf>,
}

impl Watch {
    /// Nothing is watched before [`Watch::follow`].
    pub(crate) fn new(directory: PathBuf, reloads: Reloads) -> Self {
        Self { directory, reloads, known: None, watcher: None, complained: false }
    }

    /// Watches what the path leads to now. To be called before the directory is read: what changes after the reading is
    /// then surely told.
    pub(crate) fn follow(&mut self) {
        let way = Way::to(&self.directory);
        let identities = way.directories().iter().map(|directory| identity(directory)).collect();
        let now = (way, identities);
        if self.watcher.is_some() && self.known.as_ref() == Some(&now) {
            return;
        }
        match watch(&now.0, self.reloads.clone()) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.complain(&error),
        }
        self.known = Some(now);
    }

    fn complain(&mut self, error: &notify::Error) {
        self.watcher = None;
        if !self.complained {
            self.complained = true;
            tracing::warn!("the packs cannot be watched ({error}); changes are seen by polling only");
        }
    }
}

/// Device and inode; zeros for what is not there.
fn identity(directory: &Path) -> (u64, u64) {
    fs::metadata(directory).map_or((0, 0), |metadata| (metadata.dev(), metadata.ino()))
}

fn watch(way: &Way, reloads: Reloads) -> notify::Result<RecommendedWatcher> {
    let concerned = way.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may have swallowed an event.
        if event.map_or(true, |event| concerned.is_concerned_by(&event)) {
            reloads.changed();
        }
    })?;
    for directory in way.directories() {
        match watcher.watch(&directory, RecursiveMode::NonRecursive) {
            // What is not there cannot be watched; the directory above it tells when it comes. And where one on the way
            // may not be read, those that may are worth watching all the same.
            Err(error) if directory != way.end || !directory.exists() => {
                tracing::debug!("{}: {error}", directory.display())
            }
            result => result?,
        }
    }
    Ok(watcher)
}

impl Way {
    /// Follows a path link by link. What does not exist leads nowhere else.
    fn to(path: &Path) -> Self {
        let mut left: VecDeque<Step> = steps(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        let mut way = Self::default();
        let mut links = 0;
        while let Some(step) = left.pop_front() {
            let name = match step {
                Step::Root => {
                    way.end = PathBuf::from("/");
                    continue;
                }
                Step::Up => {
                    way.end.pop();
                    continue;
                }
                Step::Down(name) => name,
            };
            let next = way.end.join(name);
            match fs::read_link(&next) {
                Ok(target) if links < LINKS_MAX => {
                    links += 1;
                    way.turns.push(next);
                    steps(&target).into_iter().rev().for_each(|step| left.push_front(step));
                }
                _ => way.end = next,
            }
        }
        way.turns.push(way.end.clone());
        way
    }

    /// What is to be watched: the end, and wherever a turn is, each once.
    fn directories(&self) -> Vec<PathBuf> {
        let above = self.turns.iter().filter_map(|turn| turn.parent().map(Path::to_owned));
        let mut directories: Vec<PathBuf> = above.chain([self.end.clone()]).collect();
        directories.sort();
        directories.dedup();
        directories
    }

    /// Whether what happened can have changed the packs. That somebody has read them has not.
    fn is_concerned_by(&self, event: &Event) -> bool {
        let changes = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        };
        let ours = |path: &PathBuf| path.parent() == Some(&self.end) || self.turns.contains(path);
        event.need_rescan() || (changes && (event.paths.is_empty() || event.paths.iter().any(ours)))
    }
}

/// One name of a path.
enum Step {
    Root,
    Up,
    Down(OsString),
}

fn steps(path: &Path) -> VecDeque<Step> {
    let step = |component: Component<'_>| match component {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of its own for each test, as its real path.
    fn room(name: &str) -> PathBuf {
        let room = std::env::temp_dir().join(format!("fingerpost-watch-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&room);
        fs::create_dir_all(&room).unwrap();
        room.canonicalize().unwrap()
    }

    #[test]
    fn every_link_on_the_way_is_a_turn() {
        let room = room("links");
        fs::create_dir_all(room.join("releases/41/packs")).unwrap();
        symlink("releases/41", room.join("current")).unwrap();
        symlink("../links/../fingerpost-nowhere", room.join("dangling")).unwrap();
        symlink("circle", room.join("circle")).unwrap();

        let way = Way::to(&room.join("current/packs"));
        assert_eq!(way.end, room.join("releases/41/packs"));
        assert_eq!(way.turns, [room.join("current"), room.join("releases/41/packs")]);
        assert_eq!(way.directories(), [room.clone(), room.join("releases/41"), room.join("releases/41/packs")]);

        assert_eq!(Way::to(&room.join("not/there")).turns, [room.join("not/there")]);
        assert_eq!(Way::to(&room.join("dangling")).turns[0], room.join("dangling"));
        assert_eq!(Way::to(&room.join("circle")).turns.len(), LINKS_MAX + 1, "a circle is left");
        fs::remove_dir_all(&room).unwrap();
    }

    #[test]
    fn reading_is_no_change_and_neighbours_are_none_of_ours() {
        let way = Way { end: "/etc/packs".into(), turns: vec!["/etc/packs".into()] };
        let event = |kind: EventKind, path: &str| Event::new(kind).add_path(path.into());
        let create = EventKind::Create(notify::event::CreateKind::File);
        assert!(way.is_concerned_by(&event(create, "/etc/packs/a.toml")));
        assert!(way.is_concerned_by(&event(create, "/etc/packs")));
        assert!(!way.is_concerned_by(&event(create, "/etc/hosts")));
        let access = |mode| EventKind::Access(AccessKind::Close(mode));
        assert!(way.is_concerned_by(&event(access(AccessMode::Write), "/etc/packs/a.toml")));
        assert!(!way.is_concerned_by(&event(access(AccessMode::Read), "/etc/packs/a.toml")));
        assert!(
            !way.is_concerned_by(&event(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/etc/packs/a.toml"))
        );
        assert!(way.is_concerned_by(&Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)));
    }
}
