//! `fingerpost extract`: a draft of a pack from a runbook. What the linter would refuse of it is left out and named.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::arguments::ExtractArguments;
use super::check::check_sources;
use super::{Exit, packs, print_exactly};
use crate::diagnostic::Source;
use crate::engine::Settings;
use crate::files::PAGE_MAX;
use crate::pack::extract::{Draft, LeftOut, draft};
use crate::pack::fmt::format;
use crate::runbook::Runbook;

/// Each round leaves out what the round before has shown; more are not needed.
const ROUNDS: usize = 8;
/// The code of what is left to a person.
const LEFT: &str = "L45";

/// The verb.
///
/// # Errors
/// When the runbook cannot be read, or stdout not be written.
pub fn run(arguments: &ExtractArguments) -> Result<Exit> {
    let path = &arguments.runbook;
    let source = packs::read_text(path, PAGE_MAX)
        .map_err(|why| anyhow!("the runbook `{}` cannot be read: {why}", path.display()))?;
    let name = path.file_name().map_or_else(|| "runbook.md".to_owned(), |name| name.to_string_lossy().into_owned());
    print_exactly(&extracted(source, &name))?;
    Ok(Exit::Fine)
}

/// The draft of a pack from a runbook, whose file is called so.
#[must_use]
pub fn extracted(source: Source, name: &str) -> String {
    let runbook = Runbook::read(&Arc::new(source));
    let mut left_out = LeftOut::new();
    let mut drafted = draft(&runbook, name, &left_out);
    for _ in 0..ROUNDS {
        let refused = refused(&drafted, name);
        if refused.is_empty() {
            break;
        }
        left_out.extend(refused);
        drafted = draft(&runbook, name, &left_out);
    }
    let source = as_pack(&drafted, name);
    format(&source).unwrap_or(drafted.text)
}

fn as_pack(draft: &Draft, runbook: &str) -> Arc<Source> {
    let name = Path::new(runbook).with_extension("toml").display().to_string();
    Arc::new(Source { name, text: draft.text.clone() })
}

/// The rules of which the linter says more than that something is left to decide, and what it says.
fn refused(drafted: &Draft, name: &str) -> LeftOut {
    let source = as_pack(drafted, name);
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let report = check_sources(vec![Arc::clone(&source)], Settings::default(), None, today);
    let mut refused = LeftOut::new();
    for found in report.diagnostics.iter().filter(|found| found.code != LEFT) {
        let Some((_, span)) = &found.place else { continue };
        // A rule ends where the next begins; its id is in its second line.
        let before = &source.text[..span.start.min(source.text.len())];
        let Some(table) = before.rfind("\n[[") else { continue };
        let rule = &source.text[table..];
        let id = rule.strip_prefix("\n[[rule]]\nid = \"").and_then(|rest| rest.split('"').next());
        let drafted = drafted.rules.iter().find(|(known, _)| Some(known.as_str()) == id);
        if let Some((_, key)) = drafted {
            refused.entry(key.clone()).or_insert_with(|| format!("{}: {}", found.code, found.message));
        }
    }
    refused
}
