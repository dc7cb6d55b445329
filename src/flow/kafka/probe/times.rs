//! Which timestamps topics take, held against each other: a line goes out with the timestamp that it came with, and an
//! output that refuses some that the input takes turns such lines into dead letters.
//!
//! Which they take is read from their settings (`topic_settings`). Where a topic has `message.timestamp.type=LogAppendTime`
//! the broker sets the time itself, and refuses none.

use std::time::Duration;

use super::finding::{Finding, Mark};
use crate::flow::kafka::topic_settings::TopicSettings;

/// What we write with the time of now is refused where a limit is shorter than clocks are apart.
const CLOCKS_APART_MS: i64 = 60_000;

/// What a topic takes; no limit is `i64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    /// The broker sets the time.
    is_append_time: bool,
    /// Milliseconds that a record may be behind the broker's clock, and ahead of it.
    before_ms: i64,
    after_ms: i64,
    /// Milliseconds for which records are kept, and so may come to us.
    retention_ms: i64,
}

fn rule(settings: &TopicSettings, topic: &str) -> Option<Rule> {
    let takes = settings.takes(topic);
    Some(Rule {
        is_append_time: settings.text(topic, "message.timestamp.type")? == "LogAppendTime",
        before_ms: takes.before_ms.unwrap_or(i64::MAX),
        after_ms: takes.after_ms.unwrap_or(i64::MAX),
        retention_ms: settings.number(topic, "retention.ms").filter(|kept| *kept >= 0).unwrap_or(i64::MAX),
    })
}

/// Holds the output's rule against each input's, and says of the topics of our own what refuses the time of now.
pub(crate) fn times(
    settings: &TopicSettings,
    inputs: &[&str],
    output: &str,
    own: &[&str],
    report: &mut dyn FnMut(Finding),
) {
    let subject = format!("times {output}");
    match rule(settings, output) {
        None => report(Finding::new(Mark::Untried, subject, "not told without DescribeConfigs")),
        Some(rule) if rule.is_append_time => {
            report(Finding::new(Mark::Good, subject, "takes any, and puts its own on each line (LogAppendTime)"));
        }
        Some(rule) => against_inputs(settings, inputs, output, rule, &subject, report),
    }
    for topic in own {
        let narrow = rule(settings, topic).filter(|rule| !rule.is_append_time).and_then(narrowest);
        if let Some((name, limit)) = narrow {
            let says = format!("{name} is {limit:?}: what we write there is refused once clocks are that far apart");
            let fix =
                format!("kafka-configs.sh --alter --entity-type topics --entity-name {topic} --delete-config {name}");
            report(Finding::new(Mark::Doubt, format!("times {topic}"), says).fix(fix));
        }
    }
}

fn narrowest(rule: Rule) -> Option<(&'static str, Duration)> {
    let limits =
        [("message.timestamp.before.max.ms", rule.before_ms), ("message.timestamp.after.max.ms", rule.after_ms)];
    limits.into_iter().find(|(_, limit)| *limit < CLOCKS_APART_MS).map(|(name, limit)| (name, span(limit)))
}

fn against_inputs(
    settings: &TopicSettings,
    inputs: &[&str],
    output: &str,
    rule_of_output: Rule,
    subject: &str,
    report: &mut dyn FnMut(Finding),
) {
    let mut is_good = true;
    for input in inputs {
        let Some(input_rule) = rule(settings, input) else { continue };
        for (says, limit) in refusals(input, input_rule, rule_of_output) {
            is_good = false;
            let fix = format!(
                "raise {limit} of {output} (kafka-configs.sh --alter --entity-type topics --entity-name {output} \
                 --add-config {limit}=…), or set output.refused_time = \"now\""
            );
            report(Finding::new(Mark::Doubt, subject, says).fix(fix));
        }
    }
    if is_good {
        report(Finding::new(Mark::Good, subject, "takes whatever the input takes"));
    }
}

/// What of this input the output refuses, and by which limit.
fn refusals(input: &str, of_input: Rule, of_output: Rule) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    // With a time of the broker's own nothing comes from ahead.
    if !of_input.is_append_time && of_input.after_ms > of_output.after_ms {
        let says = format!("refuses lines more than {:?} ahead, which {input} takes", span(of_output.after_ms));
        found.push((says, "message.timestamp.after.max.ms"));
    }
    let limit = "message.timestamp.before.max.ms";
    if !of_input.is_append_time && of_input.before_ms > of_output.before_ms {
        found
            .push((format!("refuses lines more than {:?} old, which {input} takes", span(of_output.before_ms)), limit));
    } else if of_input.retention_ms > of_output.before_ms {
        let says = format!(
            "refuses lines more than {:?} old, and {input} keeps them longer: whoever is away for that long has them refused",
            span(of_output.before_ms)
        );
        found.push((says, limit));
    }
    found
}

fn span(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: [(&str, &str); 3] = [
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
        ("message.timestamp.before.max.ms", "9223372036854775807"),
    ];
    const HOUR_AHEAD: [(&str, &str); 2] =
        [("message.timestamp.type", "CreateTime"), ("message.timestamp.after.max.ms", "3600000")];

    fn told(input: &[(&str, &str)], output: &[(&str, &str)]) -> Vec<(Mark, String)> {
        let mut found = Vec::new();
        let settings = TopicSettings::of(&[("in", input), ("out", output)]);
        times(&settings, &["in"], "out", &[], &mut |finding| found.push((finding.mark, finding.says)));
        found
    }

    #[test]
    fn an_output_that_refuses_what_the_input_takes_is_told() {
        let good = vec![(Mark::Good, "takes whatever the input takes".to_owned())];
        assert_eq!(told(&OPEN, &OPEN), good);
        assert_eq!(told(&HOUR_AHEAD, &OPEN), good);
        let ahead = vec![(Mark::Doubt, "refuses lines more than 3600s ahead, which in takes".to_owned())];
        assert_eq!(told(&OPEN, &HOUR_AHEAD), ahead);
        let old = [OPEN[0], ("message.timestamp.before.max.ms", "60000")];
        assert_eq!(told(&OPEN, &old), [(Mark::Doubt, "refuses lines more than 60s old, which in takes".to_owned())]);
        let away = told(&[("message.timestamp.type", "LogAppendTime"), ("retention.ms", "604800000")], &old);
        assert!(away[0].1.contains("in keeps them longer"), "{away:?}");
        let short = [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "60000")];
        assert_eq!(told(&short, &old), good);
        assert_eq!(told(&OPEN, &[("message.timestamp.type", "LogAppendTime")])[0].0, Mark::Good);
        assert_eq!(told(&OPEN, &[])[0].0, Mark::Untried);
    }

    #[test]
    fn brokers_before_3_6_have_one_limit_for_both() {
        let old = [OPEN[0], ("message.timestamp.difference.max.ms", "1000")];
        assert_eq!(told(&OPEN, &old).len(), 2);
        assert_eq!(told(&old, &old)[0].0, Mark::Doubt, "lines wait in the input for longer");
    }

    #[test]
    fn a_limit_shorter_than_clocks_are_apart_is_told_of_our_own_topics() {
        let mut found = Vec::new();
        let narrow = [OPEN[0], ("message.timestamp.before.max.ms", "500")];
        let settings = TopicSettings::of(&[("out", &OPEN), ("state", &narrow), ("dead", &HOUR_AHEAD)]);
        times(&settings, &[], "out", &["state", "dead"], &mut |finding| found.push(finding));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].subject == "times state" && found[1].says.contains("500ms"), "{found:?}");
    }
}
