//! Where the lines come from of verbs that look at many: files (stdin, gzip, zstd), or a range of topics. One line after
//! the other, each with its place and who wrote it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::arguments::RangeArguments;
use super::progress::{RECORDS, bar, bar_of_file};
use super::scan::input::{self, STDIN};
use super::scan::lines::Lines;
use super::scan::sections::Speaker;
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
    let mut names = Vec::new();
    for file in files {
        names.push(read(engine, file, each).map_err(Trouble::Usage)?);
    }
    Ok(Read::Files(names))
}

fn read(engine: &Engine, file: &Path, each: &mut dyn FnMut(&Fed<'_>)) -> Result<String, String> {
    let name = if file == Path::new(STDIN) { "stdin".to_owned() } else { file.display().to_string() };
    let bar = bar_of_file(file);
    let input = input::open(file, &bar)?;
    let mut lines = Lines::new(input.reader, engine.settings().limits.payload);
    let mut speaker = Speaker::new(&name, engine);
    loop {
        match lines.advance() {
            Ok(Some(line)) => {
                speaker.look(line.bytes);
                let spot = Spot::File { name: &name, number: line.number };
                each(&Fed { spot, writer: speaker.writer(), bytes: Some(line.bytes) });
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
    let bar = bar(0, RECORDS);
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
