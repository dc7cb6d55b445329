//! Did every line arrive? The output held against the input, offset by offset.
//!
//! For each output partition the records are read in order, beside them the input partitions whose lines belong there
//! (`partition`). Each line of the input is run through the same engine and writer as in the daemon (`expect`), which
//! gives what its record must be; a record is matched with its line by the header `fingerpost-source`, or, where only
//! matching lines carry one, by content and order (`align`). What must hold is in `lane`: each line there, in order, as
//! often as was promised, byte for byte, tagged as the rules say. Then the group's committed offsets: nothing may be
//! committed past a line that is nowhere. No group is joined and nothing is written.
//!
//! Memory does not grow with the topics: a window of lines for each input partition at work (`window`), one bit for each
//! line that is missing, and about 100 bytes for each dead letter. All ends are fixed when the work begins, those that
//! follow before those that lead: committed offsets first, then output, dead letters, input.

mod align;
mod close;
mod expect;
mod finding;
mod lane;
mod partition;
mod report;
mod stored;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::kafka::reader::Reader;
use super::kafka::survey::Survey;
use super::record::{Name, Writer};
use super::{Failure, Lines, Mode, Settings};
use crate::engine::Engine;
use close::{Commit, close};
use expect::Expecter;
use lane::{DeadLetter, Judged, Lane, Terms, bit};
use partition::{Found, Inputs, Output, Strays};
use stored::{Arrived, Source, digest};

pub use finding::{Finding, Findings, Group, Kind};
pub use report::{Numbers, Report, Row, grouped};
pub(crate) use stored::Stored;

/// An end of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The first line that the partition still has.
    Earliest,
    /// The end of the partition when the work began.
    Latest,
    /// This offset.
    Offset(i64),
    /// The first line with this timestamp (milliseconds since 1970) or a later one.
    Time(i64),
}

/// What is to be held against what.
#[derive(Debug, Clone)]
pub struct Question {
    /// First line.
    pub from: Bound,
    /// Line after the last.
    pub to: Bound,
    /// Input partitions; all when empty.
    pub partitions: Vec<i32>,
    /// What was promised.
    pub mode: Mode,
    /// Repeats that are let pass where lines may be repeated; any number when absent.
    pub repeats_max: Option<u64>,
    /// Topic of the dead letters.
    pub dead_letter: Option<String>,
    /// Look at the offsets that the group committed.
    pub group: bool,
    /// All lines of the range must be done and committed.
    pub drained: bool,
    /// Compare the tags.
    pub labels: bool,
    /// Read the input from its beginning, whatever the range, to know what sources said earlier.
    pub warm: bool,
    /// Lines held in memory for each input partition; at least two.
    pub window: usize,
}

/// A word about progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// About so many records will be read.
    Total(u64),
    /// So many more were read.
    Read(u64),
}

/// Why there is no report.
#[derive(Debug)]
pub enum Trouble {
    /// The question makes no sense: what to ask instead.
    Usage(String),
    /// It could not be answered.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

type Key = (Arc<str>, i32);
type DeadLetters = HashMap<Key, HashMap<i64, DeadLetter>>;

/// Holds the output against the input. Blocks for as long as reading takes; must not be called on a tokio thread.
///
/// # Errors
/// A question that makes no sense, and brokers or topics that are not to be had.
pub fn verify(
    engine: &Engine,
    settings: &Settings,
    question: &Question,
    progress: &dyn Fn(Progress),
) -> Result<Report, Trouble> {
    let scene = Scene::set(engine, settings, question, progress)?;
    let mut findings = Findings::default();
    let (dead, repeated) = scene.dead_letters(&mut findings)?;
    let mut dead = dead;
    let (mut lanes, mut strays) = (Vec::new(), Strays::new());
    for number in scene.output_partitions() {
        let found = scene.judge(number, &mut dead)?;
        findings.append(found.findings);
        lanes.extend(found.lanes);
        for (key, offsets) in found.strays {
            *strays.entry(key).or_default() |= offsets;
        }
    }
    lanes.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    let rows: Vec<Row> = lanes.into_iter().map(|lane| scene.close(lane, &strays, &mut findings)).collect();
    let repeats = rows.iter().map(|row| row.numbers.repeats).sum::<u64>() + repeated;
    if let Some(max) = question.repeats_max.filter(|max| question.mode == Mode::AtLeastOnce && repeats > *max) {
        findings.add(Kind::Repeated, repeats, || {
            (settings.output.topic.clone(), format!("{repeats} repeats, and at most {max} are let pass"))
        });
    }
    Ok(Report {
        mode: question.mode,
        output: settings.output.topic.clone(),
        dead_letter: question.dead_letter.clone(),
        group: question.group.then(|| settings.kafka.group_id.clone()),
        labels: question.labels,
        rows,
        findings,
    })
}

/// Everything that is fixed before the first record is read.
struct Scene<'a> {
    engine: &'a Engine,
    settings: &'a Settings,
    question: &'a Question,
    read: Box<dyn Fn(u64) + 'a>,
    output: Arc<str>,
    /// The output's partitions with their offsets.
    outputs: Vec<Range<i64>>,
    dead: Vec<Range<i64>>,
    inputs: Inputs,
    /// The input partitions that are asked for, with the range to judge and the committed offset.
    asked: Vec<(Key, Range<i64>, Option<i64>)>,
    /// Records are found by content where they do not say where they come from.
    aligned: bool,
    writer: Writer,
    rules: Arc<[String]>,
}

impl<'a> Scene<'a> {
    fn set(
        engine: &'a Engine,
        settings: &'a Settings,
        question: &'a Question,
        progress: &'a dyn Fn(Progress),
    ) -> Result<Self, Trouble> {
        let survey = Survey::new(settings)?;
        let topic = settings.output.topic.as_str();
        let count = survey.partitions(topic)?;
        let dead_letter = question.dead_letter.as_deref();
        let written: Vec<&str> = [topic].into_iter().chain(dead_letter).chain(settings.state.as_deref()).collect();
        let keys = survey.inputs(settings, &written);
        let asks = |key: &&Key| question.partitions.is_empty() || question.partitions.contains(&key.1);
        let asked: Vec<Key> = keys.iter().filter(asks).cloned().collect();
        let aligned = settings.output.lines == Lines::All && !settings.output.source_header_on_all;
        check(settings, question, &asked, &keys, aligned.then_some(count))?;
        let committed = if question.group { survey.committed(&asked)? } else { vec![None; asked.len()] };
        let marks = |topic: &str, count: i32| -> Result<Vec<Range<i64>>, Failure> {
            (0..count).map(|number| survey.marks(topic, number)).collect()
        };
        let outputs = marks(topic, count)?;
        let dead = dead_letter.map_or(Ok(Vec::new()), |topic| marks(topic, survey.partitions(topic)?))?;
        let mut inputs = Inputs::new();
        for (topic, number) in keys {
            let marks = survey.marks(&topic, number)?;
            inputs.insert((topic, number), marks);
        }
        let ranges = ranges(&survey, (question.from, question.to), &inputs, &asked)?;
        let asked = asked.into_iter().zip(ranges).zip(committed);
        let asked: Vec<_> = asked.map(|((key, range), committed)| (key, range, committed)).collect();
        let rules: Vec<String> = engine.reported().iter().map(|reported| reported.id.clone()).collect();
        let scene = Self {
            engine,
            settings,
            question,
            read: Box::new(move |records| progress(Progress::Read(records))),
            output: topic.into(),
            outputs,
            dead,
            inputs,
            asked,
            aligned,
            writer: Writer::new(&settings.output, survey.record_limit, count, 1),
            rules: rules.into(),
        };
        progress(Progress::Total(scene.work()));
        Ok(scene)
    }

    /// Records to read, about.
    fn work(&self) -> u64 {
        let outputs = self.output_partitions().filter_map(|number| self.outputs.get(number as usize)).cloned();
        let inputs = self.asked.iter().map(|(key, range, _)| self.reach(key, range));
        outputs.chain(self.dead.iter().cloned()).chain(inputs).map(|range| bit(range.end - range.start)).sum()
    }

    /// From where to where a partition of the input is read.
    fn reach(&self, key: &Key, range: &Range<i64>) -> Range<i64> {
        let whole = self.inputs.get(key).cloned().unwrap_or_default();
        let warm = self.question.labels && self.question.warm;
        let from = if warm || self.aligned { whole.start } else { range.start };
        from..if self.aligned { whole.end } else { range.end }
    }

    /// All, as a record may be where it should not; of some input partitions only, those that these belong to.
    fn output_partitions(&self) -> impl Iterator<Item = i32> {
        let count = self.outputs.len() as i32;
        (0..count).filter(move |number| {
            let belongs = |(key, _, _): &(Key, _, _)| key.1.rem_euclid(count) == *number;
            self.question.partitions.is_empty() || self.asked.iter().any(belongs)
        })
    }

    /// Reads one output partition, and the input partitions that belong to it.
    fn judge(&self, number: i32, dead: &mut DeadLetters) -> Result<Found, Failure> {
        let count = self.outputs.len() as i32;
        let marks = self.outputs.get(number as usize).cloned().unwrap_or_default();
        let reader = Reader::new(self.settings, (&self.output, number), (marks.start, marks.end), &*self.read)?;
        let place = self.settings.output.place;
        let mut records =
            reader.map(|record| record.map(|stored| Arrived::new(&stored, self.engine, place))).peekable();
        let stamped = !records.peek().is_some_and(|first| first.as_ref().is_ok_and(|record| record.appended));
        let terms = Terms {
            mode: self.question.mode,
            window: self.question.window,
            aligned: self.aligned,
            stamped,
            output: format!("{}/{number}", self.output).into(),
            rules: self.rules.clone(),
        };
        let mut lanes = Vec::new();
        for (key, range, _) in self.asked.iter().filter(|(key, _, _)| key.1.rem_euclid(count) == number) {
            let reach = self.reach(key, range);
            let reader = Reader::new(self.settings, (&key.0, key.1), (reach.start, reach.end), &*self.read)?;
            let (output, labels) = (&self.settings.output, self.question.labels);
            let mut expecter = Expecter::new(
                self.engine,
                output,
                self.writer.clone(),
                key.0.clone(),
                labels,
                self.settings.state.is_none(),
            )
            .leaving(&self.settings.input.unjudged);
            let input = reader.map(move |record| record.map(|stored| expecter.expect(&stored)));
            let whole = self.inputs.get(key).cloned().unwrap_or_default();
            let dead = dead.remove(key).unwrap_or_default();
            lanes.push(Lane::new(key.clone(), range.clone(), whole, dead, input, terms.clone()));
        }
        let (topic, inputs) = (self.output.clone(), &self.inputs);
        Output { topic, number, partitions: count, lanes, inputs, aligned: self.aligned }.judge(records)
    }

    /// All dead letters by the line that they come from, and how many lines are there again.
    fn dead_letters(&self, findings: &mut Findings) -> Result<(DeadLetters, u64), Failure> {
        let mut dead = DeadLetters::new();
        let mut repeated = 0;
        let topic = self.question.dead_letter.as_deref().unwrap_or_default();
        for (number, marks) in (0..).zip(&self.dead) {
            for record in Reader::new(self.settings, (topic, number), (marks.start, marks.end), &*self.read)? {
                let record = record?;
                let place = format!("{topic}/{number}/{}", record.offset);
                let Source::At(source, partition, offset) = Source::of(&record) else {
                    findings.add(Kind::Unknown, 1, || (place, "a dead letter without header fingerpost-source".into()));
                    continue;
                };
                let key = (source, partition);
                if !self.inputs.contains_key(&key) {
                    let what = format!("a dead letter of {}/{partition}, which is no input", key.0);
                    findings.add(Kind::Unknown, 1, || (place, what));
                    continue;
                }
                let again = (format!("{}/{partition}/{offset}", key.0), format!("is a dead letter again ({place})"));
                let letter = DeadLetter { raw: raw(&record), place };
                if dead.entry(key).or_default().insert(offset, letter).is_some() {
                    repeated += 1;
                    if self.question.mode == Mode::ExactlyOnce {
                        findings.add(Kind::Repeated, 1, || again);
                    }
                }
            }
        }
        Ok((dead, repeated))
    }

    /// The last word on an input partition: what is missing, and what was committed.
    fn close(&self, lane: Judged, strays: &Strays, findings: &mut Findings) -> Row {
        let key = (lane.topic.clone(), lane.partition);
        let committed = self.asked.iter().find(|(asked, _, _)| *asked == key).and_then(|(_, _, committed)| *committed);
        let end = self.inputs.get(&key).map_or(0, |whole| whole.end);
        close(
            lane,
            strays.get(&key),
            &Commit { committed, end, group: self.question.group, drained: self.question.drained },
            findings,
        )
    }
}

/// Key and value of a dead letter. One that stands for a line too large for the topic has neither.
fn raw(letter: &Stored) -> Option<stored::Digest> {
    let by_reference = letter.header(Name::Size.text()).is_some();
    (!by_reference).then(|| digest([letter.key.as_deref(), letter.value.as_deref()]))
}

/// Questions that cannot be answered. `shared`: the output's partitions, when lines are found by content.
fn check(
    settings: &Settings,
    question: &Question,
    asked: &[Key],
    inputs: &[Key],
    shared: Option<i32>,
) -> Result<(), Trouble> {
    let usage = |what: &str| Err(Trouble::Usage(what.to_owned()));
    if asked.is_empty() {
        return usage("no input partition is asked for: the input topics have none of these --partition");
    }
    if !question.labels && settings.output.lines == Lines::Matched {
        return usage(
            "with output.lines = \"matched\" only the rules tell which lines must be on the output; leave out --no-labels",
        );
    }
    if question.drained && !question.group {
        return usage("--drained looks at the group's committed offsets; leave out --no-group");
    }
    if let Some(count) = shared {
        let share = |(at, key): (usize, &Key)| {
            inputs.iter().skip(at + 1).any(|other| other.1.rem_euclid(count) == key.1.rem_euclid(count))
        };
        if inputs.iter().enumerate().any(share) {
            return usage(
                "several input partitions share a partition of the output, and only matching records say where they \
                 come from, so the others cannot be told apart; output.source_header = \"all\" puts the header \
                 fingerpost-source on every record from then on: verify what was written with it",
            );
        }
    }
    Ok(())
}

/// The range of each partition asked for, within what it has.
pub(super) fn ranges(
    survey: &Survey,
    (from, to): (Bound, Bound),
    inputs: &Inputs,
    asked: &[Key],
) -> Result<Vec<Range<i64>>, Failure> {
    let by_time = |bound: Bound| match bound {
        Bound::Time(ms) => survey.at_time(asked, ms),
        _ => Ok(vec![None; asked.len()]),
    };
    let (from_time, to_time) = (by_time(from)?, by_time(to)?);
    let range = |(key, (from_time, to_time)): (&Key, (Option<i64>, Option<i64>))| {
        let whole = inputs.get(key).cloned().unwrap_or_default();
        let offset = |bound: Bound, at_time: Option<i64>| {
            let offset = match bound {
                Bound::Earliest => whole.start,
                Bound::Latest => whole.end,
                Bound::Offset(offset) => offset,
                Bound::Time(_) => at_time.unwrap_or(whole.end),
            };
            offset.clamp(whole.start, whole.end)
        };
        let start = offset(from, from_time);
        start..offset(to, to_time).max(start)
    };
    Ok(asked.iter().zip(from_time.into_iter().zip(to_time)).map(range).collect())
}
