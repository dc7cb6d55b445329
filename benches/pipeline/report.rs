//! How results are told: tables on the terminal, the same in `RESULTS.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};

use crate::Options;
use crate::candidate::Program;
use crate::cells::{Cell, Task};
use crate::live::PACE;
use crate::measure::Figures;
use crate::peers;
use crate::results::{Proof, Results, Spread, proofs};
use crate::verify::unchecked;

/// What all others are held against.
const MEASURE: [&str; 2] = ["passthrough/1%", "run/40/1%"];

/// A table as rows of text, the heads first.
type Rows = Vec<Vec<String>>;

/// The tables with their titles.
fn tables(results: &Results, cells: &[Cell]) -> Vec<(&'static str, Rows)> {
    vec![
        ("Cost", costs(results, cells)),
        ("Start and reload with 100,000 phrases", seen(results)),
        ("Promises", promises(&proofs(results))),
        ("Not here", missing(results)),
    ]
    .into_iter()
    .filter(|(_, rows)| rows.len() > 1)
    .collect()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn costs(results: &Results, cells: &[Cell]) -> Rows {
    let mut rows = vec![row([
        "cell",
        "CPU-s/M min",
        "median",
        "after 1/5",
        "k lines/s min",
        "median",
        "after 1/5",
        "peak MiB",
        "x pass-through",
        "x run",
    ])];
    for Cell { name, .. } in cells.iter().filter(|cell| results.figures.contains_key(&cell.name)) {
        let spread = |figure: fn(&Figures) -> Option<f64>| results.spread(name, figure);
        let (cpu, rate) = (spread(|f| Some(f.cpu)), spread(|f| Some(f.rate / 1000.0)));
        let mut cells = vec![
            name.clone(),
            told(cpu.map(|spread| spread.min), 3),
            told(median(cpu), 3),
            told(median(spread(|f| f.steady_cpu)), 3),
            told(rate.map(|spread| spread.min), 0),
            told(median(rate), 0),
            told(median(spread(|f| f.steady_rate.map(|rate| rate / 1000.0))), 0),
            told(spread(|f| Some(f.peak_mib)).map(|spread| spread.max), 0),
        ];
        cells.extend(MEASURE.map(|other| told(median(results.ratio(name, other, |f| Some(f.cpu))), 2)));
        rows.push(cells);
    }
    rows
}

fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

fn told(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn seen(results: &Results) -> Rows {
    let heads = ["round", "ready after s", "reload s", "worst second before", "during", "fed"];
    let mut rows = vec![row(heads)];
    for (round, seen) in results.seen.values().flatten().enumerate() {
        rows.push(vec![
            (round + 1).to_string(),
            format!("{:.2}", seen.start),
            format!("{:.2}", seen.reload),
            format!("{:.0}", seen.before),
            format!("{:.0}", seen.during),
            format!("{:.0}", seen.fed),
        ]);
    }
    rows
}

fn promises(proofs: &[Proof]) -> Rows {
    let mut rows = vec![row(["promise", "min", "median", "max", "holds"])];
    for proof in proofs {
        let Some(Spread { min, median, max }) = proof.measured else { continue };
        let value = |value: f64| format!("{value:.2}{}", proof.unit);
        let holds = if proof.holds() == Some(true) { "holds" } else { "DOES NOT HOLD" };
        rows.push(vec![proof.promise.clone(), value(min), value(median), value(max), holds.to_owned()]);
    }
    rows
}

fn missing(results: &Results) -> Rows {
    let mut rows = vec![row(["cell", "why"])];
    rows.extend(results.missing.iter().map(|(cell, why)| vec![cell.clone(), why.clone()]));
    rows
}

/// Shows everything on the terminal.
pub(crate) fn show(results: &Results, cells: &[Cell]) {
    for (title, rows) in tables(results, cells) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut rows = rows.into_iter();
        table.set_header(rows.next().unwrap_or_default());
        table.add_rows(rows);
        if title == "Cost" {
            table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        }
        println!("\n{title}\n{table}");
    }
}

/// Writes everything down.
pub(crate) fn write(path: &Path, results: &Results, cells: &[Cell], options: &Options) -> Result<()> {
    let mut text = format!(
        "# What the pipeline costs\n\n{}\n\nCPU-s/M: CPU seconds, user and system, of the candidate's process for each million \
         lines, from its start to the last line's output; the broker left out. \"after 1/5\": the same without the first \
         fifth of the lines. Of two cells that are compared one runs just before and just after the other, and the ratio is \
         that of a run to the mean of the two beside it; the median of the rounds is shown. A cell's whole output is read \
         again and checked: every line, key, header, partition and order, and the right rule on every line that has a \
         phrase.\n",
        machine(options)
    );
    for (title, rows) in tables(results, cells) {
        let _ = write!(text, "\n## {title}\n\n{}", markdown(&rows));
    }
    let _ = write!(text, "\n## Cells\n\n{}", legend(cells));
    Ok(fs::write(path, text)?)
}

fn markdown(rows: &Rows) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if number == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

/// When, where, and with what.
fn machine(options: &Options) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map_or("", |(_, name)| name);
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    let lines = [
        format!("{}, {cores} cores of {}", jiff::Zoned::now().date(), model.trim()),
        format!("Fingerpost {} ({})", env!("CARGO_PKG_VERSION"), commit()),
        format!("one Apache Kafka {} broker on the same cores, librdkafka {librdkafka}", peers::kafka()),
        format!("{} rounds of {} lines: `make bench ARGS=\"{}\"`", options.rounds, options.lines, options.typed()),
    ];
    lines.map(|line| format!("- {line}")).join("\n")
}

fn commit() -> String {
    let git = |arguments: &[&str]| Command::new("git").args(arguments).output().ok().map(|output| output.stdout);
    let name = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    format!("commit {name}{}", if changed { ", with changes" } else { "" })
}

fn legend(cells: &[Cell]) -> String {
    let mut text = String::new();
    for cell in cells {
        let _ = write!(text, "- `{}`: {}", cell.name, cell.about());
        match cell.task {
            Task::Drain(program, _) if !unchecked(program).is_empty() => {
                let _ = write!(text, ". Not checked: {}", unchecked(program));
            }
            Task::Live(_) => {
                let _ = write!(text, " of {PACE} lines a second");
            }
            Task::Drain(..) => {}
        }
        text.push('\n');
    }
    text + "\nThe pass-through and the consumer set librdkafka as the daemon does: queues, fetches, checksums, batches, linger, \
            compression, idempotence, the same reading of committed records only. They have the system's allocator, as \
            programs in C have; `preloaded` is the pass-through with the daemon's, jemalloc.\n"
}

/// The bars of the picture: what a million lines cost, those that did it.
pub(crate) fn bars(results: &Results, cells: &[Cell]) -> Vec<(String, f64)> {
    let shown = |cell: &&Cell| match cell.task {
        Task::Drain(Program::Daemon(_), _) => ["run/40/1%", "run/4000/1%", "exactly-once/40/1%"].contains(&&*cell.name),
        Task::Drain(Program::Passthrough, _) => cell.name == MEASURE[0],
        Task::Drain(program, _) if program.is_bare_reader() => false,
        Task::Live(_) => false,
        Task::Drain(..) => true,
    };
    let bar = |cell: &Cell| Some((cell.name.clone(), results.spread(&cell.name, |f| Some(f.cpu))?.median));
    cells.iter().filter(shown).filter_map(bar).collect()
}
