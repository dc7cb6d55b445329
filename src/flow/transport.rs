//! What a worker needs of whatever moves the lines: a [`Source`] that they come from, a [`Sink`] that records go to.
//!
//! There are two of each: Kafka, and the in-memory log on which the simulation plays out what can go wrong. Nothing
//! here waits longer than it is told to, except where a sentence says so; the time is the source's, as a simulation has
//! a clock of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Failure;
use super::kafka::Code;
pub(crate) use super::kafka::raw::Fetched;
use super::ledger::Ticket;
use super::record::{Line, Record};
use super::returned::Returned;

/// Partition `number` of `topic`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Partition {
    /// Topic name.
    pub(crate) topic: Arc<str>,
    /// From 0.
    pub(crate) number: i32,
}

impl Partition {
    /// Whether a line stands in it.
    pub(crate) fn is_of(&self, line: &Line<'_>) -> bool {
        self.is(line.topic, line.partition)
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, topic: &str, number: i32) -> bool {
        self.number == number && *self.topic == *topic
    }
}

/// What happened besides lines: what the group did, and how far partitions are read.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// These are ours from now on.
    Assigned(Vec<Partition>),
    /// These are to be given up, in order.
    Revoked(Vec<Partition>),
    /// These went to somebody else already.
    Lost(Vec<Partition>),
    /// How far partitions are read: all lines before these offsets were given, since it was last said where to read. What
    /// stands between the last line and the offset is none: a transaction's marker, records of one that was aborted. Told
    /// while it moves, a few times a second; nobody need answer it.
    Positions(Vec<(Partition, i64)>),
}

/// Why a poll gave no line.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The next offset of some partition is not there: too old, or beyond the end.
    OutOfRange,
    /// Nothing will help but a person.
    Final(String),
    /// The client deals with it.
    Passing,
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The assignment of the partition that it belongs to.
    pub(crate) lane: u32,
    /// Of which partition.
    pub(crate) partition: Partition,
    /// The first offset that is not settled.
    pub(crate) offset: i64,
    /// Published lines that are covered with it for the first time.
    pub(crate) lines: usize,
    /// What the next owner is told besides: the group keeps it with the offset, word for word. Short, Kafka takes 4096
    /// bytes.
    pub(crate) note: String,
}

/// What the group has of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The first offset that is not settled.
    pub(crate) offset: i64,
    /// What was committed with it, see [`Mark::note`].
    pub(crate) note: String,
}

/// What was to be committed, and why it was not.
pub(crate) type Answer = (Vec<Mark>, Result<(), Code>);

/// Is told the key and the value of one record after the other.
pub(crate) type Teller<'t> = dyn FnMut(&[u8], Option<&[u8]>) + 't;

/// One line, in the source's memory until it is dropped.
pub(crate) trait Delivery {
    /// What it says.
    fn line(&self) -> Line<'_>;
    /// The record in the client's memory, from which headers and value can be handed on as they are.
    fn fetched(&self) -> Option<&Fetched>;
}

/// One member of the consumer group.
pub(crate) trait Source {
    /// A line.
    type Delivery<'s>: Delivery
    where
        Self: 's;

    /// What time it is, for everything that is measured or waited for.
    fn now(&self) -> Instant;
    /// The next line, waiting at most `time`. Returns early, without a line, when there is an event to look at.
    fn poll(&self, time: Duration) -> Option<Result<Self::Delivery<'_>, Problem>>;
    /// The oldest event not looked at yet. A position comes behind the lines before it, and is forgotten when its partition
    /// is to be read from elsewhere, or not at all.
    fn event(&self) -> Option<Event>;
    /// An event that could not be answered; [`Source::close`] will.
    fn put_back(&self, event: Event);
    /// What the group committed for partitions, `None` where it has nothing yet. Offsets of transactions under way are
    /// waited for, for up to half a minute. Fails where they are of another topic of the same name.
    fn committed(&self, partitions: &[Partition]) -> Result<Vec<Option<Standing>>, Failure>;
    /// Takes partitions over, each from an offset on, or from its beginning.
    fn assign(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure>;
    /// Gives partitions up.
    fn release(&self, partitions: &[Partition]) -> Result<(), Failure>;
    /// Goes back: the next line of each partition is the one at its offset, or its first.
    fn rewind(&self, starts: &[(Partition, Option<i64>)]) -> Result<(), Failure>;
    /// Stops or goes on fetching; what is paused gives events only.
    fn pause(&self, partitions: &[Partition], paused: bool) -> Result<(), Failure>;
    /// Asks the group to take offsets; the answer must have been taken before the next time.
    fn commit(&self, marks: Vec<Mark>);
    /// The answer to the last [`Source::commit`], when it comes within `wait`.
    fn commit_answer(&self, wait: Duration) -> Option<Answer>;
    /// Reads one line once more. Waits for it, for some seconds.
    fn again(&self, partition: &Partition, offset: i64) -> Result<Self::Delivery<'_>, Failure>;
    /// Everything that the state topic says of a partition, oldest first, key and value. Waits for as long as it takes,
    /// calling `waiting` now and then.
    fn recall(&self, partition: &Partition, waiting: &dyn Fn(), tell: &mut Teller<'_>) -> Result<(), Failure>;
    /// The last moment at which a partition was surely read to its end, milliseconds since 1970 by the clock that is believed;
    /// `None` when there is more to read, or no sign that the broker would have told.
    fn idle(&self, partition: &Partition) -> Option<i64>;
    /// All input topics and their numbers of partitions, those of other members among them, as far as they are known.
    fn inputs(&self) -> Vec<(String, i32)>;
    /// Nobody will read what stands before these offsets: it may be deleted, beside and when it suits.
    fn trim(&self, needed: Vec<(Partition, i64)>);
    /// Which of the offsets to be read next the broker does not have, as a sentence for a person.
    fn out_of_range(&self, group: &str, next: &[(Partition, i64)]) -> String;
    /// Leaves the group. Takes as long as a commit that is under way.
    fn close(self);
}

/// What became of one record.
#[derive(Debug)]
pub(crate) struct Ack {
    /// Packed [`Ticket`] of its line.
    pub(crate) ticket: usize,
    /// Its [`Record::weight`].
    pub(crate) weight: usize,
    /// Which topic it was for.
    pub(crate) to: To,
    /// Why the broker does not have it.
    pub(crate) refused: Option<Code>,
    /// What was refused, where it can be had.
    pub(crate) returned: Option<Box<Returned>>,
}

/// The topics that a worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// The lines.
    Output,
    /// Lines that could not be published.
    DeadLetter,
    /// What sources said.
    State,
    /// What alerts count.
    Matches,
}

/// Why a record was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The queue is full: wait, and send the same record again.
    Full,
    /// It will never be taken.
    Refused(Code),
}

/// How a transaction, or the making of a new producer, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As wanted: committed, aborted, or ready for the next transaction.
    Done,
    /// As wanted, but so late that the client may have asked twice. The producer must not be used again: what was asked
    /// first may still arrive, and would be taken for a request of its next transaction.
    DoneLate,
    /// It must be aborted; nothing of it counts.
    Abort(String),
    /// It cannot be known whether it counts. The producer must not be used again: a late answer could end a later
    /// transaction of the same producer.
    Unknown(String),
    /// Another producer has our name, or the broker believes so. This one must not be used again.
    Fenced(String),
    /// Nothing will help but a person.
    Final(Failure),
}

/// One producer; a worker with transactions has two. With transactions, everything that is sent between [`Sink::begin`] and [`Sink::commit`] counts together
/// with the offsets, or not at all. Commit, abort and renewal run beside; one of them is under way at a time.
pub(crate) trait Sink {
    /// Hands a record over; an [`Ack`] will come. It takes the headers of `of` along, but ours of an earlier run. The
    /// ticket comes back when the record was not taken.
    fn send(&self, record: &Record<'_>, of: Option<&Fetched>, ticket: Ticket) -> Result<(), (Unsent, Ticket)>;
    /// Moves the acknowledgements that are here into `into`.
    fn acks(&self, into: &mut Vec<Ack>);
    /// Gives acknowledgements `time` to arrive; back when there are some.
    fn wait(&self, time: Duration);
    /// The same, and nothing lingers meanwhile for others to be sent with.
    fn hurry(&self, time: Duration) {
        self.wait(time);
    }
    /// Without transactions: calls back what is not on its way yet; it is reported as refused. So is, by itself, all that
    /// is behind a batch that the brokers refuse; such a producer takes nothing more, see [`Sink::renew`].
    fn halt(&self);
    /// What the producer last said about its connections, as the end of a sentence.
    fn last_word(&self) -> String;

    /// Begins a transaction.
    fn begin(&self) -> Result<(), Fate>;
    /// Commits what was sent, with these offsets. An error says that it was not even tried.
    fn commit(&self, marks: &[Mark]) -> Result<(), Fate>;
    /// Aborts.
    fn abort(&self);
    /// Puts a new producer into the place of this one, and makes sure that nothing of the old one is still to come. Without
    /// transactions nothing may be on its way, and the new one takes records at once.
    fn renew(&mut self) -> Result<(), Failure>;
    /// How the last of these three ended, when it does within `wait`.
    fn ended(&self, wait: Duration) -> Option<Fate>;
}
