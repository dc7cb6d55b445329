//! What does a line cost, beside what it would cost with less or with something else? `make bench` runs Fingerpost, bare
//! librdkafka, and programs of others on a real broker, on the same lines, one after the other, round by round, and says
//! whether the promises hold.
//!
//! ```text
//! make bench                                             everything: half an hour
//! make bench ARGS="--list"                               the names of the cells
//! make bench ARGS="--cells passthrough,run --rounds 3"   a part; leaves benches/RESULTS.md alone
//! make bench ARGS="--quick"                              one round of 50,000 lines: does it all work?
//! ```
//!
//! A round runs every cell once, each round beginning with another one, so that no candidate always comes behind the same
//! other. Every candidate is a process of its own: bare librdkafka and the afternoon's work are this program, started with
//! a verb. Every output is read again and checked against what the generator of the lines said. Broker, topics and groups
//! are the bench's own and are gone afterwards.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use broker::Broker;
use candidate::{Job, Program, Promise, Tag};
use cells::{Cell, Task};
use feed::{Corpus, Recipe};
use passthrough::BATCH;
use results::Results;

mod average;
mod broker;
mod candidate;
mod cells;
#[path = "../corpus.rs"]
mod corpus;
mod feed;
mod live;
mod measure;
mod passthrough;
mod peers;
mod plot;
mod report;
mod results;
mod settings;
mod verify;

/// What the directory of a run is called, before the number of its process.
const DIRECTORY: &str = "bench-";

/// What is asked for.
#[derive(Debug, Clone, Parser)]
#[command(name = "make bench", about = "Measure the pipeline on a real broker")]
pub(crate) struct Options {
    /// Lines of each cell
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1000..=20_000_000))]
    pub(crate) lines: u64,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: u64,
    /// Only these cells: a name, or the first words of some
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// One round of 50,000 lines
    #[arg(long)]
    quick: bool,
    /// Say what cells there are
    #[arg(long)]
    list: bool,
    /// What cargo says to a bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What this program is when the bench starts it.
#[derive(Debug, Clone, Subcommand)]
#[command(hide = true)]
enum Verb {
    /// librdkafka, records passed on
    Passthrough(Job),
    /// librdkafka, records dropped
    Consumer(Job),
    /// librdkafka, records polled one by one and dropped
    Polled(Job),
    /// librdkafka, bytes summed
    Reader(Job),
    /// An afternoon's work
    Average(Job),
}

impl Options {
    /// As they would be typed.
    pub(crate) fn typed(&self) -> String {
        let cells = if self.cells.is_empty() { String::new() } else { format!(" --cells {}", self.cells.join(",")) };
        format!("--lines {} --rounds {}{cells}", self.lines, self.rounds)
    }

    /// Whether it is the run that is written down for readers.
    fn is_whole(&self) -> bool {
        !self.quick && self.cells.is_empty()
    }
}

fn sum(value: &[u8]) -> u64 {
    value.iter().map(|byte| u64::from(*byte)).sum()
}

/// 1 when something went wrong, an output that is not right included. A promise that does not hold is a result.
fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.verb {
        Some(Verb::Passthrough(job)) => passthrough::pass_through(job),
        Some(Verb::Consumer(job)) => passthrough::consume(job, BATCH, |_| 0),
        Some(Verb::Polled(job)) => passthrough::consume(job, 1, |_| 0),
        Some(Verb::Reader(job)) => passthrough::consume(job, BATCH, sum),
        Some(Verb::Average(job)) => average::run(job),
        None => answer(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn answer(mut options: Options) -> Result<()> {
    if options.quick {
        (options.lines, options.rounds) = (50_000, 1);
    }
    let cells = chosen(&options.cells)?;
    if options.list {
        cells.iter().for_each(|cell| println!("{:22} {}", cell.name, cell.about()));
    } else if options.bench {
        bench(&options, &cells)?;
    } else {
        println!("nothing is measured without --bench: run `make bench`");
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<Cell>> {
    let cells = cells::all();
    if let Some(name) = names.iter().find(|name| !cells.iter().any(|cell| cell.is(name))) {
        anyhow::bail!("there is no cell {name}; --list names them");
    }
    Ok(cells.into_iter().filter(|cell| names.is_empty() || names.iter().any(|name| cell.is(name))).collect())
}

fn bench(options: &Options, cells: &[Cell]) -> Result<()> {
    settings::check()?;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    broker::sweep(place, DIRECTORY);
    let dir = place.join(format!("{DIRECTORY}{}", std::process::id()));
    let mut bench = Bench::new(dir, usize::try_from(options.lines)?)?;
    let results = bench.rounds(usize::try_from(options.rounds)?, cells)?;
    report::show(&results, cells);
    let into =
        if options.is_whole() { Path::new(env!("CARGO_MANIFEST_DIR")).join("benches") } else { place.to_owned() };
    report::write(&into.join("RESULTS.md"), &results, cells, options)?;
    let title = "CPU seconds for a million lines, 1 % of them matching";
    fs::write(into.join("results.svg"), plot::draw(title, &report::bars(&results, cells)))?;
    println!("\nwritten: {0}/RESULTS.md and {0}/results.svg", into.display());
    ensure!(results.failed == 0, "{} times a cell failed", results.failed);
    Ok(())
}

/// What stays from cell to cell.
struct Bench {
    broker: Broker,
    dir: PathBuf,
    lines: usize,
    corpora: HashMap<Recipe, Corpus>,
    rules: HashMap<usize, Rules>,
    /// Cells run so far, which makes every name of a topic or group a new one.
    count: usize,
}

/// What so many phrases stand for.
struct Rules {
    tags: Vec<Tag>,
    /// The same as a table.
    table: PathBuf,
    /// The directory with the pack.
    packs: PathBuf,
}

impl Bench {
    fn new(dir: PathBuf, lines: usize) -> Result<Self> {
        let broker = Broker::start(&dir)?;
        Ok(Self { broker, dir, lines, corpora: HashMap::new(), rules: HashMap::new(), count: 0 })
    }

    /// Runs all cells so many times.
    fn rounds(&mut self, rounds: usize, cells: &[Cell]) -> Result<Results> {
        let mut results = Results::default();
        let cells = here(cells, &mut results);
        let schedule = results::schedule(&cells);
        let bar = progress(schedule.len() * rounds);
        self.prepare(&cells, &bar)?;
        for round in 0..rounds {
            let mut order: Vec<&Cell> = schedule.iter().copied().filter(|cell| round == 0 || !cell.once).collect();
            let first = round * order.len() / rounds;
            order.rotate_left(first);
            for cell in order {
                bar.set_message(cell.name.clone());
                self.cell(round, cell, &mut results);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(results)
    }

    /// Writes the corpora and the rules, and runs two candidates whose figures nobody sees: the first ones would pay for a
    /// broker that is still cold, and for its first transaction.
    fn prepare(&mut self, cells: &[Cell], bar: &ProgressBar) -> Result<()> {
        for cell in cells {
            bar.set_message(format!("lines and rules of {}", cell.name));
            self.rules(cell.phrases())?;
            let Task::Drain(_, recipe) = cell.task else { continue };
            if let Entry::Vacant(corpus) = self.corpora.entry(recipe) {
                corpus.insert(feed::feed(&self.broker, recipe, self.lines)?);
            }
        }
        let Some(recipe) = self.corpora.keys().copied().min_by_key(|recipe| recipe.phrases) else { return Ok(()) };
        bar.set_message("warming up");
        for program in [Program::Passthrough, Program::Daemon(Promise::ExactlyOnce)] {
            self.drain(program, recipe)?;
        }
        Ok(())
    }

    fn rules(&mut self, phrases: usize) -> Result<()> {
        let Entry::Vacant(rules) = self.rules.entry(phrases) else { return Ok(()) };
        let packs = self.dir.join(format!("packs-{phrases}"));
        fs::create_dir_all(&packs)?;
        fs::write(packs.join("bench.toml"), corpus::pack(phrases))?;
        let tags = candidate::rules(phrases)?;
        ensure!(tags.len() == phrases, "the pack has {} of {phrases} phrases", tags.len());
        let table = self.dir.join(format!("tags-{phrases}"));
        candidate::write_tags(&table, &tags)?;
        rules.insert(Rules { tags, table, packs });
        Ok(())
    }

    /// Runs a cell. One that fails is told and left out: the others are still worth their time.
    fn cell(&mut self, round: usize, cell: &Cell, results: &mut Results) {
        let done = match cell.task {
            Task::Drain(program, recipe) => {
                self.drain(program, recipe).map(|figures| results.note(round, self.count, &cell.name, figures))
            }
            Task::Live(phrases) => self.live(phrases).map(|seen| results.note_seen(&cell.name, seen)),
        };
        if let Err(error) = done {
            eprintln!("{}, round {}: {error:#}", cell.name, round + 1);
            results.failed += 1;
            results.missing.insert(cell.name.clone(), format!("failed in round {}: {error:#}", round + 1));
        }
    }

    fn drain(&mut self, program: Program, recipe: Recipe) -> Result<measure::Figures> {
        let (job, dir) = self.job(recipe.topic(), recipe.phrases)?;
        let corpus = &self.corpora[&recipe];
        let Rules { tags, packs, .. } = &self.rules[&recipe.phrases];
        measure::run(&self.broker, &measure::Setup { program, corpus, tags, job, dir: &dir, packs })
    }

    fn live(&mut self, phrases: usize) -> Result<live::Seen> {
        let (mut job, dir) = self.job(String::new(), phrases)?;
        job.input = format!("{}-in", job.output);
        // The rules are changed, so they are a copy.
        let packs = dir.join("packs");
        fs::create_dir_all(&packs)?;
        fs::copy(self.rules[&phrases].packs.join("bench.toml"), packs.join("bench.toml"))?;
        live::run(&self.broker, phrases, &job, &dir, &packs)
    }

    /// A new job on this topic, and a directory for it.
    fn job(&mut self, input: String, phrases: usize) -> Result<(Job, PathBuf)> {
        self.count += 1;
        let name = format!("cell-{}", self.count);
        let dir = self.dir.join(&name);
        fs::create_dir_all(&dir)?;
        let tags = self.rules[&phrases].table.clone();
        let job = Job { broker: self.broker.address.clone(), input, output: name.clone(), group: name, tags };
        Ok((job, dir))
    }
}

/// The cells whose programs are here; of the others it is noted why not.
fn here(cells: &[Cell], results: &mut Results) -> Vec<Cell> {
    let why = |cell: &Cell| match cell.task {
        Task::Drain(program, _) => peers::missing(program),
        Task::Live(_) => None,
    };
    let (absent, present): (Vec<&Cell>, Vec<&Cell>) = cells.iter().partition(|cell| why(cell).is_some());
    for cell in absent {
        results.missing.insert(cell.name.clone(), format!("not here: {}", why(cell).unwrap_or_default()));
    }
    present.into_iter().cloned().collect()
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
