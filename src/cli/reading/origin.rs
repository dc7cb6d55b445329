//! Whose lines a file holds, as far as its path says so.
//!
//! | path | written by |
//! |---|---|
//! | `…/pods/NAMESPACE_POD_UID/CONTAINER/0.log`, what the kubelet keeps | pod, container |
//! | `…/containers/POD_NAMESPACE_CONTAINER-ID.log`, its links to these | pod, container |
//! | `…/namespaces/NAMESPACE/pods/POD/CONTAINER/CONTAINER/logs/current.log`, what must-gather collects | pod, container |
//!
//! The pod is the source of the lines and the container their app, as for what collectors send. Of any other file the source is its
//! name; of a log that was rotated, the log's name, as all its parts have one writer.

use super::arguments::ReadingArguments;
use super::rotation;

/// How names of logs end.
const ENDINGS: [&str; 6] = [".log", ".txt", ".out", ".err", ".json", ".ndjson"];

/// Who wrote the lines of a file that do not say so themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// What is remembered of earlier lines is kept by this.
    pub source: String,
    /// The app, if it is known.
    pub app: Option<String>,
    /// The region, if it is known.
    pub region: Option<String>,
}

impl Origin {
    /// Of the file of this name and path; what was told on the command line counts more than what a path says.
    #[must_use]
    pub fn of(name: &str, path: &str, told: &ReadingArguments) -> Self {
        let (pod, container) = written_by(path).unzip();
        let source = told.source.clone().or_else(|| pod.map(str::to_owned)).unwrap_or_else(|| log(name));
        let app = told.app.clone().or_else(|| container.map(str::to_owned));
        Self { source, app, region: told.region.clone() }
    }
}

/// The name of the log that a file is a part of. Without such an ending a number may be anything, as that of a node.
fn log(name: &str) -> String {
    let (directory, file) = name.split_at(name.rfind('/').map_or(0, |at| at + 1));
    match rotation::part(file) {
        (log, age) if age != rotation::Age::Latest && ENDINGS.iter().any(|ending| log.ends_with(ending)) => {
            format!("{directory}{log}")
        }
        _ => name.to_owned(),
    }
}

/// The pod and the container.
fn written_by(path: &str) -> Option<(&str, &str)> {
    let mut steps = path.rsplit('/');
    let (file, container, above) = (steps.next()?, steps.next(), steps.next());
    if let (Some(container), Some(directory)) = (container, above)
        && let Some(pod) = pod_of_directory(directory)
        && is_count(file)
    {
        return Some((pod, container));
    }
    if let (Some("logs"), Some(container)) = (container, above)
        && steps.next() == Some(container)
        && let Some(pod) = steps.next()
        && steps.next() == Some("pods")
    {
        return Some((pod, container));
    }
    of_link(file)
}

/// `NAMESPACE_POD_UID`
fn pod_of_directory(name: &str) -> Option<&str> {
    let mut parts = name.split('_');
    let (Some(_), Some(pod), Some(uid), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    // Those of static pods are hashes.
    let is_uid = matches!(uid.len(), 32 | 36) && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (is_uid && !pod.is_empty()).then_some(pod)
}

/// `0.log`: how often the container was started, and perhaps what rotation adds.
fn is_count(file: &str) -> bool {
    let digits = file.trim_start_matches(|c: char| c.is_ascii_digit());
    digits.len() < file.len() && (digits == ".log" || digits.starts_with(".log."))
}

/// `POD_NAMESPACE_CONTAINER-ID.log`
fn of_link(file: &str) -> Option<(&str, &str)> {
    let (pod, rest) = file.strip_suffix(".log")?.split_once('_')?;
    let (_, container) = rest.split_once('_')?;
    let (container, id) = container.rsplit_once('-')?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !pod.is_empty() && !container.is_empty()).then_some((pod, container))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0b7e4a91-6c2d-4f0e-9a51-3c6f0d2b8e77";

    #[test]
    fn paths_name_pod_and_container() {
        let id = "a1".repeat(32);
        for path in [
            format!("/var/log/pods/masters_master-1_{UID}/kms/0.log"),
            format!("pods/masters_master-1_{UID}/kms/12.log.20240305-091924.gz"),
            format!("masters_master-1_{}/kms/0.log", "0f".repeat(16)),
            format!("/var/log/containers/master-1_masters_kms-{id}.log"),
            "must-gather/x/namespaces/masters/pods/master-1/kms/kms/logs/previous.log".to_owned(),
        ] {
            assert_eq!(written_by(&path), Some(("master-1", "kms")), "{path}");
        }
    }

    #[test]
    fn other_paths_name_nobody() {
        for path in [
            "0.log",
            "kms/0.log",
            "a_b_c/kms/0.log",
            "a_b_c.log",
            "pods/master-1/kms/kms/logs",
            "namespaces/masters/pods/master-1/kms/etcd/logs/current.log",
            &format!("masters_master-1_{UID}/kms/notes.txt"),
            &format!("masters_master-1_{UID}/0.log"),
        ] {
            assert_eq!(written_by(path), None, "{path}");
        }
    }

    #[test]
    fn the_command_line_counts_more_than_the_path_and_parts_of_a_log_have_one_source() {
        let path = format!("pods/masters_master-1_{UID}/kms/0.log");
        let told =
            ReadingArguments { app: Some("a".into()), region: Some("eu-de".into()), ..ReadingArguments::default() };
        let (source, region) = ("master-1".to_owned(), Some("eu-de".into()));
        assert_eq!(Origin::of(&path, &path, &told), Origin { source, app: Some("a".into()), region });
        let source = |name: &str| Origin::of(name, name, &ReadingArguments::default()).source;
        for (name, log) in [("d/app.log.2.gz", "d/app.log"), ("app.log", "app.log"), ("a.node.1", "a.node.1")] {
            assert_eq!(source(name), log);
        }
    }
}
