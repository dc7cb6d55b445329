//! One member of the consumer group: lines in, partitions given and taken, offsets committed.
//!
//! A rebalance comes out of the consumer's queue, which is looked at between two batches of records, and is only written
//! down; the worker, once poll is back, settles what is open and answers with [`Source::assign`] or [`Source::release`]. Only while the consumer is being dropped does the
//! binding poll, and its callback answer by itself, as nobody else is left to do it.
//!
//! Where to start is never left to the client: a partition for which the group has an offset starts there, any other at
//! its beginning, and `auto.offset.reset=error` makes an offset that the broker no longer has an error instead of a
//! silent jump.
//!
//! What is committed in the end stands behind markers and aborted records, which never come to us: see `positions`.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::committer::{self, Committer};
use super::inputs::Inputs;
use super::lookup::Lookup;
use super::positions::Positions;
use super::raw::{Broken, Fetched, Polled, Queue, Records};
use super::readings::{Readings, Recreated};
use super::statistics::{Ends, Statistics};
use super::topic_ids::TopicIds;
use super::trimmer::Trimmer;
use super::{Code, LastWord, clients, recreated};
use crate::flow::record::Line;
use crate::flow::status::{WorkerStatus, now_ms};
use crate::flow::transport::{Answer, Delivery, Event, Mark, Partition, Problem, Source, Standing, Teller};
use crate::flow::{Failure, Settings, throttle};
use crate::telemetry::caught;

/// One request to a broker.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long committed offsets are asked for after an assignment, before giving up.
const OFFSETS_PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts: an error may come at once.
const OFFSETS_PAUSE: Duration = Duration::from_millis(200);

struct Context {
    events: Mutex<VecDeque<Event>>,
    any: AtomicBool,
    status: Arc<WorkerStatus>,
    last_word: LastWord,
    ends: Mutex<Ends>,
}

impl Context {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        self.events().push_back(event);
        self.any.store(true, Ordering::Release);
    }

    /// Forgets how far partitions were read: they are read from elsewhere, or not at all.
    fn forget_positions<'p>(&self, partitions: impl Iterator<Item = &'p Partition> + Clone) {
        for event in &mut *self.events() {
            if let Event::Positions(positions) = event {
                positions.retain(|(partition, _)| !partitions.clone().any(|one| one == partition));
            }
        }
    }

    fn failed(&self, code: Option<Code>, reason: &str) {
        super::complain("input", code, reason);
        self.last_word.say(code, reason);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.failed(error.rdkafka_error_code(), reason);
    }

    fn stats_raw(&self, json: &[u8]) {
        match serde_json::from_slice::<Statistics>(json) {
            Ok(statistics) => {
                statistics.tell(&self.status);
                let (answers, longest) = statistics.throttled();
                throttle::INPUT.hear(answers, longest, Instant::now());
                self.ends().hear(&statistics);
            }
            Err(error) => tracing::debug!("librdkafka's statistics are not as expected: {error}"),
        }
    }
}

impl ConsumerContext for Context {
    /// The binding polls only while the consumer is being dropped: nothing is read any more.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        answer_last(consumer, what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, Ok(list));
    }
}

fn list<'p>(partitions: impl Iterator<Item = (&'p Partition, Offset)>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition_offset(&partition.topic, partition.number, offset)?;
    }
    Ok(list)
}

/// Adds to the assignment, or makes it, as the group's protocol has it.
fn take(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    }
}

/// Takes from the assignment, or ends it.
fn give_up(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

/// In the end, what the group did only has to be answered.
fn answer_last(consumer: &BaseConsumer<Context>, assigned: bool, list: KafkaResult<&TopicPartitionList>) {
    let answer = list.and_then(|list| if assigned { take(consumer, list) } else { give_up(consumer, list) });
    if let Err(error) = answer {
        tracing::warn!("the group's last rebalance was not answered: {error}");
    }
}

impl Delivery for Fetched {
    fn line(&self) -> Line<'_> {
        Fetched::line(self)
    }

    fn fetched(&self) -> Option<&Fetched> {
        Some(self)
    }
}

/// One member of the group.
pub(crate) struct Member {
    /// Dropped first, like the other one: they keep the consumer.
    records: Records,
    /// What the group does.
    queue: Queue,
    /// Of what is paused, records that are here already wait.
    paused: RefCell<Vec<Partition>>,
    consumer: Arc<BaseConsumer<Context>>,
    committer: Committer,
    lookup: Lookup,
    inputs: Inputs,
    positions: RefCell<Positions>,
    readings: Arc<Readings>,
    /// Made when first needed.
    trimmer: OnceCell<Option<Trimmer>>,
    settings: Settings,
}

/// What whoever commits for us tells the group.
pub(crate) struct Membership {
    group: Box<dyn Fn() -> Option<ConsumerGroupMetadata> + Send + Sync>,
    readings: Arc<Readings>,
}

impl Membership {
    /// What the group knows us by, at the moment of the call; `None` when it does not.
    pub(super) fn group(&self) -> Option<ConsumerGroupMetadata> {
        (self.group)()
    }

    /// Offsets as the client has them, each with its note.
    pub(super) fn offsets(&self, marks: &[Mark]) -> KafkaResult<TopicPartitionList> {
        committer::list(marks.iter(), &self.readings)
    }

    /// Of which topics these are.
    pub(super) fn readings(&self) -> Arc<Readings> {
        self.readings.clone()
    }
}

impl Member {
    /// Joins the group in the background.
    pub(crate) fn new(
        settings: &Settings,
        status: Arc<WorkerStatus>,
        inputs: Inputs,
        ids: TopicIds,
    ) -> Result<Self, Failure> {
        let context = Context {
            events: Mutex::default(),
            any: AtomicBool::new(false),
            status,
            last_word: LastWord::default(),
            ends: Mutex::default(),
        };
        let consumer: BaseConsumer<Context> = clients::consumer(settings)
            .create_with_context(context)
            .map_err(|error| clients::refused(settings, &error))?;
        let topics: Vec<&str> = settings.input.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| Failure::config(format!("input.topics {topics:?} cannot be subscribed to: {error}")))?;
        let consumer = Arc::new(consumer);
        settings.kafka.credentials.follow(&consumer);
        let readings = Arc::new(Readings::new(ids));
        let committer = Committer::start(consumer.clone(), readings.clone())
            .map_err(|error| Failure::software(format!("no thread for commits: {error}")))?;
        let no_queue = || Failure::software("no queue to read from".to_owned());
        let queue = Queue::of_consumer(consumer.clone()).ok_or_else(no_queue)?;
        let records = Records::apart(consumer.clone()).ok_or_else(no_queue)?;
        Ok(Self {
            records,
            queue,
            paused: RefCell::default(),
            consumer,
            committer,
            lookup: Lookup::new(settings),
            inputs,
            positions: RefCell::new(Positions::new(Instant::now())),
            readings,
            trimmer: OnceCell::new(),
            settings: settings.clone(),
        })
    }

    /// For whoever commits for us.
    pub(crate) fn membership(&self) -> Membership {
        let consumer = Arc::downgrade(&self.consumer);
        let group = Box::new(move || consumer.upgrade()?.group_metadata());
        Membership { group, readings: self.readings.clone() }
    }

    /// What comes out of the queue besides records.
    fn deal_with(&self, polled: Polled) -> Option<Problem> {
        let context = self.consumer.context();
        match polled {
            Polled::Rebalance { gives, partitions } => context.push(match (gives, self.consumer.assignment_lost()) {
                (true, _) => Event::Assigned(partitions),
                (false, false) => Event::Revoked(partitions),
                (false, true) => Event::Lost(partitions),
            }),
            Polled::Error { code, fatal, reason } => {
                context.failed(Some(code), &reason);
                return Some(self.problem(code, fatal));
            }
            Polled::Statistics(json) => context.stats_raw(&json),
            Polled::Log { level, facility, message } => super::log(level, &facility, &message),
            Polled::Reports(_) | Polled::Other => {}
        }
        None
    }

    /// The next record that is here already and may be read, or why there is none.
    fn taken(&self) -> Option<Result<Fetched, Problem>> {
        let paused = self.paused.borrow();
        Some(self.records.take(&paused)?.map_err(|Broken { code, reason, place }| {
            if let Some((partition, offset)) = place {
                self.positions.borrow_mut().doubt(&key(&partition), offset);
            }
            self.consumer.context().failed(Some(code), &reason);
            self.problem(code, false)
        }))
    }

    /// Tells how far partitions are read, when it is time. All that was taken of the client must have been handed over.
    fn tell_positions(&self) {
        if self.records.is_empty()
            && let Some(moved) = self.positions.borrow_mut().moved(&*self.consumer, Instant::now())
        {
            let named = |((topic, number), offset)| (Partition { topic, number }, offset);
            self.consumer.context().push(Event::Positions(moved.into_iter().map(named).collect()));
        }
    }

    fn problem(&self, code: Code, fatal: bool) -> Problem {
        let reason = self.consumer.context().last_word.suffix();
        match code {
            Code::AutoOffsetReset | Code::LogTruncation => Problem::OutOfRange,
            _ if fatal => Problem::Final(format!("the input client cannot go on ({code}){reason}")),
            Code::TopicAuthorizationFailed => Problem::Final(format!(
                "the broker does not allow reading the input{reason}; grant READ and DESCRIBE on the input topics"
            )),
            Code::GroupAuthorizationFailed => Problem::Final(format!(
                "the broker does not allow this consumer group{reason}; grant READ on the group"
            )),
            _ => Problem::Passing,
        }
    }

    /// What the group has of each partition, with the note as it stands there.
    fn try_committed(&self, partitions: &[Partition]) -> KafkaResult<Vec<Option<Standing>>> {
        let asked = list(partitions.iter().map(|partition| (partition, Offset::Invalid)))?;
        let found = self.consumer.committed_offsets(asked, PATIENCE)?;
        partitions
            .iter()
            .map(|partition| {
                let Some(element) = found.find_partition(&partition.topic, partition.number) else { return Ok(None) };
                element.error()?;
                Ok(match element.offset() {
                    Offset::Offset(offset) => Some(Standing { offset, note: note(&element) }),
                    _ => None,
                })
            })
            .collect()
    }

    /// What the group has of a partition, an error where it is of another topic of that name.
    fn of_this_topic(&self, partition: &Partition, found: Option<Standing>) -> Result<Option<Standing>, Recreated> {
        let Some(Standing { offset, note }) = found else { return Ok(None) };
        Ok(Some(Standing { offset, note: self.readings.text(&partition.topic, &note)? }))
    }

    /// What to do about a topic that was deleted and made anew, with what the group has of it by now.
    fn advice(&self, recreated: &Recreated) -> String {
        let metadata = self.consumer.fetch_metadata(Some(&recreated.topic), PATIENCE);
        let count = metadata.ok().and_then(|metadata| Some(metadata.topics().first()?.partitions().len()));
        let partition = |number| Partition { topic: recreated.topic.clone(), number };
        let partitions: Vec<Partition> = (0..count.unwrap_or_default() as i32).map(partition).collect();
        let deadline = Instant::now() + PATIENCE;
        // Offsets of a transaction may be on their way.
        let found = loop {
            match self.try_committed(&partitions) {
                Ok(found) => break Some(found),
                Err(_) if Instant::now() >= deadline => break None,
                Err(_) => std::thread::sleep(OFFSETS_PAUSE),
            }
        };
        let numbered = found.map(|found| {
            let numbered =
                partitions.iter().zip(found).filter_map(|(one, standing)| Some((one.number, standing?.offset)));
            numbered.collect::<Vec<_>>()
        });
        recreated::sentence(&self.settings.kafka.group_id, recreated, numbered.as_deref())
    }

    /// Reading begins at these places, whatever was told of the partitions before.
    fn begin(&self, starts: &[(Partition, Option<i64>)]) {
        let (mut ends, now_ms) = (self.consumer.context().ends(), now_ms());
        starts.iter().for_each(|(partition, _)| ends.begins(partition, now_ms));
    }

    /// Nothing that was read of these counts any more.
    fn forget<'p>(&self, partitions: impl Iterator<Item = &'p Partition> + Clone) {
        self.records.forget(partitions.clone());
        self.consumer.context().forget_positions(partitions);
    }

    fn try_rewind(&self, starts: &[(Partition, Option<i64>)]) -> KafkaResult<()> {
        let sought = self.consumer.seek_partitions(starts_of(starts)?, PATIENCE)?;
        sought.elements().iter().try_for_each(|element| element.error())
    }
}

/// What was committed with an offset. The binding panics where that is not UTF-8, as somebody else's may be.
fn note(element: &TopicPartitionListElem<'_>) -> String {
    caught(AssertUnwindSafe(|| element.metadata().to_owned())).unwrap_or_default()
}

fn key(partition: &Partition) -> (Arc<str>, i32) {
    (partition.topic.clone(), partition.number)
}

fn topics_of<'p>(partitions: impl Iterator<Item = &'p Partition>) -> BTreeSet<&'p str> {
    partitions.map(|partition| &*partition.topic).collect()
}

fn starts_of(starts: &[(Partition, Option<i64>)]) -> KafkaResult<TopicPartitionList> {
    list(starts.iter().map(|(partition, start)| (partition, start.map_or(Offset::Beginning, Offset::Offset))))
}

impl Source for Member {
    type Delivery<'s> = Fetched;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn poll(&self, time: Duration) -> Option<Result<Fetched, Problem>> {
        if let Some(taken) = self.taken() {
            return Some(taken);
        }
        self.tell_positions();
        if let Some(recreated) = self.readings.news() {
            return Some(Err(Problem::Final(self.advice(&recreated))));
        }
        // What the group did comes before further records.
        if let Some(polled) = self.queue.poll(Duration::ZERO) {
            return self.deal_with(polled).map(Err);
        }
        if !self.records.fill(Duration::ZERO) && !time.is_zero() {
            self.records.fill(time);
        }
        self.taken()
    }

    fn event(&self) -> Option<Event> {
        let context = self.consumer.context();
        if !context.any.load(Ordering::Acquire) {
            return None;
        }
        let mut events = context.events();
        let event = events.pop_front();
        context.any.store(!events.is_empty(), Ordering::Release);
        event
    }

    fn put_back(&self, event: Event) {
        let context = self.consumer.context();
        context.events().push_front(event);
        context.any.store(true, Ordering::Release);
    }

    fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<Standing>>, Failure> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        self.readings.look(&topics_of(partitions.iter()), PATIENCE);
        let deadline = Instant::now() + OFFSETS_PATIENCE;
        loop {
            let error = match self.try_committed(partitions) {
                Ok(offsets) => {
                    let offsets = partitions.iter().zip(offsets);
                    let offsets: Result<_, _> = offsets.map(|(one, found)| self.of_this_topic(one, found)).collect();
                    return offsets.map_err(|recreated| Failure::unavailable(self.advice(&recreated)));
                }
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                let reason = self.consumer.context().last_word.suffix();
                return Err(Failure::unavailable(format!(
                    "the group's committed offsets could not be read within {} s ({error}){reason}; with the brokers \
                     there, it is a transaction that nobody ends: kafka-transactions.sh find-hanging --topic \
                     __consumer_offsets shows it, and kafka-transactions.sh abort ends it",
                    OFFSETS_PATIENCE.as_secs()
                )));
            }
            tracing::warn!("the group's committed offsets could not be read, trying again: {error}");
            std::thread::sleep(OFFSETS_PAUSE);
        }
    }

    fn assign(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure> {
        let refused = |why: String| {
            Failure::software(format!("the partitions given by the group could not be taken over: {why}"))
        };
        for (partition, _) in starts {
            if !self.records.lead_here(partition) {
                return Err(refused(format!("{} has no queue for {}", partition.topic, partition.number)));
            }
        }
        starts.iter().for_each(|(partition, _)| self.readings.begin(key(partition)));
        let keys = starts.iter().map(|(partition, _)| key(partition)).collect();
        self.positions.borrow_mut().assigned(&*self.consumer, keys);
        self.begin(starts);
        starts_of(starts).and_then(|list| take(&self.consumer, &list)).map_err(|error| refused(error.to_string()))
    }

    fn release(&self, partitions: &[Partition]) -> Result<(), Failure> {
        self.forget(partitions.iter());
        for partition in partitions {
            self.readings.end(&key(partition));
            self.positions.borrow_mut().released(&key(partition));
        }
        self.paused.borrow_mut().retain(|paused| !partitions.contains(paused));
        list(partitions.iter().map(|partition| (partition, Offset::Invalid)))
            .and_then(|list| give_up(&self.consumer, &list))
            .map_err(|error| Failure::software(format!("partitions could not be given up: {error}")))
    }

    fn rewind(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure> {
        if starts.is_empty() {
            return Ok(());
        }
        self.forget(starts.iter().map(|(partition, _)| partition));
        let deadline = Instant::now() + OFFSETS_PATIENCE;
        loop {
            let Err(error) = self.try_rewind(starts) else {
                self.positions.borrow_mut().sought(starts.iter().map(|(partition, _)| key(partition)));
                self.begin(starts);
                return Ok(());
            };
            if Instant::now() >= deadline {
                return Err(Failure::unavailable(format!("reading could not go back to what was committed: {error}")));
            }
            tracing::warn!("reading could not go back to what was committed, trying again: {error}");
            std::thread::sleep(OFFSETS_PAUSE);
        }
    }

    fn pause(&self, partitions: &[Partition], paused: bool) -> Result<(), Failure> {
        let what = if paused { "paused" } else { "resumed" };
        self.paused.borrow_mut().retain(|known| !partitions.contains(known));
        if paused {
            self.paused.borrow_mut().extend_from_slice(partitions);
        }
        list(partitions.iter().map(|partition| (partition, Offset::Invalid)))
            .and_then(|list| if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) })
            .map_err(|error| Failure::software(format!("partitions could not be {what}: {error}")))
    }

    fn commit(&self, marks: Vec<Mark>) {
        self.committer.commit(marks);
    }

    fn commit_answer(&self, wait: Duration) -> Option<Answer> {
        self.committer.answer(wait)
    }

    fn again(&self, partition: &Partition, offset: i64) -> Result<Fetched, Failure> {
        self.lookup.line(partition, offset)
    }

    fn recall(&self, partition: &Partition, waiting: &dyn Fn(), tell: &mut Teller<'_>) -> Result<(), Failure> {
        self.lookup.state(partition, waiting, tell)
    }

    fn idle(&self, partition: &Partition) -> Option<i64> {
        // What is here and was not handed over yet is unknown to the worker, and no longer the client's to tell of.
        if !self.records.is_empty() {
            return None;
        }
        self.consumer.context().ends().idle(partition)
    }

    fn inputs(&self) -> Vec<(String, i32)> {
        self.inputs.list()
    }

    fn trim(&self, needed: Vec<(Partition, i64)>) {
        let trimmer = self.trimmer.get_or_init(|| {
            let started = Trimmer::start(&self.settings);
            started.inspect_err(|failure| tracing::warn!("nothing is deleted: {failure}")).ok()
        });
        trimmer.iter().for_each(|trimmer| trimmer.trim(needed.clone()));
    }

    fn out_of_range(&self, group: &str, next: &[(Partition, i64)]) -> String {
        self.readings.look(&topics_of(next.iter().map(|(partition, _)| partition)), PATIENCE);
        if let Some(recreated) = self.readings.recreated() {
            return self.advice(&recreated);
        }
        let gone = next.iter().find_map(|(partition, offset)| {
            let (low, high) = self.consumer.fetch_watermarks(&partition.topic, partition.number, PATIENCE).ok()?;
            (*offset < low || *offset > high).then_some((partition, *offset, low, high))
        });
        let Some((Partition { topic, number }, offset, low, high)) = gone else {
            let reason = self.consumer.context().last_word.suffix();
            return format!("an offset that group {group} was to read next is not on the broker{reason}");
        };
        let (what, remedy) = if offset < low {
            (format!("{} lines were deleted before they were read", low - offset), "--to-earliest")
        } else {
            ("the topic is shorter than what was read of it: it was made anew or cut".to_owned(), "--to-earliest")
        };
        format!(
            "topic {topic} partition {number}: group {group} was to read offset {offset} next, but the broker has \
             {low} to {high}; {what}. To accept that and go on, stop all members of the group and run \
             kafka-consumer-groups.sh --reset-offsets {remedy} --execute --group {group} --topic {topic}:{number}"
        )
    }

    fn close(self) {
        // A rebalance that nobody answers would keep the client from closing.
        while let Some(event) = self.event() {
            let (Event::Assigned(partitions) | Event::Revoked(partitions) | Event::Lost(partitions)) = &event else {
                continue;
            };
            let list = list(partitions.iter().map(|partition| (partition, Offset::Invalid)));
            answer_last(&self.consumer, matches!(event, Event::Assigned(_)), list.as_ref().map_err(Clone::clone));
        }
        // The consumer must be dropped, and so closed, on this thread.
        self.committer.end();
        drop(self.records);
        drop(self.queue);
        drop(self.consumer);
    }
}
