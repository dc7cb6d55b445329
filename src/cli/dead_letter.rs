//! `fingerpost dead-letter`: the lines that could not be published, looked at and sent again.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json as object;

use super::arguments::DaemonArguments;
use super::progress::bar;
use super::run::report_failure;
use super::{EXIT_CODES, Exit, print, usable};
use crate::config;
use crate::flow::Failure;
use crate::flow::dead_letters::{self, Letter, Replayed, Timestamps, Which};
use crate::sanitize::{dotted, json};

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show them: where each came from, and why it is here.
    List(ListArguments),
    /// Send them again, each to the topic and partition that it came from. Remembers what was sent, so that nothing is
    /// sent twice however often it is stopped and started.
    Replay(ReplayArguments),
}

/// `dead-letter list`
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct ListArguments {
    /// The configuration.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// Show those replayed already too.
    #[arg(long)]
    pub all: bool,
    /// One JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `dead-letter replay`
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct ReplayArguments {
    /// The configuration.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// Send those replayed already too.
    #[arg(long)]
    pub all: bool,
    /// Send them here, instead of where they came from.
    #[arg(long, value_name = "TOPIC")]
    pub to: Option<String>,
    /// Which timestamp they have: their own, or the time of now, for a topic that refuses their own.
    #[arg(long, value_enum, value_name = "WHICH", default_value = "original")]
    pub timestamp: Timestamp,
}

/// `dead-letter replay --timestamp`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Timestamp {
    /// As the line had it
    Original,
    /// When it is sent
    Now,
}

impl From<Timestamp> for Timestamps {
    fn from(timestamp: Timestamp) -> Self {
        match timestamp {
            Timestamp::Original => Self::Original,
            Timestamp::Now => Self::Now,
        }
    }
}

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(verb: &Verb) -> Result<Exit> {
    let daemon = match verb {
        Verb::List(arguments) => &arguments.daemon,
        Verb::Replay(arguments) => &arguments.daemon,
    };
    let Some(config) = usable(config::load(&daemon.layers())) else { return Ok(Exit::Config) };
    let which = |all: bool| if all { Which::All } else { Which::New };
    match verb {
        Verb::List(arguments) => {
            let mut letters = Vec::new();
            let listed =
                dead_letters::list(&config.flow, which(arguments.all), &mut |letter| letters.push(letter.clone()));
            finish(listed, |()| if arguments.json { json_lines(&letters) } else { table(&letters) })
        }
        Verb::Replay(arguments) => {
            let bar = bar(0, "{bar:30} {human_pos}/{human_len} dead letters, {eta} left");
            let replayed = dead_letters::replay(
                &config.flow,
                which(arguments.all),
                (arguments.to.as_deref(), arguments.timestamp.into()),
                &mut |done, total| {
                    bar.set_length(total);
                    bar.set_position(done);
                },
            );
            bar.finish_and_clear();
            finish(replayed, |Replayed { sent, gone, foreign }| {
                let gone = if gone == 0 { String::new() } else { format!(", {gone} gone from the input") };
                let foreign = if foreign == 0 { String::new() } else { format!(", {foreign} no dead letters") };
                format!("{sent} sent again{gone}{foreign}\n")
            })
        }
    }
}

fn finish<T>(result: Result<T, Failure>, text: impl FnOnce(T) -> String) -> Result<Exit> {
    match result {
        Ok(value) => print(&text(value)).map(|()| Exit::Fine),
        Err(failure) => Ok(report_failure(&failure)),
    }
}

fn time_of(timestamp_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(timestamp_ms).ok().filter(|_| timestamp_ms >= 0);
    time.map_or_else(|| "–".to_owned(), |time| format!("{time:.0}"))
}

fn source_of(letter: &Letter) -> String {
    format!("{}/{}/{}", letter.source_topic, letter.source_partition, letter.source_offset)
}

fn table(letters: &[Letter]) -> String {
    if letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["LINE", "TIME", "DEAD SINCE", "BYTES", "WHY"]);
    for letter in letters {
        let why = if letter.reference { format!("{} (reference only)", letter.reason) } else { letter.reason.clone() };
        let (source, why) = (dotted(&source_of(letter)).into_owned(), dotted(&why).into_owned());
        let (time, since) = (time_of(letter.timestamp_ms), time_of(letter.dead_since_ms));
        table.add_row([source, time, since, letter.size.to_string(), why]);
    }
    if let Some(bytes) = table.column_mut(3) {
        bytes.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n{} dead letters\n", table.trim_fmt(), letters.len())
}

fn json_lines(letters: &[Letter]) -> String {
    let line = |letter: &Letter| {
        let value = object!({
            "source": source_of(letter), "reason": letter.reason, "bytes": letter.size, "reference": letter.reference,
            "timestamp_ms": letter.timestamp_ms, "dead_since_ms": letter.dead_since_ms, "partition": letter.partition, "offset": letter.offset,
        });
        json(&value.to_string()).into_owned() + "\n"
    };
    letters.iter().map(line).collect()
}
