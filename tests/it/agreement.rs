//! The engine against the oracle: millions of generated lines, in every shape and escape style, must get the same rules
//! in the same order, the same severity, section and facts, and go out as the bytes that the splice laws demand.
//!
//! `FINGERPOST_ORACLE_LINES` sets how many lines (100,000 unless told), `FINGERPOST_ORACLE_SEED` where to begin.

use std::collections::BTreeMap;
use std::thread;

use fingerpost::cli::packs;
use fingerpost::engine::{Detail, Engine, Memory, Outcome, Settings};
use fingerpost::flow::PacksFrom;
use fingerpost::pack::FIXED_MEMBERS;
use serde_json::{Map, Value};

use super::lines;
use super::oracle::{self, Expected, Oracle, Told};

/// Lines of one seed; sources are remembered within them.
const BATCH: u64 = 5_000;

#[test]
fn the_engine_agrees_with_the_oracle() {
    let total = number("FINGERPOST_ORACLE_LINES", 100_000);
    let first = number("FINGERPOST_ORACLE_SEED", 1);
    let engine = packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine;
    let batches = total.div_ceil(BATCH);
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let seen: Seen = thread::scope(|scope| {
        let run = |worker: u64| {
            let mut seen = Seen::default();
            for batch in (worker..batches).step_by(threads as usize) {
                agree(&engine, first + batch, None, &mut seen);
            }
            seen
        };
        let workers: Vec<_> = (0..threads).map(|worker| scope.spawn(move || run(worker))).collect();
        workers.into_iter().map(|worker| worker.join().expect("agrees")).fold(Seen::default(), Seen::and)
    });
    println!("{} lines, {} tagged, seeds from {first}", seen.lines, seen.tagged);
    let few = seen.problems.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(seen.problems.is_empty(), "{} seeds disagree, the first of them:\n{few}", seen.problems.len());
    for reported in engine.reported() {
        let count = seen.rules.get(&reported.id).copied().unwrap_or_default();
        println!("{count:>10} {}", reported.id);
        assert!(count > 0, "{} never came up among the generated lines", reported.id);
    }
    assert!(seen.tagged * 10 > seen.lines && seen.tagged < seen.lines, "{} of {} tagged", seen.tagged, seen.lines);
}

/// An engine that passes over one line that it should have tagged, of many, is found out, by that line.
#[test]
fn a_single_line_passed_over_is_found() {
    let engine = packs::load(&PacksFrom::Builtin, Settings::default()).expect("the shipped packs load").engine;
    let (mut rng, batch) = (fastrand::Rng::with_seed(7), 11);
    let mut seen = Seen::default();
    agree(&engine, batch, None, &mut seen);
    assert!(seen.problems.is_empty() && seen.tagged > 0, "{:?}", seen.problems);
    let planted = rng.u64(..seen.tagged);
    let mut seen = Seen::default();
    agree(&engine, batch, Some(planted), &mut seen);
    assert_eq!((seen.tagged, seen.problems.len()), (planted, 1), "{:?}", seen.problems);
    assert!(seen.problems[0].contains("rules are []"), "{}", seen.problems[0]);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[derive(Default)]
struct Seen {
    lines: u64,
    tagged: u64,
    rules: BTreeMap<String, u64>,
    /// The first disagreement of each seed that has one.
    problems: Vec<String>,
}

impl Seen {
    fn and(mut self, other: Self) -> Self {
        self.lines += other.lines;
        self.tagged += other.tagged;
        self.problems.extend(other.problems);
        for (rule, count) in other.rules {
            *self.rules.entry(rule).or_default() += count;
        }
        self
    }
}

/// Of the lines that are tagged the one with the number `missed` is passed over, as by a scan that is wrong.
fn agree(engine: &Engine, seed: u64, missed: Option<u64>, seen: &mut Seen) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut memory, mut oracle) = (engine.memory(), Oracle::default());
    for index in 0..BATCH {
        let made = lines::made(&mut rng);
        let (line, source) = (made.payload.as_slice(), made.source.as_deref());
        let expected = oracle.judge(&made);
        // A line of a list may say what one before it was judged without.
        let mut before = (made.told.len() > 1).then(|| memory.clone());
        let mut outcome = engine.classify(line, source, &mut memory);
        if outcome.verdict.is_some() && missed == Some(seen.tagged) {
            outcome = Outcome::default();
        }
        let problem = difference(engine, before.as_mut().unwrap_or(&mut memory), line, source, &outcome, &expected);
        if let Some(problem) = problem {
            let text = String::from_utf8_lossy(line);
            let told: Vec<String> = made.told.iter().map(shown).collect();
            seen.problems.push(format!(
                "seed {seed}, line {index}, source {source:?}: {problem}\nline: {text}\nlayers: {:?}\ntold: {}\noracle: {expected:?}\nengine: {:?}",
                made.layers,
                told.join("\n      "),
                outcome.added(Detail::Full)
            ));
            return;
        }
        seen.lines += 1;
        seen.tagged += u64::from(outcome.verdict.is_some());
        for rule in &expected.matches {
            *seen.rules.entry((*rule).to_owned()).or_default() += 1;
        }
    }
}

fn shown(told: &Told) -> String {
    let Told { line, app, source, own, stamp, path } = told;
    let line = String::from_utf8_lossy(line);
    format!("{line} (app {app:?}, source {source:?}, own {own:?}, stamp {stamp:?}, path {path:?})")
}

/// What is not as the oracle says, if anything. The memory is one for the same line again.
pub(crate) fn difference(
    engine: &Engine,
    memory: &mut Memory,
    line: &[u8],
    source: Option<&str>,
    outcome: &Outcome,
    expected: &Expected,
) -> Option<String> {
    let rules = outcome.verdict.as_ref().map(|verdict| verdict.rules.clone()).unwrap_or_default();
    let rules: Vec<&str> = rules.iter().map(|rule| engine.reported()[*rule].id.as_str()).collect();
    if rules != expected.matches {
        return Some(format!("rules are {rules:?}"));
    }
    if outcome.probe != expected.probe {
        return Some(format!("probe is {}", outcome.probe));
    }
    let record = outcome.verdict.as_ref().and_then(|verdict| verdict.record.clone());
    if record != expected.record {
        return Some(format!("the record is {record:?}"));
    }
    if let Some(problem) = object_differs(outcome, expected) {
        return Some(problem);
    }
    bytes_differ(engine, memory, line, source, outcome, expected)
}

fn object_differs(outcome: &Outcome, expected: &Expected) -> Option<String> {
    let added = outcome.added(Detail::Full)?;
    let Ok(Value::Object(object)) = serde_json::from_str(&added) else {
        return Some("the added member is no object".into());
    };
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let anchor = text("runbook").rsplit('#').next().unwrap_or_default().to_owned();
    if text("severity") != expected.severity || anchor != expected.section {
        return Some(format!("severity {}, section {anchor}", text("severity")));
    }
    if text("rule") != expected.matches[0] || object.get("rules") != Some(&Value::from(expected.matches.clone())) {
        return Some("rule and rules do not name what matched".into());
    }
    let facts: Map<String, Value> =
        object.into_iter().filter(|(name, _)| !FIXED_MEMBERS.contains(&name.as_str())).collect();
    let wanted: Map<String, Value> = expected.facts.clone().into_iter().collect();
    (facts != wanted).then(|| format!("facts are {}", Value::Object(facts)))
}

/// The splice laws.
fn bytes_differ(
    engine: &Engine,
    memory: &mut Memory,
    line: &[u8],
    source: Option<&str>,
    outcome: &Outcome,
    expected: &Expected,
) -> Option<String> {
    let untouched = oracle::expected_untouched(line);
    let value = outcome.value(line, Detail::Full);
    let matched = !expected.matches.is_empty();
    let differs = |what: &str, bytes: &[u8]| Some(format!("{what}: {}", String::from_utf8_lossy(bytes)));
    if !expected.is_object && *value != *line {
        return differs("a line that is no object is changed", &value);
    }
    if !(matched && expected.is_object) && *value != *untouched {
        return differs("without a match only stale members go", &value);
    }
    if matched && expected.is_object != outcome.is_object {
        return Some(format!("is_object is {}", outcome.is_object));
    }
    if matched && expected.is_object && oracle::strip(&value) != untouched {
        return differs("taking the member out gives something else", &value);
    }
    let piped = outcome.piped(line).into_owned();
    let again = engine.classify(&piped, source, memory);
    if again.piped(&piped).into_owned() != piped {
        return differs("classifying the output again changes it", &again.piped(&piped));
    }
    None
}
