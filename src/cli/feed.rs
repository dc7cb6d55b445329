//! Where the lines come from of verbs that look at many: files (stdin, gzip, zstd), or a range of topics. One line after
//! the other, each with its place and who wrote it.

use std::collections::HashSet;
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::RangeArguments;
use super::scan::input::{self, STDIN};
use super::scan::lines::Lines;
use super::scan::sections::Sections;
use crate::engine::{Engine, Writer};
use crate::flow::replay::{Part, Span, replay};
use crate::flow::verify::{Progress, Trouble};
use crate::flow::{self};

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot<'l> {
    /// In a file.
    File {
        /// As it was named.
        name: &'l str,
        /// Number of the line, from 1.
        number: u64,
    },
    /// On a topic.
    Topic {
        /// The topic.
        topic: &'l str,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// Of the record, milliseconds since 1970; negative when it has none.
        timestamp_ms: i64,
    },
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, number } => write!(f, "{name}:{number}"),
            Self::Topic { topic, partition, offset, .. } => write!(f, "{topic}/{partition}/{offset}"),
        }
    }
}

/// A line to look at.
#[derive(Debug, Clone, Copy)]
pub struct Fed<'l> {
    /// Where it stands.
    pub spot: Spot<'l>,
    /// Who wrote it, where it does not say so itself.
    pub writer: Writer<'l>,
    /// The line; `None` for a record without a value.
    pub bytes: Option<&'l [u8]>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// These files.
    Files(Vec<String>),
    /// These ranges.
    Parts(Vec<Part>),
}

/// Reads files; none, and `-`, is stdin.
///
/// # Errors
/// A file that cannot be read to its end, in a sentence: what was asked cannot be answered without it.
pub fn files(engine: &Engine, files: &[PathBuf], each: &mut dyn FnMut(&Fed<'_>)) -> Result<Read, Trouble> {
    let stdin = [PathBuf::from(STDIN)];
    let files = if files.is_empty() { &stdin } else { files };
    let apps: HashSet<&str> = engine.packs().rules.iter().flat_map(|rule| &rule.app).map(String::as_str).collect();
    let longest = engine.settings().limits.payload;
    let mut names = Vec::new();
    for file in files {
        names.push(read(file, longest, &apps, each).map_err(Trouble::Usage)?);
    }
    Ok(Read::Files(names))
}

fn read(file: &Path, longest: usize, apps: &HashSet<&str>, each: &mut dyn FnMut(&Fed<'_>)) -> Result<String, String> {
    let name = if file == Path::new(STDIN) { "stdin".to_owned() } else { file.display().to_string() };
    let bar = bar(std::fs::metadata(file).map(|data| data.len()).unwrap_or(0), BYTES);
    let input = input::open(file, &bar)?;
    let mut lines = Lines::new(input.reader, longest);
    let mut sections = Sections::default();
    let (mut source, mut app) = (name.clone(), None);
    loop {
        match lines.advance() {
            Ok(Some(line)) => {
                // The same lines are of the same source and app as for `scan`.
                if sections.look(line.bytes) {
                    let container = sections.section().container();
                    source = container.map_or_else(|| name.clone(), |container| format!("{name}:{container}"));
                    app = container.filter(|container| apps.contains(container)).map(str::to_owned);
                }
                let writer = Writer { source: Some(&source), app: app.as_deref() };
                let spot = Spot::File { name: &name, number: line.number };
                each(&Fed { spot, writer, bytes: Some(line.bytes) });
            }
            Ok(None) => break,
            Err(error) => return Err(format!("`{name}` cannot be read to its end: {error}")),
        }
    }
    bar.finish_and_clear();
    Ok(name)
}

/// Reads a range of the input topics.
///
/// # Errors
/// As [`replay`].
pub fn topics(
    settings: &flow::Settings,
    range: &RangeArguments,
    each: &mut dyn FnMut(&Fed<'_>),
) -> Result<Read, Trouble> {
    let span = Span { from: range.from, to: range.to, partitions: range.partition.clone() };
    let bar = bar(u64::MAX, RECORDS);
    let tell = |word| match word {
        Progress::Total(records) => bar.set_length(records),
        Progress::Read(records) => bar.inc(records),
    };
    let parts = replay(settings, &span, &tell, &mut |record| {
        let (topic, partition, offset, timestamp_ms) =
            (record.topic, record.partition, record.offset, record.timestamp_ms);
        let spot = Spot::Topic { topic, partition, offset, timestamp_ms };
        each(&Fed { spot, writer: Writer { source: record.source.as_deref(), app: None }, bytes: record.value });
    });
    bar.finish_and_clear();
    parts.map(Read::Parts)
}

const BYTES: &str = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
const RECORDS: &str = "{bar:40} {human_pos} of {human_len} records, {per_sec}, {eta} to go";
/// Smaller files are read before anybody wonders.
const BAR_FROM_BYTES: u64 = 32 << 20;

/// Only where somebody sees it.
fn bar(length: u64, template: &str) -> ProgressBar {
    if length < BAR_FROM_BYTES || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(if length == u64::MAX { 0 } else { length }).with_style(style)
}
