//! The programs that are compared, and how each is started. All do the same job, from one topic into another: find the
//! phrase that a line has, add an object that names the rule, pass every other line on as it is.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::corpus::{pack, phrases};
use crate::peers;

/// Where a candidate reads and writes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Job {
    /// Broker, host:port
    #[arg(long)]
    pub(crate) broker: String,
    /// Topic to read
    #[arg(long)]
    pub(crate) input: String,
    /// Topic to write
    #[arg(long)]
    pub(crate) output: String,
    /// Consumer group
    #[arg(long)]
    pub(crate) group: String,
    /// Table of the phrases and their rules
    #[arg(long)]
    pub(crate) tags: PathBuf,
}

/// A program that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `fingerpost run`.
    Daemon(Promise),
    /// librdkafka, passing records on.
    Passthrough,
    /// The same with the daemon's allocator.
    Preloaded,
    /// librdkafka, reading only.
    Consumer,
    /// The same, one record at a time.
    Polled,
    /// The first with a look at every byte.
    Reader,
    /// The afternoon's work.
    Average,
    /// Kafka Streams.
    Streams,
    /// rsyslog.
    Rsyslog,
}

/// How the daemon is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The default.
    AtLeastOnce,
    /// With transactions.
    ExactlyOnce,
    /// At least once, only lines that match.
    Matched,
}

impl Program {
    /// Whether no line without a phrase is to come out.
    pub(crate) fn drops_others(self) -> bool {
        self.is_bare_reader() || self == Self::Daemon(Promise::Matched)
    }

    /// Whether it only reads.
    pub(crate) fn is_bare_reader(self) -> bool {
        matches!(self, Self::Consumer | Self::Polled | Self::Reader)
    }

    /// How it is asked to end.
    fn ends_by_signal(self) -> bool {
        matches!(self, Self::Daemon(_) | Self::Streams | Self::Rsyslog)
    }
}

/// What a phrase stands for.
pub(crate) struct Tag {
    /// The rule's id.
    pub(crate) rule: String,
    /// The rule's severity.
    pub(crate) severity: String,
    /// The phrase, in lower case.
    pub(crate) phrase: String,
}

/// What each of the first `count` phrases stands for, in their order, as the pack says.
pub(crate) fn rules(count: usize) -> Result<Vec<Tag>> {
    let pack: toml::Table = pack(count).parse()?;
    let rules = pack["rule"].as_array().context("a pack has rules")?;
    let mut phrases = phrases(count).into_iter();
    let mut tags = Vec::with_capacity(count);
    for rule in rules {
        let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let any = rule["any"].as_array().map_or(0, Vec::len);
        tags.extend(phrases.by_ref().take(any).map(|phrase| Tag {
            rule: text("id"),
            severity: text("severity"),
            phrase: phrase.to_lowercase(),
        }));
    }
    Ok(tags)
}

/// Writes them down for the candidates that are not the daemon.
pub(crate) fn write_tags(path: &Path, tags: &[Tag]) -> Result<()> {
    let rows = tags.iter().map(|Tag { rule, severity, phrase }| format!("{rule}\t{severity}\t{phrase}\n"));
    Ok(fs::write(path, rows.collect::<String>())?)
}

/// Reads what [`write_tags`] wrote.
pub(crate) fn tags(job: &Job) -> Result<Vec<Tag>> {
    let row = |row: &str| {
        let mut cells = row.splitn(3, '\t').map(str::to_owned);
        Some(Tag { rule: cells.next()?, severity: cells.next()?, phrase: cells.next()? })
    };
    fs::read_to_string(&job.tags)?.lines().map(|line| row(line).context("three columns")).collect()
}

/// A candidate that runs. It ends with this value.
pub(crate) struct Running {
    program: Program,
    child: Child,
    /// What it says.
    pub(crate) log: PathBuf,
}

impl Running {
    /// Starts a program on a job, with `dir` to write into and `packs` as the daemon's rules.
    pub(crate) fn start(program: Program, job: &Job, dir: &Path, packs: &Path) -> Result<Self> {
        let mut command = match program {
            Program::Daemon(promise) => daemon(promise, job, dir, packs)?,
            Program::Passthrough => own("passthrough", job)?,
            Program::Preloaded => {
                let mut command = own("passthrough", job)?;
                command.env("LD_PRELOAD", peers::jemalloc());
                command
            }
            Program::Consumer => own("consumer", job)?,
            Program::Polled => own("polled", job)?,
            Program::Reader => own("reader", job)?,
            Program::Average => own("average", job)?,
            Program::Streams => peers::streams(job, dir)?,
            Program::Rsyslog => peers::rsyslog(job, dir)?,
        };
        let log = dir.join("log");
        let out = fs::File::create(&log)?;
        let child = command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { program, child, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The end of what it said.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// Asks it to end, and ends it when it does not within ten seconds.
    pub(crate) fn stop(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        if self.program.ends_by_signal() {
            kill(self.pid()?, Signal::SIGTERM)?;
        }
        let asked = Instant::now();
        while !self.has_ended()? && asked.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn daemon(promise: Promise, job: &Job, dir: &Path, packs: &Path) -> Result<Command> {
    let Job { broker, input, output, group, .. } = job;
    let (lines, mode) = match promise {
        Promise::AtLeastOnce => ("all", "at_least_once"),
        Promise::ExactlyOnce => ("all", "exactly_once"),
        Promise::Matched => ("matched", "at_least_once"),
    };
    let text = format!(
        "[kafka]\nbootstrap_servers = {broker:?}\ngroup_id = {group:?}\n[input]\ntopics = [{input:?}]\n\
         [output]\ntopic = {output:?}\nlines = {lines:?}\n[delivery]\nmode = {mode:?}\n\
         [packs]\ndir = {packs:?}\nwatch = false\npoll_interval = \"1h\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
    );
    let config = dir.join("fingerpost.toml");
    fs::write(&config, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
    command.args(["run", "-c"]).arg(config);
    Ok(command)
}

/// This program, as another process.
fn own(name: &str, job: &Job) -> Result<Command> {
    let Job { broker, input, output, group, tags } = job;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([name, "--broker", broker, "--input", input, "--output", output, "--group", group, "--tags"])
        .arg(tags);
    Ok(command)
}

/// Does something when stdin ends: when the bench wants it, or is gone itself.
pub(crate) fn when_stdin_ends(act: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        act();
    });
}
