//! Which rights the daemon needs, which of them are missing, and the commands that grant them. Asking writes nothing.

use rdkafka::metadata::MetadataTopic;

use super::brokers::{Brokers, option};
use super::finding::{Finding, Mark, counted};
use super::handshake::subject_of_ours;
use crate::flow::Settings;
use crate::flow::kafka::Code;
use crate::flow::kafka::raw::rights::{self, Operation, Rights};
use crate::sanitize::secrets::user_name;

/// A topic, and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    topic: String,
    /// Without these the daemon ends.
    needed: Vec<Operation>,
    /// Without these it goes on.
    wanted: Vec<Operation>,
}

/// What is known of the rights, once they were asked for.
pub(crate) struct Access {
    topics: Vec<(Need, Result<Rights, Code>)>,
}

impl Access {
    /// Asks for the rights on all topics that are read or written.
    ///
    /// # Errors
    /// Why the brokers did not answer.
    pub(crate) fn ask(brokers: &Brokers<'_>, inputs: &[&MetadataTopic]) -> Result<Self, Finding> {
        let inputs: Vec<&str> = inputs.iter().map(|topic| topic.name()).collect();
        let needs = needs(brokers.settings, &inputs);
        let names: Vec<&str> = needs.iter().map(|need| need.topic.as_str()).collect();
        let answers = rights::of_topics(&brokers.client, &names, brokers.timeout)
            .map_err(|code| Finding::new(Mark::Untried, "rights", format!("not told: {code}")))?;
        Ok(Self { topics: needs.into_iter().zip(answers).collect() })
    }

    /// One line for all that is well, and one for each topic to which a right is missing.
    pub(crate) fn tell(&self, brokers: &Brokers<'_>, report: &mut dyn FnMut(Finding)) {
        let mut good = 0;
        for (need, answer) in &self.topics {
            let findings =
                judged(need, answer, &|operations| grant(brokers, operations, &format!("--topic {}", need.topic)));
            good += usize::from(findings.is_empty());
            findings.into_iter().for_each(&mut *report);
        }
        if good > 0 {
            report(Finding::new(Mark::Good, "rights", format!("all that are needed on {}", counted(good, "topic"))));
        }
    }

    /// Whether the brokers surely let us read this topic, or surely do not; `None` where they do not tell.
    pub(crate) fn may_read(&self, topic: &str) -> Option<bool> {
        let (_, answer) = self.topics.iter().find(|(need, _)| need.topic == topic)?;
        Some(answer.as_ref().ok()?.as_ref()?.contains(&Operation::Read))
    }

    /// Whether the brokers do not even show us this topic, be it there or not.
    pub(crate) fn is_hidden(&self, topic: &str) -> bool {
        let answer = self.topics.iter().find(|(need, _)| need.topic == topic);
        answer.is_some_and(|(_, answer)| *answer == Err(Code::TopicAuthorizationFailed))
    }
}

/// What this process does with its topics, by its roles; one that it only looks up must be seen.
fn needs(settings: &Settings, inputs: &[&str]) -> Vec<Need> {
    use Operation::{Delete, Describe, Read, Write};
    let named = settings.input.topics.iter().map(String::as_str).filter(|input| !input.starts_with('^'));
    let mut read: Vec<&str> = inputs.iter().copied().chain(named).collect();
    read.sort_unstable();
    read.dedup();
    let mut needs = Vec::new();
    let mut need = |topic: &str, done: &[(bool, Operation)], wanted: &[Operation]| {
        let mut needed: Vec<Operation> = done.iter().filter(|(is_done, _)| *is_done).map(|(_, what)| *what).collect();
        if needed.is_empty() {
            needed.push(Describe);
        }
        needs.push(Need { topic: topic.to_owned(), needed, wanted: wanted.to_vec() });
    };
    let (classify, alert) = (settings.roles.classify, settings.roles.alert);
    read.into_iter().for_each(|topic| need(topic, &[(classify, Read)], &[]));
    need(&settings.output.topic, &[(classify, Write)], &[]);
    settings.state.iter().for_each(|topic| need(topic, &[(classify, Read), (classify, Write)], &[]));
    settings.dead_letter.iter().for_each(|topic| need(topic, &[(classify, Write)], &[]));
    if let Some(alerts) = &settings.alerts {
        need(&alerts.matches, &[(alert, Read), (classify, Write)], if alert { &[Delete] } else { &[] });
        need(&alerts.topic, &[(alert, Read), (alert, Write)], &[]);
    }
    needs
}

/// What is to be said of a topic; nothing where all is well.
fn judged(need: &Need, answer: &Result<Rights, Code>, grant: &dyn Fn(&[Operation]) -> String) -> Vec<Finding> {
    let Need { topic, needed, wanted } = need;
    let subject = format!("rights {topic}");
    match answer {
        Ok(Some(rights)) => {
            let missing = |asked: &[Operation]| -> Vec<Operation> {
                asked.iter().copied().filter(|operation| !rights.contains(operation)).collect()
            };
            let missing = [(Mark::Bad, missing(needed)), (Mark::Doubt, missing(wanted))];
            let told = missing.into_iter().filter(|(_, operations)| !operations.is_empty());
            told.map(|(mark, operations)| {
                let consequence = if mark == Mark::Doubt { ", and what nobody will read again stays" } else { "" };
                let says = format!("{}{consequence}", missing_words(&operations));
                Finding::new(mark, subject.clone(), says).fix(grant(&operations))
            })
            .collect()
        }
        Ok(None) => vec![Finding::new(
            Mark::Untried,
            subject,
            format!("these brokers do not tell; needed is {}", names(needed)),
        )],
        Err(Code::TopicAuthorizationFailed) => {
            let says = format!("it may not be seen, whether or not it is there; needed is {}", names(needed));
            vec![Finding::new(Mark::Bad, subject, says).fix(grant(needed))]
        }
        Err(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            let says = format!("not told of a topic that is not there; needed is {}: {}", names(needed), grant(needed));
            vec![Finding::new(Mark::Untried, subject, says)]
        }
        Err(code) => vec![Finding::new(Mark::Untried, subject, format!("not told: {code}"))],
    }
}

/// The right to be a member of a group, and to commit.
pub(crate) fn group(brokers: &Brokers<'_>, name: &str) -> Option<Finding> {
    let subject = format!("rights group {name}");
    let fix = || grant(brokers, &[Operation::Read], &format!("--group {name}"));
    match rights::of_group(&brokers.client, name, brokers.timeout) {
        Ok(Some(rights)) if !rights.contains(&Operation::Read) => {
            Some(Finding::new(Mark::Bad, subject, missing_words(&[Operation::Read])).fix(fix()))
        }
        Ok(_) => None,
        Err(Code::GroupAuthorizationFailed) => {
            Some(Finding::new(Mark::Bad, subject, "it may not be seen; needed is Read").fix(fix()))
        }
        Err(Code::OperationTimedOut | Code::RequestTimedOut) => {
            let says =
                format!("no answer within {:?}; most likely it may not be seen, and needed is Read", brokers.timeout);
            Some(Finding::new(Mark::Bad, subject, says).fix(fix()))
        }
        Err(code) => Some(Finding::new(Mark::Untried, subject, format!("not told: {code}"))),
    }
}

fn missing_words(operations: &[Operation]) -> String {
    match operations {
        [one] => format!("the right {one:?} is missing"),
        several => format!("the rights {} are missing", names(several)),
    }
}

fn names(operations: &[Operation]) -> String {
    operations.iter().map(|operation| format!("{operation:?}")).collect::<Vec<_>>().join(" and ")
}

/// The command that grants these rights on something.
pub(crate) fn grant(brokers: &Brokers<'_>, operations: &[Operation], on: &str) -> String {
    let operations: String = operations.iter().map(|operation| format!(" --operation {operation:?}")).collect();
    format!(
        "kafka-acls.sh --bootstrap-server {} --add --allow-principal {}{operations} {on}",
        brokers.first_address(),
        principal(brokers.settings)
    )
}

/// Whom the brokers take us for, unless they have rules of their own for names.
fn principal(settings: &Settings) -> String {
    let user = option(settings, "sasl.username")
        .map(|name| user_name(name).into_owned())
        .or_else(|| subject_of_ours(settings));
    let user = format!("User:{}", user.as_deref().unwrap_or("ANONYMOUS"));
    if user.contains([' ', ';', '"']) { format!("'{user}'") } else { user }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: Result<Rights, Code>) -> Vec<(Mark, String)> {
        let need = Need {
            topic: "m".into(),
            needed: vec![Operation::Read, Operation::Write],
            wanted: vec![Operation::Delete],
        };
        let findings = judged(&need, &answer, &|operations| format!("grant {operations:?}"));
        findings
            .into_iter()
            .map(|found| (found.mark, format!("{} → {}", found.says, found.fix.unwrap_or_default())))
            .collect()
    }

    #[test]
    fn what_is_missing_is_told_with_its_grant() {
        use Operation::{Delete, Describe, Read, Write};
        assert_eq!(told(Ok(Some(vec![Read, Write, Delete, Describe]))), []);
        assert_eq!(
            told(Ok(Some(vec![Read, Describe]))),
            [
                (Mark::Bad, "the right Write is missing → grant [Write]".to_owned()),
                (
                    Mark::Doubt,
                    "the right Delete is missing, and what nobody will read again stays → grant [Delete]".to_owned()
                ),
            ]
        );
        assert_eq!(told(Ok(Some(vec![])))[0].1, "the rights Read and Write are missing → grant [Read, Write]");
        assert_eq!(told(Err(Code::TopicAuthorizationFailed))[0].0, Mark::Bad);
        assert_eq!(told(Err(Code::UnknownTopicOrPartition))[0].0, Mark::Untried);
        assert_eq!(told(Ok(None))[0].0, Mark::Untried);
    }

    #[test]
    fn every_topic_of_the_configuration_is_asked_for() {
        let mut settings = crate::flow::test_settings();
        settings.input.topics = vec!["in".into(), "^logs.*".into()];
        settings.state = Some("state".into());
        settings.dead_letter = Some("dead".into());
        let needs = needs(&settings, &["in", "logs.eu"]);
        let told: Vec<String> = needs.iter().map(|need| format!("{} {:?}", need.topic, need.needed)).collect();
        assert_eq!(told, ["in [Read]", "logs.eu [Read]", "out [Write]", "state [Read, Write]", "dead [Write]"]);
    }

    #[test]
    fn who_only_counts_alerts_needs_to_see_the_other_topics() {
        let mut settings = crate::flow::test_settings();
        settings.roles.classify = false;
        let told: Vec<String> =
            needs(&settings, &["in"]).iter().map(|need| format!("{} {:?}", need.topic, need.needed)).collect();
        assert_eq!(told, ["in [Describe]", "out [Describe]"]);
    }
}
