//! Every limit of the engine crossed once: it is told, and the line still goes out.

use std::sync::Arc;

use fingerpost::diagnostic::Source;
use fingerpost::engine::{Crossed, Detail, Engine, Limits, Outcome, Settings};
use fingerpost::pack;

const PACK: &str = r#"
[sections]
s = "S"
[capture]
volume = "string"
mode = "string"
[[context]]
id = "read-only"
any = ["mounted read-only"]
set = { mode = "ro" }
[[rule]]
id = "disk.full"
title = "t"
section = "s"
severity = "info"
any = ["no space left"]
get = [{ name = "volume", re = 'volume (\S+)' }]
inherit = ["mode"]
"#;

fn engine(limits: Limits) -> Engine {
    let source = Source { name: "p.toml".into(), text: PACK.into() };
    let packs = pack::parse(&[Arc::new(source)]).0.unwrap();
    Engine::new(packs, Settings { limits, ..Settings::default() }).unwrap()
}

fn run(limits: Limits, line: &str) -> Outcome {
    let engine = engine(limits);
    let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
    assert!(outcome.value(line.as_bytes(), Detail::None) == line.as_bytes(), "the line does not go out as it came");
    outcome
}

#[test]
fn payload() {
    let limits = Limits { payload: 30, ..Limits::default() };
    let fits = run(limits, r#"{"msg":"no space left","n":10}"#);
    assert!(fits.verdict.is_some() && fits.crossed == Crossed::default());
    let crossed = run(limits, r#"{"msg":"no space left","n":100}"#);
    assert!(crossed.verdict.is_none() && crossed.crossed == Crossed { payload: true, ..Crossed::default() });
}

#[test]
fn nesting() {
    let limits = Limits { nesting: 3, ..Limits::default() };
    let fits = run(limits, r#"{"a":{"b":["no space left"]}}"#);
    assert!(fits.verdict.is_some() && fits.crossed == Crossed::default());
    for deep in [r#"{"a":{"b":[["no space left"]]}}"#, r#"{"a":{"b":"{\"c\":\"no space left\"}"}}"#] {
        let crossed = run(limits, deep);
        assert!(crossed.verdict.is_none() && crossed.is_object);
        assert_eq!(crossed.crossed, Crossed { nesting: true, ..Crossed::default() }, "{deep}");
    }
    // What is not too deep is still found beside it.
    let beside = run(limits, r#"{"x":[[[["deep"]]]],"msg":"no space left"}"#);
    assert!(beside.verdict.is_some() && beside.crossed.nesting);
}

#[test]
fn hits() {
    let limits = Limits { hits: 2, ..Limits::default() };
    assert_eq!(run(limits, "no space left, no space left").crossed, Crossed::default());
    let crossed = run(limits, "no space left, no space left, no space left");
    assert!(crossed.verdict.is_some() && crossed.crossed == Crossed { hits: true, ..Crossed::default() });
}

#[test]
fn capture() {
    let limits = Limits { capture: 5, ..Limits::default() };
    assert_eq!(run(limits, "no space left on volume abcde").crossed, Crossed::default());
    let crossed = run(limits, "no space left on volume abcdéf");
    assert_eq!(crossed.crossed, Crossed { capture: true, ..Crossed::default() });
    assert!(crossed.added(Detail::Full).unwrap().contains(r#""volume":"abcd","#), "cut between characters");
}

#[test]
fn sources() {
    let engine = engine(Limits { sources: 2, ..Limits::default() });
    let mut memory = engine.memory();
    let mode = |memory: &mut _, source: &str| {
        let outcome = engine.classify(b"no space left", Some(source), memory);
        outcome.added(Detail::Full).unwrap().contains(r#""mode":"ro""#)
    };
    for source in ["p1", "p2"] {
        engine.classify(b"mounted read-only", Some(source), &mut memory);
    }
    assert!(mode(&mut memory, "p2") && mode(&mut memory, "p1"));
    assert_eq!((memory.len(), memory.evicted()), (2, 0));
    engine.classify(b"mounted read-only", Some("p3"), &mut memory);
    assert_eq!((memory.len(), memory.evicted()), (2, 1));
    assert!(!mode(&mut memory, "p2"), "the one not heard of for longest is forgotten");
    assert!(mode(&mut memory, "p1") && mode(&mut memory, "p3"));
    // However long their names are, what is kept of them is short.
    engine.classify(b"mounted read-only", Some(&"x".repeat(1 << 20)), &mut memory);
    assert!(mode(&mut memory, &"x".repeat(1 << 20)));
}

#[test]
fn the_deepest_nesting_that_can_be_configured_fits_a_threads_stack() {
    let limits = Limits { nesting: 512, ..Limits::default() };
    // Objects, arrays, and an object in a string at the bottom; a worker's thread has as much stack as a test's.
    let deep = format!("{}\"{{\\\"m\\\":\\\"no space left\\\"}}\"{}", "{\"_source\":[".repeat(255), "]}".repeat(255));
    let outcome = run(limits, &deep);
    assert!(outcome.verdict.is_some() && outcome.crossed == Crossed::default());
    let deeper = format!("{}\"no space left\"{}", "{\"_source\":[".repeat(50_000), "]}".repeat(50_000));
    let outcome = run(limits, &deeper);
    assert!(outcome.verdict.is_none() && outcome.crossed.nesting && outcome.is_object);
}
