//! One idempotent producer: records out, acknowledgements back.
//!
//! Nothing here waits except [`Sink::wait`], for a given time. `flush` is never called: in this client it takes steps of
//! 100 ms, and the acknowledgements say the same thing sooner. With transactions the producer is replaced whenever it
//! cannot be known how one ended; see `transactor`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::source::Membership;
use super::topics::Route;
use super::transactor::{Ask, Transactor};
use super::{Code, LastWord, clients};
use crate::flow::ledger::Ticket;
use crate::flow::record::Record;
use crate::flow::status::WorkerStatus;
use crate::flow::transport::{Ack, Fate, Mark, Sink, To, Unsent};
use crate::flow::{Failure, Mode, Settings};
use crate::telemetry::foreign;

/// What comes back with the acknowledgement of a record.
pub(crate) struct Sent {
    /// Packed [`Ticket`].
    ticket: usize,
    weight: usize,
    to: To,
}

/// The acknowledgements not yet looked at. They are pushed by `poll`, on the worker's own thread, so the lock is never
/// waited for; it is there because the client library wants its context to be shareable.
#[derive(Default)]
struct Acks {
    pending: Mutex<Vec<Ack>>,
    last_word: LastWord,
}

impl ClientContext for Acks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", code = ?error.rdkafka_error_code(), "output: {}", foreign(reason.as_bytes()));
        self.last_word.say(&error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let refused = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        let Sent { ticket, weight, to } = *sent;
        let ack = Ack { ticket, weight, to, refused };
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(ack);
    }
}

type Client = BaseProducer<Acks, NoCustomPartitioner>;

/// Where records go.
pub(crate) struct Producer {
    client: Arc<Client>,
    /// For making the next one.
    config: ClientConfig,
    output: String,
    dead_letter: String,
    state: String,
    transactions: Option<Transactions>,
}

struct Transactions {
    transactor: Transactor<Acks>,
    membership: Membership,
}

impl Producer {
    /// Connects in the background. With transactions, a first answer of [`Sink::ended`] says when it is ready.
    pub(crate) fn new(
        settings: &Settings,
        route: &Route,
        membership: Membership,
        status: &Arc<WorkerStatus>,
    ) -> Result<Self, Failure> {
        let config = clients::producer(settings, route.record_limit, status.number());
        let client = Arc::new(create(&config, settings)?);
        let transactions = match settings.delivery.mode {
            Mode::AtLeastOnce => None,
            Mode::ExactlyOnce => {
                let transactor = Transactor::start(clients::transaction_timeout(settings), status.clone())
                    .map_err(|error| Failure::software(format!("no thread for transactions: {error}")))?;
                transactor.ask(Ask::Ready(client.clone(), None));
                Some(Transactions { transactor, membership })
            }
        };
        Ok(Self {
            client,
            config,
            output: settings.output.topic.clone(),
            dead_letter: settings.dead_letter.clone().unwrap_or_default(),
            state: settings.state.clone().unwrap_or_default(),
            transactions,
        })
    }

    fn topic(&self, to: To) -> &str {
        match to {
            To::Output => &self.output,
            To::DeadLetter => &self.dead_letter,
            To::State => &self.state,
        }
    }

    fn ask(&self, ask: Ask<Acks>) {
        if let Some(transactions) = &self.transactions {
            transactions.transactor.ask(ask);
        }
    }
}

fn create(config: &ClientConfig, settings: &Settings) -> Result<Client, Failure> {
    config.create_with_context(Acks::default()).map_err(|error| clients::refused(settings, &error))
}

impl Sink for Producer {
    fn send(&self, record: &Record<'_>, headers: Option<OwnedHeaders>, ticket: Ticket) -> Result<(), (Unsent, Ticket)> {
        let sent = Sent { ticket: ticket.pack(), weight: record.weight(), to: record.to };
        let mut out = BaseRecord::with_opaque_to(self.topic(record.to), Box::new(sent)).partition(record.partition);
        out.key = record.key;
        out.payload = record.value.as_deref();
        // librdkafka takes 0 for "now"; a millisecond after 1970 is closer to the truth than today.
        out.timestamp = Some(if record.timestamp_ms == 0 { 1 } else { record.timestamp_ms });
        out.headers = with_added(headers, record);
        self.client.send(out).map_err(|(error, back)| {
            let why = match error.rdkafka_error_code() {
                Some(Code::QueueFull) => Unsent::Full,
                code => Unsent::Refused(code.unwrap_or(Code::Unknown)),
            };
            (why, Ticket::unpack(back.delivery_opaque.ticket))
        })
    }

    fn acks(&self, into: &mut Vec<Ack>) {
        loop {
            let before = into.len();
            // Serves one event, which carries the reports of a whole batch.
            self.client.poll(Duration::ZERO);
            into.append(&mut self.client.context().pending.lock().unwrap_or_else(PoisonError::into_inner));
            if into.len() == before {
                return;
            }
        }
    }

    fn wait(&self, time: Duration) {
        self.client.poll(time);
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
        let member = (transactions.membership)().ok_or_else(no_member)?;
        let mut offsets = TopicPartitionList::with_capacity(marks.len());
        for Mark { partition, offset, .. } in marks {
            offsets
                .add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))
                .map_err(|error| Fate::Abort(error.to_string()))?;
        }
        transactions.transactor.ask(Ask::Commit(self.client.clone(), offsets, member));
        Ok(())
    }

    fn abort(&self) {
        self.ask(Ask::Abort(self.client.clone()));
    }

    fn renew(&mut self) -> Result<(), Failure> {
        let client = self
            .config
            .create_with_context(Acks::default())
            .map_err(|error| Failure::software(format!("no new producer could be made: {error}")))?;
        let old = std::mem::replace(&mut self.client, Arc::new(client));
        self.ask(Ask::Ready(self.client.clone(), Some(old)));
        Ok(())
    }

    fn ended(&self, wait: Duration) -> Option<Fate> {
        self.transactions.as_ref()?.transactor.answer(wait)
    }
}

/// The line's own headers, then the added ones.
fn with_added(own: Option<OwnedHeaders>, record: &Record<'_>) -> Option<OwnedHeaders> {
    if own.is_none() && record.added.is_empty() {
        return None;
    }
    let own = own.unwrap_or_else(|| OwnedHeaders::new_with_capacity(record.added.len()));
    Some(
        record.added.iter().fold(own, |headers, (name, value)| {
            headers.insert(Header { key: name.text(), value: Some(value.as_slice()) })
        }),
    )
}
