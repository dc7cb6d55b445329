//! `fingerpost scan`: a person's view of a log file. Every line that a rule knows, in order, with its number, what was
//! found in it, the runbook section to open, what to do and whom to ask; then a table of all of it.
//!
//! A file comes from `reading` and goes through `sections` (which container says this?) to the engine, line by line; what it
//! says becomes a `finding`, which a `report` writes down. Nothing is held but the first line of each advice.

pub mod finding;
pub mod locate;
pub mod markdown;
pub mod report;
pub mod sections;
pub mod slack;
pub mod text;

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;
use indicatif::ProgressBar;

use super::arguments::{ScanArguments, ScanFormat};
use super::output::{Out, ended, people};
use super::reading::arguments::{ReadingArguments, STDIN_NAME};
use super::reading::lines::Line;
use super::reading::parts::Parts;
use super::reading::{self, Found, How, Text};
use super::{Exit, output, packs, show, usable};
use crate::alert::{Alerts, Clock, event_time};
use crate::config;
use crate::engine::{Detail, Engine, Memory, Outcome};

use finding::{Finding, Place, Tally};
use locate::Locator;
use report::Report;
use sections::Speaker;

/// What `--help` ends with: what is read and how, the formats, exit codes.
pub const SCAN_HELP: &str = "\
What is read: text or JSON lines in UTF-8 or, with a byte order mark, UTF-16, also packed with gzip or zstd, and the members
of a tar (told by their first bytes, not by the name); with -r directories, but for binary files and links. Parts into which
a container runtime cut a line (CRI, Docker) are put together; parts of a log that was rotated come in the order of time. The
path of a pod's log names source (pod) and app (container) of its lines. In a get-master-info text a line that starts MASTER CONTROL PLANE CONTAINER LOGS opens the log of the container that `-c NAME` on
it names, or the latest `-c NAME` line before the log: that container is the source of its lines, and their app where
rules ask for that app. What sources said earlier counts for later lines of all files; a line that names no source is of
its file, or of its container in that file. A line longer than limits.payload is counted and not judged.

Formats: text is for people. json is one object per line, with `type`: finding (file, line, container, section, text, part,
spans in bytes of text, escalation, fingerpost: the object that the line would be given), trouble (file, line, what), and in the end
summary (files, skipped, lines, bytes, findings, too_long, rules: rule, severity, count). markdown is for an issue. slack is one
message in Slack's mrkdwn, of at most 4,000 characters, for a thread.

Exit codes:
   0  every file was read, whatever was found
   2  the command line is wrong, or names a file that cannot be read to its end; the others were read all the same
  74  the output cannot be written
  78  the configuration or a pack is wrong";

/// The verb.
///
/// # Errors
/// An output that cannot be written.
pub fn run(arguments: &ScanArguments) -> Result<Exit> {
    let Some(config) = usable(config::load_judging(&arguments.judging.layers())) else { return Ok(Exit::Config) };
    match packs::load(&config.packs, config.engine) {
        Ok(loaded) => {
            let report = Report::new(arguments.format);
            // What keeps colours from programs also takes characters out of what a log says; only text has colours.
            let out: Box<dyn Write> = match arguments.format {
                ScanFormat::Text => Box::new(people()),
                ScanFormat::Json => Box::new(Out::plain(io::stdout().lock())),
                ScanFormat::Markdown | ScanFormat::Slack => Box::new(Out::guarded(io::stdout().lock())),
            };
            let alerts = Alerts::new(&loaded.engine, config.escalation);
            let out = BufWriter::with_capacity(1 << 16, out);
            scan(&loaded.engine, &alerts, &arguments.files, &arguments.reading, report, out)
        }
        Err(problems) => {
            show(&problems);
            Ok(Exit::Config)
        }
    }
}

/// Reads files (or stdin, for none and for `-`) and writes what is found. Trouble with a file is told on stderr, and the
/// next one is read.
///
/// # Errors
/// An output that cannot be written, except that a reader who has had enough is no error.
pub fn scan(
    engine: &Engine,
    alerts: &Alerts,
    files: &[PathBuf],
    reading: &ReadingArguments,
    report: Report,
    out: impl Write,
) -> Result<Exit> {
    let how = How { arguments: reading, verb: "scan", has_progress: true, by_time: true };
    let mut scan = Scan::new(engine, alerts, report, out);
    let done = reading::each(files, &how, &mut |found, bar| scan.take(found, bar)).and_then(|()| scan.end());
    ended(done)?;
    Ok(if scan.trouble { Exit::Usage } else { Exit::Fine })
}

/// One run over all files.
struct Scan<'e, W> {
    engine: &'e Engine,
    /// Who know whom to call in.
    alerts: &'e Alerts,
    memory: Memory,
    locator: Locator,
    tally: Tally,
    report: Report,
    out: W,
    trouble: bool,
}

impl<'e, W: Write> Scan<'e, W> {
    fn new(engine: &'e Engine, alerts: &'e Alerts, report: Report, out: W) -> Self {
        let mut memory = engine.memory();
        memory.count_for_alerts();
        Self {
            engine,
            alerts,
            memory,
            locator: Locator::default(),
            tally: Tally::default(),
            report,
            out,
            trouble: false,
        }
    }

    fn take(&mut self, found: Found<'_>, bar: &ProgressBar) -> io::Result<()> {
        match found {
            Found::Text(text) => self.read(text, bar),
            Found::Skipped { name, why } => {
                let told = self.tally.skipped.one(name, why);
                bar.suspend(|| told.iter().for_each(|told| self.note(told)));
                Ok(())
            }
            Found::Trouble { name, what } => self.complain(name, None, what, bar),
        }
    }

    fn read(&mut self, text: Text<'_>, bar: &ProgressBar) -> io::Result<()> {
        let Text { name, origin, reader, packed, note, .. } = text;
        let longest = self.engine.settings().limits.payload;
        let mut lines = Parts::new(reader, longest);
        let mut speaker = Speaker::new(&name, origin, self.engine);
        let ended = loop {
            match lines.advance() {
                Ok(Some(line)) => {
                    speaker.look(line.bytes);
                    self.line(line, &speaker, bar)?;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.tally.lines += lines.count();
        self.tally.bytes += lines.bytes();
        if let Some(note) = note {
            bar.suspend(|| self.note(&format!("`{name}` {note}")));
        }
        if let Err(error) = ended {
            self.complain(&name, Some(lines.count()), &cut_off(&name, packed, lines.count(), &error), bar)?;
        }
        self.tally.files.push(name);
        Ok(())
    }

    fn line(&mut self, line: Line<'_>, speaker: &Speaker<'_>, bar: &ProgressBar) -> io::Result<()> {
        let outcome = self.engine.classify_by(line.bytes, speaker.writer(), &mut self.memory);
        self.tally.too_long += u64::from(outcome.crossed.payload);
        let Some(finding) = self.finding(&outcome, line, speaker) else { return Ok(()) };
        let before = self.tally.count(&finding);
        let Self { report, out, .. } = self;
        bar.suspend(|| {
            report.finding(&finding, before.as_ref(), out)?;
            // Somebody may be watching.
            let is_live = speaker.file() == STDIN_NAME || io::stdout().is_terminal();
            if is_live { out.flush() } else { Ok(()) }
        })
    }

    fn finding(&mut self, outcome: &Outcome, line: Line<'_>, speaker: &Speaker<'_>) -> Option<Finding> {
        let verdict = outcome.verdict.as_ref()?;
        let Ok(serde_json::Value::Object(added)) = serde_json::from_str(&outcome.added(Detail::Full)?) else {
            return None;
        };
        let examined = self.engine.examine_by(line.bytes, speaker.writer());
        let id = &self.engine.reported()[*verdict.rules.first()?].id;
        let is_primary = |rule: &usize| self.engine.packs().rules[*rule].ids().any(|other| other == id);
        let primary = examined.candidates().into_iter().find(|rule| is_primary(rule) && examined.fits(*rule));
        let spots = primary.map(|rule| examined.spots(rule, id)).unwrap_or_default();
        let spans = self.locator.locate(line.bytes, &examined, &spots);
        let place = Place { file: speaker.file().to_owned(), number: line.number };
        let finding = Finding::new(place, speaker.section().clone(), line.bytes, &spans, verdict.severity, added);
        Some(Finding { escalation: self.escalation(outcome), ..finding })
    }

    /// By the line's own time, or by now when it tells none.
    fn escalation(&self, outcome: &Outcome) -> Option<String> {
        let line = outcome.countable.first()?;
        let now = jiff::Timestamp::now().as_millisecond();
        let time = event_time(line.time.as_deref(), now, Clock::default());
        self.alerts.escalation(line, time.at).map(str::to_owned)
    }

    fn end(&mut self) -> io::Result<()> {
        self.tally.skipped.rest().iter().for_each(|told| self.note(told));
        let Self { report, tally, out, .. } = self;
        report.end(tally, out)?;
        out.flush()
    }

    /// Something that is wrong with a file, so that the rest of it was not read.
    fn complain(&mut self, file: &str, lines: Option<u64>, what: &str, bar: &ProgressBar) -> io::Result<()> {
        self.trouble = true;
        let Self { report, out, .. } = self;
        bar.suspend(|| {
            report.trouble(file, lines, what, out)?;
            out.flush()?;
            output::complain(what);
            Ok(())
        })
    }

    fn note(&mut self, what: &str) {
        let _ = self.out.flush();
        output::note(what);
    }
}

fn cut_off(name: &str, packed: Option<&str>, lines: u64, error: &io::Error) -> String {
    let told = format!("what its first {lines} lines say is told");
    match packed {
        Some(kind) if error.kind() == ErrorKind::UnexpectedEof => {
            format!("`{name}` ends in the midst of its {kind} data: it was cut off; {told}")
        }
        Some(kind) => format!("the {kind} data of `{name}` is damaged ({error}); {told}"),
        None => format!("`{name}` cannot be read any further: {error}; {told}"),
    }
}
