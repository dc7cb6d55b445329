//! Up to which event time nothing can change any more: the least over all input partitions of what each still may count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::clock::LATENESS_MS;
use super::record::{Place, Watermark};

/// The input partitions: their numbers, by which entries know them, and their clocks.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    numbers: HashMap<Arc<str>, BTreeMap<i32, u32>>,
    inputs: Vec<Input>,
    /// Topics that must have told, with their numbers of partitions; made anew when somebody tells of others.
    expected: BTreeMap<Arc<str>, i32>,
}

#[derive(Debug)]
struct Input {
    topic: Arc<str>,
    partition: i32,
    clock: Option<i64>,
    /// Lines before it have all come.
    offset: i64,
    /// The topics that its last watermark named.
    named: Arc<Vec<(String, i32)>>,
}

impl Inputs {
    /// The number of an input partition, a new one if need be.
    pub(super) fn number(&mut self, topic: &str, partition: i32) -> u32 {
        if let Some(number) = self.numbers.get(topic).and_then(|partitions| partitions.get(&partition)) {
            return *number;
        }
        let number = u32::try_from(self.inputs.len()).expect("there are fewer partitions than that");
        let topic: Arc<str> = topic.into();
        self.inputs.push(Input { topic: Arc::clone(&topic), partition, clock: None, offset: 0, named: Arc::default() });
        self.numbers.entry(topic).or_default().insert(partition, number);
        number
    }

    /// The place that a number and an offset stand for.
    pub(super) fn place(&self, number: u32, offset: i64) -> Place {
        let Input { topic, partition, .. } = &self.inputs[number as usize];
        Place { topic: topic.to_string(), partition: *partition, offset }
    }

    /// Whether a line was told of before: its partition has told that it is past it.
    pub(super) fn has_told(&self, number: u32, offset: i64) -> bool {
        offset < self.inputs[number as usize].offset
    }

    /// Takes in what an input partition tells. A clock never goes back: what was told once holds.
    pub(super) fn told(&mut self, watermark: &Watermark) {
        let number = self.number(&watermark.topic, watermark.partition) as usize;
        let input = &mut self.inputs[number];
        input.clock = input.clock.max(Some(watermark.clock));
        input.offset = input.offset.max(watermark.offset);
        if *input.named != watermark.inputs {
            input.named = Arc::new(watermark.inputs.clone());
            self.expect();
        }
    }

    /// A topic is waited for when any partition of another topic names it, or when no other topic has told anything. So one
    /// that was deleted, or is not read any more, holds nobody back: only its own last words name it.
    fn expect(&mut self) {
        let told = || self.inputs.iter().filter(|input| input.clock.is_some());
        let mut expected: BTreeMap<Arc<str>, i32> = BTreeMap::new();
        let topics: BTreeSet<&str> =
            told().flat_map(|input| input.named.iter()).map(|(topic, _)| topic.as_str()).collect();
        for topic in topics {
            let naming = |input: &&Input| input.named.iter().any(|(named, _)| named == topic);
            let mut others = told().filter(|input| *input.topic != *topic).peekable();
            if others.peek().is_some() && !others.any(|input| naming(&input)) {
                continue;
            }
            let counts = told().flat_map(|input| input.named.iter()).filter(|(named, _)| named == topic);
            expected.insert(topic.into(), counts.map(|(_, count)| *count).max().unwrap_or(0));
        }
        self.expected = expected;
    }

    /// Up to this time, exclusive, nothing can be counted any more; nothing when some input partition has not told yet.
    pub(super) fn horizon(&self) -> Option<i64> {
        let mut horizon: Option<i64> = None;
        for (topic, count) in &self.expected {
            let partitions = self.numbers.get(topic)?;
            for partition in 0..*count {
                let clock = self.inputs[*partitions.get(&partition)? as usize].clock?;
                horizon = Some(horizon.map_or(clock, |least| least.min(clock)));
            }
        }
        horizon.map(|clock| clock.saturating_sub(LATENESS_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(inputs: &mut Inputs, topic: &str, partition: i32, clock: i64, known: &[(&str, i32)]) {
        let known = known.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        inputs.told(&Watermark { topic: topic.into(), partition, offset: 0, clock, inputs: known });
    }

    const DAY: i64 = 86_400_000;

    #[test]
    fn there_is_no_horizon_before_all_have_told_and_then_it_is_the_least() {
        let mut inputs = Inputs::default();
        assert_eq!(inputs.horizon(), None);
        tell(&mut inputs, "a", 0, DAY, &[("a", 2)]);
        assert_eq!(inputs.horizon(), None);
        tell(&mut inputs, "a", 1, 2 * DAY, &[("a", 2)]);
        assert_eq!(inputs.horizon(), Some(DAY - LATENESS_MS));
        // What was told once holds.
        tell(&mut inputs, "a", 0, 0, &[("a", 2)]);
        assert_eq!(inputs.horizon(), Some(DAY - LATENESS_MS));
        // A partition more.
        tell(&mut inputs, "a", 0, 3 * DAY, &[("a", 3)]);
        assert_eq!(inputs.horizon(), None);
        tell(&mut inputs, "a", 2, 4 * DAY, &[("a", 3)]);
        assert_eq!(inputs.horizon(), Some(2 * DAY - LATENESS_MS));
    }

    #[test]
    fn a_topic_that_only_its_own_last_words_name_is_not_waited_for() {
        let mut inputs = Inputs::default();
        let both = [("a", 1), ("b", 1)];
        tell(&mut inputs, "a", 0, DAY, &both);
        assert_eq!(inputs.horizon(), None);
        tell(&mut inputs, "b", 0, 2 * DAY, &both);
        assert_eq!(inputs.horizon(), Some(DAY - LATENESS_MS));
        tell(&mut inputs, "b", 0, 3 * DAY, &[("b", 1)]);
        assert_eq!(inputs.horizon(), Some(3 * DAY - LATENESS_MS));
    }
}
