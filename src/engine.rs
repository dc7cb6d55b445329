//! What does this line mean, and what do we send? One pure function over bytes: no clock, no files, no Kafka.
//!
//! [`Engine::classify`] scans the raw payload for anything that may concern us. Nearly always there is nothing, and the
//! same bytes go out, unparsed. On a hit the line is decoded, the phrases are matched on its text, rules are judged,
//! and one [`Verdict`] comes out, which [`Outcome::value`] splices into the bytes. The daemon, `classify`, `check` and
//! the demo all call this one function; there is no second way to decide.
//!
//! ```
//! use fingerpost::engine::{Detail, Engine, Settings};
//!
//! let (packs, _) = fingerpost::pack::parse(&fingerpost::pack::builtin());
//! let engine = Engine::new(packs.expect("the shipped packs are sound"), Settings::default()).expect("not too many phrases");
//! let mut memory = engine.memory();
//! let line = br#"{"level":"error","msg":"KEY_DELETED_ERR: Key has already been deleted."}"#;
//! let outcome = engine.classify(line, None, &mut memory);
//! let tagged = String::from_utf8(outcome.value(line, Detail::Full).into_owned()).unwrap();
//! assert!(tagged.starts_with(r#"{"level":"error","msg":"KEY_DELETED_ERR: Key has already been deleted.","fingerpost":{"v":1,"rule":"kms.key-deleted""#));
//! ```

mod context;
mod countable;
mod decide;
mod envelope;
mod examine;
pub mod examples;
pub mod explain;
mod filter;
mod gist;
mod json;
mod line;
mod listed;
mod looks;
mod phrases;
mod plain;
mod search;
mod settings;
mod splice;
mod spots;
pub mod trial;
mod verdict;
mod work;
#[cfg(test)]
mod worst;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::pack::{Packs, Severity};
use countable::Counted;
use decide::{Bench, Decider, Judge, Match, rank};
use envelope::Fact;
use line::{Line, Object, Record};
use phrases::{Found, PROBE_APP, Phrases};
use verdict::Matched;
use work::Work;

pub use context::{Memory, News};
pub use countable::{Countable, CountableRule};
pub use envelope::{Envelope, envelopes};
pub use examine::Examined;
pub use gist::Gist;
pub(crate) use listed::is_among;
pub use settings::{DEFAULT_BASE_URL, Fields, Limits, Settings, Shape};
pub use spots::Spot;
pub use verdict::{Detail, Verdict};

/// Atoms (see [`crate::pack::atom`]) of so many bytes and more cost the scan nothing, however many there are; shorter ones
/// are looked for apart.
pub const ATOM_LONG: usize = filter::LONG;

/// An id that lines can be tagged with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// `family.name`
    pub id: String,
    /// Its severity; of an id that several cases share, the highest.
    pub severity: Severity,
}

/// Packs compiled into something that judges lines. Built once, never changed, shared by all workers.
#[derive(Debug)]
pub struct Engine {
    packs: Packs,
    settings: Settings,
    phrases: Phrases,
    decider: Decider,
    reported: Vec<Reported>,
    /// Of each rule, where the first of its reports stands in `reported_as`.
    first_reports: Vec<usize>,
    /// Of each report of each rule, its index in `reported`.
    reported_as: Vec<usize>,
    counted: Counted,
}

/// Who wrote a line, where it does not say so itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writer<'w> {
    /// What the memory is kept by: the Kafka key, or the file's name.
    pub source: Option<&'w str>,
    /// The app. A line that names none in any other way is inside every rule's scope but where an app is required.
    pub app: Option<&'w str>,
    /// The region, for alerts that count by it.
    pub region: Option<&'w str>,
}

/// Limits that a line crossed. It goes out all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of limits, each crossed or not")]
pub struct Crossed {
    /// Longer than `limits.payload`: not judged.
    pub payload: bool,
    /// Nested deeper than `limits.nesting`: the deeper part was not looked at.
    pub nesting: bool,
    /// More phrase occurrences than `limits.hits`: the rest was not looked at.
    pub hits: bool,
    /// A fact was longer than `limits.capture`: it has been cut.
    pub capture: bool,
    /// More of its records matched than are named.
    pub records: bool,
    /// Judging it was more work than `limits.work` allows: some conditions count as not met, and facts may be missing.
    pub work: bool,
}

/// What became of a line. Mostly nothing: so it is small, and what only matches have lies elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What it means; nothing when no rule matched.
    pub verdict: Option<Box<Verdict>>,
    /// It is LogDNA's set-up probe: passed on, not counted.
    pub probe: bool,
    /// It is a JSON object, so an object can be spliced in. Only told for lines that the scan stopped at.
    pub is_object: bool,
    /// Limits it crossed.
    pub crossed: Crossed,
    /// What alerts need of it, for each of its records: there when the memory counts for alerts and some alert of the packs
    /// looks at one of the record's rules.
    pub countable: Vec<Countable>,
    object: Option<Box<Object>>,
}

impl Outcome {
    /// The payload to publish: the line itself, borrowed, when nothing is to change; else with an older object of ours
    /// cut out and the new one spliced in. A line that is no JSON object always stays as it is.
    #[must_use]
    pub fn value<'l>(&self, line: &'l [u8], detail: Detail) -> Cow<'l, [u8]> {
        match &self.object {
            None => Cow::Borrowed(line),
            Some(object) => splice::splice(line, object, self.added(detail).as_deref()),
        }
    }

    /// The added object as JSON text, for the header of a record whose value stays as it is.
    #[must_use]
    pub fn added(&self, detail: Detail) -> Option<Cow<'_, str>> {
        self.verdict.as_ref()?.object(detail)
    }

    /// The line to write to a pipe: like [`Outcome::value`], but a matching line that is no JSON object is wrapped as
    /// `{"_line":"…","fingerpost":{…}}`.
    #[must_use]
    pub fn piped<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        match self.added(Detail::Full) {
            Some(added) if !self.is_object => Cow::Owned(splice::wrap(line, &added)),
            _ => self.value(line, Detail::Full),
        }
    }
}

impl Engine {
    /// Compiles packs.
    ///
    /// # Errors
    /// When the phrases are too many for one automaton (more than 2³¹ states).
    pub fn new(packs: Packs, settings: Settings) -> Result<Self, aho_corasick::BuildError> {
        let (phrases, ids) = Phrases::new(&packs)?;
        let decider = Decider::new(&packs, &ids);
        drop(ids);
        let mut reported: Vec<Reported> = Vec::new();
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        let (mut first_reports, mut reported_as) = (Vec::with_capacity(packs.rules.len()), Vec::new());
        for rule in &packs.rules {
            first_reports.push(reported_as.len());
            for (report, _) in rule.reports() {
                let index = *by_id.entry(&report.id).or_insert(reported.len());
                match reported.get_mut(index) {
                    Some(known) => known.severity = known.severity.max(report.severity),
                    None => reported.push(Reported { id: report.id.clone(), severity: report.severity }),
                }
                reported_as.push(index);
            }
        }
        let counted = Counted::new(&packs, &reported);
        Ok(Self { packs, settings, phrases, decider, reported, first_reports, reported_as, counted })
    }

    /// Judges one line. `source` is what its memory is kept by when the line names no source itself: the Kafka key, or
    /// the file's name. Lines of one source must come in order, with the same memory.
    pub fn classify(&self, line: &[u8], source: Option<&str>, memory: &mut Memory) -> Outcome {
        self.classify_by(line, Writer { source, ..Writer::default() }, memory)
    }

    /// The same for lines of which more is known than their source.
    pub fn classify_by(&self, line: &[u8], writer: Writer<'_>, memory: &mut Memory) -> Outcome {
        self.passed(line).unwrap_or_else(|| self.judge(line, writer, memory))
    }

    /// What becomes of a line that need not be judged: it is too long, or nothing in it may concern us.
    pub(crate) fn passed(&self, line: &[u8]) -> Option<Outcome> {
        if line.len() > self.settings.limits.payload {
            return Some(Outcome { crossed: Crossed { payload: true, ..Crossed::default() }, ..Outcome::default() });
        }
        (!self.may_concern(line)).then(Outcome::default)
    }

    /// Whether the scan stops at a line, so that it is parsed and judged; at nearly all lines it does not. It stops too
    /// often rather than too rarely.
    #[must_use]
    pub fn may_concern(&self, line: &[u8]) -> bool {
        self.phrases.scan(line)
    }

    /// The line without the object that an earlier pass put in; of any length, as it may only have become long by that.
    #[must_use]
    pub fn without_ours<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        // The scan stops at our own member.
        if !self.may_concern(line) {
            return Cow::Borrowed(line);
        }
        match line::parse(line, &self.settings).object {
            Some(object) => splice::splice(line, &object, None),
            None => Cow::Borrowed(line),
        }
    }

    /// Judges a line that [`Engine::passed`] says nothing of.
    pub(crate) fn judge(&self, payload: &[u8], writer: Writer<'_>, memory: &mut Memory) -> Outcome {
        let limits = &self.settings.limits;
        let Record { object, lines } = self.open(payload, writer);
        let (is_object, object) = (object.is_some(), object.map(Box::new));
        if lines.iter().all(is_probe) {
            return Outcome { probe: !lines.is_empty(), is_object, object, ..Outcome::default() };
        }
        let mut outcome = Outcome { is_object, object, ..Outcome::default() };
        let mut hits = limits.hits;
        let search = |line| {
            let found = self.phrases.search(line, hits);
            hits -= found.occurrences();
            outcome.crossed.hits |= found.crossed;
            found
        };
        let found: Vec<Found> = lines.iter().map(search).collect();
        let mut work = Work::of(limits, payload.len());
        let mut records: Vec<Judged<'_>> = Vec::new();
        for (line, found) in lines.iter().zip(&found) {
            outcome.crossed.nesting |= line.too_deep;
            if is_probe(line) {
                continue;
            }
            let mut judge = Judge::new(self.bench(), line, found, work);
            let source = line.source().or(writer.source);
            let mut said = memory.said(source);
            if judge.contexts(&mut said)
                && let Some(source) = source
            {
                memory.remember(source, &said);
            }
            let matches = judge.rules(&said);
            outcome.crossed.capture |= judge.cut;
            work = judge.looks.work;
            let ids: Vec<usize> = matches.iter().map(|found| self.index(found)).collect();
            if memory.counts_for_alerts()
                && let Some(countable) = self.counted.of(&matches, &ids, line, &self.packs, &self.settings)
            {
                outcome.countable.push(countable);
            }
            if !matches.is_empty() {
                records.push(Judged { line, matches, ids });
            }
        }
        outcome.crossed.work = work.is_crossed();
        outcome.crossed.records = records.len() > verdict::PATHS_MAX;
        outcome.verdict = self.verdict(&records).map(Box::new);
        outcome
    }

    /// What the records that matched come to: the primary is the greatest of all, and speaks for them.
    fn verdict(&self, records: &[Judged<'_>]) -> Option<Verdict> {
        let greatest = |known: &Judged<'_>, other: &Judged<'_>| rank(&other.matches[0]) > rank(&known.matches[0]);
        let mut primary = records.first()?;
        for other in records {
            if greatest(primary, other) {
                primary = other;
            }
        }
        let (mut rules, mut ids) = (primary.ids.clone(), primary.names());
        if records.len() > 1 {
            let mut seen: HashSet<usize> = rules.iter().copied().collect();
            for other in records {
                for (rule, id) in other.ids.iter().zip(other.names()) {
                    if seen.insert(*rule) {
                        rules.push(*rule);
                        ids.push(id);
                    }
                }
            }
        }
        let paths = records.iter().filter_map(|record| record.line.path.as_deref()).collect();
        let matched = Matched { matches: &primary.matches, rules, ids, path: primary.line.path.as_deref(), paths };
        verdict::write(matched, &self.packs, &self.settings.base_url)
    }

    /// What lines are judged by.
    fn bench(&self) -> Bench<'_> {
        let Self { packs, phrases, decider, settings, .. } = self;
        Bench { packs, phrases, decider, limits: &settings.limits }
    }

    /// Takes a payload apart; each line of it is of the app that it names, else of its writer's.
    fn open<'l>(&self, payload: &'l [u8], writer: Writer<'_>) -> Record<'l> {
        let mut record = line::parse(payload, &self.settings);
        let told = |name: Option<&str>| name.map(|name| Fact { value: name.to_owned(), path: line::WRITER, layer: 0 });
        for line in &mut record.lines {
            line.app = line.app.take().or_else(|| told(writer.app));
            line.region = line.region.take().or_else(|| told(writer.region));
        }
        record
    }

    /// What a match is reported as: an index into [`Engine::reported`].
    fn index(&self, found: &Match<'_>) -> usize {
        self.reported_as[self.first_reports[found.rule] + found.case]
    }

    /// An empty memory, one for each input topic-partition.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::new(self.settings.limits.sources)
    }

    /// Every id that lines can be tagged with; [`Verdict::rules`] are indexes into it.
    #[must_use]
    pub fn reported(&self) -> &[Reported] {
        &self.reported
    }

    /// The same engine in less memory: of its packs, what it does not need itself is [let go](Packs::let_go).
    #[must_use]
    pub fn lean(mut self) -> Self {
        self.packs.let_go();
        self
    }

    /// The packs this was compiled from.
    #[must_use]
    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// What it was told besides.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bytes that the automata take; what else there is grows with the packs' own size.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        self.phrases.memory_usage()
    }

    /// Digest of the pack set: 16 hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.packs.digest
    }
}

/// A line in which rules matched.
struct Judged<'a> {
    line: &'a Line<'a>,
    /// The primary first; never empty.
    matches: Vec<Match<'a>>,
    /// What they are reported as.
    ids: Vec<usize>,
}

impl<'a> Judged<'a> {
    fn names(&self) -> Vec<&'a str> {
        self.matches.iter().map(|found| found.report.id.as_str()).collect()
    }
}

/// LogDNA's set-up probe is nobody's line.
fn is_probe(line: &Line<'_>) -> bool {
    line.app() == Some(PROBE_APP)
}
