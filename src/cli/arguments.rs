//! The flags of every verb, and how those that are settings become the topmost layer of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};

use super::EXIT_CODES;
use crate::config::value::duration;
use crate::config::{Layers, Setting};

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
    /// Files to read; none, or `-`, is stdin.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File and single values.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Directory of the packs; without it the built-in ones (packs.dir).
    #[arg(short, long, value_name = "DIR")]
    pub packs: Option<PathBuf>,
}

impl ClassifyArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.config.layers(self.packs.as_deref().map(packs_setting).into_iter().collect())
    }
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
    /// File and single values.
    #[command(flatten)]
    pub config: ConfigArguments,
}

impl CheckArguments {
    /// All layers of the configuration.
    #[must_use]
    pub fn layers(&self) -> Layers {
        self.config.layers(self.packs.as_deref().map(packs_setting).into_iter().collect())
    }
}

/// A length of time as people write it: `10s`, `1m 30s`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "write a length of time, as in 10s or 1m".to_owned())
}
