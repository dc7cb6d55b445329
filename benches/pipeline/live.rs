//! Start and reload: how soon a daemon is ready, and whether anybody downstream notices that it takes new rules.
//!
//! The lines come at a steady pace well below what the daemon can take: with a backlog the compiler of the rules and the
//! stream would share what CPU there is, and the dip would tell the number of cores. What comes out is looked at over
//! every second that there is, wherever it begins.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::broker::Broker;
use crate::candidate::{Job, Program, Promise, Running};
use crate::corpus::{Kind, Lines, pack, phrases};
use crate::feed::{Landed, Writer, pods};

/// Lines a second.
pub(crate) const PACE: usize = 50_000;
const PARTITIONS: usize = 6;
/// Lines that are sent again and again.
const LINES: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// Until the stream flows evenly.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long it is watched before the reload, and after it.
const WATCHED: Duration = Duration::from_secs(4);

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Seconds from the start of the process until it was ready.
    pub(crate) start: f64,
    /// Seconds that the reload took.
    pub(crate) reload: f64,
    /// Lines that came out in the worst second before the reload.
    pub(crate) before: f64,
    /// The same while it reloaded, and after.
    pub(crate) during: f64,
    /// Lines that went in in the worst second of these.
    pub(crate) fed: f64,
}

/// Runs it. `dir` is written into, `packs` is changed.
///
/// # Errors
/// When the daemon does not start, or does not take the new rules.
pub(crate) fn run(broker: &Broker, count: usize, job: &Job, dir: &Path, packs: &Path) -> Result<Seen> {
    broker.create(&job.input, PARTITIONS)?;
    broker.create(&job.output, PARTITIONS)?;
    let begun = Instant::now();
    let mut daemon = Running::start(Program::Daemon(Promise::AtLeastOnce), job, dir, packs)?;
    let address = ready(&daemon, begun).with_context(|| daemon.last_words())?;
    let start = begun.elapsed().as_secs_f64();
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(broker, job, count, &stop));
        let watched = watch(broker, job, || reload(&address, packs, count));
        stop.store(true, Relaxed);
        feeder.join().map_err(|_| anyhow::anyhow!("the feeder fell over"))??;
        watched
    });
    daemon.stop()?;
    broker.delete(&job.input)?;
    broker.delete(&job.output)?;
    broker.forget(&job.group);
    seen.map(|seen| Seen { start, ..seen })
}

/// Waits until the daemon has its partitions; the address where it answers.
fn ready(daemon: &Running, begun: Instant) -> Result<String> {
    loop {
        let log = fs::read_to_string(&daemon.log)?;
        let listening = log.lines().find(|line| line.contains("listening for probes"));
        let address = listening.and_then(|line| line.split_once("\"address\":\"")?.1.split('"').next());
        if let Some(address) = address
            && ask(address, "GET /readyz").is_ok_and(|(code, _)| code == 200)
        {
            return Ok(address.to_owned());
        }
        ensure!(begun.elapsed() < PATIENCE, "not ready");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Changes a severity in the rules, and has the daemon take them; how long that took.
fn reload(address: &str, packs: &Path, count: usize) -> Result<Duration> {
    let changed = pack(count).replacen("severity = \"critical\"", "severity = \"info\"", 1);
    fs::write(packs.join("bench.toml"), changed)?;
    let asked = Instant::now();
    let (code, answer) = ask(address, "POST /-/reload")?;
    ensure!(code == 200 && answer.contains("\"loaded\""), "not loaded: {code} {answer}");
    Ok(asked.elapsed())
}

fn ask(address: &str, what: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{what} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    Ok((head.split(' ').nth(1).context("no code")?.parse()?, body.to_owned()))
}

/// Sends lines at the pace, until it is told to stop.
fn feed(broker: &Broker, job: &Job, count: usize, stop: &AtomicBool) -> Result<()> {
    let phrases = phrases(count);
    let lines: Vec<String> =
        Lines::new(Kind::Matching(10_000), &phrases, 7).take(LINES).map(|line| line.json).collect();
    let pods = pods();
    let writer = Writer::new(broker, &job.input, Landed::default())?;
    let begun = Instant::now();
    let mut sent = 0;
    while !stop.load(Relaxed) {
        let due = usize::try_from(begun.elapsed().as_micros())? * PACE / 1_000_000;
        for number in sent..due {
            writer.write(&pods[number % pods.len()], lines[number % LINES].as_bytes(), number)?;
        }
        sent = due;
        std::thread::sleep(Duration::from_millis(2));
    }
    writer.finish()
}

/// How many lines there were at some moment.
type Sample = (Instant, usize);

/// Watches what comes out, with the reload in the middle. The start is filled in by the caller.
fn watch(broker: &Broker, job: &Job, reload: impl FnOnce() -> Result<Duration> + Send) -> Result<Seen> {
    let (mut input, mut output): (Vec<Sample>, Vec<Sample>) = (Vec::new(), Vec::new());
    let mut look = || -> Result<()> {
        input.push((Instant::now(), broker.ends(&job.input, PARTITIONS)?));
        output.push((Instant::now(), broker.ends(&job.output, PARTITIONS)?));
        std::thread::sleep(Duration::from_millis(10));
        Ok(())
    };
    let begun = Instant::now();
    while begun.elapsed() < WARM_UP + WATCHED {
        look()?;
    }
    let asked = Instant::now();
    let took = std::thread::scope(|scope| -> Result<Duration> {
        let reloading = scope.spawn(reload);
        while !reloading.is_finished() {
            look()?;
        }
        reloading.join().map_err(|_| anyhow::anyhow!("the reload fell over"))?
    })?;
    let answered = Instant::now();
    while answered.elapsed() < WATCHED {
        look()?;
    }
    let (calm, all) = (begun + WARM_UP, Instant::now());
    Ok(Seen {
        start: 0.0,
        reload: took.as_secs_f64(),
        before: worst_second(&output, calm, asked),
        // A second that begins before the request and reaches into the reload counts.
        during: worst_second(&output, asked - SECOND, all),
        fed: worst_second(&input, asked - SECOND, all),
    })
}

/// Lines a second over the worst second between the two moments.
#[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^52")]
fn worst_second(samples: &[Sample], from: Instant, to: Instant) -> f64 {
    let within = |sample: &&Sample| sample.0 >= from && sample.0 <= to;
    let rate_after = |first: &Sample| {
        let last = samples.iter().filter(within).find(|sample| sample.0 >= first.0 + SECOND)?;
        Some((last.1 - first.1) as f64 / (last.0 - first.0).as_secs_f64())
    };
    samples.iter().filter(within).filter_map(rate_after).fold(f64::INFINITY, f64::min)
}
