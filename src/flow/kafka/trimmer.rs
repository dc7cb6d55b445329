//! Deletes the records of a topic that nobody will read again, beside whoever knows that.
//!
//! The matches topic has no time retention, as what is counted may be of any age; without this it would grow for ever.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::asking::Context;
use super::clients;
use crate::flow::transport::Partition;
use crate::flow::{Failure, Settings};

/// One request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A partition, and the first offset that is still needed.
type Ask = Vec<(Partition, i64)>;

/// The thread, and the way to it. It ends after the last request when this is dropped.
pub(super) struct Trimmer {
    asks: SyncSender<Ask>,
}

impl Trimmer {
    pub(super) fn start(settings: &Settings) -> Result<Self, Failure> {
        let admin: AdminClient<Context> = clients::inquirer(settings)
            .create_with_context(Context)
            .map_err(|error| clients::refused(settings, &error))?;
        let admin = Arc::new(admin);
        settings.kafka.credentials.follow(&admin);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| Failure::software(format!("no runtime for trimming: {error}")))?;
        let (asks, asked) = sync_channel(1);
        std::thread::Builder::new()
            .name("trim".to_owned())
            .spawn(move || work(&admin, &runtime, &asked))
            .map_err(|error| Failure::software(format!("no thread for trimming: {error}")))?;
        Ok(Self { asks })
    }

    /// Asks. While the last request is out, nothing is: what is not deleted now is deleted later.
    pub(super) fn trim(&self, ask: Ask) {
        let _ = self.asks.try_send(ask);
    }
}

fn work(admin: &AdminClient<Context>, runtime: &tokio::runtime::Runtime, asked: &Receiver<Ask>) {
    let mut has_complained = false;
    while let Ok(ask) = asked.recv() {
        let result = list(&ask).and_then(|list| {
            let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(2 * PATIENCE));
            let answer = runtime.block_on(admin.delete_records(&list, &options))?;
            answer.elements().iter().try_for_each(|element| element.error())
        });
        match result {
            Ok(()) => tracing::debug!(partitions = ask.len(), "deleted records that nobody will read again"),
            Err(error) if !has_complained => {
                has_complained = true;
                let topic = ask.first().map(|(partition, _)| partition.topic.to_string()).unwrap_or_default();
                tracing::warn!(
                    topic,
                    "records that nobody will read again could not be deleted, so the topic grows: {error}; grant DELETE on it"
                );
            }
            Err(error) => tracing::debug!("records could not be deleted: {error}"),
        }
    }
}

fn list(ask: &Ask) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in ask {
        list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*offset))?;
    }
    Ok(list)
}
