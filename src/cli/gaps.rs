//! `fingerpost gaps`: error lines that no rule claims, grouped into templates, as a table, as JSON, or as draft rules.
//! Lines come from files or from a range of topics (`feed`), are judged as in the daemon, and what is left of them goes
//! to [`crate::gaps`].

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anyhow::Result;
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};

use super::arguments::{GapsArguments, GapsFormat};
use super::backtest::judge::Judge;
use super::backtest::settings;
use super::feed::{self, Fed, Read};
use super::look::{Excerpt, columns};
use super::verify::refuse;
use super::{Exit, packs, print, print_exactly, print_json, show};
use crate::engine::Engine;
use crate::flow;
use crate::flow::verify::{Trouble, grouped};
use crate::gaps::{Census, Limits, Template};

/// What `--help` ends with: what is grouped and how, the JSON, exit codes.
pub const GAPS_HELP: &str = "\
An error line is one whose level is an error or worse; of lines without a level member, one whose text states such a level
in front of its message (in klog's letter, as level=, in brackets or capitals, as syslog's priority) or, when it states none,
has a word such as `failed`. Of a line its message is looked at (msg, message and the like, else the text that is most of a
sentence), without times and levels in front, and, behind a ⏎, its error or err. Numbers, ids, times and addresses are written
<n>, paths <path>, words that vary <*>. Words that say what happened never vary: names and codes of errors, verbs, opposites.
An id is made of the template's text, so it is the same wherever the text is.

Draft rules hold no word that varied, or of which a part did. They load, and their examples hold; what a person must decide
is marked TODO.

JSON: v, lines, error_lines, claimed, unclaimed, forgotten (templates, lines), templates: id, text, lines, apps, first, last,
sample.

Exit codes:
   0  read to the end, whatever was found
   2  the command line is wrong, or names a file that cannot be read
  69  a broker, or a topic on it, is not to be had
  74  the output cannot be written
  78  the configuration or a pack is wrong";

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &GapsArguments) -> Result<Exit> {
    let Some(told) = settings(&arguments.range)? else { return Ok(Exit::Config) };
    let engine = match packs::load(&told.packs, told.engine.clone()) {
        Ok(loaded) => loaded.engine,
        Err(problems) => {
            show(&problems);
            return Ok(Exit::Config);
        }
    };
    match mine(&engine, told.flow.as_ref(), arguments) {
        Ok(census) => {
            match arguments.format {
                GapsFormat::Text => print(&text(&census, arguments))?,
                GapsFormat::Json => print_json(&format!("{:#}\n", census.json(arguments.top, true)))?,
                GapsFormat::Draft => print_exactly(&census.drafts(arguments.top))?,
            }
            Ok(Exit::Fine)
        }
        Err(trouble) => Ok(refuse(&trouble)),
    }
}

fn mine(engine: &Engine, flow: Option<&flow::Settings>, arguments: &GapsArguments) -> Result<Census, Trouble> {
    let limits = Limits { templates: arguments.templates as usize, ..Limits::default() };
    let mut census = Census::new(limits, arguments.all);
    let mut judge = Judge::new(engine, &crate::alert::Settings::default());
    let mut each = |line: &Fed<'_>| {
        // Also what is no error may be what a source says for later lines.
        let claimed = judge.judge(line).is_some_and(|outcome| outcome.verdict.is_some());
        let gist = |bytes| {
            if arguments.all { engine.gist(bytes, line.writer) } else { engine.gist_of_error(bytes, line.writer) }
        };
        let gist = line.bytes.and_then(gist);
        census.take(gist.as_ref(), claimed, 1, || line.spot.to_string());
    };
    let _: Read = match flow {
        Some(flow) => feed::topics(flow, &arguments.range, &mut each)?,
        None => feed::files(engine, &arguments.range, "gaps", &mut each)?,
    };
    Ok(census)
}

fn text(census: &Census, arguments: &GapsArguments) -> String {
    let what = if arguments.all { "lines" } else { "error lines" };
    let mut out = format!(
        "{} lines, {} {what}: {} have a rule, {} have none\n",
        grouped(census.lines()),
        grouped(census.errors()),
        grouped(census.claimed()),
        grouped(census.errors() - census.claimed())
    );
    let templates = census.templates(0);
    let top = if arguments.top == 0 { templates.len() } else { arguments.top.min(templates.len()) };
    let (shown, rest) = templates.split_at(top);
    if !shown.is_empty() {
        let _ = write!(out, "\n{}", table(shown));
    }
    if !rest.is_empty() {
        let (number, lines) = (grouped(rest.len() as u64), grouped(rest.iter().map(|template| template.lines).sum()));
        let _ = writeln!(out, "… and {number} templates of {lines} lines (--top 0 shows all)");
    }
    let (forgotten, lines) = census.forgotten();
    if forgotten > 0 {
        let (forgotten, lines) = (grouped(forgotten), grouped(lines));
        let _ = writeln!(out, "{forgotten} templates of {lines} lines were forgotten for want of room (--templates)");
    }
    out
}

fn table(templates: &[Template]) -> String {
    let mut table = Table::new();
    table.load_style(PLAIN).set_header(["lines", "id", "template"]);
    // Who pipes it wants it whole.
    let room = if std::io::stdout().is_terminal() { columns().saturating_sub(24).max(40) } else { usize::MAX >> 1 };
    for template in templates {
        let text = Excerpt::new(template.text.as_bytes(), &[], room).text();
        table.add_row([grouped(template.lines), template.id.clone(), text]);
    }
    table.column_iter_mut().take(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.trim_fmt() + "\n"
}
