//! What did the person ask for? One verb, one file; this one knows the verbs, their order and the exit codes.
//!
//! Results go to stdout; complaints, diagnostics and logs go to stderr. Colours vanish by themselves when a stream is no
//! terminal.

pub mod alerts;
pub mod arguments;
pub mod backtest;
pub mod bench;
pub mod check;
pub mod classify;
pub mod completions;
pub mod config;
pub mod dead_letter;
pub mod demo;
pub mod explain;
pub mod extract;
pub mod feed;
pub mod fmt;
pub mod gaps;
pub mod look;
pub mod output;
pub mod packs;
pub mod progress;
pub mod reading;
pub mod run;
pub mod scan;
pub mod schema;
pub mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

use crate::cli::arguments::{
    AlertsArguments, BacktestArguments, BenchArguments, CheckArguments, ClassifyArguments, Color, CompletionsArguments,
    DemoArguments, ExplainArguments, ExtractArguments, FmtArguments, GapsArguments, RunArguments, ScanArguments,
    SchemaArguments, VerifyArguments,
};
use crate::config::Loaded;
use crate::sanitize::secrets::HIDDEN;

use output::{print, print_exactly, print_json, show};

/// Tags Kafka log lines with the runbook section to open.
///
/// Fingerpost reads log lines from Kafka, finds the known error phrases in them, and puts on each line which runbook
/// section to open, how bad it is, what to do and whom to ask. Without any configuration, `classify` does the same for
/// a pipe.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the daemon: lines from Kafka in, tagged lines to Kafka out.
    Run(RunArguments),
    /// See the daemon at work: no broker and no configuration needed.
    Demo(DemoArguments),
    /// Tag lines in a pipe: JSON or text lines in, tagged lines out.
    Classify(ClassifyArguments),
    /// Read log files: what the rules know of them, with line numbers, runbook sections and what to do.
    Scan(ScanArguments),
    /// Tell why a line is tagged, or why not: every rule that matched or came near, clause by clause.
    Explain(ExplainArguments),
    /// Check packs: every mistake in them, what is most likely not meant, and every example run and tried.
    Check(CheckArguments),
    /// Draft a pack from a runbook: phrases, sections, alerts, and what is left to decide.
    Extract(ExtractArguments),
    /// See what packs would have done: counts, alerts, and what is different from other packs, on files or topics.
    Backtest(BacktestArguments),
    /// Find the error lines that no rule claims, grouped, and draft rules for them.
    Gaps(GapsArguments),
    /// Lay packs out in one way; comments stay.
    Fmt(FmtArguments),
    /// Measure packs on a sample of your lines: lines per second, and the ten dearest rules and why.
    Bench(BenchArguments),
    /// See what fires in the whole fleet: since when, and which lines were counted.
    Alerts(AlertsArguments),
    /// Look at the lines that could not be published, or send them again.
    #[command(subcommand)]
    DeadLetter(dead_letter::Verb),
    /// Hold the output against the input: is every line there, in order, unchanged, tagged as the rules say?
    Verify(VerifyArguments),
    /// Look at the configuration, and try it.
    #[command(subcommand)]
    Config(config::Verb),
    /// Print the JSON Schema of packs, of the configuration, or of what is added to lines.
    Schema(SchemaArguments),
    /// Print what a shell needs to complete the command line.
    Completions(CompletionsArguments),
}

/// How a run ended, for the caller's `$?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is as it should be.
    Fine = 0,
    /// `check`, `backtest`, `fmt --check` or `verify` found something.
    Findings = 1,
    /// The command line is wrong, or names a file that cannot be read.
    Usage = 2,
    /// A broker, or a topic on it, is not to be had. `EX_UNAVAILABLE` of sysexits.
    Unavailable = 69,
    /// Something happened that must not. `EX_SOFTWARE` of sysexits.
    Software = 70,
    /// The output cannot be written: a full disk, say. `EX_IOERR` of sysexits.
    Unwritten = 74,
    /// Stopped before everything was settled. Nothing is lost; some lines will be done again. `EX_TEMPFAIL` of sysexits.
    Unfinished = 75,
    /// The configuration, or a pack, is wrong; starting again cannot help. `EX_CONFIG` of sysexits.
    Config = 78,
}

/// The same table for people; `--help` of every verb ends with it.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  fine
   1  findings: `check`, `backtest`, `fmt --check` or `verify` found something
   2  the command line is wrong, or names a file that cannot be read
  69  a broker, or a topic on it, is not to be had
  70  a mistake in Fingerpost itself, or in a library below it
  74  the output cannot be written: the disk is full, say
  75  stopped before all was settled: nothing is lost, some lines are done again
  78  the configuration or a pack is wrong";

impl Exit {
    /// How a run ends that failed for this reason, and would end so for any other.
    #[must_use]
    pub fn of(error: &anyhow::Error, otherwise: Self) -> Self {
        if output::failed_to_write(error) { Self::Unwritten } else { otherwise }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Cli {
    /// How a run ends that fails without having told why: for a verb that works on files it was most likely one of those.
    #[must_use]
    pub fn failure(&self) -> Exit {
        match self.verb {
            Verb::Run(_) => Exit::Software,
            _ => Exit::Usage,
        }
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// What kept a verb from doing its work, except what it has told itself.
    pub fn run(self) -> Result<Exit> {
        match self.verb {
            Verb::Run(arguments) => run::run(&arguments),
            Verb::Demo(arguments) => demo::run(&arguments),
            Verb::Classify(arguments) => classify::run(&arguments),
            Verb::Scan(arguments) => scan::run(&arguments),
            Verb::Explain(arguments) => explain::run(&arguments),
            Verb::Check(arguments) => check::run(&arguments),
            Verb::Extract(arguments) => extract::run(&arguments),
            Verb::Backtest(arguments) => backtest::run(&arguments),
            Verb::Gaps(arguments) => gaps::run(&arguments),
            Verb::Fmt(arguments) => fmt::run(&arguments),
            Verb::Bench(arguments) => bench::run(&arguments),
            Verb::Alerts(arguments) => alerts::run(&arguments),
            Verb::DeadLetter(verb) => dead_letter::run(&verb),
            Verb::Verify(arguments) => verify::run(&arguments),
            Verb::Config(verb) => config::run(&verb),
            Verb::Schema(arguments) => schema::run(&arguments),
            Verb::Completions(arguments) => completions::run(&arguments),
        }
    }
}

/// Tells why a command line is no good; or, on stdout, the help or version that it asked for. What was typed stands in the
/// former, as does a value that has not become a setting, which may be a secret.
#[must_use]
pub fn refuse(mut error: clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match print(&error.render().ansi().to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(unwritten) => {
                output::complain(&format!("{unwritten:#}"));
                Exit::Unwritten.into()
            }
        };
    }
    let is_setting = |argument: &ContextValue| argument.to_string().starts_with("--set ");
    if error.get(ContextKind::InvalidArg).is_some_and(is_setting) {
        error.insert(ContextKind::InvalidValue, ContextValue::String(HIDDEN.to_owned()));
    }
    // Without clap's colours, among which those of somebody else would not be told.
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    output::complain(text.trim_end());
    Exit::Usage.into()
}

/// Shows what was found wrong with a configuration, and gives it out when it can be used.
pub fn usable<T>(loaded: Loaded<T>) -> Option<T> {
    show(&loaded.diagnostics);
    loaded.config
}
