//! The demo's input: lines as the five services write them, with known phrases among them.
//!
//! Noise comes from a few templates; the lines with phrases are the packs' own examples, first one for every id, then
//! all of them over and over. The same seed makes the same lines.

use crate::engine::Engine;
use crate::pack::Example;

/// One record to produce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The pod that wrote it; lines of one source stay in one partition, in order.
    pub key: String,
    /// The line.
    pub line: String,
}

/// Makes lines without end.
#[derive(Debug)]
pub struct Lines {
    rng: fastrand::Rng,
    examples: Vec<Example>,
    next: usize,
    pending: Vec<Record>,
    made: u64,
}

/// One line in so many carries a known phrase.
const EVERY: u64 = 6;

impl Lines {
    /// Lines for an engine's packs.
    #[must_use]
    pub fn new(engine: &Engine, seed: u64) -> Self {
        let rules = &engine.packs().rules;
        let mut first = Vec::new();
        let mut rest = Vec::new();
        for rule in rules {
            for (_, examples) in rule.reports() {
                first.extend(examples.yes.first().cloned());
                rest.extend(examples.yes.iter().skip(1).cloned());
            }
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        rng.shuffle(&mut first);
        rng.shuffle(&mut rest);
        first.extend(rest);
        Self { rng, examples: first, next: 0, pending: Vec::new(), made: 0 }
    }

    fn example(&mut self) -> Option<Record> {
        if self.pending.is_empty() {
            let example = self.examples.get(self.next % self.examples.len().max(1))?;
            self.next += 1;
            // A pod of its own: what another example's source said earlier must not reach into this one.
            let key = format!("{}-{:08x}", self.rng.choice(SERVICES).unwrap_or(&"pod"), self.rng.u32(..));
            let records = example.lines.iter().rev().map(|line| Record { key: key.clone(), line: line.clone() });
            self.pending = records.collect();
        }
        self.pending.pop()
    }

    fn noise(&mut self) -> Record {
        let service = SERVICES[self.rng.usize(..SERVICES.len())];
        let pod = format!("{service}-{}", POD_ENDINGS[self.rng.usize(..POD_ENDINGS.len())]);
        let text = NOISE[self.rng.usize(..NOISE.len())]
            .replace("{n}", &self.rng.u32(1..5000).to_string())
            .replace("{id}", &format!("c{:015x}", self.rng.u64(..) >> 4));
        let time = jiff::Timestamp::now();
        let line = match self.rng.u8(..4) {
            0 => format!(r#"{{"level":"info","time":"{time}","app":"{service}","pod":"{pod}","msg":"{text}"}}"#),
            1 => format!(r#"{{"_app":"{service}","_host":"{pod}","_ts":{},"_line":"{text}"}}"#, time.as_millisecond()),
            2 => format!(
                r#"{{"log":"{{\"level\":\"info\",\"msg\":\"{text}\"}}","kubernetes":{{"labels":{{"app":"{service}"}},"pod_name":"{pod}"}}}}"#
            ),
            _ => format!("{time} INFO {service} {text}"),
        };
        Record { key: pod, line }
    }
}

impl Iterator for Lines {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.made += 1;
        if self.made.is_multiple_of(EVERY) || !self.pending.is_empty() {
            return self.example().or_else(|| Some(self.noise()));
        }
        Some(self.noise())
    }
}

const SERVICES: &[&str] = &["armada-compute-identity", "kms", "armada-kp-events", "armada-cluster", "armada-billing"];

const POD_ENDINGS: &[&str] = &["6d5f8c9b7-x2x4q", "7c9d4b5f8-q8zkn", "58b7f6d9c-2hvlm", "9f8c7d6b5-t4wjp"];

const NOISE: &[&str] = &[
    "request handled in {n} ms",
    "cluster {id} reconciled, nothing to do",
    "key set of cluster {id} is up to date",
    "event for cluster {id} received, {n} in the queue",
    "metering: {n} workers submitted for cluster {id}",
    "cache refreshed, {n} entries",
    "leader election: still the leader after {n} s",
    "health probe answered",
    "connection pool: {n} in use",
    "usage of cluster {id} written, took {n} ms",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::packs;
    use crate::engine::Settings;
    use crate::flow::PacksFrom;
    use std::collections::BTreeSet;

    #[test]
    fn every_shipped_rule_turns_up_and_noise_stays_noise() {
        let engine = packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine;
        let mut lines = Lines::new(&engine, 7);
        let mut seen = BTreeSet::new();
        let mut memory = engine.memory();
        // The first example of every report comes first, its lines one behind the other.
        let firsts = engine.packs().rules.iter().flat_map(|rule| rule.reports()).filter_map(|(_, it)| it.yes.first());
        let examples: u64 = firsts.map(|example| EVERY + example.lines.len() as u64).sum();
        for record in lines.by_ref().take(examples as usize) {
            let outcome = engine.classify(record.line.as_bytes(), Some(&record.key), &mut memory);
            seen.extend(outcome.verdict.into_iter().flat_map(|verdict| verdict.rules));
        }
        assert_eq!(seen.len(), engine.reported().len());
        for _ in 0..1000 {
            let record = lines.noise();
            assert!(engine.classify(record.line.as_bytes(), Some(&record.key), &mut memory).verdict.is_none());
        }
    }
}
