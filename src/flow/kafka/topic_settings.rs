//! What brokers tell of topics' settings, asked for in one request (DescribeConfigs), and what of them says which records a
//! topic takes. Without the right to ask there is no error, only no answer.
//!
//! Brokers since 3.6 have two limits for timestamps, and since 4.0 `message.timestamp.after.max.ms` is an hour unless set;
//! until 3.9 the one limit from before them counts where the newer ones were left as they are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::raw::{self, Native};
use crate::flow::Settings;
use crate::flow::takes::{Takes, Told};

/// See the top of the file.
#[derive(Debug, Default)]
pub(super) struct TopicSettings(BTreeMap<String, BTreeMap<String, String>>);

impl TopicSettings {
    /// Asks for all settings of these topics, and waits for so long and a little more. What a broker does not tell is left out.
    pub(super) fn ask(client: &dyn Native, topics: &[&str], time: Duration) -> Result<Self, String> {
        let told = raw::topic_settings(client, topics, time)?;
        Ok(Self(told.into_iter().map(|(topic, settings)| (topic, settings.into_iter().collect())).collect()))
    }

    /// A number of a topic that is told.
    pub(super) fn number(&self, topic: &str, name: &str) -> Option<i64> {
        self.text(topic, name)?.parse().ok()
    }

    pub(super) fn text(&self, topic: &str, name: &str) -> Option<&str> {
        self.0.get(topic)?.get(name).map(String::as_str)
    }

    /// Whether anything is told of a topic.
    pub(super) fn tells(&self, topic: &str) -> bool {
        self.0.contains_key(topic)
    }

    /// Which records a topic takes.
    pub(super) fn takes(&self, topic: &str) -> Takes {
        // The broker sets the time itself, and refuses none.
        let is_append_time = self.text(topic, "message.timestamp.type") == Some("LogAppendTime");
        let limit = |name: &str| if is_append_time { Some(i64::MAX) } else { self.time_limit(topic, name) };
        // A batch that no segment has room for is refused as well.
        let sizes = ["max.message.bytes", "segment.bytes"].map(|name| self.number(topic, name));
        Takes {
            bytes: sizes.into_iter().flatten().min().and_then(|bytes| usize::try_from(bytes).ok()),
            before_ms: limit("message.timestamp.before.max.ms"),
            after_ms: limit("message.timestamp.after.max.ms"),
            needs_key: self.text(topic, "cleanup.policy").is_some_and(|policy| policy.contains("compact")),
        }
    }

    /// Milliseconds; `i64::MAX` where there is no limit, nothing where nothing is told.
    fn time_limit(&self, topic: &str, name: &str) -> Option<i64> {
        self.tells(topic).then(|| {
            let both = || self.number(topic, "message.timestamp.difference.max.ms");
            self.number(topic, name).filter(|limit| *limit != i64::MAX).or_else(both).unwrap_or(i64::MAX)
        })
    }

    /// What the topics that are written take. One that is not there at the moment, or may not be asked about any more, is
    /// taken to be what it was.
    pub(super) fn told(&self, settings: &Settings, before: Told) -> Told {
        let takes = |topic: Option<&String>, before: Takes| {
            topic.filter(|topic| self.tells(topic)).map_or(before, |topic| self.takes(topic))
        };
        let alerts = settings.alerts.as_ref();
        Told {
            output: takes(Some(&settings.output.topic), before.output),
            dead_letter: takes(settings.dead_letter.as_ref(), before.dead_letter),
            state: takes(settings.state.as_ref(), before.state),
            matches: takes(alerts.map(|alerts| &alerts.matches), before.matches),
            alerts: takes(alerts.map(|alerts| &alerts.topic), before.alerts),
        }
    }

    #[cfg(test)]
    pub(super) fn of(topics: &[(&str, &[(&str, &str)])]) -> Self {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let one =
            |(topic, settings): &(&str, &[(&str, &str)])| ((*topic).to_owned(), settings.iter().map(text).collect());
        Self(topics.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(settings: &[(&str, &str)]) -> Takes {
        TopicSettings::of(&[("out", settings)]).takes("out")
    }

    #[test]
    fn what_a_topic_takes_stands_in_its_settings() {
        let told = takes(&[
            ("max.message.bytes", "3000"),
            ("segment.bytes", "1000000"),
            ("message.timestamp.type", "CreateTime"),
            ("message.timestamp.before.max.ms", "9223372036854775807"),
            ("message.timestamp.after.max.ms", "3600000"),
            ("cleanup.policy", "delete,compact"),
        ]);
        let expected =
            Takes { bytes: Some(3000), before_ms: Some(i64::MAX), after_ms: Some(3_600_000), needs_key: true };
        assert_eq!(told, expected);
        assert_eq!(takes(&[("max.message.bytes", "3000000"), ("segment.bytes", "1000")]).bytes, Some(1000));
        assert_eq!(TopicSettings::default().takes("out"), Takes::default(), "nothing is told");
    }

    #[test]
    fn where_the_broker_sets_the_time_it_refuses_none() {
        let told = takes(&[("message.timestamp.type", "LogAppendTime"), ("message.timestamp.after.max.ms", "1")]);
        assert_eq!((told.before_ms, told.after_ms), (Some(i64::MAX), Some(i64::MAX)));
    }

    #[test]
    fn the_older_limit_counts_where_the_newer_ones_were_left_alone() {
        let any = "9223372036854775807";
        let told = takes(&[
            ("message.timestamp.difference.max.ms", "5000"),
            ("message.timestamp.before.max.ms", any),
            ("message.timestamp.after.max.ms", "7000"),
        ]);
        assert_eq!((told.before_ms, told.after_ms), (Some(5000), Some(7000)));
        let before_3_6 = takes(&[("message.timestamp.difference.max.ms", "5000")]);
        assert_eq!((before_3_6.before_ms, before_3_6.after_ms), (Some(5000), Some(5000)));
    }
}
