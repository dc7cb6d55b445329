//! The topics: whether they are there, or may be made, and fit together.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;

use super::access::grant;
use super::brokers::{Brokers, code, refused, wait};
use super::finding::{Finding, Mark, counted};
use crate::flow::kafka::raw::rights::Operation;
use crate::flow::kafka::topic_settings::TopicSettings;

/// The input topics that there are.
pub(crate) fn inputs<'b>(brokers: &'b Brokers<'_>) -> Vec<&'b MetadataTopic> {
    let of = |wanted: &String| match wanted.starts_with('^') {
        true => fitting(brokers, wanted).0,
        false => brokers.topic(wanted).into_iter().collect(),
    };
    let mut inputs: Vec<&MetadataTopic> = brokers.settings.input.topics.iter().flat_map(of).collect();
    inputs.sort_by_key(|topic| topic.name());
    inputs.dedup_by_key(|topic| topic.name());
    inputs
}

/// Tells of each input, but for those that are hidden from us: what is missing there is a right.
pub(crate) fn tell_inputs(brokers: &Brokers<'_>, is_hidden: &dyn Fn(&str) -> bool, report: &mut dyn FnMut(Finding)) {
    for wanted in &brokers.settings.input.topics {
        match wanted.starts_with('^') {
            true => report(fitting(brokers, wanted).1),
            false if is_hidden(wanted) => {}
            false => report(named(brokers, wanted)),
        }
    }
}

fn named(brokers: &Brokers<'_>, name: &str) -> Finding {
    let subject = format!("input {name}");
    match brokers.topic(name) {
        Some(topic) => Finding::new(Mark::Good, subject, partitions(topic)),
        None => Finding::new(Mark::Bad, subject, "does not exist")
            .fix(format!("mend input.topics, or: {}", create_command(brokers, name, 6))),
    }
}

/// What a pattern finds. The output is left out, as the daemon leaves it out.
fn fitting<'b>(brokers: &'b Brokers<'_>, pattern: &str) -> (Vec<&'b MetadataTopic>, Finding) {
    let subject = format!("input {pattern}");
    let Ok(regex) = Regex::new(pattern) else {
        return (Vec::new(), Finding::new(Mark::Bad, subject, "is no regular expression"));
    };
    let fits = |topic: &&MetadataTopic| regex.is_match(topic.name());
    let (own, found): (Vec<_>, Vec<_>) =
        brokers.topics().filter(fits).partition(|topic| topic.name() == brokers.settings.output.topic);
    let left_out = own.first().map_or(String::new(), |topic| format!("; {} is ours and left out", topic.name()));
    if found.is_empty() {
        let says = format!("fits no topic{left_out}");
        let fix = "topics that appear later are found by themselves; if there should be some now, mend the pattern";
        return (found, Finding::new(Mark::Doubt, subject, says).fix(fix));
    }
    let mut names: Vec<_> = found.iter().take(5).map(|topic| topic.name()).collect();
    if found.len() > names.len() {
        names.push("…");
    }
    let says = format!("fits {} ({}){left_out}", counted(found.len(), "topic"), names.join(", "));
    (found, Finding::new(Mark::Good, subject, says))
}

/// Reads at the end of a partition, where the broker has nothing to give but its permission.
pub(crate) fn readable(brokers: &Brokers<'_>, topic: &MetadataTopic) -> Finding {
    let subject = format!("read {}", topic.name());
    let Some(partition) = topic.partitions().first() else {
        return Finding::new(Mark::Bad, subject, "the topic has no partition");
    };
    let mut list = TopicPartitionList::new();
    let assigned = list
        .add_partition_offset(topic.name(), partition.id(), Offset::End)
        .and_then(|()| brokers.client.assign(&list))
        .and_then(|()| read_once(brokers, topic.name()));
    let _ = brokers.client.unassign();
    match assigned {
        Ok(()) => Finding::new(Mark::Good, subject, "allowed"),
        Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) => {
            let fix = "brokers give out addresses of their own (advertised.listeners): can they be reached from here?";
            Finding::new(Mark::Bad, subject, format!("no answer within {:?}", brokers.timeout)).fix(fix)
        }
        Err(error) => refused(subject, &error, &format!("allow Read on topic {}", topic.name())),
    }
}

/// A record or the end of the partition are equally good news.
fn read_once(brokers: &Brokers<'_>, topic: &str) -> KafkaResult<()> {
    let end = Instant::now() + brokers.timeout;
    while Instant::now() < end {
        match brokers.client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if rdkafka::Message::topic(&message) == topic => return Ok(()),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) if is_refusal(&error) => return Err(error),
            _ => {}
        }
    }
    Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut))
}

fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        code(error),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

/// The output, and how it fits the inputs.
pub(crate) fn output(
    brokers: &Brokers<'_>,
    inputs: &[&MetadataTopic],
    settings: &TopicSettings,
    report: &mut dyn FnMut(Finding),
) {
    let name = &brokers.settings.output.topic;
    let Some(topic) = brokers.topic(name) else { return report(creatable(brokers, "output", name, widest(inputs))) };
    let count = topic.partitions().len();
    let other = inputs.iter().find(|input| input.partitions().len() != count);
    report(match other {
        None => Finding::new(Mark::Good, format!("output {name}"), partitions(topic)),
        Some(input) => {
            let says = format!("{}, but {} has {}", partitions(topic), input.name(), input.partitions().len());
            Finding::new(Mark::Doubt, format!("output {name}"), says).fix(format!(
                "lines of one partition stay together, at its number modulo {count}; equal counts keep the numbers"
            ))
        }
    });
    report(sizes(settings, inputs, name));
}

/// A topic in which something is kept beside the output.
pub(crate) fn kept(brokers: &Brokers<'_>, what: &str, name: &str, inputs: &[&MetadataTopic]) -> Finding {
    let most = widest(inputs);
    let Some(topic) = brokers.topic(name) else { return creatable(brokers, what, name, most) };
    let (subject, says) = (format!("{what} {name}"), partitions(topic));
    if what != "state" || topic.partitions().len() >= most {
        return Finding::new(Mark::Good, subject, says);
    }
    let says = format!("{says}, and the input has {most}: each keeps its state in the one of its number");
    let (mark, fix) = match brokers.settings.kafka.create_topics {
        true => (Mark::Doubt, format!("`run` gives it more at its start, which takes the right Alter on {name}")),
        false => (Mark::Bad, format!("kafka-topics.sh --alter --topic {name} --partitions {most}")),
    };
    Finding::new(mark, subject, says).fix(fix)
}

/// A topic of the alerts, which needs so many partitions.
pub(crate) fn alerting(brokers: &Brokers<'_>, what: &str, name: &str, partitions_needed: usize) -> Finding {
    let Some(topic) = brokers.topic(name) else { return creatable(brokers, what, name, partitions_needed) };
    let (subject, says) = (format!("{what} {name}"), partitions(topic));
    if topic.partitions().len() >= partitions_needed {
        return Finding::new(Mark::Good, subject, says);
    }
    let says =
        format!("{says}, and the matches topic has {partitions_needed}: what fires is kept in the one of its number");
    let fix = format!("kafka-topics.sh --alter --topic {name} --partitions {partitions_needed}");
    Finding::new(Mark::Bad, subject, says).fix(fix)
}

fn widest(inputs: &[&MetadataTopic]) -> usize {
    inputs.iter().map(|topic| topic.partitions().len()).max().unwrap_or(1)
}

/// Asks the controller whether it would create the topic, without doing it.
fn creatable(brokers: &Brokers<'_>, what: &str, name: &str, partitions: usize) -> Finding {
    let subject = format!("{what} {name}");
    let command = create_command(brokers, name, partitions);
    if !brokers.settings.kafka.create_topics {
        return Finding::new(Mark::Bad, subject, "does not exist, and kafka.create_topics is false").fix(command);
    }
    let count = i32::try_from(partitions).unwrap_or(1);
    let topic = NewTopic::new(name, count, TopicReplication::Fixed(-1));
    let options = AdminOptions::new().validate_only(true).request_timeout(Some(brokers.timeout));
    let asked = brokers
        .admin()
        .and_then(|admin| wait(admin.create_topics([&topic], &options)))
        .map(|mut answers| answers.pop());
    match asked {
        Ok(Some(Ok(_))) => {
            let says = format!("does not exist; `run` would create it with {}", counted(partitions, "partition"));
            Finding::new(Mark::Good, subject, says)
        }
        Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => {
            Finding::new(Mark::Good, subject, "is there, and may not be seen")
        }
        Ok(Some(Err((_, code)))) => {
            let grant = grant(brokers, &[Operation::Create], &format!("--topic {name}"));
            refused(
                subject,
                &KafkaError::AdminOp(code),
                &format!("it does not exist, or may not be seen: {grant}, or: {command}"),
            )
        }
        Ok(None) => {
            Finding::new(Mark::Doubt, subject, "does not exist, and the broker did not say whether it may be created")
        }
        Err(error) => refused(subject, &error, &command),
    }
}

/// A line that fits the input must fit the output, with some room for what is added.
fn sizes(settings: &TopicSettings, inputs: &[&MetadataTopic], output: &str) -> Finding {
    let subject = format!("size {output}");
    let size = |topic: &str| settings.number(topic, "max.message.bytes");
    let Some(room) = size(output) else {
        return Finding::new(Mark::Untried, subject, "not told without DescribeConfigs; the daemon does without");
    };
    let larger = inputs.iter().find_map(|input| Some((input.name(), size(input.name()).filter(|size| *size > room)?)));
    match larger {
        Some((name, size)) => {
            let says = format!("max.message.bytes is {room}, but {name} takes {size}");
            Finding::new(Mark::Doubt, subject, says)
                .fix(format!("raise max.message.bytes of {output} to {}", size + (16 << 10)))
        }
        None => Finding::new(Mark::Good, subject, format!("takes records up to {room} bytes")),
    }
}

fn partitions(topic: &MetadataTopic) -> String {
    counted(topic.partitions().len(), "partition")
}

fn create_command(brokers: &Brokers<'_>, topic: &str, partitions: usize) -> String {
    let server = brokers.first_address();
    format!("kafka-topics.sh --bootstrap-server {server} --create --topic {topic} --partitions {partitions}")
}
