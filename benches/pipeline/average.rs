//! The daemon as most of us would write it in an afternoon: a stream of records, each parsed whole, every phrase looked
//! for in every text, the record written anew when one is found. Correct, clear, and what Fingerpost has to be better than.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use futures_util::{FutureExt, StreamExt};
use rdkafka::consumer::{Consumer, DefaultConsumerContext, StreamConsumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::AsyncRuntime;
use serde_json::Value;

use crate::broker::client;
use crate::candidate::{Job, Tag, tags, when_stdin_ends};

/// Records on their way at once.
const IN_FLIGHT: usize = 5000;

/// Tags and passes on every record of the input, until stdin ends.
pub(crate) fn run(job: &Job) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(stream(job))
}

async fn stream(job: &Job) -> Result<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    when_stdin_ends(move || drop(stop));
    let tags: Arc<[Tag]> = tags(job)?.into();
    let consumer: StreamConsumer<DefaultConsumerContext, Tokio> = client(&job.broker)
        .set("group.id", &job.group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .create()?;
    consumer.subscribe(&[&job.input])?;
    let producer: FutureProducer<_, Tokio> = client(&job.broker)
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .set("enable.idempotence", "true")
        .create()?;
    let mut done = consumer
        .stream()
        .map(|record| {
            let (producer, tags, output) = (producer.clone(), Arc::clone(&tags), job.output.clone());
            async move { publish(&producer, &output, &tags, record?.detach()).await }
        })
        .buffered(IN_FLIGHT)
        .take_until(stopped);
    while let Some(record) = done.next().await.transpose()? {
        consumer.store_offset(record.topic(), record.partition(), record.offset())?;
    }
    Ok(())
}

async fn publish(
    producer: &FutureProducer<rdkafka::client::DefaultClientContext, Tokio>,
    output: &str,
    tags: &[Tag],
    record: OwnedMessage,
) -> Result<OwnedMessage> {
    let line = record.payload().unwrap_or_default();
    let tagged = tag(line, tags);
    let mut out = FutureRecord::to(output).payload(tagged.as_deref().unwrap_or(line)).partition(record.partition());
    if let Some(time) = record.timestamp().to_millis() {
        out = out.timestamp(time);
    }
    if let Some(key) = record.key() {
        out = out.key(key);
    }
    if let Some(headers) = record.headers() {
        out = out.headers(headers.clone());
    }
    producer.send(out, Duration::from_secs(30)).await.map_err(|(error, _)| anyhow!(error))?;
    Ok(record)
}

/// The line with the finding, when a phrase is in one of its texts.
fn tag(line: &[u8], tags: &[Tag]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(line).ok()?;
    let mut texts = Vec::new();
    collect(&value, &mut texts);
    let tag = tags.iter().find(|tag| texts.iter().any(|text| text.contains(&tag.phrase)))?;
    value["fingerpost"] = serde_json::json!({ "rule": tag.rule, "severity": tag.severity });
    serde_json::to_vec(&value).ok()
}

/// Every text in the value, in lower case, as the phrases are.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.to_lowercase()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

/// Tells the Kafka client to use tokio.
struct Tokio;

impl AsyncRuntime for Tokio {
    type Delay = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn spawn<T: Future<Output = ()> + Send + 'static>(task: T) {
        tokio::spawn(task);
    }

    fn delay_for(duration: Duration) -> Self::Delay {
        tokio::time::sleep(duration).boxed()
    }
}
