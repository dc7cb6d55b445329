//! How much memory the system gives the process: what its control group says, version 2 or 1, and the groups above it.

use std::fs;
use std::path::Path;

/// What is so large in version 1 means that there is no limit.
const NONE_FROM: u64 = 1 << 60;

/// Bytes that the process may have; `None` where nobody limits it, or it cannot be told.
pub(crate) fn memory_limit() -> Option<u64> {
    limit(Path::new("/"))
}

fn limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounted = root.join("sys/fs/cgroup");
    let of = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            lowest(&mounted, path, "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            lowest(&mounted.join("memory"), path, "memory.limit_in_bytes")
        } else {
            None
        }
    };
    groups.lines().filter_map(of).min()
}

/// The least that a group or one above it says. Inside a container the path may be the host's, which is not there, while the
/// container's own group is mounted as the uppermost.
fn lowest(mounted: &Path, path: &str, file: &str) -> Option<u64> {
    let group = Path::new(path.trim_start_matches('/'));
    let limits = group.ancestors().filter_map(|group| {
        let text = fs::read_to_string(mounted.join(group).join(file)).ok()?;
        // `max` is no number.
        text.trim().parse::<u64>().ok().filter(|limit| *limit < NONE_FROM)
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A directory that looks like a system with these files.
    fn system(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("fingerpost-container-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        root
    }

    #[test]
    fn the_least_of_all_groups_counts() {
        let v1 = "11:cpu:/a\n4:hugetlb,memory:/docker/x\n";
        let none = "9223372036854771712\n";
        for (name, files, expected) in [
            ("none", vec![], None),
            ("v2", vec![("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "1048576\n")], Some(1 << 20)),
            ("v2-max", vec![("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], None),
            (
                "v2-above",
                vec![
                    ("proc/self/cgroup", "0::/pod/main\n"),
                    ("sys/fs/cgroup/pod/memory.max", "2048\n"),
                    ("sys/fs/cgroup/pod/main/memory.max", "4096\n"),
                ],
                Some(2048),
            ),
            (
                "v1",
                vec![("proc/self/cgroup", v1), ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n")],
                Some(4096),
            ),
            ("v1-max", vec![("proc/self/cgroup", v1), ("sys/fs/cgroup/memory/memory.limit_in_bytes", none)], None),
        ] {
            let root = system(name, &files);
            assert_eq!(limit(&root), expected, "{name}");
            let _ = fs::remove_dir_all(root);
        }
    }
}
