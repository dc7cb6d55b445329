//! The part of librdkafka's statistics that lag is told from, and which partitions nothing comes to.
//!
//! That a partition is read to its end is taken from here, and not from the client's event at the end of a partition
//! (`enable.partition.eof`), which would say it at the moment at which it is so. Two things speak against that event. Taken
//! out of the queue many at a time, as records are, it moves the client's position one too far, and the next line would be
//! passed over (see `positions`, which goes by the position itself and needs no event). And a partition in which nothing comes
//! gives one event and then none, whether its broker still answers or is long gone; so these statistics would have to be
//! looked at all the same, and the event would spare none of what follows. What it would bring is that a partition is known
//! to be quiet some three seconds earlier after it was given to us ([`NEW_MS`]), in a minute's margin
//! ([`crate::alert::IDLE_BEHIND_MS`]).

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

use crate::flow::real_time;
use crate::flow::status::WorkerStatus;
use crate::flow::transport::Partition;

/// When partitions were known to be read to their ends.
///
/// Of a partition that was given anew, or read from elsewhere, the client tells for a while where it stood before.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Of the statistics that said so, milliseconds since 1970 by the clock that is believed.
    idle: HashMap<(String, i32), i64>,
    /// When reading began, or went elsewhere.
    began: HashMap<(String, i32), i64>,
}

/// Statistics this much younger than the beginning speak of what was read since: a broker that answers has then told
/// anew where the partition ends, many times over.
const NEW_MS: i64 = 3_000;

impl Ends {
    /// Takes in what the client says.
    pub(super) fn hear(&mut self, statistics: &Statistics) {
        // By a wall clock that has just jumped, nothing is known of when that was.
        let idle = real_time::of(statistics.wall_ms()).map(|time| statistics.idle(time));
        self.heard(idle.unwrap_or_default(), real_time::now_ms());
    }

    fn heard(&mut self, idle: HashMap<(String, i32), i64>, now_ms: i64) {
        // The time that is believed may have gone back since reading began.
        self.began.values_mut().for_each(|began| *began = now_ms.min(*began));
        self.idle = idle;
    }

    /// A partition is read from somewhere from now on.
    pub(super) fn begins(&mut self, partition: &Partition, now_ms: i64) {
        self.began.insert((partition.topic.to_string(), partition.number), now_ms);
    }

    /// The last moment at which a partition was surely read to its end.
    pub(super) fn idle(&self, partition: &Partition) -> Option<i64> {
        let place = (partition.topic.to_string(), partition.number);
        let (idle, began) = (*self.idle.get(&place)?, *self.began.get(&place)?);
        (idle >= began.saturating_add(NEW_MS)).then_some(idle)
    }
}

/// See the top of the file.
#[derive(Deserialize)]
pub(super) struct Statistics {
    /// Wall clock, seconds since 1970.
    #[serde(default)]
    time: i64,
    #[serde(default)]
    brokers: HashMap<String, BrokerStatistics>,
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    nodeid: i32,
    state: String,
    /// Microseconds since it last sent anything, negative when it never did.
    rxidle: i64,
    /// Answers that it held back since the last statistics.
    #[serde(default)]
    throttle: Held,
}

#[derive(Default, Deserialize)]
struct Held {
    #[serde(default)]
    cnt: i64,
    /// Milliseconds.
    #[serde(default)]
    max: i64,
}

/// A broker that was asked for lines answers within `fetch.wait.max.ms`, also when there are none.
const SILENCE_MAX_MICROS: i64 = 2_000_000;

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<String, PartitionStatistics>,
}

/// Offsets are negative while unknown.
#[derive(Deserialize)]
struct PartitionStatistics {
    partition: i32,
    /// The broker that it is fetched from, negative while there is none.
    #[serde(default = "nobody")]
    broker: i32,
    #[serde(default)]
    fetch_state: String,
    #[serde(default)]
    fetchq_cnt: i64,
    /// What will be fetched next.
    next_offset: i64,
    lo_offset: i64,
    hi_offset: i64,
    /// The end for a reader of committed lines.
    ls_offset: i64,
}

fn nobody() -> i32 {
    -1
}

impl Statistics {
    /// Milliseconds since 1970, by the wall clock.
    fn wall_ms(&self) -> i64 {
        self.time.saturating_mul(1000).saturating_add(real_time::shift_ms())
    }

    /// The partitions that are read to their ends, whatever transactions are open in them, and whose broker would have
    /// told of more; with the time at which that was so.
    fn idle(&self, time: i64) -> HashMap<(String, i32), i64> {
        let answers = |nodeid: i32| {
            self.brokers.values().any(|broker| {
                let is_heard = (0..SILENCE_MAX_MICROS).contains(&broker.rxidle);
                broker.nodeid == nodeid && broker.state == "UP" && is_heard
            })
        };
        let at_its_end = |partition: &&PartitionStatistics| {
            let read = partition.hi_offset >= 0 && partition.next_offset >= partition.hi_offset;
            read && partition.fetchq_cnt == 0 && partition.fetch_state == "active" && answers(partition.broker)
        };
        let of_topic = |(topic, statistics): (&String, &TopicStatistics)| {
            let idle: Vec<_> = statistics.partitions.values().filter(at_its_end).collect();
            idle.into_iter().map(|one| ((topic.clone(), one.partition), time)).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(of_topic).collect()
    }

    /// How many answers brokers held back, as quotas have it, and for how long at most.
    pub(super) fn throttled(&self) -> (u64, Duration) {
        let held = || self.brokers.values().map(|broker| &broker.throttle).filter(|held| held.cnt > 0);
        let longest = held().map(|held| held.max.unsigned_abs()).max().unwrap_or(0);
        (held().map(|held| held.cnt.unsigned_abs()).sum(), Duration::from_millis(longest))
    }

    /// Tells how far each partition reaches.
    pub(super) fn tell(&self, status: &WorkerStatus) {
        for (topic, statistics) in &self.topics {
            for partition in statistics.partitions.values() {
                let end = if partition.ls_offset >= 0 { partition.ls_offset } else { partition.hi_offset };
                if end < 0 {
                    continue;
                }
                // With nothing in the queue, all before the next fetch was handed over, transaction markers at the
                // end included, which never reach us as lines.
                let read_to = if partition.fetchq_cnt == 0 { partition.next_offset } else { -1 };
                status.reaches(topic, partition.partition, partition.lo_offset, end, read_to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_who_is_read_to_the_end_on_a_broker_that_answers() {
        let statistics = |next: i64, state: &str, rxidle: i64, broker: i32, waiting: i64| {
            let json = format!(
                r#"{{"brokers":{{"b:9092/1":{{"nodeid":1,"state":"{state}","rxidle":{rxidle}}}}},
                "topics":{{"logs":{{"partitions":{{"3":{{"partition":3,"broker":{broker},"fetch_state":"active",
                "fetchq_cnt":{waiting},"next_offset":{next},"lo_offset":0,"hi_offset":100,"ls_offset":95}}}}}}}}}}"#
            );
            serde_json::from_str::<Statistics>(&json).unwrap().idle(1_790_000_000_000)
        };
        let idle = HashMap::from([(("logs".to_owned(), 3), 1_790_000_000_000)]);
        assert_eq!(statistics(100, "UP", 90_000, 1, 0), idle);
        for (next, state, rxidle, broker, waiting) in [
            // A transaction is open at 95.
            (95, "UP", 90_000, 1, 0),
            (100, "DOWN", 90_000, 1, 0),
            (100, "UP", 5_000_000, 1, 0),
            (100, "UP", -1, 1, 0),
            (100, "UP", 90_000, -1, 0),
            (100, "UP", 90_000, 1, 7),
        ] {
            assert_eq!(statistics(next, state, rxidle, broker, waiting), HashMap::new());
        }
    }

    /// A partition came back at its beginning, and the client still told of its end: all of it was taken for late.
    #[test]
    fn what_was_so_before_a_partition_came_back_is_no_news() {
        let at = |time: i64| {
            let json = format!(
                r#"{{"time":{time},"brokers":{{"b:9092/1":{{"nodeid":1,"state":"UP","rxidle":9}}}},"topics":{{"logs":{{"partitions":
                {{"3":{{"partition":3,"broker":1,"fetch_state":"active","next_offset":9,"lo_offset":0,"hi_offset":9,"ls_offset":9}}}}}}}}}}"#
            );
            serde_json::from_str::<Statistics>(&json).unwrap()
        };
        let partition = Partition { topic: "logs".into(), number: 3 };
        let mut ends = Ends::default();
        ends.hear(&at(100));
        assert_eq!(ends.idle(&partition), None, "it is not ours");
        ends.begins(&partition, 100_500);
        assert_eq!(ends.idle(&partition), None);
        ends.hear(&at(103));
        assert_eq!(ends.idle(&partition), None);
        ends.hear(&at(104));
        assert_eq!(ends.idle(&partition), Some(104_000));
        ends.begins(&partition, 104_200);
        assert_eq!(ends.idle(&partition), None, "it went back");
    }

    /// The time that was believed was an hour ahead, and was put right.
    #[test]
    fn a_partition_is_at_its_end_also_when_the_time_went_back() {
        let partition = Partition { topic: "logs".into(), number: 3 };
        let mut ends = Ends::default();
        ends.begins(&partition, 3_700_000);
        for (time, expected) in [(100_000, None), (102_000, None), (103_000, Some(103_000))] {
            ends.heard(HashMap::from([(("logs".to_owned(), 3), time)]), time);
            assert_eq!(ends.idle(&partition), expected, "{time}");
        }
    }

    #[test]
    fn what_brokers_hold_back_is_told() {
        let statistics = |one: &str, other: &str| {
            let broker = |throttle: &str| format!(r#"{{"nodeid":1,"state":"UP","rxidle":9{throttle}}}"#);
            let json = format!(r#"{{"brokers":{{"a":{},"b":{}}}}}"#, broker(one), broker(other));
            serde_json::from_str::<Statistics>(&json).unwrap().throttled()
        };
        assert_eq!(statistics("", r#","throttle":{"min":0,"max":0,"avg":0,"sum":0,"cnt":0}"#), (0, Duration::ZERO));
        let (one, other) = (r#","throttle":{"max":900,"cnt":2}"#, r#","throttle":{"max":1200,"cnt":1}"#);
        assert_eq!(statistics(one, other), (3, Duration::from_millis(1200)));
    }

    #[test]
    fn lag_is_read_from_the_statistics() {
        let json = br#"{"name":"x","topics":{"logs":{"topic":"logs","partitions":{
            "3":{"partition":3,"fetchq_cnt":0,"next_offset":90,"lo_offset":0,"hi_offset":100,"ls_offset":95,"more":1},
            "-1":{"partition":-1,"fetchq_cnt":0,"next_offset":-1001,"lo_offset":-1001,"hi_offset":-1001,"ls_offset":-1001}}}}}"#;
        let statistics: Statistics = serde_json::from_slice(json).unwrap();
        let partition = &statistics.topics["logs"].partitions["3"];
        assert_eq!((partition.partition, partition.ls_offset, partition.next_offset), (3, 95, 90));
        assert_eq!(statistics.idle(0), HashMap::new());
    }
}
