//! Whose a refusal is: the brokers' and the client's errors about a record, and what each of them says of it.
//!
//! Records travel in batches, and brokers refuse a batch as a whole. Most of their errors are about one of its records,
//! and nobody says which; where they do, the client does not hand it on reliably. So no code condemns a record by itself:
//! only one that was alone on its way is told apart from its neighbours (`trouble`).

use crate::flow::kafka::Code;

/// See the top of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Its own, or that of another record of its batch.
    Record,
    /// Surely another's: it came back with something that was refused, or because its producer has come to an end.
    Another,
    /// Nobody's: it may pass by itself, or when somebody mends the topic.
    Passing,
    /// All records', until a person does something.
    Everybody,
    /// All records', until a person grants a right.
    Denied,
    /// It is not in the table.
    Unknown,
}

const TABLE: &[(Code, Whose)] = &[
    // The topic's max.message.bytes; the client says the same of a single record before it is sent.
    (Code::MessageSizeTooLarge, Whose::Record),
    // The topic's segment.bytes.
    (Code::MessageBatchTooLarge, Whose::Record),
    // message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic.
    (Code::InvalidTimestamp, Whose::Record),
    // No key on a compacted topic; whatever else a broker is made to look at, such as schemas.
    (Code::InvalidRecord, Whose::Record),
    // The same from brokers before 2.4.
    (Code::InvalidMessage, Whose::Record),
    (Code::InvalidMessageSize, Whose::Record),
    // Headers, on a topic that is kept in a format from before them.
    (Code::UnsupportedForMessageFormat, Whose::Record),
    (Code::InvalidDifferentRecord, Whose::Another),
    (Code::PurgeQueue, Whose::Another),
    (Code::Fatal, Whose::Another),
    (Code::GaplessGuarantee, Whose::Another),
    (Code::State, Whose::Another),
    // What was sent behind a refused batch before its refusal was known: the numbers between are missing.
    (Code::OutOfOrderSequenceNumber, Whose::Another),
    (Code::UnknownTopic, Whose::Passing),
    (Code::UnknownPartition, Whose::Passing),
    (Code::UnknownTopicOrPartition, Whose::Passing),
    (Code::MessageTimedOut, Whose::Passing),
    (Code::NotLeaderForPartition, Whose::Passing),
    (Code::LeaderNotAvailable, Whose::Passing),
    (Code::NotEnoughReplicas, Whose::Passing),
    (Code::KafkaStorageError, Whose::Passing),
    (Code::ThrottlingQuotaExceeded, Whose::Passing),
    (Code::InvalidTopic, Whose::Everybody),
    (Code::PolicyViolation, Whose::Everybody),
    (Code::UnsupportedCompressionType, Whose::Everybody),
    (Code::InvalidRequiredAcks, Whose::Everybody),
    (Code::TopicAuthorizationFailed, Whose::Denied),
    (Code::ClusterAuthorizationFailed, Whose::Denied),
    (Code::TransactionalIdAuthorizationFailed, Whose::Denied),
];

pub(super) fn whose(code: Code) -> Whose {
    TABLE.iter().find(|(known, _)| *known == code).map_or(Whose::Unknown, |(_, whose)| *whose)
}

/// Whether it says that another producer has our name, which whoever ends the transaction hears too.
pub(super) fn is_fencing(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::InvalidProducerEpoch | Code::ProducerFenced)
}

/// Whether the client's producer has come to its end with it: of what it sends the brokers miss a number, or it takes
/// nothing more. A passing error has been tried again by the client itself, and leaves no gap.
pub(super) fn ends_the_producer(code: Code) -> bool {
    match whose(code) {
        Whose::Passing => false,
        Whose::Another => code != Code::PurgeQueue,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_stands_in_the_table_once() {
        for (index, (code, _)) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|(other, _)| other != code), "{code:?}");
        }
    }

    #[test]
    fn what_nobody_knows_condemns_no_record() {
        assert_eq!(whose(Code::Unknown), Whose::Unknown);
        assert_eq!(whose(Code::InvalidTimestamp), Whose::Record);
        assert!(ends_the_producer(Code::InvalidTimestamp) && !ends_the_producer(Code::UnknownTopic));
    }
}
