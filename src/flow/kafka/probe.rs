//! Tries the way to the brokers step by step and says of each step how it went, and what to do where it went wrong.
//!
//! No group is joined, no topic is created, and nothing is written but, exactly once, a transactional id of the probe's
//! own that the brokers forget again: a probe may run beside the daemon. Each step tells one or more [`Finding`]s as soon as
//! it knows; a step that the others stand on ends the walk when it fails.
//!
//! `connection` tries each address (`greeting`: is it Kafka? `handshake`: does TLS hold?), `brokers` is the client once
//! it is connected (`causes`: why it is not), `topics` looks at what is there, `access` at rights, `transactions` at the one
//! that cannot be asked for, `places` at what groups have read, `times` at the timestamps that topics take.

mod access;
mod brokers;
mod causes;
mod connection;
mod finding;
mod greeting;
mod handshake;
mod places;
mod times;
mod topics;
mod transactions;

use std::time::Duration;

use rdkafka::metadata::MetadataTopic;

use super::topics::MATCHES_PARTITIONS;
use crate::flow::alerts;
use crate::flow::{Mode, Settings};
use access::Access;
use brokers::Brokers;
use connection::Connector;

pub use finding::{Finding, Mark};

/// Walks the way; each step may take this long.
pub fn probe(settings: &Settings, timeout: Duration, report: &mut dyn FnMut(Finding)) {
    let connector = match Connector::new(settings, timeout) {
        Ok(connector) => connector,
        Err(finding) => return report(finding),
    };
    let mut reached = false;
    for address in settings.kafka.bootstrap_servers.split(',') {
        let finding = connector.connect(address);
        reached |= finding.mark == Mark::Good;
        report(finding);
    }
    if !reached {
        return;
    }
    match Brokers::connect(settings, timeout) {
        Ok((brokers, finding)) => {
            report(finding);
            // Only the bad ones: there may be a hundred.
            let others = brokers.other_addresses().into_iter().map(|address| connector.connect(&address));
            others.filter(|finding| finding.mark != Mark::Good).for_each(&mut *report);
            walk(&brokers, report);
        }
        Err(finding) => report(finding),
    }
}

fn walk(brokers: &Brokers<'_>, report: &mut dyn FnMut(Finding)) {
    let settings = brokers.settings;
    let inputs = topics::inputs(brokers);
    let access = Access::ask(brokers, &inputs);
    let is_hidden = |name: &str| access.as_ref().is_ok_and(|access| access.is_hidden(name));
    topics::tell_inputs(brokers, &is_hidden, report);
    // Who surely may not read is told so once, below.
    let may_not =
        |topic: &&MetadataTopic| access.as_ref().is_ok_and(|access| access.may_read(topic.name()) == Some(false));
    let read = inputs.iter().filter(|topic| settings.roles.classify && !may_not(topic));
    read.for_each(|topic| report(topics::readable(brokers, topic)));
    let own = own_topics(settings);
    let configured: Vec<&str> =
        inputs.iter().map(|topic| topic.name()).chain(own.iter().map(|(_, name)| *name)).collect();
    let there: Vec<&str> = configured.into_iter().filter(|name| brokers.topic(name).is_some()).collect();
    let told = brokers.topic_settings(&there);
    topics::output(brokers, &inputs, &told, report);
    for (what, name) in own.iter().filter(|(what, _)| ["state", "dead letters"].contains(what)) {
        report(topics::kept(brokers, what, name, &inputs));
    }
    if let Some(alerts) = &settings.alerts {
        let counted =
            brokers.topic(&alerts.matches).map_or(MATCHES_PARTITIONS as usize, |topic| topic.partitions().len());
        report(topics::alerting(brokers, "matches", &alerts.matches, counted));
        report(topics::alerting(brokers, "alerts", &alerts.topic, counted));
    }
    let names: Vec<&str> = inputs.iter().map(|topic| topic.name()).collect();
    let written: Vec<&str> = own.iter().skip(1).map(|(_, name)| *name).filter(|name| there.contains(name)).collect();
    if there.contains(&settings.output.topic.as_str()) {
        times::times(&told, &names, &settings.output.topic, &written, report);
    }
    match access {
        Ok(access) => access.tell(brokers, report),
        Err(finding) => report(finding),
    }
    groups(brokers, &inputs, report);
}

/// The topics that we write, the output first, and what they are.
fn own_topics(settings: &Settings) -> Vec<(&'static str, &str)> {
    let mut own = vec![("output", settings.output.topic.as_str())];
    own.extend(settings.state.iter().map(|name| ("state", name.as_str())));
    own.extend(settings.dead_letter.iter().map(|name| ("dead letters", name.as_str())));
    if let Some(alerts) = &settings.alerts {
        own.extend([("matches", alerts.matches.as_str()), ("alerts", alerts.topic.as_str())]);
    }
    own
}

/// The group of the lines, and that of the alerts, as this process has roles.
fn groups(brokers: &Brokers<'_>, inputs: &[&MetadataTopic], report: &mut dyn FnMut(Finding)) {
    let settings = brokers.settings;
    let mut names = Vec::new();
    if settings.roles.classify {
        places::group(brokers, &settings.kafka.group_id, inputs, report);
        names.push(settings.kafka.group_id.clone());
    }
    if let Some(alerts) = settings.alerts.as_ref().filter(|_| settings.roles.alert) {
        let group = alerts::settings(settings, alerts).kafka.group_id;
        let matches: Vec<&MetadataTopic> = brokers.topic(&alerts.matches).into_iter().collect();
        places::group(brokers, &group, &matches, report);
        names.push(group);
    }
    if settings.delivery.mode == Mode::ExactlyOnce {
        names.iter().for_each(|group| report(transactions::transactions(brokers, group)));
    }
}
