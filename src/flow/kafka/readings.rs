//! Which topics a member of the group reads, each under the id that it had when reading began: what is committed of them
//! says so, and nothing is committed any more once a topic has another id. Before a commit they are looked at once more: what
//! was read before a look that finds the id that it was, is of the topic that it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::topic_id::{Note, TopicId};
use super::topic_ids::{PATIENCE, TopicIds};

/// Topic, and number of the partition.
type Key = (Arc<str>, i32);

/// Between two attempts: an error may come at once.
const PAUSE: Duration = Duration::from_millis(200);
/// Without an answer to a look before a commit, nothing is asked before the next ones for so long.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);

/// A topic that is another one than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recreated {
    pub(super) topic: Arc<str>,
    pub(super) was: TopicId,
    pub(super) is: TopicId,
}

/// See the top of the file.
pub(super) struct Readings {
    ids: TopicIds,
    known: Mutex<Known>,
    /// Changes that were looked at.
    seen: AtomicU64,
    /// Not before, nothing is asked before a commit.
    paused: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    /// Of topics, looked at before what the group has of them.
    looked: BTreeMap<String, TopicId>,
    /// Of the partitions that are read.
    read: BTreeMap<Key, TopicId>,
}

impl Readings {
    pub(super) fn new(ids: TopicIds) -> Self {
        Self { ids, known: Mutex::default(), seen: AtomicU64::new(0), paused: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the ids of topics, trying for `time`. It comes before what the group has of them is asked: a topic that is
    /// made anew after this has another id than this one by the next look.
    pub(super) fn look(&self, topics: &BTreeSet<&str>, time: Duration) {
        let deadline = Instant::now() + time;
        let looked = loop {
            match self.ids.look(topics, PATIENCE) {
                Ok(found) => break found,
                Err(why) if Instant::now() >= deadline => {
                    tracing::warn!(
                        "the ids of topics could not be looked up, so one that was made anew may go unnoticed: {why}"
                    );
                    break BTreeMap::new();
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        };
        self.known().looked = looked;
    }

    /// What the group keeps with an offset of this topic, without the topic's id; an error where it is of another one.
    pub(super) fn text(&self, topic: &Arc<str>, note: &str) -> Result<String, Recreated> {
        let Note { text, topic: was } = Note::read(note);
        if let Some(was) = was {
            // Where nothing is told, it is taken for what it was, until something is.
            let looked = &mut self.known().looked;
            let is = looked.entry(topic.to_string()).or_insert_with(|| was.clone());
            differs(topic, &was, is).map_or(Ok(()), Err)?;
        }
        Ok(text)
    }

    /// A partition is read from now on, of the topic that was looked at.
    pub(super) fn begin(&self, partition: Key) {
        let known = &mut *self.known();
        match known.looked.get(&*partition.0) {
            Some(id) => _ = known.read.insert(partition, id.clone()),
            None => _ = known.read.remove(&partition),
        }
    }

    /// A partition is read no more.
    pub(super) fn end(&self, partition: &Key) {
        self.known().read.remove(partition);
    }

    /// A topic that is read and has another id by now, when that was not told yet.
    pub(super) fn news(&self) -> Option<Recreated> {
        let changes = self.ids.changes();
        if self.seen.swap(changes, Ordering::AcqRel) == changes { None } else { self.recreated() }
    }

    /// Before a commit: a topic that is read and has another id by now. Waits for an answer for so long, and a fifth of a
    /// second more, at most.
    pub(super) fn check(&self, time: Duration) -> Option<Recreated> {
        let topics: BTreeSet<Arc<str>> = self.known().read.keys().map(|(topic, _)| topic.clone()).collect();
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if !topics.is_empty() && paused.is_none_or(|until| Instant::now() >= until) {
            let asked = self.ids.look(&topics.iter().map(|topic| &**topic).collect(), time);
            *paused = asked.err().map(|why| {
                tracing::debug!("the topics' ids could not be looked up before a commit: {why}");
                Instant::now() + COMMIT_PAUSE
            });
        }
        drop(paused);
        self.recreated()
    }

    /// A topic that is read and has another id by now.
    pub(super) fn recreated(&self) -> Option<Recreated> {
        let is_another = |((topic, _), was): (&Key, &TopicId)| differs(topic, was, &self.ids.of(topic)?);
        self.known().read.iter().find_map(is_another)
    }

    /// What the group is to keep with an offset of a partition.
    pub(super) fn note(&self, partition: &Key, text: &str) -> String {
        let topic = self.known().read.get(partition).cloned();
        Note { text: text.to_owned(), topic }.to_string()
    }
}

fn differs(topic: &Arc<str>, was: &TopicId, is: &TopicId) -> Option<Recreated> {
    (was != is).then(|| Recreated { topic: topic.clone(), was: was.clone(), is: is.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> TopicId {
        TopicId::new(name).unwrap()
    }

    /// Of topic `logs`, which is `old` when it is looked at.
    fn readings() -> (Readings, Key) {
        let ids =
            TopicIds::watch(&rdkafka::ClientConfig::new(), &crate::flow::credentials::Credentials::default()).unwrap();
        let readings = Readings::new(ids);
        readings.ids.told(1, "logs", &id("old"));
        readings.known().looked.insert("logs".to_owned(), id("old"));
        (readings, ("logs".into(), 3))
    }

    #[test]
    fn what_is_committed_of_a_topic_that_is_read_names_its_id() {
        let (readings, partition) = readings();
        assert_eq!(readings.note(&partition, "clock=5"), "clock=5");
        readings.begin(partition.clone());
        assert_eq!(readings.note(&partition, "clock=5"), "clock=5 topic_id=old");
        assert_eq!(readings.text(&partition.0, "clock=5 topic_id=old"), Ok("clock=5".to_owned()));
        readings.end(&partition);
        assert_eq!(readings.note(&partition, ""), "");
    }

    #[test]
    fn another_id_is_told_once_and_stands_until_the_topic_is_read_anew() {
        let (readings, partition) = readings();
        readings.begin(partition.clone());
        assert_eq!((readings.news(), readings.recreated()), (None, None));
        readings.ids.told(3, "logs", &id("new"));
        readings.ids.told(2, "logs", &id("old"));
        let recreated = Recreated { topic: "logs".into(), was: id("old"), is: id("new") };
        assert_eq!(readings.news(), Some(recreated.clone()));
        assert_eq!((readings.news(), readings.recreated()), (None, Some(recreated)));
        assert_eq!(readings.note(&partition, ""), "topic_id=old", "that is where it was read");
        readings.end(&partition);
        assert_eq!(readings.recreated(), None);
    }

    #[test]
    fn what_was_committed_of_another_topic_of_that_name_is_no_place_to_begin() {
        let (readings, (topic, _)) = readings();
        let recreated = readings.text(&topic, "clock=5 topic_id=older").unwrap_err();
        assert_eq!((recreated.was, recreated.is), (id("older"), id("old")));
        assert_eq!(readings.text(&topic, "clock=5"), Ok("clock=5".to_owned()), "an earlier build wrote it");
        // Of this one the brokers told nothing, so it is taken for what it was.
        let unknown: Arc<str> = "unknown".into();
        assert_eq!(readings.text(&unknown, "topic_id=x"), Ok(String::new()));
        readings.begin((unknown.clone(), 0));
        assert_eq!(readings.note(&(unknown.clone(), 0), ""), "topic_id=x");
        readings.ids.told(1, "unknown", &id("y"));
        assert_eq!(readings.recreated().map(|recreated| recreated.topic), Some(unknown));
    }
}
