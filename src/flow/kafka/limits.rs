//! What the topics that are written take, looked up again and again: their settings may be changed under a running flow.

use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;

use super::asking::Context;
use super::clients;
use super::topic_ids::TopicIds;
use super::topic_settings::TopicSettings;
use crate::flow::takes::{Told, Written};
use crate::flow::{Failure, Settings};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(30);
/// The same while records are refused.
const SOON: Duration = Duration::from_secs(2);
/// How soon the thread notices that it is asked, or that nobody asks any more.
const STEP: Duration = Duration::from_millis(500);
/// One request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks again and again at what the topics take, until nobody wants to know. `first`: what is known now. It is asked by the
/// client that asks for the ids.
pub(crate) fn watch(settings: &Settings, first: Told, ids: &TopicIds) -> Result<Written, Failure> {
    let written = Written::new(first);
    if clients::asked_about(settings).is_empty() {
        return Ok(written);
    }
    let (client, settings, own) = (ids.client(), settings.clone(), written.clone());
    std::thread::Builder::new()
        .name("topic-settings".to_owned())
        .spawn(move || look(&client, &settings, &own))
        .map_err(|error| Failure::software(format!("no thread for the topics' settings: {error}")))?;
    Ok(written)
}

fn look(client: &BaseConsumer<Context>, settings: &Settings, written: &Written) {
    let topics = clients::asked_about(settings);
    let (mut last, mut is_asked) = (Instant::now(), false);
    while !written.is_alone() {
        std::thread::sleep(STEP);
        is_asked |= written.is_asked();
        if last.elapsed() < if is_asked { SOON } else { INTERVAL } {
            continue;
        }
        (last, is_asked) = (Instant::now(), false);
        match TopicSettings::ask(client, &topics, PATIENCE) {
            Ok(found) => written.tell(found.told(settings, written.told())),
            Err(why) => tracing::debug!("the topics' settings could not be asked for: {why}"),
        }
    }
}
