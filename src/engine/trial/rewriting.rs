//! Does it matter how a line is written? It must not: every example is classified in every writing, and gets the same
//! object; and in capitals the same id.

use super::ids;
use super::writing::{WRITINGS, in_capitals};
use crate::engine::{Detail, Engine, examples};
use crate::pack::lint::{Finding, about_rule};
use crate::pack::{Condition, Example, Rule};
use std::borrow::Cow;

pub(super) fn lint(engine: &Engine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, rule) in engine.packs().rules.iter().enumerate() {
        let phrases = phrases(engine, rule);
        for (report, examples) in rule.reports() {
            for example in examples.yes.iter().chain(&examples.no) {
                findings.extend(written_otherwise(engine, index, example));
                findings.extend(capitals(engine, index, &report.id, example, &phrases));
            }
        }
    }
    findings
}

fn written_otherwise(engine: &Engine, rule: usize, example: &Example) -> Option<Finding> {
    let object = |example: &Example| examples::classify(engine, example).added(Detail::Full).map(Cow::into_owned);
    let wanted = object(example);
    let differs = WRITINGS.iter().find(|writing| {
        let lines: Option<Vec<String>> = example.lines.iter().map(|line| (writing.write)(line)).collect();
        lines.is_some_and(|lines| object(&Example { lines, span: 0..0 }) != wanted)
    })?;
    let message = format!("this line is judged otherwise when it is written {}", differs.name);
    let help = "a collector may write it so: let no expression count on the end of the text, on a raw character or on a wrapper";
    let mut finding = about_rule(engine.packs(), rule, "L33", example.span.clone(), message, "another verdict");
    finding.diagnostic.help = Some(help.into());
    Some(finding)
}

fn capitals(engine: &Engine, rule: usize, id: &str, example: &Example, phrases: &[String]) -> Option<Finding> {
    let kept = &engine.packs().rules[rule].app;
    let lines = example.lines.iter().map(|line| in_capitals(line, phrases, kept)).collect();
    let claimed = |example: &Example| ids(engine, &examples::classify(engine, example)).contains(&id);
    let raised = Example { lines, span: 0..0 };
    if raised.lines == example.lines || claimed(example) == claimed(&raised) {
        return None;
    }
    let message = format!("with its phrases in capitals `{id}` judges this line otherwise");
    let mut finding = about_rule(engine.packs(), rule, "L34", example.span.clone(), message, "another verdict");
    finding.diagnostic.help = Some("phrases fold ASCII case; write (?i-u:…) where an expression repeats one".into());
    Some(finding)
}

/// What a rule looks for, in lower case, the contexts of its cases among it.
fn phrases(engine: &Engine, rule: &Rule) -> Vec<String> {
    let own = [&rule.all, &rule.any, &rule.none].into_iter().chain(rule.cases.iter().map(|case| &case.also));
    let contexts = rule.cases.iter().flat_map(|case| &case.earlier).map(|context| &engine.packs().contexts[*context]);
    let theirs = contexts.flat_map(|context| [&context.all, &context.any, &context.none]);
    let mut phrases: Vec<String> =
        own.chain(theirs).flatten().flat_map(texts).map(|text| text.to_ascii_lowercase()).collect();
    phrases.sort_unstable();
    phrases.dedup();
    phrases
}

fn texts(condition: &Condition) -> Vec<&str> {
    match condition {
        Condition::Phrase(phrase) => vec![phrase],
        Condition::PhraseThen { phrase, then } => std::iter::once(phrase).chain(then).map(String::as_str).collect(),
        Condition::Words(words) => words.iter().map(String::as_str).collect(),
        Condition::Regex(_) | Condition::LevelError => Vec::new(),
    }
}
