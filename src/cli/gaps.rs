//! `fingerpost gaps`: error lines that no rule claims, grouped into templates, as a table, as JSON, or as draft rules.
//! Lines come from files or from a range of topics (`feed`), are judged as in the daemon, and what is left of them goes
//! to [`crate::gaps`].

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anyhow::Result;
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};
use serde_json::json;

use super::arguments::{GapsArguments, GapsFormat};
use super::backtest::judge::Judge;
use super::backtest::settings;
use super::feed::{self, Fed, Read};
use super::look::{Excerpt, columns};
use super::verify::refuse;
use super::{Exit, packs, print, print_exactly, show};
use crate::engine::Engine;
use crate::flow;
use crate::flow::verify::{Trouble, grouped};
use crate::gaps::{Gaps, Limits, Template, draft};

/// What `--help` ends with: what is grouped and how, the JSON, exit codes.
pub const GAPS_HELP: &str = "\
An error line is one whose level stands for an error; of lines without a level, one that writes such a level among its first
words or, when it writes none, has a word such as `failed`. Of a line its message is looked at (msg, message and the like,
else its longest text) and, behind a ⏎, its error or err. Numbers and ids are written <n>, words that vary <*>. An id is made
of the template's text, so it is the same wherever the text is.

Draft rules hold no word that varied. They load, and their examples hold; what a person must decide is marked TODO.

JSON: v, lines, error_lines, claimed, unclaimed, forgotten (templates, lines), templates: id, text, lines, apps, first, last,
sample.

Exit codes:
   0  read to the end, whatever was found
   2  the command line is wrong, or names a file that cannot be read
  69  a broker, or a topic on it, is not to be had
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
        Ok(mined) => {
            match arguments.format {
                GapsFormat::Text => print(&mined.text(arguments.top))?,
                GapsFormat::Json => print_exactly(&mined.json(arguments.top))?,
                GapsFormat::Draft => print_exactly(&mined.draft(arguments.top))?,
            }
            Ok(Exit::Fine)
        }
        Err(trouble) => Ok(refuse(&trouble)),
    }
}

/// What was found.
struct Mined {
    gaps: Gaps,
    /// All lines.
    lines: u64,
    /// Those that were looked at: errors, or all of them.
    errors: u64,
    /// Of these, those that a rule claims.
    claimed: u64,
    all: bool,
}

fn mine(engine: &Engine, flow: Option<&flow::Settings>, arguments: &GapsArguments) -> Result<Mined, Trouble> {
    let limits = Limits { templates: arguments.templates as usize, ..Limits::default() };
    let mut mined = Mined { gaps: Gaps::new(limits), lines: 0, errors: 0, claimed: 0, all: arguments.all };
    let mut judge = Judge::new(engine, &crate::alert::Settings::default());
    let mut each = |line: &Fed<'_>| mined.line(&mut judge, line);
    let _: Read = match flow {
        Some(flow) => feed::topics(flow, &arguments.range, &mut each)?,
        None => feed::files(engine, &arguments.range.files, &mut each)?,
    };
    Ok(mined)
}

impl Mined {
    fn line(&mut self, judge: &mut Judge<'_>, line: &Fed<'_>) {
        self.lines += 1;
        // Also what is no error may be what a source says for later lines.
        let outcome = judge.judge(line);
        let Some(gist) = line.bytes.and_then(|bytes| judge.engine.gist(bytes, line.writer)) else { return };
        if !gist.is_error && !self.all {
            return;
        }
        self.errors += 1;
        match outcome.is_some_and(|outcome| outcome.verdict.is_some()) {
            true => self.claimed += 1,
            false => self.gaps.see(&gist, || line.spot.to_string()),
        }
    }

    fn templates(&self, top: usize) -> Vec<Template> {
        let mut templates = self.gaps.templates();
        templates.truncate(if top == 0 { usize::MAX } else { top });
        templates
    }

    fn text(&self, top: usize) -> String {
        let what = if self.all { "lines" } else { "error lines" };
        let unclaimed = self.errors - self.claimed;
        let mut out = format!(
            "{} lines, {} {what}: {} have a rule, {} have none\n",
            grouped(self.lines),
            grouped(self.errors),
            grouped(self.claimed),
            grouped(unclaimed)
        );
        let templates = self.gaps.templates();
        let shown = self.templates(top);
        if !shown.is_empty() {
            let _ = write!(out, "\n{}", table(&shown));
        }
        if shown.len() < templates.len() {
            let rest: u64 = templates.iter().skip(shown.len()).map(|template| template.lines).sum();
            let number = grouped((templates.len() - shown.len()) as u64);
            let _ = writeln!(out, "… and {number} templates of {} lines (--top 0 shows all)", grouped(rest));
        }
        let (forgotten, lines) = self.gaps.forgotten();
        if forgotten > 0 {
            let (forgotten, lines) = (grouped(forgotten), grouped(lines));
            let _ =
                writeln!(out, "{forgotten} templates of {lines} lines were forgotten for want of room (--templates)");
        }
        out
    }

    fn json(&self, top: usize) -> String {
        let template = |template: &Template| {
            json!({
                "id": template.id,
                "text": template.text,
                "lines": template.lines,
                "apps": template.apps,
                "first": template.first,
                "last": template.last,
                "sample": template.sample,
            })
        };
        let (templates, lines) = self.gaps.forgotten();
        let object = json!({
            "v": 1,
            "lines": self.lines,
            "error_lines": self.errors,
            "claimed": self.claimed,
            "unclaimed": self.errors - self.claimed,
            "forgotten": { "templates": templates, "lines": lines },
            "templates": self.templates(top).iter().map(template).collect::<Vec<_>>(),
        });
        format!("{object:#}\n")
    }

    fn draft(&self, top: usize) -> String {
        let drafts = draft(&self.templates(top));
        let mut out = drafts.text;
        if !drafts.left_out.is_empty() {
            let _ = writeln!(
                out,
                "\n# No rule for the templates {}: too little in them is fixed, or a rule above has their phrases.",
                drafts.left_out.join(", ")
            );
        }
        out
    }
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
