//! Reading beside the stream: what the state topic says of a partition, and a single line once more.
//!
//! Both are rare, so the client for it is made when first needed. It joins no group and commits nothing.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};

use super::asking::Context;
use super::raw::{Broken, Fetched, Records};
use super::topics::state_too_narrow;
use super::{Code, clients};
use crate::flow::transport::{Partition, Teller};
use crate::flow::{Failure, Settings};

/// One request to a broker.
const PATIENCE: Duration = Duration::from_secs(5);
/// Without any progress for this long, the brokers are not there.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(30);
/// One look.
const POLL: Duration = Duration::from_millis(100);
/// Between two questions whether the transactions of an earlier owner have ended.
const PAUSE: Duration = Duration::from_millis(20);

type Client = BaseConsumer<Context>;

/// Reads now and then.
pub(crate) struct Lookup {
    settings: Settings,
    /// Reads committed records.
    reader: OnceCell<Arc<Client>>,
    /// Knows of uncommitted ones.
    peeker: OnceCell<Arc<Client>>,
}

impl Lookup {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), reader: OnceCell::new(), peeker: OnceCell::new() }
    }

    fn client<'c>(&self, cell: &'c OnceCell<Arc<Client>>, isolation: &str) -> Result<&'c Arc<Client>, Failure> {
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = clients::lookup(&self.settings, isolation)
            .create_with_context(Context)
            .map_err(|error| clients::refused(&self.settings, &error))?;
        let client = cell.get_or_init(|| Arc::new(client));
        self.settings.kafka.credentials.follow(client);
        Ok(client)
    }

    fn reader(&self) -> Result<&Arc<Client>, Failure> {
        self.client(&self.reader, "read_committed")
    }

    /// The line at `offset`, once more.
    pub(super) fn line(&self, partition: &Partition, offset: i64) -> Result<Fetched, Failure> {
        let Partition { topic, number } = partition;
        self.find_with(partition, offset, fetch_line)?.ok_or_else(|| {
            Failure::unavailable(format!(
                "topic {topic} partition {number} offset {offset} was to be read again, and is not there any more"
            ))
        })
    }

    /// The line at `offset`, `None` when the topic has it no longer.
    pub(super) fn find(&self, partition: &Partition, offset: i64) -> Result<Option<OwnedMessage>, Failure> {
        self.find_with(partition, offset, read_line)
    }

    /// The value of the line at `offset`, `None` when the topic has it no longer.
    pub(crate) fn value(&self, partition: &Partition, offset: i64) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.find(partition, offset)?.map(|line| line.payload().unwrap_or_default().to_vec()))
    }

    fn find_with<M>(
        &self,
        partition: &Partition,
        offset: i64,
        read: impl Fn(&Arc<Client>, &Partition, i64) -> Result<Option<M>, String>,
    ) -> Result<Option<M>, Failure> {
        let reader = self.reader()?;
        let found = read(reader, partition, offset);
        let _ = reader.unassign();
        found.map_err(|why| {
            let Partition { topic, number } = partition;
            Failure::unavailable(format!(
                "topic {topic} partition {number} offset {offset} could not be read again: {why}"
            ))
        })
    }

    /// Everything that the state topic says of `partition`. What an earlier owner's transaction is still adding is
    /// waited for: offsets and state are committed together, but not seen at the same moment.
    pub(super) fn state(
        &self,
        partition: &Partition,
        waiting: &dyn Fn(),
        tell: &mut Teller<'_>,
    ) -> Result<(), Failure> {
        let Some(topic) = &self.settings.state else { return Ok(()) };
        let reader = self.reader()?;
        let peeker = self.client(&self.peeker, "read_uncommitted")?;
        let number = partition.number;
        let told = settled(reader, peeker, topic, number, waiting).and_then(|is_empty| match is_empty {
            true => Ok(()),
            false => read_all(reader, topic, number, waiting, tell),
        });
        let _ = reader.unassign();
        told.map_err(|why| match is_too_narrow(peeker, topic, number) {
            true => state_too_narrow(topic, "fewer", number + 1),
            false => {
                Failure::unavailable(format!("topic {topic} partition {number}: the state could not be read: {why}"))
            }
        })
    }
}

/// What a poll gave.
enum Came<M> {
    /// A line, and its offset.
    Line(i64, M),
    /// There is nothing further on.
    End,
    Trouble(String),
    Nothing,
}

fn read_line(reader: &Arc<Client>, partition: &Partition, offset: i64) -> Result<Option<OwnedMessage>, String> {
    look_for(reader, partition, offset, || match reader.poll(POLL) {
        Some(Ok(message)) => Came::Line(message.offset(), message.detach()),
        Some(Err(KafkaError::PartitionEOF(_))) => Came::End,
        Some(Err(error)) if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) => Came::End,
        Some(Err(error)) => Came::Trouble(error.to_string()),
        None => Came::Nothing,
    })
}

/// The same, left in the client's memory.
fn fetch_line(reader: &Arc<Client>, partition: &Partition, offset: i64) -> Result<Option<Fetched>, String> {
    let records = Records::of_consumer(reader.clone()).ok_or("no queue to read from")?;
    look_for(reader, partition, offset, || {
        records.fill(POLL);
        match records.take(&[]) {
            Some(Ok(fetched)) => Came::Line(fetched.line().offset, fetched),
            Some(Err(Broken { code: Code::PartitionEOF | Code::AutoOffsetReset, .. })) => Came::End,
            Some(Err(Broken { code, reason, .. })) => Came::Trouble(format!("{code} ({reason})")),
            None => Came::Nothing,
        }
    })
}

fn look_for<M>(
    reader: &Client,
    partition: &Partition,
    offset: i64,
    poll: impl Fn() -> Came<M>,
) -> Result<Option<M>, String> {
    assign(reader, &partition.topic, partition.number, Offset::Offset(offset)).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + LOOKUP_PATIENCE;
    let mut last = String::new();
    while Instant::now() < deadline {
        match poll() {
            Came::Line(at, line) if at == offset => return Ok(Some(line)),
            Came::Line(at, _) if at > offset => return Ok(None),
            Came::End => return Ok(None),
            Came::Trouble(why) => last = format!(", {why}"),
            Came::Line(..) | Came::Nothing => {}
        }
    }
    Err(format!("no answer within {} s{last}", LOOKUP_PATIENCE.as_secs()))
}

fn assign(client: &Client, topic: &str, number: i32, start: Offset) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, number, start)?;
    client.assign(&list)
}

/// Waits until all that is in the partition now is committed or aborted. True when there is nothing.
fn settled(reader: &Client, peeker: &Client, topic: &str, number: i32, waiting: &dyn Fn()) -> Result<bool, String> {
    let deadline = Instant::now() + LOOKUP_PATIENCE;
    let mut end = None;
    loop {
        waiting();
        let why = match watermarks(reader, peeker, topic, number, &mut end) {
            Ok((low, committed, end)) if committed >= end => return Ok(low == end),
            Ok((_, committed, end)) => still_open(topic, number, committed, end),
            Err(error) if seems_missing(&error) && is_too_narrow(peeker, topic, number) => {
                return Err(error.to_string());
            }
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            return Err(why);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Only the brokers can end a transaction whose producer is gone; when they have lost sight of it, somebody must tell
/// them.
fn still_open(topic: &str, number: i32, start: i64, end: i64) -> String {
    format!(
        "some producer's transaction has been open since offset {start}, and what is there up to {end} is not committed \
         before it ends. Kafka ends it when its time is over; where it has not, kafka-transactions.sh find-hanging --topic \
         {topic} shows it, and kafka-transactions.sh abort --topic {topic} --partition {number} --start-offset {start} \
         ends it"
    )
}

/// What the client says of a partition that is not there, and of one that has no leader at the moment.
fn seems_missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownPartition | Code::UnknownTopicOrPartition | Code::UnknownTopic)
    )
}

/// Whether the topic is there, and the partition is none of its.
fn is_too_narrow(client: &Client, topic: &str, number: i32) -> bool {
    let metadata = client.fetch_metadata(Some(topic), PATIENCE);
    let partitions = metadata.ok().and_then(|metadata| Some(metadata.topics().first()?.partitions().len()));
    partitions.is_some_and(|partitions| partitions > 0 && partitions as i32 <= number)
}

/// Beginning, end of what is committed, and end, which is asked for once.
fn watermarks(
    reader: &Client,
    peeker: &Client,
    topic: &str,
    number: i32,
    end: &mut Option<i64>,
) -> KafkaResult<(i64, i64, i64)> {
    let end = match *end {
        Some(end) => end,
        None => *end.insert(peeker.fetch_watermarks(topic, number, PATIENCE)?.1),
    };
    let (low, committed) = reader.fetch_watermarks(topic, number, PATIENCE)?;
    Ok((low, committed, end))
}

fn read_all(
    reader: &Client,
    topic: &str,
    number: i32,
    waiting: &dyn Fn(),
    tell: &mut Teller<'_>,
) -> Result<(), String> {
    assign(reader, topic, number, Offset::Beginning).map_err(|error| error.to_string())?;
    let mut deadline = Instant::now() + LOOKUP_PATIENCE;
    let mut records = 0_u64;
    let mut last = String::new();
    while Instant::now() < deadline {
        match reader.poll(POLL) {
            Some(Ok(message)) => {
                tell(message.key().unwrap_or_default(), message.payload());
                records += 1;
                if records.is_multiple_of(1024) {
                    deadline = Instant::now() + LOOKUP_PATIENCE;
                    waiting();
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => last = error.to_string(),
            None => waiting(),
        }
    }
    Err(format!("no answer within {} s {last}", LOOKUP_PATIENCE.as_secs()))
}
