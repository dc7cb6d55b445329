//! Where the lines come from of verbs that look at many: files, as `reading` reads them, or a range of topics. One line after
//! the other, each with its place and who wrote it.

use std::fmt;

use super::arguments::RangeArguments;
use super::output::note;
use super::progress::{RECORDS, bar};
use super::reading::parts::Parts;
use super::reading::{self, Found, How, Skipped, Text};
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

/// Reads files, for this verb; none, and `-`, is stdin.
///
/// # Errors
/// A file that cannot be read to its end, in a sentence: what was asked cannot be answered without it.
pub fn files(
    engine: &Engine,
    range: &RangeArguments,
    verb: &'static str,
    each: &mut dyn FnMut(&Fed<'_>),
) -> Result<Read, Trouble> {
    let how = How { arguments: &range.reading, verb, has_progress: true, by_time: true };
    let (mut names, mut skipped) = (Vec::new(), Skipped::default());
    reading::each(&range.files, &how, &mut |found, bar| match found {
        Found::Text(text) => {
            names.push(text.name.clone());
            read(engine, text, each).map_err(Trouble::Usage)
        }
        Found::Skipped { name, why } => {
            bar.suspend(|| skipped.one(name, why).iter().for_each(|told| note(told)));
            Ok(())
        }
        Found::Trouble { what, .. } => Err(Trouble::Usage(what.to_owned())),
    })?;
    skipped.rest().iter().for_each(|told| note(told));
    Ok(Read::Files(names))
}

fn read(engine: &Engine, text: Text<'_>, each: &mut dyn FnMut(&Fed<'_>)) -> Result<(), String> {
    let Text { name, origin, reader, .. } = text;
    let mut lines = Parts::new(reader, engine.settings().limits.payload);
    let mut speaker = Speaker::new(&name, origin, engine);
    loop {
        match lines.advance() {
            Ok(Some(line)) => {
                speaker.look(line.bytes);
                let spot = Spot::File { name: &name, number: line.number };
                each(&Fed { spot, writer: speaker.writer(), bytes: Some(line.bytes) });
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(format!("`{name}` cannot be read to its end: {error}")),
        }
    }
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
        each(&Fed {
            spot,
            writer: Writer { source: record.source.as_deref(), ..Writer::default() },
            bytes: record.value,
        });
    });
    bar.finish_and_clear();
    parts.map(Read::Parts)
}
