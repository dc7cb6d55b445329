//! What the daemon is told: one file, the environment, the flags, and what holds when nobody says anything.
//!
//! It happens in two stages. What was typed ([`layers`]) is gathered from all sides, the later winning: default < file
//! < environment < flags. Then it is turned into what is true ([`Config`]), each room's settings checked on their own
//! and against each other. Both stages collect what is wrong and go on: one run shows everything that is to be mended,
//! each with its place and its remedy.
//!
//! ```toml
//! [kafka]
//! bootstrap_servers = "127.0.0.1:9092"   # or FINGERPOST_KAFKA_BOOTSTRAP_SERVERS, or --set kafka.bootstrap_servers=…
//! ```
//!
//! The table of all keys is [`keys`], that of all complaints [`codes`]. Paths in the file are meant from the file's own
//! directory, those in the environment and in flags from the current one.

mod alerts;
pub mod codes;
mod connection;
mod escalation;
mod http;
pub mod keys;
pub mod layers;
mod mask;
mod options;
mod resolve;
pub mod schema;
pub mod secret;
mod topics;
pub mod value;

use std::net::SocketAddr;

use crate::diagnostic::{Diagnostic, any_error, sort};
use crate::flow::PacksFrom;
use crate::http::{Part, Token};
use crate::{alert, engine, flow};

pub use layers::{Layers, Origin, Setting};
pub use secret::Secret;

pub use crate::telemetry::{Log, LogFormat};

use keys::{KEYS, OPTION_TABLES};
use layers::RawConfig;
use resolve::Resolver;

/// Everything that the daemon is told, free of contradictions.
#[derive(Debug, Clone)]
pub struct Config {
    /// How lines are judged.
    pub engine: engine::Settings,
    /// How lines move.
    pub flow: flow::Settings,
    /// Where the packs come from.
    pub packs: PacksFrom,
    /// How changes of the packs are noticed.
    pub reload: flow::reload::Settings,
    /// Where probes and metrics are served; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Names by which that server may be asked, besides those of loopback.
    pub hosts: Vec<String>,
    /// What escalation lists of alerts depend on.
    pub escalation: alert::Settings,
    /// What a reload over HTTP must bring; `None`: it must come from this machine.
    pub token: Option<Token>,
    /// For what else that must be brought.
    pub token_parts: Vec<Part>,
    /// What is logged, and how.
    pub log: Log,
}

/// The part that judging a line needs: `classify` and `check` ask for no broker and no topics.
#[derive(Debug, Clone)]
pub struct Judging {
    /// How lines are judged.
    pub engine: engine::Settings,
    /// Where the packs come from.
    pub packs: PacksFrom,
    /// What escalation lists depend on; for `scan`.
    pub escalation: alert::Settings,
    /// What is logged, and how.
    pub log: Log,
}

/// What came of loading.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The configuration, unless an error forbids using it.
    pub config: Option<T>,
    /// Every value with its origin, also when there is no configuration.
    pub rows: Vec<Row>,
    /// What is worth knowing and no mistake.
    pub notes: Vec<String>,
    /// Everything found wrong, in order.
    pub diagnostics: Vec<Diagnostic>,
}

/// A value and who decided it, as a person should see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Section and name.
    pub name: String,
    /// As it would stand in the file; for a secret, only where it comes from.
    pub value: Option<String>,
    /// What no value means.
    pub absent: &'static str,
    /// `default`, `file:line`, a variable or a flag.
    pub origin: String,
}

/// Loads everything that the daemon needs.
#[must_use]
pub fn load(layers: &Layers) -> Loaded<Config> {
    load_with(layers, |resolver| resolver.config())
}

/// Loads what judging a line needs. Whatever else the layers hold is read, too, but not required to make sense.
#[must_use]
pub fn load_judging(layers: &Layers) -> Loaded<Judging> {
    load_with(layers, |resolver| Some(resolver.judging()))
}

fn load_with<T>(layers: &Layers, resolve: impl FnOnce(&mut Resolver<'_>) -> Option<T>) -> Loaded<T> {
    let mut problems = Vec::new();
    let raw = RawConfig::gather(layers, &mut problems);
    let mut resolver = Resolver { raw: &raw, problems, notes: Vec::new() };
    let config = resolve(&mut resolver);
    let Resolver { problems: mut diagnostics, notes, .. } = resolver;
    sort(&mut diagnostics);
    diagnostics.iter_mut().for_each(hide_secrets);
    let config = config.filter(|_| !any_error(&diagnostics));
    Loaded { config, rows: rows(&raw), notes, diagnostics }
}

/// A complaint quotes what was typed, and that may be an address with a secret in it.
fn hide_secrets(diagnostic: &mut Diagnostic) {
    let Diagnostic { message, label, help, .. } = diagnostic;
    for text in [message, label] {
        *text = mask::without_secrets(text);
    }
    if let Some(text) = help {
        *text = mask::without_users(text);
    }
}

fn rows(raw: &RawConfig) -> Vec<Row> {
    let key_row = |key: &keys::Key| {
        let given = raw.get(key.name);
        Row {
            name: key.name.to_owned(),
            value: given.map(|given| mask::shown(key.name, &given.value)),
            absent: key.absent(),
            origin: given.map_or_else(|| Origin::Default.to_string(), |given| given.origin.to_string()),
        }
    };
    let mut rows: Vec<Row> = KEYS.iter().map(key_row).collect();
    for table in OPTION_TABLES {
        rows.extend(raw.options.iter().filter(|((at, _), _)| *at == table).map(|((_, name), given)| Row {
            name: format!("{table}.\"{name}\""),
            value: Some(mask::shown_option(name, &given.text)),
            absent: "",
            origin: given.origin.to_string(),
        }));
    }
    rows
}
