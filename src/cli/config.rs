//! `fingerpost config`: what holds and who decided it (`show`), what there is to decide (`keys`), and whether it works
//! (`check`).

mod check;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::arguments::DaemonArguments;
use super::{EXIT_CODES, Exit, print, print_json, show};
use crate::config::keys::{KEYS, Standard};
use crate::config::{Row, load};

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Show every value and who decided it: default, file, environment or flag.
    Show(ShowArguments),
    /// Read the configuration, then try it: packs, brokers, sign-in, topics, rights.
    Check(check::CheckArguments),
    /// List every key with its environment twin, its default and what it does.
    Keys,
}

/// `config show`
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct ShowArguments {
    /// The configuration.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// Print JSON: an array of objects with key, value, origin.
    #[arg(long)]
    pub json: bool,
}

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(verb: &Verb) -> Result<Exit> {
    match verb {
        Verb::Show(arguments) => run_show(arguments),
        Verb::Check(arguments) => check::run(arguments),
        Verb::Keys => print(&keys()).map(|()| Exit::Fine),
    }
}

/// The table comes even when something is wrong: who decided what is then what one wants to know.
fn run_show(arguments: &ShowArguments) -> Result<Exit> {
    let loaded = load(&arguments.daemon.layers());
    show(&loaded.diagnostics);
    if arguments.json {
        print_json(&json_rows(&loaded.rows))?;
    } else {
        print(&table(&loaded.rows, &loaded.notes))?;
    }
    Ok(if loaded.config.is_some() { Exit::Fine } else { Exit::Config })
}

const HEADING: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const SET: Style = AnsiColor::Cyan.on_default();

/// Columns are aligned over the whole table; a value wider than this pushes its origin aside rather than all others.
const VALUE_WIDTH_MAX: usize = 44;

/// One line per value, under the headers of their sections.
fn table(rows: &[Row], notes: &[String]) -> String {
    let name_width = rows.iter().map(|row| split(&row.name).1.len()).max().unwrap_or(0);
    let widths = rows.iter().map(|row| row.value.as_deref().unwrap_or("").chars().count());
    let value_width = widths.filter(|width| *width <= VALUE_WIDTH_MAX).max().unwrap_or(0);
    let mut text = String::new();
    for section in rows.chunk_by(|a, b| split(&a.name).0 == split(&b.name).0) {
        let _ = writeln!(text, "{HEADING}[{}]{HEADING:#}", split(&section[0].name).0);
        for row in section {
            let name = split(&row.name).1;
            let _ = match &row.value {
                Some(value) => {
                    let style = if row.origin == "default" { DIM } else { SET };
                    let origin = &row.origin;
                    writeln!(text, "  {name:name_width$}  {value:value_width$}  {style}{origin}{style:#}")
                }
                None => writeln!(text, "  {name:name_width$}  {DIM}({}){DIM:#}", row.absent),
            };
        }
        text.push('\n');
    }
    text + &bounds(rows) + &notes.iter().fold(String::new(), |text, note| text + "\nnote: " + note + "\n")
}

/// What each bound does to a line that crosses it.
fn bounds(rows: &[Row]) -> String {
    let mut text = format!("{HEADING}Bounds{HEADING:#}: crossing one is counted, and the line still goes out\n");
    let is_limit = |name: &str| name.starts_with("limits.");
    for key in KEYS.iter().filter(|key| is_limit(key.name)) {
        let value = rows.iter().find(|row| row.name == key.name).and_then(|row| row.value.as_deref()).unwrap_or("");
        let _ = writeln!(text, "  {:8}  {:>8}  {}", key.leaf(), value.trim_matches('"'), key.doc);
    }
    text
}

/// `kafka.options."linger.ms"` stands in `[kafka.options]`.
fn split(name: &str) -> (&str, &str) {
    match name.split_once(".\"") {
        Some((table, _)) => (table, &name[table.len() + 1..]),
        None => name.rsplit_once('.').unwrap_or(("", name)),
    }
}

fn json_rows(rows: &[Row]) -> String {
    let object = |row: &Row| json!({ "key": row.name, "value": row.value, "origin": row.origin });
    let rows: Vec<_> = rows.iter().map(object).collect();
    format!("{:#}\n", serde_json::Value::from(rows))
}

/// The reference: the table of keys as text.
fn keys() -> String {
    let mut text = String::new();
    for section in KEYS.chunk_by(|a, b| a.section() == b.section()) {
        let _ = writeln!(text, "{HEADING}[{}]{HEADING:#}", section[0].section());
        for key in section {
            let default = match key.default {
                Standard::Required => "required".to_owned(),
                Standard::Nothing(means) => format!("default: {means}"),
                _ => format!("default {}", key.default_text()),
            };
            let _ = writeln!(text, "  {HEADING}{}{HEADING:#}  {}", key.leaf(), key.doc);
            let _ = writeln!(text, "      {DIM}{}, {default}{}{DIM:#}", key.variable(), key.kind.says());
        }
        text.push('\n');
    }
    text + "[kafka.options], [input.options], [output.options]\n  \
            Any setting of librdkafka: for both sides, the consumer, the producer.\n      \
            FINGERPOST_KAFKA_OPTIONS_LINGER_MS is \"linger.ms\" of [kafka.options].\n"
}
