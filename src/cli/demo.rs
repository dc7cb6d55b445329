//! `fingerpost demo`: the daemon at work, without a broker and without configuration.
//!
//! A Kafka inside this process (or, with `--brokers`, a real one), the same flow that `run` starts, a generator that feeds
//! the input topic, and a reader that shows what comes out of the output topic. At the end a summary; with `--assert`
//! the exit code says whether every rule was seen.

pub mod lines;
pub mod mock;
pub mod screen;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::NAME;
use crate::engine::Engine;
use crate::flow::{self, End, Flow, Status};
use lines::Lines;
use mock::Mock;
use screen::Tagged;

/// What the demo may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long it lasts; until Ctrl-C when absent.
    pub lasts: Option<Duration>,
    /// Fail unless every rule was seen on the output.
    pub assert: bool,
    /// Lines per second.
    pub rate: u32,
    /// A real cluster; the one inside this process when absent.
    pub brokers: Option<String>,
    /// Seed of the generator.
    pub seed: u64,
}

const INPUT: &str = "logs";
const OUTPUT: &str = "logs.enriched";
const PARTITIONS: i32 = 3;

/// How long what is on its way may take to arrive when the generator has stopped.
const DRAIN: Duration = Duration::from_secs(5);

/// Shows the demo on `out` until its time is over or somebody interrupts it.
///
/// # Errors
/// When the Kafka cannot be started or reached, or the screen cannot be written.
pub fn demo(engine: Engine, options: &Options, out: &mut impl Write) -> Result<ExitCode> {
    let started = Instant::now();
    let engine = Arc::new(engine);
    // A real cluster may have topics of these names already.
    let prefix = if options.brokers.is_some() { format!("{NAME}-demo.") } else { String::new() };
    let topics = Topics { input: format!("{prefix}{INPUT}"), output: format!("{prefix}{OUTPUT}") };
    let mock = match options.brokers {
        Some(_) => None,
        None => Some(Mock::start(&[&topics.input, &topics.output], PARTITIONS)?),
    };
    let address = match (&mock, &options.brokers) {
        (Some(mock), _) => mock.address()?,
        (None, Some(brokers)) => brokers.clone(),
        (None, None) => bail!("no Kafka to show anything on"),
    };
    welcome(out, &engine, &address, &topics, mock.is_some())?;

    let interrupted = Arc::new(AtomicBool::new(false));
    let _signals = interrupt(&interrupted)?;
    let produced = Arc::new(AtomicU64::new(0));
    let feeding = Arc::new(AtomicBool::new(true));
    let feeder = feed(&engine, &address, &topics.input, options, &produced, &feeding)?;
    let flow = start(&engine, &address, &topics)?;
    let shown = show(&address, &topics.output, options, &interrupted, started, out);
    feeding.store(false, Ordering::Relaxed);
    let fed = feeder.join().map_err(|_| anyhow::anyhow!("the generator ended badly"))?;
    let mut shown = shown?;
    fed?;
    let produced = produced.load(Ordering::Relaxed);
    shown.drain(produced, DRAIN)?;
    flow.stopper().stop();
    let end = flow.wait();
    farewell(out, &shown, produced, started)?;
    verdict(out, &engine, options, &shown, &end)
}

struct Topics {
    input: String,
    output: String,
}

fn welcome(out: &mut impl Write, engine: &Engine, address: &str, topics: &Topics, inside: bool) -> Result<()> {
    let rules = engine.reported().len();
    let kafka = if inside { "a Kafka inside this process" } else { "Kafka" };
    writeln!(out, "{NAME} demo: {kafka} at {address}, {rules} rules, {} → {}", topics.input, topics.output)?;
    writeln!(out, "look for yourself: kcat -b {address} -t {} -C -f '%o %h\\n%s\\n'", topics.output)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Sets the flag on Ctrl-C and SIGTERM, as long as what it returns lives.
fn interrupt(flag: &Arc<AtomicBool>) -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let flag = Arc::clone(flag);
    let mut terminate = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?
    };
    runtime.spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        flag.store(true, Ordering::Relaxed);
    });
    Ok(runtime)
}

/// The flow as `run` would start it with a configuration that only names brokers and topics.
fn start(engine: &Arc<Engine>, address: &str, topics: &Topics) -> Result<Flow> {
    let settings = flow::Settings {
        kafka: flow::Kafka {
            bootstrap_servers: address.to_owned(),
            group_id: format!("{NAME}-demo-{:08x}", fastrand::u32(..)),
            create_topics: true,
            options: Vec::new(),
            secret_options: Vec::new(),
        },
        input: flow::Input { topics: vec![topics.input.clone()], options: Vec::new() },
        output: flow::Output {
            topic: topics.output.clone(),
            lines: flow::Lines::All,
            place: flow::Place::Value,
            source_header_on_all: true,
            header_limit: engine.settings().limits.header,
            // Somebody is watching: nothing waits for a batch to fill.
            options: vec![("linger.ms".into(), "0".into())],
        },
        delivery: flow::Delivery {
            commit_interval: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(5),
            workers: 1,
        },
    };
    flow::start(engine, &settings, Arc::new(Status::default())).map_err(|failure| anyhow::anyhow!(failure))
}

/// Produces lines at the rate asked for, from a thread of its own, until told to stop.
fn feed(
    engine: &Engine,
    address: &str,
    topic: &str,
    options: &Options,
    produced: &Arc<AtomicU64>,
    feeding: &Arc<AtomicBool>,
) -> Result<thread::JoinHandle<Result<()>>> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("linger.ms", "0")
        .set("allow.auto.create.topics", "true")
        .create()
        .context("no producer for the generator")?;
    let mut lines = Lines::new(engine, options.seed);
    let pause = Duration::from_secs(1) / options.rate.max(1);
    let (topic, produced, feeding) = (topic.to_owned(), Arc::clone(produced), Arc::clone(feeding));
    let body = move || -> Result<()> {
        let begun = Instant::now();
        let mut count = 0;
        while feeding.load(Ordering::Relaxed) {
            let Some(record) = lines.next() else { break };
            let to_send = BaseRecord::to(&topic).key(&record.key).payload(&record.line);
            producer.send(to_send).map_err(|(error, _)| error).context("the generator cannot produce")?;
            producer.poll(Duration::ZERO);
            count += 1;
            produced.store(count, Ordering::Relaxed);
            let due = pause * u32::try_from(count).unwrap_or(u32::MAX);
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        producer.flush(DRAIN).context("not everything that was generated could be produced")
    };
    thread::Builder::new().name("generator".into()).spawn(body).context("no thread for the generator")
}

/// What has been seen on the output topic.
struct Shown {
    consumer: BaseConsumer,
    /// Ends of the output's partitions when the demo began, where a real cluster's topic held something already.
    records: u64,
    tagged: u64,
    rules: BTreeMap<String, (u64, String)>,
    first: Option<Duration>,
}

/// Reads the output topic and draws what is tagged, until the time is over.
fn show(
    address: &str,
    topic: &str,
    options: &Options,
    interrupted: &AtomicBool,
    started: Instant,
    out: &mut impl Write,
) -> Result<Shown> {
    let consumer = reader(address, topic)?;
    let mut shown = Shown { consumer, records: 0, tagged: 0, rules: BTreeMap::new(), first: None };
    let over = || options.lasts.is_some_and(|lasts| started.elapsed() >= lasts) || interrupted.load(Ordering::Relaxed);
    while !over() {
        if let Some(tagged) = shown.next(Duration::from_millis(100))? {
            shown.first.get_or_insert(started.elapsed());
            writeln!(out, "{}", screen::draw(&tagged))?;
            out.flush()?;
        }
    }
    Ok(shown)
}

/// A consumer of the whole topic from its present end, in no group.
fn reader(address: &str, topic: &str) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", format!("{NAME}-demo-reader"))
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "20")
        .create()
        .context("no consumer for the output")?;
    let timeout = Duration::from_secs(10);
    let metadata = consumer.fetch_metadata(Some(topic), timeout).context("the output topic cannot be looked up")?;
    let partitions = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), timeout)?;
        assignment.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

impl Shown {
    /// The next record, if one comes in time and is tagged.
    fn next(&mut self, wait: Duration) -> Result<Option<Tagged>> {
        let Some(message) = self.consumer.poll(wait) else { return Ok(None) };
        let message = message.context("the output cannot be read")?;
        let header = |name: &str| {
            let headers = message.headers()?;
            let found = headers.iter().find(|header| header.key == name)?;
            found.value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        self.records += 1;
        let payload = message.payload().unwrap_or_default().to_vec();
        let in_value = || serde_json::from_slice::<serde_json::Value>(&payload).ok()?.get(NAME).cloned();
        let in_header = || serde_json::from_str(&header(NAME)?).ok();
        let Some(added) = in_header().or_else(in_value).filter(|added| added.get("rule").is_some()) else {
            return Ok(None);
        };
        let source = header(&format!("{NAME}-source")).unwrap_or_default();
        let tagged = Tagged { source, payload, added };
        self.tagged += 1;
        for rule in tagged.rules() {
            let severity = if rule == tagged.member("rule") { tagged.member("severity") } else { "" };
            let (count, known) = self.rules.entry(rule.to_owned()).or_default();
            *count += 1;
            if !severity.is_empty() {
                severity.clone_into(known);
            }
        }
        Ok(Some(tagged))
    }

    /// Waits for what is still on its way.
    fn drain(&mut self, produced: u64, longest: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.records < produced && begun.elapsed() < longest {
            self.next(Duration::from_millis(100))?;
        }
        Ok(())
    }
}

fn farewell(out: &mut impl Write, shown: &Shown, produced: u64, started: Instant) -> Result<()> {
    writeln!(out, "{}", screen::summary(&shown.rules))?;
    writeln!(out)?;
    let first = shown.first.map_or_else(String::new, |first| format!(", the first after {:.1} s", first.as_secs_f64()));
    let seconds = started.elapsed().as_secs_f64();
    writeln!(
        out,
        "{produced} lines in, {} out, {} tagged{first}; {} rules seen in {seconds:.1} s",
        shown.records,
        shown.tagged,
        shown.rules.len()
    )?;
    Ok(())
}

/// The exit code: whether what was promised came true.
fn verdict(out: &mut impl Write, engine: &Engine, options: &Options, shown: &Shown, end: &End) -> Result<ExitCode> {
    if !matches!(end, End::Drained) {
        return Ok(super::run::report(end).into());
    }
    if !options.assert {
        return Ok(ExitCode::SUCCESS);
    }
    let ids = engine.reported().iter().map(|reported| reported.id.as_str());
    let missing: Vec<&str> = ids.filter(|id| !shown.rules.contains_key(*id)).collect();
    if missing.is_empty() {
        writeln!(out, "every rule was seen on the output")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "not seen on the output: {}", missing.join(", "))?;
    Ok(ExitCode::FAILURE)
}
