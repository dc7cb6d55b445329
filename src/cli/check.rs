//! `fingerpost check`: are the packs sound? Everything wrong with every file, what is most likely not meant, and every
//! example, and every sequence of lines that an alert shows, run and tried against the whole pack set. It is all told in
//! one run: what an error leaves standing is looked at further.

mod explain;
mod report;

use std::collections::BTreeSet;

use anyhow::Result;
use jiff::civil::Date;

use crate::cli::arguments::{CheckArguments, CheckFormat, Denied};
use crate::cli::{Exit, packs, print, usable};
use crate::config;
use crate::diagnostic::{self, Diagnostic, Grade};
use crate::engine::{Engine, Settings, trial};
use crate::flow::PacksFrom;
use crate::pack::lint::{self, Finding, Settled, Subject};
use crate::pack::{self, Packs};

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
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut report = check(&from, config.engine, today);
    deny(&mut report.diagnostics, &arguments.deny);
    print(&match arguments.format {
        CheckFormat::Text => report.text(true),
        CheckFormat::Json => report.json(),
        CheckFormat::Junit => report.junit()?,
    })?;
    Ok(if diagnostic::any_error(&report.diagnostics) { Exit::Findings } else { Exit::Fine })
}

/// Makes errors of the warnings that are denied.
fn deny(diagnostics: &mut [Diagnostic], denied: &[Denied]) {
    let is_denied = |diagnostic: &Diagnostic| {
        denied.iter().any(|denied| matches!(denied, Denied::Warnings) || *denied == Denied::Code(diagnostic.code))
    };
    diagnostics.iter_mut().filter(|it| is_denied(it)).for_each(|diagnostic| diagnostic.grade = Grade::Error);
}

/// Checks packs; `today` is the day (UTC) by which waivers expire.
#[must_use]
pub fn check(from: &PacksFrom, settings: Settings, today: Date) -> Report {
    let sources = match packs::sources(from) {
        Ok(sources) => sources,
        Err(problems) => return Report::unreadable(problems),
    };
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
    let (failures, proof) = packs::proven(&engine);
    let holds = failures.is_empty();
    let settled = linted(engine.packs(), &failures, understood, today);
    problems.extend(failures);
    problems.extend(settled.diagnostics);
    diagnostic::sort(&mut problems);
    Report::of(&engine, sources, proof, understood && holds, problems, settled.waived)
}

/// What the lints have to say, less what is waived.
fn linted(packs: &Packs, failures: &[Diagnostic], understood: bool, today: Date) -> Settled {
    let mut findings = lint::lint(packs);
    // Examples come in all shapes, so they are tried with the default settings, whatever is configured.
    if let Ok(engine) = Engine::new(packs.clone(), Settings::default()) {
        let failing = failing(packs, failures);
        let of_failing = |finding: &Finding| matches!(finding.subject, Subject::Rule(rule) if failing.contains(&rule));
        findings.extend(trial::trials(&engine, &findings).into_iter().filter(|finding| !of_failing(finding)));
    }
    if !understood {
        findings = lint::without_echoes(findings);
    }
    lint::settle(packs, findings, understood && failures.is_empty(), today)
}

/// Rules of which an example does not hold; what else their examples do not prove is no news then.
fn failing(packs: &Packs, failures: &[Diagnostic]) -> BTreeSet<usize> {
    let at = |rule: &pack::Rule| {
        rule.reports().flat_map(|(_, examples)| examples.yes.iter().chain(&examples.no)).any(|example| {
            failures
                .iter()
                .filter_map(|failure| failure.place.as_ref())
                .any(|(source, span)| **source == *packs.packs[rule.pack].source && *span == example.span)
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
