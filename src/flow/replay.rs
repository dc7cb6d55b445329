//! The lines of a topic's range once more, for `backtest` and `gaps`: partition by partition, in the order of offsets.
//! No group is joined and nothing is committed; where each partition ends is fixed when the work begins.

use std::borrow::Cow;
use std::ops::Range;

use super::kafka::reader::Reader;
use super::kafka::survey::Survey;
use super::verify::{Bound, Progress, Trouble, ranges};
use super::{Failure, Settings};

/// What is to be read of the input topics.
#[derive(Debug, Clone)]
pub struct Span {
    /// First line.
    pub from: Bound,
    /// Line after the last.
    pub to: Bound,
    /// Partitions; all when empty.
    pub partitions: Vec<i32>,
}

/// A line as the daemon sees it.
#[derive(Debug)]
pub struct Replayed<'r> {
    /// Its topic.
    pub topic: &'r str,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Milliseconds since 1970; negative when the record has none.
    pub timestamp_ms: i64,
    /// What its memory is kept by if it names no source: the record's key, unless that is empty.
    pub source: Option<Cow<'r, str>>,
    /// The line; `None` for a tombstone, which is never judged.
    pub value: Option<&'r [u8]>,
}

/// A partition, and what was read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Offsets.
    pub range: Range<i64>,
    /// Records: fewer than offsets where some were compacted away or stand for transactions.
    pub records: u64,
}

/// Reads the range, and gives each record to `each`. Blocks for as long as that takes; must not be called on a tokio
/// thread.
///
/// # Errors
/// Partitions that the topics do not have; brokers and topics that are not to be had.
pub fn replay(
    settings: &Settings,
    span: &Span,
    progress: &dyn Fn(Progress),
    each: &mut dyn FnMut(&Replayed<'_>),
) -> Result<Vec<Part>, Trouble> {
    // Nothing is written, so what the output topic takes need not be asked.
    let mut settings = settings.clone();
    settings.output.record_limit.get_or_insert(usize::MAX);
    let survey = Survey::new(&settings)?;
    let written: Vec<&str> = [settings.output.topic.as_str()].into_iter().chain(settings.state.as_deref()).collect();
    let asks = |number: i32| span.partitions.is_empty() || span.partitions.contains(&number);
    let asked: Vec<_> = survey.inputs(&settings, &written).into_iter().filter(|(_, number)| asks(*number)).collect();
    if asked.is_empty() {
        return Err(Trouble::Usage("there is nothing to read: no topic has such a partition".to_owned()));
    }
    let marks = asked.iter().map(|key| Ok((key.clone(), survey.marks(&key.0, key.1)?)));
    let inputs = marks.collect::<Result<_, Failure>>()?;
    let ranges = ranges(&survey, (span.from, span.to), &inputs, &asked)?;
    progress(Progress::Total(ranges.iter().map(|range| range.end.abs_diff(range.start)).sum()));
    let mut parts = Vec::new();
    for ((topic, partition), range) in asked.into_iter().zip(ranges) {
        let read = |records| progress(Progress::Read(records));
        let mut records = 0;
        for record in Reader::new(&settings, (&topic, partition), (range.start, range.end), &read)? {
            let record = record?;
            records += 1;
            each(&Replayed {
                topic: &topic,
                partition,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                source: record.key.as_deref().filter(|key| !key.is_empty()).map(String::from_utf8_lossy),
                value: record.value.as_deref(),
            });
        }
        parts.push(Part { topic: topic.to_string(), partition, range, records });
    }
    Ok(parts)
}
