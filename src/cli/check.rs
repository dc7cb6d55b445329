//! `fingerpost check`: are the packs sound? Everything wrong with every file, and every example, and every sequence of lines that an
//! alert shows, run against the whole pack set.

use std::io::Write;

use anyhow::Result;

use crate::cli::arguments::CheckArguments;
use crate::cli::{Exit, packs, usable};
use crate::config;
use crate::diagnostic::{self, Diagnostic, Grade};
use crate::engine::{Engine, Settings};
use crate::flow::PacksFrom;

/// The verb.
///
/// # Errors
/// When the report cannot be written.
pub fn run(arguments: &CheckArguments) -> Result<Exit> {
    let Some(config) = usable(config::load_judging(&arguments.layers())) else { return Ok(Exit::Config) };
    let from = if arguments.builtin { PacksFrom::Builtin } else { config.packs };
    let sound = check(&from, config.engine, true, &mut anstream::stdout().lock())?;
    Ok(if sound { Exit::Fine } else { Exit::Findings })
}

/// Checks packs; true when nothing is wrong that forbids using them.
///
/// # Errors
/// When the report cannot be written.
pub fn check(from: &PacksFrom, settings: Settings, colour: bool, out: &mut impl Write) -> Result<bool> {
    match packs::load(from, settings) {
        Ok(loaded) => {
            write!(out, "{}", diagnostic::draw(&loaded.warnings, colour))?;
            let (warnings, s) = counted(loaded.warnings.len());
            let (alerts, alerts_s) = counted(loaded.sequences);
            let tests = if alerts == 0 { String::new() } else { format!(" and {alerts} test{alerts_s} of alerts") };
            let (contents, examples) = (contents(&loaded.engine), loaded.examples);
            writeln!(out, "{contents}: {examples} examples{tests} hold, {warnings} warning{s}")?;
            Ok(true)
        }
        Err(problems) => {
            write!(out, "{}", diagnostic::draw(&problems, colour))?;
            writeln!(out, "{}", summary(&problems))?;
            Ok(false)
        }
    }
}

/// How many packs, rules and ids, and their digest, in words.
pub(super) fn contents(engine: &Engine) -> String {
    let packs = engine.packs();
    let (count, packs_s) = counted(packs.packs.len());
    let (rules, rules_s) = counted(packs.rules.len());
    let (ids, ids_s) = counted(engine.reported().len());
    format!("{count} pack{packs_s} with {rules} rule{rules_s} ({ids} id{ids_s}), digest {}", engine.digest())
}

fn summary(problems: &[Diagnostic]) -> String {
    let errors = problems.iter().filter(|problem| problem.grade == Grade::Error).count();
    let (errors, s) = counted(errors);
    let (warnings, ws) = counted(problems.len() - errors);
    format!("{errors} error{s}, {warnings} warning{ws}: these packs would not be loaded")
}

fn counted(number: usize) -> (usize, &'static str) {
    (number, if number == 1 { "" } else { "s" })
}
