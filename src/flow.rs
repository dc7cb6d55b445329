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
mod failure;
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
mod settings;
mod shutdown;
#[cfg(test)]
mod simulation;
mod state;
mod status;
mod takes;
mod throttle;
mod transport;
mod unjudged;
pub mod verify;
mod worker;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

pub use credentials::Credentials;
pub use failure::{Failure, FailureKind};
pub use kafka::OWNED_OPTIONS;
pub(crate) use kafka::client_version;
pub use kafka::{known, probe};
pub use settings::{
    Delivery, Input, Kafka, Lines, Mode, Output, PacksFrom, Place, RefusedTime, Roles, Rules, Settings,
};
#[cfg(test)]
pub(crate) use settings::{test_engine, test_settings};
pub use shutdown::{End, Stopper};
pub use status::{Counts, PartitionReport, Status};
pub use unjudged::LinePlace;

use crate::telemetry::caught;
use alerts::counter::Counter;
use notify::Notifier;
use shutdown::{StopFlag, Word};
use takes::Written;
use worker::Worker;

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
    let (route, told, inputs) = kafka::topics::prepare(settings)?;
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
    let written = match settings.roles.classify {
        true => kafka::limits::watch(settings, told, &ids)?,
        false => Written::default(),
    };
    let stop = StopFlag::default();
    let (sender, words) = channel();
    let role = settings.alerts.as_ref().filter(|_| settings.roles.alert);
    let classifiers = if settings.roles.classify { settings.delivery.workers.max(1) } else { 0 };
    // All clients first: a worker that runs while the next cannot be made would have to be stopped again.
    let mut workers = Vec::with_capacity(classifiers);
    for _ in 0..classifiers {
        let own = status.add_worker();
        let source = kafka::source::Member::new(settings, own.clone(), inputs.clone(), ids.clone())?;
        let sink = |turn| {
            let member = source.membership();
            kafka::sink::Producer::new(settings, (&route, written.clone()), member, &own, turn)
        };
        let sinks = match settings.delivery.mode {
            Mode::AtLeastOnce => (sink(None)?, None),
            Mode::ExactlyOnce => (sink(Some(0))?, Some(sink(Some(1))?)),
        };
        let to = (route, written.clone());
        let worker = Worker::new(rules.clone(), settings, to, sinks, own.clone(), stop.clone(), Instant::now());
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
    let to = (&route, Written::default());
    let sink = kafka::sink::Producer::new(&role, to, source.membership(), &own, None)?;
    let notifier = (!alerts.notify.alertmanagers.is_empty())
        .then(|| Notifier::start(&alerts.notify, &settings.delivery.instance))
        .transpose();
    let notifier = notifier.map_err(|error| Failure::software(format!("no thread for an Alertmanager: {error}")))?;
    let board = notifier.as_ref().map(|notifier| notifier.board().clone());
    if let Some(board) = &board {
        status.alerts().tells(board.clone(), notify::names(&alerts.notify.alertmanagers));
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
