//! One idempotent producer: records out, acknowledgements back.
//!
//! Nothing here waits except [`Sink::wait`] and [`Sink::hurry`], for a given time. The binding's own `flush` is never
//! called: it takes steps of 100 ms, and the acknowledgements say the same thing sooner. A producer is replaced after a
//! refusal, see `worker/batch.rs` and `worker/trouble.rs`; with transactions also whenever it cannot be known how one ended,
//! see `transactor`. A new one takes half a second to be ready, nearly all of it waiting for its first connection; so once one
//! was replaced the next one is made at once, and kept for a while.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{Producer as _, PurgeConfig};

use super::raw::{Context, Fetched, InFlight, Outlet, Queue, Writing, flush};
use super::source::Membership;
use super::topics::Route;
use super::transactor::{Ask, Transactor};
use super::{Code, clients};
use crate::flow::credentials::Credentials;
use crate::flow::ledger::Ticket;
use crate::flow::record::Record;
use crate::flow::status::WorkerStatus;
use crate::flow::takes::Written;
use crate::flow::transport::{Ack, Fate, Mark, Sink, To, Unsent};
use crate::flow::{Failure, Lines, Mode, Settings};

/// So long is the next producer kept after one was replaced.
const KEPT: Duration = Duration::from_secs(60);

/// Where records go.
pub(crate) struct Producer {
    /// Dropped first: it keeps the client.
    way: Way,
    client: Arc<Writing>,
    /// What takes their place next.
    spare: RefCell<Option<Spare>>,
    /// All lines go out, so what was fetched is not kept for a few of them.
    lends: bool,
    /// For making the next one.
    config: ClientConfig,
    /// What the topics take by then.
    written: Written,
    /// Bytes of a batch, at most.
    most: usize,
    credentials: Credentials,
    topics: Topics,
    transactions: Option<Transactions>,
}

/// A producer that is connected and has nothing to do yet.
struct Spare {
    way: Way,
    client: Arc<Writing>,
    since: Instant,
}

/// The topics that are written, by name.
struct Topics {
    output: String,
    dead_letter: Option<String>,
    state: Option<String>,
    matches: Option<String>,
}

/// The way to one producer, what is on it, and what it reports.
struct Way {
    reports: Queue,
    in_flight: RefCell<InFlight>,
    output: Option<Outlet>,
    dead_letter: Option<Outlet>,
    state: Option<Outlet>,
    matches: Option<Outlet>,
}

impl Way {
    fn new(client: &Arc<Writing>, topics: &Topics) -> Result<Self, Failure> {
        let outlet = |name: &String| Outlet::new(client.clone(), name);
        let reports = Queue::of_producer(client.clone());
        Ok(Self {
            reports: reports.ok_or_else(|| Failure::software("a producer without a queue".to_owned()))?,
            in_flight: RefCell::new(InFlight::new(client.clone())),
            output: outlet(&topics.output),
            dead_letter: topics.dead_letter.as_ref().and_then(outlet),
            state: topics.state.as_ref().and_then(outlet),
            matches: topics.matches.as_ref().and_then(outlet),
        })
    }

    fn to(&self, to: To) -> Option<&Outlet> {
        match to {
            To::Output => self.output.as_ref(),
            To::DeadLetter => self.dead_letter.as_ref(),
            To::State => self.state.as_ref(),
            To::Matches => self.matches.as_ref(),
        }
    }
}

struct Transactions {
    transactor: Transactor<Context>,
    membership: Membership,
}

impl Producer {
    /// Connects in the background. With transactions, a first answer of [`Sink::ended`] says when it is ready. `turn`: which
    /// of two it is that take turns.
    pub(crate) fn new(
        settings: &Settings,
        (route, written): (&Route, Written),
        membership: Membership,
        status: &Arc<WorkerStatus>,
        turn: Option<usize>,
    ) -> Result<Self, Failure> {
        let mut config = clients::producer(settings, route, status.number(), turn);
        let most = clients::BATCH_BYTES.min(route.record_limit);
        fit(&mut config, &written, most);
        let client = Arc::new(create(&config, settings)?);
        settings.kafka.credentials.follow(&client);
        let transactions = match settings.delivery.mode {
            Mode::AtLeastOnce => None,
            Mode::ExactlyOnce => {
                let timeout = clients::transaction_timeout(settings);
                let transactor = Transactor::start(timeout, status.clone(), turn.unwrap_or(0))
                    .map_err(|error| Failure::software(format!("no thread for transactions: {error}")))?;
                transactor.ask(Ask::Ready(client.clone(), None));
                Some(Transactions { transactor, membership })
            }
        };
        let topics = Topics {
            output: settings.output.topic.clone(),
            dead_letter: settings.dead_letter.clone(),
            state: settings.state.clone(),
            matches: settings.alerts.as_ref().map(|alerts| alerts.matches.clone()),
        };
        Ok(Self {
            way: Way::new(&client, &topics)?,
            client,
            spare: RefCell::default(),
            lends: settings.output.lines == Lines::All,
            config,
            written,
            most,
            credentials: settings.kafka.credentials.clone(),
            topics,
            transactions,
        })
    }

    /// Takes in the next thing that the client says, waiting at most `time`; false when it says nothing.
    fn hear(&self, time: Duration) -> bool {
        self.way.reports.poll(time).map(|polled| self.way.in_flight.borrow_mut().hear(polled)).is_some()
    }

    /// A new one, which takes batches as the topics take them now.
    fn make(&mut self) -> Result<Spare, Failure> {
        fit(&mut self.config, &self.written, self.most);
        let client = self
            .config
            .create_with_context(Context::default())
            .map_err(|error| Failure::software(format!("no new producer could be made: {error}")))?;
        let client = Arc::new(client);
        self.credentials.follow(&client);
        Ok(Spare { way: Way::new(&client, &self.topics)?, client, since: Instant::now() })
    }

    /// Looks after the next one: what it says is heard, and when it was not needed for long it goes.
    fn mind_spare(&self) {
        let spare = &mut *self.spare.borrow_mut();
        if let Some(Spare { way, .. }) = spare {
            while let Some(polled) = way.reports.poll(Duration::ZERO) {
                way.in_flight.borrow_mut().hear(polled);
            }
        }
        if let Some(Spare { client, .. }) = spare.take_if(|spare| spare.since.elapsed() > KEPT)
            && let Err(failure) = let_go(client)
        {
            tracing::debug!("{failure}");
        }
    }

    fn ask(&self, ask: Ask<Context>) {
        if let Some(transactions) = &self.transactions {
            transactions.transactor.ask(ask);
        }
    }
}

fn may_not_write(topic: &str) -> Failure {
    Failure::unavailable(format!(
        "writing to topic {topic} is not allowed; grant WRITE on it. What was sent in the transaction does not count"
    ))
}

/// Batches fit every topic that tells what it takes.
fn fit(config: &mut ClientConfig, written: &Written, most: usize) {
    if let Some(bytes) = written.told().least_bytes() {
        config.set("batch.size", bytes.min(most).to_string());
    }
}

/// A client takes its time to go.
fn let_go(client: Arc<Writing>) -> Result<(), Failure> {
    std::thread::Builder::new()
        .name("old-producer".to_owned())
        .spawn(move || drop(client))
        .map(drop)
        .map_err(|error| Failure::software(format!("no thread to let a producer go: {error}")))
}

fn create(config: &ClientConfig, settings: &Settings) -> Result<Writing, Failure> {
    config.create_with_context(Context::default()).map_err(|error| clients::refused(settings, &error))
}

impl Sink for Producer {
    fn send(&self, record: &Record<'_>, of: Option<&Fetched>, ticket: Ticket) -> Result<(), (Unsent, Ticket)> {
        let Some(outlet) = self.way.to(record.to) else {
            return Err((Unsent::Refused(Code::UnknownTopic), ticket));
        };
        let ticket = ticket.pack();
        let in_flight = &mut *self.way.in_flight.borrow_mut();
        outlet.send(record, of, self.lends, (ticket, in_flight)).map_err(|code| {
            let why = if code == Code::QueueFull { Unsent::Full } else { Unsent::Refused(code) };
            (why, Ticket::unpack(ticket))
        })
    }

    fn acks(&self, into: &mut Vec<Ack>) {
        while self.hear(Duration::ZERO) {}
        self.way.in_flight.borrow_mut().take(into);
        self.mind_spare();
    }

    fn wait(&self, time: Duration) {
        self.hear(time);
    }

    fn hurry(&self, time: Duration) {
        flush(&self.client, time);
    }

    fn halt(&self) {
        self.client.purge(PurgeConfig::default().queue().non_blocking());
    }

    fn last_word(&self) -> String {
        self.client.context().last_word.suffix()
    }

    fn begin(&self) -> Result<(), Fate> {
        self.client.begin_transaction().map_err(|error| Fate::Unknown(error.to_string()))
    }

    fn commit(&self, marks: &[Mark]) -> Result<(), Fate> {
        let Some(transactions) = &self.transactions else { return Ok(()) };
        let no_member = || Fate::Abort("the consumer is no member of the group".to_owned());
        let member = transactions.membership.group().ok_or_else(no_member)?;
        let offsets = transactions.membership.offsets(marks).map_err(|error| Fate::Abort(error.to_string()))?;
        let readings = transactions.membership.readings();
        transactions.transactor.ask(Ask::Commit(self.client.clone(), offsets, member, readings));
        Ok(())
    }

    fn abort(&self) {
        self.ask(Ask::Abort(self.client.clone()));
    }

    fn renew(&mut self) -> Result<(), Failure> {
        let spare = self.spare.borrow_mut().take();
        let Spare { way, client, .. } = spare.map_or_else(|| self.make(), Ok)?;
        self.way = way;
        let old = std::mem::replace(&mut self.client, client);
        match &self.transactions {
            Some(transactions) => transactions.transactor.ask(Ask::Ready(self.client.clone(), Some(old))),
            None => let_go(old)?,
        }
        // Without one, the next takes longer.
        let next = self.make().inspect_err(|failure| tracing::debug!("no producer is kept ready: {failure}")).ok();
        *self.spare.borrow_mut() = next;
        Ok(())
    }

    fn ended(&self, wait: Duration) -> Option<Fate> {
        match (self.transactions.as_ref()?.transactor.answer(wait)?, self.client.context().denied()) {
            (Fate::Final(_), Some(topic)) => Some(Fate::Final(may_not_write(&topic))),
            (fate, _) => Some(fate),
        }
    }
}
