//! Commits beside the worker: a thread that asks the group to take offsets and brings its answer back.
//!
//! The client can commit in two ways. One does not wait, but then its answer never reaches us, and a commit that the
//! group refuses must be known. The other waits: some milliseconds, or, with a broker that is frozen, half a minute, in
//! which the worker could neither settle lines nor give up partitions. So it is waited for here. One commit is under
//! way at a time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::Code;
use super::readings::Readings;
use crate::flow::transport::{Answer, Mark};

/// How long topics are looked at before a commit, which others may wait for.
const LOOK: Duration = Duration::from_millis(200);

/// The thread, and the ways to and from it.
pub(crate) struct Committer {
    asks: SyncSender<Vec<Mark>>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(crate) fn start<C>(consumer: Arc<BaseConsumer<C>>, readings: Arc<Readings>) -> std::io::Result<Self>
    where
        C: ConsumerContext + 'static,
    {
        let (asks, asked) = sync_channel::<Vec<Mark>>(1);
        let (answer, answers) = sync_channel(1);
        let body = move || {
            while let Ok(marks) = asked.recv() {
                if answer.send(commit(&consumer, &readings, marks)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("commits".to_owned()).spawn(body)?;
        Ok(Self { asks, answers, thread })
    }

    /// Asks; the answer must have been taken before the next time.
    pub(crate) fn commit(&self, marks: Vec<Mark>) {
        // The thread ends only after this handle.
        let _ = self.asks.send(marks);
    }

    /// The answer to the last [`Committer::commit`], when it comes within `wait`.
    pub(crate) fn answer(&self, wait: Duration) -> Option<Answer> {
        self.answers.recv_timeout(wait).ok()
    }

    /// Waits for the thread. Call it when no commit is under way: with one, it takes as long as that.
    pub(crate) fn end(self) {
        drop(self.asks);
        drop(self.answers);
        // It cannot panic; were it to, the process would be about to end anyway.
        let _ = self.thread.join();
    }
}

/// Of a topic that was made anew nothing is committed any more: it would be taken for a place in the new one.
/// Only what was asked for of the group is answered.
fn commit<C: ConsumerContext>(consumer: &BaseConsumer<C>, readings: &Readings, mut marks: Vec<Mark>) -> Answer {
    let gone = readings.check(LOOK).map(|recreated| recreated.topic);
    marks.retain(|mark| gone.as_ref() != Some(&mark.partition.topic));
    let result = list(marks.iter(), readings)
        .and_then(|list| if list.count() == 0 { Ok(()) } else { consumer.commit(&list, CommitMode::Sync) })
        .map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Unknown));
    (marks, result)
}

/// As the client has it, each with its note.
pub(super) fn list<'m>(marks: impl Iterator<Item = &'m Mark>, readings: &Readings) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for Mark { partition, offset, note, .. } in marks {
        let note = readings.note(&(partition.topic.clone(), partition.number), note);
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_offset(Offset::Offset(*offset))?;
        if !note.is_empty() {
            element.set_metadata(note);
        }
    }
    Ok(list)
}
