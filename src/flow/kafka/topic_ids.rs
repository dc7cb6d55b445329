//! The ids of the topics that are read, looked at again and again: librdkafka follows a topic that was made anew by its
//! name, and tells nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use super::asking::Context;
use super::raw::topic_ids;
use super::topic_id::TopicId;
use crate::flow::credentials::Credentials;

/// Between two looks. With one request it is less than the five seconds that are promised.
const INTERVAL: Duration = Duration::from_secs(3);
/// How soon the thread notices that nobody asks any more.
const STEP: Duration = Duration::from_millis(500);
/// One request.
pub(super) const PATIENCE: Duration = Duration::from_millis(1_500);

/// What every reader of this process knows of its topics.
#[derive(Clone)]
pub(crate) struct TopicIds(Arc<Seen>);

struct Seen {
    client: Arc<BaseConsumer<Context>>,
    /// Looks that were begun: what was answered last need not be the newest.
    looks: AtomicU64,
    /// Of each topic that somebody has asked for: what was told, by the look that was begun last.
    ids: Mutex<BTreeMap<String, (u64, Option<TopicId>)>>,
    /// How often another id was seen than the time before.
    changes: AtomicU64,
}

impl Seen {
    fn ids(&self) -> MutexGuard<'_, BTreeMap<String, (u64, Option<TopicId>)>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, topics: &BTreeSet<&str>, time: Duration) -> Result<BTreeMap<String, TopicId>, String> {
        let look = self.looks.fetch_add(1, Ordering::AcqRel) + 1;
        // Errors and logs of the client come out of poll, one at a time.
        while self.client.poll(Duration::ZERO).is_some() {}
        let asked: Vec<&str> = topics.iter().copied().collect();
        asked.iter().for_each(|topic| _ = self.ids().entry((*topic).to_owned()).or_default());
        let told = topic_ids(&*self.client, &asked, time)?;
        let found = told.into_iter().filter_map(|(topic, id)| Some((topic, TopicId::new(&id)?)));
        let found: BTreeMap<String, TopicId> = found.collect();
        self.take(look, &found);
        Ok(found)
    }

    /// Takes in what was told.
    fn take(&self, look: u64, found: &BTreeMap<String, TopicId>) {
        let mut known = self.ids();
        for (topic, id) in found {
            let (last, known) = known.entry(topic.clone()).or_default();
            if look < *last {
                continue;
            }
            *last = look;
            if known.replace(id.clone()).is_some_and(|before| before != *id) {
                self.changes.fetch_add(1, Ordering::Release);
            }
        }
    }
}

impl TopicIds {
    /// Looks from now on, until nobody asks any more, at the topics that somebody has asked for.
    pub(crate) fn watch(config: &ClientConfig, credentials: &Credentials) -> Result<Self, String> {
        let client = config.create_with_context(Context).map_err(|error| error.to_string())?;
        let client = Arc::new(client);
        credentials.follow(&client);
        let seen =
            Arc::new(Seen { client, looks: AtomicU64::new(0), ids: Mutex::default(), changes: AtomicU64::new(0) });
        let held = Arc::downgrade(&seen);
        let thread = std::thread::Builder::new().name("topic-ids".to_owned()).spawn(move || look(&held));
        thread.map_err(|error| error.to_string())?;
        Ok(Self(seen))
    }

    /// Asks; somebody hears what it says.
    pub(super) fn client(&self) -> Arc<BaseConsumer<Context>> {
        self.0.client.clone()
    }

    /// The ids of these topics at this moment, of those that the brokers tell. Waits for so long, and a fifth of a second more, at
    /// most.
    pub(super) fn look(&self, topics: &BTreeSet<&str>, time: Duration) -> Result<BTreeMap<String, TopicId>, String> {
        self.0.look(topics, time)
    }

    /// As if the brokers had told it.
    #[cfg(test)]
    pub(super) fn told(&self, look: u64, topic: &str, id: &TopicId) {
        self.0.take(look, &BTreeMap::from([(topic.to_owned(), id.clone())]));
    }

    /// The id of a topic when it was looked at last.
    pub(super) fn of(&self, topic: &str) -> Option<TopicId> {
        self.0.ids().get(topic)?.1.clone()
    }

    /// Grows when some topic has another id than before.
    pub(super) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }
}

fn look(held: &Weak<Seen>) {
    loop {
        for _ in 0..INTERVAL.as_millis() / STEP.as_millis() {
            std::thread::sleep(STEP);
            if held.strong_count() == 0 {
                return;
            }
        }
        let Some(seen) = held.upgrade() else { return };
        let topics: Vec<String> = seen.ids().keys().cloned().collect();
        if let Err(why) = seen.look(&topics.iter().map(String::as_str).collect(), PATIENCE) {
            tracing::debug!("the topics' ids could not be looked up: {why}");
        }
    }
}
