//! Where a group stands in its topics, held against what the brokers still have: an offset that they have no longer ends
//! the daemon at its start.

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use super::access;
use super::brokers::{Brokers, code, refused};
use super::finding::{Finding, Mark, counted};

/// What is kept of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    low: i64,
    /// One behind the last.
    high: i64,
}

/// Asks for the group's rights and offsets, and joins nothing.
pub(crate) fn group(brokers: &Brokers<'_>, name: &str, topics: &[&MetadataTopic], report: &mut dyn FnMut(Finding)) {
    let missing = access::group(brokers, name);
    let hopeless = missing.as_ref().is_some_and(|finding| finding.mark == Mark::Bad);
    missing.into_iter().for_each(&mut *report);
    // Whoever may not read with the group is not told where it stands.
    if hopeless {
        return;
    }
    let subject = format!("group {name}");
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for partition in topic.partitions() {
            list.add_partition(topic.name(), partition.id());
        }
    }
    if list.count() == 0 {
        let says = "not tried: there is nothing yet for it to read";
        return report(Finding::new(Mark::Untried, subject, says));
    }
    match brokers.client.committed_offsets(list, brokers.timeout) {
        Ok(offsets) => stands(brokers, subject, name, &offsets, report),
        // librdkafka does not tell that a group may not be seen: it goes on asking for the coordinator.
        Err(error) if code(&error) == Some(RDKafkaErrorCode::OperationTimedOut) => {
            let says = format!("no answer within {:?}, or not allowed", brokers.timeout);
            report(Finding::new(Mark::Bad, subject, says).fix(format!("allow Read on group {name}")));
        }
        Err(error) => report(refused(subject, &error, &format!("allow Read on group {name}"))),
    }
}

fn stands(
    brokers: &Brokers<'_>,
    subject: String,
    group: &str,
    offsets: &TopicPartitionList,
    report: &mut dyn FnMut(Finding),
) {
    let all = offsets.count();
    let committed = offsets.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some((element.topic().to_owned(), element.partition(), offset)),
        _ => None,
    });
    let committed: Vec<_> = committed.collect();
    let says = match committed.len() {
        0 => "allowed; it has not read anything yet and will start at the earliest line".to_owned(),
        known => format!("allowed; has its place in {known} of {}", counted(all, "partition")),
    };
    report(Finding::new(Mark::Good, subject.clone(), says));
    for (topic, partition, offset) in committed {
        let Ok((low, high)) = brokers.client.fetch_watermarks(&topic, partition, brokers.timeout) else { continue };
        if let Some(says) = gone(offset, Held { low, high }) {
            let fix = format!(
                "to accept that and go on, stop all members of the group and run kafka-consumer-groups.sh \
                 --bootstrap-server {} --reset-offsets --to-earliest --execute --group {group} --topic {topic}:{partition}",
                brokers.first_address()
            );
            let says = format!("topic {topic} partition {partition}: {says}");
            report(Finding::new(Mark::Bad, subject.clone(), says).fix(fix));
        }
    }
}

/// Why a committed offset cannot be read from.
fn gone(offset: i64, Held { low, high }: Held) -> Option<String> {
    if offset < low {
        return Some(format!(
            "it was to read offset {offset} next, but the brokers have {low} to {high}; {} deleted before they were read",
            counted(usize::try_from(low - offset).unwrap_or(0), "offset")
                + if low - offset == 1 { " was" } else { " were" }
        ));
    }
    (offset > high).then(|| {
        format!(
            "it was to read offset {offset} next, but the brokers have {low} to {high}; the topic is shorter than what \
             was read of it: it was made anew or cut"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_there_or_it_is_told_why_not() {
        let held = Held { low: 10, high: 20 };
        assert_eq!(gone(10, held), None);
        assert_eq!(gone(20, held), None, "the next line");
        assert!(gone(7, held).unwrap().contains("3 offsets were deleted before they were read"));
        assert!(gone(9, held).unwrap().contains("1 offset was deleted"));
        assert!(gone(21, held).unwrap().contains("made anew"));
    }
}
