//! An explanation for people: what the line says of itself, its text with what was found underlined, what its source said,
//! then the rules, the primary first, clause by clause.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use anstyle::{AnsiColor, Style};

use super::near::Near;
use crate::cli::look::{Excerpt, block, columns, ink};
use crate::engine::explain::{
    Asks, Clause, Explanation, Fate, Learned, Named, Remembered, Source, Standing, Trial, written,
};
use crate::engine::{Engine, Spot};
use crate::pack::{Condition, Fits, Severity, Value};
use crate::sanitize::dotted;

/// Texts without anything found in them that are shown all the same.
const TEXTS_MAX: usize = 4;
/// Columns of what a clause asks for.
const WANTS_COLUMNS: usize = 48;

/// The explanation.
#[must_use]
pub fn explanation(engine: &Engine, heading: Option<&str>, line: &[u8], told: &Explanation<'_>, near: &Near) -> String {
    let columns = columns();
    let bold = Style::new().bold();
    let mut out = String::new();
    if let Some(heading) = heading {
        let _ = writeln!(out, "{bold}{}{bold:#}", dotted(heading));
    }
    let _ = writeln!(out, "  {}\n", Excerpt::new(line, &[], columns - 2).text());
    out += &fields(engine, line, told);
    out += &texts(told, near, columns);
    if told.outcome.crossed.work {
        let _ = writeln!(out, "\n{bold}{WORK_CROSSED}{bold:#}");
    }
    match told.untold() {
        0 => {}
        rules => {
            let _ = writeln!(out, "\n{bold}{rules} rules {NOT_TOLD}{bold:#}");
        }
    }
    let reported: Vec<&Trial<'_>> = told.trials.iter().filter(|trial| trial.fate != Fate::Unmatched).collect();
    if reported.is_empty() {
        let _ = writeln!(out, "\n{bold}no rule matches{bold:#}{}", unjudged(told));
    }
    for trial in &reported {
        out += &rule(told, trial, near);
    }
    if !near.trials.is_empty() {
        let _ = writeln!(out, "\n{bold}near, but no match{bold:#}");
        for at in &near.trials {
            out += &rule(told, &told.trials[*at], near);
        }
    }
    // Others may follow.
    if heading.is_some() {
        out.push('\n');
    }
    out
}

/// Said of a line that asked for more than it may cost. Which clauses were not looked at cannot be told from the clauses.
const WORK_CROSSED: &str = "judging took more than limits.work allows: conditions that were not looked at count as not met, \
    and facts and cases may be missing on the line; below, they are looked at all the same";

/// Said of a line of which not even telling may cost as much as it would.
const NOT_TOLD: &str = "are told without their clauses: looking at those of all rules would take more than 20 times what \
    limits.work allows for judging a line of this length";

fn unjudged(told: &Explanation<'_>) -> &'static str {
    match &told.outcome {
        outcome if outcome.crossed.payload => ": the line is longer than limits.payload, and not looked at",
        outcome if outcome.probe => ": it is LogDNA's set-up probe, which is passed on uncounted",
        _ if !told.scan_stops => ": the scan passes it by, as it holds no phrase that any rule needs",
        _ => "",
    }
}

fn fields(engine: &Engine, line: &[u8], told: &Explanation<'_>) -> String {
    let dim = Style::new().dimmed();
    let named = |named: &Option<Named>, none: &str| match named {
        Some(Named { name, path: Some(path), layer: Some(layer) }) if told.layers.len() > 1 => {
            let layer = told.layers.get(*layer).copied().unwrap_or_default();
            format!("{} {dim}from {path} of {layer}{dim:#}", plain(name))
        }
        Some(Named { name, path: Some(path), .. }) => format!("{} {dim}from the member {path}{dim:#}", plain(name)),
        Some(Named { name, path: None, .. }) => format!("{} {dim}told with the line{dim:#}", plain(name)),
        None => format!("{dim}{none}{dim:#}"),
    };
    let mut out = String::new();
    if told.layers.len() > 1 {
        let _ = writeln!(out, "  layers   {}", told.layers.join(" > "));
    }
    if let Some(record) = &told.record {
        let _ = writeln!(out, "  record   {record} {dim}of {}{dim:#}", told.records);
    }
    let _ = writeln!(out, "  app      {}", named(&told.app, "none: inside every rule that does not require one"));
    let _ = writeln!(out, "  level    {}", named(&told.level, "none"));
    let _ = writeln!(out, "  source   {}", named(&told.source, "none: nothing is remembered for it"));
    for context in told.contexts.iter().filter(|context| context.since.is_some()) {
        let _ = writeln!(out, "  context  {}", seen(context));
    }
    let unknown: Vec<&str> =
        told.contexts.iter().filter(|context| context.since.is_none()).map(|context| context.id).collect();
    if !unknown.is_empty() {
        let _ = writeln!(out, "  {dim}unknown  {}{dim:#}", unknown.join(", "));
    }
    for (name, value) in &told.said {
        let _ = writeln!(out, "  said     {name} = {}", plain(&written(value)));
    }
    if told.outcome.verdict.is_some() && engine.without_ours(line) != line {
        let _ = writeln!(out, "  {dim}an older object of ours is cut out before judging{dim:#}");
    }
    out
}

fn seen(context: &Remembered<'_>) -> String {
    match context.since {
        _ if context.now => format!("{} said by this line", context.id),
        Some(since) if since > 0 => format!("{} said before, first at {since}", context.id),
        _ => format!("{} said before", context.id),
    }
}

/// The decoded text, what was found in it underlined in the colour of the primary.
fn texts(told: &Explanation<'_>, near: &Near, columns: usize) -> String {
    let dim = Style::new().dimmed();
    let severity = told.primary().map_or("info", |trial| trial.report.severity.as_str());
    let ink = ink(severity);
    let mut out = String::from("\n");
    let (mut shown, mut left) = (0, 0);
    let mut spots: Vec<Spot> = told.trials.iter().filter(|trial| trial.fate != Fate::Unmatched).flat_map(met).collect();
    if spots.is_empty() {
        spots = near.trials.iter().flat_map(|at| met(&told.trials[*at])).collect();
    }
    let mut by_text: HashMap<usize, Vec<Range<usize>>> = HashMap::new();
    spots.into_iter().for_each(|spot| by_text.entry(spot.text).or_default().push(spot.span));
    for (at, text) in told.texts.iter().enumerate() {
        let spans = by_text.remove(&at).unwrap_or_default();
        if spans.is_empty() && shown == TEXTS_MAX {
            left += 1;
            continue;
        }
        shown += usize::from(spans.is_empty());
        let head = format!("  text {at:<3}");
        let excerpt = Excerpt::new(text.as_bytes(), &spans, columns - head.len());
        let _ = writeln!(out, "{dim}{head}{dim:#}{}", excerpt.styled(ink));
        let marks = excerpt.marks();
        if !marks.is_empty() {
            let _ = writeln!(out, "{:1$}{ink}{marks}{ink:#}", "", head.len());
        }
    }
    if left > 0 {
        let _ = writeln!(out, "  {dim}and {left} texts more, with nothing in them{dim:#}");
    }
    out
}

/// Where the clauses that make a rule match are met.
fn met(trial: &Trial<'_>) -> Vec<Spot> {
    let chosen = trial.cases.iter().filter(|case| case.is_chosen).flat_map(|case| &case.clauses);
    let clauses = trial.clauses.iter().chain(chosen);
    clauses.filter(|clause| !matches!(clause.asks, Asks::None(_))).flat_map(|clause| clause.spots.clone()).collect()
}

fn rule(told: &Explanation<'_>, trial: &Trial<'_>, near: &Near) -> String {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let report = trial.report;
    let severity = report.severity.as_str();
    let mark = block(severity);
    let mut out = String::from("\n");
    let is_primary = told.primary().is_some_and(|primary| std::ptr::eq(primary, trial));
    let fate = match trial.fate {
        Fate::Matched(_) if is_primary => format!("  primary: {}", why(told).unwrap_or_default()),
        Fate::Matched(standing) => format!("  also: {}", standing_of(standing)),
        Fate::PushedAside(by) => format!("  matched, and is dropped as {by} matched too (unless)"),
        Fate::Unmatched => String::new(),
    };
    let _ = writeln!(out, "{mark} {severity} {mark:#} {bold}{}{bold:#}{fate}", report.id);
    if is_primary {
        let link = told.outcome.verdict.as_ref().map(|verdict| verdict.runbook.as_str()).unwrap_or_default();
        let _ = writeln!(out, "  {}  {dim}{link}{dim:#}", report.section);
    }
    if !trial.is_told {
        let _ = writeln!(out, "  {dim}its clauses were not looked at{dim:#}");
    }
    out += &clauses(&trial.clauses, near, 2);
    for fact in &trial.facts {
        let _ = writeln!(out, "  {dim}={dim:#} {}", learned(fact));
    }
    for case in &trial.cases {
        let (word, sign) = match (case.is_chosen, case.holds) {
            (true, _) => ("chosen: the first that holds", tick(true)),
            (false, true) => ("holds, but an earlier one was chosen", tick(true)),
            (false, false) => ("does not hold", tick(false)),
        };
        let _ = writeln!(out, "  {sign} case     {} {dim}{word}{dim:#}", case.report.id);
        out += &clauses(&case.clauses, near, 4);
    }
    if !trial.cases.is_empty() && !trial.cases.iter().any(|case| case.is_chosen) {
        let _ = writeln!(out, "  {} plain    {} {dim}no case holds{dim:#}", tick(true), trial.rule.report.id);
    }
    out
}

fn tick(holds: bool) -> String {
    let style = |colour: AnsiColor| Style::new().fg_color(Some(colour.into())).bold();
    match holds {
        true => format!("{0}✓{0:#}", style(AnsiColor::Green)),
        false => format!("{0}✗{0:#}", style(AnsiColor::Red)),
    }
}

/// One row each; of `any`, only those that hold or nearly do, when one does.
fn clauses(clauses: &[Clause<'_>], near: &Near, indent: usize) -> String {
    let dim = Style::new().dimmed();
    let mut out = String::new();
    let any = || clauses.iter().filter(|clause| matches!(clause.asks, Asks::Any(_)));
    let one_holds = any().any(|clause| clause.holds);
    let mut hidden = 0;
    for clause in clauses {
        let almost = near.almost(clause);
        let is_any = matches!(clause.asks, Asks::Any(_));
        if is_any && !clause.holds && (one_holds || (almost.is_none() && any().count() > 3)) {
            hidden += 1;
            continue;
        }
        let instead = match (&almost, clause.holds, clause.spots.first()) {
            (Some(almost), ..) => format!("text {} has {}", almost.spot.text, at(near, &almost.spot)),
            (None, _, Some(spot)) => format!("text {} at {}", spot.text, spot.span.start),
            (None, ..) => standing_there(clause),
        };
        let (sign, asks, wants) = (tick(clause.holds), clause.asks.word(), dotted(&wants(clause)).into_owned());
        let row = if instead.is_empty() { wants } else { format!("{wants:<WANTS_COLUMNS$} {dim}{instead}{dim:#}") };
        let _ = writeln!(out, "{:indent$}{sign} {asks:<8} {row}", "");
    }
    if hidden > 0 {
        let other = if one_holds { "other alternatives of any" } else { "alternatives of any, none of them there" };
        let _ = writeln!(out, "{:indent$}  {dim}and {hidden} {other}{dim:#}", "");
    }
    out
}

fn at(near: &Near, spot: &Spot) -> String {
    format!("`{}`", plain(&near.text(spot)))
}

/// What a clause that has no place in the text found.
fn standing_there(clause: &Clause<'_>) -> String {
    let there = |what: &str, none: &str| match &clause.instead {
        Some(instead) => format!("{what} {}", plain(instead)),
        None => none.to_owned(),
    };
    match (&clause.asks, clause.holds) {
        (Asks::App(_), _) => there("the line is of", "the line names no app"),
        (Asks::Level, _) | (Asks::All(Condition::LevelError) | Asks::Any(Condition::LevelError), _) => {
            there("the level is", "the line has no level")
        }
        (Asks::When(fact, _), _) => there(&format!("{fact} is"), &format!("{fact} was not captured")),
        (Asks::Earlier(_), true) => "said by this line or before".to_owned(),
        (Asks::Earlier(_), false) => "not known to have been said".to_owned(),
        (Asks::Required(_), false) => "was not captured".to_owned(),
        (Asks::All(_) | Asks::Any(_), false) => "not there".to_owned(),
        (Asks::None(_), true) => "not there, as it should be".to_owned(),
        _ => String::new(),
    }
}

/// What a clause asks for, as packs write it.
#[must_use]
pub fn wants(clause: &Clause<'_>) -> String {
    match clause.asks {
        Asks::App([]) => "any app, if one is named".to_owned(),
        Asks::App(apps) => apps.join(" or "),
        Asks::Level => "an error, or no level".to_owned(),
        Asks::All(condition) | Asks::Any(condition) | Asks::None(condition) => condition_text(condition),
        Asks::Required(fact) => fact.to_owned(),
        Asks::When(fact, values) => {
            let values: Vec<String> = values.iter().map(written).collect();
            format!("{fact} = {}", values.join(" or "))
        }
        Asks::Earlier(context) => context.to_owned(),
    }
}

fn condition_text(condition: &Condition) -> String {
    match condition {
        Condition::Phrase(phrase) => format!("\"{phrase}\""),
        Condition::PhraseThen { phrase, then } => format!("\"{phrase}\", then \"{}\"", then.join("\" or \"")),
        Condition::Words(words) => format!("the words {}", words.join(", ")),
        Condition::Regex(regex) => format!("/{regex}/"),
        Condition::LevelError => "the level is an error".to_owned(),
    }
}

fn learned(learned: &Learned<'_>) -> String {
    let dim = Style::new().dimmed();
    let from = match &learned.from {
        Source::Member(path) => format!("the member {path}"),
        Source::Text(Some(spot)) => format!("text {} at {}", spot.text, spot.span.start),
        Source::Text(None) => "the text".to_owned(),
        Source::Fact(name) => format!("the fact {name}"),
        Source::Row(Fits::Always) => "the table".to_owned(),
        Source::Row(Fits::Equal(text)) => format!("the table, for {text}"),
        Source::Row(Fits::Suffix(text)) => format!("the table, for what ends in {text}"),
        Source::Row(Fits::Glob(text)) => format!("the table, for {text}"),
        Source::Earlier => "what the source said before".to_owned(),
    };
    let value = match &learned.value {
        Value::String(text) => plain(text),
        other => written(other),
    };
    format!("{} = {value} {dim}from {from}{dim:#}", learned.fact)
}

fn standing_of(standing: Standing) -> String {
    let Standing { severity, priority, phrase_bytes } = standing;
    let priority = if priority == 0 { String::new() } else { format!(", priority {priority}") };
    format!("{}{priority}, longest phrase {phrase_bytes} bytes", severity.as_str())
}

/// Why the primary is primary: what it has over the next.
#[must_use]
pub fn why(told: &Explanation<'_>) -> Option<String> {
    let matched = |trial: &Trial<'_>| match trial.fate {
        Fate::Matched(standing) => Some((trial.report.id.clone(), standing)),
        _ => None,
    };
    let (id, own) = matched(told.primary()?)?;
    let others = told.trials.iter().skip(1).filter_map(matched).find(|(other, _)| *other != id);
    let Some((other, next)) = others else { return Some("the only rule that matches".to_owned()) };
    let word = |severity: Severity| severity.as_str();
    Some(if own.severity != next.severity {
        format!("more severe than {other}, {} over {}", word(own.severity), word(next.severity))
    } else if own.priority != next.priority {
        format!("as severe as {other}, and of higher priority, {} over {}", own.priority, next.priority)
    } else if own.phrase_bytes != next.phrase_bytes {
        let (longer, shorter) = (own.phrase_bytes, next.phrase_bytes);
        format!("as severe as {other}, and found by a longer phrase, {longer} bytes over {shorter}")
    } else {
        format!("level with {other} in all, and first by id")
    })
}

/// Without anything that a terminal would take for its own.
fn plain(text: &str) -> String {
    Excerpt::new(text.as_bytes(), &[], 200).text()
}
