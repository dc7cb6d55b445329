//! `fingerpost check`: are the packs sound? Everything wrong with every file, what is most likely not meant, and every
//! example, and every sequence of an alert, run and tried against the whole pack set. It is all told in one run: what an error leaves standing is
//! looked at further.

mod explain;
mod report;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use jiff::civil::Date;

use crate::cli::arguments::{CheckArguments, CheckFormat, Denied};
use crate::cli::output::print_xml;
use crate::cli::packs::Proven;
use crate::cli::{Exit, packs, print, print_json, usable};
use crate::config;
use crate::diagnostic::{self, Diagnostic, Grade, Source};
use crate::engine::{Engine, Settings, trial};
use crate::files::PAGE_MAX;
use crate::flow::PacksFrom;
use crate::pack::lint::{self, Finding, Settled, Shelf, Subject};
use crate::pack::{self, Packs};
use crate::runbook::Runbook;

pub use report::Report;

/// The verb.
///
/// # Errors
/// When the report cannot be written.
pub fn run(arguments: &CheckArguments) -> Result<Exit> {
    if let Some(code) = arguments.explain {
        return print(&explain::explain(code)).map(|()| Exit::Fine);
    }
    if arguments.list {
        return print(&explain::list()).map(|()| Exit::Fine);
    }
    let Some(config) = usable(config::load_judging(&arguments.layers())) else { return Ok(Exit::Config) };
    let from = if arguments.builtin { PacksFrom::Builtin } else { config.packs };
    if let Some(directory) = arguments.runbooks.as_ref().filter(|directory| !directory.is_dir()) {
        anyhow::bail!(
            "`{}` is no directory: --runbooks wants the one that holds the Markdown files",
            directory.display()
        );
    }
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut report = check(&from, config.engine, arguments.runbooks.as_deref(), today);
    deny(&mut report.diagnostics, &arguments.deny);
    match arguments.format {
        CheckFormat::Text => print(&report.text(true))?,
        CheckFormat::Json => print_json(&report.json())?,
        CheckFormat::Junit => print_xml(&report.junit()?)?,
    }
    Ok(if diagnostic::any_error(&report.diagnostics) { Exit::Findings } else { Exit::Fine })
}

/// Makes errors of the warnings that are denied.
fn deny(diagnostics: &mut [Diagnostic], denied: &[Denied]) {
    let is_denied = |diagnostic: &Diagnostic| {
        denied.iter().any(|denied| matches!(denied, Denied::Warnings) || *denied == Denied::Code(diagnostic.code))
    };
    diagnostics.iter_mut().filter(|it| is_denied(it)).for_each(|diagnostic| diagnostic.grade = Grade::Error);
}

/// Checks packs, and holds them against the runbooks of a directory where one is given; `today` is the day (UTC) by which
/// waivers expire.
#[must_use]
pub fn check(from: &PacksFrom, settings: Settings, runbooks: Option<&Path>, today: Date) -> Report {
    match packs::sources(from) {
        Ok(sources) => check_sources(sources, settings, runbooks, today),
        Err(problems) => Report::unreadable(problems),
    }
}

/// Checks packs that have been read.
#[must_use]
pub fn check_sources(sources: Vec<Arc<Source>>, settings: Settings, runbooks: Option<&Path>, today: Date) -> Report {
    let (whole, mut problems) = pack::read(&sources);
    let understood = !diagnostic::any_error(&problems);
    let packs = lint::sound(whole, &problems);
    let engine = match Engine::new(packs, settings) {
        Ok(engine) => engine,
        Err(error) => {
            let message = format!("the phrases do not fit one automaton: {error}");
            return Report::unreadable(vec![Diagnostic::error("P026", message)]);
        }
    };
    let Proven { failures, run } = packs::proven(&engine);
    let holds = failures.is_empty();
    let shelf = runbooks.map(|directory| shelf(engine.packs(), directory));
    let settled = linted(engine.packs(), &failures, understood, shelf.as_ref(), today);
    problems.extend(failures);
    problems.extend(settled.diagnostics);
    diagnostic::sort(&mut problems);
    let report = Report::of(&engine, sources, run, understood && holds, problems, settled.waived);
    report.beside(shelf.iter().flat_map(Shelf::sources).cloned().collect())
}

/// What the lints have to say, less what is waived.
fn linted(packs: &Packs, failures: &[Diagnostic], understood: bool, shelf: Option<&Shelf>, today: Date) -> Settled {
    let mut findings = lint::lint(packs);
    findings.extend(shelf.into_iter().flat_map(|shelf| lint::drift(packs, shelf)));
    // Examples come in all shapes, so they are tried with the default settings, whatever is configured.
    if let Ok(engine) = Engine::new(packs.clone(), Settings::default()) {
        let failing = failing(packs, failures);
        let of_failing = |finding: &Finding| matches!(finding.subject, Subject::Rule(rule) if failing.contains(&rule));
        findings.extend(trial::trials(&engine, &findings).into_iter().filter(|finding| !of_failing(finding)));
    }
    if !understood {
        findings = lint::without_echoes(findings);
    }
    let complete = understood && failures.is_empty();
    let run = |code: &str| complete && (shelf.is_some() || !lint::OF_DRIFT.contains(&code));
    lint::settle(packs, findings, run, today)
}

/// The runbooks that packs name, as far as they are in the directory.
fn shelf(packs: &Packs, directory: &Path) -> Shelf {
    let mut shelf = Shelf { directory: directory.display().to_string(), ..Shelf::default() };
    for name in packs.packs.iter().filter_map(|pack| pack.runbook.as_ref()) {
        if directory.join(name).exists() {
            let text = packs::read_text_inside(directory, Path::new(name), PAGE_MAX);
            let runbook = text.map(|source| Runbook::read(&Arc::new(source)));
            shelf.runbooks.insert(name.clone(), runbook);
        }
    }
    shelf
}

/// Rules of which an example does not hold; what else their examples do not prove is no news then.
fn failing(packs: &Packs, failures: &[Diagnostic]) -> BTreeSet<usize> {
    let at = |rule: &pack::Rule| {
        rule.reports().flat_map(|(_, examples)| examples.yes.iter().chain(&examples.no)).any(|example| {
            failures
                .iter()
                .filter_map(|failure| failure.place.as_ref())
                .any(|(source, span)| *span == example.span && *source == packs.packs[rule.pack].source)
        })
    };
    (0..packs.rules.len()).filter(|rule| !failures.is_empty() && at(&packs.rules[*rule])).collect()
}

/// How many packs, rules and ids, and their digest, in words.
pub(super) fn contents(engine: &Engine) -> String {
    let packs = engine.packs();
    let (count, packs_s) = counted(packs.packs.len());
    let (rules, rules_s) = counted(packs.rules.len());
    let (ids, ids_s) = counted(engine.reported().len());
    format!("{count} pack{packs_s} with {rules} rule{rules_s} ({ids} id{ids_s}), digest {}", engine.digest())
}

fn counted(number: usize) -> (usize, &'static str) {
    (number, if number == 1 { "" } else { "s" })
}
