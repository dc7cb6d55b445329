//! How fast is the engine, beside what it could be at best and beside the plain way to do it?
//!
//!     cargo bench --bench engine -- --phrases 40,4000,100000 --rounds 5 --lines 100000
//!
//! Each line of a corpus is looked at in five ways: its bytes are summed (nothing that reads the line is faster), a byte
//! that it lacks is searched in it, `Engine::may_concern` scans it, an automaton for the same phrases searches it, and
//! `Engine::classify` judges it. The automaton is the aho-corasick crate at its best, in two stages: is there a phrase,
//! and only then, which; a table of states up to 4,000 phrases, beyond that its compact form, as the table would not fit.
//!
//! The ways take turns within a round, so that whatever slows the machine down slows all of them, and what is counted
//! is the processor time of this thread, which other processes do not add to. The least of the rounds is compared, being
//! the least disturbed. Every timed pass counts what it found and must come to what the corpus holds. In the end stand
//! the proofs; the exit code is 1 when one does not hold. `cargo test` runs it for a moment, to see that it counts right.

mod corpus;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use corpus::{Kind, Lines};
use fingerpost::diagnostic::Source;
use fingerpost::engine::{Engine, Settings};
use fingerpost::pack;
use nix::time::{ClockId, clock_gettime};

#[derive(Parser)]
struct Arguments {
    /// How many phrases are looked for
    #[arg(long, value_delimiter = ',', default_value = "40,4000,100000")]
    phrases: Vec<usize>,
    /// How often each way takes its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Lines of a corpus
    #[arg(long, default_value_t = 100_000)]
    lines: usize,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

const CORPORA: [(&str, Kind); 4] = [
    ("no hits", Kind::Clean),
    (ONE_PERCENT, Kind::Matching(10_000)),
    ("20 % hits", Kind::Matching(200_000)),
    ("1 % hits, near misses in every line", Kind::NearMiss(10_000)),
];
/// The corpus that the proofs are about.
const ONE_PERCENT: &str = "1 % hits";

/// The ways to look at a line, in the order of their turns.
const WAYS: [&str; 5] = ["sum of bytes", "absent byte", "scan", "automaton", "classify"];
const SUM: usize = 0;
const SCAN: usize = 2;
const AUTOMATON: usize = 3;

/// So many times faster than the automaton the scan must be, for so many phrases.
const FASTER_THAN_AUTOMATON: [(usize, f64); 3] = [(40, 3.0), (4000, 5.0), (100_000, 5.0)];
/// At 40 phrases the scan must reach this part of the speed at which bytes are summed.
const PART_OF_SUM: f64 = 0.25;

fn main() -> ExitCode {
    // cargo says `--bench` when it benches and nothing when it tests.
    if !std::env::args().any(|argument| argument == "--bench") {
        Size::new(40).measure(&Arguments { phrases: Vec::new(), rounds: 1, lines: 500, bench: false });
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let mut builds = table(&["phrases", "pack read, ms", "engine built, ms", "engine, KB", "automaton, KB"]);
    let mut measured = Vec::new();
    for n in &arguments.phrases {
        let size = Size::new(*n);
        builds.add_row([
            n.to_string(),
            format!("{:.1}", ms(size.read)),
            format!("{:.1}", ms(size.built)),
            kb(size.engine.memory_usage()),
            kb(size.automaton.memory_usage()),
        ]);
        measured.extend(size.measure(&arguments));
    }
    println!("{builds}\n");
    for (name, _) in CORPORA {
        print_corpus(name, &measured);
    }
    let all_hold = proofs(&measured).iter().all(|holds| *holds);
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Engine and automaton for so many phrases.
struct Size {
    phrases: Vec<String>,
    engine: Engine,
    automaton: Automaton,
    /// Processor time of reading the pack.
    read: Duration,
    /// Processor time of compiling it.
    built: Duration,
}

impl Size {
    fn new(n: usize) -> Self {
        let phrases = corpus::phrases(n);
        let source = Source { name: "bench.toml".to_owned(), text: corpus::pack(n) };
        let (read, (packs, diagnostics)) = timed(|| pack::parse(&[Arc::new(source)]));
        assert!(diagnostics.is_empty(), "{diagnostics:#?}");
        let packs = packs.expect("a pack without diagnostics is sound");
        let (built, engine) = timed(|| Engine::new(packs, Settings::default()).expect("not too many phrases"));
        let automaton = Automaton::new(&phrases);
        Self { phrases, engine, automaton, read, built }
    }

    fn measure(&self, arguments: &Arguments) -> Vec<Measured> {
        CORPORA.iter().map(|(name, kind)| self.measure_one(name, *kind, arguments)).collect()
    }

    fn measure_one(&self, name: &'static str, kind: Kind, arguments: &Arguments) -> Measured {
        eprintln!("{} phrases, {name}", self.phrases.len());
        let corpus = Corpus::new(Lines::new(kind, &self.phrases, 1), arguments.lines);
        let expected = self.check(&corpus);
        let mut rounds = [const { Vec::new() }; WAYS.len()];
        for _ in 0..arguments.rounds {
            for (way, times) in rounds.iter_mut().enumerate() {
                let (time, found) = timed(|| self.pass(way, black_box(&corpus)));
                assert_eq!(found, expected[way], "{} of {name} found something else than before", WAYS[way]);
                times.push(time);
            }
        }
        let lines = corpus.phrases.len();
        let too_many = expected[SCAN] - expected[AUTOMATON];
        Measured { n: self.phrases.len(), name, lines, bytes: corpus.bytes.len(), too_many, rounds }
    }

    /// Holds each way against what the corpus says of each line, and gives what a pass of each must come to.
    fn check(&self, corpus: &Corpus) -> [usize; WAYS.len()] {
        let mut memory = self.engine.memory();
        let (mut stops, mut hits) = (0, 0);
        for (line, phrase) in corpus.lines().zip(&corpus.phrases) {
            let text = || String::from_utf8_lossy(line);
            let stopped = self.engine.may_concern(line);
            assert!(stopped || phrase.is_none(), "the scan does not stop at {}", text());
            let found: Vec<usize> = self.automaton.find(line).collect();
            assert_eq!(found, Vec::from_iter(*phrase), "the automaton finds other phrases in {}", text());
            let rules = self.engine.classify(line, None, &mut memory).verdict.map_or(0, |verdict| verdict.rules.len());
            assert_eq!(rules, usize::from(phrase.is_some()), "another number of rules matches {}", text());
            stops += usize::from(stopped);
            hits += usize::from(phrase.is_some());
        }
        let sum = corpus.bytes.iter().fold(0, |sum, byte| sum + usize::from(*byte));
        [sum, 0, stops, hits, hits]
    }

    fn pass(&self, way: usize, corpus: &Corpus) -> usize {
        match way {
            SUM => corpus.lines().map(sum).sum(),
            1 => corpus.lines().filter(|line| memchr::memchr(0, line).is_some()).count(),
            SCAN => corpus.lines().filter(|line| self.engine.may_concern(line)).count(),
            AUTOMATON => corpus.lines().map(|line| self.automaton.find(line).count()).sum(),
            _ => {
                let mut memory = self.engine.memory();
                corpus.lines().filter(|line| self.engine.classify(line, None, &mut memory).verdict.is_some()).count()
            }
        }
    }
}

/// Of one message; never inlined, since a pass that knew the next message would be another measure. In chunks, because
/// the compiler then finds the instruction that sums bytes: three times as fast as one sum over the whole line.
#[inline(never)]
fn sum(line: &[u8]) -> usize {
    let (chunks, rest) = line.as_chunks::<16>();
    let chunks: u32 = chunks.iter().map(|chunk| chunk.iter().map(|byte| u32::from(*byte)).sum::<u32>()).sum();
    chunks as usize + rest.iter().map(|byte| usize::from(*byte)).sum::<usize>()
}

struct Automaton {
    any: AhoCorasick,
    all: AhoCorasick,
}

impl Automaton {
    fn new(phrases: &[String]) -> Self {
        let kind = if phrases.len() <= 4000 { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let build = |matching| {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .kind(Some(kind))
                .match_kind(matching)
                .build(phrases)
                .expect("not too many phrases")
        };
        Self { any: build(MatchKind::LeftmostFirst), all: build(MatchKind::Standard) }
    }

    fn find(&self, line: &[u8]) -> impl Iterator<Item = usize> {
        let hits = self.any.is_match(line).then(|| self.all.find_overlapping_iter(line));
        hits.into_iter().flatten().map(|hit| hit.pattern().as_usize())
    }

    fn memory_usage(&self) -> usize {
        self.any.memory_usage() + self.all.memory_usage()
    }
}

/// Lines one after the other in one buffer, as a batch from Kafka has them.
struct Corpus {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    phrases: Vec<Option<usize>>,
}

impl Corpus {
    fn new(lines: Lines<'_>, count: usize) -> Self {
        let mut corpus = Self { bytes: Vec::new(), ends: vec![0], phrases: Vec::new() };
        for line in lines.take(count) {
            corpus.bytes.extend_from_slice(line.json.as_bytes());
            corpus.ends.push(corpus.bytes.len());
            corpus.phrases.push(line.phrase);
        }
        corpus
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.windows(2).map(|ends| &self.bytes[ends[0]..ends[1]])
    }
}

/// What was measured for one corpus and one number of phrases.
struct Measured {
    n: usize,
    name: &'static str,
    lines: usize,
    bytes: usize,
    /// Lines without a phrase at which the scan stopped.
    too_many: usize,
    /// Of each way, the processor time of each round.
    rounds: [Vec<Duration>; WAYS.len()],
}

impl Measured {
    /// Nanoseconds a line in the fastest round.
    fn least(&self, way: usize) -> f64 {
        self.ns(*self.rounds[way].iter().min().expect("at least one round"))
    }

    fn median(&self, way: usize) -> f64 {
        let mut rounds = self.rounds[way].clone();
        rounds.sort_unstable();
        self.ns(rounds[rounds.len() / 2])
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer lines than 2^52")]
    fn ns(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e9 / self.lines as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer bytes than 2^52")]
    fn gb_per_s(&self, way: usize) -> f64 {
        self.bytes as f64 / (self.least(way) * self.lines as f64)
    }
}

fn print_corpus(name: &str, measured: &[Measured]) {
    let headers = [
        "phrases",
        "bytes/line",
        "way",
        "ns/line",
        "median",
        "GB/s",
        "of the sum's speed",
        "× automaton's speed",
        "stops too many",
    ];
    let mut table = table(&headers);
    for measured in measured.iter().filter(|measured| measured.name == name) {
        for (way, title) in WAYS.iter().enumerate() {
            let least = measured.least(way);
            table.add_row([
                measured.n.to_string(),
                (measured.bytes / measured.lines).to_string(),
                (*title).to_owned(),
                format!("{least:.1}"),
                format!("{:.1}", measured.median(way)),
                format!("{:.2}", measured.gb_per_s(way)),
                format!("{:.0} %", 100.0 * measured.least(SUM) / least),
                format!("{:.2}", measured.least(AUTOMATON) / least),
                if way == SCAN { measured.too_many.to_string() } else { String::new() },
            ]);
        }
    }
    println!("{name}\n{table}\n");
}

/// Says of each proof whether it holds. What was not measured is not proven, and not said.
fn proofs(measured: &[Measured]) -> Vec<bool> {
    let of = |n: usize| measured.iter().find(|measured| measured.n == n && measured.name == ONE_PERCENT);
    let mut verdicts = Vec::new();
    let mut prove = |n: usize, ratio: f64, least: f64, other: &str| {
        let holds = ratio >= least;
        let word = if holds { "holds" } else { "does not hold" };
        println!(
            "{word}: {n} phrases, {ONE_PERCENT}: the scan has {ratio:.2} times the speed of {other}, at least {least} is wanted"
        );
        verdicts.push(holds);
    };
    for (n, least) in FASTER_THAN_AUTOMATON {
        if let Some(measured) = of(n) {
            prove(n, measured.least(AUTOMATON) / measured.least(SCAN), least, "the automaton");
        }
    }
    if let Some(measured) = of(40) {
        prove(40, measured.least(SUM) / measured.least(SCAN), PART_OF_SUM, "summing the bytes");
    }
    verdicts
}

fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headers);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if headers[index] == "way" { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// What a call takes of this thread's processor time.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has this clock"));
    let before = now();
    let result = black_box(work());
    (now() - before, result)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn kb(bytes: usize) -> String {
    (bytes / 1000).to_string()
}
