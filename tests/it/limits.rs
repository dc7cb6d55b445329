//! Every limit of the engine crossed once: it is told, and the line still goes out.

use std::sync::Arc;

use fingerpost::diagnostic::Source;
use fingerpost::engine::explain::Fate;
use fingerpost::engine::{Crossed, Detail, Engine, Limits, Outcome, Settings, Writer};
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
    engine_of(PACK, limits)
}

fn engine_of(pack: &str, limits: Limits) -> Engine {
    let source = Source { name: "p.toml".into(), text: pack.into() };
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
fn work() {
    let limits = Limits { work: 1, ..Limits::default() };
    let line = |padding: usize| format!("no space left on volume abc {}", "x".repeat(padding));
    let fits = run(limits, &line(3900));
    assert_eq!(fits.crossed, Crossed::default());
    assert!(fits.added(Detail::Full).unwrap().contains(r#""volume":"abc","#));
    // Its only expression would go over a little more than the line.
    let crossed = run(limits, &line(4100));
    assert_eq!(crossed.crossed, Crossed { work: true, ..Crossed::default() });
    let added = crossed.added(Detail::Full).expect("phrases decide the rule, whatever else it asks for");
    assert!(!added.contains("volume"), "{added}");
    assert_eq!(run(Limits::default(), &line(4100)).crossed, Crossed::default());
}

/// Of one phrase: a rule of it alone, one that asks for more, one that asks for something not to be there, one that
/// requires a capture, and a worse one with another capture, whose case says that it is harmless.
const WORK: &str = r#"
[sections]
s = "S"
[capture]
volume = "string"
size = "string"
[[rule]]
id = "w.alone"
title = "t"
section = "s"
severity = "info"
any = ["no space left"]
get = [{ name = "volume", re = 'volume (\S+)' }]
[[rule]]
id = "w.more"
title = "t"
section = "s"
severity = "info"
all = ["no space left", { words = ["left", "volume"] }]
[[rule]]
id = "w.none"
title = "t"
section = "s"
severity = "info"
all = ["no space left"]
none = [{ re = 'read-[a-z]+' }]
[[rule]]
id = "w.required"
title = "t"
section = "s"
severity = "info"
all = ["no space left"]
get = [{ name = "volume", re = 'volume (\w+)', required = true }]
[[rule]]
id = "w.worst"
title = "t"
section = "s"
severity = "critical"
any = ["no space left"]
get = [{ name = "size", re = 'size (\S+)' }]
[[rule.case]]
id = "w.harmless"
severity = "info"
when = { size = "0" }
"#;

#[test]
fn what_is_too_much_work_is_not_decided_and_the_worst_rules_look_first() {
    // One expression more costs as much as the line is long, and the words twice that.
    let line = format!("no space left on volume abc size 0 {}", "x".repeat(5000));
    let told = |work: usize| {
        let engine = engine_of(WORK, Limits { work, ..Limits::default() });
        let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
        let rules = outcome.verdict.iter().flat_map(|verdict| &verdict.rules);
        let ids: Vec<String> = rules.map(|rule| engine.reported()[*rule].id.clone()).collect();
        let added = outcome.added(Detail::Full).unwrap_or_default().into_owned();
        let explained = engine.explain(line.as_bytes(), Writer::default(), &mut engine.memory());
        let matched = explained.trials.iter().filter(|trial| matches!(trial.fate, Fate::Matched(_)));
        let matched: Vec<&str> = matched.map(|trial| trial.report.id.as_str()).collect();
        assert_eq!((&matched, explained.outcome.crossed), (&ids.iter().map(String::as_str).collect(), outcome.crossed));
        (ids.join(" "), added.contains("\"size\""), added.contains("\"volume\""), outcome.crossed.work)
    };
    assert_eq!(told(100), ("w.alone w.harmless w.more w.none w.required".into(), true, true, false));
    assert_eq!(told(1), ("w.worst w.alone".into(), false, false, true), "phrases are all that is known");
    assert_eq!(told(3), ("w.worst w.alone w.more".into(), false, false, true), "and words");
    assert_eq!(told(5), ("w.alone w.harmless w.more w.none".into(), true, false, true), "the worst has looked");
}

#[test]
fn a_context_that_is_known_in_part_is_not_remembered() {
    let pack = PACK.replace(
        r#"set = { mode = "ro" }"#,
        "set = { mode = \"ro\" }\nget = [{ name = \"volume\", re = 'volume (\\S+)' }]",
    );
    let engine = engine_of(&pack, Limits { work: 1, ..Limits::default() });
    for (padding, seen) in [(1800, true), (3000, false)] {
        let mut memory = engine.memory();
        let line = format!("mounted read-only, volume abc {}", "x".repeat(padding));
        let crossed = engine.classify(line.as_bytes(), Some("pod"), &mut memory).crossed.work;
        let outcome = engine.classify(b"no space left", Some("pod"), &mut memory);
        let knows = outcome.added(Detail::Full).unwrap().contains(r#""mode":"ro""#);
        assert_eq!((knows, crossed), (seen, !seen), "{padding}");
    }
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
