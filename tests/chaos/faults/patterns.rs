//! What stands in the rules: expressions that take other machines exponential time.

use std::sync::Arc;

use fingerpost::diagnostic::Source;
use fingerpost::engine::{Detail, Engine, Settings};
use fingerpost::pack;
use nix::time::{ClockId, clock_gettime};

use super::*;

/// Each with what it is run on, over and over, and never matches in the end.
const HURTING: [(&str, &str); 6] = [
    (r"(?:a+)+$", "a"),
    (r"(?:a|a)*b$", "a"),
    (r"(?:a|aa)+$", "a"),
    (r"(?:.*a){12}c", "a"),
    (r"^(?:(?:[a-z])+.)+[A-Z](?:[a-z])+$", "a"),
    (r"(?:x+x+)+y", "x"),
];

fn packs(expression: &str) -> (Option<pack::Packs>, String) {
    let text = format!(
        "[sections]\ns = \"S\"\n[capture]\nfact = \"string\"\n[[rule]]\nid = \"hurts.much\"\ntitle = \"t\"\nsection = \"s\"\n\
         severity = \"info\"\nall = [\"boom: \", {{ re = '(?:{expression})' }}]\nget = [{{ name = \"fact\", re = '({expression})' }}]\n"
    );
    let source = Source { name: "p.toml".into(), text: text.as_str().into() };
    let (packs, problems) = pack::parse(&[Arc::new(source)]);
    (packs, format!("{problems:?}"))
}

/// Processor time of this thread, and so nothing that others on the machine do.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn cost(engine: &Engine, line: &str) -> Duration {
    let began = now();
    let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
    let took = now() - began;
    assert!(*outcome.value(line.as_bytes(), Detail::None) == *line.as_bytes(), "the line does not go out as it came");
    took
}

/// Time grows as the line does: eight times the line is nowhere near the sixty-four times that a square would be.
#[test]
fn fault_51_patterns_made_to_hurt_take_linear_time() {
    for (expression, food) in HURTING {
        let (packs, problems) = packs(expression);
        let engine =
            Engine::new(packs.unwrap_or_else(|| panic!("{expression}: {problems}")), Settings::default()).unwrap();
        let line = |length: usize| format!("boom: {}!", food.repeat(length));
        // The first one builds what the automaton keeps; of the others the quickest counts.
        let quickest = |length: usize| (0..5).map(|_| cost(&engine, &line(length))).min().unwrap();
        quickest(100);
        let (short, long) = (quickest(20_000), quickest(160_000));
        let floor = Duration::from_micros(200);
        assert!(long < 24 * short.max(floor), "{expression}: {short:?} for a line, {long:?} for eight times the line");
        assert!(long < Duration::from_secs(2), "{expression}: {long:?}");
    }
}

/// What would take memory in place of time is refused when the pack is read.
#[test]
fn fault_51_patterns_too_large_are_refused() {
    for expression in [r"(?:(?:a{0,100}){0,100}){0,100}", r"(?:\w{1,100}){1,1000}", r"(a)\1", r"(?=a)a"] {
        let began = now();
        let (packs, problems) = packs(expression);
        assert!(packs.is_none() && problems.contains("P011"), "{expression}: {problems}");
        let took = now() - began;
        assert!(took < Duration::from_secs(10), "{expression}: {took:?}");
    }
}
