//! No line costs much more than a plain one of its length, whatever it holds: counted in the unit of `limits.work`, for
//! lines that were made to cost, with the shipped packs and with 4,000 rules of five captures each.
//!
//! What all lines cost (parsing, and searching for phrases) is counted as a few passes over the line, rather too few, so that
//! a plain line is not made to look dear; what is judged is counted by the judge itself.

use std::fmt::Write;
use std::sync::Arc;

use super::work::Work;
use super::{Engine, Settings, Writer};
use crate::diagnostic::Source;
use crate::pack::{builtin, parse};

/// Passes over the bytes of a line, in units of the work, that parsing and searching amount to.
const PASSES: u64 = 8;
/// A line may cost so many times what a plain one of its length costs.
const TIMES: u64 = 50;
const BYTES: usize = 32 << 10;

/// What a line costs, and whether something was not done.
fn cost(engine: &Engine, line: &str) -> (u64, bool) {
    let record = engine.open(line.as_bytes(), Writer::default());
    let found = engine.phrases.search(&record.lines[0], engine.settings.limits.hits);
    let work = Work::of(&engine.settings.limits, line.len());
    let before = work.left();
    let mut judge = super::Judge::new(engine.bench(), &record.lines[0], &found, work);
    let mut said = engine.memory().said(None);
    judge.contexts(&mut said);
    judge.rules(&said);
    let work = &judge.looks.work;
    (PASSES * line.len() as u64 + before - work.left(), work.is_crossed())
}

fn phrase(rule: usize) -> String {
    format!("operation {rule:04} went wrong")
}

/// Rules of five captures, none of which is another's: a value behind a name, a number before one, a path, all that are
/// unlike another, and a long run of a large class.
fn pack(rules: usize) -> String {
    let mut pack = "[sections]\ns = \"S\"\n[capture]\n".to_owned();
    for fact in ["value", "number", "member", "others", "run"] {
        let _ = writeln!(pack, "{fact} = \"string\"");
    }
    for rule in 0..rules {
        let _ = write!(
            pack,
            "[[rule]]\nid = \"r.r{rule}\"\ntitle = \"t\"\nsection = \"s\"\nseverity = \"error\"\nany = [\"{}\"]\nget = [\n\
             {{ name = \"value\", re = 'key{rule}=(\\S+)' }},\n\
             {{ name = \"number\", re = '([0-9]+) of {rule}\\b' }},\n\
             {{ name = \"member\", path = \"a.m{rule}\" }},\n\
             {{ name = \"others\", re = 'x{rule}([a-z]+)', every = true, except = \"value\" }},\n\
             {{ name = \"run\", re = '(\\pL{{1,20}}):{rule}' }},\n]\n",
            phrase(rule)
        );
    }
    pack
}

fn engine(pack: String) -> Engine {
    let (packs, problems) = parse(&[Arc::new(Source { name: "p.toml".into(), text: pack })]);
    Engine::new(packs.unwrap_or_else(|| panic!("{problems:?}")), Settings::default()).expect("it builds")
}

/// A line with a text in it for each phrase that finds room, and the rest of its length filled.
fn line(phrases: &[String], fill: impl Fn(usize) -> String) -> String {
    let mut line = "{\"m\":[".to_owned();
    for phrase in phrases.iter().take_while({
        let mut bytes = 0;
        move |phrase| {
            bytes += phrase.len() + 3;
            bytes < BYTES / 2
        }
    }) {
        let _ = write!(line, "{},", serde_json::Value::from(phrase.as_str()));
    }
    let mut number = 0;
    while line.len() < BYTES {
        line += &fill(number);
        line.push(',');
        number += 1;
    }
    line + "0]}"
}

/// Lines made to cost, by what is in them besides as many phrases as there may be.
fn hostile(phrases: &[String]) -> Vec<(&'static str, String)> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let layers = (0..12).fold("\"deep\"".to_owned(), |inner, _| format!("{{\"a\":{}}}", text(&inner)));
    let nested = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
    vec![
        ("empty strings", line(phrases, |_| "\"\"".to_owned())),
        ("short strings", line(phrases, |number| text(&format!("k{number}")))),
        ("names of captures", line(phrases, |number| text(&format!("key{}=", number % 4000)))),
        ("values of captures", line(phrases, |number| text(&format!("key{}=v x{}abc", number % 4000, number % 4000)))),
        ("numbers before captures", line(phrases, |number| text(&format!("{number} of")))),
        ("what reaches over two texts", line(phrases, |_| text(" of ñandú"))),
        ("runs of letters", line(phrases, |_| text(&"ñaé".repeat(200)))),
        ("one long text", line(phrases, |_| text(&"key1 x 12 of abc: ".repeat(2000)))),
        ("members", line(phrases, |number| format!("{{\"m{number}\":{number}}}"))),
        ("documents in strings", line(phrases, |number| text(&format!("{{\"a\":{{\"m{number}\":1}}}}")))),
        ("nesting", line(phrases, |_| nested.clone())),
        ("layers of strings", line(phrases, |_| text(&layers))),
        ("numbers", line(phrases, |number| number.to_string())),
        ("escapes", line(phrases, |_| "\"\\u0041\\ud83d\\n\"".to_owned())),
        ("no end of phrases", line(phrases, |number| text(&phrases[number % phrases.len()]))),
    ]
}

fn held_to_a_plain_line(engine: &Engine, plain: &str, phrases: &[String]) {
    let plain = line(&[plain.to_owned()], |_| format!("\"{}\"", "nothing of interest, ".repeat(3000)));
    let (usual, crossed) = cost(engine, &plain);
    assert!(!crossed, "a plain line is far below the limit");
    let usual = usual * BYTES as u64 / plain.len() as u64;
    for (what, line) in hostile(phrases) {
        let (cost, _) = cost(engine, &line);
        let cost = cost * BYTES as u64 / line.len() as u64;
        assert!(cost <= TIMES * usual, "{what}: {cost} where a plain line costs {usual}");
        let outcome = engine.classify(line.as_bytes(), None, &mut engine.memory());
        let again = engine.classify(line.as_bytes(), None, &mut engine.memory());
        assert!(outcome.verdict.is_some(), "{what}: rules that ask for phrases only are decided whatever it costs");
        assert_eq!((outcome.verdict, outcome.crossed), (again.verdict, again.crossed), "{what}: the same each time");
    }
}

#[test]
fn no_line_costs_fifty_times_a_plain_one_with_4000_rules_of_five_captures() {
    let engine = engine(pack(4000));
    let phrases: Vec<String> = (0..4000).map(phrase).collect();
    held_to_a_plain_line(&engine, &phrase(7), &phrases);
    let (_, crossed) = cost(&engine, &line(&phrases, |number| format!("\"k{number}\"")));
    assert!(crossed, "it is the limit that holds it");
}

#[test]
fn no_line_costs_fifty_times_a_plain_one_with_the_shipped_packs() {
    let engine = Engine::new(parse(&builtin()).0.expect("packs"), Settings::default()).expect("it builds");
    // The lines that the rules themselves claim.
    let examples = engine.packs().rules.iter().flat_map(|rule| rule.reports()).flat_map(|(_, examples)| &examples.yes);
    let phrases: Vec<String> = examples.flat_map(|example| example.lines.last().cloned()).collect();
    held_to_a_plain_line(&engine, "KEY_DELETED_ERR: Key has already been deleted.", &phrases);
    let (_, crossed) = cost(&engine, &line(&phrases[..3], |number| format!("\"k{number}\"")));
    assert!(!crossed, "what a few rules ask for is less than the limit");
}

#[test]
fn rules_that_use_one_expression_pay_for_it_once() {
    let rule = |rule: usize| {
        format!(
            "[[rule]]\nid = \"r.r{rule}\"\ntitle = \"t\"\nsection = \"s\"\nseverity = \"error\"\nany = [\"{}\"]\n\
             get = [{{ name = \"value\", re = 'key=(\\S+)' }}]\n",
            phrase(rule)
        )
    };
    let head = "[sections]\ns = \"S\"\n[capture]\nvalue = \"string\"\n".to_owned();
    let engine = engine((0..500).map(rule).fold(head, |pack, rule| pack + &rule));
    let of = |rules: usize| {
        let phrases: Vec<String> = (0..rules).map(phrase).collect();
        cost(&engine, &line(&phrases, |number| format!("\"k{number}\""))).0
    };
    assert!(of(400) < of(1) + BYTES as u64, "{} for 400 rules, {} for one", of(400), of(1));
}
