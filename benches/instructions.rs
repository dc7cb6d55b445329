//! The gate on speed that also holds on a busy machine: how many instructions do fixed pieces of work take?
//!
//!     make instructions             compare with benches/instructions.toml
//!     make instructions ACCEPT=1    write that file anew
//!
//! Each piece of work runs in a process of its own under valgrind's callgrind, which counts only within `measured`, so
//! neither setting up nor another piece can be seen in the count. More than 3 % above the baseline fails, with the
//! functions that grew most; more than 3 % below asks for a new baseline. Hash maps are seeded anew in each process: that
//! moves the counts, most of them by less than 0.01 %, the worst by 0.25 %. Nothing else differs from run to run. Caches
//! and branches are not simulated: for time there is `cargo bench --bench engine`.
//!
//! Own code and not gungraun (formerly iai-callgrind), since that compares with the run before on the same machine, not
//! with a file that is reviewed and committed, and needs a second program of exactly its version beside it. `cargo test`
//! runs each piece once without valgrind, to see that it does its work.

mod corpus;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use clap::Parser;
use corpus::{Kind, Line, Lines};
use fingerpost::diagnostic::Source;
use fingerpost::engine::{Detail, Engine, Outcome, Settings, examples};
use fingerpost::pack::{self, Packs};
use serde::{Deserialize, Serialize};

/// The part by which a count may differ from the baseline.
const TOLERANCE: f64 = 0.03;
/// Functions of each piece of work that the baseline names.
const FUNCTIONS_KEPT: usize = 25;
/// Functions that a complaint names.
const FUNCTIONS_SHOWN: usize = 5;
/// Lines of each piece of work that classifies.
const LINES: usize = 2000;
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.toml");

#[derive(Parser)]
struct Arguments {
    /// Write the counts as the new baseline
    #[arg(long)]
    accept: bool,
    /// Do this piece of work and nothing else: what runs under valgrind
    #[arg(long)]
    work: Option<String>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // cargo says `--bench` when it benches and nothing when it tests; valgrind is told which piece of work.
    if !std::env::args().any(|argument| ["--bench", "--work"].contains(&argument.as_str())) {
        works().into_values().for_each(|set_up| measured(&mut *set_up()));
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.work {
        measured(&mut *works()[name.as_str()]());
        return ExitCode::SUCCESS;
    }
    gate(arguments.accept).unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::FAILURE
    })
}

// --- the pieces of work ---

/// Work that is ready to be done; it panics when it does not come to what it should.
type Work = Box<dyn FnMut()>;

/// What is counted: callgrind knows this function by its name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

/// Every piece of work, and how it is made ready.
fn works() -> BTreeMap<&'static str, fn() -> Work> {
    BTreeMap::from([
        ("classify-40-clean", (|| classify(40, Kind::Clean)) as fn() -> Work),
        ("classify-40-1-percent", || classify(40, Kind::Matching(10_000))),
        ("classify-40-20-percent", || classify(40, Kind::Matching(200_000))),
        ("classify-40-near-misses", || classify(40, Kind::NearMiss(10_000))),
        ("classify-4000-clean", || classify(4000, Kind::Clean)),
        ("classify-4000-1-percent", || classify(4000, Kind::Matching(10_000))),
        ("classify-4000-20-percent", || classify(4000, Kind::Matching(200_000))),
        ("classify-4000-near-misses", || classify(4000, Kind::NearMiss(10_000))),
        ("splice", splice),
        ("judge-shipped-examples", judge_shipped),
        ("read-shipped-packs", || read(pack::builtin())),
        ("read-4000-phrases", || read(generated(4000))),
        ("compile-shipped-packs", || compile(packs(&pack::builtin()))),
        ("compile-4000-phrases", || compile(packs(&generated(4000)))),
    ])
}

fn generated(n: usize) -> Vec<Arc<Source>> {
    vec![Arc::new(Source { name: "bench.toml".to_owned(), text: corpus::pack(n) })]
}

fn packs(sources: &[Arc<Source>]) -> Packs {
    pack::parse(sources).0.expect("the packs are sound")
}

fn engine(packs: Packs) -> Engine {
    Engine::new(packs, Settings::default()).expect("not too many phrases")
}

fn lines(n: usize, kind: Kind) -> Vec<Line> {
    Lines::new(kind, &corpus::phrases(n), 1).take(LINES).collect()
}

fn classify(n: usize, kind: Kind) -> Work {
    let (engine, lines) = (engine(packs(&generated(n))), lines(n, kind));
    let expected = lines.iter().filter(|line| line.phrase.is_some()).count();
    let mut memory = engine.memory();
    Box::new(move || {
        let outcomes = lines.iter().map(|line| engine.classify(line.json.as_bytes(), None, &mut memory));
        assert_eq!(outcomes.filter(|outcome| outcome.verdict.is_some()).count(), expected);
    })
}

/// Putting the object into lines, and only that: all of them match.
fn splice() -> Work {
    let (engine, lines) = (engine(packs(&generated(40))), lines(40, Kind::Matching(1_000_000)));
    let mut memory = engine.memory();
    let judged: Vec<(Outcome, Line)> =
        lines.into_iter().map(|line| (engine.classify(line.json.as_bytes(), None, &mut memory), line)).collect();
    Box::new(move || {
        for (outcome, line) in &judged {
            assert!(outcome.value(line.json.as_bytes(), Detail::Full).len() > line.json.len());
        }
    })
}

/// The shipped rules on their own examples: captures, contexts and cases, which the generated pack has none of.
fn judge_shipped() -> Work {
    let engine = engine(packs(&pack::builtin()));
    Box::new(move || {
        let proof = examples::prove(&engine);
        assert!(proof.run > 0 && proof.failures.is_empty());
    })
}

fn read(sources: Vec<Arc<Source>>) -> Work {
    Box::new(move || {
        black_box(packs(&sources));
    })
}

fn compile(packs: Packs) -> Work {
    // Taken, so that copying the packs is not counted.
    let mut packs = Some(packs);
    Box::new(move || {
        black_box(engine(packs.take().expect("work is done once")));
    })
}

// --- the gate ---

/// What stands in `benches/instructions.toml`.
#[derive(Serialize, Deserialize)]
struct Baseline {
    /// With what it was counted; others may count differently.
    made_with: BTreeMap<String, String>,
    work: BTreeMap<String, Count>,
}

/// Instructions.
#[derive(Serialize, Deserialize)]
struct Count {
    total: u64,
    /// Of single functions, without what they call.
    functions: BTreeMap<String, u64>,
}

fn gate(accept: bool) -> Result<ExitCode, Box<dyn Error>> {
    let now = Baseline { made_with: made_with()?, work: count_all()? };
    if accept {
        let note = "# Instructions of each piece of work in benches/instructions.rs. Written by `make instructions ACCEPT=1`.\n\n";
        fs::write(BASELINE, note.to_owned() + &toml::to_string(&now)?)?;
        println!("accepted: {} pieces of work", now.work.len());
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(BASELINE).map_err(|error| format!("{BASELINE}: {error}"))?;
    let before: Baseline = toml::from_str(&text)?;
    for (tool, version) in &now.made_with {
        let known = before.made_with.get(tool).map_or("none", String::as_str);
        if known != version {
            println!("note: the baseline was made with {known}, this is {version}: counts may differ for that alone");
        }
    }
    let mut failed = false;
    for (name, count) in &now.work {
        let grown = before.work.get(name).map(|before| compare(name, before, count));
        failed |= grown.unwrap_or_else(|| {
            println!("{name}: not in the baseline");
            true
        });
    }
    for name in before.work.keys().filter(|name| !now.work.contains_key(*name)) {
        println!("{name}: in the baseline, but there is no such piece of work");
        failed = true;
    }
    if failed {
        println!("If that is meant to be so: make instructions ACCEPT=1, and commit benches/instructions.toml");
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Says how a count has changed, and returns whether it grew too much.
fn compare(name: &str, before: &Count, now: &Count) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a count is far below 2^52")]
    let change = now.total as f64 / before.total as f64 - 1.0;
    let grown = change > TOLERANCE;
    let word = if grown {
        "FAILED, grew too much; what grew most:"
    } else if change < -TOLERANCE {
        "shrank: accept the new baseline with make instructions ACCEPT=1"
    } else {
        "ok"
    };
    println!("{name:<26} {:>12} → {:>12}  {:>+7.2} %  {word}", before.total, now.total, change * 100.0);
    if grown {
        growth(before, now).iter().take(FUNCTIONS_SHOWN).for_each(|line| println!("    {line}"));
    }
    grown
}

/// The functions that grew, those first that grew most.
fn growth(before: &Count, now: &Count) -> Vec<String> {
    let mut grown: Vec<(u64, String)> = Vec::new();
    for (function, count) in &now.functions {
        let known = before.functions.get(function).copied();
        let more = count.saturating_sub(known.unwrap_or(0));
        let was = known.map_or("not among the largest before".to_owned(), |known| format!("{known} before"));
        if more > 0 {
            grown.push((more, format!("{more:>+12}  {function} ({was})")));
        }
    }
    grown.sort_by(|a, b| b.cmp(a));
    grown.into_iter().map(|(_, line)| line).collect()
}

fn made_with() -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let tools = [
        ("architecture", std::env::consts::ARCH.to_owned()),
        ("rustc", says("rustc", "--version")?),
        ("valgrind", says("valgrind", "--version")?),
        ("libc", says("getconf", "GNU_LIBC_VERSION")?),
    ];
    Ok(tools.map(|(tool, version)| (tool.to_owned(), version)).into())
}

fn says(program: &str, argument: &str) -> Result<String, Box<dyn Error>> {
    let output =
        Command::new(program).arg(argument).output().map_err(|error| format!("{program} is needed: {error}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

// --- counting ---

/// Several at a time: what one process counts does not depend on the others.
fn count_all() -> Result<BTreeMap<String, Count>, Box<dyn Error>> {
    let names: Vec<&str> = works().into_keys().collect();
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = count(name).map_err(|error| format!("{name}: {error}"));
                    counts.lock().expect("no other thread panics").push((*name, count));
                }
            });
        }
    });
    let counts = counts.into_inner()?;
    Ok(counts.into_iter().map(|(name, count)| Ok((name.to_owned(), count?))).collect::<Result<_, String>>()?)
}

fn count(name: &str) -> Result<Count, Box<dyn Error>> {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.callgrind"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*instructions::measured*"])
        .args(["--compress-strings=no", "--compress-pos=no", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe()?)
        .args(["--work", name])
        // The environment stands on the stack, so its size would be another thing that differs.
        .env_clear()
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mut functions: Vec<(String, u64)> = costs(&fs::read_to_string(&profile)?)?.into_iter().collect();
    fs::remove_file(&profile)?;
    let total = functions.iter().map(|(_, cost)| cost).sum();
    if total == 0 {
        return Err("nothing was counted: valgrind did not find the function `measured`".into());
    }
    functions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Count { total, functions: functions.into_iter().take(FUNCTIONS_KEPT).collect() })
}

/// What each function costs by itself, from a profile as callgrind writes it: `fn=NAME`, then lines of position and
/// cost. After `calls=…` stands what the called function cost, which is told under its own name.
fn costs(profile: &str) -> Result<BTreeMap<String, u64>, Box<dyn Error>> {
    let mut costs = BTreeMap::new();
    let mut function = String::new();
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = without_hash(name).to_owned();
        } else if line.starts_with("calls=") {
            lines.next();
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).ok_or("a line of the profile has no cost")?;
            *costs.entry(function.clone()).or_insert(0) += cost.parse::<u64>()?;
        }
    }
    Ok(costs)
}

/// The name without what the compiler adds, which is another one after each change.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => name,
        _ => name,
    }
}
