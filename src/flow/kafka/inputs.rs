//! Which input topics there are and how many partitions they have, looked up again and again: topics that a pattern
//! fits come and go, and partitions are added, while nothing may be told as over before all of them have been heard.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::asking::Context;
use super::clients;
use super::topics::{self, Topic};
use crate::flow::{Failure, Settings};

/// Between two looks; what the clients themselves need to notice takes as long.
const INTERVAL: Duration = Duration::from_secs(30);
/// How soon the thread notices that nobody asks any more.
const STEP: Duration = Duration::from_millis(500);
/// One request.
const PATIENCE: Duration = Duration::from_secs(5);

type List = Arc<Vec<(String, i32)>>;

/// The inputs as they were seen last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs(Arc<RwLock<List>>);

impl Inputs {
    /// Looks from now on, until nobody holds the list any more. `first`: what is there now.
    pub(crate) fn watch(settings: &Settings, first: Vec<(String, i32)>) -> Result<Self, Failure> {
        let inputs = Self(Arc::new(RwLock::new(Arc::new(first))));
        let client: BaseConsumer<Context> = clients::inquirer(settings)
            .create_with_context(Context)
            .map_err(|error| clients::refused(settings, &error))?;
        let client = Arc::new(client);
        settings.kafka.credentials.follow(&client);
        let (settings, held) = (settings.clone(), Arc::downgrade(&inputs.0));
        std::thread::Builder::new()
            .name("inputs".to_owned())
            .spawn(move || look(&client, &settings, &held))
            .map_err(|error| Failure::software(format!("no thread for the inputs: {error}")))?;
        Ok(inputs)
    }

    pub(crate) fn list(&self) -> Vec<(String, i32)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).to_vec()
    }
}

fn look(client: &BaseConsumer<Context>, settings: &Settings, held: &Weak<RwLock<List>>) {
    loop {
        for _ in 0..INTERVAL.as_millis() / STEP.as_millis() {
            std::thread::sleep(STEP);
            if held.strong_count() == 0 {
                return;
            }
        }
        // Errors and logs of the client come out of poll, one at a time.
        while client.poll(Duration::ZERO).is_some() {}
        match client.fetch_metadata(None, PATIENCE) {
            Ok(metadata) => {
                let found = read_of(settings, &topics::topics(&metadata));
                if let Some(inputs) = held.upgrade() {
                    *inputs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
                }
            }
            Err(error) => tracing::debug!("the inputs could not be looked up: {error}"),
        }
    }
}

/// Those of the topics that are read, with their numbers of partitions, in the order of their names.
pub(super) fn read_of(settings: &Settings, topics: &[Topic]) -> Vec<(String, i32)> {
    let written = clients::written(settings);
    let is_read = |topic: &&Topic| {
        let is_ours = written.contains(&&*topic.name) || topic.name.starts_with("__");
        !is_ours && topics::reads(&settings.input.topics, &topic.name)
    };
    let mut found: Vec<(String, i32)> =
        topics.iter().filter(is_read).map(|topic| (topic.name.clone(), topic.partitions)).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_and_what_is_kafkas_own_is_no_input() {
        let mut settings = crate::flow::test_settings();
        settings.input.topics = vec!["^logs.*".into(), "^__.*".into(), "app".into()];
        settings.output.topic = "logs.enriched".into();
        let topics: Vec<Topic> =
            [("logs.eu", 6), ("logs.enriched", 6), ("__consumer_offsets", 50), ("app", 3), ("b", 1)]
                .map(|(name, partitions)| Topic { name: name.into(), partitions })
                .into();
        assert_eq!(read_of(&settings, &topics), [("app".to_owned(), 3), ("logs.eu".to_owned(), 6)]);
    }
}
