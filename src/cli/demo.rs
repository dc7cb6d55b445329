//! `fingerpost demo`: the daemon at work, without a broker and without configuration.
//!
//! A Kafka inside this process (or, with `--brokers`, a real one), the same flow that `run` starts, a generator that feeds
//! the input topic, and a reader that shows what comes out of the output topic. At the end a summary; with `--assert`
//! the exit code says whether every rule was seen.

pub mod lines;
pub mod mock;
pub mod screen;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::DemoArguments;
use super::output::people;
use super::{Exit, packs, show as show_problems};
use crate::NAME;
use crate::engine::{Engine, Settings};
use crate::flow::{self, End, Flow, PacksFrom, Status};
use crate::telemetry::{self, Log, LogFormat};
use lines::Lines;
use mock::Mock;
use screen::Tagged;

const INPUT: &str = "logs";
const OUTPUT: &str = "logs.enriched";
const PARTITIONS: i32 = 3;

/// How long what is on its way may take to arrive when the generator has stopped.
const DRAIN: Duration = Duration::from_secs(5);

/// The verb.
///
/// # Errors
/// When the Kafka cannot be started or reached, or the screen cannot be written.
pub fn run(arguments: &DemoArguments) -> Result<Exit> {
    let from = arguments.packs.clone().map_or(PacksFrom::Builtin, PacksFrom::Directory);
    match packs::load(&from, Settings::default()) {
        Ok(loaded) => match demo(&Arc::new(loaded.engine), arguments, &mut people()) {
            // A reader who has seen enough (`| head`) is no error.
            Err(error) if is_broken_pipe(&error) => Ok(Exit::Fine),
            done => done,
        },
        Err(problems) => {
            show_problems(&problems);
            Ok(Exit::Config)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Shows the demo on `out` until its time is over or somebody interrupts it.
fn demo(engine: &Arc<Engine>, arguments: &DemoArguments, out: &mut impl Write) -> Result<Exit> {
    let started = Instant::now();
    // What goes wrong is told; what goes well is on the screen.
    telemetry::log(&Log { level: "error".into(), format: LogFormat::Text }).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let interrupted = interrupt(&runtime)?;
    // A real cluster may have topics of these names already.
    let prefix = if arguments.brokers.is_some() { format!("{NAME}-demo.") } else { String::new() };
    let topics = Topics { input: format!("{prefix}{INPUT}"), output: format!("{prefix}{OUTPUT}") };
    let (address, _mock) = match &arguments.brokers {
        Some(brokers) => {
            runtime.block_on(create(brokers, &topics.input))?;
            (brokers.clone(), None)
        }
        None => {
            let mock = Mock::start(&[&topics.input, &topics.output], PARTITIONS)?;
            (mock.address()?, Some(mock))
        }
    };
    welcome(out, engine, &address, &topics, arguments)?;
    let flow = start(engine, &address, &topics, arguments.brokers.is_none().then_some(mock::RECORD_LIMIT))?;
    let mut shown = Shown::new(&address, &topics.output)?;
    let feeder = Feeder::start(engine, &address, &topics.input, arguments)?;
    let over = || {
        let time_is_over = arguments.time.is_some_and(|time| started.elapsed() >= time);
        time_is_over || interrupted.load(Ordering::Relaxed) || flow.status().ended()
    };
    let shown_all = shown.show(arguments, over, started, out);
    let produced = feeder.stop()?;
    shown_all?;
    shown.drain(produced, DRAIN)?;
    flow.stopper().stop();
    let end = flow.wait();
    farewell(out, &shown, produced, started)?;
    verdict(out, engine, arguments, &shown, &end)
}

/// Creates the input topic on a real cluster; the output is created by the flow.
async fn create(brokers: &str, topic: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().context("no Kafka client")?;
    let topics = [NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(-1))];
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
    let answers = admin.create_topics(&topics, &options).await;
    let answers = answers.with_context(|| format!("no broker at {brokers} answers"))?;
    match answers.into_iter().next() {
        Some(Err((topic, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
            bail!("the topic `{topic}` cannot be created: {code}")
        }
        _ => Ok(()),
    }
}

struct Topics {
    input: String,
    output: String,
}

fn welcome(
    out: &mut impl Write,
    engine: &Engine,
    address: &str,
    topics: &Topics,
    arguments: &DemoArguments,
) -> Result<()> {
    let rules = engine.reported().len();
    let kafka = if arguments.brokers.is_none() { "a Kafka inside this process" } else { "Kafka" };
    writeln!(out, "{NAME} demo: {kafka} at {address}, {rules} rules, {} → {}", topics.input, topics.output)?;
    writeln!(out, "look for yourself: kcat -b {address} -t {} -C -f '%o %h\\n%s\\n'", topics.output)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// A flag that Ctrl-C and SIGTERM set.
fn interrupt(runtime: &tokio::runtime::Runtime) -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let mut terminate = {
        let _inside = runtime.enter();
        signal(SignalKind::terminate())?
    };
    runtime.spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        set.store(true, Ordering::Relaxed);
    });
    Ok(flag)
}

/// The flow as `run` would start it with a configuration that only names brokers and topics.
fn start(engine: &Arc<Engine>, address: &str, topics: &Topics, record_limit: Option<usize>) -> Result<Flow> {
    let settings = flow::Settings {
        kafka: flow::Kafka {
            bootstrap_servers: address.to_owned(),
            group_id: format!("{NAME}-demo-{:08x}", fastrand::u32(..)),
            create_topics: true,
            options: Vec::new(),
            secret_options: Vec::new(),
            secret_files: Vec::new(),
            credentials: flow::Credentials::default(),
        },
        input: flow::Input { topics: vec![topics.input.clone()], options: Vec::new(), unjudged: Vec::new() },
        output: flow::Output {
            topic: topics.output.clone(),
            lines: flow::Lines::All,
            place: flow::Place::Value,
            refused_time: flow::RefusedTime::DeadLetter,
            source_header_on_all: true,
            header_limit: engine.settings().limits.header,
            record_limit,
            // Somebody is watching: nothing waits for a batch to fill.
            options: vec![("linger.ms".into(), "0".into())],
        },
        delivery: flow::Delivery {
            mode: flow::Mode::AtLeastOnce,
            instance: String::new(),
            in_flight: 10_000,
            commit_interval: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(5),
            workers: 1,
        },
        state: None,
        dead_letter: None,
        alerts: None,
        roles: flow::Roles::default(),
        // Nobody is told of it.
        looked_at: 0,
        memory_limit: None,
    };
    let (_, rules) = tokio::sync::watch::channel(engine.clone());
    flow::start(&rules, &settings, Arc::new(Status::default())).map_err(|failure| anyhow::anyhow!(failure))
}

/// Produces lines at the rate asked for, on a thread of its own.
struct Feeder {
    feeding: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<u64>>,
}

impl Feeder {
    fn start(engine: &Engine, address: &str, topic: &str, arguments: &DemoArguments) -> Result<Self> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("linger.ms", "0")
            .create()
            .context("no producer for the generator")?;
        let lines = Lines::new(engine, arguments.seed.unwrap_or_else(|| fastrand::u64(..)));
        let pause = Duration::from_secs(1) / arguments.rate;
        let feeding = Arc::new(AtomicBool::new(true));
        let (topic, go_on) = (topic.to_owned(), Arc::clone(&feeding));
        let thread = thread::Builder::new()
            .name("generator".into())
            .spawn(move || feed(&producer, &topic, lines, pause, &go_on))
            .context("no thread for the generator")?;
        Ok(Self { feeding, thread })
    }

    /// Stops it; how many lines it has produced.
    fn stop(self) -> Result<u64> {
        self.feeding.store(false, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the generator ended badly"))?
    }
}

fn feed(producer: &BaseProducer, topic: &str, lines: Lines, pause: Duration, go_on: &AtomicBool) -> Result<u64> {
    let begun = Instant::now();
    let mut count = 0;
    for record in lines.take_while(|_| go_on.load(Ordering::Relaxed)) {
        let to_send = BaseRecord::to(topic).key(&record.key).payload(&record.line);
        producer.send(to_send).map_err(|(error, _)| error).context("the generator cannot produce")?;
        producer.poll(Duration::ZERO);
        count += 1;
        let due = pause * u32::try_from(count).unwrap_or(u32::MAX);
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    producer.flush(DRAIN).context("not everything that was generated could be produced")?;
    Ok(count)
}

/// What has been seen on the output topic.
struct Shown {
    consumer: BaseConsumer,
    records: u64,
    tagged: u64,
    /// Lines and severity of each rule.
    rules: BTreeMap<String, (u64, String)>,
    /// When the first tagged line was on the screen, counted from the start.
    first: Option<Duration>,
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
    fn new(address: &str, topic: &str) -> Result<Self> {
        let consumer = reader(address, topic)?;
        Ok(Self { consumer, records: 0, tagged: 0, rules: BTreeMap::new(), first: None })
    }

    /// Draws what is tagged, until the time is over or somebody interrupts.
    fn show(
        &mut self,
        arguments: &DemoArguments,
        over: impl Fn() -> bool,
        started: Instant,
        out: &mut impl Write,
    ) -> Result<()> {
        while !over() {
            let Some(tagged) = self.next(Duration::from_millis(100))? else { continue };
            if arguments.plain {
                out.write_all(&tagged.payload)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", screen::draw(&tagged))?;
            }
            out.flush()?;
            self.first.get_or_insert(started.elapsed());
        }
        Ok(())
    }

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

/// Whether what was promised came true.
fn verdict(out: &mut impl Write, engine: &Engine, arguments: &DemoArguments, shown: &Shown, end: &End) -> Result<Exit> {
    if !matches!(end, End::Drained) || !arguments.assert {
        return Ok(super::run::report(end));
    }
    let ids = engine.reported().iter().map(|reported| reported.id.as_str());
    let missing: Vec<&str> = ids.filter(|id| !shown.rules.contains_key(*id)).collect();
    if missing.is_empty() {
        writeln!(out, "every rule was seen on the output")?;
        return Ok(Exit::Fine);
    }
    writeln!(out, "not seen on the output: {}", missing.join(", "))?;
    Ok(Exit::Findings)
}
