//! The flags of every verb, and how those that are settings become the topmost layer of the configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};

use super::EXIT_CODES;
use super::backtest::BACKTEST_HELP;
use super::bench::BENCH_HELP;
use super::explain::EXPLAIN_HELP;
use super::gaps::GAPS_HELP;
use super::reading::arguments::ReadingArguments;
use super::scan::SCAN_HELP;
use super::verify::VERIFY_HELP;
use crate::config::value::duration;
use crate::config::{Layers, Setting};
use crate::document::did_you_mean;
use crate::flow::verify::Bound;
use crate::pack::codes::{self, Code};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Where settings come from; every verb that has settings takes these.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArguments {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", env = "FINGERPOST_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Set one value, over file and environment; may be repeated. `fingerpost config keys` lists the keys.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Setting>,
}

impl ConfigArguments {
    /// All layers, these flags being the topmost but for `more`.
    fn layers(&self, more: Vec<Setting>) -> Layers {
        let mut flags = self.set.clone();
        flags.extend(more);
        Layers::of_process(self.config.clone(), flags)
    }
}

/// What lines are judged by, where no topic is read or written.
#[derive(Debug, Clone, Default, Args)]
pub struct JudgingArguments {
    /// File and single values.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Directory of the packs; without it the built-in ones (packs.dir).
    #[arg(short, long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
}

impl JudgingArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.config.layers(self.packs.as_deref().map(packs_setting).into_iter().collect())
    }
}

/// What the daemon is told on the command line; `config show` and `config check` take the same, to show and try it.
#[derive(Debug, Clone, Default, Args)]
pub struct DaemonArguments {
    /// File and single values.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Brokers to start from (kafka.bootstrap_servers).
    #[arg(short, long, value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,
    /// Consumer group (kafka.group_id).
    #[arg(short, long, value_name = "NAME")]
    pub group: Option<String>,
    /// Topic to read, or a ^regular expression; may be repeated (input.topics).
    #[arg(short, long, value_name = "TOPIC")]
    pub input: Vec<String>,
    /// Topic to write (output.topic).
    #[arg(short, long, value_name = "TOPIC")]
    pub output: Option<String>,
    /// Directory of the packs; without it the built-in ones (packs.dir).
    #[arg(short, long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
}

impl DaemonArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let one = |flag: &str, key: &str, text: &Option<String>| Some(Setting::flag(flag, key, vec![text.clone()?]));
        let settings = [
            one("--brokers", "kafka.bootstrap_servers", &self.brokers),
            one("--group", "kafka.group_id", &self.group),
            (!self.input.is_empty()).then(|| Setting::flag("--input", "input.topics", self.input.clone())),
            one("--output", "output.topic", &self.output),
            self.packs.as_deref().map(packs_setting),
        ];
        self.config.layers(settings.into_iter().flatten().collect())
    }
}

fn packs_setting(directory: &Path) -> Setting {
    Setting::flag("--packs", "packs.dir", vec![directory.to_string_lossy().into_owned()])
}

/// `run`: the daemon.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct RunArguments {
    /// The configuration.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// What this daemon does: classify lines, count alerts (delivery.roles); without it, both.
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<String>,
}

impl RunArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let mut daemon = self.daemon.clone();
        if !self.roles.is_empty() {
            daemon.config.set.push(Setting::flag("--roles", "delivery.roles", self.roles.clone()));
        }
        daemon.layers()
    }
}

/// `alerts`: what fires, and why?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct AlertsArguments {
    /// The configuration.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// Only alerts whose id has this in it.
    #[arg(long, value_name = "ID")]
    pub alert: Option<String>,
    /// Show what is over, too, as far as the alerts topic still has it.
    #[arg(long)]
    pub all: bool,
    /// Show the lines that were counted, as the input has them.
    #[arg(long)]
    pub lines: bool,
    /// One JSON object per line, as on the alerts topic.
    #[arg(long)]
    pub json: bool,
}

/// `verify`: did every line arrive?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = VERIFY_HELP)]
pub struct VerifyArguments {
    /// The configuration of the daemon that is to be verified.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// First line: earliest, an offset, or a time as in 2026-11-21T10:00:00Z.
    #[arg(long, value_name = "WHERE", default_value = "earliest", value_parser = parse_bound)]
    pub from: Bound,
    /// Line after the last: latest, an offset, or a time; latest is the end when the work begins.
    #[arg(long, value_name = "WHERE", default_value = "latest", value_parser = parse_bound)]
    pub to: Bound,
    /// Input partition; may be repeated; without it, all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Vec<i32>,
    /// What was promised; without it, what is configured (delivery.mode).
    #[arg(long, value_enum)]
    pub mode: Option<VerifyMode>,
    /// Repeats that are let pass where lines may be repeated; without it, any number.
    #[arg(long, value_name = "N")]
    pub max_repeats: Option<u64>,
    /// Topic of the dead letters: a line is there or on the output.
    #[arg(long, value_name = "TOPIC")]
    pub dead_letter: Option<String>,
    /// Leave the group's committed offsets alone.
    #[arg(long, conflicts_with = "group")]
    pub no_group: bool,
    /// All lines must be done and committed; without it, those at the end that are not committed may be on their way.
    #[arg(long)]
    pub drained: bool,
    /// Leave the tags alone.
    #[arg(long)]
    pub no_labels: bool,
    /// Read the input from --from on only; tags that depend on earlier lines may then seem wrong.
    #[arg(long)]
    pub no_warm: bool,
    /// Lines held in memory for each input partition, of about 300 bytes each.
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(100..))]
    pub window: u32,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// What was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyMode {
    /// Each line once.
    ExactlyOnce,
    /// Each line once or more often.
    AtLeastOnce,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn parse_bound(text: &str) -> Result<Bound, String> {
    match text {
        "earliest" => return Ok(Bound::Earliest),
        "latest" => return Ok(Bound::Latest),
        _ => {}
    }
    if let Some(offset) = text.parse::<i64>().ok().filter(|offset| *offset >= 0) {
        return Ok(Bound::Offset(offset));
    }
    let time = text.parse::<jiff::Timestamp>().map(|time| Bound::Time(time.as_millisecond()));
    time.map_err(|_| "write earliest, latest, an offset, or a time as in 2026-11-21T10:00:00Z".to_owned())
}

/// `demo`: the daemon on a Kafka inside its own process.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct DemoArguments {
    /// End after this time, as in 10s; without it, at Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub time: Option<Duration>,
    /// Fail unless every rule of the packs was seen on the output.
    #[arg(long, requires = "time")]
    pub assert: bool,
    /// Lines per second.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Show it on these brokers instead, with topics of its own.
    #[arg(short, long, value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,
    /// Directory of the packs; without it the built-in ones.
    #[arg(short, long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
    /// Start of the random numbers: the same seed gives the same lines.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print the tagged lines as they are on the topic, one below the other.
    #[arg(long)]
    pub plain: bool,
}

/// `classify`: a filter for pipes.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct ClassifyArguments {
    /// Files to read, also packed with gzip or zstd, and tar archives; none, or `-`, is stdin.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArguments,
    /// By what is judged.
    #[command(flatten)]
    pub judging: JudgingArguments,
}

/// `scan`: a person's view of a log file.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = SCAN_HELP)]
pub struct ScanArguments {
    /// Files to read, also packed with gzip or zstd, and tar archives; none, or `-`, is stdin.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArguments,
    /// How the findings are written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: ScanFormat,
    /// By what is judged.
    #[command(flatten)]
    pub judging: JudgingArguments,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    /// For people.
    Text,
    /// For programs: one object per line.
    Json,
    /// For an issue.
    Markdown,
    /// For a thread: one message in mrkdwn.
    Slack,
}

/// `explain`: why is a line tagged, or why not?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXPLAIN_HELP)]
pub struct ExplainArguments {
    /// A log line, `-` for the lines of stdin, or a place on Kafka: topic:partition:offset.
    #[arg(value_name = "LINE")]
    pub line: OsString,
    /// Tell of every rule, also of those that did not come near.
    #[arg(long)]
    pub all: bool,
    /// For a place on Kafka: how many lines before it are read, for what its source said.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub before: u64,
    /// How it is told.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// The configuration; of the daemon, for a place on Kafka.
    #[command(flatten)]
    pub daemon: DaemonArguments,
}

/// `check`: are the packs sound?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct CheckArguments {
    /// Directory of the packs; without it, those that are configured, else the built-in ones.
    #[arg(value_name = "PACKS", conflicts_with = "builtin")]
    pub packs: Option<PathBuf>,
    /// Check the built-in packs, whatever is configured.
    #[arg(long)]
    pub builtin: bool,
    /// Hold the packs against their runbooks, the Markdown files of this directory.
    #[arg(long, value_name = "DIR")]
    pub runbooks: Option<PathBuf>,
    /// Take warnings for errors: `warnings` for all of them, or a code as in L05; may be repeated.
    #[arg(long, value_name = "WHAT", value_parser = parse_denied)]
    pub deny: Vec<Denied>,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: CheckFormat,
    /// Say more about a code, and check nothing.
    #[arg(long, value_name = "CODE", value_parser = parse_code, conflicts_with_all = ["packs", "builtin", "list"])]
    pub explain: Option<&'static Code>,
    /// List all codes, and check nothing.
    #[arg(long, conflicts_with_all = ["packs", "builtin"])]
    pub list: bool,
    /// File and single values.
    #[command(flatten)]
    pub config: ConfigArguments,
}

/// How `check` writes its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people, in the look of rustc.
    Text,
    /// For programs.
    Json,
    /// For CI systems: a test for each rule, in JUnit's XML.
    Junit,
}

/// What fails a check besides errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Every warning.
    Warnings,
    /// This code.
    Code(&'static str),
}

fn parse_code(text: &str) -> Result<&'static Code, String> {
    let nearest = || did_you_mean(&text.to_ascii_uppercase(), codes::TABLE.iter().map(|row| row.code));
    codes::find(text).ok_or_else(|| format!("no such code; {}", nearest()))
}

fn parse_denied(text: &str) -> Result<Denied, String> {
    match text {
        "warnings" => Ok(Denied::Warnings),
        code => parse_code(code).map(|row| Denied::Code(row.code)),
    }
}

impl CheckArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.config.layers(self.packs.as_deref().map(packs_setting).into_iter().collect())
    }
}

/// `bench`: what do my packs cost?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = BENCH_HELP)]
pub struct BenchArguments {
    /// Sample of the log, one line per record; `-` is stdin; without it, the demo's own lines.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// By what is judged.
    #[command(flatten)]
    pub judging: JudgingArguments,
    /// Measure for this time, as in 10s; the bills of the rules take half as long again.
    #[arg(long = "for", value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub time: Duration,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

/// A length of time as people write it: `10s`, `1m 30s`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "write a length of time, as in 10s or 1m".to_owned())
}

/// `extract`: a draft from a runbook.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct ExtractArguments {
    /// The runbook, a Markdown file. The draft goes to stdout.
    #[arg(value_name = "RUNBOOK.md")]
    pub runbook: PathBuf,
}

/// `fmt`: packs laid out in one way.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct FmtArguments {
    /// Pack files, or directories of packs; `-` is stdin, laid out to stdout.
    #[arg(value_name = "PACKS", required = true)]
    pub packs: Vec<PathBuf>,
    /// Change nothing; name the files that are not laid out so, and end with 1 when there are any.
    #[arg(long)]
    pub check: bool,
}

/// `schema`: JSON Schemas.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct SchemaArguments {
    /// What to describe.
    #[arg(value_enum)]
    pub what: Described,
    /// Directory of the packs whose facts the output has; without it the built-in ones.
    #[arg(short, long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// A pack file.
    Pack,
    /// The configuration file.
    Config,
    /// The object that is added to a matching line, with the facts of the packs.
    Output,
}

/// `completions`: what the shell can complete.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Lines to look at: files, or a range of topics.
#[derive(Debug, Clone, Args)]
pub struct RangeArguments {
    /// Files to read, also packed with gzip or zstd, and tar archives; none, or `-`, is stdin.
    #[arg(value_name = "FILE", conflicts_with = "topic")]
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArguments,
    /// Topic to read instead, or a ^regular expression; may be repeated. No group is joined, nothing is committed.
    #[arg(short, long, value_name = "TOPIC", conflicts_with_all = ["recursive", "app", "source", "region"])]
    pub topic: Vec<String>,
    /// First line of the topics: earliest, an offset, or a time as in 2026-11-21T10:00:00Z.
    #[arg(long, value_name = "WHERE", default_value = "earliest", value_parser = parse_bound)]
    pub from: Bound,
    /// Line after the last: latest, an offset, or a time; latest is the end when the work begins.
    #[arg(long, value_name = "WHERE", default_value = "latest", value_parser = parse_bound)]
    pub to: Bound,
    /// Partition of the topics; may be repeated; without it, all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Vec<i32>,
    /// Brokers to start from (kafka.bootstrap_servers).
    #[arg(short, long, value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,
    /// Directory of the packs; without it the built-in ones (packs.dir).
    #[arg(short, long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
    /// File and single values.
    #[command(flatten)]
    pub config: ConfigArguments,
}

/// Stands for the output where no configuration names one: these verbs write to no topic.
const NO_OUTPUT: &str = "fingerpost.nothing-is-written";

impl RangeArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let topics = || Setting::flag("--topic", "input.topics", self.topic.clone());
        let brokers = |brokers: &String| Setting::flag("--brokers", "kafka.bootstrap_servers", vec![brokers.clone()]);
        let is_alone = !self.topic.is_empty() && self.config.config.is_none();
        let settings = [
            (!self.topic.is_empty()).then(topics),
            self.brokers.as_ref().map(brokers),
            is_alone.then(|| Setting::flag("--topic", "output.topic", vec![NO_OUTPUT.to_owned()])),
            self.packs.as_deref().map(packs_setting),
        ];
        self.config.layers(settings.into_iter().flatten().collect())
    }
}

/// `backtest`: what would packs have done?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = BACKTEST_HELP)]
pub struct BacktestArguments {
    /// The lines.
    #[command(flatten)]
    pub range: RangeArguments,
    /// Hold the packs against those of this directory: which lines would be tagged otherwise?
    #[arg(long, value_name = "DIR", conflicts_with = "against_builtin")]
    pub against: Option<PathBuf>,
    /// Hold the packs against the built-in ones.
    #[arg(long)]
    pub against_builtin: bool,
    /// Lines shown of each rule, and of each difference.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(..=100))]
    pub samples: u16,
    /// Start of the random numbers by which samples are drawn: the same seed gives the same ones.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: BacktestFormat,
}

/// How `backtest` writes its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BacktestFormat {
    /// For people.
    Text,
    /// For programs: one object.
    Json,
    /// For CI systems: a test for each rule and alert, in JUnit's XML.
    Junit,
}

/// `gaps`: what has no rule?
#[derive(Debug, Clone, Args)]
#[command(after_long_help = GAPS_HELP)]
pub struct GapsArguments {
    /// The lines.
    #[command(flatten)]
    pub range: RangeArguments,
    /// Look at all lines that no rule claims, not only at errors.
    #[arg(long)]
    pub all: bool,
    /// Templates shown, the most frequent; all that are held with 0.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Templates held; beyond them the one that was not met for longest is forgotten.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub templates: u32,
    /// How they are written.
    #[arg(long, value_enum, default_value = "text")]
    pub format: GapsFormat,
}

/// How `gaps` writes templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GapsFormat {
    /// A table for people.
    Text,
    /// For programs: one object.
    Json,
    /// A draft pack, with a rule for each template.
    Draft,
}
