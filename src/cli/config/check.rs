//! `fingerpost config check`: reads the configuration, then tries it. One line per step (✓ good, – not tried,
//! ! worth a look, ✗ would not work), and what to do.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::Args;

use crate::cli::arguments::{DaemonArguments, parse_duration};
use crate::cli::{EXIT_CODES, Exit, packs, print, show, usable};
use crate::config::{Config, Row, load};
use crate::flow::probe::{Finding, Mark, probe};

/// `config check`
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct CheckArguments {
    /// The configuration.
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// How long each step may take.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Read everything, and ask no broker.
    #[arg(long)]
    pub offline: bool,
}

/// Each line is printed as soon as it is known: a broker that does not answer is waited for in full view.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit> {
    let loaded = load(&arguments.daemon.layers());
    let (rows, notes) = (loaded.rows.clone(), loaded.notes.clone());
    let Some(config) = usable(loaded) else { return Ok(Exit::Config) };
    print(&line(&Finding::new(Mark::Good, "configuration", summary(&rows))))?;
    for note in notes {
        print(&line(&Finding::new(Mark::Untried, "note", note)))?;
    }
    let sound = check_packs(&config)?;
    let mut reachable = true;
    if !arguments.offline {
        let mut result = Ok(());
        probe(&config.flow, arguments.timeout, &mut |finding| {
            reachable &= finding.mark != Mark::Bad;
            if result.is_ok() {
                result = print(&line(&finding));
            }
        });
        result?;
    }
    Ok(match (sound, reachable) {
        (false, _) => Exit::Config,
        (true, false) => Exit::Unavailable,
        (true, true) => Exit::Fine,
    })
}

fn check_packs(config: &Config) -> Result<bool> {
    let (finding, problems) = match packs::load(&config.packs, config.engine.clone()) {
        Ok(loaded) => {
            let says = format!("{} rules, {} examples hold", loaded.engine.packs().rules.len(), loaded.run.examples);
            (Finding::new(Mark::Good, "packs", says), loaded.warnings)
        }
        Err(problems) => {
            let says = format!("{} mistakes, shown above", problems.len());
            (Finding::new(Mark::Bad, "packs", says).fix("mend them; `fingerpost check` shows the same"), problems)
        }
    };
    show(&problems);
    print(&line(&finding))?;
    Ok(finding.mark != Mark::Bad)
}

fn summary(rows: &[Row]) -> String {
    let set = rows.iter().filter(|row| row.value.is_some() && row.origin != "default").count();
    format!("sound; {set} values are set, the others are defaults")
}

/// Subjects are of very different length; the column fits the usual ones.
const SUBJECT_WIDTH: usize = 26;

fn line(finding: &Finding) -> String {
    let (sign, style): (_, Style) = match finding.mark {
        Mark::Good => ('✓', AnsiColor::Green.on_default()),
        Mark::Untried => ('–', Style::new().dimmed()),
        Mark::Doubt => ('!', AnsiColor::Yellow.on_default()),
        Mark::Bad => ('✗', AnsiColor::Red.on_default().bold()),
    };
    let (subject, says) = (&finding.subject, &finding.says);
    let mut text = format!("{style}{sign}{style:#} {subject:SUBJECT_WIDTH$}  {says}\n");
    if let Some(fix) = finding.fix.as_deref().filter(|_| matches!(finding.mark, Mark::Doubt | Mark::Bad)) {
        let _ = writeln!(text, "  {:SUBJECT_WIDTH$}  → {fix}", "");
    }
    text
}
