//! Transactions beside the worker: a thread that commits, aborts, and makes producers ready, and says how it ended.
//!
//! These calls wait for the brokers; one of them, the sending of offsets, may even ignore the time it is given. So they
//! run here, each noted in the status before it begins, and the watchdog sees one that does not come back.
//!
//! What an error means is decided in one place, [`fate`]. The rule behind it: when it cannot be known whether a
//! transaction was committed, the producer is never used again. A late answer of the broker to the old request could
//! otherwise end the *next* transaction of the same producer (this is what KIP-890 is about, and the client does not
//! speak its protocol). A new producer of the same name gets a higher epoch, and the old request is refused.
//!
//! The client itself asks again within one call when a connection breaks, and does not tell. A call that took long
//! enough for that is treated alike: what it did counts, and the producer is renewed.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};

use super::Code;
use super::clients::ASKED_TWICE;
use super::readings::{Readings, Recreated};
use crate::flow::Failure;
use crate::flow::status::WorkerStatus;
use crate::flow::transport::Fate;

/// How long topics are looked at before a commit.
const LOOK: Duration = Duration::from_secs(1);
/// An abort takes no longer; the client may wait in it for records that it means to send again. Whoever takes the name next
/// ends the transaction.
const ABORT_PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts to make a producer ready.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) enum Ask<C: ProducerContext + 'static> {
    /// These offsets, and what was sent; unless a topic of these readings was made anew.
    Commit(Arc<BaseProducer<C, NoCustomPartitioner>>, TopicPartitionList, ConsumerGroupMetadata, Arc<Readings>),
    Abort(Arc<BaseProducer<C, NoCustomPartitioner>>),
    /// Make this one ready, after letting the other go.
    Ready(Arc<BaseProducer<C, NoCustomPartitioner>>, Option<Arc<BaseProducer<C, NoCustomPartitioner>>>),
}

/// The thread, and the ways to and from it.
pub(super) struct Transactor<C: ProducerContext + 'static> {
    asks: SyncSender<Ask<C>>,
    answers: Receiver<Fate>,
}

impl<C: ProducerContext + 'static> Transactor<C> {
    /// `timeout` is that of a transaction, `number` that of the producer within its worker.
    pub(super) fn start(timeout: Duration, status: Arc<WorkerStatus>, number: usize) -> std::io::Result<Self> {
        let (asks, asked) = sync_channel::<Ask<C>>(1);
        let (answer, answers) = sync_channel(1);
        let body = move || {
            while let Ok(ask) = asked.recv() {
                let work = Work { timeout, status: &status, number, was_late: Cell::new(false) };
                let fate = match ask {
                    Ask::Commit(producer, offsets, member, readings) => match readings.check(LOOK) {
                        Some(Recreated { topic, .. }) => {
                            Fate::Abort(format!("topic {topic} was deleted and made anew"))
                        }
                        None => work.commit(&producer, &offsets, &member),
                    },
                    Ask::Abort(producer) => work.abort(&producer),
                    Ask::Ready(producer, old) => {
                        drop(old);
                        work.ready(&producer)
                    }
                };
                if answer.send(fate).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("transactions".to_owned()).spawn(body)?;
        Ok(Self { asks, answers })
    }

    /// Asks; the answer must have been taken before the next time.
    pub(super) fn ask(&self, ask: Ask<C>) {
        // The thread ends only after this handle.
        let _ = self.asks.send(ask);
    }

    /// The answer, when it comes within `wait`.
    pub(super) fn answer(&self, wait: Duration) -> Option<Fate> {
        self.answers.recv_timeout(wait).ok()
    }
}

struct Work<'s> {
    timeout: Duration,
    status: &'s WorkerStatus,
    number: usize,
    /// A call took so long that the client may have asked twice.
    was_late: Cell<bool>,
}

impl Work<'_> {
    fn call<T>(&self, call: impl FnOnce() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
        self.status.calls(self.number, true);
        let began = Instant::now();
        let result = call();
        self.was_late.set(self.was_late.get() || began.elapsed() >= ASKED_TWICE);
        self.status.calls(self.number, false);
        result
    }

    fn done(&self) -> Fate {
        if self.was_late.get() { Fate::DoneLate } else { Fate::Done }
    }

    fn commit<C: ProducerContext>(
        &self,
        producer: &BaseProducer<C, NoCustomPartitioner>,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
    ) -> Fate {
        if offsets.count() > 0 {
            let sent = self.call(|| producer.send_offsets_to_transaction(offsets, member, self.timeout));
            if let Err(error) = sent {
                // Whether the group has the offsets does not matter: they count with the transaction, which does not.
                return fate(&error, Uncertain::CanBeAborted);
            }
        }
        match self.call(|| producer.commit_transaction(self.timeout)) {
            Ok(()) => self.done(),
            Err(error) => fate(&error, Uncertain::IsUnknown),
        }
    }

    fn abort<C: ProducerContext>(&self, producer: &BaseProducer<C, NoCustomPartitioner>) -> Fate {
        if let Some(failure) = hopeless(producer) {
            return Fate::Final(failure);
        }
        match self.call(|| producer.abort_transaction(self.timeout.min(ABORT_PATIENCE))) {
            Ok(()) => self.done(),
            Err(error) => match fate(&error, Uncertain::IsUnknown) {
                Fate::Abort(why) => Fate::Unknown(why),
                other => other,
            },
        }
    }

    /// Ends what the last producer of this name had open, and makes sure that nothing of it can still come. Tries until
    /// it is done: without it nothing can be published.
    fn ready<C: ProducerContext>(&self, producer: &BaseProducer<C, NoCustomPartitioner>) -> Fate {
        loop {
            let error = match self.call(|| producer.init_transactions(self.timeout)) {
                Ok(()) => return Fate::Done,
                Err(error) => error,
            };
            match fate(&error, Uncertain::IsUnknown) {
                Fate::Unknown(why) if is_retriable(&error) => {
                    tracing::warn!("the transactional producer is not ready yet: {why}");
                    std::thread::sleep(PAUSE);
                }
                other => return other,
            }
        }
    }
}

/// Why no transaction will ever come to a good end. Records come back before the client says why, and what it says to the
/// abort is another thing; but asked to begin one in the midst of one, it tells what became of that.
fn hopeless<C: ProducerContext>(producer: &BaseProducer<C, NoCustomPartitioner>) -> Option<Failure> {
    let error = producer.begin_transaction().err()?;
    let remedy = denied(error.rdkafka_error_code()?)?;
    Some(Failure::unavailable(format!("transactions are not possible: {error}; {remedy}")))
}

/// What an error without a clear meaning means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uncertain {
    /// Nothing that was asked for can count unless the transaction is committed later.
    CanBeAborted,
    /// It may count, or be about to.
    IsUnknown,
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_retriable())
}

fn fate(error: &KafkaError, uncertain: Uncertain) -> Fate {
    let why = error.to_string();
    let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
    if matches!(code, Code::Fenced | Code::InvalidProducerEpoch | Code::ProducerFenced) {
        return Fate::Fenced(why);
    }
    if let Some(remedy) = denied(code) {
        return Fate::Final(Failure::unavailable(format!("transactions are not possible: {why}; {remedy}")));
    }
    // No answer: the request may still come to be looked at, when another transaction is open.
    let unanswered = matches!(code, Code::OperationTimedOut | Code::RequestTimedOut | Code::BrokerTransportFailure);
    match error {
        KafkaError::Transaction(error) if error.is_fatal() => Fate::Unknown(why),
        _ if unanswered => Fate::Unknown(why),
        KafkaError::Transaction(error) if error.txn_requires_abort() => Fate::Abort(why),
        _ if uncertain == Uncertain::CanBeAborted => Fate::Abort(why),
        _ => Fate::Unknown(why),
    }
}

/// What a person must do about it, where that is the only help.
fn denied(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::TransactionalIdAuthorizationFailed => {
            "grant WRITE and DESCRIBE on the transactional id, which begins with the group's name"
        }
        Code::TopicAuthorizationFailed => "grant WRITE on every topic that is written, and READ on the input",
        Code::GroupAuthorizationFailed => "grant READ on the group",
        Code::ClusterAuthorizationFailed => "grant IDEMPOTENT_WRITE on the cluster",
        Code::UnsupportedFeature | Code::UnsupportedVersion => "exactly_once needs brokers of version 2.5 or newer",
        Code::InvalidTransactionTimeout => {
            "raise transaction.max.timeout.ms of the brokers, or shorten session.timeout.ms"
        }
        _ => return None,
    })
}
