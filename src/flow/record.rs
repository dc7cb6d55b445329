//! Which record goes out for a line: the same key, headers, timestamp, partition and bytes, plus what the engine found.
//!
//! It decides on plain data and knows nothing of the Kafka client. What a matching line gets is the object, in the value
//! or in the header `fingerpost`, and the short headers; when that makes the record larger than the output topic takes,
//! less is added, step by step ([`Step`]), until the original is left. A tombstone (no value) is never judged and stays
//! one.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use super::returned::Header;
use super::transport::{Fetched, To};
use super::unjudged::Beside;
use super::{Lines, Output, Place};
use crate::NAME;
use crate::engine::{self, Detail, Engine, Gist, Memory, Outcome, Verdict};
use crate::telemetry::caught;

/// One record as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'m> {
    /// Input topic.
    pub(crate) topic: &'m str,
    /// Input partition.
    pub(crate) partition: i32,
    /// Its offset there.
    pub(crate) offset: i64,
    /// Null and empty are two things.
    pub(crate) key: Option<&'m [u8]>,
    /// `None`: a tombstone.
    pub(crate) value: Option<&'m [u8]>,
    /// Milliseconds since 1970; negative when the record has none.
    pub(crate) timestamp_ms: i64,
    /// What its headers are.
    pub(crate) headers: Seen<'m>,
}

impl Line<'_> {
    /// Bytes of key, value and the headers that stay; on the wire it takes some more.
    pub(crate) fn bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + self.headers.get().bytes
    }
}

/// The headers of a record. The client takes them apart when they are first looked at, which a line that goes nowhere need
/// not pay for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'m> {
    /// They were looked at.
    Known(Headers),
    /// Of this record.
    Of(&'m Fetched),
}

impl Seen<'_> {
    /// What they are, as far as it matters here.
    pub(crate) fn get(self) -> Headers {
        match self {
            Self::Known(headers) => headers,
            Self::Of(fetched) => fetched.headers(),
        }
    }
}

/// The size of a record's headers, and whether some of them are an earlier run's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    /// Bytes on the wire of those that stay.
    pub(crate) bytes: usize,
    /// Some are ours and must go: they speak of another record, or are forged.
    pub(crate) stale: bool,
}

impl Headers {
    /// Counts one header.
    pub(crate) fn see(&mut self, name: &str, value: Option<&[u8]>) {
        if is_ours(name) {
            self.stale = true;
        } else {
            self.bytes += header_size(name.len(), value.map_or(0, <[u8]>::len));
        }
    }
}

/// A header of this program: `fingerpost`, or one that starts with `fingerpost-`.
pub(crate) fn is_ours(name: &str) -> bool {
    name.strip_prefix(NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// One record to publish. Of the line's own headers, those that are not ours go first, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'m> {
    /// The topic that it is for.
    pub(crate) to: To,
    /// Partition of that topic.
    pub(crate) partition: i32,
    /// As it came.
    pub(crate) key: Option<&'m [u8]>,
    /// `None`: a tombstone.
    pub(crate) value: Option<Cow<'m, [u8]>>,
    /// A line's is as it came; of what we write besides, and of lines whose own is refused, it is the time of now, which
    /// every topic takes.
    pub(crate) timestamp_ms: i64,
    /// Bytes of the headers that the line came with.
    pub(crate) header_bytes: usize,
    /// The line's own headers, where they do not come with what was fetched.
    pub(crate) own: &'m [Header],
    /// Headers behind the line's own.
    pub(crate) added: Vec<(Name, Vec<u8>)>,
    /// How much of what was found it carries.
    pub(crate) step: Step,
}

impl Record<'_> {
    /// Bytes of key and value.
    pub(crate) fn bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.as_ref().map_or(0, |value| value.len())
    }

    /// Bytes of key, value and headers: what the window of lines in flight counts.
    pub(crate) fn weight(&self) -> usize {
        let added = self.added.iter().map(|(name, value)| header_size(name.text().len(), value.len()));
        self.bytes() + self.header_bytes + added.sum::<usize>()
    }
}

/// How much of what was found a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All of it.
    Full,
    /// The object without its longer texts.
    Short,
    /// The short headers, no object.
    Headers,
    /// Nothing: the original, which may even so be larger than the topic takes when it is not compressed.
    Bare,
}

/// The headers that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The whole object, where the value cannot carry it.
    Object,
    /// Id of the primary rule.
    Rule,
    /// Severity of the primary rule.
    Severity,
    /// Where to read on.
    Runbook,
    /// The primary rule's pack and the digest of its text.
    Pack,
    /// `topic/partition/offset` of the line.
    Source,
    /// Kafka's timestamp of the line, where the record has another: milliseconds since 1970.
    Timestamp,
    /// Why a dead letter is one.
    Reason,
    /// Bytes of the value that a dead letter could not carry.
    Size,
}

impl Name {
    /// As it is written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Object => NAME,
            Self::Rule => concat!(env!("CARGO_PKG_NAME"), "-rule"),
            Self::Severity => concat!(env!("CARGO_PKG_NAME"), "-severity"),
            Self::Runbook => concat!(env!("CARGO_PKG_NAME"), "-runbook"),
            Self::Pack => concat!(env!("CARGO_PKG_NAME"), "-pack"),
            Self::Source => concat!(env!("CARGO_PKG_NAME"), "-source"),
            Self::Timestamp => concat!(env!("CARGO_PKG_NAME"), "-timestamp"),
            Self::Reason => concat!(env!("CARGO_PKG_NAME"), "-dead-letter-reason"),
            Self::Size => concat!(env!("CARGO_PKG_NAME"), "-dead-letter-size"),
        }
    }
}

/// Bytes that a record may take on the wire before it is compressed: Kafka's record batch header, and the most that the
/// lengths, deltas and counts of one record in it can need.
const RECORD_OVERHEAD: usize = 61 + 36;

/// Two lengths, name and value.
fn header_size(name: usize, value: usize) -> usize {
    10 + name + value
}

/// What came of a line besides its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Notes {
    /// The object was too large for the header and was stepped down.
    pub(crate) header_cut: bool,
}

/// Turns lines into records, by the settings of one output.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    lines: Lines,
    place: Place,
    source_header_on_all: bool,
    /// Bytes of the header `fingerpost`.
    header_limit: usize,
    /// Bytes of a record batch that the output topic takes.
    record_limit: usize,
    /// Of the output topic, at least one.
    partitions: i32,
    /// Of the dead-letter topic, at least one.
    dead_letter_partitions: i32,
}

impl Writer {
    /// `record_limit` and `partitions` are the output topic's.
    pub(crate) fn new(output: &Output, record_limit: usize, partitions: i32, dead_letter_partitions: i32) -> Self {
        Self {
            lines: output.lines,
            place: output.place,
            source_header_on_all: output.source_header_on_all,
            header_limit: output.header_limit,
            record_limit,
            partitions: partitions.max(1),
            dead_letter_partitions: dead_letter_partitions.max(1),
        }
    }

    /// The record for a line, `None` when it is filtered out. `judged` is `None` for a tombstone and for a line that
    /// could not be judged.
    pub(crate) fn write<'m>(
        &self,
        engine: &Engine,
        line: &Line<'m>,
        judged: Option<&Outcome>,
        notes: &mut Notes,
    ) -> Option<Record<'m>> {
        let matched = judged.and_then(|outcome| outcome.verdict.as_ref().map(|verdict| (outcome, verdict)));
        let Some((outcome, verdict)) = matched else {
            return (self.lines == Lines::All).then(|| self.unmatched(line, judged));
        };
        let steps = [Step::Full, Step::Short, Step::Headers];
        let fitting = steps
            .into_iter()
            .map(|step| self.matched(engine, line, outcome, verdict, step, notes))
            .find(|record| self.fits(record));
        Some(fitting.unwrap_or_else(|| self.bare(line, judged)))
    }

    /// The output topic takes as many bytes now.
    pub(crate) fn limit(&mut self, record_limit: usize) {
        self.record_limit = record_limit;
    }

    /// Whether the topic may refuse even the original, for its size.
    pub(crate) fn is_risky(&self, line: &Line<'_>) -> bool {
        line.bytes() + RECORD_OVERHEAD > self.record_limit
    }

    /// Whether the topic surely takes it, compressed or not.
    fn fits(&self, record: &Record<'_>) -> bool {
        record.weight() + RECORD_OVERHEAD <= self.record_limit
    }

    fn matched<'m>(
        &self,
        engine: &Engine,
        line: &Line<'m>,
        outcome: &Outcome,
        verdict: &Verdict,
        step: Step,
        notes: &mut Notes,
    ) -> Record<'m> {
        let detail = match step {
            Step::Full => Detail::Full,
            Step::Short => Detail::Short,
            Step::Headers | Step::Bare => Detail::None,
        };
        let in_value = self.place == Place::Value && outcome.is_object;
        let mut record = self.bare(line, Some(outcome));
        record.step = step;
        if in_value {
            record.value = line.value.map(|value| outcome.value(value, detail));
        } else if let Some(object) = self.header_object(outcome, detail, notes) {
            record.added.push((Name::Object, object.into_owned().into_bytes()));
        }
        let primary = verdict.rules.first().and_then(|rule| engine.reported().get(*rule));
        if let Some(primary) = primary {
            record.added.push((Name::Rule, primary.id.clone().into_bytes()));
        }
        record.added.push((Name::Severity, verdict.severity.as_str().into()));
        record.added.push((Name::Runbook, verdict.runbook.clone().into_bytes()));
        record.added.push((Name::Pack, verdict.pack.clone().into_bytes()));
        record.added.push((Name::Source, source_of(line)));
        record
    }

    /// The object for the header `fingerpost`, as large as the header may be.
    fn header_object<'o>(&self, outcome: &'o Outcome, detail: Detail, notes: &mut Notes) -> Option<Cow<'o, str>> {
        let object = outcome.added(detail)?;
        if object.len() <= self.header_limit {
            return Some(object);
        }
        notes.header_cut = true;
        outcome.added(Detail::Short).filter(|short| short.len() <= self.header_limit)
    }

    fn unmatched<'m>(&self, line: &Line<'m>, judged: Option<&Outcome>) -> Record<'m> {
        let mut record = self.bare(line, judged);
        if self.source_header_on_all {
            record.added.push((Name::Source, source_of(line)));
            if !self.fits(&record) {
                record.added.clear();
                record.step = Step::Bare;
                return record;
            }
        }
        record.step = Step::Full;
        record
    }

    /// The original. An object loses the member that an earlier run left in it: it would be a lie now.
    fn bare<'m>(&self, line: &Line<'m>, judged: Option<&Outcome>) -> Record<'m> {
        let cut = judged.filter(|_| self.place == Place::Value);
        Record {
            to: To::Output,
            partition: line.partition.rem_euclid(self.partitions),
            key: line.key,
            value: line
                .value
                .map(|value| cut.map_or(Cow::Borrowed(value), |outcome| outcome.value(value, Detail::None))),
            timestamp_ms: line.timestamp_ms,
            header_bytes: line.headers.get().bytes,
            own: &[],
            added: Vec::new(),
            step: Step::Bare,
        }
    }

    /// The same record with the time of now, for a topic that refuses the line's own, which a header then tells.
    pub(crate) fn at_now<'m>(
        &self,
        line: &Line<'m>,
        judged: Option<&Outcome>,
        record: Record<'m>,
        now_ms: i64,
    ) -> Record<'m> {
        let retimed = |mut record: Record<'m>| {
            record.timestamp_ms = now_ms;
            record.added.extend(timestamp_of(line));
            record
        };
        let record = retimed(record);
        if self.fits(&record) { record } else { retimed(self.bare(line, judged)) }
    }

    /// A line that could not be published, as it came, with where it came from and why it is here.
    pub(crate) fn dead_letter<'m>(&self, line: &Line<'m>, reason: &str, now_ms: i64) -> Record<'m> {
        let added = [(Name::Source, source_of(line)), (Name::Reason, reason.as_bytes().to_vec())];
        Record {
            to: To::DeadLetter,
            partition: line.partition.rem_euclid(self.dead_letter_partitions),
            key: line.key,
            value: line.value.map(Cow::Borrowed),
            timestamp_ms: now_ms,
            header_bytes: line.headers.get().bytes,
            own: &[],
            added: added.into_iter().chain(timestamp_of(line)).collect(),
            step: Step::Bare,
        }
    }

    /// Where to find a line that not even the dead-letter topic takes; its own headers and key are left behind too.
    pub(crate) fn reference(&self, line: &Line<'_>, reason: &str, now_ms: i64) -> Record<'static> {
        let Record { partition, mut added, .. } = self.dead_letter(line, reason, now_ms);
        added.push((Name::Size, line.value.map_or(0, <[u8]>::len).to_string().into_bytes()));
        Record {
            to: To::DeadLetter,
            partition,
            key: None,
            value: None,
            timestamp_ms: now_ms,
            header_bytes: 0,
            own: &[],
            added,
            step: Step::Bare,
        }
    }

    /// A record of ours alone: what a source said, what alerts count, how far an input partition is, an alert. Where it
    /// is about an event, the event's time stands in the value.
    pub(crate) fn text<'m>(
        to: To,
        partition: i32,
        key: Option<&'m str>,
        value: Option<&'m str>,
        now_ms: i64,
    ) -> Record<'m> {
        Record {
            to,
            partition,
            key: key.map(str::as_bytes),
            value: value.map(|value| Cow::Borrowed(value.as_bytes())),
            timestamp_ms: now_ms,
            header_bytes: 0,
            own: &[],
            added: Vec::new(),
            step: Step::Bare,
        }
    }
}

/// What the engine says of a line; `None` for a tombstone, an error where the engine fails at it.
pub(crate) fn judge(
    engine: &Engine,
    line: &Line<'_>,
    memory: &mut Memory,
    beside: Beside<'_>,
) -> Option<Result<Outcome, String>> {
    let value = line.value?;
    memory.turn_to(line.offset);
    Some(caught(AssertUnwindSafe(|| {
        #[cfg(test)]
        panic_when_told_to(value);
        engine.passed(value).unwrap_or_else(|| {
            if beside.leaves(line.topic, line.partition, line.offset) {
                return Outcome::default();
            }
            let _in_hand = beside.takes(line.offset);
            let source = source_by_key(line);
            engine.judge(value, engine::Writer { source: source.as_deref(), ..engine::Writer::default() }, memory)
        })
    })))
}

/// What an error line says, whether or not a rule knows it; nothing of others. May panic where [`judge`] does not.
pub(crate) fn gist(engine: &Engine, line: &Line<'_>) -> Option<Gist> {
    let source = source_by_key(line);
    engine.gist_of_error(line.value?, engine::Writer { source: source.as_deref(), ..engine::Writer::default() })
}

/// An empty key names nobody: lines that have one would all share a memory.
fn source_by_key<'l>(line: &Line<'l>) -> Option<Cow<'l, str>> {
    line.key.filter(|key| !key.is_empty()).map(String::from_utf8_lossy)
}

/// Of partition 8 of the topic `in`.
#[cfg(test)]
pub(crate) fn test_line(offset: i64, value: Option<&'static [u8]>) -> Line<'static> {
    let headers = Seen::Known(Headers::default());
    Line { topic: "in", partition: 8, offset, key: None, value, timestamp_ms: 1000, headers }
}

/// In tests, the classifier fails at lines that hold these words.
#[cfg(test)]
fn panic_when_told_to(line: &[u8]) {
    const WORDS: &[u8] = b"the classifier is to fail here";
    assert!(!line.windows(WORDS.len()).any(|window| window == WORDS), "told to fail");
}

/// Nothing for a line that has none.
fn timestamp_of(line: &Line<'_>) -> Option<(Name, Vec<u8>)> {
    (line.timestamp_ms >= 0).then(|| (Name::Timestamp, line.timestamp_ms.to_string().into_bytes()))
}

fn source_of(line: &Line<'_>) -> Vec<u8> {
    format!("{}/{}/{}", line.topic, line.partition, line.offset).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::unjudged::NO_LINE;

    const HIT: &[u8] = br#"{"msg":"error during request to KeyProtect: connection refused"}"#;

    fn output() -> Output {
        crate::flow::test_settings().output
    }

    fn line(value: Option<&'static [u8]>) -> Line<'static> {
        test_line(42, value)
    }

    fn write(output: &Output, limit: usize, line: &Line<'static>) -> (Option<Record<'static>>, Notes) {
        let engine = crate::flow::test_engine();
        let outcome = line.value.map(|value| engine.classify(value, None, &mut engine.memory()));
        let mut notes = Notes::default();
        (Writer::new(output, limit, 3, 1).write(&engine, line, outcome.as_ref(), &mut notes), notes)
    }

    #[test]
    fn a_line_that_is_named_goes_out_unjudged_and_no_other() {
        let engine = crate::flow::test_engine();
        let at_hand = std::sync::atomic::AtomicI64::new(NO_LINE);
        let unjudged = ["in:8:41", "in:7:42", "other:8:42", "in:8:43"].map(|place| place.parse().unwrap());
        let beside = Beside { unjudged: &unjudged, at_hand: Some(&at_hand) };
        let tagged = |offset: i64| {
            let judged = judge(&engine, &test_line(offset, Some(HIT)), &mut engine.memory(), beside);
            judged.unwrap().unwrap().verdict.is_some()
        };
        assert_eq!([42, 43, 44].map(tagged), [true, false, true]);
        assert_eq!(at_hand.into_inner(), NO_LINE, "none is in hand when all is done");
    }

    fn names(record: &Record<'_>) -> Vec<String> {
        record.added.iter().map(|(name, _)| name.text().to_owned()).collect()
    }

    #[test]
    fn a_line_without_a_match_goes_out_as_it_came() {
        let line = Line { key: Some(b""), ..line(Some(b"{\"a\": 1 }")) };
        let record = write(&output(), 1 << 20, &line).0.unwrap();
        assert!(matches!(record.value, Some(Cow::Borrowed(value)) if value == b"{\"a\": 1 }"));
        assert_eq!((record.key, record.timestamp_ms, record.partition), (Some(&b""[..]), 1000, 2));
        assert!(record.added.is_empty());
    }

    #[test]
    fn a_tombstone_stays_one() {
        let record = write(&output(), 1 << 20, &line(None)).0.unwrap();
        assert_eq!((record.value, record.added.len()), (None, 0));
    }

    #[test]
    fn a_match_gets_object_and_short_headers() {
        let record = write(&output(), 1 << 20, &line(Some(HIT))).0.unwrap();
        assert_eq!(record.step, Step::Full);
        assert_eq!(
            names(&record),
            ["fingerpost-rule", "fingerpost-severity", "fingerpost-runbook", "fingerpost-pack", "fingerpost-source"]
        );
        assert_eq!(record.added[4].1, b"in/8/42");
        let value = String::from_utf8(record.value.unwrap().into_owned()).unwrap();
        let pack = String::from_utf8(record.added[3].1.clone()).unwrap();
        assert!(pack.starts_with("operation-failures@"), "{pack}");
        assert!(value.ends_with(&format!("\"pack\":\"{pack}\"}}}}")), "{value}");
    }

    #[test]
    fn the_short_headers_name_the_pack_where_the_object_does_not_fit() {
        let mut limit = 1 << 20;
        let record = loop {
            let record = write(&output(), limit, &line(Some(HIT))).0.unwrap();
            if record.step == Step::Headers {
                break record;
            }
            limit = record.weight() + RECORD_OVERHEAD - 1;
        };
        assert_eq!(record.value.as_deref(), Some(HIT));
        assert_eq!(names(&record)[3], "fingerpost-pack");
        assert!(record.added[3].1.starts_with(b"operation-failures@"));
    }

    #[test]
    fn headers_only_and_plain_text_leave_the_value_alone() {
        let headers = Output { place: Place::Headers, ..output() };
        let record = write(&headers, 1 << 20, &line(Some(HIT))).0.unwrap();
        assert_eq!(record.value.as_deref(), Some(HIT));
        assert_eq!(names(&record)[0], "fingerpost");
        let text = b"error during request to KeyProtect: connection refused";
        let record = write(&output(), 1 << 20, &line(Some(text))).0.unwrap();
        assert_eq!(record.value.as_deref(), Some(&text[..]));
        assert_eq!(names(&record)[0], "fingerpost");
    }

    #[test]
    fn only_matches_when_asked() {
        let only = Output { lines: Lines::Matched, ..output() };
        assert!(write(&only, 1 << 20, &line(Some(b"{}"))).0.is_none());
        assert!(write(&only, 1 << 20, &line(None)).0.is_none());
        assert!(write(&only, 1 << 20, &line(Some(HIT))).0.is_some());
    }

    #[test]
    fn what_does_not_fit_is_stepped_down() {
        let size = |record: &Record<'_>| {
            let added: usize =
                record.added.iter().map(|(name, value)| header_size(name.text().len(), value.len())).sum();
            record.bytes() + added + RECORD_OVERHEAD
        };
        let mut limit = 1 << 20;
        let mut steps = Vec::new();
        while steps.last() != Some(&Step::Bare) {
            let record = write(&output(), limit, &line(Some(HIT))).0.unwrap();
            steps.push(record.step);
            limit = size(&record) - 1;
        }
        assert_eq!(steps, [Step::Full, Step::Short, Step::Headers, Step::Bare]);
    }

    #[test]
    fn a_large_object_is_cut_to_the_header() {
        let small = Output { place: Place::Headers, header_limit: 10, ..output() };
        let (record, notes) = write(&small, 1 << 20, &line(Some(HIT)));
        assert!(notes.header_cut);
        assert_eq!(names(&record.unwrap())[0], "fingerpost-rule");
    }

    #[test]
    fn a_dead_letter_has_the_time_of_now_and_tells_the_lines_own() {
        let writer = Writer::new(&output(), 1 << 20, 3, 1);
        let told = |record: &Record<'_>| {
            let header = record.added.iter().find(|(name, _)| *name == Name::Timestamp);
            (record.timestamp_ms, header.map(|(_, value)| value.clone()))
        };
        let odd = line(Some(HIT));
        assert_eq!(told(&writer.dead_letter(&odd, "why", 77)), (77, Some(b"1000".to_vec())));
        assert_eq!(told(&writer.reference(&odd, "why", 77)), (77, Some(b"1000".to_vec())));
        assert_eq!(told(&writer.dead_letter(&Line { timestamp_ms: -1, ..odd }, "why", 77)), (77, None));
    }

    #[test]
    fn a_line_at_now_keeps_its_finding_while_that_fits() {
        let engine = crate::flow::test_engine();
        let odd = line(Some(HIT));
        let outcome = engine.classify(HIT, None, &mut engine.memory());
        let at_now = |limit: usize| {
            let writer = Writer::new(&output(), limit, 3, 1);
            let record = writer.write(&engine, &odd, Some(&outcome), &mut Notes::default()).unwrap();
            let (weight, step) = (record.weight(), record.step);
            (writer.at_now(&odd, Some(&outcome), record, 77), weight, step)
        };
        let (record, weight, _) = at_now(1 << 20);
        assert_eq!((record.timestamp_ms, record.step), (77, Step::Full));
        assert_eq!(record.added.last(), Some(&(Name::Timestamp, b"1000".to_vec())));
        let (record, _, step) = at_now(weight + RECORD_OVERHEAD);
        assert_eq!((step, record.step), (Step::Full, Step::Bare), "no room for the header beside the finding");
        assert_eq!(record.added, [(Name::Timestamp, b"1000".to_vec())]);
    }

    #[test]
    fn our_names_are_known() {
        assert!(is_ours("fingerpost") && is_ours("fingerpost-source"));
        assert!(!is_ours("fingerposts") && !is_ours("Fingerpost") && !is_ours(""));
    }
}
