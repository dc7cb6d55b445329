//! How lines move: consumer group in, engine, producer out, offsets committed when all before them is settled.
//!
//! [`start`] looks after the topics and starts the workers, each a thread with a consumer and a producer or two of its own
//! (`worker`, over `kafka`). A worker asks the engine what a line means, makes the record that goes out (`record`), and
//! keeps account of what is on its way (`ledger`); an offset is committed when everything at or below it was published
//! and acknowledged, or deliberately left out. How rules are swapped meanwhile is in `reload`; how all of it ends is written in `shutdown`; what it tells about itself
//! is in `status` and `meters`.
//!
//! What may wait here, waits with a bound: lines in flight, the queues of the client, the time for draining.

pub mod alerts;
mod bounds;
mod container;
pub mod coverage;
mod credentials;
pub mod dead_letters;
pub mod glance;
mod kafka;
mod ledger;
#[cfg(test)]
mod memory;
pub(crate) mod meters;
pub mod notify;
mod real_time;
mod recent;
mod record;
pub mod reload;
pub mod renewal;
pub mod replay;
mod returned;
mod seldom;
mod shutdown;
#[cfg(test)]
mod simulation;
mod state;
mod status;
mod throttle;
mod transport;
mod unjudged;
pub mod verify;
mod worker;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

pub use credentials::Credentials;
pub use kafka::OWNED_OPTIONS;
pub(crate) use kafka::client_version;
pub use kafka::{known, probe};
pub use shutdown::{End, Stopper};
pub use status::{Counts, PartitionReport, Status};
use tokio::sync::watch;
pub use unjudged::LinePlace;

use crate::engine::Engine;
use crate::telemetry::caught;
use alerts::counter::Counter;
use notify::Notifier;
use shutdown::{StopFlag, Word};
use worker::Worker;

/// Everything the flow is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Broker connection.
    pub kafka: Kafka,
    /// What to read.
    pub input: Input,
    /// What to write.
    pub output: Output,
    /// How it is made sure that nothing is lost.
    pub delivery: Delivery,
    /// Where what sources said is kept; kept nowhere when absent, and so forgotten with the process.
    pub state: Option<String>,
    /// Where lines go that cannot be published; such a line ends the flow when absent.
    pub dead_letter: Option<String>,
    /// How alerts are counted and told; not at all when absent.
    pub alerts: Option<alerts::Settings>,
    /// What of it this process does.
    pub roles: Roles,
    /// Lines per second of which each worker looks whether they are errors, for [`coverage`]; none with 0.
    pub looked_at: u32,
    /// Bytes of memory above which it refuses to start, when what it may take is more.
    pub memory_limit: Option<usize>,
}

/// What a process does of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Judges lines and sends them on.
    pub classify: bool,
    /// Counts alerts, with [`Settings::alerts`].
    pub alert: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self { classify: true, alert: true }
    }
}

/// How to reach the brokers.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port,…`
    pub bootstrap_servers: String,
    /// Consumer group.
    pub group_id: String,
    /// Create the topics that are ours when they are missing.
    pub create_topics: bool,
    /// librdkafka settings for both sides, typed ones included (security.protocol, sasl.*), secrets already read.
    pub options: Vec<(String, String)>,
    /// Names in `options` whose values must never be shown.
    pub secret_options: Vec<String>,
    /// Those of them that were read from files, which may change; with the files.
    pub secret_files: Vec<(String, PathBuf)>,
    /// Tells the clients of a password that has changed.
    pub credentials: Credentials,
}

/// Written by hand so that no log can show a password.
impl fmt::Debug for Kafka {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |name: &String| self.secret_options.contains(name);
        let shown = |(name, value): &(String, String)| {
            (name.clone(), if hidden(name) { "<secret>".into() } else { value.clone() })
        };
        out.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("create_topics", &self.create_topics)
            .field("options", &self.options.iter().map(shown).collect::<Vec<_>>())
            .finish()
    }
}

/// Input topics.
#[derive(Debug, Clone)]
pub struct Input {
    /// Topic names, or one regular expression starting with `^` per entry.
    pub topics: Vec<String>,
    /// librdkafka settings for the consumer only.
    pub options: Vec<(String, String)>,
    /// Lines that are not judged and go out as they came.
    pub unjudged: Vec<LinePlace>,
}

/// Which lines are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Every line.
    All,
    /// Only those that a rule matched.
    Matched,
}

/// Where the added object goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the value, where it is a JSON object; else into the header.
    Value,
    /// Always into the header `fingerpost`; values are never touched.
    Headers,
}

/// What becomes of a line whose timestamp the output topic refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedTime {
    /// It is a dead letter, like every line that is refused.
    DeadLetter,
    /// It is published with the time of now; the header `fingerpost-timestamp` tells its own.
    Now,
}

/// Output topic.
#[derive(Debug, Clone)]
pub struct Output {
    /// Topic name.
    pub topic: String,
    /// Which lines.
    pub lines: Lines,
    /// Where the object goes.
    pub place: Place,
    /// Lines whose timestamp the topic refuses.
    pub refused_time: RefusedTime,
    /// Put `fingerpost-source` on every record, not only on matching ones.
    pub source_header_on_all: bool,
    /// Bytes of the header `fingerpost`; a larger object is stepped down. `engine::settings::Limits::header`.
    pub header_limit: usize,
    /// Bytes that a batch of records may have there (`max.message.bytes`); asked of the broker when absent.
    pub record_limit: Option<usize>,
    /// librdkafka settings for the producer only.
    pub options: Vec<(String, String)>,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No line is lost; a crash repeats at most [`Delivery::in_flight`] of them per worker.
    AtLeastOnce,
    /// No line is lost or repeated, for readers of committed records.
    ExactlyOnce,
}

impl Mode {
    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at least once",
            Self::ExactlyOnce => "exactly once",
        }
    }

    /// As the configuration has it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

/// Delivery guarantees and their clocks.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What is promised.
    pub mode: Mode,
    /// Names this process among those of its group, with transactions; no two that run may have the same.
    pub instance: String,
    /// Lines of one worker that are published and not committed, at most: what a crash repeats.
    pub in_flight: usize,
    /// How often settled offsets are committed, or a transaction is.
    pub commit_interval: Duration,
    /// How long a stop, or giving up partitions, may take to drain.
    pub shutdown_timeout: Duration,
    /// Members of the group in this process, each with a thread, a consumer, and a producer or two; at least one.
    pub workers: usize,
}

/// Where the packs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacksFrom {
    /// Those compiled in.
    Builtin,
    /// The `*.toml` files of a directory.
    Directory(PathBuf),
}

/// Why the flow could not start, or ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose turn it is.
    pub kind: FailureKind,
    /// What is wrong, where, and what to do: one sentence or two.
    pub message: String,
}

/// Who can mend a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The operator of brokers and topics, or time: 69.
    Unavailable,
    /// The author of this program: 70.
    Software,
    /// The author of the configuration: 78.
    Config,
}

impl FailureKind {
    /// The exit code of the process, after sysexits.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::Config => 78,
        }
    }
}

impl Failure {
    pub(crate) fn unavailable(message: String) -> Self {
        Self { kind: FailureKind::Unavailable, message }
    }

    pub(crate) fn software(message: String) -> Self {
        Self { kind: FailureKind::Software, message }
    }

    pub(crate) fn config(message: String) -> Self {
        Self { kind: FailureKind::Config, message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The rules in use: one engine at a time, swapped as a whole. A worker takes the newest between two batches, so that
/// each batch is judged by one.
pub type Rules = watch::Receiver<Arc<Engine>>;

/// A running flow. Dropped without [`Flow::wait`], it stops in the background.
#[derive(Debug)]
pub struct Flow {
    stop: StopFlag,
    stopper: Stopper,
    words: Receiver<Word>,
    running: usize,
    drain: Duration,
    /// The watchdog's patience with a transactional call.
    call_patience: Duration,
    status: Arc<Status>,
    notifier: Option<Notifier>,
}

/// How long Alertmanagers are given in the end to take what is new.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The watchdog's patience with a worker's loop, whose longest waits are half a minute each.
const TURN_PATIENCE: Duration = Duration::from_secs(120);

/// Looks after the topics, then starts the workers. `status` is told from the first moment on. Blocks until the topics
/// are in order, for up to half a minute; must not be called on a tokio thread.
///
/// # Errors
/// When the brokers cannot be reached, a topic is missing and may not be created, or an option is not understood; and when
/// it may take more memory than it is told to.
pub fn start(rules: &Rules, settings: &Settings, status: Arc<Status>) -> Result<Flow, Failure> {
    let (route, inputs) = kafka::topics::prepare(settings)?;
    let alerts = rules.borrow().packs().alerts.len();
    if settings.alerts.is_none() && alerts > 0 {
        tracing::info!(
            alerts,
            "the packs have alerts, and nobody counts them: matches.topic and alerts.topic are not set"
        );
    }
    status.bound(bounds::tell(settings, &rules.borrow(), &route)?);
    status.promise(settings.delivery.mode);
    let inputs = match &settings.alerts {
        Some(_) => kafka::inputs::Inputs::watch(settings, inputs)?,
        None => kafka::inputs::Inputs::default(),
    };
    let no_ids = |why| Failure::software(format!("the topics' ids cannot be looked at: {why}"));
    let asks = kafka::clients::inquirer(settings);
    let ids = kafka::topic_ids::TopicIds::watch(&asks, &settings.kafka.credentials).map_err(no_ids)?;
    let stop = StopFlag::default();
    let (sender, words) = channel();
    let role = settings.alerts.as_ref().filter(|_| settings.roles.alert);
    let classifiers = if settings.roles.classify { settings.delivery.workers.max(1) } else { 0 };
    // All clients first: a worker that runs while the next cannot be made would have to be stopped again.
    let mut workers = Vec::with_capacity(classifiers);
    for _ in 0..classifiers {
        let own = status.add_worker();
        let source = kafka::source::Member::new(settings, own.clone(), inputs.clone(), ids.clone())?;
        let sink = |turn| kafka::sink::Producer::new(settings, &route, source.membership(), &own, turn);
        let sinks = match settings.delivery.mode {
            Mode::AtLeastOnce => (sink(None)?, None),
            Mode::ExactlyOnce => (sink(Some(0))?, Some(sink(Some(1))?)),
        };
        let worker = Worker::new(rules.clone(), settings, route, sinks, own.clone(), stop.clone(), Instant::now());
        workers.push((worker, source));
    }
    let counter = role.map(|alerts| counter(rules, (settings, alerts), route, &status, &stop, ids)).transpose()?;
    let running = workers.len() + usize::from(counter.is_some());
    for (number, (worker, source)) in workers.into_iter().enumerate() {
        run(format!("worker-{number}"), &sender, move |tell| worker.run(source, tell))?;
    }
    let mut notifier = None;
    if let Some((counter, source, telling)) = counter {
        notifier = telling;
        run("alerts".to_owned(), &sender, move |tell| counter.run(source, tell))?;
    }
    let stopper = Stopper::new(sender.clone());
    renewal::watch(settings, &stop, &stopper)?;
    let drain = settings.delivery.shutdown_timeout;
    let call_patience = 2 * kafka::clients::transaction_timeout(settings);
    Ok(Flow { stop, stopper, words, running, drain, call_patience, status, notifier })
}

/// Runs something on a thread of its own, which tells how it goes.
fn run(name: String, sender: &Sender<Word>, body: impl FnOnce(&dyn Fn(Word)) + Send + 'static) -> Result<(), Failure> {
    let ended = sender.clone();
    let thread = name.clone();
    let body = move || {
        // Nobody listens any more when the process is about to end.
        let tell = |word: Word| drop(ended.send(word));
        let result = caught(AssertUnwindSafe(|| body(&tell)));
        let panicked = |panic: String| Failure::software(format!("{thread}: {panic}"));
        tell(Word::Ended(result.map_err(panicked)));
    };
    std::thread::Builder::new()
        .name(name.clone())
        .spawn(body)
        .map_err(|error| Failure::software(format!("no thread for {name}: {error}")))?;
    Ok(())
}

type Counting = (Counter<kafka::sink::Producer>, kafka::source::Member, Option<Notifier>);

/// The one that counts alerts, and those who tell Alertmanagers.
fn counter(
    rules: &Rules,
    (settings, alerts): (&Settings, &alerts::Settings),
    route: kafka::topics::Route,
    status: &Arc<Status>,
    stop: &StopFlag,
    ids: kafka::topic_ids::TopicIds,
) -> Result<Counting, Failure> {
    let role = alerts::settings(settings, alerts);
    let own = status.add_counter();
    let source = kafka::source::Member::new(&role, own.clone(), kafka::inputs::Inputs::default(), ids)?;
    let sink = kafka::sink::Producer::new(&role, &route, source.membership(), &own, None)?;
    let notifier = (!alerts.notify.alertmanagers.is_empty())
        .then(|| Notifier::start(&alerts.notify, &settings.delivery.instance))
        .transpose();
    let notifier = notifier.map_err(|error| Failure::software(format!("no thread for an Alertmanager: {error}")))?;
    let board = notifier.as_ref().map(|notifier| notifier.board().clone());
    if let Some(board) = &board {
        status.alerts().tells(board.clone(), alerts.notify.alertmanagers.clone());
    }
    alerts::tell_what_is_kept(alerts, route.matches_partitions);
    let view = status.alerts().clone();
    let counter = Counter::new(rules.clone(), (&role, alerts), route, sink, own, stop.clone(), (view, board));
    Ok((counter, source, notifier))
}

impl Flow {
    /// A handle that stops it, for another thread or a signal.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What it tells about itself.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Waits until it has ended: asked to, or because it could not go on. Then, what was settled is committed and the
    /// group left, unless the end says otherwise.
    #[must_use]
    pub fn wait(self) -> End {
        let hangs = || self.status.hangs(TURN_PATIENCE, self.call_patience);
        let end = shutdown::supervise(&self.words, self.running, &self.stop, self.drain, hangs);
        match end {
            End::Renewed => self.status.begin_anew(),
            _ => self.status.stop(),
        }
        if let Some(notifier) = &self.notifier {
            notifier.stop(Instant::now() + LAST_WORDS);
        }
        end
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

/// Settings for unit tests, of this room and others.
#[cfg(test)]
pub(crate) fn test_settings() -> Settings {
    Settings {
        kafka: Kafka {
            bootstrap_servers: "127.0.0.1:9".into(),
            group_id: "test".into(),
            create_topics: true,
            options: Vec::new(),
            secret_options: Vec::new(),
            secret_files: Vec::new(),
            credentials: Credentials::default(),
        },
        input: Input { topics: vec!["in".into()], options: Vec::new(), unjudged: Vec::new() },
        output: Output {
            topic: "out".into(),
            lines: Lines::All,
            place: Place::Value,
            refused_time: RefusedTime::DeadLetter,
            source_header_on_all: false,
            header_limit: 16 << 10,
            record_limit: None,
            options: Vec::new(),
        },
        delivery: Delivery {
            mode: Mode::AtLeastOnce,
            instance: "test".into(),
            in_flight: 10_000,
            commit_interval: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(5),
            workers: 1,
        },
        state: None,
        dead_letter: None,
        alerts: None,
        roles: Roles::default(),
        looked_at: 1000,
        memory_limit: None,
    }
}

/// The shipped packs, compiled.
#[cfg(test)]
pub(crate) fn test_engine() -> Engine {
    let (packs, _) = crate::pack::parse(&crate::pack::builtin());
    Engine::new(packs.expect("the shipped packs are sound"), crate::engine::Settings::default()).expect("few phrases")
}
