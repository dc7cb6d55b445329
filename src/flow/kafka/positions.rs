//! How far the client has read its partitions, markers of transactions and aborted records included.
//!
//! These never come to us as records, but the client's position goes behind a marker when it takes that out of its queue,
//! in its turn; and where a transaction ends, there is a marker. So once all that was taken has been handed over, everything
//! before a position has been.
//!
//! The event at the end of a partition (`enable.partition.eof`) would tell the same, and must not be switched on here:
//! taken out of the queue many at a time, as records are, it moves the client's position one too far (librdkafka 2.2 to 2.12,
//! its issue 4844), and after any rebalance or pause the client reads on from there. The next line would be passed over.
//! Other errors do the same to the position, which says nothing then until it moves ([`Positions::doubt`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::{Offset, TopicPartitionList};

use super::raw::{Native, positions};

/// Topic, and number of the partition.
type Key = (Arc<str>, i32);

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);

/// See the top of the file.
pub(super) struct Positions {
    /// What was told of each partition that is ours, or is not to be told.
    known: BTreeMap<Key, Option<i64>>,
    next: Instant,
}

impl Positions {
    pub(super) fn new(now: Instant) -> Self {
        Self { known: BTreeMap::new(), next: now }
    }

    /// Partitions are about to be read. The client may not have forgotten yet where it stood when they were ours before.
    pub(super) fn assigned(&mut self, client: &dyn Native, partitions: Vec<Key>) {
        let before: BTreeMap<Key, i64> = ask(client, partitions.iter()).into_iter().collect();
        self.known.extend(partitions.into_iter().map(|partition| {
            let before = before.get(&partition).copied();
            (partition, before)
        }));
    }

    /// A partition is ours no more.
    pub(super) fn released(&mut self, partition: &Key) {
        self.known.remove(partition);
    }

    /// Partitions are read from elsewhere; the client knows it.
    pub(super) fn sought(&mut self, partitions: impl Iterator<Item = Key>) {
        self.known.extend(partitions.map(|partition| (partition, None)));
    }

    /// At this offset is something that could not be read, and the client takes it for read.
    pub(super) fn doubt(&mut self, partition: &Key, offset: i64) {
        if let Some(known) = self.known.get_mut(partition) {
            *known = Some(offset + 1);
        }
    }

    /// Partitions that are further on than was told, with the offsets to be read next; nothing while it is not time.
    pub(super) fn moved(&mut self, client: &dyn Native, now: Instant) -> Option<Vec<(Key, i64)>> {
        if now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        let moved = self.news(ask(client, self.known.keys()));
        (!moved.is_empty()).then_some(moved)
    }

    fn news(&mut self, found: Vec<(Key, i64)>) -> Vec<(Key, i64)> {
        let is_new = |(partition, offset): &(Key, i64)| {
            let known = self.known.get_mut(partition);
            known.is_some_and(|known| known.replace(*offset) != Some(*offset))
        };
        found.into_iter().filter(is_new).collect()
    }
}

/// Where the client stands, of those partitions in which it stands somewhere.
fn ask<'p>(client: &dyn Native, partitions: impl Iterator<Item = &'p Key>) -> Vec<(Key, i64)> {
    let mut list = TopicPartitionList::new();
    let asked: Vec<&Key> = partitions.collect();
    for (topic, number) in &asked {
        list.add_partition(topic, *number);
    }
    positions(client, &list);
    let offset = |key: &Key| match list.find_partition(&key.0, key.1)?.offset() {
        Offset::Offset(offset) => Some((key.clone(), offset)),
        _ => None,
    };
    asked.into_iter().filter_map(offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Key {
        ("logs".into(), number)
    }

    #[test]
    fn what_was_told_or_cannot_be_known_is_no_news() {
        let mut positions = Positions::new(Instant::now());
        positions.known.extend([(partition(0), None), (partition(1), Some(40))]);
        let mut news = |of: &[(i32, i64)]| -> Vec<(i32, i64)> {
            let found = of.iter().map(|(number, offset)| (partition(*number), *offset)).collect();
            positions.news(found).into_iter().map(|((_, number), offset)| (number, offset)).collect()
        };
        // Partition 1 may still be where it was read to when it was ours before, and partition 2 is not ours.
        assert_eq!(news(&[(0, 5), (1, 40), (2, 9)]), [(0, 5)]);
        assert_eq!(news(&[(0, 5), (1, 7)]), [(1, 7)]);
        assert_eq!(news(&[(0, 6), (1, 40)]), [(0, 6), (1, 40)]);
        positions.doubt(&partition(0), 6);
        let found = |offset| vec![(partition(0), offset)];
        assert!(positions.news(found(7)).is_empty(), "the client takes for read what could not be read");
        assert_eq!(positions.news(found(9)).len(), 1);
        positions.sought([partition(0)].into_iter());
        assert_eq!(positions.news(found(9)).len(), 1, "it was read again");
        positions.released(&partition(0));
        assert!(positions.news(found(10)).is_empty());
    }
}
