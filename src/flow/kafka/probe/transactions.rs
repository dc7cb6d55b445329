//! The right to transactions. Brokers do not tell it, so it is tried, with a name of the probe's own that begins as those
//! of the daemon do; the brokers forget it by themselves (`transactional.id.expiration.ms`). Nothing is sent with it.

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::access::grant;
use super::brokers::{Brokers, plain_config, refused};
use super::finding::{Finding, Mark};
use crate::flow::kafka::clients::transaction_timeout;
use crate::flow::kafka::raw::rights::Operation;

/// Tries it for a group.
pub(crate) fn transactions(brokers: &Brokers<'_>, group: &str) -> Finding {
    let settings = brokers.settings;
    let id = format!("{group}/{}/config-check", settings.delivery.instance);
    let subject = format!("transactions {group}/");
    let mut config = plain_config(settings, brokers.timeout);
    settings.output.options.iter().for_each(|(name, value)| _ = config.set(name, value));
    let timeout_ms = transaction_timeout(settings).as_millis().to_string();
    config
        .set("transactional.id", &id)
        .set("transaction.timeout.ms", &timeout_ms)
        // librdkafka insists that no request outlasts the transaction.
        .set("socket.timeout.ms", &timeout_ms)
        .set("message.timeout.ms", &timeout_ms);
    let tried = config.create::<BaseProducer>().and_then(|producer| producer.init_transactions(brokers.timeout));
    let Err(error) = tried else {
        return Finding::new(Mark::Good, subject, format!("allowed (tried as {id})"));
    };
    let operations = [Operation::Write, Operation::Describe];
    let fix = grant(brokers, &operations, &format!("--transactional-id {group}/ --resource-pattern-type prefixed"));
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => {
            let says = "the rights Write and Describe on transactional ids that begin so are missing";
            Finding::new(Mark::Bad, subject, says).fix(fix)
        }
        Some(RDKafkaErrorCode::InvalidTransactionTimeout) => {
            let says = format!("the brokers do not take transactions of {timeout_ms} ms");
            let fix = "raise transaction.max.timeout.ms of the brokers, or shorten session.timeout.ms";
            Finding::new(Mark::Bad, subject, says).fix(fix)
        }
        _ => refused(subject, &error, &format!("if it is a matter of rights: {fix}")),
    }
}
